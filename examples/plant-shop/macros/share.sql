{% macro share(part, whole) -%}
    round(cast({{ part }} as double precision) / nullif({{ whole }}, 0), 3)
{%- endmacro %}
