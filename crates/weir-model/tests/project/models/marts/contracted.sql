{{ config(materialized='table', contract={'enforced': true}, grants={'select': ['reader']}) }}
select amount::numeric(10,2) as amount, id, kind from {{ ref('stg_events') }}
