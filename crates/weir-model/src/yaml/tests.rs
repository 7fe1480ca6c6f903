//! Reading YAML, hostile YAML included.

use serde_json::json;

use super::read;

fn json_of(text: &str) -> serde_json::Value {
    read("a.yml", text).expect("is YAML").root.to_json()
}

#[test]
fn merge_keys_lie_below_what_is_written() {
    let text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 9\n";
    assert_eq!(json_of(text)["c"], json!({ "y": 2, "z": 4, "x": 9 }));
}

#[test]
fn the_last_of_two_equal_keys_counts_and_is_warned_of() {
    let read = read("a.yml", "a: 1\nb: 2\na: 3\n").expect("is YAML");
    assert_eq!(read.root.to_json(), json!({ "a": 3, "b": 2 }));
    assert_eq!(read.warnings[0].place().map(|place| place.line), Some(3));
}

#[test]
fn bombs_depths_and_tabs_are_told_with_their_place() {
    let mut bomb = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
    for level in 1..9 {
        let below = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(","));
    }
    assert!(
        read("a.yml", &bomb)
            .expect_err("is a bomb")
            .message()
            .contains("aliases repeat")
    );

    let deep = "[".repeat(5000);
    read("a.yml", &deep).expect_err("is too deep");
    let deep: String = (0..300)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    assert!(
        read("a.yml", &deep)
            .expect_err("is too deep")
            .message()
            .contains("deeper")
    );

    let error = read("a.yml", "a:\n\tb: 1\n").expect_err("has a tab");
    assert!(
        error.hint_text().is_some_and(|hint| hint.contains("tabs")),
        "{}",
        error.report()
    );
    let place_of = |text: &str| {
        let error = read("a.yml", text).expect_err("has a tab");
        let hint = error.hint_text().unwrap_or_default();
        assert!(hint.contains("indent by spaces"), "{}", error.report());
        error.place().map(|place| (place.line, place.column))
    };
    assert_eq!(place_of("a:\n\tb: 1\n"), Some((2, 1)));
    let text = "models:\n  - name: base\n\tdescription: x\n";
    assert_eq!(place_of(text), Some((3, 1)));
    let text = "models:\n  - name: base\n  \tdescription: x\n";
    assert_eq!(place_of(text), Some((3, 3)));
    let text = "models:\n  - name: base\n    description: a\n      b\n      c\n\tcolumns: []\n";
    assert_eq!(place_of(text), Some((6, 1)));

    read("a.yml", "a: &a [*a]\n").expect_err("never ends");
    read("a.yml", "a: 1\n---\nb: 2\n").expect_err("has two documents");
}

#[test]
fn blocks_end_as_the_file_does() {
    assert_eq!(json_of("a: |\n  x\n"), json!({ "a": "x\n" }));
    assert_eq!(json_of("a: |\n  x"), json!({ "a": "x" }));
    assert_eq!(
        json_of("a: >\n  x\n  y\nb: |\n  é"),
        json!({ "a": "x y\n", "b": "é" })
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        text in "(\\PC|[-:{}&*!|>'\"#%@a-z0-9<~ \n\t,.\\[\\]]){0,120}"
    ) {
        if let Err(error) = read("a.yml", &text) {
            proptest::prop_assert!(!error.report().is_empty());
        }
    }

    #[test]
    fn any_scalar_is_resolved(text in "[-+0-9_.:eExbTZn~a-f ]{0,24}") {
        let _ = read("a.yml", &format!("a: {text}"));
        let _ = read("a.yml", &format!("a: !!int {text}"));
        let _ = read("a.yml", &format!("a: !!timestamp {text}"));
    }
}

#[test]
fn a_template_without_quotes_is_explained() {
    let error = read("a.yml", "a: {{ var('x') }}\n").expect_err("is a mapping as a key");
    assert!(
        error.hint_text().is_some_and(|hint| hint.contains("quote")),
        "{}",
        error.report()
    );
}
