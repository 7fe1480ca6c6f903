//! Errors say what, where, on which way, and what to do.

use std::sync::Arc;

use weir_jinja::{
    Args, BoxError, Dict, Environment, Error, ErrorKind, Function, Interpreter, Template, Value,
};

fn failure(text: &str, names: &Dict) -> Error {
    let template = match Template::parse("models/a.sql", text) {
        Ok(template) => template,
        Err(error) => return error,
    };
    Interpreter::new(Arc::new(Environment::new()))
        .render(&template, names)
        .unwrap_err()
}

fn place(text: &str) -> String {
    failure(text, &Dict::new()).place().unwrap().to_string()
}

#[test]
fn places_are_exact() {
    assert_eq!(place("a\nb {{ 1 + }}"), "models/a.sql:2:10");
    assert_eq!(place("{{ x.y }}"), "models/a.sql:1:6");
    assert_eq!(place("é {{ 1 / 0 }}"), "models/a.sql:1:8");
    assert_eq!(place("\r\n\r\n{{ 'a'|nope }}"), "models/a.sql:3:8");
    assert_eq!(place("{% if a %}\n  {% endfor %}"), "models/a.sql:2:6");
    assert_eq!(place("{% for x in 5 %}{% endfor %}"), "models/a.sql:1:13");
    assert_eq!(place("{% set a, b = [1] %}"), "models/a.sql:1:8");
    assert_eq!(place("{{ f(1,\n  'a' + 1) }}"), "models/a.sql:2:7");
    assert_eq!(place("{% if true %}"), "models/a.sql:1:14");
    assert_eq!(place("{{ 'abc }}"), "models/a.sql:1:4");
    assert_eq!(place("{# x"), "models/a.sql:1:1");
}

#[test]
fn the_way_through_macros_is_told() {
    let library = Template::parse(
        "macros/m.sql",
        "{% macro outer() %}\n{{ inner(1) }}{% endmacro %}\n{% macro inner(x) %}{{ x.y.z }}{% endmacro %}",
    )
    .unwrap();
    let names = Dict::new();
    for block in library.blocks() {
        let definition = library.macro_def(block, "pkg", "id").unwrap();
        names.set_str(Arc::clone(&block.name), definition);
    }
    let error = failure("\n{{ outer() }}", &names);
    assert_eq!(error.place().unwrap().to_string(), "macros/m.sql:3:28");
    let trace: Vec<_> = error
        .trace()
        .iter()
        .map(|frame| {
            format!(
                "{} of {} at {}",
                frame.name,
                frame.owner.as_deref().unwrap(),
                frame.called_at.as_ref().unwrap()
            )
        })
        .collect();
    assert_eq!(
        trace,
        [
            "inner of pkg at macros/m.sql:2:4",
            "outer of pkg at models/a.sql:2:4"
        ]
    );
}

#[test]
fn hints_name_what_was_meant() {
    let names = Dict::new();
    names.set_str("source", Function::value("source", |_| Ok(Value::None)));
    for (text, hint) in [
        ("{{ sorce('a') }}", "did you mean `source`?"),
        ("{{ 'a'|uper }}", "did you mean `upper`?"),
        ("{{ 1 is difined }}", "did you mean `defined`?"),
        ("{{ [].apend(1) }}", "did you mean `append`?"),
        ("{% fore x in y %}", "did you mean `for`?"),
        ("{{ 'a' + 1 }}", "join values as text with `~`"),
        (
            "{% set d = {} %}{% set d['a'] = 1 %}",
            "write `{% do d.update({key: value}) %}`, or `d.__setitem__(key, value)`",
        ),
        (
            "{% macro m(column) %}{% endmacro %}{{ m(colum=1) }}",
            "did you mean `column`?",
        ),
        (
            "{% include 'x' %}",
            "macros of the project and its packages are known everywhere; call them as `package.macro()`",
        ),
    ] {
        assert_eq!(failure(text, &names).hint(), Some(hint), "{text}");
    }
}

#[derive(Debug)]
struct Foreign(u8);

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "foreign {}", self.0)
    }
}

impl std::error::Error for Foreign {}

#[test]
fn foreign_errors_come_through_unharmed() {
    let names = Dict::new();
    names.set_str(
        "fails",
        Function::value("fails", |_| {
            Err(Error::from_source(Box::new(Foreign(7)) as BoxError))
        }),
    );
    let error = failure(
        "{% macro m() %}{% for x in [1] %}{{ fails() }}{% endfor %}{% endmacro %}{{ m() }}",
        &names,
    );
    assert_eq!(error.kind(), ErrorKind::Host);
    assert_eq!(error.to_string(), "foreign 7");
    assert_eq!(error.place().unwrap().to_string(), "models/a.sql:1:37");
    let source = error.into_source().unwrap();
    assert_eq!(source.downcast_ref::<Foreign>().unwrap().0, 7);
}

#[test]
fn arguments_are_checked() {
    let names = Dict::new();
    names.set_str(
        "f",
        Function::value("f", |call| {
            let name = call.required_str("name")?;
            let count = call.optional_int("count")?.unwrap_or(1);
            let loud = call.optional_bool("loud", false)?;
            call.finish()?;
            Ok(format!("{name}{count}{loud}").into())
        }),
    );
    let render = |text: &str| {
        let template = Template::parse("x", text).unwrap();
        Interpreter::new(Arc::new(Environment::new())).render(&template, &names)
    };
    assert_eq!(
        render("{{ f('a') }}{{ f('a', 2, true) }}{{ f(count=3, name='b') }}{{ f('c', loud=1) }}")
            .unwrap(),
        "a1falsea2trueb3falsec1true"
    );
    for (text, message) in [
        ("{{ f() }}", "f() missing required argument 'name'"),
        (
            "{{ f(1) }}",
            "f() argument 'name' must be a string, not int",
        ),
        (
            "{{ f('a', 'b') }}",
            "f() argument 'count' must be an integer, not str",
        ),
        (
            "{{ f('a', 1, 2, 3) }}",
            "f() takes 3 positional arguments but 4 were given",
        ),
        (
            "{{ f('a', name='b') }}",
            "f() got multiple values for argument 'name'",
        ),
        (
            "{{ f('a', other=1) }}",
            "f() got an unexpected keyword argument 'other'",
        ),
        ("{{ f(nope) }}", "'nope' is undefined"),
    ] {
        assert_eq!(render(text).unwrap_err().message(), message, "{text}");
    }
    let value = Interpreter::new(Arc::new(Environment::new()))
        .call(
            &names.get_str("f").unwrap(),
            Args::from_iter(["x"]).with("count", 5),
            &(),
        )
        .unwrap();
    assert_eq!(value, "x5false".into());
}
