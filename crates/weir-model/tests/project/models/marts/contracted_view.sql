{{ config(materialized='view', contract={'enforced': true}) }}
select id, kind from {{ ref('contracted') }}
