{# What properties promise about the columns of a model, checked before it is built. #}

{%- macro get_table_columns_and_constraints() -%}
  {{ adapter.dispatch('get_table_columns_and_constraints', 'dbt')() }}
{%- endmacro -%}

{%- macro default__get_table_columns_and_constraints() -%}
  {{ table_columns_and_constraints() }}
{%- endmacro -%}

{%- macro table_columns_and_constraints() -%}
  {%- set columns = adapter.render_raw_columns_constraints(raw_columns=model['columns']) -%}
  {%- set constraints = adapter.render_raw_model_constraints(raw_constraints=model['constraints']) -%}
  (
    {{ (columns + constraints) | join(',\n    ') }}
  )
{%- endmacro -%}

{%- macro get_assert_columns_equivalent(sql) -%}
  {{ adapter.dispatch('get_assert_columns_equivalent', 'dbt')(sql) }}
{%- endmacro -%}

{%- macro default__get_assert_columns_equivalent(sql) -%}
  {{ assert_columns_equivalent(sql) }}
{%- endmacro -%}

{# Compares names and types of a query with what is promised; the order of columns is free. #}
{%- macro assert_columns_equivalent(sql) -%}
  {%- set promised = model['columns'] -%}
  {%- if not promised -%}
    {%- do exceptions.raise_contract_error([], []) -%}
  {%- endif -%}
  {%- set found_columns = format_columns(get_column_schema_from_query(sql, config.get('sql_header', none))) -%}
  {%- set promised_columns = format_columns(adapter.get_column_schema_from_query(get_empty_schema_sql(promised))) -%}
  {%- set found_texts = found_columns | map(attribute='formatted') | list | sort -%}
  {%- set promised_texts = promised_columns | map(attribute='formatted') | list | sort -%}
  {%- set found_names = found_columns | map(attribute='name') | list | sort -%}
  {%- set promised_names = promised_columns | map(attribute='name') | list | sort -%}
  {%- if found_texts != promised_texts or found_names != promised_names -%}
    {%- do exceptions.raise_contract_error(promised_columns, found_columns) -%}
  {%- endif -%}
{%- endmacro -%}

{%- macro format_columns(columns) -%}
  {%- set formatted = [] -%}
  {%- for column in columns -%}
    {%- do formatted.append(adapter.dispatch('format_column', 'dbt')(column)) -%}
  {%- endfor -%}
  {% do return(formatted) %}
{%- endmacro -%}

{%- macro default__format_column(column) -%}
  {% do return({'name': column.name, 'data_type': column.dtype, 'formatted': column.column.lower() ~ ' ' ~ column.dtype}) %}
{%- endmacro -%}
