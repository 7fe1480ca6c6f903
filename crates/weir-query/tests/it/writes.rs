//! What statements that write promise to those beside them.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use weir_query::{Caller, QueryErrorKind, QueryRequest};

use crate::fixture::Fixture;

fn request(sql: &str) -> QueryRequest {
    QueryRequest::new(sql, Caller::owner("test"))
}

async fn names(fixture: &Fixture, sql: &str) -> Vec<String> {
    let result = fixture.engine.query(request(sql)).await.unwrap();
    let described = fixture.engine.describe(request(sql)).await.unwrap();
    let columns = |schema: &SchemaRef| {
        let fields = schema.fields().iter();
        fields
            .map(|f| (f.name().clone(), f.data_type().clone()))
            .collect::<Vec<_>>()
    };
    let described = described.schema.expect("a question has columns");
    assert_eq!(columns(&described), columns(&result.schema), "{sql}");
    let mut rows = result.rows;
    while let Some(batch) = rows.next().await {
        assert_eq!(batch.unwrap().schema(), result.schema, "{sql}");
    }
    let fields = result.schema.fields().iter();
    fields.map(|field| field.name().clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_without_a_name_are_called_as_in_postgres() {
    let fixture = Fixture::filled().await;
    for (sql, expected) in [
        (
            "SELECT count(*), sum(amount), 1, 1 + 1 FROM shop.orders",
            vec!["count", "sum", "?column?", "?column?"],
        ),
        (
            "SELECT count(*), count(*) FROM shop.orders",
            vec!["count", "count"],
        ),
        ("SELECT 1 AS a, 2 AS a", vec!["a", "a"]),
        (
            "SELECT user_id, user_id FROM shop.orders",
            vec!["user_id", "user_id"],
        ),
        (
            "SELECT CASE WHEN true THEN 1 END, coalesce(1, 2), 2.5::int, '2024-01-01'::date",
            vec!["case", "coalesce", "int4", "date"],
        ),
        (
            "SELECT upper(user_id), user_id::text, -amount FROM shop.orders",
            vec!["upper", "user_id", "?column?"],
        ),
        (
            "SELECT row_number() OVER (ORDER BY amount), now() IS NULL FROM shop.orders",
            vec!["row_number", "?column?"],
        ),
        (
            "SELECT (SELECT max(amount) FROM shop.orders), true, interval '1 day'",
            vec!["max", "bool", "interval"],
        ),
        (
            "SELECT extract(year from now()), now() AT TIME ZONE 'UTC', ARRAY[1]",
            vec!["extract", "timezone", "array"],
        ),
        (
            "SELECT count FROM (SELECT count(*) FROM shop.orders) t",
            vec!["count"],
        ),
        (
            "SELECT lower(user_id) FROM shop.orders GROUP BY lower(user_id) ORDER BY lower(user_id)",
            vec!["lower"],
        ),
        (
            "SELECT user_id, sum(amount) FROM shop.orders GROUP BY 1 ORDER BY sum(amount) DESC",
            vec!["user_id", "sum"],
        ),
    ] {
        assert_eq!(names(&fixture, sql).await, expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_one_table_lose_nothing() {
    let fixture = Arc::new(Fixture::new().await);
    fixture
        .rows("CREATE TABLE main.counter AS SELECT 0::bigint AS n, 'one' AS who")
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let fixture = fixture.clone();
        tasks.push(tokio::spawn(async move {
            for _ in 0..3 {
                fixture
                    .rows("UPDATE main.counter SET n = n + 1 WHERE who = 'one'")
                    .await
                    .unwrap();
                fixture
                    .rows("INSERT INTO main.counter VALUES (0, 'other')")
                    .await
                    .unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        fixture
            .value("SELECT n FROM main.counter WHERE who = 'one'")
            .await,
        "18"
    );
    assert_eq!(
        fixture.value("SELECT count(*) FROM main.counter").await,
        "19"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_one_table_or_the_other() {
    let fixture = Arc::new(Fixture::new().await);
    fixture
        .rows("CREATE TABLE main.t AS SELECT 1 AS a FROM generate_series(1, 1000)")
        .await
        .unwrap();
    let writer = {
        let fixture = fixture.clone();
        tokio::spawn(async move {
            for round in 2..12 {
                let rows = round * 1_000;
                let sql = format!(
                    "CREATE OR REPLACE TABLE main.t AS SELECT {round} AS a FROM generate_series(1, {rows})"
                );
                fixture.rows(&sql).await.unwrap();
            }
        })
    };
    while !writer.is_finished() {
        let rows = fixture
            .rows("SELECT min(a), max(a), count(*) FROM main.t")
            .await
            .unwrap();
        let row: Vec<i64> = rows[0].iter().map(|v| v.parse().unwrap()).collect();
        assert_eq!(row[0], row[1]);
        assert_eq!(row[2], row[0] * 1_000);
    }
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_was_given_up_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture
        .rows("CREATE TABLE main.t (a bigint)")
        .await
        .unwrap();
    let long = "INSERT INTO main.t SELECT a.value FROM generate_series(1, 100000) a, generate_series(1, 100000) b";
    let mut timed = request(long);
    timed.timeout = Some(Duration::from_millis(300));
    let error = fixture.engine.query(timed).await.unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::Timeout);
    // Dropping the future is as good as cancelling.
    let dropped = tokio::time::timeout(
        Duration::from_millis(300),
        fixture.engine.query(request(long)),
    );
    assert!(dropped.await.is_err());
    let began = std::time::Instant::now();
    while fixture.engine.running() > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "a statement goes on"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(fixture.value("SELECT count(*) FROM main.t").await, "0");
    assert_eq!(
        fixture
            .value("SELECT count(*) FROM weir.commits WHERE table_name = 't'")
            .await,
        "1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_go_through_little_memory() {
    let fixture = Fixture::with(|options| options.query_memory_bytes = 48 << 20).await;
    let sql = "CREATE TABLE main.wide AS SELECT value AS n, md5(value::text) AS a, md5((value + 1)::text) AS b, md5((value + 2)::text) AS c FROM generate_series(1, 600000)";
    fixture.rows(sql).await.unwrap();
    assert_eq!(
        fixture.value("SELECT count(*) FROM main.wide").await,
        "600000"
    );
    let deleted = fixture
        .engine
        .query(request("DELETE FROM main.wide WHERE n % 2 = 0"))
        .await
        .unwrap();
    assert_eq!(deleted.command.rows, Some(300_000));
    assert_eq!(
        fixture.value("SELECT sum(n % 2) FROM main.wide").await,
        "300000"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_writing_statements_have_the_types_of_their_columns() {
    let fixture = Fixture::new().await;
    fixture
        .rows("CREATE TABLE main.t (a bigint, b text, c timestamp)")
        .await
        .unwrap();
    let types = async |sql: &str| {
        let described = fixture.engine.describe(request(sql)).await.unwrap();
        assert_eq!(described.schema, None);
        let types = described.parameters.iter();
        types
            .map(|kind| kind.as_ref().map(weir_query::type_name).unwrap_or_default())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        types("INSERT INTO main.t VALUES ($1, $2, $3)").await,
        ["bigint", "text", "timestamp"]
    );
    assert_eq!(
        types("INSERT INTO main.t (c, a) VALUES ($1, $2)").await,
        ["timestamp", "bigint"]
    );
    assert_eq!(
        types("UPDATE main.t SET b = $1 WHERE a = $2").await,
        ["text", "bigint"]
    );
    assert_eq!(types("DELETE FROM main.t WHERE a = $1").await, ["bigint"]);
    let params = vec![
        serde_json::json!(1),
        serde_json::json!("x'; DROP TABLE t"),
        serde_json::json!("2024-03-01 12:00"),
    ];
    fixture
        .rows_with("INSERT INTO main.t VALUES ($1, $2, $3)", params)
        .await
        .unwrap();
    assert_eq!(
        fixture.value("SELECT a || b || c FROM main.t").await,
        "1x'; DROP TABLE t2024-03-01 12:00:00"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn types_come_back_as_they_went_in() {
    let fixture = Fixture::new().await;
    fixture
        .rows("CREATE TABLE main.t (a smallint, b integer, c bigint, d real, e double precision, f numeric(12,2), g boolean, h text, i varchar(10), j date, k timestamp, l timestamptz, m bytea, n uuid, o jsonb, p text[])")
        .await
        .unwrap();
    fixture
        .rows("INSERT INTO main.t VALUES (1, 2, 3, 1.5, 2.5, 12.345, true, 'x', 'y', '2024-03-01', '2024-03-01 12:00', '2024-03-01 12:00+02', '\\x00ff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{\"a\": 1}', ARRAY['q', NULL])")
        .await
        .unwrap();
    let types = fixture.rows("SELECT full_type FROM information_schema.columns WHERE table_schema = 'main' AND table_name = 't' ORDER BY ordinal_position").await.unwrap();
    assert_eq!(types.len(), 16);
    let text = fixture.value("SELECT concat_ws('|', a::text, b::text, c::text, d::text, e::text, f::text, g::text, h, i, j::text, k::text, l::text, m::text, n, o ->> 'a', p::text) FROM main.t").await;
    assert_eq!(
        text,
        "1|2|3|1.5|2.5|12.35|true|x|y|2024-03-01|2024-03-01 12:00:00|2024-03-01 10:00:00+00|\\x00ff|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|1|{q,NULL}"
    );
    fixture
        .rows("UPDATE main.t SET k = k + interval '1 day', f = f * 2")
        .await
        .unwrap();
    assert_eq!(
        fixture
            .value("SELECT k::text || ' ' || f::text FROM main.t")
            .await,
        "2024-03-02 12:00:00 24.70"
    );
}
