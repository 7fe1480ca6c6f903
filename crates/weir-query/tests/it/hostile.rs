//! Statements that would take the process down, or its time, memory and disk.

use std::time::{Duration, Instant};

use futures::StreamExt;
use weir_query::{Caller, QueryErrorKind, QueryRequest, QueryState};

use crate::fixture::Fixture;

/// Rows enough that their square is not counted within a test's patience.
const SERIES: &str = "generate_series(1, 1000000)";

/// What answers in seconds has this long on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(300);

async fn ends(fixture: &Fixture, sql: &str, within: Duration) -> Result<usize, QueryErrorKind> {
    let started = Instant::now();
    let result = fixture.rows(sql).await;
    let took = started.elapsed();
    assert!(
        took < within,
        "{} took {took:?}",
        sql.chars().take(60).collect::<String>()
    );
    result.map(|rows| rows.len()).map_err(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_and_nests_are_refused_at_once() {
    let fixture = Fixture::filled().await;
    let deep = 5_000;
    for sql in [
        format!(
            "SELECT 1 FROM shop.orders WHERE true{}",
            " OR amount = 1".repeat(20_000)
        ),
        format!("SELECT 1{}", " + 1".repeat(12_000)),
        format!("SELECT {}1{}", "(".repeat(deep), ")".repeat(deep)),
        format!("SELECT {}1{}", "abs(".repeat(deep), ")".repeat(deep)),
        format!(
            "SELECT * FROM {}shop.orders{}",
            "(SELECT * FROM ".repeat(deep),
            ")".repeat(deep)
        ),
        format!("SELECT {} 1", "-".to_owned() + &" -".repeat(20_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(5_000)),
        format!("SELECT 1 FROM shop.orders{}", ", shop.orders".repeat(3_000)),
        format!("SELECT '{}'", "x".repeat(2 << 20)),
    ] {
        let end = ends(&fixture, &sql, Duration::from_secs(5)).await;
        assert_eq!(end, Err(QueryErrorKind::TooComplex), "{}", &sql[..60]);
    }
    assert_eq!(fixture.value("SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_guard_lets_through_does_not_overflow_a_stack() {
    let fixture = Fixture::filled().await;
    let limit = weir_query::EngineOptions::default().operators - 10;
    let nested = |open: &str, middle: &str, close: &str| {
        format!(
            "SELECT {}{middle}{} FROM shop.orders",
            open.repeat(55),
            close.repeat(55)
        )
    };
    for sql in [
        format!(
            "SELECT count(*) FROM shop.orders WHERE false{}",
            " OR amount = 1".repeat(limit / 2)
        ),
        format!("SELECT amount{} FROM shop.orders", " + 1".repeat(limit)),
        format!("SELECT user_id{} FROM shop.orders", " || 'x'".repeat(limit)),
        format!("SELECT weir_seq{} FROM shop.orders", " + 1".repeat(limit)),
        format!("SELECT weir_seq{} FROM shop.orders", " + 1".repeat(190)),
        format!("SELECT weir_seq{} FROM shop.orders", " / 1".repeat(limit)),
        format!("SELECT raw{} FROM raw_shop.events", " -> 'a'".repeat(limit)),
        format!(
            "SELECT {}raw{} FROM raw_shop.events",
            "json_get(".repeat(55),
            ", 'a')".repeat(55)
        ),
        format!(
            "SELECT {}raw{} FROM raw_shop.events",
            "json_get_json(".repeat(55),
            ", 'a')".repeat(55)
        ),
        format!(
            "SELECT {}raw{} FROM raw_shop.events",
            "(".repeat(55),
            " -> 'a')".repeat(55)
        ),
        format!(
            "SELECT received_at{} FROM shop.orders",
            " + interval '1 day'".repeat(limit)
        ),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(limit / 10 - 1)),
        format!(
            "SELECT CASE{} END FROM shop.orders",
            " WHEN amount = 1 THEN 2".repeat(limit / 2)
        ),
        format!(
            "SELECT 1 FROM shop.orders{}",
            " JOIN shop.users USING (weir_seq)".repeat(limit / 10 - 1)
        ),
        format!(
            "SELECT * FROM {}shop.orders{}",
            "(".repeat(55),
            ")".repeat(55)
        ),
        format!(
            "SELECT * FROM {}shop.orders{}",
            "(SELECT * FROM ".repeat(55),
            ")".repeat(55)
        ),
        nested("(", "1", ")"),
        nested("abs(", "amount", ")"),
        nested("abs(", "", ")"),
        nested("concat(user_id, ", "1", ")"),
        nested("abs(1 + ", "amount", ")"),
        nested("NOT (", "true", ")"),
        nested("CASE WHEN true THEN ", "1", " END"),
        nested("CASE WHEN true THEN abs(", "1", ") END"),
        nested("CAST(", "1", " AS text)"),
        nested("[", "1", "]"),
        nested("ARRAY[", "1", "]"),
        format!(
            "SELECT {}amount{} FROM shop.orders",
            "(SELECT ".repeat(8),
            ")".repeat(8)
        ),
        format!(
            "SELECT {}1{} FROM shop.orders",
            "EXISTS (SELECT ".repeat(8),
            ")".repeat(8)
        ),
        format!(
            "SELECT 1 FROM shop.orders o WHERE {}1{}",
            "1 IN (SELECT 1 FROM shop.orders WHERE o.amount > ".repeat(8),
            ")".repeat(8)
        ),
        nested("1 IN (", "1", ")"),
        nested("(1, ", "1", ")"),
        nested("extract(year FROM ", "received_at", ")"),
        nested("INTERVAL (", "1", ")"),
        nested("a.b(", "1", ")"),
        nested("sum(", "amount", ")"),
        nested("substring(user_id FROM ", "1", ")"),
        nested("coalesce(user_id, ", "1", ")"),
        nested("{'a': ", "1", "}"),
    ] {
        // Ends one way or the other; the next query shows that the process did not.
        let _ = ends(&fixture, &sql, Duration::from_secs(25)).await;
    }
    assert_eq!(fixture.value("SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_ended() {
    let fixture = Fixture::with(|options| options.timeout = Duration::from_secs(1)).await;
    for sql in [
        format!("SELECT count(*) FROM {SERIES} a, {SERIES} b, {SERIES} c"),
        format!("SELECT count(*) FROM {SERIES} a(x) JOIN {SERIES} b(x) ON a.x < b.x"),
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
            .to_owned(),
    ] {
        let end = ends(&fixture, &sql, Duration::from_secs(4)).await;
        assert!(
            matches!(
                end,
                Err(QueryErrorKind::Timeout | QueryErrorKind::OutOfMemory)
            ),
            "{sql}: {end:?}"
        );
    }
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_result_ends_its_query() {
    let fixture = Fixture::new().await;
    let sql = format!("SELECT a.value FROM {SERIES} a, {SERIES} b");
    let mut result = fixture
        .engine
        .query(QueryRequest::new(sql, Caller::owner("test")))
        .await
        .unwrap();
    assert!(result.rows.next().await.unwrap().unwrap().num_rows() > 0);

    drop(result);

    settled(&fixture).await;
    assert_eq!(fixture.engine.queries()[0].state, QueryState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_can_be_cancelled_by_its_id() {
    let fixture = Fixture::new().await;
    let sql = format!("SELECT count(*) FROM {SERIES} a, {SERIES} b");
    let mut result = fixture
        .engine
        .query(QueryRequest::new(sql, Caller::owner("test")))
        .await
        .unwrap();

    assert!(fixture.engine.cancel(result.id.as_str()));
    let error = result.rows.next().await.unwrap().unwrap_err();

    assert_eq!(error.kind(), QueryErrorKind::Cancelled);
    assert!(!fixture.engine.cancel("no such query"));
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_disk_are_bounded() {
    let fixture = Fixture::with(|options| {
        options.memory_bytes = 16 << 20;
        options.query_memory_bytes = 12 << 20;
        options.temp_bytes = 8 << 20;
    })
    .await;
    let sort = "SELECT value, random() r FROM generate_series(1, 8000000) ORDER BY r LIMIT 5000000 OFFSET 10";
    let mixed = "(SELECT value * 7919 % 5000011 AS x FROM generate_series(1, 5000000))";
    let join = &format!("SELECT count(*) FROM {mixed} a JOIN {mixed} b ON a.x = b.x");
    for sql in [sort, join] {
        let end = ends(&fixture, sql, Duration::from_secs(30)).await;
        assert!(
            matches!(
                end,
                Err(QueryErrorKind::OutOfMemory | QueryErrorKind::OutOfDisk)
            ),
            "{sql}: {end:?}"
        );
    }
    settled(&fixture).await;
    assert_eq!(fixture.value("SELECT 1").await, "1");
    // What comes in order is joined in next to no memory.
    let merged = "SELECT count(*) FROM generate_series(1, 5000000) a(x) JOIN generate_series(1, 5000000) b(x) ON a.x = b.x";
    assert_eq!(fixture.value(merged).await, "5000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_queries_are_turned_away() {
    let fixture = Fixture::with(|options| {
        options.running = 1;
        options.waiting = 0;
        options.timeout = Duration::from_secs(3);
    })
    .await;
    let sql = format!("SELECT count(*) FROM {SERIES} a, {SERIES} b");
    let running = fixture
        .engine
        .query(QueryRequest::new(sql, Caller::owner("test")))
        .await
        .unwrap();

    assert_eq!(
        fixture.rows("SELECT 1").await.unwrap_err().kind(),
        QueryErrorKind::Busy
    );

    drop(running);
    settled(&fixture).await;
    assert_eq!(fixture.value("SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_made_that_is_too_large() {
    let fixture = Fixture::filled().await;
    for sql in [
        "SELECT length(repeat('x', 2000000000))",
        "SELECT length(repeat(user_id, 2000000000)) FROM shop.orders",
        "SELECT length(repeat(arrow_cast('x', 'LargeUtf8'), 9223372036854775807))",
        "SELECT length(lpad('x', 2000000000, 'y'))",
        "SELECT length(rpad(user_id, 2000000000)) FROM shop.orders",
        "SELECT length(replace(repeat('x', 1000000), 'x', repeat('y', 100000)))",
        "SELECT length(regexp_replace(repeat('x', 1000000), 'x', repeat('y', 100000), 'g'))",
        "SELECT length(concat_ws(repeat('x', 30000000), 'a', 'b', 'c'))",
        "SELECT cardinality(array_repeat(1, 2000000000))",
        "SELECT cardinality(array_repeat(array_repeat('x', 100000), 100000))",
        "SELECT cardinality(array_resize([1], 2000000000))",
        "SELECT cardinality(range(9223372036854775807))",
        "SELECT cardinality(generate_series(1, 9223372036854775807))",
        "SELECT generate_series('1000-01-01'::timestamp, '2200-01-01'::timestamp, interval '1 millisecond')",
        "WITH a AS (SELECT repeat(user_id, 1000000) AS x FROM shop.orders), b AS (SELECT x || x || x || x AS x FROM a), \
         c AS (SELECT x || x || x || x AS x FROM b) SELECT length(x) FROM c",
        "WITH RECURSIVE r AS (SELECT 'x' AS s, 1 AS n UNION ALL SELECT s || s, n + 1 FROM r WHERE n < 60) SELECT max(length(s)) FROM r",
        "WITH RECURSIVE r AS (SELECT [1] AS s, 1 AS n UNION ALL SELECT array_concat(s, s), n + 1 FROM r WHERE n < 60) \
         SELECT max(cardinality(s)) FROM r",
        "SELECT array_to_string(array_repeat('x', 1000000), repeat('y', 10000))",
        "SELECT cardinality(string_to_array(repeat('a,', 5000000), ','))",
        "SELECT to_char(now(), repeat('YYYY', 5000))",
        "SELECT to_date('2024', repeat('YYYY', 5000))",
        "SELECT sum(length(repeat('x', 1000000 + value % 2))) FROM generate_series(1, 100000)",
    ] {
        let end = fixture.rows(sql).await;
        match end {
            Err(error) => assert_eq!(
                (error.kind(), error.sqlstate()),
                (QueryErrorKind::Value, "54000"),
                "{sql}: {error}"
            ),
            Ok(_) => panic!("{sql} was answered"),
        }
    }
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_constants_meet_many_rows_a_few_at_a_time() {
    let fixture = Fixture::with(|options| options.timeout = PATIENCE).await;
    fixture.fill().await;
    for (sql, answer) in [
        (
            "SELECT sum(length(x)) FROM (SELECT value, repeat('x', 10000000) AS x FROM generate_series(1, 300)) t",
            "3000000000",
        ),
        (
            "SELECT max(length(concat(user_id, repeat('x', 10000000)))) FROM shop.orders",
            "10000003",
        ),
        (
            "SELECT max(cardinality(range(1000000))) FROM generate_series(1, 100)",
            "1000000",
        ),
        ("SELECT length('ä' || NULL::text || 'b')", "NULL"),
        (
            "SELECT max(user_id || '-' || id) FROM shop.orders",
            "bob-m2",
        ),
    ] {
        assert_eq!(fixture.value(sql).await, answer, "{sql}");
    }
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_finds_no_room_is_made_another_way() {
    let fixture = Fixture::with(|options| {
        options.memory_bytes = 40 << 20;
        options.query_memory_bytes = 30 << 20;
    })
    .await;
    let join = "SELECT count(*), sum(a.value) FROM generate_series(1, 2000000) a JOIN generate_series(1, 2000000) b \
                ON a.value = b.value + 1";
    // As a hash table one side alone takes more than there is.
    assert_eq!(
        fixture.rows(join).await.unwrap(),
        [["1999999", "2000000999999"]]
    );
    // So are those of statements that write.
    for statement in [
        "CREATE TABLE main.joined AS SELECT a.value AS n FROM generate_series(1, 2000000) a \
         JOIN generate_series(1, 2000000) b ON a.value = b.value + 1",
        "UPDATE main.joined SET n = -n WHERE n IN (SELECT n FROM main.joined WHERE n > 1)",
        "DELETE FROM main.joined j USING main.joined k WHERE j.n = k.n AND k.n % 2 = 0",
    ] {
        fixture.rows(statement).await.unwrap();
    }
    let left = "SELECT count(*), sum(n) FROM main.joined";
    assert_eq!(
        fixture.rows(left).await.unwrap(),
        [["999999", "-999999999999"]]
    );
    settled(&fixture).await;
}

/// A join without an equality spills the side it keeps, and answers as one that need not.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_of_ranges_that_finds_no_room_spills() {
    let fixture = Fixture::with(|options| {
        options.memory_bytes = 8 << 20;
        options.query_memory_bytes = 6 << 20;
        options.threads = 4;
    })
    .await;
    // The side that is kept has a text of 200 bytes in each row, and is read from several partitions.
    let kept = "(SELECT x, repeat('a', 200) AS t FROM generate_series(1, 60000) g(x) GROUP BY x)";
    let few = "(SELECT x FROM generate_series(1, 30) g(x) GROUP BY x)";
    for (sql, answer) in [
        (
            format!(
                "SELECT count(*), sum(length(k.t)) FROM {kept} k JOIN {few} f ON k.x < f.x AND length(k.t) > f.x"
            ),
            ["435", "87000"],
        ),
        (
            format!(
                "SELECT count(*), count(f.x) FROM {kept} k LEFT JOIN {few} f ON k.x < f.x AND length(k.t) > f.x"
            ),
            ["60406", "435"],
        ),
        (
            format!(
                "SELECT count(*), min(k.x) FROM {kept} k WHERE NOT EXISTS (SELECT 1 FROM {few} f WHERE k.x < f.x AND length(k.t) > f.x)"
            ),
            ["59971", "30"],
        ),
    ] {
        assert_eq!(fixture.rows(&sql).await.unwrap(), [answer], "{sql}");
    }
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_over_all_rows_are_counted() {
    let fixture = Fixture::with(|options| {
        options.memory_bytes = 64 << 20;
        options.query_memory_bytes = 48 << 20;
    })
    .await;
    let end = fixture
        .rows("SELECT max(n + value) FROM (SELECT value, count(*) OVER () AS n FROM generate_series(1, 1000000000)) t")
        .await;
    assert_eq!(end.unwrap_err().kind(), QueryErrorKind::OutOfMemory);
    let answer = fixture
        .value("SELECT max(n + value) FROM (SELECT value, count(*) OVER () AS n FROM generate_series(1, 100000)) t")
        .await;
    assert_eq!(answer, "200000");
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_over_windows_are_counted() {
    let fixture = Fixture::with(|options| {
        options.memory_bytes = 64 << 20;
        options.query_memory_bytes = 48 << 20;
    })
    .await;
    for sql in [
        "SELECT array_agg(x) OVER () FROM generate_series(1, 100000) t(x)",
        "SELECT string_agg(x::text, ',') OVER () FROM generate_series(1, 100000) t(x)",
        "SELECT max(t) FILTER (WHERE x = 1) OVER () FROM (SELECT x, CASE WHEN x = 1 THEN repeat('a', 1000000) END AS t \
         FROM generate_series(1, 1000) g(x)) q",
        "SELECT first_value(a) OVER () FROM (SELECT x, array_repeat(x, 100000) AS a FROM generate_series(1, 20) g(x)) q \
         CROSS JOIN generate_series(1, 100)",
    ] {
        let end = fixture.rows(sql).await;
        assert_eq!(
            end.unwrap_err().kind(),
            QueryErrorKind::OutOfMemory,
            "{sql}"
        );
    }
    for (sql, answer) in [
        (
            "SELECT sum(array_length(a, 1)) FROM (SELECT array_agg(x) OVER (PARTITION BY x % 10000) AS a FROM generate_series(1, 50000) t(x)) q",
            "250000",
        ),
        (
            "SELECT sum(array_length(a, 1)) FROM (SELECT array_agg(x) OVER (ORDER BY x ROWS 4 PRECEDING) AS a FROM generate_series(1, 100000) t(x)) q",
            "499990",
        ),
        (
            "SELECT string_agg(x::text, ',') OVER (ORDER BY x) FROM generate_series(1, 3) t(x) ORDER BY 1 DESC LIMIT 1",
            "1,2,3",
        ),
    ] {
        assert_eq!(fixture.value(sql).await, answer, "{sql}");
    }
    settled(&fixture).await;
}

/// A join writes a row out as often as it finds it: with large values, in small batches.
#[tokio::test(flavor = "multi_thread")]
async fn large_values_are_joined_a_few_rows_at_a_time() {
    let fixture = Fixture::with(|options| options.timeout = PATIENCE).await;
    let sql = "SELECT count(*), sum(array_length(a, 1)) FROM (SELECT array_agg(x) AS a FROM generate_series(1, 200000) t(x)) q \
               CROSS JOIN generate_series(1, 3000)";
    let rows = fixture.rows(sql).await.unwrap();
    assert_eq!(rows, [["3000", "600000000"]]);
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_values_in_one_row_are_refused() {
    let fixture = Fixture::new().await;
    let many = |value: &str| {
        let columns = (0..100).map(|i| value.replace('#', &i.to_string()));
        columns.collect::<Vec<_>>().join(", ")
    };
    let constants = format!("SELECT {}", many("repeat('a', 30000000 + #)"));
    // Not unwrapped: were there an answer, it would be printed.
    let error = fixture.rows(&constants).await.err();
    assert_eq!(error.map(|error| error.sqlstate()), Some("54000"));
    let of_columns = format!(
        "SELECT {} FROM generate_series(1, 2) t(x)",
        many("repeat('a', 30000000 + # + x)")
    );
    let error = fixture.rows(&of_columns).await.err();
    let kind = error.map(|error| error.kind());
    assert_eq!(kind, Some(QueryErrorKind::OutOfMemory));
    // What was made is given back.
    let one = "SELECT length(repeat('a', 30000000 + x)) FROM generate_series(1, 2) t(x)";
    assert_eq!(fixture.rows(one).await.unwrap().len(), 2);
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grouping_sets_are_few_and_their_batches_small() {
    let fixture = Fixture::new().await;
    let columns = |n: usize| {
        (0..n)
            .map(|i| format!("x + {i} AS a{i}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let names = |n: usize| {
        (0..n)
            .map(|i| format!("a{i}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let cube = |n: usize| {
        format!(
            "SELECT count(*) FROM (SELECT count(*) FROM (SELECT {} FROM generate_series(1, 100) t(x)) q GROUP BY CUBE ({})) z",
            columns(n),
            names(n)
        )
    };
    let error = fixture.rows(&cube(40)).await.unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::TooComplex);
    // All sets but the empty one tell all hundred rows apart.
    assert_eq!(fixture.value(&cube(8)).await, "25501");
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_nobody_reads_keeps_nobody_waiting() {
    let fixture = Fixture::with(|options| options.running = 1).await;
    let sql = "SELECT value FROM generate_series(1, 1000000)";
    let mut unread = fixture
        .engine
        .query(QueryRequest::new(sql, Caller::owner("test")))
        .await
        .unwrap();

    // There is one place, and the first query has left it.
    assert_eq!(fixture.value("SELECT 1").await, "1");
    assert_eq!(fixture.engine.idle(), 1);

    let mut rows = 0;
    while let Some(batch) = unread.rows.next().await {
        rows += batch.unwrap().num_rows();
    }
    assert_eq!(rows, 1_000_000);
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_answers_are_bounded() {
    let fixture = Fixture::with(|options| {
        options.running = 1;
        options.idle = 4;
    })
    .await;
    let sql = "SELECT value FROM generate_series(1, 1000000)";
    let mut unread = Vec::new();
    for _ in 0..3 {
        let request = QueryRequest::new(sql, Caller::owner("test"));
        unread.push(fixture.engine.query(request).await.unwrap());
    }
    // The third is one more than a user may have: it ends, and says so to whoever reads it.
    assert_eq!(fixture.value("SELECT 1").await, "1");
    assert_eq!(fixture.engine.idle(), 2);
    let mut third = unread.pop().unwrap();
    let error = loop {
        match third.rows.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.sqlstate(), "53300");
    drop(unread);
    settled(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unread_answer_does_not_keep_the_memory() {
    let fixture = Fixture::with(|options| {
        options.memory_bytes = 64 << 20;
        options.query_memory_bytes = 60 << 20;
        options.idle_patience = Duration::from_millis(1);
    })
    .await;
    let sql = "SELECT a.value, b.value FROM generate_series(1, 5000000) a JOIN generate_series(1, 10000000) b ON a.value < b.value";
    let mut unread = fixture
        .engine
        .query(QueryRequest::new(sql, Caller::owner("test")))
        .await
        .unwrap();
    assert!(unread.rows.next().await.unwrap().is_ok());
    // Given back, though nobody reads.
    let deadline = Instant::now() + Duration::from_secs(20);
    while fixture.engine.memory_used() > 0 {
        assert!(
            Instant::now() < deadline,
            "{} B held",
            fixture.engine.memory_used()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = loop {
        match unread.rows.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), QueryErrorKind::OutOfMemory);
    settled(&fixture).await;
}

/// Waits until nothing runs and nothing is held.
async fn settled(fixture: &Fixture) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let (running, memory, disk) = (
            fixture.engine.running(),
            fixture.engine.memory_used(),
            fixture.engine.disk_used(),
        );
        if (running, memory, disk) == (0, 0, 0) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "still {running} running, {memory} B memory, {disk} B disk"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
