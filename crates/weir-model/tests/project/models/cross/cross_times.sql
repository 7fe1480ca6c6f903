{% set parts = ['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second'] %}
select
    e.stage,
    e.id,
    {% for part in parts %}
    {{ dbt.date_trunc(part, 'e.happened_at') }} as {{ part }}_of,
    {{ dbt.datediff('p.joined_at', 'e.happened_at', part) }} as {{ part }}s_since,
    {{ dbt.datediff('e.happened_at', "cast('2023-02-28 13:59:01' as " ~ dbt.type_timestamp() ~ ")", part) }} as {{ part }}s_back,
    {% if part != 'quarter' %}{{ dbt.dateadd(part, -5, 'e.happened_at') }} as five_{{ part }}s_ago,{% endif %}
    {% endfor %}
    {{ dbt.last_day('e.happened_at', 'month') }} as end_of_month,
    {{ dbt.last_day('e.happened_at', 'quarter') }} as end_of_quarter,
    {{ dbt.last_day('e.happened_at', 'year') }} as end_of_year,
    {{ dbt.dateadd('month', 1, 'p.born') }} as after_birth,
    {{ dbt.date(2024, 2, 29) }} as leap
from {{ ref('events') }} e
left join {{ ref('people') }} p on p.id = e.person_id
