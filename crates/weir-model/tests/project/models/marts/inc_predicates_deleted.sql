{{ config(materialized='incremental', unique_key='id', incremental_strategy='delete+insert', incremental_predicates=["happened_at >= '2024-01-01 12:00:00'"]) }}
select id, kind, happened_at, {{ var('stage') }} as touched_in from {{ ref('stg_events') }}
