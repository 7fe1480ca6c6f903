{{ config(materialized='materialized_view', indexes=[{'columns': ['kind']}]) }}
select kind, count(*) as events from {{ ref('stg_events') }} group by 1
