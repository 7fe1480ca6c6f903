select
    order_id,
    coalesce(user_id, anonymous_id) as customer_id,
    timestamp as ordered_at,
    total,
    shipping,
    currency,
    coupon
from {{ source('shop', 'order_completed') }}
