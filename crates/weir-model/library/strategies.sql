{# How new rows get into an incremental model. #}

{% macro is_incremental() -%}
  {%- if not execute -%}
    {%- do return(false) -%}
  {%- endif -%}
  {%- set relation = adapter.get_relation(this.database, this.schema, this.table) -%}
  {% do return(relation is not none and relation.type == 'table' and model.config.materialized == 'incremental' and not should_full_refresh()) %}
{%- endmacro %}

{% macro get_incremental_append_sql(arg_dict) -%}
  {% do return(adapter.dispatch('get_incremental_append_sql', 'dbt')(arg_dict)) %}
{%- endmacro %}

{% macro default__get_incremental_append_sql(arg_dict) -%}
  {% do return(get_insert_into_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns'])) %}
{%- endmacro %}

{% macro get_incremental_delete_insert_sql(arg_dict) -%}
  {% do return(adapter.dispatch('get_incremental_delete_insert_sql', 'dbt')(arg_dict)) %}
{%- endmacro %}

{% macro default__get_incremental_delete_insert_sql(arg_dict) -%}
  {% do return(get_delete_insert_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['unique_key'], arg_dict['dest_columns'], arg_dict['incremental_predicates'])) %}
{%- endmacro %}

{% macro get_incremental_merge_sql(arg_dict) -%}
  {% do return(adapter.dispatch('get_incremental_merge_sql', 'dbt')(arg_dict)) %}
{%- endmacro %}

{% macro default__get_incremental_merge_sql(arg_dict) -%}
  {% do return(get_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['unique_key'], arg_dict['dest_columns'], arg_dict['incremental_predicates'])) %}
{%- endmacro %}

{% macro get_incremental_insert_overwrite_sql(arg_dict) -%}
  {% do return(adapter.dispatch('get_incremental_insert_overwrite_sql', 'dbt')(arg_dict)) %}
{%- endmacro %}

{% macro default__get_incremental_insert_overwrite_sql(arg_dict) -%}
  {% do return(get_insert_overwrite_merge_sql(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns'], arg_dict['incremental_predicates'])) %}
{%- endmacro %}

{% macro get_incremental_default_sql(arg_dict) -%}
  {% do return(adapter.dispatch('get_incremental_default_sql', 'dbt')(arg_dict)) %}
{%- endmacro %}

{% macro default__get_incremental_default_sql(arg_dict) -%}
  {% do return(get_incremental_append_sql(arg_dict)) %}
{%- endmacro %}

{% macro get_incremental_microbatch_sql(arg_dict) -%}
  {% do return(adapter.dispatch('get_incremental_microbatch_sql', 'dbt')(arg_dict)) %}
{%- endmacro %}

{% macro default__get_incremental_microbatch_sql(arg_dict) -%}
  {% do exceptions.raise_not_implemented('The strategy microbatch is not implemented for ' ~ adapter.type()) %}
{%- endmacro %}

{% macro get_insert_into_sql(target_relation, temp_relation, dest_columns) -%}
  {%- set names = get_quoted_csv(dest_columns | map(attribute='name')) -%}
  insert into {{ target_relation }} ({{ names }})
  (
    select {{ names }}
    from {{ temp_relation }}
  )
{%- endmacro %}

{% macro get_merge_update_columns(merge_update_columns, merge_exclude_columns, dest_columns) -%}
  {% do return(adapter.dispatch('get_merge_update_columns', 'dbt')(merge_update_columns, merge_exclude_columns, dest_columns)) %}
{%- endmacro %}

{% macro default__get_merge_update_columns(merge_update_columns, merge_exclude_columns, dest_columns) -%}
  {%- if merge_update_columns and merge_exclude_columns -%}
    {%- do exceptions.raise_compiler_error('A model can have merge_update_columns or merge_exclude_columns, not both; remove one of them') -%}
  {%- endif -%}
  {%- if merge_update_columns -%}
    {%- do return(merge_update_columns) -%}
  {%- endif -%}
  {%- set excluded = (merge_exclude_columns or []) | map('lower') | list -%}
  {%- set updated = [] -%}
  {%- for column in dest_columns if column.column | lower not in excluded -%}
    {%- do updated.append(column.quoted) -%}
  {%- endfor -%}
  {% do return(updated) %}
{%- endmacro %}

{% macro get_merge_unique_key_match(source_unique_key, target_unique_key) -%}
  {% do return(adapter.dispatch('get_merge_unique_key_match', 'dbt')(source_unique_key, target_unique_key)) %}
{%- endmacro %}

{% macro default__get_merge_unique_key_match(source_unique_key, target_unique_key) -%}
  {% do return(equals(source_unique_key, target_unique_key) | trim) %}
{%- endmacro %}

{# Older callers name the predicates `predicates`. #}
{% macro get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
  {%- set incremental_predicates = kwargs.get('predicates', incremental_predicates) -%}
  {{ adapter.dispatch('get_merge_sql', 'dbt')(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}

{% macro default__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
  {%- set names = get_quoted_csv(dest_columns | map(attribute='name')) -%}
  {%- set updated = get_merge_update_columns(config.get('merge_update_columns'), config.get('merge_exclude_columns'), dest_columns) -%}
  {%- set conditions = [] + (incremental_predicates or []) -%}
  {%- if not unique_key -%}
    {%- do conditions.append('FALSE') -%}
  {%- elif unique_key is string -%}
    {%- do conditions.append(get_merge_unique_key_match('DBT_INTERNAL_SOURCE.' ~ unique_key, 'DBT_INTERNAL_DEST.' ~ unique_key)) -%}
  {%- else -%}
    {%- for key in unique_key -%}
      {%- do conditions.append('DBT_INTERNAL_SOURCE.' ~ key ~ ' = DBT_INTERNAL_DEST.' ~ key) -%}
    {%- endfor -%}
  {%- endif -%}
  {{ config.get('sql_header') or '' }}
  merge into {{ target }} as DBT_INTERNAL_DEST
  using {{ source }} as DBT_INTERNAL_SOURCE
  on ({{ conditions | join(') and (') }})
  {%- if unique_key %}
  when matched then update set
    {%- for column in updated %}
    {{ column }} = DBT_INTERNAL_SOURCE.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
  {%- endif %}
  when not matched then insert ({{ names }})
    values ({{ merge_insert_values(dest_columns) }})
{%- endmacro %}

{# Qualified, since names of the target may be meant otherwise. #}
{% macro merge_insert_values(dest_columns) -%}
  {%- for column in dest_columns -%}
    DBT_INTERNAL_SOURCE.{{ adapter.quote(column.name) }}{{ ', ' if not loop.last }}
  {%- endfor -%}
{%- endmacro %}

{% macro get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
  {{ adapter.dispatch('get_delete_insert_merge_sql', 'dbt')(target, source, unique_key, dest_columns, incremental_predicates) }}
{%- endmacro %}

{% macro default__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
  {%- set names = get_quoted_csv(dest_columns | map(attribute='name')) -%}
  {%- if unique_key -%}
    {%- set keys = unique_key if unique_key is string else (unique_key | join(', ')) -%}
    delete from {{ target }} as DBT_INTERNAL_DEST
    where ({{ keys }}) in (
      select distinct {{ keys }}
      from {{ source }} as DBT_INTERNAL_SOURCE
    )
    {%- for predicate in incremental_predicates or [] %}
    and {{ predicate }}
    {%- endfor -%}
    ;
  {%- endif %}
  insert into {{ target }} ({{ names }})
  (
    select {{ names }}
    from {{ source }}
  )
{%- endmacro %}

{% macro get_insert_overwrite_merge_sql(target, source, dest_columns, predicates, include_sql_header=false) -%}
  {{ adapter.dispatch('get_insert_overwrite_merge_sql', 'dbt')(target, source, dest_columns, predicates, include_sql_header) }}
{%- endmacro %}

{% macro default__get_insert_overwrite_merge_sql(target, source, dest_columns, predicates, include_sql_header) -%}
  {%- set names = get_quoted_csv(dest_columns | map(attribute='name')) -%}
  {{ (config.get('sql_header') or '') if include_sql_header }}
  merge into {{ target }} as DBT_INTERNAL_DEST
  using {{ source }} as DBT_INTERNAL_SOURCE
  on FALSE
  when not matched by source{{ ' and ' ~ (predicates | join(' and ')) if predicates }} then delete
  when not matched then insert ({{ names }})
    values ({{ merge_insert_values(dest_columns) }})
{%- endmacro %}
