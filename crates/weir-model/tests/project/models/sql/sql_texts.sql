{{ config(materialized='table') }}
select
    id,
    lower(name) as lower, initcap(name) as capitals, trim(note) as trimmed, btrim(name, 'A') as cut, ltrim(name, 'AD') as left_cut,
    substring(name from 2 for 3) as middle, substring(name, 2) as rest, left(name, 2) as two, right(name, 2) as last_two,
    lpad(id::text, 3, '0') as padded, reverse(name) as backwards, strpos(name, 'n') as n_at, char_length(name) as letters,
    octet_length(name) as bytes, ascii(name) as code, chr(65 + id) as letter, repeat('-', id) as line, translate(name, 'an', 'AN') as translated,
    md5(name) as digest, concat(name, null, '/', id) as together, concat_ws('|', name, note, id) as separated, name || ' ' || coalesce(note, '?') as glued,
    regexp_replace(name, '[aeiou]', '*', 'g') as starred, name ~ '^A' as begins_with_a, name ~* 'O' as has_o, name like '%n%' as has_n, name ilike 'a%' as like_a,
    split_part(name, ' ', 2) as second, name || ' has ' || id as told, quote_literal(name) as quoted, overlay(name placing 'xx' from 1 for 1) as overlaid,
    starts_with(name, 'A') as starts, to_hex(id + 250) as hex, name is distinct from note as other, name collate "C" < 'B' as early,
    (regexp_match(name, '[A-Z][a-z]+'))[1] as matched, array_to_string(string_to_array(name, ' '), '+') as parts, nullif(trim(note), '') as kept_note,
    note like '% line%' as has_line, replace(note, chr(10), ' ') as one_line, coalesce(note, name, 'none') as either
from {{ ref('people') }}
