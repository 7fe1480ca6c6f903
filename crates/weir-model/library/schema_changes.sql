{# What an incremental model does when its columns are others than those of its table. #}

{% macro incremental_validate_on_schema_change(on_schema_change, default='ignore') -%}
  {%- if on_schema_change in ['ignore', 'fail', 'append_new_columns', 'sync_all_columns'] -%}
    {%- do return(on_schema_change) -%}
  {%- endif -%}
  {%- do log('on_schema_change cannot be ' ~ on_schema_change ~ '; taking ' ~ default) -%}
  {% do return(default) %}
{%- endmacro %}

{% macro check_for_schema_changes(source_relation, target_relation) -%}
  {% do return(adapter.dispatch('check_for_schema_changes', 'dbt')(source_relation, target_relation)) %}
{%- endmacro %}

{% macro default__check_for_schema_changes(source_relation, target_relation) -%}
  {%- set source_columns = adapter.get_columns_in_relation(source_relation) -%}
  {%- set target_columns = adapter.get_columns_in_relation(target_relation) -%}
  {%- set added = diff_columns(source_columns, target_columns) -%}
  {%- set removed = diff_columns(target_columns, source_columns) -%}
  {%- set retyped = diff_column_data_types(source_columns, target_columns) -%}
  {% do return({
    'schema_changed': (added or removed or retyped) | length > 0,
    'source_not_in_target': added,
    'target_not_in_source': removed,
    'source_columns': source_columns,
    'target_columns': target_columns,
    'new_target_types': retyped,
  }) %}
{%- endmacro %}

{% macro sync_column_schemas(on_schema_change, target_relation, schema_changes_dict) -%}
  {% do return(adapter.dispatch('sync_column_schemas', 'dbt')(on_schema_change, target_relation, schema_changes_dict)) %}
{%- endmacro %}

{% macro default__sync_column_schemas(on_schema_change, target_relation, schema_changes_dict) -%}
  {%- set added = schema_changes_dict['source_not_in_target'] -%}
  {%- set removed = schema_changes_dict['target_not_in_source'] if on_schema_change == 'sync_all_columns' else [] -%}
  {%- if added or removed -%}
    {%- do alter_relation_add_remove_columns(target_relation, added, removed) -%}
  {%- endif -%}
  {%- if on_schema_change == 'sync_all_columns' -%}
    {%- for change in schema_changes_dict['new_target_types'] -%}
      {%- do alter_column_type(target_relation, change['column_name'], change['new_type']) -%}
    {%- endfor -%}
  {%- endif -%}
  {%- do log('Columns of ' ~ target_relation ~ ' by ' ~ on_schema_change ~ ': added ' ~ added ~ ', removed ' ~ removed) -%}
{%- endmacro %}

{% macro process_schema_changes(on_schema_change, source_relation, target_relation) -%}
  {% do return(adapter.dispatch('process_schema_changes', 'dbt')(on_schema_change, source_relation, target_relation)) %}
{%- endmacro %}

{# Returns the columns to write, or nothing for those of the target. #}
{% macro default__process_schema_changes(on_schema_change, source_relation, target_relation) -%}
  {%- if on_schema_change == 'ignore' -%}
    {%- do return({}) -%}
  {%- endif -%}
  {%- set changes = check_for_schema_changes(source_relation, target_relation) -%}
  {%- if not changes['source_columns'] -%}
    {#- The relation was built a moment ago: without columns the catalog is at fault, and syncing would drop all of the target's. -#}
    {%- set complaint = 'No columns can be read of ' ~ source_relation ~ ', so ' ~ target_relation ~ ' cannot follow its schema; set on_schema_change to ignore or run with --full-refresh' -%}
    {%- if on_schema_change == 'append_new_columns' -%}
      {%- do exceptions.warn(complaint) -%}
    {%- else -%}
      {%- do exceptions.raise_compiler_error(complaint) -%}
    {%- endif -%}
  {%- endif -%}
  {%- if changes['schema_changed'] -%}
    {%- if on_schema_change == 'fail' -%}
      {%- set complaint -%}
The source and target schemas on this incremental model are out of sync!
Run it with --full-refresh, or set on_schema_change to append_new_columns or sync_all_columns.
  columns not in the target: {{ changes['source_not_in_target'] | map(attribute='name') | join(', ') }}
  columns not in the query: {{ changes['target_not_in_source'] | map(attribute='name') | join(', ') }}
  columns of other types: {{ changes['new_target_types'] }}
      {%- endset -%}
      {%- do exceptions.raise_compiler_error(complaint) -%}
    {%- endif -%}
    {%- do sync_column_schemas(on_schema_change, target_relation, changes) -%}
  {%- endif -%}
  {% do return(changes['source_columns']) %}
{%- endmacro %}
