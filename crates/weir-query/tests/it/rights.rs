//! Who may do what: every role with every kind of statement, and every way around the guard.

use std::net::IpAddr;

use futures::StreamExt;
use serde_json::json;
use weir_access::{Identity, Scope};
use weir_catalog::{Actor, NewToken, NewUser};
use weir_query::{Caller, QueryError, QueryErrorKind, QueryRequest};

use crate::fixture::Fixture;

const PASSWORD: &str = "correct horse battery";
const ROLES: [&str; 6] = ["owner", "admin", "engineer", "analyst", "viewer", "service"];
const DOORS: [&str; 2] = ["http", "postgres"];

struct House {
    fixture: Fixture,
}

impl House {
    /// A lake with a table in every kind of schema, and a user for every role, called as the role
    /// with `_1` behind it.
    async fn new() -> Self {
        let fixture = Fixture::filled().await;
        let house = Self { fixture };
        for sql in [
            "CREATE TABLE main.modelled (a INT)",
            "INSERT INTO main.modelled VALUES (1), (2)",
            "CREATE SCHEMA team",
            "CREATE TABLE team.t (a INT)",
            "CREATE SCHEMA mart_sales",
            "CREATE TABLE mart_sales.daily (a INT)",
        ] {
            house.owner(sql).await;
        }
        for role in ROLES {
            house.user(&format!("{role}_1"), &[role]).await;
        }
        house.user("eve", &["analyst"]).await;
        house
            .owner("CREATE TABLE eve.secret AS SELECT 42 AS answer")
            .await;
        house
    }

    async fn user(&self, name: &str, roles: &[&str]) -> Identity {
        let new = NewUser {
            name: name.to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            password: Some(PASSWORD.to_owned()),
        };
        let catalog = &self.fixture.catalog;
        catalog.create_user(&Actor::local(), new).await.unwrap();
        catalog.access().identity(name).unwrap()
    }

    fn caller(&self, user: &str, door: &'static str) -> Caller {
        let address: IpAddr = "10.0.0.1".parse().unwrap();
        let identity = self.fixture.catalog.access().identity(user);
        Caller::new(identity.unwrap_or_else(|| panic!("no user {user}")), door).from(address)
    }

    async fn ask(&self, user: &str, sql: &str) -> Result<Vec<Vec<String>>, QueryError> {
        let request = QueryRequest::new(sql, self.caller(user, "http"));
        self.fixture.ask(request).await
    }

    /// Asks for text and joins it, for looking something up in it.
    async fn text(&self, user: &str, sql: &str) -> String {
        let rows = self.ask(user, sql).await;
        let rows = rows.unwrap_or_else(|error| panic!("{user}: {sql}: {error}"));
        rows.concat().join(" ")
    }

    async fn owner(&self, sql: &str) -> Vec<Vec<String>> {
        let rows = self.fixture.rows(sql).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

/// What a statement comes to: allowed, denied by name, answered as if nothing were there, or refused
/// to everybody alike because nobody writes there.
fn outcome(result: &Result<Vec<Vec<String>>, QueryError>) -> char {
    match result {
        Ok(_) => 'a',
        Err(error) => match error.sqlstate() {
            "42501" => 'd',
            "42P01" | "3F000" => 'h',
            "25006" => 'r',
            // Something else went wrong: the matrix shows what.
            _ => '?',
        },
    }
}

/// Statements, and what they come to for owner, admin, engineer, analyst, viewer, service. `{n}` is
/// another number each time, `{own}` the schema of whoever asks.
const MATRIX: &[(&str, &str)] = &[
    // Unaltered events.
    ("SELECT * FROM raw_shop.events", "aaadhh"),
    ("SELECT count(*) FROM raw_shop.events", "aaadhh"),
    ("SELECT max(received_at) FROM raw_shop.events", "aaadhh"),
    (
        "SELECT * FROM raw_shop.events FOR VERSION AS OF 0",
        "aaadhh",
    ),
    (
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM raw_shop.events)",
        "aaadhh",
    ),
    (
        "SELECT (SELECT max(message_id) FROM raw_shop.events)",
        "aaadhh",
    ),
    (
        "WITH e AS (SELECT * FROM raw_shop.events) SELECT 1",
        "aaadhh",
    ),
    (
        "SELECT a FROM main.modelled UNION ALL SELECT 1 FROM raw_shop.events",
        "aaadhh",
    ),
    (
        "SELECT 1 FROM main.modelled m JOIN LATERAL (SELECT 1 FROM raw_shop.events) e ON true",
        "aaadhh",
    ),
    ("EXPLAIN SELECT * FROM raw_shop.events", "aaadhh"),
    ("EXPLAIN ANALYZE SELECT * FROM raw_shop.events", "aaadhh"),
    ("DESCRIBE raw_shop.events", "aaadhh"),
    (
        "INSERT INTO raw_shop.events (message_id) VALUES ('x')",
        "rrrrrr",
    ),
    ("DELETE FROM raw_shop.events", "rrrrrr"),
    ("DROP TABLE raw_shop.events", "rrrrrr"),
    // What a source fills.
    ("SELECT * FROM shop.orders", "aaaahh"),
    ("SELECT * FROM shop.orders FOR VERSION AS OF 0", "aaaahh"),
    ("SELECT * FROM shop.users", "aaaahh"),
    ("UPDATE shop.orders SET amount = 0", "rrrrrr"),
    ("TRUNCATE shop.orders", "rrrrrr"),
    // Modelled tables.
    ("SELECT * FROM main.modelled", "aaaaah"),
    ("SELECT * FROM modelled", "aaaaah"),
    ("SELECT * FROM mart_sales.daily", "aaaaah"),
    ("SELECT * FROM team.t", "aaaahh"),
    ("INSERT INTO main.modelled VALUES (3)", "aaaddh"),
    ("UPDATE main.modelled SET a = 3 WHERE a = 3", "aaaddh"),
    ("DELETE FROM main.modelled WHERE a = 3", "aaaddh"),
    (
        "INSERT INTO main.modelled SELECT 1 FROM raw_shop.events",
        "aaaddh",
    ),
    (
        "INSERT INTO {own}.own_{n} SELECT 1 FROM raw_shop.events",
        "aaadhh",
    ),
    ("CREATE TABLE main.new_{n} AS SELECT 1 AS a", "aaaddh"),
    ("CREATE VIEW main.view_{n} AS SELECT 1 AS a", "aaaddh"),
    ("DROP TABLE main.drop_{n}", "aaaddh"),
    ("ALTER TABLE main.drop_{n} ADD COLUMN b INT", "aaaddh"),
    ("CREATE SCHEMA new_{n}", "aaaddd"),
    // Somebody's own.
    ("SELECT * FROM eve.secret", "aahhhh"),
    ("SELECT * FROM eve.secret FOR VERSION AS OF 0", "aahhhh"),
    ("INSERT INTO eve.secret VALUES (1)", "aahhhh"),
    ("CREATE TABLE eve.new_{n} AS SELECT 1 AS a", "aahhhh"),
    ("CREATE TABLE {own}.new_{n} AS SELECT 1 AS a", "aaaaaa"),
    ("DROP TABLE {own}.own_{n}", "aaaaaa"),
    ("DROP SCHEMA {own} CASCADE", "dddddd"),
    // Rights.
    ("GRANT SELECT ON main.modelled TO eve", "aadddh"),
    ("GRANT SELECT ON {own}.own_{n} TO eve", "aaaaaa"),
    ("GRANT SELECT ON SCHEMA raw_shop TO {user}", "aaddhh"),
    ("CREATE USER new_{n}_x", "aadddd"),
    ("CREATE ROLE role_{n}", "aadddd"),
    ("GRANT analyst TO eve", "aadddd"),
    ("REVOKE viewer FROM eve", "aadddd"),
    ("DROP USER IF EXISTS nobody", "aadddd"),
    ("ALTER USER eve PASSWORD 'another long one'", "aadddd"),
    ("ALTER USER owner PASSWORD 'another long one'", "addddd"),
    ("GRANT owner TO {user}", "addddd"),
    (
        "ALTER USER {user} PASSWORD 'correct horse battery'",
        "aaaaaa",
    ),
    // What everybody may look at: the rows are each one's own.
    ("SELECT * FROM weir.tables", "aaaaaa"),
    ("SELECT * FROM weir.event_fate", "aaaaaa"),
    ("SELECT * FROM weir.audit", "aaaaaa"),
    ("SELECT * FROM information_schema.columns", "aaaaaa"),
    ("SELECT * FROM pg_catalog.pg_class", "aaaaaa"),
    ("INSERT INTO weir.users VALUES ('x')", "rrrrrr"),
    ("DELETE FROM weir.audit", "rrrrrr"),
];

#[tokio::test]
async fn every_role_with_every_kind_of_statement() {
    let house = House::new().await;
    let mut wrong = Vec::new();
    let mut n = 0;
    for (template, expected) in MATRIX {
        let expected: Vec<char> = expected.chars().filter(|c| *c != ' ').collect();
        for (role, wanted) in ROLES.iter().zip(&expected) {
            for door in DOORS {
                n += 1;
                let user = format!("{role}_1");
                if template.contains("main.drop_{n}") {
                    house
                        .owner(&format!("CREATE TABLE main.drop_{n} (a INT)"))
                        .await;
                }
                if template.contains("{own}.own_{n}") {
                    house
                        .owner(&format!("CREATE TABLE {user}.own_{n} (a INT)"))
                        .await;
                }
                let sql = template
                    .replace("{n}", &n.to_string())
                    .replace("{own}", &user)
                    .replace("{user}", &user);
                let request = QueryRequest::new(&sql, house.caller(&user, door));
                let got = house.fixture.ask(request).await;
                let came_to = outcome(&got);
                if came_to != *wanted {
                    let error = got.err().map(|error| error.to_string()).unwrap_or_default();
                    wrong.push(format!(
                        "{role} by {door}: {sql}: {came_to}, not {wanted}: {error}"
                    ));
                }
                // What a statement gave, the next must not rest on.
                if template.starts_with("GRANT") && came_to == 'a' {
                    house
                        .owner("REVOKE ALL ON SCHEMA raw_shop FROM admin_1")
                        .await;
                    house
                        .owner("REVOKE ALL ON SCHEMA raw_shop FROM owner_1")
                        .await;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a word is in a text, as a word of its own.
fn says(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|other| other == word)
}

#[tokio::test]
async fn listings_show_what_may_be_read() {
    let house = House::new().await;
    let lists = [
        "SHOW TABLES",
        "SHOW SCHEMAS",
        "SELECT table_schema, table_name FROM information_schema.tables",
        "SELECT table_schema, table_name, column_name FROM information_schema.columns",
        "SELECT schema_name FROM information_schema.schemata",
        "SELECT table_schema, table_name, definition FROM information_schema.views",
        "SELECT schema_name, table_name FROM weir.tables",
        "SELECT schema_name, table_name FROM weir.commits",
        "SELECT relname FROM pg_catalog.pg_class",
        "SELECT nspname FROM pg_catalog.pg_namespace",
        "SELECT attname FROM pg_catalog.pg_attribute",
        "SELECT schemaname, tablename FROM pg_catalog.pg_tables",
        "SELECT name FROM weir.sources",
        "SELECT source, fate, message_id FROM weir.event_fate",
    ];
    for sql in lists {
        let seen = house.text("viewer_1", sql).await;
        for hidden in [
            "raw_shop",
            "orders",
            "secret",
            "eve",
            "shop",
            "m1",
            "quarantine",
        ] {
            assert!(!says(&seen, hidden), "viewer: {sql} shows {hidden}: {seen}");
        }
        let seen = house.text("engineer_1", sql).await;
        for hidden in ["secret", "eve", "answer"] {
            assert!(
                !says(&seen, hidden),
                "engineer: {sql} shows {hidden}: {seen}"
            );
        }
    }
    let seen = house.text("viewer_1", "SHOW TABLES").await;
    assert!(
        seen.contains("modelled") && seen.contains("daily"),
        "{seen}"
    );
    let fate = "SELECT DISTINCT fate FROM weir.event_fate ORDER BY 1";
    assert!(house.text("engineer_1", fate).await.contains("quarantined"));
    assert!(!house.text("analyst_1", fate).await.contains("quarantined"));
    // Functions that take a name are listings, too.
    for call in [
        "pg_relation_size('eve.secret')",
        "coalesce(to_regclass('eve.secret')::text, '0')",
    ] {
        let seen = house.ask("engineer_1", &format!("SELECT {call}")).await;
        if let Ok(rows) = seen {
            assert_eq!(rows.concat(), ["0"], "{call}");
        }
    }
}

#[tokio::test]
async fn a_hidden_table_answers_like_one_that_is_not_there() {
    let house = House::new().await;
    for template in [
        "SELECT * FROM eve.{t}",
        "SELECT * FROM eve.{t} FOR VERSION AS OF 0",
        "SELECT * FROM eve.{t} FOR VERSION AS OF 999",
        "SELECT * FROM eve.{t} FOR TIMESTAMP AS OF now()",
        "DESCRIBE eve.{t}",
        "EXPLAIN SELECT * FROM eve.{t}",
        "INSERT INTO eve.{t} VALUES (1)",
        "DELETE FROM eve.{t}",
        "DROP TABLE eve.{t}",
        "ALTER TABLE eve.{t} ADD COLUMN b INT",
        "GRANT SELECT ON eve.{t} TO engineer_1",
    ] {
        let mut answers = Vec::new();
        for table in ["secret", "sekret"] {
            let error = house
                .ask("engineer_1", &template.replace("{t}", table))
                .await;
            let error = error.expect_err(template);
            let shown = format!("{} {error} {:?}", error.sqlstate(), error.advice());
            answers.push(shown.replace(table, "{t}"));
        }
        assert_eq!(answers[0], answers[1], "{template}");
    }
    // A slip in a name is not answered with the name of somebody else's table.
    let error = house
        .ask("engineer_1", "SELECT * FROM eve.secre")
        .await
        .unwrap_err();
    assert!(
        !format!("{error} {:?}", error.advice()).contains("secret"),
        "{:?}",
        error.advice()
    );
}

#[tokio::test]
async fn a_grant_on_a_new_table_shows_nothing_of_a_dropped_one() {
    let house = House::new().await;
    for sql in [
        "CREATE TABLE eve.k AS SELECT 777 AS hidden",
        "DROP TABLE eve.k",
        "CREATE TABLE eve.k AS SELECT 1 AS shown",
        "INSERT INTO eve.k VALUES (2)",
        "GRANT SELECT ON eve.k TO engineer_1",
    ] {
        house.ask("eve", sql).await.unwrap();
    }
    let count = "SELECT count(*) FROM eve.k";
    assert_eq!(house.text("engineer_1", count).await, "2");
    let since = "SELECT count(*) FROM eve.k FOR VERSION AS OF 2";
    assert_eq!(house.text("engineer_1", since).await, "1");
    let before = "SELECT * FROM eve.k FOR VERSION AS OF 0";
    let error = house.ask("engineer_1", before).await.unwrap_err();
    assert_eq!(error.sqlstate(), "42501", "{error}");
    assert_eq!(house.text("eve", before).await, "777");
}

#[tokio::test]
async fn views_read_with_the_rights_of_whoever_asks() {
    let house = House::new().await;
    house
        .ask("eve", "CREATE VIEW eve.mine AS SELECT * FROM eve.secret")
        .await
        .unwrap();
    house
        .ask(
            "engineer_1",
            "CREATE VIEW main.raw AS SELECT message_id FROM raw_shop.events",
        )
        .await
        .unwrap();
    house
        .ask("eve", "GRANT SELECT ON eve.mine TO viewer_1")
        .await
        .unwrap();

    // The right to a view is none to what is behind it.
    let error = house
        .ask("viewer_1", "SELECT * FROM eve.mine")
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("42"), "{error}");
    let error = house
        .ask("analyst_1", "SELECT * FROM main.raw")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::PermissionDenied, "{error}");
    assert!(
        house
            .ask("engineer_1", "SELECT * FROM main.raw")
            .await
            .is_ok()
    );

    // Unless its owner lends theirs.
    let view = weir_catalog::View {
        schema: "eve".to_owned(),
        name: "lent".to_owned(),
        sql: "SELECT * FROM eve.secret".to_owned(),
        definer: true,
        ..weir_catalog::View::default()
    };
    house.fixture.catalog.put_view(&view).await.unwrap();
    house
        .ask("eve", "GRANT SELECT ON eve.lent TO viewer_1")
        .await
        .unwrap();
    assert_eq!(house.text("viewer_1", "SELECT * FROM eve.lent").await, "42");
    assert!(
        house
            .ask("viewer_1", "SELECT * FROM eve.secret")
            .await
            .is_err()
    );
    // They can lend only what they have.
    house.owner("ALTER USER eve NOLOGIN").await;
    assert!(
        house
            .ask("viewer_1", "SELECT * FROM eve.lent")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn rows_stop_when_the_right_is_taken_away() {
    for revoke in [
        "REVOKE SELECT ON SCHEMA shop FROM service_1",
        "ALTER USER service_1 NOLOGIN",
        "DROP USER service_1",
    ] {
        let house = House::new().await;
        house
            .owner("GRANT SELECT ON SCHEMA shop TO service_1")
            .await;
        let sql = "SELECT o.id, g.value FROM shop.orders o, generate_series(1, 50000000) g";
        let request = QueryRequest::new(sql, house.caller("service_1", "http"));
        let mut result = house.fixture.engine.query(request).await.unwrap();
        assert!(result.rows.next().await.unwrap().is_ok());

        house.owner(revoke).await;
        let next = result
            .rows
            .next()
            .await
            .expect("the stream says why it ends");
        let error = next.expect_err(revoke);
        assert_eq!(
            error.kind(),
            QueryErrorKind::PermissionDenied,
            "{revoke}: {error}"
        );
        assert!(result.rows.next().await.is_none());
        assert!(house.fixture.catalog.access().user("owner_1").is_some());
    }
}

#[tokio::test]
async fn a_token_gives_no_more_than_its_scopes() {
    let house = House::new().await;
    let token = |scopes: &str| NewToken {
        user: "admin_1".to_owned(),
        label: String::new(),
        scopes: Scope::parse_list(scopes).unwrap(),
        expires_at: None,
    };
    for (scopes, expected) in [
        ("read", "aaddd"),
        ("write", "aaadd"),
        ("read:main", "adddd"),
        ("write:main,manage", "adaad"),
        ("manage", "dddad"),
    ] {
        let catalog = &house.fixture.catalog;
        let (token, info) = catalog
            .create_token(&Actor::local(), token(scopes))
            .await
            .unwrap();
        let access = catalog.access();
        let who = access
            .authenticate_token(token.reveal(), chrono::Utc::now())
            .unwrap();
        for (sql, wanted) in [
            "SELECT * FROM main.modelled",
            "SELECT * FROM raw_shop.events",
            "INSERT INTO main.modelled VALUES (1)",
            "REVOKE viewer FROM eve",
            "GRANT owner TO admin_1",
        ]
        .iter()
        .zip(expected.chars())
        {
            let request = QueryRequest::new(*sql, Caller::new(who.clone(), "http"));
            let got = house.fixture.ask(request).await;
            assert_eq!(outcome(&got), wanted, "{scopes}: {sql}: {got:?}");
        }
        // A session that was opened with it ends with it.
        catalog
            .revoke_token(&Actor::local(), &info.id.to_string())
            .await
            .unwrap();
        let request = QueryRequest::new("SELECT 1", Caller::new(who, "http"));
        let error = house.fixture.ask(request).await.unwrap_err();
        assert_eq!(error.sqlstate(), "28000", "{error}");
    }
}

#[tokio::test]
async fn queries_are_their_askers_and_the_admins_affair() {
    let house = House::new().await;
    let sql = "SELECT g.value FROM generate_series(1, 50000000) g WHERE g.value < 0 OR true";
    let request = QueryRequest::new(sql, house.caller("engineer_1", "postgres"));
    let mut running = house.fixture.engine.query(request).await.unwrap();
    assert!(running.rows.next().await.unwrap().is_ok());
    let id = running.id.to_string();

    for list in [
        format!("SELECT id FROM weir.queries WHERE id = '{id}'"),
        "SELECT query FROM pg_catalog.pg_stat_activity WHERE query LIKE '%50000000%' AND query NOT LIKE '%pg_stat%'".to_owned(),
    ] {
        assert_eq!(house.ask("analyst_1", &list).await.unwrap().len(), 0, "{list}");
        assert_eq!(house.ask("engineer_1", &list).await.unwrap().len(), 1, "{list}");
        assert_eq!(house.ask("admin_1", &list).await.unwrap().len(), 1, "{list}");
    }
    let engine = &house.fixture.engine;
    assert!(!engine.cancel_for(&house.caller("analyst_1", "http"), &id));
    assert!(engine.cancel_for(&house.caller("admin_1", "http"), &id));
    let end = loop {
        match running.rows.next().await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    let error = end.expect("the stream says why it ends").unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Cancelled);
}

#[tokio::test]
async fn passwords_in_statements_leave_no_trace() {
    let house = House::new().await;
    let secret = "hunter2hunter2";
    for sql in [
        format!("CREATE USER mallory PASSWORD '{secret}'"),
        format!("ALTER USER mallory WITH ENCRYPTED PASSWORD $${secret}$$"),
        format!("CREATE USER mallory PASSWORD '{secret}'"),
        format!("ALTER USER mallory PASSWORD '{secret}"),
        format!("ALTER USER mallory PASSWORD {secret}"),
        format!("SELECT 1; ALTER USER mallory PASSWORD '{secret}'"),
    ] {
        if let Err(error) = house.ask("owner_1", &sql).await {
            let shown = format!("{error} {:?}", error.advice());
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let by_parameter = QueryRequest {
        params: vec![json!(secret).into()],
        ..QueryRequest::new(
            "CREATE USER trent PASSWORD $1",
            house.caller("owner_1", "http"),
        )
    };
    house.fixture.ask(by_parameter).await.unwrap();
    let access = house.fixture.catalog.access();
    assert!(access.authenticate_password("trent", secret).is_ok());
    assert!(access.authenticate_password("mallory", secret).is_ok());
    for table in ["queries", "audit", "users"] {
        let seen = house
            .text("owner_1", &format!("SELECT * FROM weir.{table}"))
            .await;
        assert!(!seen.contains(secret), "weir.{table}");
    }
}

#[tokio::test]
async fn hostile_names_make_and_break_nothing() {
    let house = House::new().await;
    let long = "x".repeat(10_000);
    for name in [
        "a\"\"b",
        "a'b",
        "a;DROP TABLE main.modelled",
        "ä",
        "аda",
        "a\u{0}b",
        " ",
        "$user",
        "weir",
        &long,
    ] {
        for sql in [
            format!("CREATE USER \"{name}\" PASSWORD '{PASSWORD}'"),
            format!("GRANT SELECT ON main.modelled TO \"{name}\""),
            format!("GRANT \"{name}\" TO eve"),
            format!("CREATE ROLE \"{name}\""),
            format!("DROP USER \"{name}\""),
        ] {
            let error = house.ask("owner_1", &sql).await.expect_err(&sql);
            assert_ne!(error.kind(), QueryErrorKind::Internal, "{sql}: {error}");
            assert!(error.to_string().len() < 1_000);
        }
    }
    assert_eq!(
        house.owner("SELECT count(*) FROM main.modelled").await,
        [["2"]]
    );
    // An address is a name, in quotes.
    house
        .ask(
            "owner_1",
            &format!("CREATE USER \"ada@example.com\" PASSWORD '{PASSWORD}' IN ROLE analyst"),
        )
        .await
        .unwrap();
    house
        .ask("ada@example.com", "CREATE TABLE mine AS SELECT 1 AS a")
        .await
        .unwrap();
    assert_eq!(
        house
            .text("ada@example.com", "SELECT a FROM ada_example_com.mine")
            .await,
        "1"
    );
}

#[tokio::test]
async fn grants_hold_for_tables_yet_to_come() {
    let house = House::new().await;
    house
        .owner("GRANT SELECT ON ALL TABLES IN SCHEMA team TO service_1")
        .await;
    house
        .owner("GRANT INSERT, CREATE ON SCHEMA team TO service_1")
        .await;
    house.owner("CREATE TABLE team.later (a INT)").await;
    house
        .ask("service_1", "INSERT INTO team.later VALUES (7)")
        .await
        .unwrap();
    assert_eq!(
        house.text("service_1", "SELECT * FROM team.later").await,
        "7"
    );
    assert!(
        house
            .ask("service_1", "DELETE FROM team.later WHERE true")
            .await
            .is_err()
    );
    // Whoever makes a table owns it, in whatever schema.
    house
        .ask("service_1", "CREATE TABLE team.made (a INT)")
        .await
        .unwrap();
    house
        .ask("service_1", "DROP TABLE team.made")
        .await
        .unwrap();
    assert!(
        house
            .ask("service_1", "DROP TABLE team.later")
            .await
            .is_err()
    );
    // What was granted on a table is gone with it.
    house
        .owner("GRANT SELECT ON main.modelled TO service_1")
        .await;
    house.owner("DROP TABLE main.modelled").await;
    house.owner("CREATE TABLE main.modelled (a INT)").await;
    assert!(
        house
            .ask("service_1", "SELECT * FROM main.modelled")
            .await
            .is_err()
    );
}
