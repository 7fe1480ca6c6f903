{# Rows that unit tests are written with, as SQL. #}

{% macro get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
  {{ adapter.dispatch('get_unit_test_sql', 'dbt')(main_sql, expected_fixture_sql, expected_column_names) }}
{%- endmacro %}

{% macro default__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
  {%- set names = expected_column_names | join(', ') -%}
  {%- set side = adapter.quote('actual_or_expected') -%}
  with dbt_internal_unit_test_actual as (
    select {{ names }}, {{ dbt.string_literal('actual') }} as {{ side }}
    from (
      {{ main_sql }}
    ) _dbt_internal_unit_test_actual
  ),
  dbt_internal_unit_test_expected as (
    select {{ names }}, {{ dbt.string_literal('expected') }} as {{ side }}
    from (
      {{ expected_fixture_sql }}
    ) _dbt_internal_unit_test_expected
  )
  select * from dbt_internal_unit_test_actual
  union all
  select * from dbt_internal_unit_test_expected
{%- endmacro %}

{# The given rows of one input. Columns that a row leaves out are null, and types are the relation's. #}
{% macro get_fixture_sql(rows, column_name_to_data_types) -%}
  {%- set types = column_name_to_data_types or {} -%}
  {%- set quoted = {} -%}
  {%- if not types -%}
    {%- set relation = defer_relation if defer_relation and not load_relation(this) else this -%}
    {%- for column in get_columns_for_unit_tests(relation) -%}
      {%- do types.update({column.name | lower: column.data_type}) -%}
      {%- do quoted.update({column.name | lower: column.quoted}) -%}
    {%- endfor -%}
    {%- if not types -%}
      {%- do exceptions.raise_compiler_error("Not able to get columns for unit test '" ~ model.name ~ "' from relation " ~ this ~ " because the relation doesn't exist; build it first") -%}
    {%- endif -%}
  {%- endif -%}
  {%- set nulls = {} -%}
  {%- for name, type in types.items() -%}
    {%- do nulls.update({name: safe_cast('null', type) | trim}) -%}
  {%- endfor -%}
  {%- do validate_fixture_rows(rows, none) -%}
  {%- for row in rows -%}
    {%- set values = nulls.copy() -%}
    {%- do values.update(format_row(row, types)) %}
    select {{ fixture_items(values, quoted) }}
    {{ 'union all' if not loop.last }}
  {%- else %}
    select {{ fixture_items(nulls, quoted) }}
    limit 0
  {%- endfor -%}
{%- endmacro %}

{% macro get_expected_sql(rows, column_name_to_data_types, column_name_to_quoted) -%}
  {%- for row in rows %}
    select {{ fixture_items(format_row(row, column_name_to_data_types), column_name_to_quoted) }}
    {{ 'union all' if not loop.last }}
  {%- else %}
    select * from dbt_internal_unit_test_actual
    limit 0
  {%- endfor -%}
{%- endmacro %}

{%- macro fixture_items(values, quoted) -%}
  {%- for name, value in values.items() -%}
    {{ value }} as {{ quoted.get(name, name) }}{{ ', ' if not loop.last }}
  {%- endfor -%}
{%- endmacro -%}

{# Each value of a row, cast to its column's type. #}
{%- macro format_row(row, column_name_to_data_types) -%}
  {%- set formatted = {} -%}
  {%- for written_name, value in row.items() -%}
    {%- set name = written_name | lower -%}
    {%- if name not in column_name_to_data_types -%}
      {%- set place = 'expected output' if model.resource_type == 'unit_test' else "'" ~ model.name ~ "'" -%}
      {%- do exceptions.raise_compiler_error("Invalid column name: '" ~ name ~ "' in unit test fixture for " ~ place ~ ".\nAccepted columns for " ~ place ~ ' are: ' ~ (column_name_to_data_types.keys() | list)) -%}
    {%- endif -%}
    {%- set type = column_name_to_data_types[name] -%}
    {%- set literal = value -%}
    {%- if value is string -%}
      {#- A longer text than the type allows must make a difference, not be cut. -#}
      {%- set type = type.split('(')[0] if 'varying' in type else type -%}
      {%- set literal = dbt.string_literal(dbt.escape_single_quotes(value)) -%}
    {%- elif value is none -%}
      {%- set literal = 'null' -%}
    {%- endif -%}
    {%- do formatted.update({name: safe_cast(literal, type) | trim}) -%}
  {%- endfor -%}
  {% do return(formatted) %}
{%- endmacro -%}

{%- macro validate_fixture_rows(rows, row_number) -%}
  {% do return(adapter.dispatch('validate_fixture_rows', 'dbt')(rows, row_number)) %}
{%- endmacro -%}

{%- macro default__validate_fixture_rows(rows, row_number) -%}
{%- endmacro -%}
