select sum(spent) from {{ ref('buyers') }}
