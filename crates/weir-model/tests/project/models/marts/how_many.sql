{{ config(materialized='counted') }}
select * from {{ ref('stg_events') }}
