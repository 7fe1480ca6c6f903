{# Dates and moments, whatever the warehouse. #}

{%- macro current_timestamp() -%}
  {{ adapter.dispatch('current_timestamp', 'dbt')() }}
{%- endmacro -%}

{% macro default__current_timestamp() -%}
  current_timestamp
{%- endmacro %}

{%- macro snapshot_get_time() -%}
  {{ adapter.dispatch('snapshot_get_time', 'dbt')() }}
{%- endmacro -%}

{% macro default__snapshot_get_time() -%}
  {{ current_timestamp() }}
{%- endmacro %}

{% macro get_snapshot_get_time_data_type() -%}
  {%- set columns = get_column_schema_from_query('select ' ~ snapshot_get_time() ~ ' as dbt_snapshot_time') -%}
  {% do return(columns[0].dtype or none) %}
{%- endmacro %}

{# For projects older than current_timestamp: what dbt_utils.current_timestamp gave. #}
{% macro current_timestamp_backcompat() -%}
  {% do return(adapter.dispatch('current_timestamp_backcompat', 'dbt')()) %}
{%- endmacro %}

{% macro default__current_timestamp_backcompat() -%}
  current_timestamp::timestamp
{%- endmacro %}

{% macro current_timestamp_in_utc_backcompat() -%}
  {% do return(adapter.dispatch('current_timestamp_in_utc_backcompat', 'dbt')()) %}
{%- endmacro %}

{% macro default__current_timestamp_in_utc_backcompat() -%}
  {% do return(adapter.dispatch('current_timestamp_backcompat', 'dbt')()) %}
{%- endmacro %}

{% macro date(year, month, day) -%}
  {% do return(adapter.dispatch('date', 'dbt')(year, month, day)) %}
{%- endmacro %}

{% macro default__date(year, month, day) -%}
  to_date('{{ '%04d-%02d-%02d' % (year | int, month | int, day | int) }}', 'YYYY-MM-DD')
{%- endmacro %}

{% macro date_trunc(datepart, date) -%}
  {% do return(adapter.dispatch('date_trunc', 'dbt')(datepart, date)) %}
{%- endmacro %}

{% macro default__date_trunc(datepart, date) -%}
  date_trunc('{{ datepart }}', {{ date }})
{%- endmacro %}

{% macro dateadd(datepart, interval, from_date_or_timestamp) -%}
  {% do return(adapter.dispatch('dateadd', 'dbt')(datepart, interval, from_date_or_timestamp)) %}
{%- endmacro %}

{% macro default__dateadd(datepart, interval, from_date_or_timestamp) -%}
  dateadd({{ datepart }}, {{ interval }}, {{ from_date_or_timestamp }})
{%- endmacro %}

{% macro datediff(first_date, second_date, datepart) -%}
  {% do return(adapter.dispatch('datediff', 'dbt')(first_date, second_date, datepart)) %}
{%- endmacro %}

{% macro default__datediff(first_date, second_date, datepart) -%}
  datediff({{ datepart }}, {{ first_date }}, {{ second_date }})
{%- endmacro %}

{% macro last_day(date, datepart) -%}
  {% do return(adapter.dispatch('last_day', 'dbt')(date, datepart)) %}
{%- endmacro %}

{%- macro default_last_day(date, datepart) -%}
  cast({{ dbt.dateadd('day', '-1', dbt.dateadd(datepart, '1', dbt.date_trunc(datepart, date))) }} as date)
{%- endmacro -%}

{% macro default__last_day(date, datepart) -%}
  {{ dbt.default_last_day(date, datepart) }}
{%- endmacro %}

{% macro get_intervals_between(start_date, end_date, datepart) -%}
  {% do return(adapter.dispatch('get_intervals_between', 'dbt')(start_date, end_date, datepart)) %}
{%- endmacro %}

{% macro default__get_intervals_between(start_date, end_date, datepart) -%}
  {%- call statement('get_intervals_between', fetch_result=true) -%}
    select {{ dbt.datediff(start_date, end_date, datepart) }}
  {%- endcall -%}
  {%- set answer = load_result('get_intervals_between') -%}
  {% do return(answer['data'][0][0] if answer and answer['data'] else 1) %}
{%- endmacro %}

{% macro date_spine(datepart, start_date, end_date) -%}
  {% do return(adapter.dispatch('date_spine', 'dbt')(datepart, start_date, end_date)) %}
{%- endmacro %}

{% macro default__date_spine(datepart, start_date, end_date) -%}
  with rawdata as (
    {{ dbt.generate_series(dbt.get_intervals_between(start_date, end_date, datepart)) }}
  ),
  all_periods as (
    select ({{ dbt.dateadd(datepart, 'row_number() over (order by 1) - 1', start_date) }}) as date_{{ datepart }}
    from rawdata
  )
  select *
  from all_periods
  where date_{{ datepart }} <= {{ end_date }}
{%- endmacro %}
