//! Days of a project, with the clock turned by hand.

use weir_flow::*;

use crate::world::*;

#[tokio::test]
async fn a_run_goes_through_its_graph_in_order() {
    let nightly = schedule("nightly", "a", cron("0 2 * * *", "UTC"));
    let mut world = World::new("2025-06-01T00:00:00Z", project(diamond(), [nightly])).await;
    assert!(world.work().await.is_empty());

    world.clock.set(at("2025-06-01T02:00:00Z"));
    let ended = world.work().await;
    assert_eq!(ended, [(RunId(1), State::Succeeded)]);
    let begun = world.hands.begun();
    assert_eq!(begun.len(), 4);
    assert_eq!((begun[0].as_str(), begun[3].as_str()), ("a", "d"));

    let run = world.flow.store().run(RunId(1)).await.unwrap();
    assert_eq!(run.cause, Cause::Cron);
    assert_eq!(run.scheduled_at, Some(at("2025-06-01T02:00:00Z")));
    let steps = world.flow.store().steps(run.id).await.unwrap();
    assert!(
        steps
            .iter()
            .all(|step| step.sequence == Some(1) && step.attempts == 1)
    );
    let attempts = world.flow.store().attempts(steps[0].id).await.unwrap();
    assert_eq!(attempts[0].published.as_deref(), Some("a@1"));
    // The same instant does not come again.
    assert!(world.work().await.is_empty());
}

#[tokio::test]
async fn what_failed_stops_what_needs_it_and_nothing_else() {
    let mut world = World::new("2025-06-01T00:00:00Z", project(diamond(), [])).await;
    world
        .hands
        .will("b", [Act::Fail(ErrorClass::Permanent, "no such column")]);
    let target = Target::with_descendants(["a"]);
    let run = world.flow.run_assets(&target, None, "ann").await.unwrap();
    assert_eq!(world.work().await, [(run, State::Failed)]);
    let states = world.states(run).await;
    assert_eq!(states["a"], State::Succeeded);
    assert_eq!(states["b"], State::Failed);
    assert_eq!(states["c"], State::Succeeded);
    assert_eq!(states["d"], State::Skipped);
    let reason = world.flow.store().run(run).await.unwrap().reason;
    assert_eq!(reason.as_deref(), Some("`b`: no such column"));
    let steps = world.flow.store().steps(run).await.unwrap();
    assert_eq!(steps[3].reason.as_deref(), Some("needs `b`, which failed"));

    let again = world
        .flow
        .rerun(run, &Rerun::FromFailed, "ann")
        .await
        .unwrap();
    assert_eq!(world.work().await, [(again, State::Succeeded)]);
    let begun = world.hands.begun();
    assert_eq!(&begun[3..], ["b", "d"]);
    let states = world.states(again).await;
    assert_eq!((states["a"], states["c"]), (State::Skipped, State::Skipped));
    let error = world
        .flow
        .rerun(again, &Rerun::FromFailed, "ann")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), FlowErrorKind::Conflict);

    let subtree = Rerun::Subtree(vec!["c".into()]);
    let third = world.flow.rerun(again, &subtree, "ann").await.unwrap();
    world.work().await;
    assert_eq!(&world.hands.begun()[5..], ["c", "d"]);
    assert_eq!(world.state(third).await, State::Succeeded);
}

#[tokio::test]
async fn a_freshness_deadline_is_kept_and_a_breach_is_told_once() {
    let fresh = schedule(
        "fresh",
        "a",
        Trigger::Freshness {
            max_age: SECOND * 3600,
            lead: SECOND * 600,
            by: None,
        },
    );
    let mut world = World::new(
        "2025-06-01T00:00:00Z",
        project(graph([model("a", &[])]), [fresh]),
    )
    .await;
    for _ in 0..24 * 60 {
        world.work().await;
        world.turn(60);
    }
    // Every 50 minutes over a day.
    assert_eq!(world.hands.tables.count("a"), 29);
    assert!(world.flow.store().alerts(10).await.unwrap().is_empty());

    let no = Act::Fail(ErrorClass::Permanent, "no");
    world.hands.will("a", vec![no; 5]);
    for _ in 0..6 * 60 {
        world.work().await;
        world.turn(60);
    }
    assert!(world.hands.tables.count("a") > 29);
    let alerts = world.flow.store().alerts(10).await.unwrap();
    let of = |key: &str| -> Vec<AlertKind> {
        let of_key = alerts.iter().rev().filter(|alert| alert.key == key);
        of_key.map(|alert| alert.kind).collect()
    };
    assert_eq!(
        of("freshness:fresh"),
        [AlertKind::Raised, AlertKind::Recovered]
    );
    assert_eq!(
        of("schedule:fresh"),
        [AlertKind::Raised, AlertKind::Recovered]
    );
}

#[tokio::test]
async fn what_is_wanted_by_a_time_of_day_is_built_for_it_and_told_before_it_is_late() {
    // At eight in Berlin it may be two hours old, on working days.
    let fresh = schedule(
        "fresh",
        "a",
        Trigger::Freshness {
            max_age: SECOND * 7200,
            lead: SECOND * 900,
            by: Some(Cron::parse("0 8 * * MON-FRI", "Europe/Berlin").unwrap()),
        },
    );
    // A Sunday, of summer time.
    let mut world = World::new(
        "2025-06-01T12:00:00Z",
        project(graph([model("a", &[])]), [fresh]),
    )
    .await;
    let mut built = Vec::new();
    let mut count = 0;
    for _ in 0..7 * 24 * 60 {
        world.work().await;
        if world.hands.tables.count("a") > count {
            count = world.hands.tables.count("a");
            built.push(world.clock.now().format("%a %H:%M").to_string());
        }
        world.turn(60);
    }
    // At once, as nothing was there; then a quarter of an hour before six in UTC.
    assert_eq!(
        built,
        [
            "Sun 12:00",
            "Mon 05:45",
            "Tue 05:45",
            "Wed 05:45",
            "Thu 05:45",
            "Fri 05:45"
        ]
    );
    assert!(world.flow.store().alerts(10).await.unwrap().is_empty());

    // The Monday after, nothing works before noon.
    let no = Act::Fail(ErrorClass::Permanent, "no");
    world.hands.will("a", vec![no; 12]);
    let mut told = Vec::new();
    for _ in 0..24 * 60 {
        world.work().await;
        let alerts = world.flow.store().alerts(100).await.unwrap();
        let of_key = alerts.iter().filter(|alert| alert.key == "freshness:fresh");
        let found: Vec<AlertKind> = of_key.map(|alert| alert.kind).collect();
        if found.len() > told.len() {
            let at = world.clock.now().format("%a %H:%M").to_string();
            told.push((at, found[0]));
        }
        world.turn(60);
    }
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], ("Mon 05:53".to_owned(), AlertKind::Raised));
    assert_eq!(told[1].1, AlertKind::Recovered);
}

#[tokio::test]
async fn runs_that_take_long_begin_as_much_earlier() {
    let fresh = schedule(
        "fresh",
        "a",
        Trigger::Freshness {
            max_age: SECOND * 3600,
            lead: SECOND * 120,
            by: None,
        },
    );
    let mut world = World::new(
        "2025-06-01T00:00:00Z",
        project(graph([model("a", &[])]), [fresh]),
    )
    .await;
    let until = world.clock.now() + chrono::TimeDelta::hours(24);
    while world.clock.now() < until {
        let tick = world.scheduler.tick().await.unwrap();
        // Each run takes ten minutes.
        world.turn(if tick.opened.is_empty() { 60 } else { 600 });
        if !tick.opened.is_empty() {
            world.work().await;
        }
    }
    // An age of 48 minutes, then ten minutes of work: never an hour.
    assert!(world.flow.store().alerts(10).await.unwrap().is_empty());
    let count = world.hands.tables.count("a");
    assert!((24..=26).contains(&count), "{count}");
    let lengths = world.flow.store().run_lengths(&"fresh".into(), 20).await;
    assert_eq!(lengths.unwrap(), [SECOND * 600; 20]);

    let figures = world.flow.store().figures(world.clock.now()).await.unwrap();
    assert_eq!(figures.runs, [(State::Succeeded, count as u64)]);
    let (state, tries, _) = figures.attempts[0];
    assert_eq!((state, tries), (State::Succeeded, count as u64));
    assert_eq!(
        (figures.running, figures.queued, figures.incidents),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn missed_instants_are_caught_up_as_the_policy_says() {
    let hourly = |name: &str, asset: &str, missed| {
        let cron = Cron::parse("0 * * * *", "UTC").unwrap();
        Schedule {
            max_open_runs: 100,
            ..schedule(name, asset, Trigger::Cron { cron, missed })
        }
    };
    let assets = ["skip", "latest", "all"].map(|id| model(id, &[]));
    let schedules = [
        hourly("skip", "skip", MissedTicks::Skip),
        hourly("latest", "latest", MissedTicks::Latest),
        hourly("all", "all", MissedTicks::All { max: 5 }),
    ];
    let mut world = World::new("2025-06-01T00:30:00Z", project(graph(assets), schedules)).await;
    world.clock.set(at("2025-06-01T12:30:00Z"));
    world.work().await;
    let tables = &world.hands.tables;
    assert_eq!(
        [
            tables.count("skip"),
            tables.count("latest"),
            tables.count("all")
        ],
        [0, 1, 5]
    );
    world.clock.set(at("2025-06-01T13:00:10Z"));
    world.work().await;
    let tables = &world.hands.tables;
    assert_eq!(
        [
            tables.count("skip"),
            tables.count("latest"),
            tables.count("all")
        ],
        [1, 2, 6]
    );
    let contents = tables.contents();
    assert_eq!(contents["latest"][0], "2025-06-01 12:00:00 UTC");
}

#[derive(Debug, Default)]
struct Mailbox(parking_lot::Mutex<(u32, Vec<i64>)>);

#[async_trait::async_trait]
impl Alerts for Mailbox {
    async fn deliver(&self, alert: &Alert) -> Result<(), BoxError> {
        let mut mailbox = self.0.lock();
        if mailbox.0 > 0 {
            mailbox.0 -= 1;
            return Err("the mail server is down".into());
        }
        mailbox.1.push(alert.id);
        Ok(())
    }
}

#[tokio::test]
async fn alerts_come_once_per_incident_and_survive_a_receiver_that_is_down() {
    let often = schedule("often", "a", cron("* * * * *", "UTC"));
    let mut world = World::new(
        "2025-06-01T00:00:00Z",
        project(graph([model("a", &[])]), [often]),
    )
    .await;
    world
        .hands
        .will("a", vec![Act::Fail(ErrorClass::Permanent, "no"); 5]);
    let mailbox = Mailbox::default();
    mailbox.0.lock().0 = 3;
    for _ in 0..20 {
        world.turn(60);
        world.work().await;
        let tick = world.scheduler.tick().await.unwrap();
        world.flow.deliver(&mailbox, &tick.alerts).await.unwrap();
    }
    let alerts = world.flow.store().alerts(10).await.unwrap();
    assert_eq!(alerts.len(), 2);
    assert_eq!(alerts[1].text, "run 1 failed: `a`: no");
    assert_eq!(alerts[0].text, "run 6 succeeded");
    assert_eq!(mailbox.0.lock().1, [1, 2]);
}

#[tokio::test]
async fn what_need_not_be_done_lets_others_go_on() {
    let mut world = World::new("2025-06-01T00:00:00Z", project(diamond(), [])).await;
    world.hands.will("a", [Act::Skip]);
    let target = Target::with_descendants(["a"]);
    let run = world.flow.run_assets(&target, None, "ann").await.unwrap();
    assert_eq!(world.work().await, [(run, State::Succeeded)]);
    assert_eq!(world.states(run).await["a"], State::Skipped);
    assert_eq!(world.hands.tables.contents().len(), 3);
}
