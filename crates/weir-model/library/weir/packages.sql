{#
  What packages ask of an engine they have never heard of: `weir_for_<package>__<macro>` is found before what
  the package has for others.
#}

{% macro weir_for_elementary__has_temp_table_support() -%}
  {% do return(false) %}
{%- endmacro %}
