select person_id
  {%- for kind in kinds() %}
  , sum(case when kind = '{{ kind }}' then 1 else 0 end) as n_{{ kind }}
  {%- endfor %}
from {{ ref('stg_events') }}
group by 1
