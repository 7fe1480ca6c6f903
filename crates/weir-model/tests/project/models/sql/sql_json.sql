{{ config(materialized='table') }}
with documents as (
    select id, '{"name": "' || replace(name, '"', '\"') || '", "tags": ["a", "b", ' || id || '], "deep": {"score": ' || coalesce(score::text, 'null') || '}}' as document
    from {{ ref('people') }}
)
select
    id,
    document::jsonb ->> 'name' as name,
    document::jsonb -> 'deep' ->> 'score' as score,
    (document::jsonb -> 'deep' ->> 'score')::numeric as score_number,
    document::jsonb #>> '{tags,1}' as second_tag,
    document::jsonb -> 'tags' ->> -1 as last_tag,
    jsonb_array_length(document::jsonb -> 'tags') as tags,
    document::jsonb ? 'name' as has_name,
    document::jsonb @> '{"tags": ["a"]}' as has_a,
    jsonb_typeof(document::jsonb -> 'deep') as deep_type,
    (document::jsonb -> 'missing') is null as missing,
    json_build_object('id', id, 'name', document::jsonb ->> 'name')::text as built
from documents
union all
select id, null, null, null, jsonb_array_elements_text(document::jsonb -> 'tags'), null, null, null, null, null, null, null from documents where id = 1
