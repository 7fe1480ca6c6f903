{{ config(materialized='ephemeral', alias='named_buyers') }}
with inner_one as (select * from {{ ref('eph_buyers') }})
select p.name, b.spent from inner_one b join {{ ref('stg_people') }} p on p.id = b.person_id
