{{ config(materialized='table') }}
with recursive chain as (
    select id, name, 1 as depth, name::text as path from {{ ref('people') }} where id = 1
    union all
    select p.id, p.name, c.depth + 1, c.path || '>' || p.name from chain c join {{ ref('people') }} p on p.id = c.id + 1
), newest as (
    select distinct on (person_id) person_id, kind, happened_at from {{ ref('events') }} order by person_id, happened_at desc, stage desc
), spine as (
    select generate_series(date '2024-01-01', date '2024-01-04', interval '1 day')::date as day
), counted as (
    select s.day, p.id as person_id, count(e.id) as events
    from spine s cross join {{ ref('people') }} p
    left join {{ ref('events') }} e on e.person_id = p.id and e.happened_at >= s.day and e.happened_at < s.day + interval '1 day'
    group by 1, 2
)
select
    c.id, c.depth, c.path, n.kind as newest_kind, l.amount as best_amount, x.day, x.events,
    exists (select 1 from {{ ref('states') }} s where s.id = c.id and s.region = 'us') as in_us,
    (select max(s.updated_at) from {{ ref('states') }} s where s.id = c.id) as updated_at,
    coalesce(a.label, b.label) as label
from chain c
left join newest n on n.person_id = c.id
left join lateral (select max(e.amount) as amount from {{ ref('events') }} e where e.person_id = c.id) l on true
left join counted x on x.person_id = c.id
full join (values (1, 'one'), (7, 'seven')) as a (number, label) on a.number = c.id
left join (select 2 as number, 'two' as label union select 3, 'three') b using (number)
where c.id is null or c.id in (select person_id from {{ ref('events') }} where kind <> 'return') or c.id not in (select id from {{ ref('states') }} where region = 'eu')
