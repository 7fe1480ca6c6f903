{{ config(materialized='table') }}
select
    coalesce(kind, 'all') as kind,
    coalesce(person_id, -1) as person_id,
    grouping(kind, person_id) as level,
    count(*) as events,
    count(distinct id) as ids,
    sum(amount) as amount,
    avg(stage) as average_stage,
    min(happened_at) as first_at,
    max(happened_at)::date as last_day,
    percentile_cont(0.5) within group (order by amount) as median,
    percentile_disc(0.9) within group (order by amount) as high,
    mode() within group (order by stage) as usual_stage,
    stddev_samp(amount) as deviation,
    var_pop(amount) as variance,
    bool_and(amount > 0) as all_positive,
    string_agg(distinct kind, '+' order by kind) as kinds,
    array_to_string(array_agg(id order by stage, id), ',') as all_ids,
    sum(amount) filter (where kind = 'buy') as bought,
    corr(stage, amount) as correlation
from {{ ref('events') }}
group by grouping sets ((kind, person_id), (kind), ())
having count(*) > 0
