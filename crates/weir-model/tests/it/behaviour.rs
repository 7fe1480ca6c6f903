use std::sync::Arc;

use serde_json::json;
use weir_model::ModelErrorKind;
use weir_model::context::Flags;
use weir_model::run::{Command, FreshnessStatus, Retry, RunOptions, Status};
use weir_model::warehouse::{Cell, RelationName};
use weir_testkit::Postgres;

use super::support::{Opened, Setting, blocking, moment, open, outcomes, project_of, rows};

const EVENTS: (&str, &str) = (
    "seeds/events.csv",
    "id,kind,at\n1,a,2024-01-01 00:00:00\n2,b,2024-01-02 00:00:00\n3,c,2024-01-03 00:00:00\n",
);

/// Opens a project, does something with it and gives that back.
async fn with<T: Send + 'static>(
    postgres: &Postgres,
    database: &str,
    folder: &tempfile::TempDir,
    setting: Setting,
    work: impl FnOnce(Opened) -> T + Send + 'static,
) -> T {
    let (url, folder) = (postgres.url(database), folder.path().to_owned());
    blocking(move |handle| {
        let opened = open(&folder, &url, handle, setting);
        work(opened.unwrap_or_else(|errors| panic!("{}", errors[0].report())))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_behave_as_they_should() {
    let postgres = Postgres::start().await.expect("PostgreSQL starts");
    for database in [
        "failing",
        "hooked",
        "asked",
        "sampled",
        "cloned",
        "stopped",
        "fresh",
        "mistaken",
        "batched",
        "commented",
    ] {
        postgres
            .create_database(database)
            .await
            .expect("a database");
    }
    failures_hold_back_what_reads_them(&postgres).await;
    a_failing_hook_skips_everything(&postgres).await;
    questions_are_answered(&postgres).await;
    empty_and_sampled_runs_read_less(&postgres).await;
    production_is_cloned_and_deferred_to(&postgres).await;
    a_cancelled_run_ends_soon(&postgres).await;
    sources_are_fresh_or_not(&postgres).await;
    mistakes_say_where_they_are(&postgres).await;
    batches_can_be_chosen(&postgres).await;
    statements_carry_the_comment_of_the_project(&postgres).await;
}

async fn statements_carry_the_comment_of_the_project(postgres: &Postgres) {
    let said = |comment: &str, wanted: &str| {
        let folder = project_of(&[
            (
                "models/a.sql",
                "{{ config(materialized='table') }} select current_query() as asked",
            ),
            (
                "macros/said.sql",
                "{% macro said(node) %}{{ return('of ' ~ node.name) }}{% endmacro %}",
            ),
        ]);
        let path = folder.path().join("dbt_project.yml");
        let text = std::fs::read_to_string(&path).expect("a project");
        std::fs::write(&path, format!("{text}\nquery-comment: {comment}\n")).expect("written");
        (folder, wanted.to_owned())
    };
    let run = async |folder: tempfile::TempDir| {
        let setting = Setting::default();
        with(postgres, "commented", &folder, setting, |opened| {
            opened.run(Command::Run, &[])
        })
        .await
    };
    for (folder, wanted) in [
        said("\"{{ said(node) }}\"", "/* of a */%"),
        said(
            "{comment: \"by {{ node.unique_id }}\", append: true}",
            "%/* by model.fixture.a */",
        ),
        said(
            "{append: false}",
            "/* {%\"node_id\": \"model.fixture.a\"%} */%",
        ),
        said("\"\"", "%create%"),
    ] {
        let report = run(folder).await;
        assert_eq!(report.exit_code(), 0, "{:?}", outcomes(&report));
        let sql = format!(
            "select trim(asked) like '{wanted}', replace(asked, E'\\n', ' ') from public.a"
        );
        let found = rows(postgres, "commented", &sql).await;
        assert_eq!(found[0][0], "t", "{wanted}: {found:?}");
    }
    let (folder, _) = said("\"*/ drop\"", "");
    let report = run(folder).await;
    let (_, why) = &outcomes(&report)["model.fixture.a"];
    assert!(why.contains("would end the comment"), "{why}");
}

async fn failures_hold_back_what_reads_them(postgres: &Postgres) {
    let folder = project_of(&[
        ("models/a.sql", "select 1 as id"),
        (
            "models/b.sql",
            "select id, 1/0 as wrong from {{ ref('a') }}",
        ),
        ("models/c.sql", "select * from {{ ref('b') }}"),
        ("models/d.sql", "select * from {{ ref('tested') }}"),
        (
            "models/tested.sql",
            "{{ config(materialized='table') }} select null::int as id",
        ),
        (
            "models/e.sql",
            "{{ config(materialized='ephemeral') }} select * from {{ ref('c') }}",
        ),
        ("models/f.sql", "select * from {{ ref('e') }}"),
        (
            "models/models.yml",
            "models:\n  - name: tested\n    columns:\n      - name: id\n        data_tests: [not_null]\n",
        ),
    ]);
    let (first, stopped) = with(postgres, "failing", &folder, Setting::default(), |opened| {
        let first = opened.run(Command::Build, &[]);
        (first, opened)
    })
    .await;
    let seen = outcomes(&first);
    let status = |id: &str| seen.get(id).map(|(status, _)| status.as_str());
    // A view of what cannot be divided is made; reading it fails.
    assert_eq!(status("model.fixture.b"), Some("success"));
    assert_eq!(status("model.fixture.d"), Some("skipped"), "{seen:?}");
    assert_eq!(first.exit_code(), 1);
    drop(stopped);

    std::fs::write(
        folder.path().join("models/b.sql"),
        "{{ config(materialized='table') }}\nselect id,\n  1/0 as wrong\nfrom {{ ref('a') }}",
    )
    .expect("written");
    let setting = Setting {
        options: RunOptions {
            threads: 1,
            ..RunOptions::default()
        },
        ..Setting::default()
    };
    let report = with(postgres, "failing", &folder, setting, |opened| {
        opened.run(Command::Run, &[])
    })
    .await;
    let seen = outcomes(&report);
    assert_eq!(
        seen["model.fixture.b"].1,
        "Database Error in model b (models/b.sql)\n  division by zero"
    );
    for skipped in ["model.fixture.c", "model.fixture.f"] {
        assert_eq!(seen[skipped].0, "skipped", "{seen:?}");
    }
    assert_eq!(report.count(Status::Success), 3);
    let left = rows(postgres, "failing", "select relname from pg_class where relname like '%dbt_tmp%' or relname like '%dbt_backup%'").await;
    assert!(left.is_empty(), "{left:?}");

    let strict = Setting {
        options: RunOptions {
            threads: 1,
            fail_fast: true,
            ..RunOptions::default()
        },
        ..Setting::default()
    };
    let report = with(postgres, "failing", &folder, strict, |opened| {
        opened.run(Command::Run, &["model.fixture.b", "model.fixture.d"])
    })
    .await;
    assert_eq!(outcomes(&report)["model.fixture.d"].0, "skipped");
}

async fn a_failing_hook_skips_everything(postgres: &Postgres) {
    let folder = project_of(&[("models/a.sql", "select 1 as id")]);
    let project = "name: fixture\nversion: '1.0'\nprofile: fixture\non-run-start: ['select no_such_column']\non-run-end: ['create table ended (a int)']\n";
    std::fs::write(folder.path().join("dbt_project.yml"), project).expect("written");
    let report = with(postgres, "hooked", &folder, Setting::default(), |opened| {
        opened.run(Command::Run, &[])
    })
    .await;
    let seen = outcomes(&report);
    assert_eq!(seen["operation.fixture.fixture-on-run-start-0"].0, "error");
    assert_eq!(seen["model.fixture.a"].0, "skipped");
    assert_eq!(report.exit_code(), 1);
    assert_eq!(
        rows(postgres, "hooked", "select count(*) from ended").await,
        [["0"]]
    );
}

async fn questions_are_answered(postgres: &Postgres) {
    let folder = project_of(&[
        EVENTS,
        ("models/eph.sql", "{{ config(materialized='ephemeral') }} select id from {{ ref('events') }}"),
        ("models/top.sql", "select max(id) as top from {{ ref('eph') }}"),
        ("analyses/ask.sql", "select * from {{ ref('top') }}"),
        (
            "macros/ops.sql",
            "{% macro make(name, count=1) %}{% do run_query('create table ' ~ name ~ ' as select ' ~ count ~ ' as n') %}{{ log('made ' ~ name, info=true) }}{{ return({'name': name}) }}{% endmacro %}
             {% macro lose() %}{% call statement() %}create table lost (a int){% endcall %}{{ exceptions.raise_compiler_error('no ' ~ target.schema) }}{% endmacro %}",
        ),
    ]);
    with(postgres, "asked", &folder, Setting::default(), |opened| {
        let report = opened.run(Command::Build, &[]);
        assert!(report.succeeded(), "{:?}", outcomes(&report));
        let shown = opened.runner.show_inline(
            "select id + 1 as next from {{ ref('eph') }} order by 1 -- no limit",
            Some(2),
        );
        let shown = shown.unwrap_or_else(|error| panic!("{}", error.report()));
        assert_eq!(
            shown.table.rows,
            vec![vec![Cell::Int(2)], vec![Cell::Int(3)]]
        );
        assert!(
            shown.sql.starts_with("with __dbt__cte__eph as ("),
            "{}",
            shown.sql
        );
        let top = opened.ids(&["model.fixture.top"]);
        assert_eq!(
            opened.runner.show(&top[0], None).expect("rows").table.rows,
            vec![vec![Cell::Int(3)]]
        );
        let seed = opened.ids(&["seed."]);
        assert_eq!(
            opened
                .runner
                .show(&seed[0], Some(1))
                .expect("rows")
                .table
                .rows
                .len(),
            1
        );
        let ask = opened.ids(&["analysis."]);
        assert_eq!(
            &*opened.runner.compile_one(&ask[0]).expect("SQL"),
            "select * from \"asked\".\"public\".\"top\""
        );

        let args = json!({ "name": "made", "count": 7 })
            .as_object()
            .cloned()
            .expect("a mapping");
        let made = opened
            .runner
            .run_operation("make", &args)
            .unwrap_or_else(|error| panic!("{}", error.report()));
        assert_eq!(made, json!({ "name": "made" }));
        assert!(opened.log.0.lock().contains(&"made made".to_owned()));
        let error = opened
            .runner
            .run_operation("lose", &Default::default())
            .expect_err("it raises");
        assert_eq!(error.message(), "no public");
        let error = opened
            .runner
            .run_operation("mke", &Default::default())
            .expect_err("no such macro");
        assert_eq!(error.hint_text(), Some("did you mean `make`?"));
        let catalog = opened.runner.catalog().expect("a catalog");
        let names: Vec<&str> = catalog
            .iter()
            .map(|table| table.relation.name.name.as_str())
            .collect();
        assert_eq!(names, ["events", "top"]);
    })
    .await;
    assert_eq!(rows(postgres, "asked", "select n from made").await, [["7"]]);
    assert_eq!(
        rows(postgres, "asked", "select to_regclass('lost')").await,
        [["NULL"]],
        "what fails is undone"
    );
}

async fn empty_and_sampled_runs_read_less(postgres: &Postgres) {
    let folder = project_of(&[
        EVENTS,
        (
            "seeds/seeds.yml",
            "seeds:\n  - name: events\n    config: {event_time: at}\n",
        ),
        (
            "models/copied.sql",
            "{{ config(materialized='table') }} select * from {{ ref('events') }}",
        ),
        (
            "models/all_of_them.sql",
            "{{ config(materialized='table') }} select * from {{ ref('events').render() }}",
        ),
    ]);
    with(postgres, "sampled", &folder, Setting::default(), |opened| {
        opened.run(Command::Seed, &[])
    })
    .await;
    let options = RunOptions {
        empty: true,
        ..RunOptions::default()
    };
    let setting = Setting {
        options,
        ..Setting::default()
    };
    let report = with(postgres, "sampled", &folder, setting, |opened| {
        opened.run(Command::Run, &[])
    })
    .await;
    assert!(report.succeeded(), "{:?}", outcomes(&report));
    assert_eq!(
        rows(postgres, "sampled", "select count(*) from copied").await,
        [["0"]]
    );
    let sample = Some((
        moment("2024-01-02T00:00:00Z"),
        moment("2024-01-03T00:00:00Z"),
    ));
    let setting = Setting {
        options: RunOptions {
            sample,
            ..RunOptions::default()
        },
        ..Setting::default()
    };
    with(postgres, "sampled", &folder, setting, |opened| {
        opened.run(Command::Run, &[])
    })
    .await;
    assert_eq!(
        rows(postgres, "sampled", "select id from copied").await,
        [["2"]]
    );
    assert_eq!(
        rows(postgres, "sampled", "select count(*) from all_of_them").await,
        [["3"]],
        "render() means the whole"
    );
}

async fn production_is_cloned_and_deferred_to(postgres: &Postgres) {
    let folder = project_of(&[
        (
            "models/base.sql",
            "{{ config(materialized='table') }} select 1 as id",
        ),
        ("models/top.sql", "select * from {{ ref('base') }}"),
    ]);
    for sql in [
        "create schema prod",
        "create table prod.base as select 42 as id",
        "create table prod.top as select 43 as id",
    ] {
        postgres
            .ask("cloned", sql)
            .await
            .expect("psql runs")
            .expect("it runs");
    }
    let name = |name: &str| RelationName {
        database: Some("cloned".to_owned()),
        schema: "prod".to_owned(),
        name: name.to_owned(),
    };
    let defer: std::collections::HashMap<_, _> = [("base", name("base")), ("top", name("top"))]
        .into_iter()
        .map(|(node, name)| {
            (
                weir_model::node::UniqueId::from_text(format!("model.fixture.{node}")),
                name,
            )
        })
        .collect();
    let setting = Setting {
        options: RunOptions {
            defer,
            ..RunOptions::default()
        },
        ..Setting::default()
    };
    let deferred = setting.clone();
    let report = with(postgres, "cloned", &folder, deferred, |opened| {
        opened.run(Command::Run, &["model.fixture.top"])
    })
    .await;
    assert!(report.succeeded(), "{:?}", outcomes(&report));
    assert_eq!(
        rows(postgres, "cloned", "select id from public.top").await,
        [["42"]],
        "production's base was read"
    );
    let report = with(postgres, "cloned", &folder, setting, |opened| {
        opened.run(Command::Clone, &[])
    })
    .await;
    let seen = outcomes(&report);
    assert_eq!(seen["model.fixture.top"].0, "no-op", "it is there already");
    assert_eq!(
        rows(postgres, "cloned", "select id from public.base").await,
        [["42"]]
    );
}

async fn a_cancelled_run_ends_soon(postgres: &Postgres) {
    let folder = project_of(&[
        (
            "models/slow.sql",
            "{{ config(materialized='table') }} select 1 as a from pg_sleep(300)",
        ),
        ("models/later.sql", "select * from {{ ref('slow') }}"),
    ]);
    let setting = Setting::default();
    let cancellation = Arc::clone(&setting.cancellation);
    let run = with(postgres, "stopped", &folder, setting, |opened| {
        opened.run(Command::Run, &[])
    });
    let cancel = async {
        let running = "select count(*) from pg_stat_activity where query like '%pg_sleep(300)%' and pid <> pg_backend_pid() and state = 'active'";
        while rows(postgres, "stopped", running).await[0][0] == "0" {
            tokio::task::yield_now().await;
        }
        cancellation.cancel().await;
        std::future::pending::<()>().await;
    };
    let report = tokio::select! {
        report = run => report,
        () = cancel => unreachable!("the run ends"),
    };
    assert!(report.cancelled);
    assert_eq!(report.exit_code(), 1);
    let seen = outcomes(&report);
    assert_eq!(seen["model.fixture.slow"].0, "skipped", "{seen:?}");
    assert_eq!(seen["model.fixture.later"].0, "skipped");
    assert_eq!(
        rows(postgres, "stopped", "select to_regclass('slow')").await,
        [["NULL"]]
    );
}

async fn sources_are_fresh_or_not(postgres: &Postgres) {
    let folder = project_of(&[(
        "models/sources.yml",
        "sources:
  - name: raw
    schema: public
    loaded_at_field: at
    freshness: {warn_after: {count: 1, period: day}, error_after: {count: 10, period: day}}
    tables:
      - name: now
      - name: late
      - name: old
      - name: odd
        loaded_at_field: id
      - name: asked
        loaded_at_query: select max(at) from {{ this }}
      - name: unwatched
        freshness: null
",
    )]);
    for sql in [
        "create table now as select now() as at",
        "create table late as select now()::timestamp - interval '3 days' as at",
        "create table old as select date '2020-01-01' as at",
        "create table odd as select 1 as id",
        "create table asked as select now() as at",
    ] {
        postgres
            .ask("fresh", sql)
            .await
            .expect("psql runs")
            .expect("it runs");
    }
    let results = with(postgres, "fresh", &folder, Setting::default(), |opened| {
        opened.runner.freshness(&opened.ids(&[]))
    })
    .await;
    let status = |name: &str| {
        results
            .iter()
            .find(|result| result.id.as_str().ends_with(name))
            .map(|result| result.status)
    };
    assert_eq!(status(".now"), Some(FreshnessStatus::Pass));
    assert_eq!(status(".late"), Some(FreshnessStatus::Warn));
    assert_eq!(status(".old"), Some(FreshnessStatus::Error));
    assert_eq!(status(".odd"), Some(FreshnessStatus::RuntimeError));
    assert_eq!(status(".asked"), Some(FreshnessStatus::Pass), "{results:?}");
    assert_eq!(status(".unwatched"), None);
}

async fn mistakes_say_where_they_are(postgres: &Postgres) {
    let folder = project_of(&[
        ("models/typo.sql", "select 1 as id,\n  no_such as b"),
        ("models/raises.sql", "select\n  {{ complain('now') }}"),
        (
            "models/endless.sql",
            "{{ config(materialized='no_such') }} select 1",
        ),
        (
            "models/twice.sql",
            "{{ config(materialized='table') }} select 1 as a, 2 as a",
        ),
        (
            "models/late_ref.sql",
            "{% if execute %}select * from {{ ref('typo') }}{% else %}select 1{% endif %}",
        ),
        (
            "macros/complain.sql",
            "{% macro complain(word) %}{% if execute %}{{ exceptions.raise_compiler_error('not ' ~ word) }}{% endif %}{% endmacro %}",
        ),
        ("tests/broken.sql", "select * from no_such_table"),
        ("models/plain.sql", "select 1 as id"),
        ("models/other.sql", "select 2 as id"),
        (
            "models/united.sql",
            "select * from {{ ref('plain') }} union all select * from {{ ref('other') }}",
        ),
        (
            "models/units.yml",
            "unit_tests:
  - name: half_given
    model: united
    given: [{input: ref('plain'), rows: [{id: 1}]}]
    expect: {rows: [{id: 1}]}
  - name: differs
    model: united
    given: [{input: ref('plain'), rows: [{id: 1}, {id: 1}]}, {input: ref('other'), rows: []}]
    expect: {rows: [{id: 1}]}
",
        ),
    ]);
    let report = with(
        postgres,
        "mistaken",
        &folder,
        Setting::default(),
        |opened| opened.run(Command::Build, &[]),
    )
    .await;
    let error = |name: &str| {
        let found = report
            .results
            .iter()
            .find(|result| result.id.as_str().contains(name))
            .expect("it ran");
        assert_eq!(found.status, Status::Error, "{name}");
        found.error.clone().expect("an error")
    };
    let typo = error("typo");
    assert_eq!(typo.kind(), ModelErrorKind::Warehouse);
    assert!(
        typo.message()
            .contains("column \"no_such\" does not exist\nLINE"),
        "{}",
        typo.message()
    );
    let raises = error("raises");
    assert_eq!(raises.message(), "not now");
    assert!(raises.place().is_some(), "{}", raises.report());
    assert!(error("endless").hint_text().is_some());
    assert!(
        error("twice")
            .message()
            .contains("column \"a\" specified more than once")
    );
    assert!(
        error("late_ref")
            .hint_text()
            .is_some_and(|hint| hint.contains("depends_on"))
    );
    assert!(
        error("half_given")
            .message()
            .contains("gives no rows for model.fixture.other")
    );
    let differs = report
        .results
        .iter()
        .find(|result| result.id.as_str().ends_with("differs"));
    let differs = differs.expect("it ran");
    assert_eq!(differs.status, Status::Fail);
    assert!(
        differs
            .message
            .as_deref()
            .is_some_and(|message| message.contains("+++| 1 |"))
    );
    assert_eq!(outcomes(&report)["model.fixture.united"].0, "skipped");
    assert!(error("broken").message().contains("no_such_table"));
}

async fn batches_can_be_chosen(postgres: &Postgres) {
    let folder = project_of(&[
        EVENTS,
        ("seeds/seeds.yml", "seeds:\n  - name: events\n    config: {event_time: at}\n"),
        (
            "models/daily.sql",
            "{{ config(materialized='incremental', incremental_strategy='microbatch', unique_key='id', event_time='at', batch_size='day', begin='2024-01-01') }}
             select id, at, 1 / (id - {{ var('bad', 0) }}) as checked from {{ ref('events') }}",
        ),
    ]);
    let until = |day: &str| RunOptions {
        event_time_end: Some(moment(day)),
        ..RunOptions::default()
    };
    let setting = Setting {
        options: until("2024-01-03T00:00:00Z"),
        ..Setting::default()
    };
    let report = with(postgres, "batched", &folder, setting, |opened| {
        opened.run(Command::Build, &[])
    })
    .await;
    assert!(report.succeeded(), "{:?}", outcomes(&report));
    assert_eq!(
        rows(postgres, "batched", "select id from daily order by 1").await,
        [["1"], ["2"]]
    );
    let options = RunOptions {
        event_time_start: Some(moment("2024-01-02T00:00:00Z")),
        ..until("2024-01-04T00:00:00Z")
    };
    let setting = Setting {
        options,
        vars: json!({ "bad": 2 }),
        ..Setting::default()
    };
    let report = with(postgres, "batched", &folder, setting, |opened| {
        opened.run(Command::Run, &[])
    })
    .await;
    let result = &report.results[0];
    assert_eq!(
        result.status,
        Status::PartialSuccess,
        "{:?}",
        result.message
    );
    assert_eq!(
        result
            .batches
            .as_ref()
            .map(|batches| batches["failed"].clone()),
        Some(json!([[
            "2024-01-02T00:00:00+00:00",
            "2024-01-03T00:00:00+00:00"
        ]]))
    );
    assert_eq!(
        rows(postgres, "batched", "select id from daily order by 1").await,
        [["1"], ["2"], ["3"]]
    );
    let artifact = json!({ "args": { "which": "run" }, "results": report.results_json() });
    with(
        postgres,
        "batched",
        &folder,
        Setting::default(),
        move |opened| {
            let retry = Retry::of(&artifact, &opened.manifest).expect("results");
            assert_eq!(retry.which, "run");
            assert_eq!(retry.selected, opened.ids(&["model.fixture.daily"]));
            let span = (
                moment("2024-01-02T00:00:00Z"),
                moment("2024-01-03T00:00:00Z"),
            );
            assert_eq!(retry.batches.values().next(), Some(&vec![span]));
            Retry::of(&json!({}), &opened.manifest).expect_err("no results");
        },
    )
    .await;
    let again = weir_model::node::UniqueId::from_text("model.fixture.daily");
    let span = (
        moment("2024-01-02T00:00:00Z"),
        moment("2024-01-03T00:00:00Z"),
    );
    let options = RunOptions {
        batches: [(again, vec![span])].into_iter().collect(),
        ..RunOptions::default()
    };
    let setting = Setting {
        options,
        ..Setting::default()
    };
    let report = with(postgres, "batched", &folder, setting, |opened| {
        opened.run(Command::Run, &[])
    })
    .await;
    assert!(report.succeeded(), "{:?}", outcomes(&report));
    let counts = report.results[0]
        .batches
        .as_ref()
        .and_then(|batches| batches["successful"].as_array());
    assert_eq!(counts.map(Vec::len), Some(1), "only what failed runs again");
    let flags = Flags {
        which: "run".to_owned(),
        full_refresh: true,
        ..Flags::default()
    };
    let setting = Setting {
        options: until("2024-01-02T00:00:00Z"),
        flags,
        ..Setting::default()
    };
    with(postgres, "batched", &folder, setting, |opened| {
        opened.run(Command::Run, &[])
    })
    .await;
    assert_eq!(
        rows(postgres, "batched", "select id from daily order by 1").await,
        [["1"]],
        "a full refresh begins anew"
    );
}
