select id, name, born, coalesce(active, false) as active, score from {{ ref('people') }}
