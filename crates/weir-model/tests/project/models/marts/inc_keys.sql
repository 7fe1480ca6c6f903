{{ config(materialized='incremental', unique_key=['id', 'person_id']) }}
select id, person_id, amount from {{ ref('stg_events') }} {% if is_incremental() %} where amount > 0 {% endif %}
