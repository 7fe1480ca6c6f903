-- Texts as dbt's macros for any warehouse write them.
select
    id,
    {{ dbt.concat(["name", "'-'", "cast(id as " ~ dbt.type_string() ~ ")"]) }} as joined,
    {{ dbt.length('name') }} as letters,
    {{ dbt.position("'n'", 'name') }} as n_at,
    {{ dbt.replace('name', "'n'", "'" ~ dbt.escape_single_quotes("n'") ~ "'") }} as replaced,
    {{ dbt.right('name', 3) }} as ending,
    {{ dbt.split_part('name', "' '", 1) }} as first_part,
    {{ dbt.split_part('name', "' '", -1) }} as last_part,
    {{ dbt.hash(dbt.concat(["name", "'|'", "coalesce(note, '')"])) }} as hashed,
    {{ dbt.cast_bool_to_text('active') }} as active,
    {{ dbt.string_literal('text') }} as literal,
    {{ dbt.safe_cast("'12'", dbt.type_int()) }} as twelve,
    {{ dbt.cast('score', dbt.type_numeric()) }} as score,
    {{ dbt.equals('name', "'Ann'") }} as is_ann
from {{ ref('people') }}
