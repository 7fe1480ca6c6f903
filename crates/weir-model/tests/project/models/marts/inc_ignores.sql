{{ config(materialized='incremental', unique_key='id') }}
select id, kind {% if var('stage') | int > 1 %}, 'new' as added{% endif %} from {{ ref('stg_events') }}
