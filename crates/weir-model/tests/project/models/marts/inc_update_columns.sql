{{ config(materialized='incremental', unique_key=['id', 'person_id'], incremental_strategy='merge', merge_update_columns=['amount']) }}
select id, person_id, kind, amount, {{ var('stage') }} as touched_in from {{ ref('stg_events') }}
