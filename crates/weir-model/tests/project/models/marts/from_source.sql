{{ config(materialized='table', persist_docs={'relation': true, 'columns': true}) }}
select * from {{ source('raw', 'loads') }}
