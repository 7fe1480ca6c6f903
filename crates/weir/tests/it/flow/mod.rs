//! Schedules and runs through the running server: what fires, what is built once whatever happens,
//! and what people can do about it.

mod crash;
mod sent;
mod shop;
mod steps;
mod syncs;
mod told;

use serde_json::json;
use weir_testkit::{Context, Result, ensure, until};

use self::shop::{Shop, all, null, sorted, states};

const BY_HAND: &str = "schedules:\n  - name: all\n    trigger: manual\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_builds_tests_and_publishes_by_the_clock() -> Result<()> {
    let schedules =
        "schedules:\n  - name: often\n    cron: '*/2 * * * * *'\n    zone: Europe/Berlin\n";
    let mut shop = Shop::started(schedules).await?;
    let run = shop.next_run("often", None).await?;
    ensure!(run["state"] == "succeeded", "{run}");
    ensure!(sorted(states(&run)) == sorted(all("succeeded")), "{run}");
    ensure!(!run["scheduled_at"].is_null(), "{run}");

    // What has not changed is not built again.
    let next = shop.next_run("often", run["id"].as_i64()).await?;
    ensure!(sorted(states(&next)) == sorted(all("skipped")), "{next}");
    ensure!(
        shop.weir.count("select count(*) from main.history").await? == 3,
        "built twice"
    );

    // All of it is there for SQL, and for the command line.
    let first = run["id"].as_i64().context("a number")?;
    let sql = format!(
        "select s.asset, a.state, p.about from weir.runs r join weir.steps s on s.run_id = r.run_id \
         join weir.attempts a on a.step_id = s.step_id join weir.publications p on p.id = a.published \
         where r.run_id = {first} and r.schedule = 'often' order by 1"
    );
    let rows = shop.weir.query(&sql).await?;
    ensure!(rows.len() == 4, "{rows:?}");
    ensure!(
        rows[0][0] == "model.shop.customers" && rows[0][1] == "succeeded",
        "{rows:?}"
    );
    let about: serde_json::Value = serde_json::from_str(rows[0][2].as_str().context("about")?)?;
    ensure!(
        about["run"] == first && about["step"] == "model.shop.customers",
        "{about}"
    );
    let said = format!(
        "select line from weir.run_logs where run_id = {first} and asset = 'seed.shop.raw_orders' order by line_number"
    );
    let said = shop.weir.query(&said).await?;
    ensure!(
        said.iter()
            .any(|line| line[0].as_str().is_some_and(|line| line.contains("3 rows"))),
        "{said:?}"
    );
    let (code, listed, _) = shop.weir.run(&["runs", "list"])?;
    ensure!(
        code == 0 && listed.contains("often") && listed.contains("4 done"),
        "{listed}"
    );
    let (code, listed, _) = shop.weir.run(&["schedule", "list"])?;
    ensure!(code == 0 && listed.contains("Europe/Berlin"), "{listed}");
    let (code, shown, told) = shop.weir.run(&["runs", "show", &first.to_string(), "-f"])?;
    ensure!(
        code == 0 && told.contains("run ") && told.contains("customers"),
        "{shown}{told}"
    );
    let (code, logs, _) =
        shop.weir
            .run(&["runs", "logs", &first.to_string(), "--step", "orders"])?;
    ensure!(
        code == 0 && logs.contains("pass test.shop.unique_orders_id"),
        "{logs}"
    );
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_set_off_what_reads_them() -> Result<()> {
    let schedules = "schedules:\n  - name: live\n    trigger: inputs\n    select: seen\n    at_most_every: 1s\n";
    let shop = Shop::new(schedules)?;
    shop.write(
        "models/sources.yml",
        "sources:\n  - name: app\n    tables: [{name: order_seen}]\n",
    )?;
    shop.write(
        "models/seen.sql",
        "{{ config(materialized='table') }} select count(*) as n from {{ source('app', 'order_seen') }}\n",
    )?;
    let mut shop = shop;
    shop.weir.start().await?;
    let event = |n: usize| json!({"type": "track", "event": "Order Seen", "userId": "ada", "properties": {"n": n}});
    ensure!(shop.weir.send(&[event(1)]).await?, "not acknowledged");
    shop.weir.until_count("select n from main.seen", 1).await?;

    // Rows that are in memory only count as well; and a restart neither forgets nor repeats any.
    ensure!(
        shop.weir.send(&[event(2), event(3)]).await?,
        "not acknowledged"
    );
    shop.weir.until_count("select n from main.seen", 3).await?;
    let runs = "select count(*) from weir.runs where schedule = 'live' and cause = 'inputs'";
    until(|| async {
        let open = shop
            .weir
            .count("select count(*) from weir.runs where ended_at is null");
        Ok((open.await? == 0).then_some(()))
    })
    .await?;
    let before = shop.weir.count(runs).await?;
    shop.weir.kill()?;
    shop.weir.start().await?;
    shop.weir.flush().await?;
    ensure!(shop.weir.send(&[event(4)]).await?, "not acknowledged");
    shop.weir.until_count("select n from main.seen", 4).await?;
    let after = shop.weir.count(runs).await?;
    ensure!(after == before + 1, "{before} runs, then {after}");
    let inputs = "select inputs from weir.runs order by run_id desc limit 1";
    let inputs = shop.weir.query(inputs).await?;
    ensure!(
        inputs[0][0]
            .as_str()
            .is_some_and(|text| text.contains("app.order_seen")),
        "{inputs:?}"
    );
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_not_published_and_runs_again_alone() -> Result<()> {
    let mut shop = Shop::started(BY_HAND).await?;
    let good = shop.trigger("all", None).await?;
    ensure!(
        shop.ended(good).await?["state"] == "succeeded",
        "the first run"
    );

    shop.write(
        "seeds/raw_orders.csv",
        "id,customer,amount\n1,ada,1\n1,ada,2\n",
    )?;
    let run = until(|| async {
        // Until the server has seen the new file, nothing has changed.
        let run = shop.trigger("all", None).await?;
        let ended = shop.ended(run).await?;
        Ok((ended["state"] != "succeeded").then_some(ended))
    })
    .await?;
    let expected = sorted(vec![
        ("raw_orders".to_owned(), "succeeded".to_owned()),
        ("orders".to_owned(), "failed".to_owned()),
        ("customers".to_owned(), "skipped".to_owned()),
        ("history".to_owned(), "skipped".to_owned()),
    ]);
    ensure!(sorted(states(&run)) == expected, "{run}");
    let reason = run["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains("unique_orders_id"), "{reason}");
    // Readers of what did not pass its tests see what was there.
    ensure!(
        shop.weir
            .count("select count(*) from main.customers")
            .await?
            == 2,
        "published"
    );

    let failed = run["id"].to_string();
    let (code, _, told) = shop.weir.run(&["runs", "show", &failed, "--follow"])?;
    ensure!(code == 1 && told.contains("--from-failed"), "{told}");
    shop.write(
        "models/orders.sql",
        "select distinct on (id) id, customer, amount from {{ ref('raw_orders') }} order by id\n",
    )?;
    let again = until(|| async {
        let (code, out, told) =
            shop.weir
                .run(&["--json", "runs", "retry", &failed, "--from-failed"])?;
        ensure!(code == 0, "{told}");
        let begun: serde_json::Value = serde_json::from_str(&out)?;
        let ended = shop.ended(begun["run"].as_i64().context("a run")?).await?;
        Ok((ended["state"] == "succeeded").then_some(ended))
    })
    .await?;
    ensure!(
        again["rerun_of"] == run["id"] && again["cause"] == "rerun",
        "{again}"
    );
    let reused = states(&again);
    ensure!(
        reused.contains(&("raw_orders".to_owned(), "skipped".to_owned())),
        "{again}"
    );
    ensure!(
        reused.contains(&("customers".to_owned(), "succeeded".to_owned())),
        "{again}"
    );
    ensure!(
        shop.weir
            .count("select count(*) from main.customers")
            .await?
            == 1,
        "not published"
    );
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_rest_and_go_on() -> Result<()> {
    let schedules = "schedules:\n  - name: often\n    cron: '* * * * * *'\n  - name: all\n    trigger: manual\n";
    let mut shop = Shop::started(schedules).await?;
    let first = shop.next_run("often", None).await?;
    let (code, _, told) = shop.weir.run(&["schedule", "pause", "often"])?;
    ensure!(code == 0, "{told}");
    let newest = "select max(run_id) from weir.runs where schedule = 'often'";
    let rested = shop.weir.count(newest).await?;
    // Other schedules run meanwhile, for longer than a tick of the one that rests.
    for _ in 0..8 {
        let run = shop.trigger("all", None).await?;
        ensure!(shop.ended(run).await?["state"] == "succeeded", "run {run}");
    }
    ensure!(shop.weir.count(newest).await? == rested, "it did not rest");
    let (_, listed, _) = shop.weir.run(&["schedule", "list"])?;
    ensure!(listed.contains("rests"), "{listed}");
    let (code, _, told) = shop.weir.run(&["schedule", "resume", "often", "--skip"])?;
    ensure!(code == 0, "{told}");
    let next = shop.next_run("often", Some(rested)).await?;
    ensure!(
        next["scheduled_at"].as_str() > first["scheduled_at"].as_str(),
        "{next}"
    );

    let (code, _, told) = shop.weir.run(&["schedule", "pause", "oftn"])?;
    ensure!(
        code == 1 && told.contains("did you mean `often`?"),
        "{told}"
    );
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn late_data_is_waited_for() -> Result<()> {
    let schedules = "steps:\n  - select: late\n    retries: {permanent: 200, first_wait: 100ms, longest_wait: 200ms}\n\
                     schedules:\n  - name: late\n    trigger: manual\n    select: late\n";
    let shop = Shop::new(schedules)?;
    shop.write(
        "models/sources.yml",
        "sources:\n  - name: app\n    tables: [{name: payout_done}]\n",
    )?;
    shop.write(
        "models/late.sql",
        "select id from {{ source('app', 'payout_done') }}\n",
    )?;
    let mut shop = shop;
    shop.weir.start().await?;
    let run = shop.trigger("late", None).await?;
    until(|| async {
        let found = shop.run(run).await?;
        let tries = found["details"][0]["attempts"]
            .as_array()
            .map_or(0, Vec::len);
        Ok((tries >= 2).then_some(()))
    })
    .await?;
    let event = json!({"type": "track", "event": "Payout Done", "userId": "ada"});
    ensure!(shop.weir.send(&[event]).await?, "not acknowledged");
    let ended = shop.ended(run).await?;
    ensure!(ended["state"] == "succeeded", "{ended}");
    let attempts = ended["details"][0]["attempts"]
        .as_array()
        .context("attempts")?;
    ensure!(
        attempts[0]["state"] == "failed" && attempts[0]["class"] == "permanent",
        "{ended}"
    );
    ensure!(
        attempts
            .last()
            .is_some_and(|last| last["state"] == "succeeded"),
        "{ended}"
    );
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_show_the_token_of_their_schedule() -> Result<()> {
    let schedules = "schedules:\n  - name: hook\n    trigger: webhook\n    token: ${env:HOOK_TOKEN}\n    select: tag:daily\n  \
                     - name: all\n    trigger: manual\n";
    let mut shop = Shop::new(schedules)?;
    shop.weir
        .set("HOOK_TOKEN", "0123456789abcdef0123456789abcdef");
    shop.weir.start().await?;
    let first = shop.trigger("all", None).await?;
    shop.ended(first).await?;
    let token = "0123456789abcdef0123456789abcdef";
    let path = "/api/v1/schedules/hook/trigger";
    let (status, run) = shop
        .ask_as(token, "POST", path, null(), Some("delivery-1"))
        .await?;
    ensure!(status == 202, "{status} {run}");
    let (_, same) = shop
        .ask_as(token, "POST", path, null(), Some("delivery-1"))
        .await?;
    ensure!(run == same, "{run} and {same}");
    let ended = shop.ended(run["run"].as_i64().context("a run")?).await?;
    ensure!(
        ended["cause"] == "webhook" && ended["caused_by"] == "delivery-1",
        "{ended}"
    );
    ensure!(
        states(&ended) == [("customers".to_owned(), "skipped".to_owned())],
        "{ended}"
    );

    // The token opens this door only.
    let wrong = [
        ("nonsense-nonsense-nonsense", path),
        (token, "/api/v1/schedules/all/trigger"),
        (token, "/api/v1/schedules/hook/pause"),
        (token, "/api/v1/runs"),
    ];
    for (token, path) in wrong {
        let (status, answer) = shop.ask_as(token, "POST", path, null(), None).await?;
        ensure!(status == 401, "{path}: {status} {answer}");
    }
    let leaked = shop.weir.log().contains(token);
    ensure!(!leaked, "the token is in the log");
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_with_their_place_and_keep_what_was_in_force() -> Result<()> {
    let mut shop = Shop::started(BY_HAND).await?;
    let first = shop.trigger("all", None).await?;
    ensure!(
        shop.ended(first).await?["state"] == "succeeded",
        "the first run"
    );
    let wrong = [
        (
            "schedules:\n  - name: x\n    corn: '0 3 * * *'\n",
            &[
                "schedules.yml:3:5",
                "unknown key `corn`",
                "did you mean `cron`?",
            ][..],
        ),
        (
            "schedules:\n  - name: x\n    cron: '0 3 * * *'\n    zone: Europe/Berln\n",
            &["schedules.yml:4:11", "did you mean `Europe/Berlin`?"],
        ),
        (
            "schedules:\n  - name: x\n    cron: '0 0 30 2 *'\n",
            &["schedules.yml:3:11", "never comes true"],
        ),
        (
            "schedules:\n  - name: x\n    cron: '61 * * * *'\n",
            &["schedules.yml:3:11"],
        ),
        (
            "schedules:\n  - name: x\n    trigger: manual\n    select: ordrs\n",
            &["schedules.yml:4:13", "ordrs"],
        ),
        (
            "schedules:\n  - name: x\n    trigger: manual\n  - name: x\n    trigger: manual\n",
            &["schedules.yml:4:5", "two schedules `x`"],
        ),
        (
            "schedules:\n  - name: x\n    trigger: inputs\n    select: customers\n    tables: [customers]\n",
            &["schedules.yml:5:14", "for ever"],
        ),
        (
            "schedules:\n  - name: a\n    trigger: inputs\n    select: customers\n    tables: [history]\n  - name: b\n    trigger: inputs\n    select: history\n    tables: [customers]\n",
            &["schedules set each other off for ever: a follows b follows a"],
        ),
        (
            "schedules:\n  - name: x\n    trigger: webhook\n    token: very-secret-very-secret\n",
            &["schedules.yml:4:12", "secrets are not written in files"],
        ),
        (
            "schedules:\n  - name: x\n    trigger: webhook\n    token: ${env:NOT_THERE_AT_ALL}\n",
            &["NOT_THERE_AT_ALL"],
        ),
        (
            "pools: {heavy: 1}\nsteps:\n  - select: customers\n    pool: haevy\n",
            &["schedules.yml:4:11", "did you mean `heavy`?"],
        ),
        (
            "schedules:\n  - name: x\n    fresh_within: soon\n",
            &["schedules.yml:3:19", "is not a duration"],
        ),
        (
            "schedules:\n  - name: x\n    fresh_within: 2h\n    by: \"25:00\"\n",
            &["schedules.yml:4:9", "25:00"],
        ),
        (
            "schedules:\n  - name: x\n    fresh_within: 2h\n    zone: Europe/Berlin\n",
            &["schedules.yml:4:11", "`zone` means nothing without `by`"],
        ),
        ("schedules: [\n", &["schedules.yml"]),
    ];
    for (text, told) in wrong {
        shop.write("schedules.yml", text)?;
        let problem = until(|| async {
            let (_, found) = shop.ask("GET", "/api/v1/schedules", null()).await?;
            let problem = found["problem"].as_str().map(str::to_owned);
            ensure!(found["schedules"][0]["name"] == "all", "{found}");
            Ok(problem.filter(|problem| told.iter().all(|part| problem.contains(part))))
        });
        problem.await.with_context(|| format!("{text}: {told:?}"))?;
    }
    let (code, _, told) = shop.weir.run(&["schedule", "list"])?;
    ensure!(
        code == 1 && told.contains("what was in force before stays"),
        "{told}"
    );
    let still = shop.trigger("all", None).await?;
    ensure!(
        shop.ended(still).await?["state"] == "succeeded",
        "what was in force"
    );

    // And a good file is taken over again, without a restart.
    shop.write(
        "schedules.yml",
        "schedules:\n  - name: other\n    trigger: manual\n    select: +customers\n",
    )?;
    let run = until(|| async {
        let (status, answer) = shop
            .ask("POST", "/api/v1/schedules/other/trigger", null())
            .await?;
        Ok((status == 202).then_some(answer["run"].as_i64()).flatten())
    })
    .await?;
    ensure!(
        shop.ended(run).await?["details"].as_array().map(Vec::len) == Some(3),
        "the new schedule"
    );
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_for_whoever_may_operate() -> Result<()> {
    let mut shop = Shop::started(BY_HAND).await?;
    let run = shop.trigger("all", None).await?;
    shop.ended(run).await?;
    let (status, _) = shop
        .ask(
            "POST",
            "/api/v1/users",
            json!({"name": "ada", "roles": ["analyst"], "password": null}),
        )
        .await?;
    ensure!(status == 201 || status == 200, "{status}");
    let (code, out, told) = shop.weir.run(&["--json", "tokens", "create", "ada"])?;
    ensure!(code == 0, "{told}");
    let token: serde_json::Value = serde_json::from_str(&out)?;
    let token = token["token"].as_str().context("a token")?;
    for (method, path) in [
        ("GET", "/api/v1/runs"),
        ("GET", "/api/v1/runs/1"),
        ("GET", "/api/v1/runs/1/logs"),
        ("POST", "/api/v1/runs/1/cancel"),
        ("GET", "/api/v1/schedules"),
        ("POST", "/api/v1/schedules/all/trigger"),
        ("POST", "/api/v1/schedules/all/pause"),
    ] {
        let (status, answer) = shop.ask_as(token, method, path, null(), None).await?;
        ensure!(status == 403, "{method} {path}: {status} {answer}");
    }
    for table in ["runs", "steps", "attempts", "run_logs", "schedules"] {
        let sql = json!({"sql": format!("select count(*) from weir.{table}")});
        let (_, answer) = shop
            .ask_as(token, "POST", "/api/v1/query", sql.clone(), None)
            .await?;
        ensure!(answer["rows"][0][0] == 0, "{table}: {answer}");
        let (_, answer) = shop.ask("POST", "/api/v1/query", sql).await?;
        ensure!(answer["rows"][0][0].as_i64() > Some(0), "{table}: {answer}");
    }
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_published_once() -> Result<()> {
    let mut shop = Shop::started(BY_HAND).await?;
    let publish = async |table: &str, sequence: u64| -> Result<(u16, serde_json::Value)> {
        let (_, begun) = shop.ask("POST", "/api/v1/transactions", json!({})).await?;
        let id = begun["id"].as_str().context("a transaction")?.to_owned();
        let sql = format!("create or replace table main.{table} as select {sequence} as n");
        let query = json!({"sql": sql, "transaction": id});
        let (status, answer) = shop.ask("POST", "/api/v1/query", query).await?;
        ensure!(status == 200, "{answer}");
        let token = json!({"token": {"app": "a", "sequence": sequence}});
        shop.ask("POST", &format!("/api/v1/transactions/{id}/publish"), token)
            .await
    };
    let (status, first) = publish("one", 7).await?;
    ensure!(status == 200 && first["adopted"] == false, "{first}");
    let (status, again) = publish("one", 7).await?;
    ensure!(
        status == 200 && again["adopted"] == true && again["id"] == first["id"],
        "{again}"
    );
    let (status, stale) = publish("one", 6).await?;
    ensure!(
        status == 400 && stale["code"] == "conflict",
        "{status} {stale}"
    );
    ensure!(
        shop.weir.count("select n from main.one").await? == 7,
        "a stale number was published"
    );
    let (status, next) = publish("one", 8).await?;
    ensure!(status == 200 && next["adopted"] == false, "{next}");
    let path = "/api/v1/publications/by-token?app=a&sequence=8";
    let (status, found) = shop.ask("GET", path, null()).await?;
    ensure!(status == 200 && found["id"] == next["id"], "{found}");
    let (status, none) = shop
        .ask(
            "GET",
            "/api/v1/publications/by-token?app=b&sequence=1",
            null(),
        )
        .await?;
    ensure!(status == 200 && none.is_null(), "{none}");
    shop.weir.stop().await
}
