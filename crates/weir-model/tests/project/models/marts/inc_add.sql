{{ config(materialized='incremental', on_schema_change='append_new_columns') }}
select id{% if var('stage') | int == 2 %}, kind as later{% endif %} from {{ ref('stg_events') }}
{% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
