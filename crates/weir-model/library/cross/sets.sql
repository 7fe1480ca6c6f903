{# Arrays, aggregates, set operations and series. #}

{% macro any_value(expression) -%}
  {% do return(adapter.dispatch('any_value', 'dbt')(expression)) %}
{%- endmacro %}

{% macro default__any_value(expression) -%}
  any_value({{ expression }})
{%- endmacro %}

{% macro bool_or(expression) -%}
  {% do return(adapter.dispatch('bool_or', 'dbt')(expression)) %}
{%- endmacro %}

{% macro default__bool_or(expression) -%}
  bool_or({{ expression }})
{%- endmacro %}

{% macro array_append(array, new_element) -%}
  {% do return(adapter.dispatch('array_append', 'dbt')(array, new_element)) %}
{%- endmacro %}

{% macro default__array_append(array, new_element) -%}
  array_append({{ array }}, {{ new_element }})
{%- endmacro %}

{% macro array_concat(array_1, array_2) -%}
  {% do return(adapter.dispatch('array_concat', 'dbt')(array_1, array_2)) %}
{%- endmacro %}

{% macro default__array_concat(array_1, array_2) -%}
  array_cat({{ array_1 }}, {{ array_2 }})
{%- endmacro %}

{% macro array_construct(inputs=[], data_type=api.Column.translate_type('integer')) -%}
  {% do return(adapter.dispatch('array_construct', 'dbt')(inputs, data_type)) %}
{%- endmacro %}

{# An empty array must be told its type. #}
{% macro default__array_construct(inputs, data_type) -%}
  {%- if inputs -%}
    array[ {{ inputs | join(' , ') }} ]
  {%- else -%}
    array[]::{{ data_type }}[]
  {%- endif -%}
{%- endmacro %}

{% macro except() -%}
  {% do return(adapter.dispatch('except', 'dbt')()) %}
{%- endmacro %}

{% macro default__except() -%}
  except
{%- endmacro %}

{% macro intersect() -%}
  {% do return(adapter.dispatch('intersect', 'dbt')()) %}
{%- endmacro %}

{% macro default__intersect() -%}
  intersect
{%- endmacro %}

{# How often 2 must be doubled to reach a bound. #}
{% macro get_powers_of_two(upper_bound) -%}
  {% do return(adapter.dispatch('get_powers_of_two', 'dbt')(upper_bound)) %}
{%- endmacro %}

{% macro default__get_powers_of_two(upper_bound) -%}
  {%- if upper_bound <= 0 -%}
    {%- do exceptions.raise_compiler_error('upper bound must be positive') -%}
  {%- endif -%}
  {%- for power in range(1, 100) if upper_bound <= 2 ** power -%}
    {%- do return(power) -%}
  {%- endfor -%}
{%- endmacro %}

{% macro generate_series(upper_bound) -%}
  {% do return(adapter.dispatch('generate_series', 'dbt')(upper_bound)) %}
{%- endmacro %}

{# Numbers from 1, as the digits of binary numbers. #}
{% macro default__generate_series(upper_bound) -%}
  {%- set powers = range(dbt.get_powers_of_two(upper_bound)) | list -%}
  with p as (
    select 0 as generated_number union all select 1
  ),
  unioned as (
    select
      {%- for power in powers %}
      p{{ power }}.generated_number * power(2, {{ power }}) +
      {%- endfor %}
      1 as generated_number
    from
      {%- for power in powers %}
      {{ 'cross join ' if not loop.first }}p as p{{ power }}
      {%- endfor %}
  )
  select *
  from unioned
  where generated_number <= {{ upper_bound }}
  order by generated_number
{%- endmacro %}
