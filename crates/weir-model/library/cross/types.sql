{# Names of types, casts and literals. #}

{%- macro type_string() -%}
  {% do return(adapter.dispatch('type_string', 'dbt')()) %}
{%- endmacro -%}

{% macro default__type_string() -%}
  {% do return(api.Column.translate_type('string')) %}
{%- endmacro %}

{%- macro type_timestamp() -%}
  {% do return(adapter.dispatch('type_timestamp', 'dbt')()) %}
{%- endmacro -%}

{% macro default__type_timestamp() -%}
  {% do return(api.Column.translate_type('timestamp')) %}
{%- endmacro %}

{%- macro type_float() -%}
  {% do return(adapter.dispatch('type_float', 'dbt')()) %}
{%- endmacro -%}

{% macro default__type_float() -%}
  {% do return(api.Column.translate_type('float')) %}
{%- endmacro %}

{# With measures, since many warehouses take `numeric` for a whole number. #}
{%- macro type_numeric() -%}
  {% do return(adapter.dispatch('type_numeric', 'dbt')()) %}
{%- endmacro -%}

{% macro default__type_numeric() -%}
  {% do return(api.Column.numeric_type('numeric', 28, 6)) %}
{%- endmacro %}

{%- macro type_bigint() -%}
  {% do return(adapter.dispatch('type_bigint', 'dbt')()) %}
{%- endmacro -%}

{% macro default__type_bigint() -%}
  {% do return(api.Column.translate_type('bigint')) %}
{%- endmacro %}

{%- macro type_int() -%}
  {% do return(adapter.dispatch('type_int', 'dbt')()) %}
{%- endmacro -%}

{%- macro default__type_int() -%}
  {% do return(api.Column.translate_type('integer')) %}
{%- endmacro -%}

{%- macro type_boolean() -%}
  {% do return(adapter.dispatch('type_boolean', 'dbt')()) %}
{%- endmacro -%}

{%- macro default__type_boolean() -%}
  {% do return(api.Column.translate_type('boolean')) %}
{%- endmacro -%}

{% macro cast(field, type) -%}
  {% do return(adapter.dispatch('cast', 'dbt')(field, type)) %}
{%- endmacro %}

{% macro default__cast(field, type) -%}
  cast({{ field }} as {{ type }})
{%- endmacro %}

{% macro safe_cast(field, type) -%}
  {% do return(adapter.dispatch('safe_cast', 'dbt')(field, type)) %}
{%- endmacro %}

{# Where no cast gives null for what does not fit, this fails instead. #}
{% macro default__safe_cast(field, type) -%}
  cast({{ field }} as {{ type }})
{%- endmacro %}

{% macro cast_bool_to_text(field) -%}
  {{ adapter.dispatch('cast_bool_to_text', 'dbt')(field) }}
{%- endmacro %}

{% macro default__cast_bool_to_text(field) -%}
  cast({{ field }} as {{ api.Column.translate_type('string') }})
{%- endmacro %}

{%- macro string_literal(value) -%}
  {% do return(adapter.dispatch('string_literal', 'dbt')(value)) %}
{%- endmacro -%}

{% macro default__string_literal(value) -%}
  '{{ value }}'
{%- endmacro %}

{% macro escape_single_quotes(expression) -%}
  {% do return(adapter.dispatch('escape_single_quotes', 'dbt')(expression)) %}
{%- endmacro %}

{% macro default__escape_single_quotes(expression) -%}
  {{ expression | replace("'", "''") }}
{%- endmacro %}

{% macro hash(field) -%}
  {% do return(adapter.dispatch('hash', 'dbt')(field)) %}
{%- endmacro %}

{% macro default__hash(field) -%}
  md5(cast({{ field }} as {{ api.Column.translate_type('string') }}))
{%- endmacro %}

{# Whether two values are the same; nulls are if the behaviour flag says so. #}
{% macro equals(expr1, expr2) -%}
  {% do return(adapter.dispatch('equals', 'dbt')(expr1, expr2)) %}
{%- endmacro %}

{% macro default__equals(expr1, expr2) -%}
  {%- if adapter.behavior.enable_truthy_nulls_equals_macro.no_warn -%}
    case when (({{ expr1 }} = {{ expr2 }}) or ({{ expr1 }} is null and {{ expr2 }} is null)) then 0 else 1 end = 0
  {%- else -%}
    ({{ expr1 }} = {{ expr2 }})
  {%- endif -%}
{%- endmacro %}
