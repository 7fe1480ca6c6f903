{{ config(materialized='incremental', unique_key='id') }}
select e.id, p.name, {{ cents('e.amount', 0) }} as cents, '{{ var("greeting") }}' as greeting, e.happened_at::date as day
from {{ ref('stg_events') }} e
join {{ ref('eph_people') }} p on p.id = e.person_id
left join {{ source('raw', 'loads') }} l on l.id = e.id
{% if is_incremental() %}
where e.id > (select max(id) from {{ this }})
{% endif %}
