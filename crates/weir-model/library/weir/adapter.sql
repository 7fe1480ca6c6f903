{#
  Weir's own engine. Relations are replaced in one statement, which is one commit, so nothing is built
  under another name first. There are no temporary tables and no indexes.
#}

{% materialization table, adapter='weir' -%}
  {%- set existing_relation = load_cached_relation(this) -%}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- do run_hooks(pre_hooks, inside_transaction=false) -%}
  {%- do run_hooks(pre_hooks, inside_transaction=true) -%}
  {%- if existing_relation is not none and not existing_relation.is_table -%}
    {%- do adapter.drop_relation(existing_relation) -%}
  {%- endif -%}
  {%- call statement('main') -%}
    {{ get_create_table_as_sql(false, target_relation, sql) }}
  {%- endcall -%}
  {%- do create_indexes(target_relation) -%}
  {%- do run_hooks(post_hooks, inside_transaction=true) -%}
  {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, full_refresh_mode=true)) -%}
  {%- do persist_docs(target_relation, model) -%}
  {%- do adapter.commit() -%}
  {%- do run_hooks(post_hooks, inside_transaction=false) -%}
  {% do return({'relations': [target_relation]}) %}
{%- endmaterialization %}

{% materialization view, adapter='weir' -%}
  {%- set existing_relation = load_cached_relation(this) -%}
  {%- set target_relation = this.incorporate(type='view') -%}
  {%- do run_hooks(pre_hooks, inside_transaction=false) -%}
  {%- do run_hooks(pre_hooks, inside_transaction=true) -%}
  {%- if existing_relation is not none and not existing_relation.is_view -%}
    {%- do adapter.drop_relation(existing_relation) -%}
  {%- endif -%}
  {%- call statement('main') -%}
    {{ get_create_view_as_sql(target_relation, sql) }}
  {%- endcall -%}
  {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, full_refresh_mode=true)) -%}
  {%- do persist_docs(target_relation, model) -%}
  {%- do run_hooks(post_hooks, inside_transaction=true) -%}
  {%- do adapter.commit() -%}
  {%- do run_hooks(post_hooks, inside_transaction=false) -%}
  {% do return({'relations': [target_relation]}) %}
{%- endmaterialization %}

{# Each run refreshes it, so a table built anew is the same to readers. #}
{% materialization materialized_view, adapter='weir' -%}
  {%- set build = adapter.materialization_macro('table') -%}
  {% do return(build()) %}
{%- endmaterialization %}

{% macro weir__create_schema(relation) -%}
  {%- call statement('create_schema') -%}
    create schema if not exists {{ relation.without_identifier().include(database=false) }}
  {%- endcall -%}
{%- endmacro %}

{% macro weir__drop_schema(relation) -%}
  {%- call statement('drop_schema') -%}
    drop schema if exists {{ relation.without_identifier().include(database=false) }} cascade
  {%- endcall -%}
{%- endmacro %}

{% macro weir__information_schema_name(database) -%}
  information_schema
{%- endmacro %}

{# A contract is checked before; the columns are put into the promised order and types. #}
{% macro weir__create_table_as(temporary, relation, sql) -%}
  {%- set contract = config.get('contract') -%}
  {{ config.get('sql_header') or '' }}
  create or replace table {{ relation }} as
  {%- if contract.enforced and not temporary %}
  {{ get_assert_columns_equivalent(sql) }}
  {%- set sql = get_select_subquery(sql) %}
  {%- endif %}
  {{ sql }}
{%- endmacro %}

{% macro weir__create_view_as(relation, sql) -%}
  {%- set contract = config.get('contract') -%}
  {{ config.get('sql_header') or '' }}
  create or replace view {{ relation }} as
  {%- if contract.enforced %}
  {{ get_assert_columns_equivalent(sql) }}
  {%- endif %}
  {{ sql }}
{%- endmacro %}

{# A contract's check adds nothing to the statement. #}
{%- macro weir__get_assert_columns_equivalent(sql) -%}
  {%- do assert_columns_equivalent(sql) -%}
{%- endmacro -%}

{# A table of the same schema under a name that no other run takes. #}
{% macro weir__make_temp_relation(base_relation, suffix) -%}
  {% do return(dbt.postgres__make_relation_with_suffix(base_relation, suffix ~ '_', dstring=true)) %}
{%- endmacro %}

{% macro weir__make_intermediate_relation(base_relation, suffix) -%}
  {% do return(dbt.postgres__make_relation_with_suffix(base_relation, suffix, dstring=false)) %}
{%- endmacro %}

{% macro weir__make_backup_relation(base_relation, backup_relation_type, suffix) -%}
  {% do return(dbt.postgres__make_backup_relation(base_relation, backup_relation_type, suffix)) %}
{%- endmacro %}

{% macro weir__drop_temp_relation(relation) -%}
  {%- do adapter.drop_relation(relation.incorporate(type='table')) -%}
{%- endmacro %}

{% macro weir__drop_table(relation) -%}
  drop table if exists {{ relation.render() }}
{%- endmacro %}

{% macro weir__drop_view(relation) -%}
  drop view if exists {{ relation.render() }}
{%- endmacro %}

{% macro weir__rename_relation(from_relation, to_relation) -%}
  {%- call statement('rename_relation') -%}
    alter {{ 'view' if from_relation.is_view else 'table' }} {{ from_relation.render() }} rename to {{ adapter.quote(to_relation.identifier) }}
  {%- endcall -%}
{%- endmacro %}

{% macro weir__truncate_relation(relation) -%}
  {%- call statement('truncate_relation') -%}
    delete from {{ relation.render() }}
  {%- endcall -%}
{%- endmacro %}

{% macro weir__get_create_index_sql(relation, index_dict) -%}
  {%- do log('Indexes of ' ~ relation.render() ~ ' are not needed here and left out') -%}
  {% do return(none) %}
{%- endmacro %}

{% macro weir__alter_relation_comment(relation, comment) -%}
  comment on {{ 'view' if relation.is_view else 'table' }} {{ relation }} is {{ dbt.string_literal(dbt.escape_single_quotes(comment)) }}
{%- endmacro %}

{% macro weir__alter_column_comment(relation, column_dict) -%}
  {%- for name in column_dict %}
  comment on column {{ relation }}.{{ adapter.quote(name) }} is {{ dbt.string_literal(dbt.escape_single_quotes(column_dict[name]['description'] or '')) }};
  {%- endfor %}
{%- endmacro %}

{# Replacing keeps what was granted, and granting twice does no harm. #}
{% macro weir__copy_grants() -%}
  {% do return(false) %}
{%- endmacro %}

{% macro weir__support_multiple_grantees_per_dcl_statement() -%}
  {% do return(false) %}
{%- endmacro %}

{%- macro weir__get_grant_sql(relation, privilege, grantees) -%}
  grant {{ privilege }} on {{ relation.include(database=false).render() }} to {{ grantees | join(', ') }}
{%- endmacro -%}

{%- macro weir__get_revoke_sql(relation, privilege, grantees) -%}
  revoke {{ privilege }} on {{ relation.include(database=false).render() }} from {{ grantees | join(', ') }}
{%- endmacro -%}

{%- macro weir__get_show_grant_sql(relation) -%}
  select grantee, privilege_type
  from information_schema.role_table_grants
  where table_schema = '{{ relation.schema }}' and table_name = '{{ relation.identifier }}'
{%- endmacro -%}

{% macro weir__get_incremental_default_sql(arg_dict) -%}
  {% do return(get_incremental_delete_insert_sql(arg_dict) if arg_dict['unique_key'] else get_incremental_append_sql(arg_dict)) %}
{%- endmacro %}

{% macro weir__get_incremental_microbatch_sql(arg_dict) -%}
  {% do return(get_incremental_merge_sql(arg_dict) if arg_dict['unique_key'] else weir__replace_batch_sql(arg_dict)) %}
{%- endmacro %}

{# Partitions that get rows lose those they had; without partitions, the table does. #}
{% macro weir__get_incremental_insert_overwrite_sql(arg_dict) -%}
  {%- set target = arg_dict['target_relation'] -%}
  {%- set source = arg_dict['temp_relation'] -%}
  {%- set by = config.get('partition_by') -%}
  {%- set fields = [] -%}
  {%- for field in ([by] if by is string or by is mapping else by) or [] -%}
    {%- do fields.append(field['field'] if field is mapping else field) -%}
  {%- endfor -%}
  delete from {{ target }} as DBT_INTERNAL_DEST
  {%- if fields %}
  where exists (
    select 1 from {{ source }} as DBT_INTERNAL_SOURCE where
    {%- for field in fields %}
    DBT_INTERNAL_DEST.{{ field }} is not distinct from DBT_INTERNAL_SOURCE.{{ field }}{{ ' and' if not loop.last }}
    {%- endfor %}
  )
  {%- else %}
  where true
  {%- endif %};
  {{ get_insert_into_sql(target, source, arg_dict['dest_columns']) }}
{%- endmacro %}

{# Without a key a batch replaces all rows of its time. #}
{% macro weir__replace_batch_sql(arg_dict) -%}
  {%- set time = config.get('event_time') -%}
  delete from {{ arg_dict['target_relation'] }}
  where {{ time }} >= '{{ model.batch.event_time_start }}' and {{ time }} < '{{ model.batch.event_time_end }}';
  {{ get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns']) }}
{%- endmacro %}

{# Predicates speak of the target alone, so the source stays in a subquery. A row of several keys is no value here. #}
{% macro weir__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
  {%- set names = get_quoted_csv(dest_columns | map(attribute='name')) -%}
  {%- if unique_key -%}
    {%- set keys = [unique_key] if unique_key is string else unique_key -%}
    delete from {{ target }} as DBT_INTERNAL_DEST
    where {% if keys | length == 1 -%}
      ({{ keys[0] }}) in (select {{ keys[0] }} from {{ source }} as DBT_INTERNAL_SOURCE)
    {%- else -%}
      {%- set conditions = [] -%}
      {%- for key in keys -%}
        {%- do conditions.append('DBT_INTERNAL_DEST.' ~ key ~ ' = DBT_INTERNAL_SOURCE.' ~ key) -%}
      {%- endfor -%}
      exists (select 1 from {{ source }} as DBT_INTERNAL_SOURCE where {{ conditions | join(' and ') }})
    {%- endif -%}
    {%- for predicate in incremental_predicates or [] %}
      and {{ predicate }}
    {%- endfor %};
  {%- endif %}
  insert into {{ target }} ({{ names }})
  select {{ names }}
  from {{ source }}
{%- endmacro %}

{# A table there has no place for a definition, so rows are what is fixed. #}
{% macro weir__alter_relation_add_remove_columns(relation, add_columns, remove_columns) -%}
  {%- for column in add_columns or [] -%}
    {%- do run_query('alter table ' ~ relation.render() ~ ' add column ' ~ column.quoted ~ ' ' ~ column.expanded_data_type) -%}
  {%- endfor -%}
  {%- for column in remove_columns or [] -%}
    {%- do run_query('alter table ' ~ relation.render() ~ ' drop column ' ~ column.quoted) -%}
  {%- endfor -%}
{%- endmacro %}
