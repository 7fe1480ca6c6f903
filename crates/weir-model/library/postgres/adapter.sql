{# Tables, schemas, comments and grants of PostgreSQL. #}

{% macro postgres__create_table_as(temporary, relation, sql) -%}
  {%- set contract = config.get('contract') -%}
  {{ config.get('sql_header') or '' }}
  create {{ 'temporary ' if temporary else ('unlogged ' if config.get('unlogged', default=false)) }}table {{ relation }}
  {%- if contract.enforced %}
  {{ get_assert_columns_equivalent(sql) }}
  {%- endif %}
  {%- if contract.enforced and not temporary %}
  {{ get_table_columns_and_constraints() }};
  insert into {{ relation }} ({{ adapter.dispatch('get_column_names', 'dbt')() }})
  {%- set sql = get_select_subquery(sql) %}
  {%- else %}
  as
  {%- endif %} (
    {{ sql }}
  );
{%- endmacro %}

{% macro postgres__create_schema(relation) -%}
  {%- if relation.database -%}
    {%- do adapter.verify_database(relation.database) -%}
  {%- endif -%}
  {%- call statement('create_schema') -%}
    create schema if not exists {{ relation.without_identifier().include(database=false) }}
  {%- endcall -%}
{%- endmacro %}

{% macro postgres__drop_schema(relation) -%}
  {%- if relation.database -%}
    {%- do adapter.verify_database(relation.database) -%}
  {%- endif -%}
  {%- call statement('drop_schema') -%}
    drop schema if exists {{ relation.without_identifier().include(database=false) }} cascade
  {%- endcall -%}
{%- endmacro %}

{% macro postgres__information_schema_name(database) -%}
  information_schema
{%- endmacro %}

{# Names longer than the server keeps would be cut silently, so that two could become one. #}
{% macro postgres__make_relation_with_suffix(base_relation, suffix, dstring) -%}
  {%- if dstring -%}
    {%- set suffix = suffix ~ adapter.warehouse_suffix() -%}
  {%- endif -%}
  {%- set room = base_relation.relation_max_name_length() - (suffix | length) -%}
  {%- if room < 0 -%}
    {%- do exceptions.raise_compiler_error('The suffix ' ~ suffix ~ ' is longer than a name may be') -%}
  {%- endif -%}
  {% do return(base_relation.incorporate(path={'identifier': base_relation.identifier[:room] ~ suffix})) %}
{%- endmacro %}

{% macro postgres__make_intermediate_relation(base_relation, suffix) -%}
  {% do return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=false)) %}
{%- endmacro %}

{# Temporary tables lie in a schema of the session. #}
{% macro postgres__make_temp_relation(base_relation, suffix) -%}
  {%- set relation = postgres__make_relation_with_suffix(base_relation, suffix, dstring=true) -%}
  {% do return(relation.incorporate(path={'schema': none, 'database': none})) %}
{%- endmacro %}

{% macro postgres__make_backup_relation(base_relation, backup_relation_type, suffix) -%}
  {% do return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=false).incorporate(type=backup_relation_type)) %}
{%- endmacro %}

{% macro postgres__get_create_index_sql(relation, index_dict) -%}
  {%- set index = adapter.parse_index(index_dict) -%}
  create {{ 'unique ' if index.unique }}index if not exists "{{ index.render(relation) }}"
  on {{ relation }} {{ 'using ' ~ index.type if index.type }} ({{ index.columns | join(', ') }})
{%- endmacro %}

{%- macro postgres__get_drop_index_sql(relation, index_name) -%}
  drop index if exists "{{ relation.schema }}"."{{ index_name }}"
{%- endmacro -%}

{% macro postgres__get_show_indexes_sql(relation) -%}
  select index_class.relname as name,
    method.amname as method,
    index_row.indisunique as "unique",
    (select string_agg(attribute.attname, ',' order by attribute.attnum)
     from pg_catalog.pg_attribute attribute
     where attribute.attrelid = table_class.oid and attribute.attnum = any(index_row.indkey)) as column_names
  from pg_catalog.pg_index index_row
  join pg_catalog.pg_class index_class on index_class.oid = index_row.indexrelid
  join pg_catalog.pg_class table_class on table_class.oid = index_row.indrelid
  join pg_catalog.pg_namespace place on place.oid = table_class.relnamespace
  join pg_catalog.pg_am method on method.oid = index_class.relam
  where table_class.relname = '{{ relation.identifier }}' and place.nspname = '{{ relation.schema }}'
  order by 1
{%- endmacro %}

{# Dollar quotes let comments hold anything but the quote itself. #}
{% macro postgres_escape_comment(comment) -%}
  {%- if comment is not string -%}
    {%- do exceptions.raise_compiler_error('A comment must be text, not ' ~ comment) -%}
  {%- endif -%}
  {%- set mark = '$dbt_comment_literal_block$' -%}
  {%- if mark in comment -%}
    {%- do exceptions.raise_compiler_error('A comment cannot contain ' ~ mark) -%}
  {%- endif -%}
  {{ mark }}{{ comment }}{{ mark }}
{%- endmacro %}

{% macro postgres__alter_relation_comment(relation, comment) -%}
  comment on {{ relation.type | replace('_', ' ') }} {{ relation }} is {{ postgres_escape_comment(comment) }};
{%- endmacro %}

{% macro postgres__alter_column_comment(relation, column_dict) -%}
  {%- for name in column_dict %}
  comment on column {{ relation }}.{{ adapter.quote(name) if column_dict[name]['quote'] else name }} is {{ postgres_escape_comment(column_dict[name]['description'] or '') }};
  {%- endfor %}
{%- endmacro %}

{%- macro postgres__get_show_grant_sql(relation) -%}
  select grantee, privilege_type
  from information_schema.role_table_grants
  where grantor = current_role and grantee != current_role
    and table_schema = '{{ relation.schema }}' and table_name = '{{ relation.identifier }}'
{%- endmacro -%}

{# A new relation takes the old one's place, so it begins without grants. #}
{% macro postgres__copy_grants() -%}
  {% do return(false) %}
{%- endmacro %}

{% macro postgres__get_create_materialized_view_as_sql(relation, sql) -%}
  create materialized view if not exists {{ relation }} as {{ sql }};
  {%- for index_dict in config.get('indexes', []) or [] %}
  {{ get_create_index_sql(relation, index_dict) }};
  {%- endfor %}
{%- endmacro %}

{% macro postgres__refresh_materialized_view(relation) -%}
  refresh materialized view {{ relation }}
{%- endmacro %}

{% macro postgres__get_rename_materialized_view_sql(relation, new_name) -%}
  alter materialized view {{ relation }} rename to {{ new_name }}
{%- endmacro %}

{% macro postgres__describe_materialized_view(relation) -%}
  {% do return({'indexes': run_query(get_show_indexes_sql(relation))}) %}
{%- endmacro %}

{# Indexes that are there and not configured are dropped, those configured and not there are made. #}
{% macro postgres__get_materialized_view_configuration_changes(existing_relation, new_config) -%}
  {%- set wanted = {} -%}
  {%- for index_dict in new_config.get('indexes', []) or [] -%}
    {%- do wanted.update({postgres__index_key(index_dict.get('columns', []), index_dict.get('unique', false), index_dict.get('type') or 'btree'): index_dict}) -%}
  {%- endfor -%}
  {%- set changes = [] -%}
  {%- set present = [] -%}
  {%- for row in postgres__describe_materialized_view(existing_relation)['indexes'] -%}
    {%- set key = postgres__index_key(row['column_names'].split(','), row['unique'], row['method']) -%}
    {%- do present.append(key) -%}
    {%- if key not in wanted -%}
      {%- do changes.append({'action': 'drop', 'context': row['name']}) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for key, index_dict in wanted.items() if key not in present -%}
    {%- do changes.append({'action': 'create', 'context': index_dict}) -%}
  {%- endfor -%}
  {% do return({'requires_full_refresh': false, 'indexes': changes} if changes else none) %}
{%- endmacro %}

{% macro postgres__index_key(columns, unique, type) -%}
  {% do return((columns | sort | join(',')) ~ '/' ~ ('unique' if unique else '') ~ '/' ~ type) %}
{%- endmacro %}

{% macro postgres__get_alter_materialized_view_as_sql(relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation) -%}
  {%- if configuration_changes.requires_full_refresh -%}
    {{ get_replace_sql(existing_relation, relation, sql) }}
  {%- else -%}
    {{ postgres__update_indexes_on_materialized_view(relation, configuration_changes.indexes) }}
  {%- endif -%}
{%- endmacro %}

{%- macro postgres__update_indexes_on_materialized_view(relation, index_changes) -%}
  {%- for change in index_changes %}
  {{ get_drop_index_sql(relation, change.context) if change.action == 'drop' else get_create_index_sql(relation, change.context) }};
  {%- endfor %}
{%- endmacro -%}

{% macro postgres__get_incremental_default_sql(arg_dict) -%}
  {% do return(get_incremental_delete_insert_sql(arg_dict) if arg_dict['unique_key'] else get_incremental_append_sql(arg_dict)) %}
{%- endmacro %}

{% macro postgres__get_incremental_microbatch_sql(arg_dict) -%}
  {%- if not arg_dict['unique_key'] -%}
    {%- do exceptions.raise_compiler_error("dbt-postgres 'microbatch' requires a `unique_key` config") -%}
  {%- endif -%}
  {% do return(adapter.dispatch('get_incremental_merge_sql', 'dbt')(arg_dict)) %}
{%- endmacro %}

{# Two statements, since servers before version 15 have no merge. #}
{% macro postgres__snapshot_merge_sql(target, source, insert_cols) -%}
  {%- set columns = snapshot_columns() -%}
  {%- set end = target ~ '.' ~ columns.dbt_valid_to -%}
  {%- set current_end = config.get('dbt_valid_to_current') -%}
  update {{ target }}
  set {{ columns.dbt_valid_to }} = DBT_INTERNAL_SOURCE.{{ columns.dbt_valid_to }}
  from {{ source }} as DBT_INTERNAL_SOURCE
  where DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }}::text = {{ target }}.{{ columns.dbt_scd_id }}::text
    and DBT_INTERNAL_SOURCE.dbt_change_type::text in ('update', 'delete')
    and ({{ end ~ ' = ' ~ current_end ~ ' or ' if current_end }}{{ end }} is null);

  insert into {{ target }} ({{ insert_cols | join(', ') }})
  select
    {%- for column in insert_cols %}
    DBT_INTERNAL_SOURCE.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
  from {{ source }} as DBT_INTERNAL_SOURCE
  where DBT_INTERNAL_SOURCE.dbt_change_type::text = 'insert';
{%- endmacro %}
