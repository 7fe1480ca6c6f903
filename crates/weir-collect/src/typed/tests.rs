use std::collections::{BTreeMap, HashMap};

use weir_core::{Seq, TableName};
use weir_lake::{ColumnKind, DedupKey, Placed, Seen, TableSpec, Value};

use super::*;
use crate::record::{Clock, Event, Kind, Protocol, Request, encode};

type Seen64 = (Seq, u64);
type Row = BTreeMap<String, String>;

/// Tables as plain maps, with the lake's rules for columns.
#[derive(Default)]
struct Memory {
    names: Vec<String>,
    kinds: Vec<Vec<(String, ColumnKind, bool)>>,
    rows: Vec<Vec<Row>>,
    open: HashMap<usize, Row>,
    seen: HashMap<(u32, Vec<u8>), Seen64>,
    /// Tables that have all rows already, as after a crash between two commits.
    committed: Vec<String>,
}

impl Sink for Memory {
    type Table = usize;
    type Column = usize;

    fn open(&mut self, name: &TableName, spec: &dyn Fn() -> TableSpec) -> usize {
        let name = name.to_string();
        if let Some(at) = self.names.iter().position(|n| *n == name) {
            return at;
        }
        self.names.push(name);
        let columns = spec()
            .columns
            .iter()
            .map(|c| (c.name.to_owned(), c.kind, c.fixed))
            .collect();
        self.kinds.push(columns);
        self.rows.push(Vec::new());
        self.names.len() - 1
    }

    fn has(&self, name: &TableName) -> bool {
        self.names.contains(&name.to_string())
    }

    fn count(&self, schema: &str) -> usize {
        let in_schema = |name: &&String| name.split_once('.').is_some_and(|(s, _)| s == schema);
        self.names.iter().filter(in_schema).count()
    }

    fn column(&mut self, table: usize, name: &str, kind: ColumnKind) -> Option<usize> {
        let columns = &mut self.kinds[table];
        if let Some(at) = columns.iter().position(|(n, ..)| n == name) {
            return Some(at);
        }
        if columns.len() >= 200 {
            return None;
        }
        columns.push((name.to_owned(), kind, false));
        Some(columns.len() - 1)
    }

    fn begin(&mut self, table: usize, _: Seq) -> bool {
        if self.committed.contains(&self.names[table]) {
            return false;
        }
        assert!(
            self.open.insert(table, Row::new()).is_none(),
            "a row is still open"
        );
        true
    }

    fn set(&mut self, table: usize, column: usize, value: Value<'_>) -> Placed {
        let (name, kind, fixed) = &mut self.kinds[table][column];
        let row = self.open.get_mut(&table).expect("a row is open");
        if row.contains_key(name) {
            return Placed::Refused("set_twice");
        }
        match kind.join(value.kind()) {
            Some(to) if !*fixed => *kind = to,
            Some(to) if to.data_type() == kind.data_type() => {}
            _ => return Placed::Refused("type_conflict"),
        }
        let shown = match value {
            Value::String(text) => text.to_owned(),
            Value::Timestamp(at, _) => format!("@{at}"),
            Value::Integer(v) => v.to_string(),
            Value::Float(v) => format!("{v}f"),
            Value::Boolean(v) => v.to_string(),
            Value::Binary(bytes) => format!("{bytes:?}"),
        };
        row.insert(name.clone(), shown);
        Placed::Kept
    }

    fn end(&mut self, table: usize) {
        let row = self.open.remove(&table).expect("a row is open");
        self.rows[table].push(row);
    }

    fn seen(&mut self, key: DedupKey<'_>) -> Seen {
        let known = self
            .seen
            .entry((key.scope, key.id.to_vec()))
            .or_insert((key.seq, key.payload));
        match *known {
            (first, _) if first == key.seq => Seen::New,
            (first, payload) if payload == key.payload => Seen::Same { first },
            (first, _) => Seen::Different { first },
        }
    }
}

impl Memory {
    fn table(&self, name: &str) -> &[Row] {
        self.names
            .iter()
            .position(|n| n == name)
            .map_or(&[], |at| &self.rows[at])
    }

    /// Returns a row without the columns every table has.
    fn own(&self, table: &str, row: usize) -> Vec<String> {
        let fixed = [
            "id",
            "received_at",
            "uuid_ts",
            "timestamp",
            "weir_seq",
            "user_id",
            "anonymous_id",
        ];
        self.table(table)[row]
            .iter()
            .filter(|(name, _)| !fixed.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    fn discards(&self) -> Vec<String> {
        self.table("shop.discards")
            .iter()
            .map(|row| {
                let of = |name: &str| row.get(name).cloned().unwrap_or_default();
                format!(
                    "{}.{} {:?} {}",
                    of("table_name"),
                    of("column_name"),
                    of("column_value"),
                    of("reason")
                )
            })
            .collect()
    }
}

fn apply(events: &[(Kind, &str, &str)], envelope: Option<&str>) -> Memory {
    apply_to(Memory::default(), events, envelope)
}

fn apply_to(mut memory: Memory, events: &[(Kind, &str, &str)], envelope: Option<&str>) -> Memory {
    let request = Request {
        source_id: 1,
        source: "shop",
        received_at: 1_000_000_000_000_000,
        protocol: Protocol::Batch,
        clock: Clock::Correct,
        sdk: "test/1",
        ip: "203.0.113.0",
        request_id: [7; 16],
        envelope,
        events: events
            .iter()
            .map(|&(kind, message_id, raw)| Event::Accepted {
                kind,
                message_id,
                generated: false,
                raw,
            })
            .collect(),
    };
    let counts = ApplyCounts::default();
    EventApply::new(counts).record(Seq(10), &encode(&request), &mut memory);
    memory
}

#[test]
fn a_track_lies_in_raw_tracks_and_its_own_table() {
    let raw = r#"{"type":"track","event":"Order Completed","userId":"u1","anonymousId":"a1",
        "sentAt":"2001-09-09T01:46:40Z","timestamp":"2001-09-09T01:46:30Z","channel":"web",
        "context":{"ip":"198.51.100.7","library":{"name":"l","version":"1"},"page":{"URLPath":"/x"}},
        "properties":{"total":10.0,"items":[ {"sku":"a"} ],"coupon":"","paid":true,"weight":1.5}}"#;
    let memory = apply(&[(Kind::Track, "m1", raw)], None);

    let context = [
        "channel=web",
        "context_ip=198.51.100.7",
        "context_library_name=l",
        "context_library_version=1",
        "context_page_url_path=/x",
        "context_passed_ip=198.51.100.7",
        "context_request_ip=203.0.113.0",
        "event=order_completed",
        "event_text=Order Completed",
    ];
    let times = [
        "original_timestamp=@999999990000000",
        "sent_at=@1000000000000000",
    ];
    let mut wanted: Vec<&str> = context.iter().chain(&times).copied().collect();
    wanted.sort_unstable();
    assert_eq!(memory.own("shop.tracks", 0), wanted);
    wanted.extend([
        "items=[{\"sku\":\"a\"}]",
        "paid=true",
        "total=10",
        "weight=1.5f",
    ]);
    wanted.sort_unstable();
    assert_eq!(memory.own("shop.order_completed", 0), wanted);
    let row = &memory.table("shop.tracks")[0];
    assert_eq!((row["id"].as_str(), row["weir_seq"].as_str()), ("m1", "10"));
    assert_eq!(
        (row["user_id"].as_str(), row["anonymous_id"].as_str()),
        ("u1", "a1")
    );
    assert_eq!(row["timestamp"], "@999999990000000");
    let raw_row = &memory.table("raw_shop.events")[0];
    assert_eq!(raw_row["raw"], raw);
    assert_eq!(raw_row["event"], "Order Completed");
    assert_eq!(raw_row["sdk"], "test/1");
    assert_eq!(memory.discards(), [""; 0]);
}

#[test]
fn every_kind_has_its_table() {
    let memory = apply(
        &[
            (
                Kind::Identify,
                "1",
                r#"{"userId":"u","traits":{"plan":"pro"},"context":{"traits":{"plan":"pro","age":3}}}"#,
            ),
            (
                Kind::Page,
                "2",
                r#"{"userId":"u","name":"Home","category":"c","properties":{"name":"Home","category":"c","url":"/"}}"#,
            ),
            (
                Kind::Page,
                "3",
                r#"{"userId":"u","properties":{"name":"Inner"}}"#,
            ),
            (
                Kind::Screen,
                "4",
                r#"{"userId":"u","name":"S","properties":{"name":"Other"}}"#,
            ),
            (
                Kind::Group,
                "5",
                r#"{"userId":"u","groupId":"g","traits":{"seats":3}}"#,
            ),
            (Kind::Alias, "6", r#"{"userId":"u","previousId":"p"}"#),
            (Kind::Merge, "7", r#"{"mergeProperties":[]}"#),
            (Kind::Webhook, "8", r#"{"id":"x","zen":"less"}"#),
        ],
        None,
    );
    let of = |table| -> Vec<String> {
        let own = memory.own(table, 0);
        own.into_iter()
            .filter(|c| !c.starts_with("context_request") && !c.starts_with("context_ip"))
            .collect()
    };
    assert_eq!(
        of("shop.identifies"),
        [
            "age=3",
            "context_traits_age=3",
            "context_traits_plan=pro",
            "plan=pro"
        ]
    );
    assert_eq!(of("shop.pages"), ["category=c", "name=Home", "url=/"]);
    assert_eq!(memory.table("shop.pages")[1]["name"], "Inner");
    assert_eq!(of("shop.screens"), ["name=S"]);
    assert_eq!(of("shop.groups"), ["group_id=g", "seats=3"]);
    assert_eq!(of("shop.aliases"), ["previous_id=p"]);
    assert_eq!(
        of("shop.webhook_source_event"),
        [
            "event=webhook_source_event",
            "event_text=webhook_source_event",
            "zen=less",
        ]
    );
    assert_eq!(memory.table("raw_shop.events").len(), 8);
    assert_eq!(
        memory.discards(),
        [
            "screens.name \"Other\" reserved_name",
            "webhook_source_event.id \"x\" reserved_name",
        ]
    );
}

#[test]
fn nothing_is_left_out_without_a_row_saying_so() {
    let raw = r#"{"event":"e","userId":"u\u0000v","timestamp":"yesterday",
        "properties":{"id":1,"fooBar":1,"foo_bar":2,"foo-bar":2,"Foo Bar":1,"$$":true,"half":"\ud800x","user_id":"z","nul":"a\u0000"}}"#;
    let memory = apply(&[(Kind::Track, "1", raw)], None);
    assert_eq!(
        memory.discards(),
        [
            "e.id \"1\" reserved_name",
            "e.foo_bar \"2\" name_collision",
            "e.foo_bar \"2\" name_collision",
            "e.$$ \"true\" no_name",
            "e.half \"\\\\ud800x\" lone_surrogate",
            "e.user_id \"z\" reserved_name",
            "e.nul \"a\\\\u0000\" nul_character",
            "e.user_id \"\\\"u\\\\u0000v\\\"\" nul_character",
            "e.timestamp \"\\\"yesterday\\\"\" bad_timestamp",
        ]
    );
    // A crash may fall between the commits of the two tables.
    let committed = vec!["shop.e".to_owned(), "shop.tracks".to_owned()];
    let again = Memory {
        committed,
        ..Memory::default()
    };
    let again = apply_to(again, &[(Kind::Track, "1", raw)], None);
    assert_eq!(
        (again.discards(), again.table("shop.e").len()),
        (memory.discards(), 0)
    );
    let row = &memory.table("shop.e")[0];
    assert_eq!(
        (row["half"].as_str(), row["nul"].as_str()),
        ("\u{fffd}x", "a")
    );
    assert_eq!(row["user_id"], "uv");
    assert_eq!(row["timestamp"], "@1000000000000000");
}

#[test]
fn the_envelope_gives_what_events_lack() {
    let envelope = r#"{"sentAt":"2001-09-09T01:46:40Z","context":{"app":{"name":"A"},"os":"x"}}"#;
    let memory = apply(
        &[
            (
                Kind::Track,
                "1",
                r#"{"event":"e","userId":"u","context":{"app":{"name":"B"}}}"#,
            ),
            (
                Kind::Track,
                "2",
                r#"{"event":"e","userId":"u","sentAt":"2001-09-09T01:46:41Z","timestamp":"2001-09-09T01:46:41Z"}"#,
            ),
        ],
        Some(envelope),
    );
    let rows = memory.table("shop.e");
    assert_eq!(
        (
            rows[0]["context_app_name"].as_str(),
            rows[0]["context_os"].as_str()
        ),
        ("B", "x")
    );
    assert_eq!(rows[0]["sent_at"], "@1000000000000000");
    assert_eq!(rows[1]["context_app_name"], "A");
    assert_eq!(rows[1]["sent_at"], "@1000000001000000");
    assert_eq!(rows[1]["timestamp"], "@1000000000000000");
    assert_eq!(memory.table("raw_shop.events")[0]["batch"], envelope);
    assert_eq!(memory.discards(), [""; 0]);
}

#[test]
fn duplicates_and_conflicts_are_kept_apart() {
    let memory = apply(
        &[
            (
                Kind::Track,
                "m",
                r#"{"event":"e","userId":"u","sentAt":"2001-09-09T01:46:40Z"}"#,
            ),
            (
                Kind::Track,
                "m",
                r#"{"event":"e","userId":"u","sentAt":"2001-09-09T01:47:40Z"}"#,
            ),
            (Kind::Track, "m", r#"{"event":"e","userId":"other"}"#),
        ],
        None,
    );
    assert_eq!(memory.table("shop.e").len(), 1);
    let duplicates = memory.table("raw_shop.duplicates");
    assert_eq!(duplicates[0]["payload"], "same");
    assert_eq!(duplicates[0].get("raw"), None);
    assert_eq!(duplicates[1]["payload"], "different");
    assert_eq!(duplicates[1]["first_seq"], "10");
    assert!(duplicates[1]["raw"].contains("other"));
}

#[test]
fn hostile_names_cost_no_rows_without_end() {
    let many: Vec<String> = (0..300)
        .map(|n| format!("\"$\\u00{:02x}{}\":1", 0x21 + n % 5, "!".repeat(n)))
        .collect();
    let raw = format!(
        r#"{{"event":"🎉","userId":"u","properties":{{{}}}}}"#,
        many.join(",")
    );
    let memory = apply(&[(Kind::Track, "1", &raw)], None);
    assert_eq!(memory.discards(), ["tracks.properties \"🎉\" no_name"]);
    let raw = raw.replace('🎉', "e");
    let memory = apply(&[(Kind::Track, "1", &raw)], None);
    assert_eq!(memory.discards().len(), 64);
    assert!(
        memory.discards()[63].contains("237 more values"),
        "{}",
        memory.discards()[63]
    );
    let wide: Vec<String> = (0..300).map(|n| format!("\"k{n}\":1")).collect();
    let raw = format!(
        r#"{{"event":"e","userId":"u","properties":{{{}}}}}"#,
        wide.join(",")
    );
    let memory = apply(&[(Kind::Track, "1", &raw)], None);
    assert!(memory.discards()[0].ends_with("too_many_columns"));
}

#[test]
fn raw_rows_give_the_same_typed_rows() {
    let events = [
        (
            Kind::Track,
            "1",
            r#"{"event":"Order","userId":"u","properties":{"a":1,"b":{"c":"2024-01-02"}},"sentAt":"2001-09-09T01:46:40Z","timestamp":"bad"}"#,
        ),
        (Kind::Identify, "2", r#"{"userId":"u","traits":{"a":1.5}}"#),
        (Kind::Webhook, "3", r#"{"x":[1, 2]}"#),
    ];
    let envelope = r#"{"context":{"os":"x"}}"#;
    let live = apply(&events, Some(envelope));
    let mut again = Memory::default();
    let mut typer = Typer::new();
    for row in live.table("raw_shop.events") {
        let at = |name: &str| {
            row.get(name)
                .map(|v| v.trim_start_matches('@').parse().unwrap())
        };
        let event = RawEvent {
            seq: Seq(row["weir_seq"].parse().unwrap()),
            message_id: &row["message_id"],
            kind: Kind::from_word(&row["type"]).unwrap(),
            received_at: at("received_at").unwrap(),
            sent_at: at("sent_at"),
            original_timestamp: at("original_timestamp"),
            timestamp: at("timestamp").unwrap(),
            ip: row.get("ip").map_or("", String::as_str),
            batch: row.get("batch").map(String::as_str),
            raw: &row["raw"],
        };
        typer.place("shop", &event, &mut again).unwrap();
    }
    for table in [
        "tracks",
        "_order",
        "identifies",
        "webhook_source_event",
        "discards",
    ] {
        let name = format!("shop.{table}");
        assert!(!live.table(&name).is_empty(), "{name}");
        assert_eq!(live.table(&name), again.table(&name), "{name}");
    }
}

#[test]
fn a_raw_row_that_is_no_event_is_told() {
    let mut memory = Memory::default();
    let event = RawEvent {
        seq: Seq(1),
        message_id: "m",
        kind: Kind::Track,
        received_at: 0,
        sent_at: None,
        original_timestamp: None,
        timestamp: 0,
        ip: "",
        batch: Some("{{{"),
        raw: "{\"event\":",
    };
    Typer::new().place("shop", &event, &mut memory).unwrap();
    assert!(memory.discards()[0].ends_with("malformed_json"));
}

#[test]
fn a_record_nobody_wrote_is_kept() {
    let mut memory = Memory::default();
    let counts = ApplyCounts::default();
    EventApply::new(counts.clone()).record(Seq(3), b"\xC1garbage", &mut memory);
    assert_eq!(
        memory.table("raw_weir.quarantine")[0]["reason"],
        "undecodable_record"
    );
    assert_eq!(counts.undecodable(), 1);
}
