"""Writes it/expectations.jsonl: what Jinja2 itself makes of the templates below.

Run with Jinja2 3.1.6 installed: python3 expectations.py
"""

import json
import pathlib

import jinja2

CONTEXT = {
    "d": {"a": 1, "b": 2},
    "xs": [1, 2, 3],
    "s": "Hello",
    "n": None,
    "rows": [{"k": "x", "v": 1}, {"k": "y", "v": 2}],
    "words": ["banana", "Apple", "cherry", "apple"],
    "nested": {"list": [1, [2, 3], {"k": (4, 5)}], "none": None, "flag": True},
    "people": [
        {"name": "Ann", "age": 30, "city": {"name": "Rome"}},
        {"name": "bob", "age": 25, "city": {"name": "Oslo"}},
        {"name": "Cid", "age": 30, "city": {"name": "Rome"}},
        {"name": "dee", "age": 41},
    ],
    "f": 2.5,
    "text": "The quick brown fox jumps over the lazy dog. It was well-known, twenty-one times.",
    "lines": "first\n\n  second\nthird\n",
    "uni": "Größe naïve 日本",
}

CASES = r"""
{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }}
{{ 7 / 2 }} {{ 6 / 3 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 123456789.123 }} {{ 0.1 + 0.2 }}
{{ 1e100 }} {{ 1.0 }} {{ 100000000000000000.0 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ -0.0 }} {{ 1e22 }}
{{ 9223372036854775807 + 1 }} {{ -9223372036854775808 - 1 }} {{ 9223372036854775807 * 3 }} {{ 2 ** 100 }} {{ 10 ** 30 }}
{{ 2 ** -1 }} {{ 2 ** 0.5 }} {{ 4 ** 0.5 }} {{ 0 ** 0 }}
{{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_000_000 }} {{ 1_0.5 }} {{ 00 }}
{{ true + 1 }} {{ true * 3 }} {{ false == 0 }} {{ true == 1 }} {{ 1 == 1.0 }} {{ 1 is sameas true }} {{ 'a' == 1 }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 >= 2 }} {{ 1 == 1 != 2 }} {{ 1 in [1] in [[1]] }}
{{ not true or true }} {{ not (true or true) }} {{ 1 and 0 or 'x' }} {{ '' or none or 0 }} {{ 1 and 'y' }}
{{ 'a' ~ 'b' ~ 1 + 2 }} {{ 1 ~ 2 * 3 }} {{ 'a' ~ 1.5 ~ none ~ true ~ [1] }}
{{ 'x' if 1 else 'y' }} {{ 'x' if 0 else 'y' }} {{ 'a' if 0 else 'b' if 0 else 'c' }} {{ ('x' if 0) is undefined }}
{{ [1,2,3][0] }} {{ [1,2,3][-1] }} {{ [1,2,3][5] }} {{ xs[1:] }} {{ xs[:-1] }} {{ xs[::2] }} {{ xs[::-1] }} {{ xs[2:0:-1] }} {{ xs[-2:] }} {{ xs[10:] }}
{{ 'hello'[1] }} {{ 'hello'[-1] }} {{ 'hello'[1:3] }} {{ 'hello'[::-1] }} {{ 'hello'[::2] }} {{ 'hello'[-3:-1] }} {{ 'hello'[10:] }} {{ uni[2] }} {{ uni[-2:] }}
{{ (1,2,3)[1:] }} {{ (1,) }} {{ () }} {{ (1) }} {{ 1, 2 }} {{ [] }} {{ {} }} {{ [()] }}
{{ xs.0 }} {{ nested.list.1.0 }} {{ nested['list'][2]['k'][1] }} {{ nested.list[2].k }} {{ d['a'] }} {{ d.a }}
{{ d.items is callable }} {{ {'items': 5}['items'] }} {{ {'items': 5}.items is callable }} {{ {'x': 5}.x }} {{ {1: 'a'}[1] }} {{ {(1,2): 'p'}[1,2] }}
{{ {1: 'a', 1.0: 'b', true: 'c'} }} {{ {'a': 1, 'a': 2} }} {{ {none: 1}[none] }} {{ {1.5: 2} }}
{{ 'it''s' }} {{ "a\"b" }} {{ 'tab\there' }} {{ 'nl\nx' }} {{ '\\d+\.x' }} {{ '\u00e9\x41\101' }} {{ 'a' "b" 'c' }}
{{ ["it's", 'say "hi"', "b'o\"th", 'new\nline', 'tab\t', 'back\\slash', 'é', '\x00\x7f', '\u200b'] }}
{{ [none, true, false, 1, 1.0, 1e20, 'x', (1,), [], {}, {'a': (1, none)}] }}
{{ {'a': [1, {'b': none}], 2: 'c'} }} {{ nested }} {{ rows }}
{{ 'a' * 3 }} {{ 3 * 'ab' }} {{ [1] * 3 }} {{ (1,2) * 2 }} {{ 'a' * -1 }} {{ 'ab' * true }}
{{ [1] + [2, 3] }} {{ (1,) + (2,) }} {{ 'a' + 'b' }}
{{ [1, 2] < [1, 3] }} {{ [1] < [1, 0] }} {{ 'a' < 'b' }} {{ 'B' < 'a' }} {{ (1, 'a') < (1, 'b') }} {{ 1 < 1.5 }}
{{ [1, 2] == (1, 2) }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ [1, 2.0] == [1.0, 2] }} {{ none == none }} {{ none == false }}
{{ 'ell' in s }} {{ 'z' not in s }} {{ 1 in xs }} {{ 'a' in d }} {{ 1 in d }} {{ (1,2) in [(1,2)] }} {{ 5 in range(10) }} {{ 'x' in zz }}
{{ +1 }} {{ -1 }} {{ --1 }} {{ -(-1) }} {{ +true }} {{ -f }} {{ 1 - -1 }} {{ -1|abs }} {{ 5 -3 }}
{{ '%s and %s' % (1, 'b') }} {{ '%d%%' % 50 }} {{ '%5d|%-5d|%05d|%+d' % (1, 2, 3, 4) }} {{ '%.2f %e %g' % (3.14159, 12345.678, 0.00001) }}
{{ '%(a)s-%(b)03d' % {'a': 'x', 'b': 7} }} {{ '%s' % 'abc' }} {{ '%r' % 'abc' }} {{ '%x %X %o %#x' % (255, 255, 8, 255) }} {{ '%10s|%-10s|' % ('a', 'b') }}
{{ '%s' % [1, 2] }} {{ '%s %s' % ([1], none) }} {{ '%s' % {'a': 1} }} {{ '%c' % 65 }} {{ '%.3s' % 'abcdef' }} {{ '%*d' % (5, 42) }} {{ '%i' % 3.9 }}
{{ '%g' % 1e10 }} {{ '%g' % 123456 }} {{ '%g' % 1234567 }} {{ '%G' % 1e-10 }} {{ '%.3g' % 3.14159 }} {{ '%E' % 1.5 }} {{ '%f' % 1 }}
{{ '{} {}'.format(1, 'a') }} {{ '{1} {0}'.format(1, 'a') }} {{ '{x}{y}'.format(x=1, y=2) }} {{ '{{}}'.format() }}
{{ '{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd') }} {{ '{:05d} {:+d} {:,} {:_}'.format(42, 5, 1234567, 1234567) }} {{ '{:.2f} {:10.3f}|{:<10.1f}|'.format(3.14159, 2.5, 1.25) }}
{{ '{:x} {:#x} {:b} {:o} {:X} {:c}'.format(255, 255, 5, 8, 255, 65) }} {{ '{:.1%} {:e} {:g} {:G}'.format(0.256, 12345.6789, 0.0001, 1e20) }} {{ '{!r} {!s}'.format('a', 'a') }} {{ '{:{}}|'.format('a', 5) }}
{{ '{0[a]} {0[b]}'.format(d) }} {{ '{:,.2f}'.format(1234567.891) }} {{ '{:08.3f}'.format(-3.14159) }} {{ '{:5}|{:5}|'.format(1, 'a') }} {{ '{}'.format(none) }} {{ '{:>10}'.format(true) }} {{ '{:.3}'.format('abcdef') }} {{ '{:.3}'.format(3.14159) }}
{{ 'a,b,c'.split(',') }} {{ 'a b  c '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a  b c '.split(none, 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'abc'.split('x') }} {{ 'a--b'.split('--') }}
{{ 'a.b.c'.partition('.') }} {{ 'a.b.c'.rpartition('.') }} {{ 'abc'.partition('.') }} {{ 'abc'.rpartition('.') }} {{ 'a\nb\r\nc'.splitlines() }} {{ 'a\nb\n'.splitlines() }} {{ 'a\nb'.splitlines(true) }}
{{ '  x '.strip() }}|{{ '  x '.lstrip() }}|{{ '  x '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xyaxy'.strip('yx') }}|{{ 'abc'.lstrip('ab') }}|{{ 'abc'.rstrip('bc') }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith('b', 1) }} {{ 'abc'.endswith(('x', 'y')) }}
{{ 'abcabc'.find('c') }} {{ 'abcabc'.rfind('c') }} {{ 'abc'.find('z') }} {{ 'abcabc'.index('b') }} {{ 'abcabc'.rindex('b') }} {{ 'abcabc'.find('a', 1) }} {{ 'aaa'.count('a') }} {{ 'aaa'.count('aa') }} {{ 'aaa'.count('') }} {{ uni.find('n') }}
{{ 'Hello World'.upper() }} {{ 'Hello'.lower() }} {{ 'hello world'.title() }} {{ "it's o'clock".title() }} {{ 'hELLO'.capitalize() }} {{ 'Hello'.swapcase() }} {{ 'ß'.upper() }} {{ 'ǅ'.lower() }} {{ 'STRASSE'.casefold() }}
{{ 'a'.center(5) }}|{{ 'ab'.center(5) }}|{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '*') }}|{{ '-7'.zfill(4) }}|{{ '+7'.zfill(4) }}|{{ 'abc'.zfill(2) }}|{{ 'ab'.center(5, '-') }}|{{ 'abc'.center(6, '-') }}
{{ 'a-b-c'.replace('-', '+') }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'abc'.replace('', '-') }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ 'abc'.removeprefix('x') }} {{ 'a\tb'.expandtabs(4) }}
{{ '123'.isdigit() }} {{ 'abc'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' '.isspace() }} {{ 'ABC'.isupper() }} {{ 'abc'.islower() }} {{ 'Ab Cd'.istitle() }} {{ ''.isdigit() }} {{ 'a1'.isidentifier() }} {{ '1a'.isidentifier() }} {{ '12'.isnumeric() }} {{ 'aé'.isascii() }} {{ '12'.isdecimal() }}
{{ ', '.join(['a', 'b']) }} {{ ''.join([]) }} {{ '-'.join('abc') }} {{ ','.join(d) }}
{% set l = [3, 1, 2] %}{{ l.sort() }}{{ l }}{{ l.reverse() }}{{ l }}{{ l.index(1) }}{{ l.count(3) }}{{ l.copy() }}{{ l.clear() }}{{ l }}
{% set l = [1, 2, 3] %}{{ l.pop() }}{{ l.pop(0) }}{{ l }}{% do l.append(9) %}{% do l.extend((4, 5)) %}{% do l.insert(0, 'x') %}{% do l.insert(-1, 'y') %}{% do l.insert(99, 'z') %}{% do l.remove(9) %}{{ l }}
{% set l = [3, 1, 2] %}{% do l.sort(reverse=true) %}{{ l }}{% set m = l %}{% do m.append(0) %}{{ l }}{{ l is sameas m }}{% set c = l.copy() %}{% do c.append(5) %}{{ l }}
{% set l = [1] %}{% do l.append(l) %}{{ l }}{% set m = {} %}{% do m.update({'m': m}) %}{{ m }}
{% set m = {'a': 1} %}{% do m.update({'b': 2}, c=3) %}{{ m }}{% do m.update([('d', 4)]) %}{{ m }}{{ m.pop('a') }}{{ m.pop('zz', 'no') }}{{ m.popitem() }}{{ m }}{{ m.setdefault('b', 9) }}{{ m.setdefault('e') }}{{ m }}
{% set m = {'b': 1, 'a': 2} %}{{ m.keys() }}{{ m.values() }}{{ m.items() }}{{ m.keys()|list }}{{ m.get('a') }}{{ m.get('z') }}{{ m.get('z', 0) }}{{ m|length }}{{ m.copy() }}{{ 'a' in m.keys() }}{{ m.clear() }}{{ m }}
{% set m = {} %}{% for i in range(20) %}{% do m.update({i: i * i}) %}{% endfor %}{{ m }}{{ m[7] }}{{ m.pop(3) }}{{ m[19] }}{{ 3 in m }}{{ m|length }}{% for i in range(0, 20, 2) %}{% do m.pop(i) %}{% endfor %}{{ m }}{{ m[5] }}
{% set m = {'a': [1]} %}{% do m['a'].append(2) %}{% do m.a.append(3) %}{{ m }}{% do m.setdefault('x', []).append(1) %}{{ m }}
{{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }} {{ dict({'a': 1}, b=2) }} {{ dict() }} {{ range(5)|list }} {{ range(2, 5)|list }} {{ range(5, 0, -2)|list }} {{ range(3) }} {{ range(1, 5, 2) }} {{ range(5)[-1] }} {{ range(0)|length }}
{% if n %}a{% elif xs %}b{% else %}c{% endif %}{% if 0 %}a{% elif '' %}b{% else %}c{% endif %}{% if d %}yes{% endif %}{% if [] or {} or () or 0.0 %}no{% endif %}
{% for x in xs %}{{ x }}{% else %}none{% endfor %}{% for x in [] %}{{ x }}{% else %}none{% endfor %}{% for x in xs if x is odd %}{{ x }}{% endfor %}
{% for x in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}
{% for x in xs %}{{ loop.previtem }}|{{ loop.nextitem }}|{{ loop.previtem is defined }}|{{ loop.nextitem is defined }} {% endfor %}
{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }}{% endfor %} {% for x in xs %}{{ loop.cycle('a', 'b') }}{% endfor %} {% for x in xs if x > 1 %}{{ loop.index }}/{{ loop.length }}{{ loop.last }} {% endfor %}
{% for a in xs %}{% for b in 'xy' %}{{ loop.depth }}{{ loop.depth0 }}{{ a }}{{ b }}{% endfor %}{{ loop.index }}{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }} {% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for c in 'abc' %}{{ c }}.{% endfor %}
{% for item in [1, [2, [3, 4]], 5] recursive %}{% if item is iterable %}({{ loop(item) }}){% else %}{{ item }}@{{ loop.depth }}{% endif %}{% endfor %}
{% for x in xs %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %} {% for x in xs %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %} {% for x in xs %}{% for y in xs %}{% if y == 2 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}
{% for x in xs %}{% break %}{% else %}else{% endfor %}|{% for x in xs %}{% continue %}{% else %}else{% endfor %}|{% for x in xs %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% else %}else{% endfor %}
{% set l = [1, 2] %}{% for x in l %}{% if x < 5 and l|length < 6 %}{% do l.append(x + 2) %}{% endif %}{{ x }}{% endfor %}
{% set seen = [] %}{% for x in [1, 2, 1, 3, 2] if x not in seen %}{% do seen.append(x) %}{{ x }}{% endfor %}
{% set a = 1 %}{% set b, c = 2, 3 %}{% set d2 = (a, b) %}{{ a }}{{ b }}{{ c }}{{ d2 }}{% set (x, y) = [5, 6] %}{{ x }}{{ y }}{% set x, y = y, x %}{{ x }}{{ y }}
{% set q = 0 %}{% for x in xs %}{% set q = q + x %}{{ q }}{% endfor %}{{ q }}{% if true %}{% set q = 7 %}{% endif %}{{ q }}{% with q = 8 %}{{ q }}{% set q = 9 %}{{ q }}{% endwith %}{{ q }}
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}{% with %}{% set z = 1 %}{{ z }}{% endwith %}{{ z is defined }}
{% set ns = namespace(total=0, items=[]) %}{% for x in xs %}{% set ns.total = ns.total + x %}{% do ns.items.append(x) %}{% endfor %}{{ ns.total }}{{ ns.items }}{{ ns.missing is defined }}{% set ns.new = 1 %}{{ ns.new }}{{ ns['total'] }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{% set ns.a, x = 5, 6 %}{{ ns.a }}{{ x }}
{% set x %}a{{ 1 }}b{% endset %}[{{ x }}]{{ x|length }}{% set y | upper | replace('B', 'x') %}abc{% endset %}{{ y }}{% set z %}{% set inner = 1 %}{{ inner }}{% endset %}{{ z }}{{ inner is defined }}
{% filter upper %}a{{ s }}{% endfilter %}{% filter replace('a', 'b') | upper %}banana{% endfilter %}
{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c=9) }} {{ m(b=1, a=0) }} {{ m() }}
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }} {{ m() }} {{ m(1, a2=3) }}
{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m('a') ~ m('b') }}{{ m(m('c')) }}{{ m.name }}{{ m.arguments }}{{ m('a')|length }}{{ m is callable }}
{% macro outer() %}{% macro inner(x) %}<{{ x }}>{% endmacro %}{{ inner(1) }}{% endmacro %}{{ outer() }}{% macro fact(k) %}{{ 1 if k < 2 else k * fact(k - 1)|int }}{% endmacro %}{{ fact(6) }}
{% macro m(title, k=1) %}<{{ title }}>{{ caller(k, 'z') }}</>{% endmacro %}{% call(a, b='q') m('T', k=5) %}{{ a }}{{ b }}{% endcall %}{% macro w() %}{{ caller() }}{{ caller() }}{% endmacro %}{% call w() %}x{% endcall %}
{% macro m() %}{{ caller is defined }}{% if caller %}{{ caller() }}{% endif %}{% endmacro %}{{ m() }}{% call m() %}y{% endcall %}{% macro n2() %}{{ varargs|length }}{{ kwargs.items()|list }}{% endmacro %}{{ n2(1, 2, z=3) }}{{ n2(*[1, 2], **{'q': 1}) }}
{% set q = 5 %}{% macro m() %}{{ q }}{% endmacro %}{{ m() }}{% set q = 6 %}{{ m() }}{% for i in xs %}{% macro lm() %}{{ i }}{% endmacro %}{{ lm() }}{% endfor %}
{% macro m(a, b) %}{{ a }}|{{ b }}|{{ b is defined }}{% endmacro %}{{ m(1) }}{% macro k(kwargs) %}{{ kwargs }}{% endmacro %}{{ k(1) }}{% macro c2(caller=5) %}{{ caller }}{% endmacro %}{{ c2() }}{{ c2(6) }}
{% raw %}{{ not }} {% this %}{% endraw %}{%- raw -%}  a  {%- endraw -%}  b {# comment {{ x }} #}c{#- d -#} e {#- -#}f
  a  {%- if true -%}  b  {%- endif -%}  c  {{- 1 -}}  d  {%+ if true +%} e {%+ endif %} f
a {{- ' b ' -}} c {{ '{{' }} {{ '}}' }} {{ {'a': {'b': 1}} }} {{ {'a':1}['a'] }} {%if true%}x{%endif%}{{1}}{{'%}'}}
{% if true: %}a{% else: %}b{% endif %}{% for x in xs: %}{{ x }}{% endfor %}{% if 1 == 1: %}c{% elif 2: %}{% endif %}
{% do xs if true else none %}{% do 1 %}{% set x = 1 if false %}{{ x is defined }}{{ (1 if true) }}{% print 1, 2 %}{% print 'x' %}
{{ zz }}|{{ zz is defined }}|{{ zz is undefined }}|{{ zz|default('d') }}|{{ (zz.a is undefined) if false else 1 }}|{{ zz|length }}|{{ zz|list }}|{{ zz ~ 'x' }}|{{ not zz }}|{{ zz == zz2 }}|{{ [zz] }}|{{ zz is none }}
{{ d.zz is defined }} {{ d.zz|d('x') }} {{ d['zz'] is undefined }} {{ xs[9] is undefined }} {{ n.foo is defined }} {{ 5 .foo is undefined }} {{ s.nope is undefined }} {% for x in zz %}{{ x }}{% else %}empty{% endfor %}
{{ ''|default('x') }}{{ ''|default('x', true) }}{{ none|default('x') }}{{ none|default('x', boolean=true) }}{{ zz|d }}{{ 0|d(1, true) }}{{ false|default(default_value=3, boolean=true) }}
{{ 'abc'|upper }} {{ 'ABC'|lower }} {{ 'hello world-foo (bar)'|title }} {{ 'hELLO wORLD'|capitalize }} {{ ' x '|trim }}| {{ 'xxaxx'|trim('x') }} {{ 5|upper }} {{ none|lower }} {{ "it's a test"|title }}
{{ xs|join }} {{ xs|join(', ') }} {{ people|join('-', attribute='name') }} {{ 'abc'|join('.') }} {{ [1, none, true, 'a']|join('|') }} {{ d|join(',') }} {{ xs|join(d=';') }}
{{ xs|first }} {{ xs|last }} {{ 'abc'|first }} {{ 'abc'|last }} {{ []|first is undefined }} {{ []|last is undefined }} {{ d|first }} {{ (5, 6)|last }}
{{ xs|length }} {{ '日本'|length }} {{ d|count }} {{ ''|length }} {{ xs|sum }} {{ people|sum(attribute='age') }} {{ xs|sum(start=10) }} {{ [[1], [2]]|sum(start=[]) }} {{ []|sum }} {{ [1, 2.5]|sum }}
{{ xs|max }} {{ xs|min }} {{ words|max }} {{ words|min }} {{ people|max(attribute='age') }} {{ people|min(attribute='age') }} {{ ['b', 'A']|min }} {{ ['b', 'A']|min(true) }} {{ []|max is undefined }}
{{ [3, 1, 2]|sort }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ words|sort(reverse=true) }} {{ people|sort(attribute='age')|map(attribute='name')|list }} {{ people|sort(attribute='age,name')|map(attribute='name')|join(' ') }} {{ d|sort }} {{ 'cab'|sort }} {{ people|sort(attribute='age', reverse=true)|map(attribute='name')|list }}
{{ xs|reverse|list }} {{ 'abc'|reverse }} {{ d|reverse|list }} {{ [1, 2, 1, 3]|unique|list }} {{ words|unique|list }} {{ words|unique(true)|list }} {{ people|unique(attribute='age')|map(attribute='name')|list }}
{{ people|groupby('age')|list }}
{% for age, group in people|groupby('age') %}{{ age }}:{{ group|map(attribute='name')|join(',') }};{% endfor %}{% for g in people|groupby('city.name', default='none') %}{{ g.grouper }}={{ g.list|length }} {% endfor %}{{ (words|groupby('0'))|map('first')|list }}
{{ people|map(attribute='name')|list }} {{ people|map(attribute='city.name', default='?')|list }} {{ words|map('upper')|list }} {{ words|map('replace', 'a', 'o')|list }} {{ [[1, 2], [3]]|map('length')|list }} {{ [[1, 2], [3]]|map(attribute=0)|list }} {{ ['1', '2']|map('int')|sum }}
{{ xs|select('odd')|list }} {{ xs|reject('odd')|list }} {{ [0, 1, '', 'a', none]|select|list }} {{ [0, 1, '']|reject|list }} {{ xs|select('gt', 1)|list }} {{ xs|select('in', [1, 3])|list }} {{ xs|select('divisibleby', 2)|list }} {{ xs|select('==', 2)|list }}
{{ people|selectattr('age', 'gt', 26)|map(attribute='name')|list }} {{ people|rejectattr('age', 'eq', 30)|map(attribute='name')|list }} {{ people|selectattr('city')|list|length }} {{ people|selectattr('city.name', 'equalto', 'Rome')|list|length }} {{ people|selectattr('city', 'undefined')|map(attribute='name')|list }} {{ people|selectattr('name', 'in', ['Ann', 'Cid'])|map(attribute='age')|list }}
{% if xs|select('gt', 99) %}generator is true{% endif %}{% set g = xs|map('string') %}{{ g|list }}{{ g|list }}{% set h = xs|select %}{{ h|first }}{{ h|list }}
{{ [1, 2, 3, 4, 5]|batch(2)|list }} {{ [1, 2, 3]|batch(2, 'x')|list }} {{ [1, 2, 3, 4, 5]|slice(2)|list }} {{ [1, 2, 3, 4, 5]|slice(3, '-')|list }} {{ []|batch(3)|list }} {{ []|slice(2)|list }}
{{ {'b': 1, 'A': 3, 'c': 2}|dictsort }} {{ {'b': 1, 'A': 3}|dictsort(true) }} {{ {'b': 1, 'A': 3, 'c': 2}|dictsort(by='value') }} {{ {'b': 1, 'a': 3}|dictsort(reverse=true) }} {{ d|items|list }} {{ zz|items|list }}
{{ 3.7|round }} {{ 3.14159|round(2) }} {{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 1.005|round(2) }} {{ 42.55|round(1, 'ceil') }} {{ 42.55|round(1, 'floor') }} {{ 42|round }} {{ 1234|round(-2) }} {{ 1250|round(-2) }} {{ 1350|round(-2) }} {{ -2.5|round }} {{ 1234.5|round(-2) }} {{ 5|round(2) }} {{ 5|round(0, 'floor') }}
{{ '42'|int }} {{ '42.9'|int }} {{ 'x'|int }} {{ 'x'|int(5) }} {{ 3.9|int }} {{ -3.9|int }} {{ none|int(7) }} {{ '0x1f'|int(base=16) }} {{ '1f'|int(0, 16) }} {{ ' 7 '|int }} {{ true|int }} {{ '1_000'|int }} {{ '1e3'|int }} {{ [] | int(3) }} {{ ''|int }}
{{ '1.5'|float }} {{ 'x'|float }} {{ 'x'|float(2.5) }} {{ 3|float }} {{ none|float }} {{ '1e3'|float }} {{ 'inf'|float }} {{ 'nan'|float }} {{ ' 2 '|float }} {{ '-.5'|float }} {{ true|float }}
{{ 5|string ~ 'x' }} {{ [1]|string|length }} {{ none|string }} {{ 1.50|string }} {{ -5|abs }} {{ 5.5|abs }} {{ xs|list is sameas xs }} {{ 'ab'|list }} {{ d|list }} {{ (1, 2)|list }}
{{ lines|indent }}|{{ lines|indent(2, true) }}|{{ lines|indent(2, blank=true) }}|{{ 'a\nb'|indent('> ') }}|{{ ''|indent }}|{{ 'a\n'|indent }}|{{ 'x'|indent(first=true) }}
{{ text|truncate(20) }} {{ text|truncate(20, true) }} {{ text|truncate(20, false, '--') }} {{ 'short'|truncate(20) }} {{ 'abcdefghij'|truncate(5, leeway=0) }} {{ 'abcdefgh'|truncate(5) }} {{ 'a b c d e f g h i'|truncate(9, leeway=0, end='') }}
{{ text|wordwrap(20) }}|{{ text|wordwrap(10, false) }}|{{ 'abcdefghijklmnop'|wordwrap(5) }}|{{ 'aaa bbb\n\nccc'|wordwrap(3, wrapstring='#') }}|{{ 'well-known facts'|wordwrap(7, break_on_hyphens=false) }}
{{ text|wordcount }} {{ 'a-b c_d'|wordcount }} {{ 'x'|center(5) }}| {{ 'ab'|center(5) }}| {{ 'abcdef'|center(3) }}| {{ '%s-%03d'|format('a', 5) }} {{ '%(x)s'|format(x=1) }} {{ 'aXbX'|replace('X', '-') }} {{ 'aaa'|replace('a', 'b', 2) }} {{ 5|replace(5, 6) }}
{{ d|tojson }} {{ [1, 1.5, none, true, 'é"<>&\'']|tojson }} {{ {'b': 1, 'a': [1, {'c': 2}]}|tojson }} {{ {'a': [1, 2], 'b': {}}|tojson(indent=2) }} {{ 'x'|tojson }} {{ (1, 2)|tojson }} {{ {1: 2, none: 3}|tojson if false else '' }} {{ [1e20, 1e-7]|tojson }} {{ []|tojson(2) }} {{ '日\n\u0001'|tojson }}
{{ '<a href="x">\'&'|escape }} {{ '<b>'|e }} {{ '<b>'|safe }} {{ '<p>a  <b>b</b> &lt;</p>'|striptags }} {{ 'a b/c?d=é&'|urlencode }} {{ {'a': 'b c', 'd': '/'}|urlencode }} {{ [('x', 1)]|urlencode }} {{ {'class': 'a', 'id': none, 'x': '<'}|xmlattr }} {{ 1500|filesizeformat }} {{ 1|filesizeformat }} {{ 999|filesizeformat }} {{ 123456789|filesizeformat }} {{ 2048|filesizeformat(true) }}
{{ d|attr('items') is callable }} {{ d|attr('a') is defined }} {{ 'x'|attr('upper') is callable }} {{ s|pprint }} {{ xs|pprint }} {{ {'a': 1}|pprint }} {{ 1|pprint }}
{{ 1 is number }} {{ 1.5 is number }} {{ true is number }} {{ '1' is number }} {{ 1 is integer }} {{ true is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ 1 is boolean }} {{ none is none }} {{ 'a' is string }} {{ 1 is string }}
{{ d is mapping }} {{ xs is mapping }} {{ xs is sequence }} {{ d is sequence }} {{ 'a' is sequence }} {{ 1 is sequence }} {{ (1,) is sequence }} {{ xs is iterable }} {{ 1 is iterable }} {{ 'a' is iterable }} {{ d.keys() is sequence }} {{ range(3) is sequence }} {{ none is iterable }} {{ zz is iterable }}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'aBc' is upper }} {{ 1 is eq 1 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is ge 2 }} {{ 2 is gt(1) }} {{ 1 is le 0 }} {{ 1 is in [1, 2] }} {{ 3 is not in [1, 2] }} {{ 1 is sameas 1 }} {{ none is sameas none }} {{ true is true }} {{ false is false }} {{ 1 is true }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ '' is lower }}
{{ dict is callable }} {{ range is callable }} {{ s.upper is callable }} {{ zz is callable }} {{ 5 is callable }} {{ not 1 is odd }} {{ 1 is not even }} {{ 2 + 1 is odd }} {{ (2 + 1) is odd }} {{ s is defined and s|length > 3 }} {{ 1 is defined == true }}
{% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.current }}{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}{% set k = joiner() %}{{ k() }}{{ k() }}
{% set f2 = 'abc'.upper %}{{ f2() }}{% set l = [] %}{% set add = l.append %}{% do add(1) %}{% do add(2) %}{{ l }}{{ ['a', 'b']|map('upper')|join }}{% set fs = [s.upper, s.lower] %}{{ fs[0]() }}{{ fs[1]() }}
{{ [1, 2, 3].index(2) }} {{ (1, 2, 1).count(1) }} {{ (1, 2).index(2) }} {{ [[1, 2], [3, 4]][1][0] }} {{ {'a': {'b': [10, 20]}}.a.b[1] }} {{ 'abc'[0].upper() }} {{ ('a' ~ 'b').upper() }} {{ [1, 2].pop() }} {{ {'f': s.upper}['f']() }} {{ 'a'.join(['x', 'y']).upper()|lower }}
{{ s|upper|lower|title|length }} {{ -1|abs + 2 }} {{ 2 * 3|string }} {{ 'a' ~ 'b'|upper }} {{ ('a' ~ 'b')|upper }} {{ 1 + 1|float }} {{ [3, 1]|sort|first }} {{ 'x'|default('y')|upper }}
{{ é }}{% set é = 1 %}{{ é }}{% set 名 = 'v' %}{{ 名 }}{{ uni|upper }}{{ uni|length }}{{ uni.split(' ') }}{{ 'naïve'.title() }}{{ ['é', 'e', 'z']|sort }}
{{ xs is sameas xs }}{{ [1] is sameas [1] }}{{ 'a' is eq 'a' }}{{ 5 == 5.0 and 5 != '5' }}{{ 0.1 + 0.2 == 0.3 }}{{ 10000000000000000000000 == 1e22 }}{{ 9007199254740993 == 9007199254740992.0 }}{{ 9007199254740993 > 9007199254740992.0 }}
{{ 'a\\b' }} {{ 'a\qb' }} {{ "a'b" }} {{ 'multi
line' }} {{ '' }}| {{ ' ' }}|
{% set x = [1,
  2,
  3] %}{{ x
}}{% set y = {
  'a': 1,
  'b': [2],
} %}{{ y }}{% for i in [
1] %}{{ i }}{% endfor %}
line one
{% if true %}
  kept
{% endif %}
{%- if true %}
  left
{%- endif %}
{% if true -%}
  right
{% endif -%}
end
{{ "a" }}{# c #}
{{- "b" }}
 {%- set x = 1 %} {{ x -}} {# d #} {{- x }}
{%- macro m() -%}  body  {%- endmacro -%} [{{ m() }}]
{%- for x in xs -%} {{ x }}, {%- endfor -%}|
{% set a = 'x' %}{% set a = a ~ 'y' %}{{ a }}{% if a == 'xy' %}{% set a = 'z' %}{% endif %}{{ a }}{% for i in [1] %}{% if true %}{% set a = 'w' %}{% endif %}{{ a }}{% endfor %}{{ a }}
{% for i in xs %}{% set k = (k or 0) + 1 %}{{ k }}{% endfor %}{% for i in xs %}{{ kk|d('u') }}{% set kk = i %}{{ kk }}{% endfor %}{{ kk is defined }}
{{ range(10)|batch(3)|map('sum')|list }} {{ xs|map('string')|join('') ~ '!' }} {{ [xs, xs]|map('join', '-')|list }} {{ rows|map(attribute='k')|map('upper')|list }} {{ ['a b', 'c']|map('replace', ' ', '_')|list }} {{ [' a ']|map('trim')|list }} {{ ['x']|map('default', 'y')|list }}
{{ [1, 'a', none, 2.0]|map('string')|list }} {{ [[3, 1], [2]]|map('sort')|list }} {{ [{'a': 1}, {}]|map(attribute='a')|map('default', 0)|list }} {{ people|map(attribute='city')|select('defined')|map(attribute='name')|unique|join(',') }}
{{ (1, 2, 3)|sum }} {{ {'a': 1}.items()|first }} {{ {'a': 1}.items()|list|first|last }} {{ {'a': 1, 'b': 2}.values()|sum }} {{ {'a': 1, 'b': 2}.values()|max }} {{ {'x': 1}.keys()|first }} {{ [1, 2, 3, 4]|select('even')|map('string')|join(',') }} {{ d.items()|map('join', ':')|join(';') }}
{{ 'abc' 'def'|upper }} {{ 'a' if true }} {{ ['a', 'b',][1] }} {{ (1, 2,) }} {{ dict(a=1,) }} {{ s.replace('l', 'L', 1) }} {{ s.replace(s, s) }} {{ 'a-b_c'.replace('-', '_').split('_') }} {{ '1.2.3'.split('.')|map('int')|list }} {{ '%s' % none }} {{ '%s' % (none,) }}
{{ 1.5.is_integer() }} {{ (2).bit_length() }} {{ 2.0.is_integer() }}
{{ caller is defined }} {{ varargs is defined }} {{ kwargs is defined }} {{ loop is defined }} {{ true is boolean and none is none }} {{ True }} {{ False }} {{ None }} {{ [True, None] }}
{% set l = [] %}{% for x in xs %}{% set _ = l.append(x * x) %}{% endfor %}{{ l }}{% set t = (1, [2]) %}{% do t[1].append(3) %}{{ t }}{% set m = {'k': l} %}{% do l.append('!') %}{{ m }}
{% macro a(x) %}{{ b(x) }}{% endmacro %}{% macro b(x) %}<{{ x }}>{% endmacro %}{{ a(1) }}{% macro deflt(x=[]) %}{% do x.append(1) %}{{ x|length }}{% endmacro %}{{ deflt() }}{{ deflt() }}{% macro cols(x, y='q' ~ x) %}{{ y }}{% endmacro %}{{ cols('z') }}
{% macro t() %}{% for x in caller()|trim|list %}{{ x }}.{% endfor %}{% endmacro %}{% call t() %} abc {% endcall %}{% macro u(x) %}{{ x }}{{ caller(1)(2) if false else '' }}{% endmacro %}{% call(z) u('a') %}{% endcall %}
{% for row in [[1, 2], [3, 4]] %}{% for c in row %}{{ loop.index }}:{{ c }}{{ ',' if not loop.last }}{% endfor %}{{ ';' if not loop.last else '.' }}{% endfor %}
{% for x in range(3) %}{% if loop.first %}[{% endif %}{{ x }}{% if not loop.last %}, {% else %}]{% endif %}{% endfor %}{% for k, v in d|dictsort %}{{ loop.index }}{{ k }}{{ v }}{% endfor %}{% for i in 'ab' %}{% set outer = loop %}{% for j in 'xy' %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for x in xs recursive %}{{ x }}{% if x == 1 %}{{ loop([7, 8]) }}{% endif %}{{ loop.index }}{% endfor %}{% for x in xs %}{{ loop }}{% break %}{% endfor %}
{% for x in xs %}{% for y in xs if loop.index == y %}{{ x }}{{ y }} {% endfor %}{% for y in 'ab' if loop is defined %}{{ y }}{% endfor %}{% endfor %}{% for y in 'ab' if loop is defined %}{{ y }}{% endfor %}
{% set seen = [] %}{% for x in [1, 2, 1, 3, 2] if x not in seen %}{% do seen.append(x) %}{{ loop.index }}{{ x }}{{ loop.first }}{{ loop.previtem }} {% endfor %}
{% set l = [1, 2, 3] %}{% for x in l %}{% if x == 2 %}{% do l.append(9) %}{% endif %}{{ loop.index }}{{ x }}{{ loop.last }}{{ loop.length }} {% endfor %}
{% set l = [1, 2, 3, 4] %}{% for x in l %}{% do l.remove(x) %}{{ loop.index }}{{ x }}{{ loop.length }} {% endfor %}{{ l }}
{% for x in xs %}{% macro m() %}{{ loop.index }}{{ x }}{% endmacro %}{{ m() }}{% endfor %}{% macro w() %}{{ caller() }}{% endmacro %}{% for x in xs %}{% call w() %}{{ loop.index }}{{ loop.last }}{% endcall %}{% endfor %}
{% for x in xs if x != 2 %}{{ loop.revindex }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }}{{ loop.changed(1) }} {% endfor %}{% for x in 'ab' %}{% set lp = loop %}{% for y in 'cd' %}{{ lp.index }}{{ lp.last }}{{ loop.first }} {% endfor %}{% endfor %}
{{ [1, 2, 3, 4, 5, 6][1:5:2] }} {{ [1, 2, 3][-5:2] }} {{ [1, 2, 3][5:1:-1] }} {{ 'abcdef'[-2::-2] }} {{ (1, 2, 3)[::-1] }} {{ range(10)[2:5]|list }} {{ xs[0:2][1] }} {{ s[:3] ~ s[3:] }} {{ s[1:none] }} {{ xs[true] }}
{{ 1 if xs else 2 }}{{ 'yes' if 'a' in d and d.a == 1 else 'no' }}{{ xs[0] if xs|length > 0 else none }}{{ (xs or [0])[0] }}{{ (n or {}).get('x', 'dflt') }}{{ n if n is not none else 'none' }}
{{ none ~ '' }} {{ 'a' ~ zz ~ 'b' }} {{ [zz, 1]|join('-') }} {{ zz|upper }}| {{ zz|string }}| {{ zz|trim }}| {{ zz|join }}| {{ (zz|list)|length }} {{ zz|default([])|length }} {{ zz|map('upper')|list }} {{ zz|sum }} {{ zz|sort }} {{ zz|unique|list }} {{ zz|first is undefined }} {{ zz|replace('a', 'b') }}| {{ zz|indent }}| {{ {'a': zz}['a'] is undefined }}
{{ '{:%Y}'.format(1) if false else '' }}{{ '{:d}'.format(true) }}{{ '{:s}'.format('a') }}{{ '{:>3}'.format(1) }}{{ '{:<3}|'.format(1) }}{{ '{:^4}|'.format('ab') }}{{ '{:=+5}'.format(3) }}{{ '{: }'.format(5) }}{{ '{:0>3}'.format(7) }}{{ '{:03}'.format(7) }}{{ '{:n}'.format(5) }}{{ '{:.0f}'.format(2.5) }}{{ '{:.0f}'.format(3.5) }}{{ '{:10}|'.format([1]|string) }}
{{ '%s %s %s' % (1.0, 1e16, 0.1) }} {{ '%d' % true }} {{ '%s' % true }} {{ '%5.1f|' % 2.25 }} {{ '%-8s|' % 'ab' }} {{ '%08.2f' % -3.14159 }} {{ '% d' % 5 }} {{ '%+.1e' % 12345 }} {{ '%%' % () }} {{ '%s' % ((1, 2),) }} {{ '%5s%%' % 'a' }} {{ '%r %s' % ([1, 'a'], [1, 'a']) }}
{{ [1.0, 2.50, 1e-5, 1e5, 123456789012345680.0, 5e-324, 1.7976931348623157e308] }} {{ 3.0 * 2 }} {{ 10 / 4 }} {{ 10 // 4.0 }} {{ 1 / 3 }} {{ 2 / 3 * 3 }} {{ 1e308 * 10 }} {{ 0.1 * 3 }} {{ 100 * 1.1 }} {{ 1.1 + 2.2 }} {{ 5 % 2.5 }} {{ -5 // 3 }} {{ 5 // -3 }} {{ -5 % 3 }} {{ 2 ** 63 }} {{ 2 ** 64 - 1 }}
{{ (2 ** 64) // 3 }} {{ (2 ** 64) % 1000 }} {{ (2 ** 64) / 2 }} {{ -(2 ** 64) }} {{ 2 ** 64 == 2.0 ** 64 }} {{ (2 ** 64)|string|length }} {{ '%d' % 2 ** 64 if false else '' }} {{ '%d' % (2 ** 64) }} {{ {2 ** 64: 'big'}[2 ** 64] }} {{ 18446744073709551616 in [2 ** 64] }} {{ (2 ** 64)|tojson }} {{ (2 ** 64)|abs }} {{ '18446744073709551616'|int }}
""".strip("\n")

# These are about errors.
FAILING = r"""
{{ zz.foo }}
{{ zz() }}
{{ zz['a'] }}
{{ zz + 1 }}
{{ 1 + zz }}
{{ zz < 1 }}
{{ -zz }}
{{ d.zz.foo }}
{{ n.foo.bar }}
{{ xs[9].a }}
{{ s.nope() }}
{{ d.nope() }}
{{ n.nope() }}
{{ zz|int + 1 }}
{{ zz|abs }}
{{ zz|round }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + 'a' }}
{{ [1] + (2,) }}
{{ 1 - 'a' }}
{{ 'a' * 'b' }}
{{ none + 1 }}
{{ {} + {} }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.0 / 0 }}
{{ 0 ** -1 }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ [1] < 'a' }}
{{ {} < {} }}
{{ -'a' }}
{{ 1 in 5 }}
{{ 1 in 'abc' }}
{{ 1 in none }}
{{ 5() }}
{{ 'a'() }}
{{ none() }}
{{ [1].foo() }}
{{ [].pop() }}
{{ [1].pop(5) }}
{{ [1].remove(2) }}
{{ [1].index(2) }}
{{ (1,).index(2) }}
{{ {}.pop('a') }}
{{ {}.popitem() }}
{{ {}['a'].b }}
{{ {[1]: 2} }}
{{ {{}: 2} }}
{{ 'abc'.index('z') }}
{{ 'abc'.split('') }}
{{ ','.join([1]) }}
{{ 'abc'.startswith(1) }}
{{ 'a'.center() }}
{{ 'a'.upper(1) }}
{{ [1].append() }}
{{ [1].append(1, 2) }}
{{ '%s %s' % 1 }}
{{ '%d' % 'a' }}
{{ '%s' % (1, 2) }}
{{ '%(a)s' % 1 }}
{{ '%(a)s' % {} }}
{{ '%y' % 1 }}
{{ '%' % 1 }}
{{ 'abc' % 1 }}
{{ '{}'.format() }}
{{ '{x}'.format() }}
{{ '{'.format() }}
{{ '}'.format() }}
{{ '{:q}'.format(1) }}
{{ '{:d}'.format('a') }}
{{ '{:.2d}'.format(1) }}
{{ xs['a'].b }}
{{ xs[none].b }}
{{ n[1:] }}
{% set k = 5 %}{{ k[1:] }}
{{ d[1:] }}
{{ xs['a':] }}
{{ xs[::0] }}
{% for x in 5 %}{% endfor %}
{% for x in none %}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for a, b in [(1,)] %}{% endfor %}
{% set a, b = 1 %}
{% set a, b = (1, 2, 3) %}
{% set a, b = [1] %}
{% set zz.a = 1 %}
{% set d.a = 1 %}
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}
{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}
{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}
{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m() }}
{% for x in xs %}{{ loop(x) }}{% endfor %}
{% for x in xs %}{{ loop.cycle() }}{% endfor %}
{{ 1|nope }}
{{ 1 is nope }}
{{ xs|map }}
{{ xs|map('nope')|list }}
{{ xs|select('nope')|list }}
{{ xs|batch }}
{{ xs|groupby }}
{{ 5|length }}
{{ none|length }}
{{ 5|join }}
{{ 5|list }}
{{ none|list }}
{{ [1, 'a']|sort }}
{{ [1, none]|max }}
{{ ['a']|sum }}
{{ 5|dictsort }}
{{ 5|items|list }}
{{ 'abc'|truncate(1) }}
{{ 'a'|abs }}
{{ 'x'|round }}
{{ zz|tojson }}
{{ xs|map('upper')|length }}
{{ range() }}
{{ range('a') }}
{{ range(1, 2, 0) }}
{{ dict(1) }}
{{ dict([1]) }}
{{ cycler() }}
{{ 'a'|int(base='x') if false else zz.y }}
{{ dict(**5) }}
{{ dict(*5) }}
{{ dict(a=1, **{'a': 2}) }}
{{ 'a' is odd }}
{{ 1 is in 5 }}
{{ 1 is divisibleby 0 }}
{{ (1 if false).x }}
{{ [1, 2][0,] }}
{{ 1 + }}
{{ 1 2 }}
{{ (1 }}
{{ [1 }}
{{ {1: } }}
{{ }}
{{ a. }}
{{ a.'b' }}
{{ 'abc }}
{{ 1 if }}
{{ x is }}
{{ x| }}
{{ not }}
{{ a b }}
{{ f(a=1, 2) }}
{{ f(**a, b) }}
{{ 007 }}
{{ a ? b }}
{{ 1 is odd is even }}
{{ $x }}
{% if %}{% endif %}
{% if true %}
{% if true %}{% endfor %}
{% endif %}
{% else %}
{% for x %}{% endfor %}
{% for in xs %}{% endfor %}
{% for x in xs %}
{% set %}
{% set x = %}
{% set 1 = 2 %}
{% set x %}
{% set none = 2 %}
{% macro %}{% endmacro %}
{% macro m %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% macro m( %}{% endmacro %}
{% call m %}{% endcall %}
{% nope %}
{% %}
{% if true %}{{ x }
{{ x
{% x
{# x
{% raw %}x
{% break %}
{% do %}
{{ x }}{% endblock %}
{% include %}
""".strip("\n")


def blocks(text):
    """One case a line; a case that goes on over lines is recognised by its open tag or its text."""
    lines = text.split("\n")
    cases, current = [], []
    multiline = False
    for line in lines:
        if line == "line one":
            multiline = True
        if multiline:
            current.append(line)
            if line.endswith("endfor -%}|"):
                cases.append("\n".join(current))
                current, multiline = [], False
            continue
        current.append(line)
        joined = "\n".join(current)
        if joined.count("{{") + joined.count("{%") > joined.count("}}") + joined.count("%}") and "'{{'" not in joined:
            continue
        cases.append(joined)
        current = []
    return cases


def context():
    return json.loads(json.dumps(CONTEXT)) | {"nested": {"list": [1, [2, 3], {"k": (4, 5)}], "none": None, "flag": True}}


def main():
    environment = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
    split = []
    for case in blocks(CASES):
        # One line holds several prints: each is a case of its own where they stand alone.
        split.append(case)
        if "{%" not in case and "\n" not in case and "{#" not in case and "'}}'" not in case:
            parts = [part + "}}" for part in case.split("}}")[:-1]]
            if all(part.lstrip(" |").startswith("{{") and part.count("{") == part.count("}") for part in parts) and len(parts) > 1:
                split.pop()
                split.extend(part.lstrip(" |") for part in parts)
    out = []
    micro = json.loads((pathlib.Path(__file__).parent / "micro_cases.json").read_text())
    for template in micro + split + FAILING.split("\n"):
        case = {"template": template}
        try:
            case["gives"] = environment.from_string(template).render(**context())
        except Exception as error:
            case |= {"fails": type(error).__name__, "message": str(error)}
        if " at 0x" in str(case):
            print("left out, as it shows an address:", template)
            continue
        out.append(case)
    path = pathlib.Path(__file__).parent / "it" / "expectations.jsonl"
    path.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in out))
    print(len(out), "cases")


main()
