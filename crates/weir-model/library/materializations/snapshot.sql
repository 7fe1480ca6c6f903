{# A table of every state that rows of a query ever had, each with the time it was true. #}
{% materialization snapshot, default -%}
  {%- set grant_config = config.get('grants') -%}
  {%- set target_relation_exists, target_relation = get_or_create_relation(
      database=model.database, schema=model.schema, identifier=model.get('alias', model.get('name')), type='table') -%}
  {%- if not target_relation.is_table -%}
    {%- do exceptions.relation_wrong_type(target_relation, 'table') -%}
  {%- endif -%}

  {%- do run_hooks(pre_hooks, inside_transaction=false) -%}
  {%- do run_hooks(pre_hooks, inside_transaction=true) -%}

  {%- set strategy_macro = strategy_dispatch(config.get('strategy')) -%}
  {%- set strategy = strategy_macro(model, 'snapshotted_data', 'source_data', model['config'], target_relation_exists) -%}

  {%- if not target_relation_exists -%}
    {%- set checked_sql = build_snapshot_table(strategy, model['compiled_code']) -%}
    {%- set final_sql = create_table_as(false, target_relation, checked_sql) -%}
  {%- else -%}
    {%- do adapter.assert_valid_snapshot_target_given_strategy(target_relation, snapshot_columns(), strategy) -%}
    {%- set checked_sql = snapshot_staging_table(strategy, sql, target_relation) -%}
    {%- set staging_table = build_snapshot_staging_table(strategy, sql, target_relation) -%}
    {%- do adapter.expand_target_column_types(from_relation=staging_table, to_relation=target_relation) -%}

    {%- set helpers = snapshot_helper_columns(strategy.unique_key) -%}
    {%- set missing = adapter.get_missing_columns(staging_table, target_relation) | rejectattr('name', 'in', helpers) | list -%}
    {%- do create_columns(target_relation, missing) -%}
    {%- set kept = adapter.get_columns_in_relation(staging_table) | rejectattr('name', 'in', helpers) | list -%}
    {%- set quoted_columns = [] -%}
    {%- for column in kept -%}
      {%- do quoted_columns.append(adapter.quote(column.name)) -%}
    {%- endfor -%}
    {%- set final_sql = snapshot_merge_sql(target=target_relation, source=staging_table, insert_cols=quoted_columns) -%}
  {%- endif -%}

  {%- do check_time_data_types(checked_sql) -%}
  {%- call statement('main') -%}
    {{ final_sql }}
  {%- endcall -%}

  {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(target_relation_exists, full_refresh_mode=false)) -%}
  {%- do persist_docs(target_relation, model) -%}
  {%- if not target_relation_exists -%}
    {%- do create_indexes(target_relation) -%}
  {%- endif -%}
  {%- if staging_table is defined -%}
    {%- do drop_temp_relation(staging_table) -%}
  {%- endif -%}
  {%- do run_hooks(post_hooks, inside_transaction=true) -%}
  {%- do adapter.commit() -%}
  {%- if staging_table is defined -%}
    {%- do post_snapshot(staging_table) -%}
  {%- endif -%}
  {%- do run_hooks(post_hooks, inside_transaction=false) -%}
  {% do return({'relations': [target_relation]}) %}
{%- endmaterialization %}

{# Columns that only staging has. #}
{% macro snapshot_helper_columns(unique_key) -%}
  {%- set names = ['dbt_change_type', 'DBT_CHANGE_TYPE', 'dbt_unique_key', 'DBT_UNIQUE_KEY'] -%}
  {%- if unique_key is not string -%}
    {%- for key in unique_key -%}
      {%- do names.extend(['dbt_unique_key_' ~ loop.index, 'DBT_UNIQUE_KEY_' ~ loop.index]) -%}
    {%- endfor -%}
  {%- endif -%}
  {% do return(names) %}
{%- endmacro %}
