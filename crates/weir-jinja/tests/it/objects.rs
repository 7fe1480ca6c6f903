//! Objects of the host's, and values between Rust, JSON and templates.

use std::{any::Any, sync::Arc};

use weir_jinja::{Call, Dict, Environment, Interpreter, Object, Result, Set, Template, Value};

/// A relation as a host would give it.
#[derive(Debug)]
struct Relation {
    schema: &'static str,
    name: &'static str,
}

impl Object for Relation {
    fn type_name(&self) -> &str {
        "Relation"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "schema" => Some(self.schema.into()),
            "name" | "identifier" => Some(self.name.into()),
            _ => None,
        })
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        match name {
            "include" => {
                let schema = call.named("schema").is_none_or(|value| value.is_true());
                call.finish()?;
                Ok(Some(Value::object(Self {
                    schema: if schema { self.schema } else { "" },
                    name: self.name,
                })))
            }
            _ => Ok(None),
        }
    }

    fn methods(&self) -> &[&str] {
        &["include"]
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        Ok((key.as_str() == Some("path")).then(|| self.to_str().into()))
    }

    fn to_str(&self) -> String {
        if self.schema.is_empty() {
            format!("\"{}\"", self.name)
        } else {
            format!("\"{}\".\"{}\"", self.schema, self.name)
        }
    }

    fn equals(&self, other: &Value) -> bool {
        other
            .as_object::<Self>()
            .is_some_and(|other| self.to_str() == other.to_str())
    }

    fn hash(&self) -> Option<u64> {
        Some(self.name.len() as u64)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn render(text: &str, names: &Dict) -> String {
    let template = Template::parse("x", text).unwrap();
    Interpreter::new(Arc::new(Environment::new()))
        .render(&template, names)
        .unwrap()
}

#[test]
fn objects_answer_templates() {
    let names = Dict::new();
    names.set_str(
        "this",
        Value::object(Relation {
            schema: "main",
            name: "orders",
        }),
    );
    names.set_str(
        "other",
        Value::object(Relation {
            schema: "main",
            name: "orders",
        }),
    );
    for (text, wanted) in [
        ("{{ this }}", "\"main\".\"orders\""),
        (
            "{{ this.schema }}{{ this['identifier'] }}{{ this.path }}{{ this['path'] }}",
            "mainorders\"main\".\"orders\"\"main\".\"orders\"",
        ),
        ("{{ this.include(schema=false) }}", "\"orders\""),
        (
            "{{ this.nope is undefined }}{{ this is defined }}{{ this is callable }}{{ 1 if this else 2 }}",
            "TrueTrueFalse1",
        ),
        (
            "{{ this == other }}{{ this is sameas other }}{{ this in [other] }}{{ {this: 1}[other] }}",
            "TrueFalseTrue1",
        ),
        (
            "{% set f = this.include %}{{ f(schema=false) }}{{ [this]|map('string')|list|length }}",
            "\"orders\"1",
        ),
        (
            "{{ [this, other]|map(attribute='name')|unique|join }}{{ [this]|selectattr('schema', 'eq', 'main')|list|length }}",
            "orders1",
        ),
        (
            "{{ 'select * from ' ~ this }}{{ ' %s' % this }}",
            "select * from \"main\".\"orders\" \"main\".\"orders\"",
        ),
        ("{{ this|string|upper }}", "\"MAIN\".\"ORDERS\""),
    ] {
        assert_eq!(render(text, &names), wanted, "{text}");
    }
}

#[test]
fn filters_tests_and_globals_can_be_added() {
    let mut environment = Environment::new();
    environment.add_filter("shout", |call| {
        Ok(format!("{}!", call.required("value")?).into())
    });
    environment.add_filter("upper", |call| {
        call.required("value")?;
        Ok("replaced".into())
    });
    environment.add_test("answer", |call| {
        Ok((call.required("value")? == 42.into()).into())
    });
    environment.add_global("project", "weir");
    let template = Template::parse("x", "{{ 'a'|shout }}{{ 'a'|upper }}{{ 42 is answer }}{{ project }}{{ ['b']|map('shout')|join }}").unwrap();
    assert_eq!(
        Interpreter::new(Arc::new(environment))
            .render(&template, &())
            .unwrap(),
        "a!replacedTrueweirb!"
    );
}

#[test]
fn json_goes_both_ways() {
    let json = serde_json::json!({"a": [1, 2.5, null, true, "x"], "b": {"c": [], "d": {}}, "big": 18446744073709551615_u64});
    let value = Value::from(&json);
    assert_eq!(value.to_json().unwrap(), json);
    assert_eq!(
        value.repr(),
        "{'a': [1, 2.5, None, True, 'x'], 'b': {'c': [], 'd': {}}, 'big': 18446744073709551615}"
    );
    assert_eq!(
        value.to_json_text(None, false).unwrap(),
        r#"{"a": [1, 2.5, null, true, "x"], "b": {"c": [], "d": {}}, "big": 18446744073709551615}"#
    );
    assert!(Value::undefined("x").to_json().is_err());
    let list = weir_jinja::List::default();
    list.push(Value::List(list.clone()));
    assert!(Value::List(list).to_json().is_err());
}

#[test]
fn sets_work_like_pythons() {
    let names = Dict::new();
    names.set_str(
        "odd",
        Value::Set(Set::new([1.into(), 3.into(), 5.into()]).unwrap()),
    );
    for (text, wanted) in [
        (
            "{{ odd }}{{ odd|length }}{{ 3 in odd }}{{ set() }}",
            "{1, 3, 5}3True{}".replace("{}", "set()").as_str(),
        ),
        (
            "{{ set([1, 2, 2, 1.0]) }}{{ set('aba')|list }}",
            "{1, 2}['a', 'b']",
        ),
        (
            "{{ odd.union([7]) }}{{ odd.intersection([1, 2]) }}{{ odd.difference([1]) }}{{ odd - set([3]) }}",
            "{1, 3, 5, 7}{1}{3, 5}{1, 5}",
        ),
        (
            "{{ odd.symmetric_difference([5, 6]) }}{{ odd.issubset([1, 3, 5, 7]) }}{{ odd == set([5, 3, 1]) }}{{ odd < set([1, 3, 5, 7]) }}",
            "{1, 3, 6}TrueTrueTrue",
        ),
        (
            "{% set s = set() %}{% do s.add(1) %}{% do s.add(1) %}{% do s.update([2]) %}{% do s.discard(9) %}{% do s.remove(1) %}{{ s }}",
            "{2}",
        ),
    ] {
        assert_eq!(render(text, &names), wanted, "{text}");
    }
}

#[test]
fn values_compare_as_in_python() {
    assert_eq!(Value::from(1), Value::from(1.0));
    assert_eq!(Value::from(true), Value::from(1));
    assert_ne!(Value::from("1"), Value::from(1));
    assert_eq!(Value::from(vec![1, 2]), Value::list([1.0, 2.0]));
    assert_ne!(Value::list([1]), Value::tuple([1]));
    let dict = Dict::new();
    dict.set(1.into(), "a").unwrap();
    dict.set(1.0.into(), "b").unwrap();
    assert_eq!(Value::Dict(dict.clone()).repr(), "{1: 'b'}");
    assert!(dict.set(Value::list([1]), 1).is_err());
}
