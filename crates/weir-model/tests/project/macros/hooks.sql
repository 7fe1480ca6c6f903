{% macro log_run(kind) -%}
  insert into {{ target.schema }}.run_log values ('{{ kind }}', '{{ flags.WHICH }} stage {{ var("stage") }}')
{%- endmacro %}

{# Counts results by status: the kind of thing that packages do at the end of a run. #}
{% macro log_results(results) -%}
  {%- set counts = {} -%}
  {%- for result in results if result.node.resource_type == 'model' -%}
    {%- do counts.update({result.status | string: counts.get(result.status | string, 0) + 1}) -%}
  {%- endfor -%}
  {%- if counts -%}
    insert into {{ target.schema }}.run_log values
    {%- for status, count in counts | dictsort %}
      ('results', '{{ status }} {{ count }}'){{ ',' if not loop.last }}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro %}

{% macro audit(word) -%}
  insert into {{ target.schema }}.run_log values ('hook', '{{ word }} {{ this.identifier }}')
{%- endmacro %}
