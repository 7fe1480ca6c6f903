with kept as (
    select id, kind from {{ ref('events') }}
    {{ dbt.except() }}
    select id, kind from {{ ref('events') }} where stage = 3
), both_times as (
    select id from {{ ref('events') }} where stage = 1
    {{ dbt.intersect() }}
    select id from {{ ref('events') }} where stage > 1
)
select
    kind,
    count(*) as events,
    {{ dbt.listagg('cast(id as ' ~ dbt.type_string() ~ ')', "', '", 'order by id desc') }} as ids,
    {{ dbt.listagg('cast(id as ' ~ dbt.type_string() ~ ')', "'|'", 'order by id', 2) }} as first_ids,
    {{ dbt.any_value("'x'") }} as any_x,
    {{ dbt.bool_or('id > 3') }} as late,
    (select count(*) from both_times) as both_times
from kept
group by kind
