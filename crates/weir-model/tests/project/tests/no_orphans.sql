{{ config(tags=['singular'], severity='error') }}
select e.id from {{ ref('stg_events') }} e left join {{ ref('stg_people') }} p on p.id = e.person_id where p.id is null
