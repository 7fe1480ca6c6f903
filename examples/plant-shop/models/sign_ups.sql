{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge') }}

select id, user_id, plan, context_campaign_source as campaign, timestamp as signed_up_at, received_at
from {{ source('shop', 'signed_up') }}
{% if is_incremental() %}
where received_at > (select max(received_at) from {{ this }})
{% endif %}
