{# What PostgreSQL says otherwise than most. #}

{% macro postgres__current_timestamp() -%}
  now()
{%- endmacro %}

{% macro postgres__snapshot_string_as_time(timestamp) -%}
  {% do return("'" ~ timestamp ~ "'::timestamp without time zone") %}
{%- endmacro %}

{% macro postgres__snapshot_get_time() -%}
  {{ current_timestamp() }}::timestamp without time zone
{%- endmacro %}

{% macro postgres__current_timestamp_backcompat() -%}
  current_timestamp::{{ type_timestamp() }}
{%- endmacro %}

{% macro postgres__current_timestamp_in_utc_backcompat() -%}
  (current_timestamp at time zone 'utc')::{{ type_timestamp() }}
{%- endmacro %}

{# Servers before version 16 have no any_value. #}
{% macro postgres__any_value(expression) -%}
  min({{ expression }})
{%- endmacro %}

{% macro postgres__dateadd(datepart, interval, from_date_or_timestamp) -%}
  {{ from_date_or_timestamp }} + ((interval '1 {{ datepart }}') * ({{ interval }}))
{%- endmacro %}

{# How many borders of the part lie between: each finer part is built on the next coarser one. #}
{% macro postgres__datediff(first_date, second_date, datepart) -%}
  {%- set first = '(' ~ first_date ~ ')' -%}
  {%- set second = '(' ~ second_date ~ ')' -%}
  {%- if datepart == 'year' -%}
    (date_part('year', {{ second }}::date) - date_part('year', {{ first }}::date))
  {%- elif datepart == 'quarter' -%}
    ({{ datediff(first_date, second_date, 'year') }} * 4 + date_part('quarter', {{ second }}::date) - date_part('quarter', {{ first }}::date))
  {%- elif datepart == 'month' -%}
    ({{ datediff(first_date, second_date, 'year') }} * 12 + date_part('month', {{ second }}::date) - date_part('month', {{ first }}::date))
  {%- elif datepart == 'day' -%}
    ({{ second }}::date - {{ first }}::date)
  {%- elif datepart == 'week' -%}
    ({{ datediff(first_date, second_date, 'day') }} / 7 + case
      when date_part('dow', {{ first }}::timestamp) <= date_part('dow', {{ second }}::timestamp)
        then case when {{ first_date }} <= {{ second_date }} then 0 else -1 end
      else case when {{ first_date }} <= {{ second_date }} then 1 else 0 end
    end)
  {%- elif datepart == 'hour' -%}
    ({{ datediff(first_date, second_date, 'day') }} * 24 + date_part('hour', {{ second }}::timestamp) - date_part('hour', {{ first }}::timestamp))
  {%- elif datepart == 'minute' -%}
    ({{ datediff(first_date, second_date, 'hour') }} * 60 + date_part('minute', {{ second }}::timestamp) - date_part('minute', {{ first }}::timestamp))
  {%- elif datepart in ['second', 'millisecond', 'microsecond'] -%}
    {%- set in_a_minute = {'second': 60, 'millisecond': 60000, 'microsecond': 60000000}[datepart] -%}
    ({{ datediff(first_date, second_date, 'minute') }} * {{ in_a_minute }} + floor(date_part('{{ datepart }}', {{ second }}::timestamp)) - floor(date_part('{{ datepart }}', {{ first }}::timestamp)))
  {%- else -%}
    {%- do exceptions.raise_compiler_error("datediff does not know the date part '" ~ datepart ~ "'; take year, quarter, month, week, day, hour, minute, second, millisecond or microsecond") -%}
  {%- endif -%}
{%- endmacro %}

{% macro postgres__equals(expr1, expr2) -%}
  {%- if adapter.behavior.enable_truthy_nulls_equals_macro.no_warn -%}
    ({{ expr1 }} is not distinct from {{ expr2 }})
  {%- else -%}
    ({{ expr1 }} = {{ expr2 }})
  {%- endif -%}
{%- endmacro %}

{# There is no interval of a quarter. #}
{% macro postgres__last_day(date, datepart) -%}
  {%- if datepart == 'quarter' -%}
    cast({{ dbt.dateadd('day', '-1', dbt.dateadd('month', '3', dbt.date_trunc(datepart, date))) }} as date)
  {%- else -%}
    {{ dbt.default_last_day(date, datepart) }}
  {%- endif -%}
{%- endmacro %}

{% macro postgres__listagg(measure, delimiter_text, order_by_clause, limit_num) -%}
  {%- if limit_num -%}
    array_to_string((array_agg({{ measure }} {{ order_by_clause or '' }}))[1:{{ limit_num }}], {{ delimiter_text }})
  {%- else -%}
    string_agg({{ measure }}, {{ delimiter_text }} {{ order_by_clause or '' }})
  {%- endif -%}
{%- endmacro %}

{% macro postgres__split_part(string_text, delimiter_text, part_number) -%}
  {%- if part_number >= 0 -%}
    {{ dbt.default__split_part(string_text, delimiter_text, part_number) }}
  {%- else -%}
    {{ dbt._split_part_negative(string_text, delimiter_text, part_number) }}
  {%- endif -%}
{%- endmacro %}
