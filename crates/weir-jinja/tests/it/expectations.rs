//! The cases of `expectations.jsonl`, which `tests/expectations.py` computed with Jinja2 3.1.6.

use std::sync::Arc;

use weir_jinja::{Dict, Environment, Error, ErrorKind, Interpreter, Template, Value};

/// What the generator calls `CONTEXT`.
pub(crate) fn context() -> Dict {
    let json = serde_json::json!({
        "d": {"a": 1, "b": 2},
        "xs": [1, 2, 3],
        "s": "Hello",
        "n": null,
        "rows": [{"k": "x", "v": 1}, {"k": "y", "v": 2}],
        "words": ["banana", "Apple", "cherry", "apple"],
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
    });
    let Value::Dict(context) = Value::from(json) else {
        panic!("an object is a dictionary")
    };
    let list = Value::list([
        Value::from(1),
        Value::list([2, 3]),
        Value::dict([("k", Value::tuple([4, 5]))]),
    ]);
    context.set_str(
        "nested",
        Value::dict([("list", list), ("none", Value::None), ("flag", true.into())]),
    );
    context
}

pub(crate) fn render(template: &str) -> Result<String, Error> {
    let template = Template::parse("case", template)?;
    Interpreter::new(Arc::new(Environment::new())).render(&template, &context())
}

/// The kinds of errors that a Python exception may be here.
fn kinds(exception: &str) -> &'static [ErrorKind] {
    match exception {
        "UndefinedError" => &[ErrorKind::Undefined],
        // A value that is not there is told as such also where Python speaks of its type.
        "TypeError" => &[ErrorKind::Type, ErrorKind::Undefined],
        "ValueError" | "AssertionError" => &[ErrorKind::Value],
        "KeyError" => &[ErrorKind::Key],
        "IndexError" => &[ErrorKind::Index],
        "AttributeError" => &[ErrorKind::Attribute, ErrorKind::Type],
        "RuntimeError" => &[ErrorKind::Type],
        "ZeroDivisionError" => &[ErrorKind::ZeroDivision],
        "TemplateSyntaxError" => &[ErrorKind::Syntax, ErrorKind::Unsupported],
        "SyntaxError" => &[ErrorKind::Syntax],
        "TemplateAssertionError" | "TemplateRuntimeError" | "FilterArgumentError" => &[
            ErrorKind::Unsupported,
            ErrorKind::Type,
            ErrorKind::Undefined,
        ],
        "OverflowError" => &[ErrorKind::Overflow],
        _ => &[],
    }
}

#[test]
fn templates_give_what_jinja2_gives() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("expectations.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let template = case["template"].as_str().unwrap();
        count += 1;
        match (
            render(template),
            case["gives"].as_str(),
            case["fails"].as_str(),
        ) {
            (Ok(got), Some(wanted), _) if got == wanted => {}
            (Ok(got), Some(wanted), _) => {
                wrong.push(format!("{template}\n   gives {got:?}\n  wanted {wanted:?}"));
            }
            (Err(error), Some(wanted), _) => {
                wrong.push(format!(
                    "{template}\n   fails {error:?}\n  wanted {wanted:?}"
                ));
            }
            (Ok(got), None, _) => {
                wrong.push(format!("{template}\n   gives {got:?}\n  wanted {case}"))
            }
            (Err(error), None, Some(exception)) => {
                if !kinds(exception).contains(&error.kind()) {
                    wrong.push(format!("{template}\n   fails {error:?}\n  wanted {case}"));
                }
                assert!(error.place().is_some(), "{template}: no place in {error:?}");
            }
            (Err(_), None, None) => panic!("a case expects neither a text nor an error: {line}"),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
