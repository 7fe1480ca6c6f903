{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge', merge_exclude_columns=['kind']) }}
select id, kind, amount from {{ ref('stg_events') }}
