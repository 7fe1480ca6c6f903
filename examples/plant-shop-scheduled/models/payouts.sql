{{ config(materialized='table') }}

-- One row per day on which the payment provider has paid out.
select
    cast(received_at as date) as paid_on,
    sum(amount) as amount,
    count(*) as payouts
from {{ source('payments', 'payout_exported') }}
group by 1
