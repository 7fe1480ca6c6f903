{{ config(
    materialized='incremental', incremental_strategy='microbatch', unique_key='id',
    event_time='happened_at', batch_size='year', begin='2023-06-01', lookback=3,
) }}
select id, kind, happened_at from {{ ref('stg_events') }}
