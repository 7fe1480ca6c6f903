//! Random texts, always the same ones: none may panic, and every error has a place.

use std::sync::Arc;

use weir_jinja::{Environment, Error, Interpreter, Limits, Rendering, Template, UndefinedPolicy};

use crate::expectations::context;

/// A small generator of numbers that are as random as tests need.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

fn run(text: &str) {
    let mut environment = Environment::new();
    environment.limits = Limits {
        steps: 20_000,
        text_bytes: 200_000,
        items: 20_000,
        range: 2_000,
        ..Limits::default()
    };
    let environment = Arc::new(environment);
    let check = |error: Error| {
        let place = error
            .place()
            .unwrap_or_else(|| panic!("no place: {error:?}\n{text}"));
        assert!(place.line >= 1 && place.column >= 1, "{error:?}\n{text}");
    };
    match Template::parse("random", text) {
        Err(error) => check(error),
        Ok(template) => {
            for block in template.blocks() {
                assert!(
                    block
                        .span
                        .of(template.source())
                        .contains(template.body_of(block))
                );
            }
            for undefined in [UndefinedPolicy::Lenient, UndefinedPolicy::Chainable] {
                let rendering = Rendering {
                    undefined: Some(undefined),
                };
                if let Err(error) = Interpreter::new(Arc::clone(&environment)).render_native_with(
                    &template,
                    &context(),
                    rendering,
                ) {
                    check(error);
                }
            }
        }
    }
}

const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "-",
    "+",
    "*",
    "**",
    "/",
    "//",
    "%",
    "~",
    "|",
    ".",
    ",",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "=",
    "==",
    "!=",
    "<",
    ">",
    " ",
    "\n",
    "'",
    "\"",
    "\\",
    "if",
    "else",
    "elif",
    "endif",
    "for",
    "in",
    "endfor",
    "set",
    "endset",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "do",
    "is",
    "not",
    "and",
    "or",
    "raw",
    "endraw",
    "docs",
    "enddocs",
    "test",
    "endtest",
    "materialization",
    "endmaterialization",
    "snapshot",
    "endsnapshot",
    "filter",
    "endfilter",
    "with",
    "endwith",
    "break",
    "continue",
    "recursive",
    "loop",
    "caller",
    "varargs",
    "kwargs",
    "x",
    "xs",
    "d",
    "s",
    "n",
    "rows",
    "zz",
    "1",
    "2.5",
    "0",
    "-1",
    "'a'",
    "'%s'",
    "none",
    "true",
    "[1, 2]",
    "{'a': 1}",
    "(1, 2)",
    "é",
    "日",
    "\u{a0}",
    "\r\n",
    "\t",
    "upper",
    "map",
    "join",
    "sort",
    "list",
    "length",
    "default",
    "range(3)",
    "namespace",
    "return(1)",
    ".append(1)",
    ".items()",
    ".format(1)",
    ".split()",
    "defined",
    "odd",
    "tojson",
    "indent",
    "groupby",
];

#[test]
fn random_pieces() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..15_000 {
        let length = 1 + random.below(24);
        let text: String = (0..length)
            .map(|_| random.pick(PIECES))
            .collect::<Vec<_>>()
            .join(random.pick(&["", " "]));
        run(&text);
        run(&format!("{{{{ {text} }}}}"));
        run(&format!("{{% {text} %}}"));
    }
}

#[test]
fn changed_templates() {
    let templates: Vec<String> = include_str!("expectations.jsonl")
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["template"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..15_000 {
        let mut letters: Vec<char> = templates[random.below(templates.len())].chars().collect();
        for _ in 0..=random.below(3) {
            let at = random.below(letters.len() + 1);
            match random.below(3) {
                0 => drop(letters.splice(at..at, random.pick(PIECES).chars())),
                1 => drop(letters.splice(at..(at + 1 + random.below(4)).min(letters.len()), [])),
                _ => {
                    let other: Vec<char> =
                        templates[random.below(templates.len())].chars().collect();
                    letters.truncate(at);
                    letters.extend(&other[random.below(other.len() + 1)..]);
                }
            }
        }
        run(&letters.into_iter().collect::<String>());
    }
}

/// Random calls of every filter, test and method with random values.
#[test]
fn random_calls() {
    const VALUES: &[&str] = &[
        "none",
        "true",
        "0",
        "-1",
        "3",
        "9223372036854775807",
        "-9223372036854775808",
        "170141183460469231731687303715884105727",
        "2.5",
        "-0.0",
        "1e308",
        "('inf'|float)",
        "('nan'|float)",
        "''",
        "'a'",
        "'日本é'",
        "'%s %(a)d {} {0[a]:>5}'",
        "' a b\\n\\tc'",
        "[]",
        "[1, 'a']",
        "[[1, 2], [3]]",
        "()",
        "(1,)",
        "{}",
        "{'a': 1, 2: none}",
        "rows",
        "people",
        "zz",
        "range(4)",
        "xs|map('string')",
        "namespace(a=1)",
        "set([1, 2])",
        "d.items()",
        "s.upper",
        "cycler(1)",
        "'upper'",
        "'odd'",
        "'name'",
        "'a.b.0'",
        "',,'",
    ];
    const NAMES: &[&str] = &[
        "abs",
        "as_bool",
        "as_native",
        "as_number",
        "as_text",
        "attr",
        "batch",
        "capitalize",
        "center",
        "count",
        "default",
        "dictsort",
        "escape",
        "filesizeformat",
        "first",
        "float",
        "format",
        "groupby",
        "indent",
        "int",
        "items",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "pprint",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "select",
        "selectattr",
        "slice",
        "sort",
        "string",
        "striptags",
        "sum",
        "title",
        "tojson",
        "trim",
        "truncate",
        "unique",
        "upper",
        "urlencode",
        "wordcount",
        "wordwrap",
        "xmlattr",
    ];
    const TESTS: &[&str] = &[
        "boolean",
        "callable",
        "divisibleby",
        "eq",
        "even",
        "ge",
        "in",
        "iterable",
        "lower",
        "lt",
        "mapping",
        "odd",
        "sameas",
        "sequence",
        "string",
        "upper",
        "filter",
        "test",
    ];
    const METHODS: &[&str] = &[
        "capitalize",
        "center",
        "count",
        "endswith",
        "expandtabs",
        "find",
        "format",
        "format_map",
        "index",
        "isdigit",
        "istitle",
        "isprintable",
        "join",
        "ljust",
        "lstrip",
        "partition",
        "removeprefix",
        "replace",
        "rfind",
        "rpartition",
        "rsplit",
        "split",
        "splitlines",
        "startswith",
        "title",
        "zfill",
        "append",
        "clear",
        "copy",
        "extend",
        "insert",
        "pop",
        "remove",
        "reverse",
        "sort",
        "__setitem__",
        "__getitem__",
        "__delitem__",
        "get",
        "items",
        "keys",
        "popitem",
        "setdefault",
        "update",
        "values",
        "add",
        "difference",
        "discard",
        "intersection",
        "union",
        "issubset",
        "symmetric_difference",
        "is_integer",
        "bit_length",
        "next",
    ];
    const OPERATORS: &[&str] = &[
        "+", "-", "*", "/", "//", "%", "**", "~", "<", "<=", "==", "in", "not in", "and", "or",
    ];
    let mut random = Random(0xd1b5_4a32_d192_ed03);
    for _ in 0..12_000 {
        let mut arguments = |count: usize| {
            (0..count)
                .map(|_| *VALUES.get(random.below(VALUES.len())).unwrap())
                .collect::<Vec<_>>()
        };
        let (a, b, c, e) = {
            let v = arguments(4);
            (v[0], v[1], v[2], v[3])
        };
        let given = [
            "".to_owned(),
            b.to_owned(),
            format!("{b}, {c}"),
            format!("{b}, {c}, {e}"),
        ];
        let given = &given[random.below(4)];
        let text = match random.below(5) {
            0 => format!("{{{{ ({a})|{}({given}) }}}}", random.pick(NAMES)),
            1 => format!("{{{{ ({a}) is {}({given}) }}}}", random.pick(TESTS)),
            2 => format!("{{{{ ({a}).{}({given}) }}}}", random.pick(METHODS)),
            3 => format!("{{{{ ({a}) {} ({b}) }}}}", random.pick(OPERATORS)),
            _ => format!("{{{{ ({a})[{b}:{c}:{e}] }}}}{{{{ ({a})[{b}] }}}}"),
        };
        run(&text);
    }
}
