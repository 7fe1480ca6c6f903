-- Warns, for you to see how that looks: some people order without signing in.
{{ config(severity='warn') }}

select order_id, customer_id
from {{ ref('stg_orders') }}
where left(customer_id, 2) <> 'u_'
