{{ config(materialized='table') }}

select
    date_trunc('day', ordered_at) as day,
    currency,
    count(*) as orders,
    round(sum(total), 2) as revenue,
    {{ share('count(coupon)', 'count(*)') }} as with_coupon
from {{ ref('stg_orders') }}
group by 1, 2
