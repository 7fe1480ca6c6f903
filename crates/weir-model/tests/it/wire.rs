use std::sync::Arc;

use chrono::NaiveDate;
use weir_model::warehouse::postgres::{Postgres as PostgresWarehouse, PostgresOptions};
use weir_model::warehouse::{
    Cell, Connection, Fetch, RelationKind, RelationName, Warehouse, WarehouseErrorKind,
};
use weir_testkit::Postgres;

async fn connect(postgres: &Postgres) -> Box<dyn Connection> {
    let options = PostgresOptions::from_url(&postgres.url("postgres")).expect("an address");
    PostgresWarehouse::new(options)
        .connect("test")
        .await
        .expect("it connects")
}

fn table(schema: &str, name: &str) -> RelationName {
    RelationName {
        database: Some("postgres".to_owned()),
        schema: schema.to_owned(),
        name: name.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_keeps_its_contract() {
    let postgres = Arc::new(Postgres::start().await.expect("PostgreSQL starts"));
    let mut connection = connect(&postgres).await;
    statements(&mut *connection).await;
    errors(&mut *connection).await;
    copies(&mut *connection).await;
    catalog(&mut *connection).await;
    cancels(&mut *connection).await;
    refusals(&postgres).await;
    secrecy(&postgres).await;
    losses(&postgres, connection).await;
}

async fn statements(connection: &mut dyn Connection) {
    let answer = connection
        .execute("create table t (a int); insert into t values (1), (2); select a, a * 1.5 as b, null::date as c from t", Fetch::All)
        .await
        .expect("all three run");
    assert_eq!(
        (answer.tag.as_str(), answer.rows_affected),
        ("SELECT 2", Some(2))
    );
    let rows = answer.table.expect("rows");
    let types: Vec<&str> = rows
        .columns
        .iter()
        .map(|column| column.data_type.as_str())
        .collect();
    assert_eq!(types, ["integer", "numeric", "date"]);
    assert_eq!(
        rows.rows[1],
        vec![Cell::Int(2), Cell::Decimal("3.0".to_owned()), Cell::Null]
    );

    let few = connection
        .execute("select generate_series(1, 100)", Fetch::Limit(3))
        .await
        .expect("it runs");
    assert_eq!(few.table.map(|table| table.rows.len()), Some(3));
    let none = connection
        .execute("-- nothing", Fetch::All)
        .await
        .expect("nothing runs");
    assert_eq!((none.tag.as_str(), none.table), ("", None));
    let unfetched = connection
        .execute("select 1", Fetch::None)
        .await
        .expect("it runs");
    assert!(unfetched.table.is_none());
}

async fn errors(connection: &mut dyn Connection) {
    let error = connection
        .execute("select 1,\n  nothing_here from t", Fetch::All)
        .await
        .expect_err("no such column");
    assert_eq!(
        (error.kind, error.sqlstate.as_deref()),
        (WarehouseErrorKind::Statement, Some("42703"))
    );
    assert!(
        error.to_string().contains("LINE 2:   nothing_here"),
        "{error}"
    );

    connection.begin().await.expect("it begins");
    connection
        .execute("insert into t values (3)", Fetch::None)
        .await
        .expect("it runs");
    connection
        .execute("select 1/0", Fetch::None)
        .await
        .expect_err("divided by zero");
    assert!(connection.in_transaction());
    connection.rollback().await.expect("it rolls back");
    connection.rollback().await.expect("twice is fine");
    let left = connection
        .execute("select count(*) from t", Fetch::All)
        .await
        .expect("it is usable");
    assert_eq!(left.table.expect("rows").rows, vec![vec![Cell::Int(2)]]);
    let zero = connection
        .execute("select '\0'", Fetch::None)
        .await
        .expect_err("a zero byte is no text");
    assert_eq!(zero.kind, WarehouseErrorKind::Statement);
    connection
        .execute("copy t from stdin", Fetch::None)
        .await
        .expect_err("there is no input");
    connection
        .execute("select 1", Fetch::None)
        .await
        .expect("it is usable");
}

async fn copies(connection: &mut dyn Connection) {
    connection
        .execute("create schema \"Odd\"; create table \"Odd\".\"T\" (\"a b\" text, n numeric, d date, ts timestamptz, b bool)", Fetch::None)
        .await
        .expect("it runs");
    let day = NaiveDate::from_ymd_opt(2024, 2, 29).expect("a day");
    let odd = "tab\tnewline\nreturn\rback\\slash \\N and é";
    let rows = vec![
        vec![
            Cell::Text(odd.to_owned()),
            Cell::Decimal("1e3".to_owned()),
            Cell::Date(day),
            Cell::Text("2024-01-01 00:00+01".to_owned()),
            Cell::Bool(true),
        ],
        vec![Cell::Null, Cell::Int(7), Cell::Null, Cell::Null, Cell::Null],
        vec![
            Cell::Text(String::new()),
            Cell::Float(0.5),
            Cell::Null,
            Cell::Null,
            Cell::Bool(false),
        ],
    ];
    let columns: Vec<String> = ["a b", "n", "d", "ts", "b"].map(str::to_owned).to_vec();
    let written = connection
        .copy_in(&table("Odd", "T"), &columns, &mut rows.into_iter())
        .await
        .expect("it copies");
    assert_eq!(written, 3);
    let read = connection
        .execute(
            "select \"a b\", n, ts from \"Odd\".\"T\" order by n desc",
            Fetch::All,
        )
        .await;
    let read = read.expect("it reads").table.expect("rows").rows;
    assert_eq!(read[0][0], Cell::Text(odd.to_owned()));
    assert_eq!(
        read[0][2].text().as_deref(),
        Some("2023-12-31 23:00:00+00:00")
    );
    assert_eq!(read[2][0], Cell::Text(String::new()));

    let broken = vec![vec![Cell::Int(1)], vec![Cell::Text("x".to_owned())]];
    let error = connection
        .copy_in(
            &table("Odd", "T"),
            &["n".to_owned()],
            &mut broken.into_iter(),
        )
        .await;
    assert_eq!(
        error.expect_err("x is no number").sqlstate.as_deref(),
        Some("22P02")
    );
    let error = connection
        .copy_in(&table("Odd", "no"), &columns, &mut Vec::new().into_iter())
        .await;
    assert_eq!(
        error.expect_err("no such table").sqlstate.as_deref(),
        Some("42P01")
    );
    let count = connection
        .execute("select count(*) from \"Odd\".\"T\"", Fetch::All)
        .await
        .expect("it is usable");
    assert_eq!(
        count.table.expect("rows").rows,
        vec![vec![Cell::Int(3)]],
        "all or nothing is written"
    );
}

async fn catalog(connection: &mut dyn Connection) {
    connection
        .execute("create view \"Odd\".v as select * from \"Odd\".\"T\"; create materialized view \"Odd\".m as select * from \"Odd\".v; create table \"Odd\".wide (a varchar(20), b numeric(10,2), c int[], d timestamp)", Fetch::None)
        .await
        .expect("it runs");
    let found = connection
        .relations("postgres", "odd")
        .await
        .expect("it lists");
    let found: Vec<(String, RelationKind)> = found
        .into_iter()
        .map(|info| (info.name.name, info.kind))
        .collect();
    assert_eq!(
        found,
        [
            ("T".to_owned(), RelationKind::Table),
            ("m".to_owned(), RelationKind::MaterializedView),
            ("v".to_owned(), RelationKind::View),
            ("wide".to_owned(), RelationKind::Table),
        ]
    );
    assert!(
        connection
            .relations("postgres", "nowhere")
            .await
            .expect("it lists")
            .is_empty()
    );
    let columns = connection
        .columns(&table("Odd", "wide"))
        .await
        .expect("it lists");
    let columns: Vec<_> = columns
        .iter()
        .map(|column| {
            (
                column.data_type.as_str(),
                column.char_size,
                column.numeric_precision,
                column.numeric_scale,
            )
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("character varying", Some(20), None, None),
            ("numeric", None, Some(10), Some(2)),
            ("integer[]", None, None, None),
            ("timestamp without time zone", None, None, None),
        ]
    );
    let described = connection
        .describe("select 1::bigint as a, 'x'::varchar(3) as b, array[1.5] as c")
        .await;
    let described = described.expect("it describes");
    let types: Vec<&str> = described
        .iter()
        .map(|column| column.data_type.as_str())
        .collect();
    assert_eq!(types, ["bigint", "character varying(3)", "numeric[]"]);
    connection
        .describe("select nothing")
        .await
        .expect_err("no such column");
    let links = connection.dependents().await.expect("it lists");
    assert!(
        links.contains(&(table("Odd", "T"), table("Odd", "v"))),
        "{links:?}"
    );
    assert!(
        connection
            .schemas("postgres")
            .await
            .expect("it lists")
            .contains(&"Odd".to_owned())
    );
}

async fn cancels(connection: &mut dyn Connection) {
    let canceller = connection.canceller();
    let watcher = tokio::spawn(async move {
        // The statement may not have begun yet; asking again does no harm.
        for _ in 0..600 {
            canceller.cancel().await.expect("the server is there");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    let error = connection
        .execute("select pg_sleep(60)", Fetch::None)
        .await
        .expect_err("it is cancelled");
    watcher.abort();
    assert_eq!(error.kind, WarehouseErrorKind::Cancelled);
    let _ = watcher.await;
    // A request on its way may meet the next statement.
    let mut usable = false;
    for _ in 0..20 {
        usable = connection.execute("select 1", Fetch::None).await.is_ok();
        if usable {
            break;
        }
    }
    assert!(usable, "the connection is usable afterwards");
}

async fn refusals(postgres: &Postgres) {
    let kind = |url: String| async move {
        let options = PostgresOptions::from_url(&url).expect("an address");
        let options = PostgresOptions {
            retries: 0,
            ..options
        };
        match PostgresWarehouse::new(options).connect("test").await {
            Ok(_) => panic!("it should not connect"),
            Err(error) => (error.kind, error.to_string()),
        }
    };
    let (missing, text) = kind(postgres.url("no_such_database")).await;
    assert_eq!(missing, WarehouseErrorKind::Connect, "{text}");
    let (secured, text) = kind(format!("{}?sslmode=require", postgres.url("postgres"))).await;
    assert_eq!(secured, WarehouseErrorKind::Connect, "{text}");
    assert!(text.contains("does not offer TLS"), "{text}");
    let (nobody, text) = kind("postgresql://x@127.0.0.1:1/x".to_owned()).await;
    assert_eq!(nobody, WarehouseErrorKind::Connect, "{text}");
    assert!(text.contains("127.0.0.1:1"), "{text}");
}

/// The server is given a certificate for `localhost` while it runs.
async fn secrecy(postgres: &Postgres) {
    let made =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root.crt");
    std::fs::write(&root, &certificate).expect("written");
    let ask = async |sql: String| {
        let answer = postgres.ask("postgres", &sql).await.expect("psql runs");
        answer
            .unwrap_or_else(|failure| panic!("{}: {sql}", failure.message))
            .rows
    };
    let data = ask("show data_directory".to_owned()).await[0][0].clone();
    for (name, text) in [("server.crt", &certificate), ("server.key", &key)] {
        let lines = text.trim_end().replace('\n', "'), ('");
        ask(format!(
            "copy (values ('{lines}')) to program 'umask 077; cat > {data}/{name}'"
        ))
        .await;
    }
    ask("alter system set ssl = on".to_owned()).await;
    ask("select pg_reload_conf()".to_owned()).await;
    while ask("show ssl".to_owned()).await[0][0] != "on" {
        tokio::task::yield_now().await;
    }
    let connect = async |host: &str, mode: &str| {
        let mut options = PostgresOptions::from_url(&postgres.url("postgres")).expect("an address");
        options.host = host.to_owned();
        options.retries = 0;
        options.sslmode = Some(mode.to_owned());
        options.sslrootcert = Some(root.display().to_string());
        let mut connection = PostgresWarehouse::new(options).connect("test").await?;
        let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        let rows = connection
            .execute(sql, Fetch::All)
            .await?
            .table
            .map(|table| table.rows);
        Ok::<_, weir_model::warehouse::WarehouseError>(rows == Some(vec![vec![Cell::Bool(true)]]))
    };
    assert!(!connect("127.0.0.1", "disable").await.expect("it connects"));
    for (host, mode) in [
        ("127.0.0.1", "prefer"),
        ("127.0.0.1", "require"),
        ("127.0.0.1", "verify-ca"),
        ("localhost", "verify-full"),
    ] {
        let secured = connect(host, mode)
            .await
            .unwrap_or_else(|error| panic!("{mode}: {error}"));
        assert!(secured, "{mode}");
    }
    connect("127.0.0.1", "verify-full")
        .await
        .expect_err("the certificate is for localhost");
    connect("127.0.0.1", "sometimes")
        .await
        .expect_err("no such mode");
}

async fn losses(postgres: &Postgres, mut connection: Box<dyn Connection>) {
    let pid = connection
        .execute("select pg_backend_pid()", Fetch::All)
        .await
        .expect("it runs");
    let pid = pid
        .table
        .and_then(|table| table.rows[0][0].text())
        .expect("a number");
    let ended = postgres
        .ask("postgres", &format!("select pg_terminate_backend({pid})"))
        .await
        .expect("psql runs");
    ended.expect("it ends the session");
    let mut kinds = Vec::new();
    for _ in 0..3 {
        if let Err(error) = connection.execute("select 1", Fetch::None).await {
            kinds.push(error.kind);
        }
    }
    assert_eq!(kinds.last(), Some(&WarehouseErrorKind::Lost), "{kinds:?}");
}
