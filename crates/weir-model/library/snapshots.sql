{# What snapshots are made of: strategies, staging and merging. #}

{% macro get_snapshot_table_column_names() -%}
  {% do return({
    'dbt_valid_to': 'dbt_valid_to',
    'dbt_valid_from': 'dbt_valid_from',
    'dbt_scd_id': 'dbt_scd_id',
    'dbt_updated_at': 'dbt_updated_at',
    'dbt_is_deleted': 'dbt_is_deleted',
  }) %}
{%- endmacro %}

{% macro snapshot_columns() -%}
  {% do return(config.get('snapshot_table_column_names') or get_snapshot_table_column_names()) %}
{%- endmacro %}

{# Finds the macro of a strategy, in a package if one is named before a dot. #}
{% macro strategy_dispatch(name) -%}
  {%- set package_name, short_name = name.split('.', 1) if '.' in name else (none, name) -%}
  {%- if package_name is none -%}
    {%- set namespace_searched = context -%}
  {%- elif package_name in context -%}
    {%- set namespace_searched = context[package_name] -%}
  {%- else -%}
    {%- do exceptions.raise_compiler_error("The snapshot strategy '" ~ name ~ "' names a package that does not exist: '" ~ package_name ~ "'") -%}
  {%- endif -%}
  {%- set macro_name = 'snapshot_' ~ short_name ~ '_strategy' -%}
  {%- if macro_name not in namespace_searched -%}
    {%- do exceptions.raise_compiler_error("There is no snapshot strategy '" ~ name ~ "': the macro " ~ macro_name ~ ' was not found') -%}
  {%- endif -%}
  {% do return(namespace_searched[macro_name]) %}
{%- endmacro %}

{% macro snapshot_hash_arguments(args) -%}
  {{ adapter.dispatch('snapshot_hash_arguments', 'dbt')(args) }}
{%- endmacro %}

{% macro default__snapshot_hash_arguments(args) -%}
  {%- set parts = [] -%}
  {%- for arg in args -%}
    {%- do parts.append('coalesce(cast(' ~ arg ~ " as varchar), '')") -%}
  {%- endfor -%}
  md5({{ parts | join(" || '|' || ") }})
{%- endmacro %}

{# What both built-in strategies say to the materialization. #}
{% macro snapshot_strategy_facts(updated_at, row_changed) -%}
  {%- set key = config.get('unique_key') -%}
  {%- set hard_deletes = adapter.get_hard_deletes_behavior(config) -%}
  {% do return({
    'unique_key': key,
    'updated_at': updated_at,
    'row_changed': row_changed,
    'scd_id': snapshot_hash_arguments(api.Relation.scd_args(key, updated_at)),
    'invalidate_hard_deletes': hard_deletes == 'invalidate',
    'hard_deletes': hard_deletes,
  }) %}
{%- endmacro %}

{# The kept start is compared, not the kept column: it may be missing from times of another strategy. #}
{% macro snapshot_timestamp_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) -%}
  {%- set updated_at = config.get('updated_at') -%}
  {%- set changed = '(' ~ snapshotted_rel ~ '.' ~ snapshot_columns().dbt_valid_from ~ ' < ' ~ current_rel ~ '.' ~ updated_at ~ ')' -%}
  {% do return(snapshot_strategy_facts(updated_at, changed)) %}
{%- endmacro %}

{% macro snapshot_check_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) -%}
  {%- set updated_at = config.get('updated_at') or (snapshot_get_time() | trim) -%}
  {%- set column_added, columns = snapshot_check_all_get_existing_columns(node, target_exists, config.get('check_cols')) -%}
  {%- set changes = [] -%}
  {%- if column_added -%}
    {%- do changes.append(get_true_sql() | trim) -%}
  {%- else -%}
    {%- for column in columns or [] -%}
      {%- set old = snapshotted_rel ~ '.' ~ column -%}
      {%- set new = current_rel ~ '.' ~ column -%}
      {%- do changes.append(old ~ ' != ' ~ new ~ ' or (' ~ old ~ ' is null and ' ~ new ~ ' is not null) or (' ~ old ~ ' is not null and ' ~ new ~ ' is null)') -%}
    {%- endfor -%}
  {%- endif -%}
  {% do return(snapshot_strategy_facts(updated_at, '(' ~ (changes | join('\n or ')) ~ ')')) %}
{%- endmacro %}

{# Returns whether a checked column is new, and the checked columns that the target has. #}
{% macro snapshot_check_all_get_existing_columns(node, target_exists, check_cols_config) -%}
  {%- if not target_exists -%}
    {%- do return((false, none)) -%}
  {%- endif -%}
  {%- if check_cols_config == 'all' -%}
    {%- set query_columns = get_columns_in_query(node['compiled_code']) -%}
  {%- elif check_cols_config is not string and check_cols_config is iterable and check_cols_config | length > 0 -%}
    {#- The warehouse says how it spells them. The break keeps a comment from hiding the bracket. -#}
    {%- set chosen -%}
      select {{ check_cols_config | join(', ') }} from (
        {{ node['compiled_code'] }}
      ) subq
    {%- endset -%}
    {%- set query_columns = get_columns_in_query(chosen) -%}
  {%- else -%}
    {%- do exceptions.raise_compiler_error("check_cols must be 'all' or a list of columns, not " ~ check_cols_config) -%}
  {%- endif -%}
  {%- set target_relation = adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias) -%}
  {%- set existing = adapter.get_columns_in_relation(target_relation) | map(attribute='name') | list -%}
  {%- set known = [] -%}
  {%- for name in query_columns if name in existing -%}
    {%- do known.append(adapter.quote(name)) -%}
  {%- endfor -%}
  {% do return((known | length < query_columns | length, known)) %}
{%- endmacro %}

{% macro snapshot_string_as_time(timestamp) -%}
  {{ adapter.dispatch('snapshot_string_as_time', 'dbt')(timestamp) }}
{%- endmacro %}

{% macro default__snapshot_string_as_time(timestamp) -%}
  {% do exceptions.raise_not_implemented('snapshot_string_as_time is not implemented for ' ~ adapter.type()) %}
{%- endmacro %}

{% macro get_true_sql() -%}
  {{ adapter.dispatch('get_true_sql', 'dbt')() }}
{%- endmacro %}

{% macro default__get_true_sql() -%}
  {% do return('TRUE') %}
{%- endmacro %}

{% macro create_columns(relation, columns) -%}
  {{ adapter.dispatch('create_columns', 'dbt')(relation, columns) }}
{%- endmacro %}

{% macro default__create_columns(relation, columns) -%}
  {%- for column in columns -%}
    {%- call statement() -%}
      alter table {{ relation.render() }} add column {{ adapter.quote(column.name) }} {{ column.expanded_data_type }};
    {%- endcall -%}
  {%- endfor -%}
{%- endmacro %}

{% macro post_snapshot(staging_relation) -%}
  {{ adapter.dispatch('post_snapshot', 'dbt')(staging_relation) }}
{%- endmacro %}

{% macro default__post_snapshot(staging_relation) -%}
{%- endmacro %}

{% macro get_updated_at_column_data_type(snapshot_sql) -%}
  {%- for column in get_column_schema_from_query(snapshot_sql) if column.column | lower == 'dbt_updated_at' -%}
    {%- do return(column.dtype or none) -%}
  {%- endfor -%}
  {% do return(none) %}
{%- endmacro %}

{% macro check_time_data_types(sql) -%}
  {%- set updated_type = get_updated_at_column_data_type(sql) -%}
  {%- set clock_type = get_snapshot_get_time_data_type() -%}
  {%- if updated_type is not none and clock_type is not none and updated_type != clock_type -%}
    {%- do exceptions.warn_snapshot_timestamp_data_types(clock_type, updated_type) -%}
  {%- endif -%}
{%- endmacro %}

{# The end of a row that is still true; its type is that of the other times. #}
{% macro get_dbt_valid_to_current(strategy, columns) -%}
  coalesce(nullif({{ strategy.updated_at }}, {{ strategy.updated_at }}), {{ config.get('dbt_valid_to_current') or 'null' }}) as {{ columns.dbt_valid_to }}
{%- endmacro %}

{% macro unique_key_fields(unique_key) -%}
  {%- if unique_key is string -%}
    {{ unique_key }} as dbt_unique_key
  {%- else -%}
    {%- for key in unique_key -%}
      {{ key }} as dbt_unique_key_{{ loop.index }}{{ ', ' if not loop.last }}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro %}

{% macro unique_key_join_on(unique_key, identifier, from_identifier) -%}
  {%- if unique_key is string -%}
    {{ identifier }}.dbt_unique_key = {{ from_identifier }}.dbt_unique_key
  {%- else -%}
    {%- for key in unique_key -%}
      {{ equals(identifier ~ '.dbt_unique_key_' ~ loop.index, from_identifier ~ '.dbt_unique_key_' ~ loop.index) }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro %}

{% macro unique_key_is_null(unique_key, identifier) -%}
  {{ identifier }}.{{ 'dbt_unique_key' if unique_key is string else 'dbt_unique_key_1' }} is null
{%- endmacro %}

{% macro unique_key_is_not_null(unique_key, identifier) -%}
  {{ identifier }}.{{ 'dbt_unique_key' if unique_key is string else 'dbt_unique_key_1' }} is not null
{%- endmacro %}

{% macro build_snapshot_table(strategy, sql) -%}
  {{ adapter.dispatch('build_snapshot_table', 'dbt')(strategy, sql) }}
{%- endmacro %}

{% macro default__build_snapshot_table(strategy, sql) -%}
  {%- set columns = snapshot_columns() -%}
  select *,
    {{ strategy.scd_id }} as {{ columns.dbt_scd_id }},
    {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
    {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
    {{ get_dbt_valid_to_current(strategy, columns) }}
    {%- if strategy.hard_deletes == 'new_record' %},
    'False' as {{ columns.dbt_is_deleted }}
    {%- endif %}
  from (
    {{ sql }}
  ) sbq
{%- endmacro %}

{% macro build_snapshot_staging_table(strategy, sql, target_relation) -%}
  {%- set temp_relation = make_temp_relation(target_relation) -%}
  {%- call statement('build_snapshot_staging_relation') -%}
    {{ create_table_as(true, temp_relation, snapshot_staging_table(strategy, sql, target_relation)) }}
  {%- endcall -%}
  {% do return(temp_relation) %}
{%- endmacro %}

{% macro snapshot_staging_table(strategy, source_sql, target_relation) -%}
  {{ adapter.dispatch('snapshot_staging_table', 'dbt')(strategy, source_sql, target_relation) }}
{%- endmacro %}

{#
  What has to be written: new states as `insert`, ends of old ones as `update`, and what became of rows
  that the query no longer has. All parts have the same columns in the same order.
#}
{% macro default__snapshot_staging_table(strategy, source_sql, target_relation) -%}
  {%- set columns = snapshot_columns() -%}
  {%- set current_end = config.get('dbt_valid_to_current') -%}
  {%- set follows_deletes = strategy.hard_deletes in ['invalidate', 'new_record'] -%}
  {%- set records_deletes = strategy.hard_deletes == 'new_record' -%}
  {%- set keys = unique_key_fields(strategy.unique_key) -%}
  {%- set joined = unique_key_join_on(strategy.unique_key, 'snapshotted_data', 'source_data') -%}
  {%- set deleted = "snapshotted_data." ~ columns.dbt_is_deleted ~ " = 'True'" -%}
  {%- set changed -%}
    ({{ strategy.row_changed }}{{ ' or ' ~ deleted if records_deletes }})
  {%- endset -%}
  {%- set open_end -%}
    {%- if current_end -%}
      ({{ equals(columns.dbt_valid_to, current_end) }} or {{ columns.dbt_valid_to }} is null)
    {%- else -%}
      {{ columns.dbt_valid_to }} is null
    {%- endif -%}
  {%- endset %}
  with snapshot_query as (
    {{ source_sql }}
  ),
  snapshotted_data as (
    select *, {{ keys }}
    from {{ target_relation }}
    where {{ open_end }}
  ),
  beginning as (
    select *, {{ keys }},
      {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
      {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
      {{ get_dbt_valid_to_current(strategy, columns) }},
      {{ strategy.scd_id }} as {{ columns.dbt_scd_id }}
    from snapshot_query
  ),
  ending as (
    select *, {{ keys }},
      {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
      {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
      {{ strategy.updated_at }} as {{ columns.dbt_valid_to }}
    from snapshot_query
  ),
  {%- if follows_deletes %}
  present as (
    select *, {{ keys }}
    from snapshot_query
  ),
  {%- endif %}
  insertions as (
    select 'insert' as dbt_change_type, source_data.*
      {%- if records_deletes %}, 'False' as {{ columns.dbt_is_deleted }}{% endif %}
    from beginning as source_data
    left join snapshotted_data on {{ joined }}
    where {{ unique_key_is_null(strategy.unique_key, 'snapshotted_data') }}
      or ({{ unique_key_is_not_null(strategy.unique_key, 'snapshotted_data') }} and {{ changed }})
  ),
  updates as (
    select 'update' as dbt_change_type, source_data.*, snapshotted_data.{{ columns.dbt_scd_id }}
      {%- if records_deletes %}, snapshotted_data.{{ columns.dbt_is_deleted }}{% endif %}
    from ending as source_data
    join snapshotted_data on {{ joined }}
    where {{ changed }}
  )
  {%- if follows_deletes %},
  deletes as (
    select 'delete' as dbt_change_type, source_data.*,
      {{ snapshot_get_time() }} as {{ columns.dbt_updated_at }},
      {{ snapshot_get_time() }} as {{ columns.dbt_valid_from }},
      {{ snapshot_get_time() }} as {{ columns.dbt_valid_to }},
      snapshotted_data.{{ columns.dbt_scd_id }}
      {%- if records_deletes %}, snapshotted_data.{{ columns.dbt_is_deleted }}{% endif %}
    from snapshotted_data
    left join present as source_data on {{ joined }}
    where {{ unique_key_is_null(strategy.unique_key, 'source_data') }}
      {%- if records_deletes %} and not ({{ deleted }}){% endif %}
  )
  {%- endif %}
  {%- if records_deletes %},
  {{ snapshot_deletion_records(strategy, source_sql, target_relation, columns, joined, deleted) }}
  {%- endif %}
  select * from insertions
  union all
  select * from updates
  {%- if follows_deletes %}
  union all
  select * from deletes
  {%- endif %}
  {%- if records_deletes %}
  union all
  select * from deletion_records
  {%- endif %}
{%- endmacro %}

{# New states that say that their row is gone; values are those it had last. #}
{% macro snapshot_deletion_records(strategy, source_sql, target_relation, columns, joined, deleted) -%}
  {%- set kept = get_list_of_column_names(get_columns_in_relation(target_relation)) -%}
  deletion_records as (
    select 'insert' as dbt_change_type,
      {%- for name in get_columns_in_query(source_sql) %}
      {{ 'snapshotted_data' if name in kept else 'source_data' }}.{{ adapter.quote(name) }},
      {%- endfor %}
      {%- if strategy.unique_key is string %}
      snapshotted_data.dbt_unique_key as dbt_unique_key,
      {%- else %}
      {%- for key in strategy.unique_key %}
      snapshotted_data.{{ key }} as dbt_unique_key_{{ loop.index }},
      {%- endfor %}
      {%- endif %}
      {{ snapshot_get_time() }} as {{ columns.dbt_updated_at }},
      {{ snapshot_get_time() }} as {{ columns.dbt_valid_from }},
      snapshotted_data.{{ columns.dbt_valid_to }} as {{ columns.dbt_valid_to }},
      {{ snapshot_hash_arguments([columns.dbt_scd_id, snapshot_get_time() | trim]) }} as {{ columns.dbt_scd_id }},
      'True' as {{ columns.dbt_is_deleted }}
    from snapshotted_data
    left join present as source_data on {{ joined }}
    where {{ unique_key_is_null(strategy.unique_key, 'source_data') }} and not ({{ deleted }})
  )
{%- endmacro %}

{% macro snapshot_merge_sql(target, source, insert_cols) -%}
  {{ adapter.dispatch('snapshot_merge_sql', 'dbt')(target, source, insert_cols) }}
{%- endmacro %}

{% macro default__snapshot_merge_sql(target, source, insert_cols) -%}
  {%- set columns = snapshot_columns() -%}
  {%- set end = 'DBT_INTERNAL_DEST.' ~ columns.dbt_valid_to -%}
  {%- set current_end = config.get('dbt_valid_to_current') -%}
  merge into {{ target.render() }} as DBT_INTERNAL_DEST
  using {{ source }} as DBT_INTERNAL_SOURCE
  on DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }} = DBT_INTERNAL_DEST.{{ columns.dbt_scd_id }}
  when matched
    and {% if current_end %}({{ equals(end, current_end) }} or {{ end }} is null){% else %}{{ end }} is null{% endif %}
    and DBT_INTERNAL_SOURCE.dbt_change_type in ('update', 'delete')
    then update set {{ columns.dbt_valid_to }} = DBT_INTERNAL_SOURCE.{{ columns.dbt_valid_to }}
  when not matched
    and DBT_INTERNAL_SOURCE.dbt_change_type = 'insert'
    then insert ({{ insert_cols | join(', ') }})
    values (
      {%- for column in insert_cols -%}
        DBT_INTERNAL_SOURCE.{{ column }}{{ ', ' if not loop.last }}
      {%- endfor -%}
    )
{%- endmacro %}
