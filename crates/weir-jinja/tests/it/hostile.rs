//! Texts and data that are made to use everything up: they end in a value or an error.

use std::{sync::Arc, thread};

use weir_jinja::{Environment, Error, ErrorKind, Interpreter, Limits, Template};

/// Runs on a thread with the stack that most threads have.
fn on_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap()
}

fn render(text: String) -> Result<String, Error> {
    on_small_stack(move || {
        let mut environment = Environment::new();
        environment.limits = Limits {
            steps: 3_000_000,
            text_bytes: 8 << 20,
            items: 500_000,
            ..Limits::default()
        };
        let template = Template::parse("hostile", &text)?;
        Interpreter::new(Arc::new(environment)).render(&template, &())
    })
}

fn kind(text: impl Into<String>) -> ErrorKind {
    match render(text.into()) {
        Ok(text) => panic!("gives {} bytes", text.len()),
        Err(error) => error.kind(),
    }
}

#[test]
fn nested_syntax_is_refused() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{1:", "}"),
        ("f(", ")"),
        ("x[", "]"),
        ("not ", ""),
        ("-", ""),
        ("+", ""),
    ] {
        let text = format!("{{{{ {}1{} }}}}", open.repeat(50_000), close.repeat(50_000));
        assert_eq!(kind(text), ErrorKind::Syntax, "{open}");
        let text = format!("{{{{ {}1{} }}}}", open.repeat(20), close.repeat(20));
        Template::parse("shallow", &text).unwrap();
    }
    for (open, close) in [
        ("{% if 1 %}", "{% endif %}"),
        ("{% for x in y %}", "{% endfor %}"),
        ("{% macro m() %}", "{% endmacro %}"),
        ("{% set x %}", "{% endset %}"),
        ("{% call f() %}", "{% endcall %}"),
        ("{% filter upper %}", "{% endfilter %}"),
    ] {
        let text = format!("{}{}", open.repeat(50_000), close.repeat(50_000));
        assert_eq!(kind(text), ErrorKind::Syntax, "{open}");
    }
    assert_eq!(
        kind("{{ 1 if 1 else ".to_owned() + &"1 if 1 else ".repeat(50_000)),
        ErrorKind::Syntax
    );
    assert_eq!(
        kind(format!("{{% set {}x = 1 %}}", "(".repeat(50_000))),
        ErrorKind::Syntax
    );
    assert_eq!(
        kind(format!("{{% macro m(a: {}", "list[".repeat(50_000))),
        ErrorKind::Syntax
    );
    assert_eq!(kind("{% if ".repeat(50_000)), ErrorKind::Syntax);
    assert_eq!(kind("{{ '{{' ".repeat(50_000)), ErrorKind::Syntax);
}

#[test]
fn long_rows_of_operators_are_fine_or_an_error() {
    assert_eq!(
        render(format!("{{{{ 0{} }}}}", " + 1".repeat(20_000))).unwrap(),
        "20000"
    );
    assert_eq!(
        render(format!("{{{{ ''{} }}}}", " ~ 1".repeat(1_000)))
            .unwrap()
            .len(),
        1_000
    );
    assert_eq!(
        render(format!(
            "{{% if 0 %}}{}{{% endif %}}",
            "{% elif 0 %}".repeat(20_000)
        ))
        .unwrap(),
        ""
    );
    for row in [" or 0", " and 1", "|upper", ".a", "[0]", "()", " if 1"] {
        let error = render(format!("{{{{ x{} }}}}", row.repeat(100_000))).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Recursion | ErrorKind::Syntax | ErrorKind::Undefined
            ),
            "{row}: {error:?}"
        );
    }
}

#[test]
fn endless_recursion_ends() {
    for text in [
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a() %}{{ b() }}{{ caller }}{% endmacro %}{% macro b() %}{% call a() %}{% endcall %}{% endmacro %}{{ a() }}",
        "{% macro m(x=m()) %}{% endmacro %}{{ m() }}",
        "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}{% endmacro %}{{ m() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% macro m() %}{{ [m]|map('string')|list }}{{ return(m()) }}{% endmacro %}{{ m() }}",
        "{% set l = [] %}{% do l.append(l) %}{% for x in l recursive %}{{ loop(x) }}{% endfor %}",
    ] {
        assert_eq!(kind(text), ErrorKind::Recursion, "{text}");
    }
}

#[test]
fn endless_loops_end() {
    for text in [
        "{% set l = [1] %}{% for x in l %}{% do l.append(1) %}{% endfor %}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% if b %}{% continue %}{% endif %}{% endfor %}{% endfor %}",
        "{% macro m() %}{% for b in range(9999) %}{{ n() }}{% endfor %}{% endmacro %}{% macro n() %}{% for b in range(9999) %}{% endfor %}{% endmacro %}{{ m() }}",
    ] {
        assert_eq!(kind(text), ErrorKind::Limit, "{text}");
    }
}

#[test]
fn large_values_are_refused() {
    for text in [
        "{{ 'a' * 10 ** 12 }}",
        "{{ [0] * 10 ** 12 }}",
        "{{ (0, 1) * 10 ** 30 }}",
        "{{ 'a'.center(10 ** 15) }}",
        "{{ 'a'|center(10 ** 15) }}",
        "{{ 'a'.zfill(9999999999) }}",
        "{{ 'a'.ljust(9999999999) }}",
        "{{ '\t'.expandtabs(9999999999) }}",
        "{{ 'a'|indent(9999999999, true) }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ '%.9999999999f' % 1 }}",
        "{{ '%*d' % (9999999999, 1) }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ '{:.999999999f}'.format(1.5) }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s.replace('x', 'xx') %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set l = [1] %}{% for i in range(60) %}{% do l.extend(l) %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s]|join %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = '%s%s' % (ns.s, ns.s) %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = '{0}{0}'.format(ns.s) %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        "{% for i in range(100000) %}{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }}{% endfor %}",
        "{{ 1|slice(10 ** 15)|list if false else [1]|slice(10 ** 15)|list }}",
        "{{ [1]|batch(10 ** 15, 0)|list }}",
    ] {
        assert!(matches!(kind(text), ErrorKind::Limit), "{text}");
    }
    assert_eq!(kind("{{ range(10 ** 9) }}"), ErrorKind::Overflow);
    assert_eq!(
        kind("{{ range(-9223372036854775807, 9223372036854775807) }}"),
        ErrorKind::Overflow
    );
    assert_eq!(kind("{{ 10 ** 100 }}"), ErrorKind::Overflow);
    assert_eq!(
        kind("{{ 99999999999999999999999999999999999999999999 }}"),
        ErrorKind::Syntax
    );
    assert_eq!(kind("{{ 10.0 ** 1000 }}"), ErrorKind::Overflow);
}

#[test]
fn deep_data_is_written_compared_and_dropped() {
    let deep = "{% set ns = namespace(l=[], t=(), d={}) %}{% for i in range(20000) %}{% set ns.l = [ns.l] %}{% set ns.t = (ns.t,) %}{% set ns.d = {'a': ns.d} %}{% endfor %}";
    for use_of_it in [
        "{{ ns.l|string|length > 0 }}",
        "{{ ns.t|string|length > 0 }}",
        "{{ ns.l == ns.l }}",
        "{{ ns.l == [ns.l] }}",
        "{{ ns.d == {'a': ns.d} }}",
        "{{ {ns.t: 1}|length }}{{ {ns.t: 1, (ns.t,): 2}|length }}{{ {ns.t: 1}[(ns.t,)] }}",
        "{{ ns.l in [ns.l] }}",
        "{{ ns.d.copy()|length }}",
        "{{ '%s' % (ns.l,) }}",
    ] {
        render(format!("{deep}{use_of_it}")).unwrap();
    }
    for (use_of_it, kind_of_error) in [
        ("{{ ns.l|tojson }}", ErrorKind::Value),
        ("{{ ns.d|tojson }}", ErrorKind::Value),
        ("{{ [ns.l, [ns.l]]|sort }}", ErrorKind::Recursion),
        ("{{ ns.t < (ns.t,) }}", ErrorKind::Recursion),
    ] {
        assert_eq!(
            kind(format!("{deep}{use_of_it}")),
            kind_of_error,
            "{use_of_it}"
        );
    }
}

#[test]
fn deep_closures_are_dropped() {
    let text = "{% set ns = namespace(f=none) %}{% macro wrap(inner) %}{% macro made() %}{{ inner }}{% endmacro %}{{ return(made) }}{% endmacro %}{% for i in range(50000) %}{% set ns.f = wrap(ns.f) %}{% endfor %}{{ ns.f.name }}";
    assert_eq!(render(text.into()).unwrap(), "made");
    let text = "{% set ns = namespace(f='x') %}{% for i in range(50000) %}{% set ns.f = joiner(ns.f) %}{% endfor %}{% for i in range(50000) %}{% set ns.f = [ns.f]|map('list') %}{% break %}{% endfor %}ok";
    render(text.into()).unwrap_err();
    let text = "{% set ns = namespace(l=none) %}{% for i in range(50000) %}{% for x in (ns.l,) %}{% set ns.l = loop %}{% endfor %}{% endfor %}ok";
    assert_eq!(render(text.into()).unwrap(), "ok");
    let text = "{% set ns = namespace(f='x') %}{% for i in range(50000) %}{% set ns.f = joiner(ns.f) %}{% set ns.c = cycler(ns.c, ns.f) %}{% set ns.n = namespace(a=ns.n) %}{% endfor %}ok";
    assert_eq!(render(text.into()).unwrap(), "ok");
}

#[test]
fn keys_that_lead_back_to_their_dictionary_do_not_wait_for_it() {
    let text = "{% set d = {} %}{% for i in range(12) %}{% do d.update({d.keys(): i}) %}{% do d.__setitem__(d.items(), 1) %}{{ d.get(d.keys()) }}{% endfor %}{% set e = {} %}{% for g in [{'k': 1, 'd': d}, {'k': 1, 'd': e}]|groupby('k') %}{% do d.update({g: 1}) %}{% do e.update({g: 1}) %}{% endfor %}{% for g in [{'k': 1, 'd': e}]|groupby('k') %}{% do d.update({g: 1}) %}{{ d[g] }}{% endfor %}";
    render(text.into()).unwrap();
}

#[test]
fn contradicting_orders_are_sorted_somehow() {
    let text =
        "{{ ([1, 'nan'|float, 0, 'nan'|float, 3, 2] * 20)|sort|length }}{{ ['nan'|float, 1]|max }}";
    render(text.into()).unwrap();
}

#[test]
fn macros_nest_as_deeply_as_projects_need() {
    let text = "{% macro f(n) %}{% if n > 0 %}{% for i in [1] %}{% set x %}{{ [f(n - 1)]|join ~ '' }}{% endset %}{{ x }}.{% endfor %}{% endif %}{% endmacro %}{{ f(100) }}";
    assert_eq!(render(text.into()).unwrap().len(), 100);
}
