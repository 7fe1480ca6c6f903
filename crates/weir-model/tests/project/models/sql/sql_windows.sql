{{ config(materialized='table') }}
-- Sessions, ranks, and sums that run.
with ordered as (
    select
        *,
        lag(happened_at) over (partition by person_id order by happened_at, stage) as before,
        first_value(kind) over (partition by person_id order by happened_at, stage) as first_kind,
        last_value(kind) over (partition by person_id order by happened_at, stage rows between unbounded preceding and unbounded following) as last_kind,
        nth_value(amount, 2) over (partition by person_id order by happened_at, stage rows between unbounded preceding and unbounded following) as second_amount,
        ntile(3) over (order by happened_at, id, stage) as third,
        percent_rank() over (order by amount) as percent,
        cume_dist() over (order by amount) as cumulated,
        dense_rank() over (order by kind) as kind_rank,
        rank() over (order by kind desc) as rank_down
    from {{ ref('events') }}
), sessions as (
    select *, sum(case when before is null or happened_at - before > interval '30 minutes' then 1 else 0 end)
        over (partition by person_id order by happened_at, stage rows unbounded preceding) as session
    from ordered
)
select
    stage, id, person_id, session, first_kind, last_kind, second_amount, third, kind_rank, rank_down,
    round(percent::numeric, 4) as percent, round(cumulated::numeric, 4) as cumulated,
    sum(amount) over (partition by person_id order by happened_at, stage) as running,
    avg(amount) over (order by happened_at, id, stage rows between 1 preceding and 1 following) as smoothed,
    count(*) filter (where kind = 'buy') over (partition by person_id) as buys,
    amount / nullif(sum(amount) over (), 0) as share,
    extract(epoch from happened_at - before) as seconds_since,
    extract(epoch from happened_at - before) / 3600 as hours_since,
    happened_at - before > interval '1 day' as after_days,
    happened_at - before between interval '10 hours' and interval '2 days' as soon,
    (happened_at - before)::text as since
from sessions
