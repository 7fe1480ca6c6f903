{% snapshot by_check %}
{{ config(strategy='check', unique_key=['id', 'region'], check_cols=['status'], updated_at='updated_at', hard_deletes='new_record',
          dbt_valid_to_current="'9999-12-31'::timestamp") }}
select id, region, status, updated_at {% if var('stage') | int > 1 %}, 'new' as added {% endif %} from {{ ref('states') }} where stage = {{ var('stage') }}
{% endsnapshot %}

{% snapshot by_all %}
{{ config(strategy='check', unique_key="id || '-' || region", check_cols='all', snapshot_meta_column_names={'dbt_valid_from': 'since', 'dbt_valid_to': 'until', 'dbt_scd_id': 'scd'}) }}
select id, region, status from {{ ref('states') }} where stage = {{ var('stage') }}
{% endsnapshot %}
