{# What Weir's engine says as PostgreSQL does, also under projects that were written for others. #}

{% macro weir__current_timestamp() -%}
  now()
{%- endmacro %}

{% macro weir__snapshot_string_as_time(timestamp) -%}
  {% do return("'" ~ timestamp ~ "'::timestamp") %}
{%- endmacro %}

{% macro weir__snapshot_get_time() -%}
  {{ current_timestamp() }}::timestamp
{%- endmacro %}

{% macro weir__current_timestamp_in_utc_backcompat() -%}
  now()::timestamp
{%- endmacro %}

{# A quoted moment has no type of its own, and with an interval beside it would be read as one. #}
{% macro weir__dateadd(datepart, interval, from_date_or_timestamp) -%}
  {%- set from = from_date_or_timestamp | string | trim -%}
  {%- if from.startswith("'") and from.endswith("'") -%}
    {%- set from = from ~ '::timestamp' -%}
  {%- endif -%}
  {{ dbt.postgres__dateadd(datepart, interval, from) }}
{%- endmacro %}

{% macro weir__datediff(first_date, second_date, datepart) -%}
  {{ dbt.postgres__datediff(first_date, second_date, datepart) }}
{%- endmacro %}

{% macro weir__last_day(date, datepart) -%}
  {{ dbt.postgres__last_day(date, datepart) }}
{%- endmacro %}

{% macro weir__listagg(measure, delimiter_text, order_by_clause, limit_num) -%}
  {{ dbt.postgres__listagg(measure, delimiter_text, order_by_clause, limit_num) }}
{%- endmacro %}

{% macro weir__split_part(string_text, delimiter_text, part_number) -%}
  split_part({{ string_text }}, {{ delimiter_text }}, {{ part_number }})
{%- endmacro %}

{% macro weir__any_value(expression) -%}
  min({{ expression }})
{%- endmacro %}

{% macro weir__safe_cast(field, type) -%}
  try_cast({{ field }} as {{ type }})
{%- endmacro %}

{% macro weir__equals(expr1, expr2) -%}
  {{ dbt.postgres__equals(expr1, expr2) }}
{%- endmacro %}

{% macro weir__array_construct(inputs, data_type) -%}
  {{ dbt.default__array_construct(inputs, data_type) }}
{%- endmacro %}

{% macro weir__concat(fields) -%}
  {{ dbt.default__concat(fields) }}
{%- endmacro %}
