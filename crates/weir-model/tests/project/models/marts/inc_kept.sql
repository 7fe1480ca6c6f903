{{ config(materialized='incremental', full_refresh=false) }}
select {{ var('stage') }} as stage, count(*) as events from {{ ref('stg_events') }}
