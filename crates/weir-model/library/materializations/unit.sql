{# Runs a model over rows that a unit test gives, and sets its rows beside the expected ones. #}
{%- materialization unit, default -%}
  {%- set expected_rows = config.get('expected_rows') -%}
  {%- set expected_sql = config.get('expected_sql') -%}
  {%- set types = {} -%}
  {%- set quoted = {} -%}
  {%- for column in adapter.describe_query(sql) -%}
    {%- do types.update({column.name | lower: column.data_type}) -%}
    {%- do quoted.update({column.name | lower: column.quoted}) -%}
  {%- endfor -%}

  {%- set tested_names = expected_rows[0].keys() | list if expected_rows else types.keys() | list -%}
  {%- set tested_quoted = [] -%}
  {%- for name in tested_names -%}
    {%- if name | lower not in quoted and not expected_sql -%}
      {%- do exceptions.raise_compiler_error("Invalid column name: '" ~ name ~ "' in unit test fixture for expected output.\nAccepted columns for expected output are: " ~ (types.keys() | list)) -%}
    {%- endif -%}
    {%- do tested_quoted.append(quoted.get(name | lower, name)) -%}
  {%- endfor -%}
  {%- if not expected_sql -%}
    {%- set expected_sql = get_expected_sql(expected_rows, types, quoted) -%}
  {%- endif -%}

  {%- call statement('main', fetch_result=true) -%}
    {{ get_unit_test_sql(sql, expected_sql, tested_quoted) }}
  {%- endcall -%}
  {% do return({'relations': []}) %}
{%- endmaterialization -%}
