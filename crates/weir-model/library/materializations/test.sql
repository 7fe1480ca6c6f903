{# Counts the rows of a test and keeps them if asked to. #}
{%- materialization test, default -%}
  {%- set relations = [] -%}
  {%- set failing_rows -%}
    {{ get_limit_subquery_sql(sql, config.get('limit')) }}
  {%- endset -%}
  {%- set main_sql = failing_rows -%}

  {%- if should_store_failures() -%}
    {%- set kind = config.get('store_failures_as') or 'table' -%}
    {%- if kind not in ['table', 'view'] -%}
      {%- do exceptions.raise_compiler_error("store_failures_as can be 'table', 'view' or 'ephemeral', not '" ~ kind ~ "'") -%}
    {%- endif -%}
    {%- set old_relation = adapter.get_relation(database=database, schema=schema, identifier=model['alias']) -%}
    {%- set target_relation = api.Relation.create(database=database, schema=schema, identifier=model['alias'], type=kind) -%}
    {%- if old_relation -%}
      {%- do adapter.drop_relation(old_relation) -%}
    {%- endif -%}
    {%- call statement(auto_begin=true) -%}
      {{ get_create_sql(target_relation, failing_rows) }}
    {%- endcall -%}
    {%- do relations.append(target_relation) -%}
    {%- set main_sql = 'select * from ' ~ target_relation -%}
    {%- do adapter.commit() -%}
  {%- endif -%}

  {%- call statement('main', fetch_result=true) -%}
    {{ get_test_sql(main_sql, config.get('fail_calc'), config.get('warn_if'), config.get('error_if'), limit=none) }}
  {%- endcall -%}
  {% do return({'relations': relations}) %}
{%- endmaterialization -%}
