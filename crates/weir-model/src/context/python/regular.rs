use regex::{Captures, Regex, RegexBuilder};
use weir_jinja::{Call, Error, ErrorKind, Function, Object, Result, Value};

/// Makes `modules.re`.
pub(super) fn module() -> Value {
    let flags = [("IGNORECASE", 2), ("I", 2), ("MULTILINE", 8), ("M", 8), ("DOTALL", 16), ("S", 16)];
    let functions = ["sub", "match", "search", "fullmatch", "findall", "split", "compile", "escape"];
    let entries = functions.into_iter().map(|name| {
        (name, Function::value(name, move |call: &mut Call<'_>| {
            if name == "escape" {
                return Ok(Value::str(regex::escape(&call.required("pattern")?.to_str())));
            }
            let pattern = call.required("pattern")?;
            if let Some(pattern) = pattern.as_object::<Pattern>() {
                return pattern.apply(name, call);
            }
            let flags = call.named("flags").and_then(|flags| flags.as_int()).unwrap_or(0);
            let pattern = Pattern::new(&pattern.to_str(), flags)?;
            if name == "compile" { Ok(Value::object(pattern)) } else { pattern.apply(name, call) }
        }))
    });
    Value::dict(entries.chain(flags.into_iter().map(|(name, flag)| (name, Value::Int(flag)))))
}

#[derive(Debug)]
struct Pattern(Regex);

impl Pattern {
    fn new(pattern: &str, flags: i64) -> Result<Self> {
        RegexBuilder::new(pattern)
            .case_insensitive(flags & 2 != 0)
            .multi_line(flags & 8 != 0)
            .dot_matches_new_line(flags & 16 != 0)
            .size_limit(1 << 22)
            .build()
            .map(Self)
            .map_err(|error| {
                Error::new(ErrorKind::Value, format!("the regular expression cannot be used: {error}"))
                    .with_hint("look-around and back-references are not known here")
            })
    }

    fn apply(&self, name: &str, call: &mut Call<'_>) -> Result<Value> {
        if name == "sub" {
            let replacement = call.required("repl")?;
            let text = call.required("string")?.to_str();
            let count = call.optional_int("count")?.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
            return self.replaced(&replacement, &text, count, call);
        }
        let text = call.required("string")?.to_str();
        let whole = |found: &Captures<'_>| found.get(0).map(|found| found.range()).unwrap_or_default();
        Ok(match name {
            "findall" => Value::list(self.0.captures_iter(&text).map(|found| match found.len() {
                1 => group(&found, 0),
                2 => group(&found, 1),
                groups => Value::tuple((1..groups).map(|at| group(&found, at))),
            })),
            "split" => Value::list(self.0.split(&text).map(Value::str)),
            _ => {
                let found = self.0.captures(&text).filter(|found| match name {
                    "match" => whole(found).start == 0,
                    "fullmatch" => whole(found) == (0..text.len()),
                    _ => true,
                });
                found.map_or(Value::None, |found| Value::object(Match::new(&found, &self.0)))
            }
        })
    }

    fn replaced(&self, replacement: &Value, text: &str, count: usize, call: &mut Call<'_>) -> Result<Value> {
        let mut out = String::new();
        let mut end = 0;
        for (at, found) in self.0.captures_iter(text).enumerate() {
            if count > 0 && at >= count {
                break;
            }
            let Some(whole) = found.get(0) else { continue };
            out.push_str(&text[end..whole.start()]);
            if replacement.is_callable() {
                let found = Value::object(Match::new(&found, &self.0));
                out.push_str(&call.call(replacement, [found].into_iter().collect())?.to_str());
            } else {
                out.push_str(&expanded(&replacement.to_str(), &found));
            }
            end = whole.end();
        }
        out.push_str(&text[end..]);
        Ok(Value::str(out))
    }
}

/// Puts groups in the places of `\1` and `\g<name>`.
fn expanded(template: &str, found: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix("g<") {
            let (name, after) = after.split_once('>').unwrap_or((after, ""));
            let group = name.parse().map_or_else(|_| found.name(name), |number: usize| found.get(number));
            out.push_str(group.map_or("", |group| group.as_str()));
            rest = after;
        } else if let Some(digit) = rest.chars().next().and_then(|c| c.to_digit(10)) {
            out.push_str(found.get(digit as usize).map_or("", |group| group.as_str()));
            rest = &rest[1..];
        } else {
            let escaped = rest.chars().next();
            out.push_str(&match escaped {
                Some('n') => "\n".to_owned(),
                Some('t') => "\t".to_owned(),
                Some('\\') | None => "\\".to_owned(),
                Some(other) => format!("\\{other}"),
            });
            rest = &rest[escaped.map_or(0, char::len_utf8)..];
        }
    }
    out.push_str(rest);
    out
}

fn group(found: &Captures<'_>, at: usize) -> Value {
    found.get(at).map_or(Value::None, |found| Value::str(found.as_str()))
}

impl Object for Pattern {
    fn type_name(&self) -> &str {
        "Pattern"
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        match name {
            "sub" | "match" | "search" | "fullmatch" | "findall" | "split" => self.apply(name, call).map(Some),
            _ => Ok(None),
        }
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[derive(Debug)]
struct Match {
    groups: Vec<(Option<String>, Value)>,
    start: usize,
    end: usize,
}

impl Match {
    fn new(found: &Captures<'_>, pattern: &Regex) -> Self {
        let whole = found.get(0).map(|found| found.range()).unwrap_or_default();
        let names = pattern.capture_names().enumerate();
        Self {
            groups: names.map(|(at, name)| (name.map(str::to_owned), group(found, at))).collect(),
            start: whole.start,
            end: whole.end,
        }
    }

    fn group(&self, key: &Value) -> Value {
        let found = match key.as_str() {
            Some(name) => self.groups.iter().find(|(known, _)| known.as_deref() == Some(name)),
            None => key.as_int().and_then(|at| self.groups.get(usize::try_from(at).ok()?)),
        };
        found.map_or(Value::None, |(_, value)| value.clone())
    }
}

impl Object for Match {
    fn type_name(&self) -> &str {
        "Match"
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        Ok(Some(self.group(key)))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let number = |at: usize| Value::Int(i64::try_from(at).unwrap_or(i64::MAX));
        Ok(Some(match name {
            "group" => {
                let key = call.optional("group")?.unwrap_or(Value::Int(0));
                self.group(&key)
            }
            "groups" => Value::tuple(self.groups.iter().skip(1).map(|(_, value)| value.clone())),
            "groupdict" => Value::dict(
                self.groups.iter().filter_map(|(name, value)| Some((name.as_deref()?, value.clone()))),
            ),
            "start" => number(self.start),
            "end" => number(self.end),
            "span" => Value::tuple([number(self.start), number(self.end)]),
            _ => return Ok(None),
        }))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
