{{ config(
    materialized='table',
    indexes=[{'columns': ['name'], 'unique': true}, {'columns': ['spent'], 'type': 'btree'}],
    pre_hook=audit('before'),
    post_hook=[audit('after'), after_commit(audit('after commit of'))],
) }}
with buyers as (select * from {{ ref('eph_named') }})
select name, spent, {{ cents('spent') }} as spent_cents, '{{ var("greeting") }}' as greeting, '{{ var("scoped") }}' as scoped
from buyers
