{{ config(materialized='table') }}

with orders as (
    select
        customer_id,
        min(ordered_at) as first_order_at,
        max(ordered_at) as last_order_at,
        count(*) as orders,
        round(sum(total), 2) as spent
    from {{ ref('stg_orders') }}
    group by 1
)

select
    orders.*,
    segments.segment
from orders
left join {{ ref('segments') }} as segments
    on orders.spent >= segments.spent_from and orders.spent < segments.spent_below
