select * from {{ ref('states') }} where stage = {{ var('stage') }}
