{{ config(store_failures=true, severity='warn') }}
select id, kind from {{ ref('stg_events') }} where kind = 'gift'
