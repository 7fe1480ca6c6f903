select (select count(*) from {{ ref('versioned') }}) as latest, (select count(*) from {{ ref('versioned', v=1) }}) as first
