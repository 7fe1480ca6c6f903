{{ config(materialized='incremental', incremental_strategy='newest') }}
select max(id) as id, {{ var('stage') }} as stage from {{ ref('stg_events') }}
