{% macro cents(column, scale=2) -%}
  {{ return(adapter.dispatch('cents', 'fixture')(column, scale)) }}
{%- endmacro %}

{% macro default__cents(column, scale) -%}
  wrong_default
{%- endmacro %}

{% macro postgres__cents(column, scale) -%}
  round({{ column }}::numeric * 100, {{ scale }})
{%- endmacro %}

{% macro kinds() -%}
  {%- set rows = run_query('select distinct kind from ' ~ ref('events') ~ ' order by 1') -%}
  {{ return(rows.columns[0].values() if execute else []) }}
{%- endmacro %}

{% macro columns_of(relation) -%}
  {%- for column in adapter.get_columns_in_relation(relation) %}{{ column.name }}:{{ column.data_type }}{{ ', ' if not loop.last }}{% endfor -%}
{%- endmacro %}

{% macro note(text='nothing') -%}
  {%- do run_query("insert into " ~ target.schema ~ ".run_log values ('operation', '" ~ text ~ "')") -%}
  {{ return(text | upper) }}
{%- endmacro %}

{% macro get_incremental_newest_sql(arg_dict) -%}
  delete from {{ arg_dict['target_relation'] }};
  insert into {{ arg_dict['target_relation'] }} select * from {{ arg_dict['temp_relation'] }}
{%- endmacro %}

{% materialization counted, default -%}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set existing = load_cached_relation(this) -%}
  {{ run_hooks(pre_hooks) }}
  {%- if existing %}{{ adapter.drop_relation(existing) }}{% endif -%}
  {% call statement('main') -%}
    create table {{ target_relation }} as select count(*) as rows from ({{ sql }}) counted
  {%- endcall %}
  {{ run_hooks(post_hooks) }}
  {{ adapter.commit() }}
  {{ return({'relations': [target_relation]}) }}
{%- endmaterialization %}
