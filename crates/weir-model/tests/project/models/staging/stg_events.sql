{{ config(event_time='happened_at') }}
-- The newest state of each event as of the stage.
select distinct on (id) id, person_id, kind, amount, happened_at
from {{ ref('events') }}
where stage <= {{ var('stage') }}
order by id, stage desc
