{# A table of what a CSV file holds. #}
{% materialization seed, default -%}
  {%- set full_refresh_mode = should_full_refresh() -%}
  {%- set old_relation = adapter.get_relation(database=database, schema=schema, identifier=model['alias']) -%}
  {%- set exists_as_table = old_relation is not none and old_relation.is_table -%}
  {%- set grant_config = config.get('grants') -%}
  {%- set agate_table = load_agate_table() -%}
  {%- do store_result('agate_table', response='OK', agate_table=agate_table) -%}

  {%- do run_hooks(pre_hooks, inside_transaction=false) -%}
  {%- do run_hooks(pre_hooks, inside_transaction=true) -%}

  {%- if old_relation is not none and old_relation.is_view -%}
    {%- do exceptions.raise_compiler_error("Cannot seed to '" ~ old_relation.render() ~ "', it is a view; drop it or rename the seed") -%}
  {%- elif exists_as_table -%}
    {%- set create_table_sql = reset_csv_table(model, full_refresh_mode, old_relation, agate_table) -%}
  {%- else -%}
    {%- set create_table_sql = create_csv_table(model, agate_table) -%}
  {%- endif -%}

  {%- set code = 'CREATE' if full_refresh_mode else 'INSERT' -%}
  {%- set rows_affected = agate_table.rows | length -%}
  {%- set insert_sql = load_csv_rows(model, agate_table) if rows_affected else '' -%}
  {%- call noop_statement('main', code ~ ' ' ~ rows_affected, code, rows_affected) -%}
    {{ get_csv_sql(create_table_sql, insert_sql) }};
  {%- endcall -%}

  {%- set target_relation = this.incorporate(type='table') -%}
  {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(old_relation, full_refresh_mode)) -%}
  {%- do persist_docs(target_relation, model) -%}
  {%- if full_refresh_mode or not exists_as_table -%}
    {%- do create_indexes(target_relation) -%}
  {%- endif -%}
  {%- do run_hooks(post_hooks, inside_transaction=true) -%}
  {%- do adapter.commit() -%}
  {%- do run_hooks(post_hooks, inside_transaction=false) -%}
  {% do return({'relations': [target_relation]}) %}
{%- endmaterialization %}

{% macro create_csv_table(model, agate_table) -%}
  {% do return(adapter.dispatch('create_csv_table', 'dbt')(model, agate_table)) %}
{%- endmacro %}

{% macro default__create_csv_table(model, agate_table) -%}
  {%- set given = model['config'].get('column_types') or {} -%}
  {%- set quoting = model['config'].get('quote_columns', none) -%}
  {%- set columns = [] -%}
  {%- for name in agate_table.column_names -%}
    {%- set type = given.get(name) or adapter.convert_type(agate_table, loop.index0) -%}
    {%- do columns.append(adapter.quote_seed_column(name | string, quoting) ~ ' ' ~ type) -%}
  {%- endfor -%}
  {%- set sql -%}
    create table {{ this.render() }} ({{ columns | join(', ') }})
  {%- endset -%}
  {%- call statement('_') -%}
    {{ sql }}
  {%- endcall -%}
  {% do return(sql) %}
{%- endmacro %}

{% macro reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
  {% do return(adapter.dispatch('reset_csv_table', 'dbt')(model, full_refresh, old_relation, agate_table)) %}
{%- endmacro %}

{% macro default__reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
  {%- if full_refresh -%}
    {%- do adapter.drop_relation(old_relation) -%}
    {%- do return(create_csv_table(model, agate_table)) -%}
  {%- endif -%}
  {%- do adapter.truncate_relation(old_relation) -%}
  {% do return('truncate table ' ~ old_relation.render()) %}
{%- endmacro %}

{% macro get_csv_sql(create_or_truncate_sql, insert_sql) -%}
  {{ adapter.dispatch('get_csv_sql', 'dbt')(create_or_truncate_sql, insert_sql) }}
{%- endmacro %}

{% macro default__get_csv_sql(create_or_truncate_sql, insert_sql) -%}
  {{ create_or_truncate_sql }};
  {{ insert_sql }}
{%- endmacro %}

{% macro get_binding_char() -%}
  {% do return(adapter.dispatch('get_binding_char', 'dbt')()) %}
{%- endmacro %}

{% macro default__get_binding_char() -%}
  {% do return('%s') %}
{%- endmacro %}

{% macro get_batch_size() -%}
  {% do return(adapter.dispatch('get_batch_size', 'dbt')()) %}
{%- endmacro %}

{% macro default__get_batch_size() -%}
  {% do return(10000) %}
{%- endmacro %}

{% macro get_seed_column_quoted_csv(model, column_names) -%}
  {%- set quoting = model['config'].get('quote_columns', none) -%}
  {%- set quoted = [] -%}
  {%- for name in column_names -%}
    {%- do quoted.append(adapter.quote_seed_column(name, quoting)) -%}
  {%- endfor -%}
  {% do return(quoted | join(', ')) %}
{%- endmacro %}

{% macro load_csv_rows(model, agate_table) -%}
  {% do return(adapter.dispatch('load_csv_rows', 'dbt')(model, agate_table)) %}
{%- endmacro %}

{# The rows go over the warehouse's fastest way in; what is returned stands in the compiled file. #}
{% macro default__load_csv_rows(model, agate_table) -%}
  {%- set names = get_seed_column_quoted_csv(model, agate_table.column_names) -%}
  {%- set written = adapter.warehouse_copy(this, agate_table, model['config'].get('quote_columns', none)) -%}
  {% do return('-- ' ~ written ~ ' rows copied into ' ~ this.render() ~ ' (' ~ names ~ ')') %}
{%- endmacro %}
