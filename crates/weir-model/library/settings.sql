{# What flags and configurations ask for, and hooks. #}

{% macro set_sql_header(config) -%}
  {% do config.set('sql_header', caller()) %}
{%- endmacro %}

{% macro should_full_refresh() -%}
  {%- set configured = config.get('full_refresh') -%}
  {% do return(flags.FULL_REFRESH if configured is none else configured) %}
{%- endmacro %}

{% macro should_store_failures() -%}
  {%- set configured = config.get('store_failures') -%}
  {% do return(flags.STORE_FAILURES if configured is none else configured) %}
{%- endmacro %}

{# Runs the hooks that belong inside of a transaction, or those that belong outside. #}
{% macro run_hooks(hooks, inside_transaction=true) -%}
  {%- for hook in hooks | selectattr('transaction', 'equalto', inside_transaction) -%}
    {%- if loop.first and not inside_transaction -%}
      {%- do adapter.commit() -%}
    {%- endif -%}
    {%- set sql = render(hook.get('sql')) | trim -%}
    {%- if sql -%}
      {%- call statement(auto_begin=inside_transaction) -%}
        {{ sql }}
      {%- endcall -%}
    {%- endif -%}
  {%- endfor -%}
{%- endmacro %}

{% macro make_hook_config(sql, inside_transaction) -%}
  {{ tojson({'sql': sql, 'transaction': inside_transaction}) }}
{%- endmacro %}

{% macro before_begin(sql) -%}
  {{ make_hook_config(sql, inside_transaction=false) }}
{%- endmacro %}

{% macro in_transaction(sql) -%}
  {{ make_hook_config(sql, inside_transaction=true) }}
{%- endmacro %}

{% macro after_commit(sql) -%}
  {{ make_hook_config(sql, inside_transaction=false) }}
{%- endmacro %}

{# Dates between two others, for projects that build one partition at a time. #}
{% macro convert_datetime(date_str, date_fmt) -%}
  {%- set complaint = "The date '" ~ date_str ~ "' does not have the format '" ~ date_fmt ~ "'" -%}
  {% do return(try_or_compiler_error(complaint, modules.datetime.datetime.strptime, date_str.strip(), date_fmt)) %}
{%- endmacro %}

{% macro dates_in_range(start_date_str, end_date_str=none, in_fmt='%Y%m%d', out_fmt='%Y%m%d') -%}
  {%- set first = convert_datetime(start_date_str, in_fmt) -%}
  {%- set last = first if end_date_str is none else convert_datetime(end_date_str, in_fmt) -%}
  {%- set days = (last - first).days -%}
  {%- if days < 0 -%}
    {%- do exceptions.raise_compiler_error('The range of dates ends before it begins: ' ~ first ~ ' to ' ~ last, model) -%}
  {%- endif -%}
  {%- set dates = [] -%}
  {%- for day in range(days + 1) -%}
    {%- set date = first + modules.datetime.timedelta(days=day) -%}
    {%- do dates.append(date.strftime(out_fmt) if out_fmt else date) -%}
  {%- endfor -%}
  {% do return(dates) %}
{%- endmacro %}

{% macro partition_range(raw_partition_date, date_fmt='%Y%m%d') -%}
  {%- set ends = (raw_partition_date | string).split(',') -%}
  {%- if ends | length > 2 -%}
    {%- do exceptions.raise_compiler_error('A partition is one date or two dates with a comma between them, not ' ~ raw_partition_date) -%}
  {%- endif -%}
  {% do return(dates_in_range(ends[0], ends[1] if ends | length == 2 else none, in_fmt=date_fmt)) %}
{%- endmacro %}

{% macro py_current_timestring() -%}
  {% do return(modules.datetime.datetime.now().strftime('%Y%m%d%H%M%S%f')) %}
{%- endmacro %}
