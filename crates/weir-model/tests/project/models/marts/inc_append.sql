{{ config(materialized='incremental') }}
select id, kind, {{ var('stage') }} as added_in from {{ ref('stg_events') }}
{% if is_incremental() %}
where id > (select max(id) from {{ this }})
{% endif %}
