with days as (
    {{ dbt.date_spine('day', "cast('2023-12-30' as date)", "cast('2024-01-05' as date)") }}
)
select cast(days.date_day as date) as day, count(e.id) as events, coalesce(sum(e.amount), 0) as amount
from days
left join {{ ref('stg_events') }} e on cast(e.happened_at as date) = days.date_day
group by 1
