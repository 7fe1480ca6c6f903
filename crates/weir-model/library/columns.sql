{# Columns of relations and queries. #}

{% macro get_columns_in_relation(relation) -%}
  {% do return(adapter.dispatch('get_columns_in_relation', 'dbt')(relation)) %}
{%- endmacro %}

{% macro default__get_columns_in_relation(relation) -%}
  {% do return(adapter.warehouse_columns(relation)) %}
{%- endmacro %}

{# Makes columns of rows that hold their names, types and measures. #}
{% macro sql_convert_columns_in_relation(table) -%}
  {%- set columns = [] -%}
  {%- for row in table -%}
    {%- do columns.append(api.Column(*row)) -%}
  {%- endfor -%}
  {% do return(columns) %}
{%- endmacro %}

{% macro get_columns_for_unit_tests(relation) -%}
  {% do return(adapter.dispatch('get_columns_for_unit_tests', 'dbt')(relation)) %}
{%- endmacro %}

{% macro default__get_columns_for_unit_tests(relation) -%}
  {% do return(adapter.get_columns_in_relation(relation) + adapter.get_pseudocolumns_for_relation(relation)) %}
{%- endmacro %}

{%- macro get_list_of_column_names(columns) -%}
  {% do return(columns | map(attribute='name') | list) %}
{%- endmacro -%}

{% macro get_quoted_csv(column_names) -%}
  {%- set quoted = [] -%}
  {%- for name in column_names -%}
    {%- do quoted.append(adapter.quote(name)) -%}
  {%- endfor -%}
  {% do return(quoted | join(', ')) %}
{%- endmacro %}

{# A query of the same columns that has no rows. #}
{% macro get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
  {% do return(adapter.dispatch('get_empty_subquery_sql', 'dbt')(select_sql, select_sql_header)) %}
{%- endmacro %}

{% macro default__get_empty_subquery_sql(select_sql, select_sql_header=none) -%}
  {{ select_sql_header if select_sql_header is not none }}
  select * from (
    {{ select_sql }}
  ) as __dbt_sbq
  where false
  limit 0
{%- endmacro %}

{# A query that has the columns which properties promise. #}
{% macro get_empty_schema_sql(columns) -%}
  {% do return(adapter.dispatch('get_empty_schema_sql', 'dbt')(columns)) %}
{%- endmacro %}

{% macro default__get_empty_schema_sql(columns) -%}
  {%- set untyped = [] -%}
  {%- set unmeasured = [] -%}
  {%- set items = [] -%}
  {%- for key in columns -%}
    {%- set column = columns[key] -%}
    {%- if not column['data_type'] -%}
      {%- do untyped.append(column['name']) -%}
    {%- else -%}
      {%- if column['data_type'].strip().lower() in ('numeric', 'decimal', 'number') -%}
        {%- do unmeasured.append(column['name']) -%}
      {%- endif -%}
      {%- set name = adapter.quote(column['name']) if column.get('quote') else column['name'] -%}
      {%- do items.append((cast('null', column['data_type']) | trim) ~ ' as ' ~ name) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if untyped -%}
    {%- do exceptions.column_type_missing(column_names=untyped) -%}
  {%- elif unmeasured -%}
    {%- do exceptions.warn('Columns are numeric without precision and scale, so values may be rounded: ' ~ unmeasured) -%}
  {%- endif %}
  select {{ items | join(', ') }}
{%- endmacro %}

{% macro get_column_schema_from_query(select_sql, select_sql_header=none) -%}
  {% do return(adapter.get_column_schema_from_query(get_empty_subquery_sql(select_sql, select_sql_header))) %}
{%- endmacro %}

{% macro get_columns_in_query(select_sql) -%}
  {% do return(adapter.dispatch('get_columns_in_query', 'dbt')(select_sql)) %}
{%- endmacro %}

{% macro default__get_columns_in_query(select_sql) -%}
  {%- call statement('get_columns_in_query', fetch_result=true, auto_begin=false) -%}
    {{ get_empty_subquery_sql(select_sql) }}
  {%- endcall -%}
  {% do return(load_result('get_columns_in_query').table.columns | map(attribute='name') | list) %}
{%- endmacro %}

{# Changes a column's type by way of a second column, which every warehouse can do. #}
{% macro alter_column_type(relation, column_name, new_column_type) -%}
  {% do return(adapter.dispatch('alter_column_type', 'dbt')(relation, column_name, new_column_type)) %}
{%- endmacro %}

{% macro default__alter_column_type(relation, column_name, new_column_type) -%}
  {%- set table = relation.render() -%}
  {%- set old = adapter.quote(column_name) -%}
  {%- set new = adapter.quote(column_name ~ '__dbt_alter') -%}
  {%- call statement('alter_column_type') %}
    alter table {{ table }} add column {{ new }} {{ new_column_type }};
    update {{ table }} set {{ new }} = {{ old }};
    alter table {{ table }} drop column {{ old }} cascade;
    alter table {{ table }} rename column {{ new }} to {{ old }}
  {%- endcall -%}
{%- endmacro %}

{% macro alter_relation_add_remove_columns(relation, add_columns=none, remove_columns=none) -%}
  {% do return(adapter.dispatch('alter_relation_add_remove_columns', 'dbt')(relation, add_columns, remove_columns)) %}
{%- endmacro %}

{% macro default__alter_relation_add_remove_columns(relation, add_columns, remove_columns) -%}
  {%- set changes = [] -%}
  {%- for column in add_columns or [] -%}
    {%- do changes.append('add column ' ~ column.quoted ~ ' ' ~ column.expanded_data_type) -%}
  {%- endfor -%}
  {%- for column in remove_columns or [] -%}
    {%- do changes.append('drop column ' ~ column.quoted) -%}
  {%- endfor -%}
  {% do run_query('alter ' ~ relation.type ~ ' ' ~ relation.render() ~ ' ' ~ (changes | join(', '))) %}
{%- endmacro %}

{# Columns of the first list whose names the second does not have. #}
{% macro diff_columns(source_columns, target_columns) -%}
  {%- set known = target_columns | map(attribute='name') | list -%}
  {% do return(source_columns | rejectattr('name', 'in', known) | list) %}
{%- endmacro %}

{% macro diff_column_data_types(source_columns, target_columns) -%}
  {% do return(adapter.dispatch('diff_column_data_types', 'dbt')(source_columns, target_columns)) %}
{%- endmacro %}

{% macro default__diff_column_data_types(source_columns, target_columns) -%}
  {%- set changed = [] -%}
  {%- for source in source_columns -%}
    {%- for target in target_columns if target.name == source.name -%}
      {%- if source.expanded_data_type != target.expanded_data_type and not source.can_expand_to(other_column=target) -%}
        {%- do changed.append({'column_name': target.name, 'new_type': source.expanded_data_type}) -%}
      {%- endif -%}
    {%- endfor -%}
  {%- endfor -%}
  {% do return(changed) %}
{%- endmacro %}
