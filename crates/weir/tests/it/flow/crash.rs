//! kill -9 during a run, at every transition of the scheduler and of the publication: after a restart
//! the tables are those of a run that nobody disturbed, each built once.

use weir_testkit::{Context, Result, ensure, until};

use super::shop::{Shop, all, sorted, states};

/// Where the process ends, and after how many times of coming by.
const POINTS: [(&str, usize); 30] = [
    ("flow-open-runs", 0),
    ("flow-open-runs-done", 0),
    ("flow-end-and-begin-attempts", 0),
    ("flow-end-and-begin-attempts-done", 0),
    ("flow-end-and-begin-attempts", 1),
    ("flow-end-and-begin-attempts-done", 1),
    ("flow-end-and-begin-attempts", 2),
    ("flow-end-and-begin-attempts-done", 2),
    ("flow-end-and-begin-attempts", 3),
    ("flow-end-and-begin-attempts-done", 3),
    ("flow-begin-to-publish", 0),
    ("flow-begin-to-publish-done", 0),
    ("flow-begin-to-publish", 1),
    ("flow-begin-to-publish-done", 1),
    ("flow-begin-to-publish", 3),
    ("flow-begin-to-publish-done", 3),
    ("publish-begin", 0),
    ("publish-begin", 1),
    ("publish-begin", 3),
    ("publish-table-done", 0),
    ("publish-table-done", 1),
    ("publish-table-done", 2),
    ("publish-committed", 0),
    ("publish-committed", 2),
    ("publish-committed", 3),
    ("publish-show", 0),
    ("publish-show", 1),
    ("publish-show", 2),
    ("publish-show", 3),
    ("statement-stored", 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_any_moment_of_a_run_changes_nothing_in_its_result() -> Result<()> {
    let mut shop = Shop::new("schedules:\n  - name: all\n    trigger: manual\n")?;
    let mut reached = 0;
    let mut history = 0;
    for (at, (point, times)) in POINTS.into_iter().enumerate() {
        // Something new to build each time.
        let rows = at + 1;
        let lines: Vec<String> = (1..=rows).map(|n| format!("{n},ada,{n}")).collect();
        let seed = format!("id,customer,amount\n{}\n", lines.join("\n"));
        shop.write("seeds/raw_orders.csv", &seed)?;
        let action = match times {
            0 => format!("{point}=panic"),
            times => format!("{point}={times}*off->panic"),
        };
        shop.weir.set("WEIR_FAILPOINTS", &action);
        shop.weir.start().await?;
        let key = format!("{point}-{times}");
        // The answer may be lost with the server: whoever asks again with the key gets the same run.
        let first = shop.trigger("all", Some(&key)).await.ok();
        let ended = until_ended(&mut shop, first).await?;
        reached += usize::from(ended);
        shop.weir.kill()?;
        shop.weir.unset("WEIR_FAILPOINTS");
        shop.weir.start().await?;
        let run = shop.trigger("all", Some(&key)).await?;
        ensure!(
            first.is_none_or(|first| first == run),
            "{key}: runs {first:?} and {run}"
        );
        let found = shop.ended(run).await?;
        ensure!(
            found["state"] == "succeeded",
            "{key}: {found}\n{}",
            shop.weir.log()
        );
        ensure!(
            sorted(states(&found)) == sorted(all("succeeded")),
            "{key}: {found}"
        );

        // Exactly what an undisturbed run leaves, and everything published once.
        history += rows as i64;
        let sum: i64 = (1..=rows as i64).sum();
        let tables = [
            ("select count(*) from main.raw_orders", rows as i64),
            ("select count(*) from main.orders", rows as i64),
            ("select orders from main.customers", rows as i64),
            ("select cast(total as bigint) from main.customers", sum),
            ("select count(*) from main.history", history),
            ("select count(*) from weir.runs", at as i64 + 1),
        ];
        for (sql, wanted) in tables {
            let found = shop.weir.count(sql).await?;
            ensure!(found == wanted, "{key}: {sql}: {found}, wanted {wanted}");
        }
        let twice = format!(
            "select count(*) from (select regexp_replace(about, '.*\"step\":\"([^\"]*)\".*', '\\1') as step \
             from weir.publications where state = 'published' and about like '%\"run\":{run},%' \
             group by 1 having count(*) > 1) as twice"
        );
        ensure!(
            shop.weir.count(&twice).await? == 0,
            "{key}: published twice"
        );
        shop.weir.stop().await?;
    }
    ensure!(
        reached == POINTS.len(),
        "only {reached} of {} points were reached",
        POINTS.len()
    );
    Ok(())
}

/// Waits until the server has ended at its crash point, or the run without coming by; tells which.
async fn until_ended(shop: &mut Shop, run: Option<i64>) -> Result<bool> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        if shop.weir.ended_now()? {
            return Ok(true);
        }
        if let Some(run) = run
            && let Ok(found) = shop.run(run).await
            && !found["ended_at"].is_null()
        {
            // It may end with the very transaction that it dies after.
            let _ = until(|| async { shop_answers(shop, run).await }).await;
            return shop.weir.ended_now();
        }
        ensure!(
            std::time::Instant::now() < deadline,
            "the run neither ends nor is cut off"
        );
        tokio::task::yield_now().await;
    }
}

/// Asks once more: an answer says that the server outlived its run.
async fn shop_answers(shop: &Shop, run: i64) -> Result<Option<()>> {
    let found = shop.run(run).await.context("the run")?;
    Ok((!found["ended_at"].is_null()).then_some(()))
}
