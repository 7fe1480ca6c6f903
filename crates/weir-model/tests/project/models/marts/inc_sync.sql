{{ config(materialized='incremental', unique_key='id', on_schema_change='sync_all_columns') }}
select id
  {%- if var('stage') | int == 1 %}, kind, 'x'::varchar(3) as label{% endif %}
  {%- if var('stage') | int > 1 %}, 'longer'::varchar(10) as label, amount * 2 as doubled{% endif %}
from {{ ref('stg_events') }}
