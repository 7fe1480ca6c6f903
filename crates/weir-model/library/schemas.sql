{# Schemas, and what the warehouse's catalog says. #}

{% macro create_schema(relation) -%}
  {{ adapter.dispatch('create_schema', 'dbt')(relation) }}
{%- endmacro %}

{% macro default__create_schema(relation) -%}
  {%- call statement('create_schema') -%}
    create schema if not exists {{ relation.without_identifier() }}
  {%- endcall -%}
{%- endmacro %}

{% macro drop_schema(relation) -%}
  {{ adapter.dispatch('drop_schema', 'dbt')(relation) }}
{%- endmacro %}

{% macro default__drop_schema(relation) -%}
  {%- call statement('drop_schema') -%}
    drop schema if exists {{ relation.without_identifier() }} cascade
  {%- endcall -%}
{%- endmacro %}

{% macro drop_schema_named(schema_name) -%}
  {% do return(adapter.dispatch('drop_schema_named', 'dbt')(schema_name)) %}
{%- endmacro %}

{% macro default__drop_schema_named(schema_name) -%}
  {% do adapter.drop_schema(api.Relation.create(schema=schema_name)) %}
{%- endmacro %}

{% macro information_schema_name(database) -%}
  {% do return(adapter.dispatch('information_schema_name', 'dbt')(database)) %}
{%- endmacro %}

{% macro default__information_schema_name(database) -%}
  {{ database ~ '.' if database }}information_schema
{%- endmacro %}

{% macro list_schemas(database) -%}
  {% do return(adapter.dispatch('list_schemas', 'dbt')(database)) %}
{%- endmacro %}

{% macro default__list_schemas(database) -%}
  {% do return(adapter.warehouse_schemas(database)) %}
{%- endmacro %}

{% macro check_schema_exists(information_schema, schema) -%}
  {% do return(adapter.dispatch('check_schema_exists', 'dbt')(information_schema, schema)) %}
{%- endmacro %}

{% macro default__check_schema_exists(information_schema, schema) -%}
  {%- set found = schema in adapter.warehouse_schemas(information_schema.database) -%}
  {% do return([[1 if found else 0]]) %}
{%- endmacro %}

{% macro list_relations_without_caching(schema_relation) -%}
  {% do return(adapter.dispatch('list_relations_without_caching', 'dbt')(schema_relation)) %}
{%- endmacro %}

{% macro default__list_relations_without_caching(schema_relation) -%}
  {% do return(adapter.warehouse_relations(schema_relation)) %}
{%- endmacro %}

{% macro list_function_relations_without_caching(schema_relation) -%}
  {% do return(adapter.dispatch('list_function_relations_without_caching', 'dbt')(schema_relation)) %}
{%- endmacro %}

{% macro default__list_function_relations_without_caching(schema_relation) -%}
  {% do return([]) %}
{%- endmacro %}

{% macro get_relations() -%}
  {% do return(adapter.dispatch('get_relations', 'dbt')()) %}
{%- endmacro %}

{% macro default__get_relations() -%}
  {% do exceptions.raise_not_implemented('get_relations is not implemented for ' ~ adapter.type()) %}
{%- endmacro %}

{% macro get_relation_last_modified(information_schema, relations) -%}
  {% do return(adapter.dispatch('get_relation_last_modified', 'dbt')(information_schema, relations)) %}
{%- endmacro %}

{% macro default__get_relation_last_modified(information_schema, relations) -%}
  {% do exceptions.raise_not_implemented('get_relation_last_modified is not implemented for ' ~ adapter.type()) %}
{%- endmacro %}

{# The catalog has one row for each column of each relation. #}
{% macro get_catalog(information_schema, schemas) -%}
  {% do return(adapter.dispatch('get_catalog', 'dbt')(information_schema, schemas)) %}
{%- endmacro %}

{% macro default__get_catalog(information_schema, schemas) -%}
  {% do return(adapter.warehouse_catalog(information_schema.database, schemas)) %}
{%- endmacro %}

{% macro get_catalog_relations(information_schema, relations) -%}
  {% do return(adapter.dispatch('get_catalog_relations', 'dbt')(information_schema, relations)) %}
{%- endmacro %}

{% macro default__get_catalog_relations(information_schema, relations) -%}
  {% do return(adapter.warehouse_catalog(information_schema.database, relations | map(attribute='schema') | unique | list)) %}
{%- endmacro %}

{% macro get_catalog_for_single_relation(relation) -%}
  {% do return(adapter.dispatch('get_catalog_for_single_relation', 'dbt')(relation)) %}
{%- endmacro %}

{% macro default__get_catalog_for_single_relation(relation) -%}
  {% do exceptions.raise_not_implemented('get_catalog_for_single_relation is not implemented for ' ~ adapter.type()) %}
{%- endmacro %}

{# How fresh a source table is: its newest moment and the present one. #}
{% macro collect_freshness(source, loaded_at_field, filter) -%}
  {% do return(adapter.dispatch('collect_freshness', 'dbt')(source, loaded_at_field, filter)) %}
{%- endmacro %}

{% macro default__collect_freshness(source, loaded_at_field, filter) -%}
  {%- call statement('collect_freshness', fetch_result=true, auto_begin=false) -%}
    select max({{ loaded_at_field }}) as max_loaded_at, {{ current_timestamp() }} as snapshotted_at
    from {{ source }}
    {%- if filter %}
    where {{ filter }}
    {%- endif %}
  {%- endcall -%}
  {% do return(load_result('collect_freshness')) %}
{%- endmacro %}

{% macro collect_freshness_custom_sql(source, loaded_at_query) -%}
  {% do return(adapter.dispatch('collect_freshness_custom_sql', 'dbt')(source, loaded_at_query)) %}
{%- endmacro %}

{% macro default__collect_freshness_custom_sql(source, loaded_at_query) -%}
  {%- call statement('collect_freshness_custom_sql', fetch_result=true, auto_begin=false) -%}
    with newest as (
      {{ loaded_at_query }}
    )
    select (select * from newest) as max_loaded_at, {{ current_timestamp() }} as snapshotted_at
  {%- endcall -%}
  {% do return(load_result('collect_freshness_custom_sql')) %}
{%- endmacro %}
