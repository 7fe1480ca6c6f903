{# Running SQL from macros. #}

{# Runs what the caller renders. Named results can be read back by load_result. #}
{%- macro statement(name=none, fetch_result=false, auto_begin=true, language='sql') -%}
  {%- if execute -%}
    {%- set code = caller() -%}
    {%- if name == 'main' -%}
      {%- do write(code) -%}
    {%- endif -%}
    {%- if language == 'sql' -%}
      {%- set response, table = adapter.execute(code, auto_begin=auto_begin, fetch=fetch_result) -%}
    {%- elif language == 'python' -%}
      {%- set response = submit_python_job(model, code) -%}
      {%- set table = none -%}
    {%- else -%}
      {%- do exceptions.raise_compiler_error("statement() cannot run the language '" ~ language ~ "'") -%}
    {%- endif -%}
    {%- if name is not none -%}
      {%- do store_result(name, response=response, agate_table=table) -%}
    {%- endif -%}
  {%- endif -%}
{%- endmacro %}

{# Keeps a result as if what the caller renders had run. #}
{% macro noop_statement(name=none, message=none, code=none, rows_affected=none, res=none) -%}
  {%- set rendered = caller() -%}
  {%- if name == 'main' -%}
    {%- do write(rendered) -%}
  {%- endif -%}
  {%- if name is not none -%}
    {%- do store_raw_result(name, message=message, code=code, rows_affected=rows_affected, agate_table=res) -%}
  {%- endif -%}
{%- endmacro %}

{# Returns the rows of a query; none while parsing. #}
{% macro run_query(sql) -%}
  {%- call statement('run_query_statement', fetch_result=true, auto_begin=false) -%}
    {{ sql }}
  {%- endcall -%}
  {%- do return(load_result('run_query_statement').table) -%}
{%- endmacro %}

{% macro validate_sql(sql) -%}
  {% do return(adapter.dispatch('validate_sql', 'dbt')(sql)) %}
{%- endmacro %}

{% macro default__validate_sql(sql) -%}
  {%- call statement('validate_sql') -%}
    explain {{ sql }}
  {%- endcall -%}
  {% do return(load_result('validate_sql')) %}
{%- endmacro %}

{% macro is_core_v2() -%}
  {% do return((dbt_version.split('.') | first | int) == 2) %}
{%- endmacro %}

{# What `show` runs: at most so many rows of a query. #}
{% macro get_show_sql(compiled_code, sql_header, limit) -%}
  {%- if sql_header is not none -%}
    {{ sql_header }}
  {%- endif %}
  {{ get_limit_subquery_sql(compiled_code, limit) }}
{%- endmacro %}

{%- macro get_limit_subquery_sql(sql, limit) -%}
  {{ adapter.dispatch('get_limit_sql', 'dbt')(sql, limit) }}
{%- endmacro -%}

{# The break keeps a comment at the query's end from swallowing the limit. #}
{% macro default__get_limit_sql(sql, limit) -%}
  {{ sql }}
  {%- if limit is not none %}
  limit {{ limit }}
  {%- endif %}
{%- endmacro %}
