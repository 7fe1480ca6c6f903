{# Who may read what was built, what it says about itself, and indexes. #}

{# Whether grants carry over when a relation is replaced; assuming so costs a query only. #}
{% macro copy_grants() -%}
  {% do return(adapter.dispatch('copy_grants', 'dbt')()) %}
{%- endmacro %}

{% macro default__copy_grants() -%}
  {% do return(true) %}
{%- endmacro %}

{% macro support_multiple_grantees_per_dcl_statement() -%}
  {% do return(adapter.dispatch('support_multiple_grantees_per_dcl_statement', 'dbt')()) %}
{%- endmacro %}

{% macro default__support_multiple_grantees_per_dcl_statement() -%}
  {% do return(true) %}
{%- endmacro %}

{# Whether there may be grants from before. #}
{% macro should_revoke(existing_relation, full_refresh_mode=true) -%}
  {%- if not existing_relation -%}
    {%- do return(false) -%}
  {%- endif -%}
  {% do return(copy_grants() if full_refresh_mode else true) %}
{%- endmacro %}

{% macro get_show_grant_sql(relation) -%}
  {% do return(adapter.dispatch('get_show_grant_sql', 'dbt')(relation)) %}
{%- endmacro %}

{% macro default__get_show_grant_sql(relation) -%}
  show grants on {{ relation.render() }}
{%- endmacro %}

{% macro get_grant_sql(relation, privilege, grantees) -%}
  {% do return(adapter.dispatch('get_grant_sql', 'dbt')(relation, privilege, grantees)) %}
{%- endmacro %}

{%- macro default__get_grant_sql(relation, privilege, grantees) -%}
  grant {{ privilege }} on {{ relation.render() }} to {{ grantees | join(', ') }}
{%- endmacro -%}

{% macro get_revoke_sql(relation, privilege, grantees) -%}
  {% do return(adapter.dispatch('get_revoke_sql', 'dbt')(relation, privilege, grantees)) %}
{%- endmacro %}

{%- macro default__get_revoke_sql(relation, privilege, grantees) -%}
  revoke {{ privilege }} on {{ relation.render() }} from {{ get_quoted_csv(grantees) }}
{%- endmacro -%}

{# The statements that grant or revoke what a mapping of privileges to grantees says. #}
{% macro get_dcl_statement_list(relation, grant_config, get_dcl_macro) -%}
  {% do return(adapter.dispatch('get_dcl_statement_list', 'dbt')(relation, grant_config, get_dcl_macro)) %}
{%- endmacro %}

{%- macro default__get_dcl_statement_list(relation, grant_config, get_dcl_macro) -%}
  {%- set together = support_multiple_grantees_per_dcl_statement() -%}
  {%- set statements = [] -%}
  {%- for privilege, grantees in grant_config.items() if grantees -%}
    {%- for group in ([grantees] if together else (grantees | batch(1))) -%}
      {%- do statements.append(get_dcl_macro(relation, privilege, group)) -%}
    {%- endfor -%}
  {%- endfor -%}
  {% do return(statements) %}
{%- endmacro -%}

{% macro call_dcl_statements(dcl_statement_list) -%}
  {% do return(adapter.dispatch('call_dcl_statements', 'dbt')(dcl_statement_list)) %}
{%- endmacro %}

{% macro default__call_dcl_statements(dcl_statement_list) -%}
  {%- call statement('grants') -%}
    {%- for dcl_statement in dcl_statement_list %}
    {{ dcl_statement }};
    {%- endfor %}
  {%- endcall -%}
{%- endmacro %}

{% macro apply_grants(relation, grant_config, should_revoke) -%}
  {% do return(adapter.dispatch('apply_grants', 'dbt')(relation, grant_config, should_revoke)) %}
{%- endmacro %}

{# Brings grants to what is configured; without a configuration nothing is touched. #}
{% macro default__apply_grants(relation, grant_config, should_revoke=true) -%}
  {%- if grant_config -%}
    {%- set wanting = grant_config -%}
    {%- set surplus = {} -%}
    {%- if should_revoke -%}
      {%- set present = adapter.standardize_grants_dict(run_query(get_show_grant_sql(relation))) -%}
      {%- set wanting = diff_of_two_dicts(grant_config, present) -%}
      {%- set surplus = diff_of_two_dicts(present, grant_config) -%}
    {%- endif -%}
    {%- set statements = get_dcl_statement_list(relation, surplus, get_revoke_sql) + get_dcl_statement_list(relation, wanting, get_grant_sql) -%}
    {%- if statements -%}
      {%- do call_dcl_statements(statements) -%}
    {%- endif -%}
  {%- endif -%}
{%- endmacro %}

{% macro alter_column_comment(relation, column_dict) -%}
  {% do return(adapter.dispatch('alter_column_comment', 'dbt')(relation, column_dict)) %}
{%- endmacro %}

{% macro default__alter_column_comment(relation, column_dict) -%}
  {% do exceptions.raise_not_implemented('alter_column_comment is not implemented for ' ~ adapter.type()) %}
{%- endmacro %}

{% macro alter_relation_comment(relation, relation_comment) -%}
  {% do return(adapter.dispatch('alter_relation_comment', 'dbt')(relation, relation_comment)) %}
{%- endmacro %}

{% macro default__alter_relation_comment(relation, relation_comment) -%}
  {% do exceptions.raise_not_implemented('alter_relation_comment is not implemented for ' ~ adapter.type()) %}
{%- endmacro %}

{% macro persist_docs(relation, model, for_relation=true, for_columns=true) -%}
  {% do return(adapter.dispatch('persist_docs', 'dbt')(relation, model, for_relation, for_columns)) %}
{%- endmacro %}

{# Keeps the documented columns that exist and warns about the others. #}
{% macro validate_doc_columns(relation, column_dict, existing_column_names) -%}
  {%- set lowered = existing_column_names | map('lower') | list -%}
  {%- set known = {} -%}
  {%- set unknown = [] -%}
  {%- for name in column_dict -%}
    {%- if name in existing_column_names or (not column_dict[name]['quote'] and name | lower in lowered) -%}
      {%- do known.update({name: column_dict[name]}) -%}
    {%- else -%}
      {%- do unknown.append(name) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if unknown -%}
    {%- do exceptions.warn('Properties of ' ~ relation.render() ~ ' describe columns that it does not have: ' ~ (unknown | join(', '))) -%}
  {%- endif -%}
  {% do return(known) %}
{%- endmacro %}

{% macro default__persist_docs(relation, model, for_relation, for_columns) -%}
  {%- if for_relation and config.persist_relation_docs() and model.description -%}
    {%- do run_query(alter_relation_comment(relation, model.description)) -%}
  {%- endif -%}
  {%- if for_columns and config.persist_column_docs() and model.columns -%}
    {%- set existing = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
    {%- set comments = alter_column_comment(relation, validate_doc_columns(relation, model.columns, existing)) -%}
    {%- if comments and comments | trim -%}
      {%- do run_query(comments) -%}
    {%- endif -%}
  {%- endif -%}
{%- endmacro %}

{% macro get_create_index_sql(relation, index_dict) -%}
  {% do return(adapter.dispatch('get_create_index_sql', 'dbt')(relation, index_dict)) %}
{%- endmacro %}

{% macro default__get_create_index_sql(relation, index_dict) -%}
  {% do return(none) %}
{%- endmacro %}

{% macro create_indexes(relation) -%}
  {{ adapter.dispatch('create_indexes', 'dbt')(relation) }}
{%- endmacro %}

{% macro default__create_indexes(relation) -%}
  {%- for index_dict in config.get('indexes', default=[]) or [] -%}
    {%- set sql = get_create_index_sql(relation, index_dict) -%}
    {%- if sql -%}
      {%- do run_query(sql) -%}
    {%- endif -%}
  {%- endfor -%}
{%- endmacro %}

{% macro get_drop_index_sql(relation, index_name) -%}
  {{ adapter.dispatch('get_drop_index_sql', 'dbt')(relation, index_name) }}
{%- endmacro %}

{% macro default__get_drop_index_sql(relation, index_name) -%}
  {% do exceptions.raise_compiler_error('Indexes are not implemented for ' ~ adapter.type()) %}
{%- endmacro %}

{% macro get_show_indexes_sql(relation) -%}
  {{ adapter.dispatch('get_show_indexes_sql', 'dbt')(relation) }}
{%- endmacro %}

{% macro default__get_show_indexes_sql(relation) -%}
  {% do exceptions.raise_compiler_error('Indexes are not implemented for ' ~ adapter.type()) %}
{%- endmacro %}
