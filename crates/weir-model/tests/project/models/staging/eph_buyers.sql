{{ config(materialized='ephemeral') }}
select person_id, sum(amount) as spent from {{ ref('stg_events') }} where kind = 'buy' group by 1
