{% snapshot by_time %}
{{ config(strategy='timestamp', unique_key='id', updated_at='updated_at', hard_deletes='invalidate') }}
select id, region, status, updated_at from {{ ref('states') }} where stage = {{ var('stage') }}
{% endsnapshot %}
