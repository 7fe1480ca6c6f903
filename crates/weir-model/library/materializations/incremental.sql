{# A table that grows: the first run builds it, later ones add what the query gives. #}
{% materialization incremental, default -%}
  {%- set existing_relation = load_cached_relation(this) -%}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set temp_relation = make_temp_relation(target_relation) -%}
  {%- set intermediate_relation = make_intermediate_relation(target_relation) -%}
  {%- set backup_relation = make_backup_relation(target_relation, 'table' if existing_relation is none else existing_relation.type) -%}
  {%- set unique_key = config.get('unique_key') -%}
  {%- set grant_config = config.get('grants') -%}
  {%- set exists_as_view = existing_relation is not none and existing_relation.is_view -%}
  {%- set full_refresh_mode = should_full_refresh() or exists_as_view -%}
  {%- set on_schema_change = incremental_validate_on_schema_change(config.get('on_schema_change'), default='ignore') -%}

  {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
  {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}
  {%- do run_hooks(pre_hooks, inside_transaction=false) -%}
  {%- do run_hooks(pre_hooks, inside_transaction=true) -%}

  {%- set strategy = adapter.get_incremental_strategy_macro(context, config.get('incremental_strategy') or 'default') -%}
  {%- set adds = existing_relation is not none and not full_refresh_mode -%}
  {%- if existing_relation is none -%}
    {%- set build_sql = get_create_table_as_sql(false, target_relation, sql) -%}
  {%- elif full_refresh_mode -%}
    {%- set build_sql = get_create_table_as_sql(false, intermediate_relation, sql) -%}
  {%- else -%}
    {%- do run_query(get_create_table_as_sql(true, temp_relation, sql)) -%}
    {%- set contract = config.get('contract') -%}
    {%- if not contract or not contract.enforced -%}
      {%- do adapter.expand_target_column_types(from_relation=temp_relation, to_relation=target_relation) -%}
    {%- endif -%}
    {%- set dest_columns = process_schema_changes(on_schema_change, temp_relation, existing_relation) or adapter.get_columns_in_relation(existing_relation) -%}
    {%- set build_sql = strategy({
      'target_relation': target_relation,
      'temp_relation': temp_relation,
      'unique_key': unique_key,
      'dest_columns': dest_columns,
      'incremental_predicates': config.get('predicates', none) or config.get('incremental_predicates', none),
    }) -%}
  {%- endif -%}

  {%- call statement('main') -%}
    {{ build_sql }}
  {%- endcall -%}

  {%- if not adds -%}
    {%- do create_indexes(target_relation if existing_relation is none else intermediate_relation) -%}
  {%- endif -%}
  {%- if existing_relation is not none and full_refresh_mode -%}
    {%- do adapter.rename_relation(existing_relation, backup_relation) -%}
    {%- do adapter.rename_relation(intermediate_relation, target_relation) -%}
  {%- endif -%}
  {%- if adds -%}
    {%- do drop_temp_relation(temp_relation) -%}
  {%- endif -%}

  {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(existing_relation, full_refresh_mode)) -%}
  {%- do persist_docs(target_relation, model) -%}
  {%- do run_hooks(post_hooks, inside_transaction=true) -%}
  {%- do adapter.commit() -%}

  {%- if existing_relation is not none and full_refresh_mode -%}
    {%- do adapter.drop_relation(backup_relation) -%}
  {%- endif -%}
  {%- do run_hooks(post_hooks, inside_transaction=false) -%}
  {% do return({'relations': [target_relation]}) %}
{%- endmaterialization %}
