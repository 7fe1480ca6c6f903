//! What several statements do together: seen at one instant, or never.

use serde_json::{Map, json};
use weir_query::{
    BuildNote, Caller, Candidate, CheckOutcome, PublishRequest, QueryErrorKind, QueryRequest,
    Transaction,
};

use crate::fixture::Fixture;

fn caller() -> Caller {
    Caller::owner("test")
}

async fn run(fixture: &Fixture, transaction: &Transaction, sql: &str) -> Vec<Vec<String>> {
    let request = QueryRequest {
        transaction: Some(transaction.clone()),
        ..QueryRequest::new(sql, caller())
    };
    match fixture.ask(request).await {
        Ok(rows) => rows,
        Err(error) => panic!("{sql}: {error}"),
    }
}

async fn publish(fixture: &Fixture, transaction: &Transaction) -> String {
    let done = fixture
        .engine
        .publish(transaction, PublishRequest::default());
    done.await.expect("a publication").id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_does_is_seen_by_itself_until_it_is_published() {
    let fixture = Fixture::filled().await;
    fixture
        .rows("CREATE TABLE t AS SELECT 1 AS a")
        .await
        .unwrap();
    fixture
        .rows("CREATE TABLE gone AS SELECT 1 AS a")
        .await
        .unwrap();
    let t = fixture.engine.begin(caller()).unwrap();
    run(
        &fixture,
        &t,
        "CREATE OR REPLACE TABLE t AS SELECT 2 AS a, 'x' AS b",
    )
    .await;
    run(&fixture, &t, "INSERT INTO t VALUES (3, 'y')").await;
    run(&fixture, &t, "UPDATE t SET b = 'z' WHERE a = 3").await;
    run(&fixture, &t, "CREATE VIEW v AS SELECT sum(a) AS s FROM t").await;
    run(&fixture, &t, "CREATE TABLE u AS SELECT s FROM v").await;
    run(&fixture, &t, "DROP TABLE gone").await;
    run(&fixture, &t, "ALTER TABLE u RENAME TO w").await;

    assert_eq!(
        run(&fixture, &t, "SELECT a, b FROM t ORDER BY a")
            .await
            .len(),
        2
    );
    assert_eq!(run(&fixture, &t, "SELECT s FROM w").await, [["5"]]);
    assert_eq!(fixture.value("SELECT sum(a) FROM t").await, "1");
    assert_eq!(fixture.value("SELECT a FROM gone").await, "1");
    for missing in ["SELECT * FROM v", "SELECT * FROM w", "SELECT * FROM u"] {
        let error = fixture.rows(missing).await.unwrap_err();
        assert_eq!(error.kind(), QueryErrorKind::UndefinedTable, "{missing}");
    }

    let id = publish(&fixture, &t).await;
    assert_eq!(fixture.value("SELECT b FROM t WHERE a = 3").await, "z");
    assert_eq!(fixture.value("SELECT s FROM v").await, "5");
    assert_eq!(fixture.value("SELECT s FROM w").await, "5");
    assert!(fixture.rows("SELECT * FROM gone").await.is_err());
    // One commit for all that happened to a table, with what it was made from.
    let commits = "SELECT version, run_id FROM weir.commits WHERE table_name = 't' ORDER BY 1";
    let commits = fixture.rows(commits).await.unwrap();
    assert_eq!(commits.len(), 2);
    assert_eq!(commits[1][1], id);
    let listed = "SELECT state, tables, views FROM weir.publications";
    assert_eq!(
        fixture.rows(listed).await.unwrap(),
        [["published", "3", "1"]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_given_up_leaves_no_trace() {
    let fixture = Fixture::new().await;
    fixture
        .rows("CREATE TABLE t AS SELECT 1 AS a")
        .await
        .unwrap();
    let t = fixture.engine.begin(caller()).unwrap();
    run(&fixture, &t, "DELETE FROM t").await;
    run(&fixture, &t, "CREATE TABLE u AS SELECT 1 AS a").await;
    fixture.engine.discard(&t).await;
    assert_eq!(fixture.value("SELECT count(*) FROM t").await, "1");
    assert!(fixture.rows("SELECT * FROM u").await.is_err());
    let late = QueryRequest {
        transaction: Some(t.clone()),
        ..QueryRequest::new("DELETE FROM t", caller())
    };
    assert!(fixture.ask(late).await.is_err());
    assert!(fixture.engine.transaction(&caller(), t.id()).is_err());
    let published = fixture.engine.publish(&t, PublishRequest::default());
    assert!(published.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_others_changed_are_a_conflict_and_rows_they_added_are_kept() {
    let fixture = Fixture::new().await;
    fixture
        .rows("CREATE TABLE t AS SELECT 1 AS a")
        .await
        .unwrap();
    let t = fixture.engine.begin(caller()).unwrap();
    run(&fixture, &t, "INSERT INTO t VALUES (2)").await;
    fixture.rows("INSERT INTO t VALUES (3)").await.unwrap();
    publish(&fixture, &t).await;
    assert_eq!(fixture.value("SELECT sum(a) FROM t").await, "6");

    let t = fixture.engine.begin(caller()).unwrap();
    run(&fixture, &t, "UPDATE t SET a = a + 10").await;
    run(&fixture, &t, "CREATE TABLE other AS SELECT 1 AS a").await;
    fixture.rows("DELETE FROM t WHERE a = 1").await.unwrap();
    let done = fixture.engine.publish(&t, PublishRequest::default()).await;
    assert_eq!(done.unwrap_err().kind(), QueryErrorKind::Conflict);
    assert_eq!(fixture.value("SELECT sum(a) FROM t").await, "5");
    assert!(fixture.rows("SELECT * FROM other").await.is_err());

    // Whoever replaces a table takes nothing over.
    let t = fixture.engine.begin(caller()).unwrap();
    run(&fixture, &t, "CREATE OR REPLACE TABLE t AS SELECT 100 AS a").await;
    fixture.rows("DELETE FROM t WHERE a = 2").await.unwrap();
    publish(&fixture, &t).await;
    assert_eq!(fixture.value("SELECT sum(a) FROM t").await, "100");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_is_rolled_back_as_a_whole() {
    let fixture = Fixture::new().await;
    for sql in [
        "CREATE TABLE t AS SELECT 1 AS a",
        "CREATE VIEW v AS SELECT 'old' AS b",
        "CREATE TABLE gone AS SELECT 7 AS a",
    ] {
        fixture.rows(sql).await.unwrap();
    }
    let t = fixture.engine.begin(caller()).unwrap();
    run(
        &fixture,
        &t,
        "CREATE OR REPLACE TABLE t AS SELECT 'two' AS a, 2 AS n",
    )
    .await;
    run(
        &fixture,
        &t,
        "CREATE OR REPLACE VIEW v AS SELECT 'new' AS b",
    )
    .await;
    run(&fixture, &t, "CREATE TABLE fresh AS SELECT 1 AS a").await;
    run(&fixture, &t, "DROP TABLE gone").await;
    let id = publish(&fixture, &t).await;
    assert_eq!(fixture.value("SELECT a FROM t").await, "two");

    let back = fixture
        .engine
        .roll_back(&caller(), &id, false)
        .await
        .unwrap();
    assert_eq!(fixture.value("SELECT a FROM t").await, "1");
    assert_eq!(fixture.value("SELECT b FROM v").await, "old");
    assert_eq!(fixture.value("SELECT a FROM gone").await, "7");
    assert!(fixture.rows("SELECT * FROM fresh").await.is_err());
    // A rollback is a publication too.
    fixture
        .engine
        .roll_back(&caller(), &back.id, false)
        .await
        .unwrap();
    assert_eq!(fixture.value("SELECT a FROM t").await, "two");
    assert_eq!(fixture.value("SELECT a FROM fresh").await, "1");

    fixture
        .rows("INSERT INTO t VALUES ('three', 3)")
        .await
        .unwrap();
    let refused = fixture.engine.roll_back(&caller(), &id, false).await;
    assert_eq!(refused.unwrap_err().kind(), QueryErrorKind::Conflict);
    fixture
        .engine
        .roll_back(&caller(), &id, true)
        .await
        .unwrap();
    assert_eq!(fixture.value("SELECT a FROM t").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_are_remembered_with_what_they_published() {
    let fixture = Fixture::new().await;
    let t = fixture.engine.begin(caller()).unwrap();
    run(&fixture, &t, "CREATE TABLE main.t AS SELECT 1 AS a").await;
    let request = PublishRequest {
        about: Map::from_iter([("run".to_owned(), json!("r1"))]),
        builds: vec![BuildNote {
            schema: "main".into(),
            name: "t".into(),
            build: json!({ "fingerprint": "abc" }),
            reads: None,
        }],
        token: None,
    };
    fixture.engine.publish(&t, request).await.unwrap();
    let build = "SELECT build ->> 'fingerprint' FROM weir.builds WHERE table_name = 't'";
    assert_eq!(fixture.value(build).await, "abc");
    let writer = "SELECT writer FROM weir.commits WHERE table_name = 't'";
    assert_eq!(fixture.value(writer).await, "model");
    fixture.rows("DROP TABLE main.t").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_in_a_transaction_wait_for_its_end() {
    let fixture = Fixture::new().await;
    fixture
        .rows("CREATE USER ann PASSWORD 'long enough 1'")
        .await
        .unwrap();
    let t = fixture.engine.begin(caller()).unwrap();
    run(&fixture, &t, "CREATE TABLE main.t AS SELECT 1 AS a").await;
    run(&fixture, &t, "GRANT SELECT ON main.t TO ann").await;
    assert_eq!(fixture.value("SELECT count(*) FROM weir.grants").await, "0");
    publish(&fixture, &t).await;
    assert_eq!(fixture.value("SELECT count(*) FROM weir.grants").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_fails_leaves_what_was_published() {
    let fixture = Fixture::new().await;
    let t = fixture.engine.begin(caller()).unwrap();
    run(&fixture, &t, "CREATE TABLE main.t AS SELECT 1 AS a").await;
    run(&fixture, &t, "GRANT SELECT ON main.t TO nobody").await;
    let published = fixture.engine.publish(&t, PublishRequest::default());
    let refused = published.await.unwrap().refused;
    assert!(
        refused.len() == 1 && refused[0].contains("nobody"),
        "{refused:?}"
    );
    // Rows and all: their files belong to the commit.
    assert_eq!(fixture.value("SELECT sum(a) FROM main.t").await, "1");
    fixture.rows("INSERT INTO main.t VALUES (2)").await.unwrap();
    assert_eq!(fixture.value("SELECT sum(a) FROM main.t").await, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_files_is_no_change_that_keeps_from_rolling_back() {
    let fixture = Fixture::new().await;
    let t = fixture.engine.begin(caller()).unwrap();
    run(&fixture, &t, "CREATE TABLE main.t AS SELECT 1 AS a").await;
    let first = publish(&fixture, &t).await;
    drop(t);
    let t = fixture.engine.begin(caller()).unwrap();
    for _ in 0..20 {
        run(&fixture, &t, "INSERT INTO main.t VALUES (2)").await;
    }
    let second = publish(&fixture, &t).await;
    // Files that a transaction rests on are not joined.
    drop(t);
    let name = weir_core::TableName::new("main", "t").unwrap();
    assert!(!fixture.lake.compact(Some(&name)).await.unwrap().is_empty());
    fixture
        .engine
        .roll_back(&caller(), &second, false)
        .await
        .unwrap();
    assert_eq!(fixture.value("SELECT sum(a) FROM main.t").await, "1");
    let refused = fixture.engine.roll_back(&caller(), &first, false).await;
    assert_eq!(refused.unwrap_err().kind(), QueryErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_cannot_hold_all_transactions() {
    let fixture = Fixture::new().await;
    let open: Vec<Transaction> = (0..8)
        .map(|_| fixture.engine.begin(caller()).unwrap())
        .collect();
    let refused = fixture.engine.begin(caller());
    assert_eq!(refused.unwrap_err().kind(), QueryErrorKind::Busy);
    fixture.engine.discard(&open[0]).await;
    fixture.engine.begin(caller()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_checked_before_any_of_it_runs() {
    let fixture = Fixture::filled().await;
    let candidate = |name: &str, sql: &str| Candidate {
        schema: "main".into(),
        name: name.into(),
        sql: sql.into(),
    };
    let queries = vec![
        candidate(
            "orders",
            "SELECT user_id, amount * 2 AS twice FROM shop.orders",
        ),
        candidate(
            "totals",
            "SELECT o.user_id AS who, sum(twice) AS total, count(*) AS n FROM main.orders AS o GROUP BY 1",
        ),
        candidate("wrong", "SELECT whom FROM main.totals"),
        candidate("after", "SELECT * FROM main.wrong"),
        candidate("twice", "SELECT 1 AS a, 2 AS a"),
    ];
    let outcomes = fixture
        .engine
        .check(caller(), Default::default(), queries)
        .await
        .unwrap();
    let CheckOutcome::Ok(totals) = &outcomes[1] else {
        panic!("{outcomes:?}");
    };
    let columns: Vec<(&str, &str)> = totals
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.data_type.as_str()))
        .collect();
    assert_eq!(
        columns,
        [
            ("who", "text"),
            ("total", "double precision"),
            ("n", "bigint")
        ]
    );
    assert_eq!(totals.reads, ["main.orders"]);
    let from = |at: usize| {
        let sources = totals.lineage[at].sources.iter();
        let texts = sources.map(|s| format!("{}.{} {}", s.relation, s.column, s.unchanged));
        texts.collect::<Vec<_>>()
    };
    assert_eq!(from(0), ["main.orders.user_id true"]);
    assert_eq!(from(1), ["main.orders.twice false"]);
    assert_eq!(from(2), Vec::<String>::new());
    let failed = |at: usize| match &outcomes[at] {
        CheckOutcome::Failed(failure) => failure.clone(),
        CheckOutcome::Ok(_) => panic!("{at} was planned"),
    };
    assert!(failed(2).message.contains("whom"), "{:?}", failed(2));
    assert!(failed(2).position.is_some());
    assert_eq!(failed(3).because_of.as_deref(), Some("main.wrong"));
    assert!(failed(4).message.contains("two columns"));
    assert!(fixture.rows("SELECT * FROM main.orders").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_does_not_bring_an_older_view_back() {
    let fixture = Fixture::filled().await;
    fixture
        .rows("CREATE VIEW v AS SELECT 1 AS a")
        .await
        .unwrap();
    let t = fixture.engine.begin(caller()).unwrap();
    run(&fixture, &t, "COMMENT ON VIEW v IS 'the first'").await;
    let replaced = "CREATE OR REPLACE VIEW v AS SELECT 2 AS a";
    fixture.rows(replaced).await.unwrap();
    let done = fixture.engine.publish(&t, PublishRequest::default()).await;
    let error = done.unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Conflict, "{error}");
    assert_eq!(fixture.value("SELECT a FROM v").await, "2");
    // Whoever replaces it in the transaction means to.
    let t = fixture.engine.begin(caller()).unwrap();
    run(&fixture, &t, "CREATE OR REPLACE VIEW v AS SELECT 3 AS a").await;
    run(&fixture, &t, "COMMENT ON VIEW v IS 'the third'").await;
    publish(&fixture, &t).await;
    assert_eq!(fixture.value("SELECT a FROM v").await, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_check_found_stands_only_while_what_is_below_is_the_same() {
    let fixture = Fixture::filled().await;
    let fill = "CREATE OR REPLACE TABLE t AS SELECT 1 AS a";
    fixture.rows(fill).await.unwrap();
    let candidates = || {
        let one = ("one", "SELECT a FROM t");
        let two = ("two", "SELECT a + 1 AS b FROM main.one");
        let all = [one, two].map(|(name, sql)| Candidate {
            schema: "main".into(),
            name: name.into(),
            sql: sql.into(),
        });
        all.to_vec()
    };
    let check = async || {
        let settings = Default::default();
        let checked = fixture.engine.check(caller(), settings, candidates());
        let outcomes = checked.await.unwrap();
        let fine = |outcome: &CheckOutcome| matches!(outcome, CheckOutcome::Ok(_));
        assert!(outcomes.iter().all(fine), "{outcomes:?}");
    };
    let fails = async |t: &Transaction, sql: &str| {
        let request = QueryRequest {
            transaction: Some(t.clone()),
            ..QueryRequest::new(sql, caller())
        };
        fixture.ask(request).await.unwrap_err().to_string()
    };

    // What it says is made, and means what it says; columns made of it are known.
    check().await;
    let t = fixture.engine.begin(caller()).unwrap();
    for one in candidates() {
        let sql = format!("CREATE VIEW main.{} AS {}", one.name, one.sql);
        run(&fixture, &t, &sql).await;
    }
    run(
        &fixture,
        &t,
        "CREATE VIEW main.three AS SELECT b FROM main.two",
    )
    .await;
    assert_eq!(run(&fixture, &t, "SELECT b FROM main.three").await, [["2"]]);
    // Below it is something else: what rests on it is looked at again.
    run(
        &fixture,
        &t,
        "CREATE OR REPLACE VIEW main.one AS SELECT 'x' AS z",
    )
    .await;
    let error = fails(&t, "CREATE VIEW main.four AS SELECT b FROM main.two").await;
    assert!(error.contains("main.two"), "{error}");
    fixture.engine.discard(&t).await;
    // Also where what is between them was there before.
    let shown = "CREATE VIEW main.shown AS SELECT a FROM t";
    fixture.rows(shown).await.unwrap();
    let t = fixture.engine.begin(caller()).unwrap();
    run(
        &fixture,
        &t,
        "CREATE VIEW main.upper AS SELECT a FROM main.shown",
    )
    .await;
    run(
        &fixture,
        &t,
        "CREATE OR REPLACE VIEW main.shown AS SELECT 'x' AS z",
    )
    .await;
    let error = fails(&t, "CREATE VIEW main.above AS SELECT a FROM main.upper").await;
    assert!(error.contains("main.upper"), "{error}");
    fixture.engine.discard(&t).await;

    // Another table than the one that was checked.
    check().await;
    let other = "CREATE OR REPLACE TABLE t AS SELECT 1 AS c";
    fixture.rows(other).await.unwrap();
    let t = fixture.engine.begin(caller()).unwrap();
    let error = fails(&t, "CREATE VIEW main.one AS SELECT a FROM t").await;
    assert!(error.contains('a'), "{error}");

    // Another relation of that name.
    fixture.rows(fill).await.unwrap();
    check().await;
    run(&fixture, &t, "CREATE VIEW main.one AS SELECT 1 AS other").await;
    let error = fails(
        &t,
        "CREATE VIEW main.two AS SELECT a + 1 AS b FROM main.one",
    )
    .await;
    assert!(error.contains('a'), "{error}");
}
