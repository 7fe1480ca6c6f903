//! Macros as dbt calls them: `return`, owners, the stack of running ones, undefined and values.

use std::sync::Arc;

use weir_jinja::{
    Args, Dict, Environment, ErrorKind, Function, Interpreter, MacroDef, Names, Rendering, Result,
    Template, UndefinedPolicy, Value,
};

fn interpreter() -> Interpreter {
    Interpreter::new(Arc::new(Environment::new()))
}

fn definition(text: &str, owner: &str) -> MacroDef {
    let template = Template::parse(format!("{owner}/macro.sql"), text).unwrap();
    let block = &template.blocks()[0];
    template
        .macro_def(block, owner, format!("macro.{owner}.{}", block.name))
        .unwrap()
}

/// The macros by name, and what the interpreter says while they look names up.
struct Project {
    macros: Dict,
}

impl Names for Project {
    fn lookup(&self, name: &str, interpreter: &Interpreter) -> Result<Option<Value>> {
        Ok(match name {
            "whose" => Some(
                interpreter
                    .owner()
                    .map_or("the model's", |owner| owner)
                    .into(),
            ),
            "running" => Some(
                interpreter
                    .stack()
                    .iter()
                    .map(|running| running.definition.id().map_or("?", |id| id).to_owned())
                    .collect::<Value>(),
            ),
            name => self.macros.get_str(name),
        })
    }
}

fn project(macros: &[(&str, &str)]) -> Project {
    let known = Dict::new();
    for (text, owner) in macros {
        let definition = definition(text, owner);
        known.set_str(Arc::clone(definition.name()), definition);
    }
    Project { macros: known }
}

fn render(text: &str, names: &dyn Names) -> Result<String> {
    interpreter().render(&Template::parse("model.sql", text).unwrap(), names)
}

#[test]
fn return_gives_the_value_and_ends_the_macro() {
    let project = project(&[
        (
            "{% macro values() %}text{{ return([1, {'a': 2}]) }}{{ never.called() }}{% endmacro %}",
            "p",
        ),
        (
            "{% macro first(xs) %}{% for x in xs %}{% if x > 1 %}{% do return(x) %}{% endif %}{% endfor %}{% endmacro %}",
            "p",
        ),
        ("{% macro nothing() %}{{ return(none) }}{% endmacro %}", "p"),
        ("{% macro text() %} a {% endmacro %}", "p"),
        ("{% macro runs() %}[{{ caller() }}]{% endmacro %}", "p"),
        (
            "{% macro within() %}before{% call runs() %}{{ return(5) }}{% endcall %}after{% endmacro %}",
            "p",
        ),
        (
            "{% macro in_set() %}{% set x %}{{ return('early') }}{% endset %}late{% endmacro %}",
            "p",
        ),
    ]);
    assert_eq!(render("{{ values()[1].a + 1 }}", &project).unwrap(), "3");
    assert_eq!(
        render("{{ first([0, 1, 2, 3]) * 10 }}{{ first([]) }}", &project).unwrap(),
        "20"
    );
    assert_eq!(
        render("{{ nothing() is none }}{{ text()|length }}", &project).unwrap(),
        "True3"
    );
    // As in dbt, the body of a call block ends the macro that runs it.
    assert_eq!(render("{{ within() }}", &project).unwrap(), "before5after");
    assert_eq!(render("{{ in_set() }}", &project).unwrap(), "early");
    assert_eq!(
        render(
            "{% macro m() %}{{ return([1]) }}{% endmacro %}{{ m()[0] }}",
            &project
        )
        .unwrap(),
        "1"
    );
    let error = render("{{ return(1) }}", &project).unwrap_err();
    assert!(!error.is_return());
    assert_eq!(error.message(), "`return` outside of a macro");
}

#[test]
fn owners_and_the_stack_are_told() {
    let project = project(&[
        (
            "{% macro a() %}{{ whose }} {{ b() }} {{ whose }}{% endmacro %}",
            "one",
        ),
        (
            "{% macro b() %}{{ whose }}{{ running }}{% endmacro %}",
            "two",
        ),
        (
            "{% macro c() %}{{ caller() }}/{{ whose }}{% endmacro %}",
            "three",
        ),
    ]);
    assert_eq!(
        render("{{ whose }} {{ a() }} {{ whose }}", &project).unwrap(),
        "the model's one two['macro.one.a', 'macro.two.b'] one the model's"
    );
    // The body of a call block belongs to whoever wrote it.
    assert_eq!(
        render("{% call c() %}{{ whose }}{% endcall %}", &project).unwrap(),
        "the model's/three"
    );
}

#[test]
fn macros_see_nothing_of_their_callers_and_files() {
    let template = Template::parse(
        "m.sql",
        "{% set q = 1 %}{% macro m() %}{{ q is defined }}{% endmacro %}",
    )
    .unwrap();
    let definition = template
        .macro_def(&template.blocks()[0], "p", "macro.p.m")
        .unwrap();
    let value = interpreter()
        .call_macro(&definition, Args::none(), &())
        .unwrap();
    assert_eq!(value, "False".into());
    let names = Dict::new();
    names.set_str("m", definition);
    assert_eq!(render("{% set q = 2 %}{{ m() }}", &names).unwrap(), "False");
}

#[test]
fn materializations_tests_and_snapshots_can_be_called() {
    let text = "{% materialization t, default %}{{ return({'relations': [1]}) }}{% endmaterialization %}{% test u(model, n=2) %}{{ model }}{{ n }}{% endtest %}{% snapshot s %}select {{ 1 + 1 }}{% endsnapshot %}";
    let template = Template::parse("m.sql", text).unwrap();
    let call = |at: usize, args| {
        let definition = template
            .macro_def(&template.blocks()[at], "p", "id")
            .unwrap();
        interpreter().call_macro(&definition, args, &()).unwrap()
    };
    assert_eq!(call(0, Args::none()).repr(), "{'relations': [1]}");
    assert_eq!(call(1, Args::none().with("model", "m")), "m2".into());
    assert_eq!(call(2, Args::none()), "select 2".into());
}

#[test]
fn undefined_is_as_told() {
    let render = |text: &str, undefined| {
        let template = Template::parse("model.sql", text).unwrap();
        interpreter().render_with(
            &template,
            &(),
            Rendering {
                undefined: Some(undefined),
            },
        )
    };
    let chained = render(
        "[{{ a.b.c(1)['x'].y }}]{{ a is defined }}{% for x in a.b %}{% endfor %}{{ a()|default(1) }}",
        UndefinedPolicy::Chainable,
    );
    assert_eq!(chained.unwrap(), "[]False1");
    assert_eq!(render("[{{ a }}]", UndefinedPolicy::Lenient).unwrap(), "[]");
    assert_eq!(
        render("{{ a.b }}", UndefinedPolicy::Lenient)
            .unwrap_err()
            .kind(),
        ErrorKind::Undefined
    );
    assert_eq!(
        render("{{ a }}", UndefinedPolicy::Strict)
            .unwrap_err()
            .kind(),
        ErrorKind::Undefined
    );
    // Macros keep to the environment's policy.
    let names = project(&[("{% macro m() %}{{ a.b }}{% endmacro %}", "p")]);
    let template = Template::parse("model.sql", "{{ m() }}").unwrap();
    let rendering = Rendering {
        undefined: Some(UndefinedPolicy::Chainable),
    };
    assert_eq!(
        interpreter()
            .render_with(&template, &names, rendering)
            .unwrap_err()
            .kind(),
        ErrorKind::Undefined
    );
}

#[test]
fn native_rendering_gives_values() {
    let native = |text: &str| {
        let names = Dict::new();
        names.set_str("xs", Value::list([1, 2]));
        names.set_str("flag", "yes");
        interpreter().render_native(&Template::parse("x.yml", text).unwrap(), &names)
    };
    for (text, wanted) in [
        ("{{ 1 }}", "1"),
        ("{{ xs }}", "[1, 2]"),
        ("{{ 'a' }}", "'a'"),
        ("{{ '1' }}", "'1'"),
        ("1", "'1'"),
        ("", "''"),
        ("{{ 1 }} ", "'1 '"),
        ("{{ 1 }}{{ 2 }}", "'12'"),
        ("{# c #}{{ none }}", "None"),
        ("{% if true %}{{ xs }}{% endif %}", "[1, 2]"),
        ("{% if true %}{{ flag }}{% else %}no{% endif %}", "'yes'"),
        ("{{ '1' | as_number }}", "1"),
        ("{{ '1.5' | as_native }}", "1.5"),
        ("{{ '[1, \"a\"]' | as_native }}", "[1, 'a']"),
        ("{{ 'True' | as_bool }}", "True"),
        ("{{ (1 == 1) | as_bool }}", "True"),
        ("{{ 'x y' | as_native }}", "'x y'"),
        ("{{ 'true' | as_native }}", "'true'"),
        ("{{ 5 | as_text }}", "'5'"),
    ] {
        assert_eq!(native(text).unwrap().repr(), wanted, "{text}");
    }
    assert_eq!(
        native("{{ 'x' | as_bool }}").unwrap_err().message(),
        "Could not convert value 'x' into type 'bool'"
    );
    assert_eq!(
        native("{{ 'x' | as_number }}").unwrap_err().kind(),
        ErrorKind::Value
    );
    // As text these filters do nothing.
    assert_eq!(
        render("{{ 'x' | as_bool }}{{ 'y' | as_text }}", &()).unwrap(),
        "xy"
    );
}

#[test]
fn host_functions_call_back() {
    let names = project(&[(
        "{% macro double(x) %}{{ return(x * 2) }}{% endmacro %}",
        "p",
    )]);
    names.macros.set_str(
        "twice",
        Function::value("twice", |call| {
            let callee = call.required("callee")?;
            let value = call.required("value")?;
            call.finish()?;
            let once = call.call(&callee, Args::from(vec![value]))?;
            call.call(&callee, Args::from(vec![once]))
        }),
    );
    names.macros.set_str(
        "render",
        Function::value("render", |call| {
            let text = call.required_str("text")?;
            let template = Template::parse("inner", &text)?;
            let names = call.names;
            call.interpreter.render(&template, names).map(Value::from)
        }),
    );
    assert_eq!(render("{{ twice(double, 3) }}", &names).unwrap(), "12");
    assert_eq!(
        render("{{ render('{{ double(4) }}!') }}", &names).unwrap(),
        "8!"
    );
    let endless = "{% set t = '{{ render(t) }}' %}{% macro m() %}{{ render('{{ m() }}') }}{% endmacro %}{{ m() }}";
    assert!(render(endless, &names).is_err());
    names.macros.set_str("t", "{{ render(t) }}");
    assert_eq!(
        render("{{ render(t) }}", &names).unwrap_err().kind(),
        ErrorKind::Recursion
    );
}

#[test]
fn templates_and_interpreters_go_between_threads() {
    fn both<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    both::<Template>();
    both::<MacroDef>();
    both::<Value>();
    both::<Environment>();
    both::<weir_jinja::Error>();
    sent::<Interpreter>();
}
