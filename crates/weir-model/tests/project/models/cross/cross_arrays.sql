select
    array_to_string({{ dbt.array_construct([1, 2, 3]) }}, ',') as three,
    array_to_string({{ dbt.array_append(dbt.array_construct([1, 2]), 9) }}, ',') as appended,
    array_to_string({{ dbt.array_concat(dbt.array_construct(["'a'"], dbt.type_string()), dbt.array_construct(["'b'", "'c'"], dbt.type_string())) }}, ',') as joined,
    (select count(*) from ({{ dbt.generate_series(11) }}) series) as eleven
