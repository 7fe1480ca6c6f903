{# A table: built beside the old one, then exchanged with it in the same transaction. #}
{% materialization table, default -%}
  {%- set existing_relation = load_cached_relation(this) -%}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set intermediate_relation = make_intermediate_relation(target_relation) -%}
  {%- set backup_relation = make_backup_relation(target_relation, 'table' if existing_relation is none else existing_relation.type) -%}
  {%- set grant_config = config.get('grants') -%}

  {#- What a run that was killed has left behind. -#}
  {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
  {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}

  {%- do run_hooks(pre_hooks, inside_transaction=false) -%}
  {%- do run_hooks(pre_hooks, inside_transaction=true) -%}

  {%- call statement('main') -%}
    {{ get_create_table_as_sql(false, intermediate_relation, sql) }}
  {%- endcall -%}
  {%- do create_indexes(intermediate_relation) -%}

  {#- A hook may have dropped it meanwhile. -#}
  {%- if existing_relation is not none -%}
    {%- set existing_relation = load_cached_relation(existing_relation) -%}
  {%- endif -%}
  {%- if existing_relation is not none -%}
    {%- do adapter.rename_relation(existing_relation, backup_relation) -%}
  {%- endif -%}
  {%- do adapter.rename_relation(intermediate_relation, target_relation) -%}

  {%- do run_hooks(post_hooks, inside_transaction=true) -%}
  {%- do apply_grants(target_relation, grant_config, should_revoke=should_revoke(existing_relation, full_refresh_mode=true)) -%}
  {%- do persist_docs(target_relation, model) -%}
  {%- do adapter.commit() -%}

  {%- do drop_relation_if_exists(backup_relation) -%}
  {%- do run_hooks(post_hooks, inside_transaction=false) -%}
  {% do return({'relations': [target_relation]}) %}
{%- endmaterialization %}
