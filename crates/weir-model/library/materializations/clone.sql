{# The production relation under the name of this environment: a copy without copying where the warehouse can, else a view. #}
{% materialization clone, default -%}
  {%- if not defer_relation -%}
    {%- do log('There is no production relation of ' ~ model.unique_id ~ ' to clone', info=true) -%}
    {%- do return({'relations': []}) -%}
  {%- endif -%}
  {%- set existing_relation = load_cached_relation(this) -%}
  {%- if existing_relation and not flags.FULL_REFRESH -%}
    {%- do log('Relation ' ~ existing_relation ~ ' exists already; --full-refresh replaces it', info=true) -%}
    {%- do return({'relations': []}) -%}
  {%- endif -%}
  {%- set other_relation = load_cached_relation(defer_relation) -%}
  {%- if other_relation and other_relation.type == 'table' and can_clone_table() -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- if existing_relation is not none and not existing_relation.is_table -%}
      {%- do drop_relation_if_exists(existing_relation) -%}
    {%- endif -%}
    {%- if target_relation.render() != defer_relation.render() -%}
      {%- call statement('main') -%}
        {{ create_or_replace_clone(target_relation, defer_relation) }}
      {%- endcall -%}
    {%- endif -%}
    {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, full_refresh_mode=true)) -%}
    {%- do persist_docs(target_relation, model) -%}
    {%- do adapter.commit() -%}
    {%- do return({'relations': [target_relation]}) -%}
  {%- endif -%}
  {% do return(adapter.materialization_macro('view')()) %}
{%- endmaterialization %}

{% macro can_clone_table() -%}
  {% do return(adapter.dispatch('can_clone_table', 'dbt')()) %}
{%- endmacro %}

{% macro default__can_clone_table() -%}
  {% do return(false) %}
{%- endmacro %}

{% macro create_or_replace_clone(this_relation, defer_relation) -%}
  {% do return(adapter.dispatch('create_or_replace_clone', 'dbt')(this_relation, defer_relation)) %}
{%- endmacro %}

{% macro default__create_or_replace_clone(this_relation, defer_relation) -%}
  create or replace table {{ this_relation.render() }} clone {{ defer_relation.render() }}
{%- endmacro %}
