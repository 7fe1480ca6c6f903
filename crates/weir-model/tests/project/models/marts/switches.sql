{{ config(materialized='table' if var('stage') | int == 2 else 'view') }}
select {{ var('stage') }} as stage
