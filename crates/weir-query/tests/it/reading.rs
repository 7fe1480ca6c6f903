use futures::StreamExt;
use serde_json::json;
use weir_catalog::View;
use weir_query::{Caller, Position, QueryErrorKind, QueryRequest, QueryState, Settings};

use crate::fixture::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_files_and_in_memory_are_one_table() {
    let fixture = Fixture::filled().await;

    assert_eq!(fixture.value("SELECT count(*) FROM shop.orders").await, "3");
    assert_eq!(
        fixture.value("SELECT sum(amount) FROM shop.orders").await,
        "60.75"
    );
    fixture.lake.flush().await.unwrap();
    assert_eq!(
        fixture.value("SELECT sum(amount) FROM shop.orders").await,
        "60.75"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_keeps_its_instant() {
    let fixture = Fixture::filled().await;
    let request = QueryRequest::new("SELECT id FROM shop.orders", Caller::owner("test"));
    let mut result = fixture.engine.query(request).await.unwrap();

    fixture
        .append(&[json!({"schema": "shop", "table": "orders", "row": {"id": "m9"}})])
        .await;
    fixture.lake.flush().await.unwrap();

    let mut rows = 0;
    while let Some(batch) = result.rows.next().await {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 3);
    let pinned = result.versions["shop.orders"];
    assert_eq!((pinned.version.is_some(), pinned.rows_in_memory), (true, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_version_stays_as_it_was() {
    let fixture = Fixture::filled().await;
    let before = chrono::Utc::now();
    fixture.lake.flush().await.unwrap();
    let version: u64 = fixture
        .value("SELECT max(version) FROM weir.commits WHERE table_name = 'orders'")
        .await
        .parse()
        .unwrap();

    let at = |version: u64| format!("SELECT count(*) FROM shop.orders FOR VERSION AS OF {version}");
    assert_eq!(fixture.value(&at(version)).await, "3");
    assert_eq!(fixture.value(&at(version - 1)).await, "2");
    let sql = "SELECT (SELECT count(*) FROM shop.orders FOR TIMESTAMP AS OF $1) AS then, (SELECT count(*) FROM shop.orders) AS now";
    let rows = fixture
        .rows_with(sql, vec![json!(before.to_rfc3339())])
        .await;
    assert_eq!(rows.unwrap(), [["2", "3"]]);
    // Views read their tables as they were, and what is read twice is told apart.
    for (name, sql) in [
        ("v", "SELECT * FROM shop.orders"),
        ("counted", "SELECT count(*) AS n FROM v"),
    ] {
        let view = View {
            schema: "main".into(),
            name: name.into(),
            sql: sql.into(),
            ..View::default()
        };
        fixture.catalog.put_view(&view).await.unwrap();
    }
    let sql = "SELECT then_.n, now_.n FROM counted FOR TIMESTAMP AS OF $1 then_, counted now_";
    let request = |params| QueryRequest {
        params: vec![json!(params)].into_iter().map(Into::into).collect(),
        ..QueryRequest::new(sql, Caller::owner("test"))
    };
    let rows = |params: String| fixture.rows_with(sql, vec![json!(params)]);
    assert_eq!(rows(before.to_rfc3339()).await.unwrap(), [["2", "3"]]);
    let after = chrono::Utc::now() + chrono::TimeDelta::days(1);
    assert_eq!(rows(after.to_rfc3339()).await.unwrap(), [["3", "3"]]);
    let answer = fixture.engine.query(request(before.to_rfc3339())).await;
    let versions: Vec<String> = answer.unwrap().versions.into_keys().collect();
    let past = format!("shop.orders@{}", version - 1);
    assert_eq!(versions, ["shop.orders", past.as_str()]);
    // Of a table without what is in memory by now: another answer, though of the same version.
    fixture
        .append(&[json!({"schema": "shop", "table": "orders", "row": {"amount": 1.5}})])
        .await;
    let both = "SELECT (SELECT count(*) FROM shop.orders) AS now, (SELECT count(*) FROM shop.orders FOR TIMESTAMP AS OF $1) AS then";
    let both = QueryRequest {
        params: vec![json!(after.to_rfc3339()).into()],
        ..QueryRequest::new(both, Caller::owner("test"))
    };
    let versions = fixture.engine.query(both).await.unwrap().versions;
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert_eq!(versions["shop.orders"].rows_in_memory, 1);
    // The path means the same with and without a clause.
    let view = View {
        schema: "main".into(),
        name: "orders".into(),
        sql: "SELECT 'a view' AS what".into(),
        ..View::default()
    };
    fixture.catalog.put_view(&view).await.unwrap();
    for sql in [
        "SELECT what FROM orders",
        "SELECT what FROM orders FOR TIMESTAMP AS OF now()",
    ] {
        let settings = Settings {
            search_path: vec!["main".into(), "shop".into()],
            ..Settings::default()
        };
        let request = QueryRequest {
            settings: settings.into(),
            ..QueryRequest::new(sql, Caller::owner("test"))
        };
        assert_eq!(fixture.ask(request).await.unwrap(), [["a view"]], "{sql}");
    }
    let fate = "SELECT count(*) >= 0 FROM weir.event_fate FOR TIMESTAMP AS OF now()";
    assert_eq!(fixture.value(fate).await, "true");

    let error = rows("2020-01-01".into()).await.unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");

    let error = fixture.rows(&at(version + 1)).await.unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::UndefinedVersion, "{error}");
    assert!(error.position().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_values() {
    let fixture = Fixture::filled().await;

    let sql = "SELECT id FROM shop.orders WHERE user_id = $1 AND amount > $2 AND received_at >= $3 ORDER BY id LIMIT $4";
    let rows = fixture
        .rows_with(
            sql,
            vec![json!("ada"), json!(10), json!("2026-01-01"), json!(5)],
        )
        .await
        .unwrap();
    assert_eq!(rows, [["m1"], ["m3"]]);
    let hostile = vec![json!("' OR 1=1 --")];
    assert!(
        fixture
            .rows_with("SELECT id FROM shop.orders WHERE user_id = $1", hostile)
            .await
            .unwrap()
            .is_empty()
    );
    let error = fixture.rows("SELECT $1").await.unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Parameter);
    let too_many = fixture.rows_with("SELECT $1 + 1 -- $2", vec![json!(1), json!(2)]);
    let error = too_many.await.unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Parameter);
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_views_are_planned_anew() {
    let fixture = Fixture::filled().await;
    let view = |name: &str, sql: &str| View {
        schema: "main".into(),
        name: name.into(),
        sql: sql.into(),
        ..View::default()
    };
    fixture
        .catalog
        .put_view(&view("big", "SELECT * FROM shop.orders WHERE amount > 15"))
        .await
        .unwrap();
    fixture
        .catalog
        .put_view(&view("count_big", "SELECT count(*) AS n FROM big"))
        .await
        .unwrap();
    fixture
        .catalog
        .put_view(&view("loop_a", "SELECT * FROM loop_b"))
        .await
        .unwrap();
    fixture
        .catalog
        .put_view(&view("loop_b", "SELECT * FROM loop_a"))
        .await
        .unwrap();
    fixture
        .catalog
        .put_view(&view("writes", "DROP TABLE shop.orders"))
        .await
        .unwrap();

    assert_eq!(fixture.value("SELECT n FROM count_big").await, "2");
    fixture
        .append(&[
            json!({"schema": "shop", "table": "orders", "row": {"amount": 99.5, "coupon": "x"}}),
        ])
        .await;
    assert_eq!(fixture.value("SELECT n FROM count_big").await, "3");
    assert_eq!(fixture.value("SELECT count(coupon) FROM big").await, "1");
    for (name, what) in [("loop_a", "circle"), ("writes", "not allowed")] {
        let error = fixture
            .rows(&format!("SELECT * FROM {name}"))
            .await
            .unwrap_err();
        assert!(error.message().contains(what), "{error}");
    }
    // A broken view hides nothing else.
    assert_ne!(
        fixture
            .value("SELECT count(*) FROM information_schema.columns WHERE table_name = 'big'")
            .await,
        "0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_where_and_what_was_meant() {
    let fixture = Fixture::filled().await;

    let error = fixture
        .rows("SELECT id,\n  amuont FROM shop.orders")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::UndefinedColumn);
    assert_eq!(error.position(), Some(Position { line: 2, column: 3 }));
    assert_eq!(error.advice(), Some("did you mean `amount`?"));
    let error = fixture.rows("SELECT * FROM shop.order").await.unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::UndefinedTable);
    assert_eq!(
        error.position(),
        Some(Position {
            line: 1,
            column: 15
        })
    );
    assert_eq!(error.advice(), Some("did you mean `shop.orders`?"));
    let error = fixture.rows("SELECT * FROM orders").await.unwrap_err();
    assert_eq!(error.advice(), Some("did you mean `shop.orders`?"));
    let error = fixture.rows("SELECT 1 +").await.unwrap_err();
    assert_eq!(error.sqlstate(), "42601");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_listed_while_and_after_they_run() {
    let fixture = Fixture::filled().await;

    let own = fixture
        .value("SELECT sql FROM weir.queries WHERE state <> 'done'")
        .await;
    assert!(own.contains("weir.queries"));
    let _ = fixture.rows("SELECT nothing").await;
    let list = fixture.engine.queries();
    assert_eq!(list[0].state, QueryState::Failed);
    assert_eq!(list[1].state, QueryState::Done);
    assert_eq!(list[1].rows, 1);
}
