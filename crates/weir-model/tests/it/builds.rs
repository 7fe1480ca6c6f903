use std::fmt::Write;

use regex::Regex;
use serde_json::json;
use weir_model::run::Command;
use weir_model::warehouse::postgres::{Postgres as PostgresWarehouse, PostgresOptions};
use weir_model::warehouse::{Connection, Fetch, Warehouse};
use weir_testkit::Postgres;

use super::support::{Setting, blocking, everything, open};

/// Everything that a run leaves in the warehouse, as text. What depends on the clock is masked.
async fn dump(connection: &mut dyn Connection) -> String {
    let mut out = String::new();
    let relations = "select n.nspname::text, c.relname::text, c.relkind::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
        where n.nspname like 'public%' and c.relkind in ('r', 'v', 'm') order by 1, 2";
    for relation in texts(connection, relations).await {
        let [schema, name, kind] = relation.as_slice() else {
            continue;
        };
        let full = format!("\"{schema}\".\"{name}\"");
        let _ = writeln!(out, "# {schema}.{name} {kind}");
        let columns = format!(
            "select attname::text, format_type(atttypid, atttypmod), left(attnotnull::text, 1), replace(coalesce(col_description(attrelid, attnum), ''), E'\\n', '\\n') \
             from pg_attribute where attrelid = '{full}'::regclass and attnum > 0 and not attisdropped order by attnum"
        );
        for column in texts(connection, &columns).await {
            let _ = writeln!(out, "{}", column.join(" ").trim());
        }
        let facts = format!(
            "select 'index ' || regexp_replace(indexdef, '^CREATE (UNIQUE )?INDEX \\S+ ON \\S+', '\\1') from pg_indexes \
             where schemaname = '{schema}' and tablename = '{name}' \
             union all select 'check ' || pg_get_constraintdef(oid) from pg_constraint where conrelid = '{full}'::regclass \
             union all select 'grant ' || privilege_type || ' to ' || grantee from information_schema.role_table_grants \
             where table_schema = '{schema}' and table_name = '{name}' and grantee = 'reader' \
             union all select 'comment ' || obj_description('{full}'::regclass) where obj_description('{full}'::regclass) is not null \
             order by 1"
        );
        for fact in texts(connection, &facts).await {
            let _ = writeln!(out, "{}", fact.join(" "));
        }
        let data = format!("select replace(t::text, E'\\n', '\\n') from {full} t");
        let data = texts(connection, &data).await;
        let mut lines: Vec<String> = data.into_iter().map(|row| masked(&row.join(""))).collect();
        lines.sort();
        for line in lines {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

/// Asks and returns the rows as text. One connection for all questions: there are hundreds.
async fn texts(connection: &mut dyn Connection, sql: &str) -> Vec<Vec<String>> {
    let answer = connection
        .execute(sql, Fetch::All)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
    let rows = answer.table.map(|table| table.rows).unwrap_or_default();
    rows.into_iter()
        .map(|row| {
            row.iter()
                .map(|cell| cell.text().unwrap_or_default())
                .collect()
        })
        .collect()
}

fn masked(line: &str) -> String {
    let moment =
        Regex::new(r"20(2[5-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?").expect("a pattern");
    let hash = Regex::new(r"\b[0-9a-f]{32}\b").expect("a pattern");
    let line = moment.replace_all(line, "<now>");
    if line.contains("<now>") {
        hash.replace_all(&line, "<hash>").into_owned()
    } else {
        line.into_owned()
    }
}

/// What dbt-core 1.11.16 with dbt-postgres 1.11.0 leaves and reports, written by `compare_dbt.py`.
fn expected(name: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/expected");
    std::fs::read_to_string(folder.join(name)).expect("it was written")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_builds_leave_what_dbt_leaves() {
    let postgres = Postgres::start().await.expect("PostgreSQL starts");
    postgres.create_database("dbt").await.expect("a database");
    for sql in [
        "create role reader",
        "create table public.loads (id int, loaded_at timestamp)",
        "insert into public.loads values (1, '2024-01-01'), (99, '2024-01-02')",
    ] {
        postgres
            .ask("dbt", sql)
            .await
            .expect("psql runs")
            .expect("it runs");
    }
    let options = PostgresOptions::from_url(&postgres.url("dbt")).expect("an address");
    let mut connection = PostgresWarehouse::new(options)
        .connect("dump")
        .await
        .expect("it connects");
    // The fourth is the third, built anew.
    for stage in 1..=4 {
        let url = postgres.url("dbt");
        let mut setting = Setting {
            vars: json!({ "stage": stage.min(3) }),
            ..Setting::default()
        };
        setting.flags.full_refresh = stage == 4;
        let report = blocking(move |handle| {
            let opened = open(&everything(), &url, handle, setting);
            opened
                .unwrap_or_else(|errors| panic!("{}", errors[0].report()))
                .run(Command::Build, &[])
        })
        .await;
        let mut lines: Vec<String> = report
            .results
            .iter()
            .map(|result| {
                let failures = result
                    .failures
                    .map_or("none".to_owned(), |failures| failures.to_string());
                format!("{} {} {failures}", result.id, result.status.as_str())
            })
            .collect();
        lines.sort();
        let wanted = expected(&format!("outcomes_{stage}.txt"));
        assert_eq!(
            lines.join("\n"),
            wanted.trim_end(),
            "outcomes of stage {stage}"
        );
        let (found, wanted) = (
            dump(&mut *connection).await,
            expected(&format!("stage_{stage}.txt")),
        );
        let differing: Vec<_> = found
            .lines()
            .zip(wanted.lines())
            .filter(|(found, wanted)| found != wanted)
            .take(5)
            .collect();
        assert!(
            found == wanted,
            "stage {stage} differs (ours, dbt's): {differing:#?}"
        );
    }
}
