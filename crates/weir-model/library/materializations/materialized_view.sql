{# A view that keeps its rows until it is refreshed. #}
{% materialization materialized_view, default -%}
  {%- set existing_relation = load_cached_relation(this) -%}
  {%- set target_relation = this.incorporate(type='materialized_view') -%}
  {%- set intermediate_relation = make_intermediate_relation(target_relation) -%}
  {%- set backup_relation = make_backup_relation(target_relation, 'materialized_view' if existing_relation is none else existing_relation.type) -%}

  {%- do materialized_view_setup(backup_relation, intermediate_relation, pre_hooks) -%}
  {%- set build_sql = materialized_view_get_build_sql(existing_relation, target_relation, backup_relation, intermediate_relation) -%}
  {%- if build_sql | trim -%}
    {%- do materialized_view_execute_build_sql(build_sql, existing_relation, target_relation, post_hooks) -%}
  {%- else -%}
    {%- do materialized_view_execute_no_op(target_relation) -%}
  {%- endif -%}
  {%- do materialized_view_teardown(backup_relation, intermediate_relation, post_hooks) -%}
  {% do return({'relations': [target_relation]}) %}
{%- endmaterialization %}

{% macro materialized_view_setup(backup_relation, intermediate_relation, pre_hooks) -%}
  {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}
  {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
  {%- do run_hooks(pre_hooks, inside_transaction=false) -%}
{%- endmacro %}

{% macro materialized_view_teardown(backup_relation, intermediate_relation, post_hooks) -%}
  {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}
  {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
  {%- do run_hooks(post_hooks, inside_transaction=false) -%}
{%- endmacro %}

{# Creates what is not there, replaces what is something else, alters what is configured otherwise and refreshes the rest. #}
{% macro materialized_view_get_build_sql(existing_relation, target_relation, backup_relation, intermediate_relation) -%}
  {%- if existing_relation is none -%}
    {%- do return(get_create_materialized_view_as_sql(target_relation, sql)) -%}
  {%- endif -%}
  {%- if should_full_refresh() or not existing_relation.is_materialized_view -%}
    {%- do return(get_replace_sql(existing_relation, target_relation, sql)) -%}
  {%- endif -%}
  {%- set changes = get_materialized_view_configuration_changes(existing_relation, config) -%}
  {%- if not changes -%}
    {%- do return(refresh_materialized_view(target_relation)) -%}
  {%- endif -%}
  {%- set on_change = config.get('on_configuration_change') or 'apply' -%}
  {%- if on_change == 'apply' -%}
    {%- do return(get_alter_materialized_view_as_sql(target_relation, changes, sql, existing_relation, backup_relation, intermediate_relation)) -%}
  {%- elif on_change == 'continue' -%}
    {%- do exceptions.warn('The configuration of ' ~ target_relation.render() ~ ' has changed; on_configuration_change says to continue without it') -%}
    {%- do return('') -%}
  {%- elif on_change == 'fail' -%}
    {%- do exceptions.raise_fail_fast_error('The configuration of ' ~ target_relation.render() ~ ' has changed, and on_configuration_change says to fail') -%}
  {%- else -%}
    {%- do exceptions.raise_compiler_error('on_configuration_change can be apply, continue or fail, not ' ~ on_change) -%}
  {%- endif -%}
{%- endmacro %}

{% macro materialized_view_execute_no_op(target_relation) -%}
  {%- do store_raw_result(name='main', message='skip ' ~ target_relation, code='skip', rows_affected='-1') -%}
{%- endmacro %}

{% macro materialized_view_execute_build_sql(build_sql, existing_relation, target_relation, post_hooks) -%}
  {%- do run_hooks(pre_hooks, inside_transaction=true) -%}
  {%- call statement('main') -%}
    {{ build_sql }}
  {%- endcall -%}
  {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, full_refresh_mode=true)) -%}
  {%- do persist_docs(target_relation, model) -%}
  {%- do run_hooks(post_hooks, inside_transaction=true) -%}
  {%- do adapter.commit() -%}
{%- endmacro %}
