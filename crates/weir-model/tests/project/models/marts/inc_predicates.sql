{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge', incremental_predicates=["DBT_INTERNAL_DEST.happened_at >= '2024-01-01 12:00:00'"]) }}
select id, kind, happened_at, {{ var('stage') }} as touched_in from {{ ref('stg_events') }}
