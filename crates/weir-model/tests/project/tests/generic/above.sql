{% test above(model, column_name, floor=0) %}
{{ config(fail_calc='count(distinct ' ~ column_name ~ ')') }}
select * from {{ model }} where {{ column_name }} <= {{ floor }}
{% endtest %}

{% test row_count_is(model, count) %}
select rows from (select count(*) as rows from {{ model }}) counted where rows <> {{ count }}
{% endtest %}
