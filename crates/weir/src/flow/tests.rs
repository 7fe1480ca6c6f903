//! What becomes of a project and its `schedules.yml`.

use std::collections::HashSet;
use std::path::Path;

use weir_flow::{AssetId, AssetKind, Trigger};
use weir_model::ModelError;
use weir_model::node::UniqueId;

use super::code::Kept;
use super::fetched::Fetched;
use super::file::FlowFile;
use super::plan::{Plan, plan};
use crate::model::{Opened, ProjectArgs, flags_of_runs, load_options_in, read_project};

const FILES: [(&str, &str); 9] = [
    ("dbt_project.yml", "name: shop\nversion: '1.0'\n"),
    (
        "models/sources.yml",
        "sources:\n  - name: app\n    tables:\n      - name: orders\n        columns:\n          - name: id\n            data_tests: [not_null]\n      - name: users\n",
    ),
    (
        "models/clean.sql",
        "{{ config(materialized='ephemeral') }} select * from {{ source('app', 'orders') }}",
    ),
    ("models/orders.sql", "select * from {{ ref('clean') }}"),
    (
        "models/people.sql",
        "select * from {{ source('app', 'users') }}",
    ),
    (
        "models/report.sql",
        "{{ config(tags=['daily']) }} select * from {{ ref('orders') }}",
    ),
    (
        "models/daily.sql",
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='at', batch_size='day', begin='2025-01-01') }} select * from {{ ref('people') }}",
    ),
    (
        "models/schema.yml",
        "models:\n  - name: orders\n    columns:\n      - name: id\n        data_tests: [unique]\n",
    ),
    (
        "tests/orders_have_people.sql",
        "select 1 from {{ ref('orders') }} join {{ ref('people') }} using (id) where false",
    ),
];

fn opened(dir: &Path) -> Opened {
    for (name, text) in FILES {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let args = ProjectArgs {
        here: true,
        ..ProjectArgs::default()
    };
    let mut options = load_options_in(dir.to_owned(), &args);
    options.home = None;
    read_project(&options, true, flags_of_runs()).unwrap().0
}

fn planned(text: &str) -> Result<Plan, Vec<ModelError>> {
    planned_with(text, &[])
}

/// Plans a project with sources that rows are fetched from: their names and files.
fn planned_with(text: &str, sources: &[(&str, &str)]) -> Result<Plan, Vec<ModelError>> {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path());
    let file = FlowFile::parse(text, &|_| None)?;
    let sources = sources.iter().map(|(name, text)| {
        let path = format!("sources/{name}.yml");
        let spec = crate::extract::file::parse((&path, name, text), dir.path(), &|_| None);
        ((*name).to_owned(), Ok(spec.unwrap()))
    });
    let fetched = Fetched::of(sources.collect());
    let manifest = opened.manifest();
    plan(
        &file,
        dir.path(),
        &manifest,
        (Vec::new(), fetched),
        &Kept::default(),
    )
}

fn names(ids: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let mut names: Vec<String> = ids
        .into_iter()
        .map(|id| {
            id.as_ref()
                .splitn(3, '.')
                .nth(2)
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    names.sort();
    names
}

fn set(ids: &[&str]) -> HashSet<AssetId> {
    ids.iter()
        .map(|id| AssetId::new(format!("model.shop.{id}")))
        .collect()
}

#[test]
fn a_step_is_a_model_with_the_tests_that_judge_it() {
    let plan = planned("").unwrap();
    let assets = &plan.assets;
    let of = |id: &str, run: &[&str]| {
        let id = AssetId::new(format!("model.shop.{id}"));
        let nodes = assets.nodes_of(&id, &set(run));
        let nodes = nodes
            .iter()
            .map(UniqueId::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        (
            nodes.contains("unique_orders_id"),
            nodes.contains("orders_have_people"),
        )
    };
    // What reads both is judged when both are there, with whichever of them the run has.
    let both = ["orders", "people"];
    let (orders, people) = (of("orders", &both), of("people", &both));
    assert!(orders.0 && !people.0);
    assert!(orders.1 != people.1, "{orders:?} {people:?}");
    assert!(of("orders", &["orders"]).1 && of("people", &["people"]).1);

    // Through what only becomes part of a query; and after the tests of what it reads.
    let orders = &assets.assets[&AssetId::new("model.shop.orders")];
    assert!(
        orders
            .inputs
            .contains(&AssetId::new("source.shop.app.orders"))
    );
    let lone = assets
        .assets
        .values()
        .find(|asset| asset.kind == AssetKind::Test)
        .unwrap();
    assert!(lone.id.as_str().contains("source_not_null_app_orders_id"));
    assert!(orders.inputs.contains(&lone.id));
    assert!(
        !assets
            .assets
            .contains_key(&AssetId::new("model.shop.clean"))
    );
}

#[test]
fn what_a_schedule_follows_is_what_it_reads_and_does_not_build() {
    let text = "schedules:\n  - name: live\n    trigger: inputs\n    select: +report\n  - name: own\n    trigger: inputs\n    select: report\n";
    let plan = planned(text).unwrap();
    let tables = |name: &str| match &plan.project.schedule(&name.into()).unwrap().trigger {
        Trigger::Inputs { tables, .. } => {
            tables.iter().map(ToString::to_string).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(tables("live"), ["app.orders"]);
    assert_eq!(tables("own"), ["main.orders"]);
    let live = plan.project.schedule(&"live".into()).unwrap();
    let target = names(&live.target.assets);
    assert!(
        target.iter().any(|name| name == "report") && target.iter().any(|name| name == "orders"),
        "{target:?}"
    );
}

#[test]
fn settings_of_steps_come_one_over_the_other() {
    let text = "pools: {heavy: 1}\ndefaults:\n  retries: {transient: 7}\n  timeout: {run: 1h}\n\
                steps:\n  - select: tag:daily\n    pool: heavy\n    priority: 5\n    retries: {permanent: 2}\n\
                schedules:\n  - name: x\n    trigger: manual\n    exclude: tag:daily\n";
    let plan = planned(text).unwrap();
    let asset = |id: &str| &plan.assets.assets[&AssetId::new(format!("model.shop.{id}"))];
    let (report, orders) = (asset("report"), asset("orders"));
    assert_eq!(report.pool.as_ref().unwrap().as_str(), "heavy");
    assert_eq!(
        (
            report.retry.transient,
            report.retry.permanent,
            report.priority
        ),
        (7, 2, 5)
    );
    assert_eq!(
        (
            orders.retry.transient,
            orders.retry.permanent,
            orders.pool.is_none()
        ),
        (7, 1, true)
    );
    assert_eq!(
        orders.timeouts.run,
        Some(std::time::Duration::from_secs(3_600))
    );
    let chosen = &plan.project.schedule(&"x".into()).unwrap().target.assets;
    assert!(!names(chosen).contains(&"report".to_owned()));
    assert!(asset("daily").partitioning.is_some() && orders.partitioning.is_none());
}

#[test]
fn tests_that_are_not_selected_are_left_out() {
    let text = "schedules:\n  - name: x\n    trigger: manual\n    select: orders\n    exclude: test_type:generic\n";
    let plan = planned(text).unwrap();
    let left_out = names(plan.left_out[&"x".into()].iter().map(UniqueId::as_str));
    assert!(
        left_out
            .iter()
            .any(|name| name.starts_with("unique_orders_id")),
        "{left_out:?}"
    );
    assert!(
        !left_out
            .iter()
            .any(|name| name.starts_with("orders_have_people")),
        "{left_out:?}"
    );
}

#[test]
fn every_mistake_of_the_file_is_told_at_once() {
    let text = "schedules:\n  - name: a\n    cron: nonsense\n  - name: b\n    trigger: manul\n  - nme: c\n    trigger: manual\n";
    let errors = FlowFile::parse(text, &|_| None).unwrap_err();
    let places: Vec<u32> = errors
        .iter()
        .filter_map(|error| error.place())
        .map(|place| place.line)
        .collect();
    assert_eq!(places, [3, 5, 6, 6], "{errors:?}");
    assert_eq!(errors[1].hint_text(), Some("did you mean `manual`?"));
}

#[test]
fn a_source_is_synced_before_what_reads_its_rows() {
    let text = "schedules:\n  - name: down\n    cron: 0 3 * * *\n    select: app+\n  - name: up\n    trigger: manual\n    select: +report\n  \
                - name: all\n    trigger: manual\n  - name: live\n    trigger: inputs\n    select: app+\n";
    let app = "kind: singer\ntap: tap-x\nevery: 5m\nalerts: false\n";
    let plan = planned_with(text, &[("app", app)]).unwrap();
    let target = |name: &str| -> Vec<String> {
        let schedule = plan.project.schedule(&name.into()).unwrap();
        let steps = schedule.target.resolve(plan.project.graph()).unwrap();
        steps.iter().map(ToString::to_string).collect()
    };
    let down = target("down");
    assert_eq!(down[0], "source.app");
    assert!(
        down.contains(&"model.shop.report".to_owned()) && down.len() > 4,
        "{down:?}"
    );
    assert_eq!(target("up")[0], "source.app");
    // Nothing is fetched that nobody named, or by what runs when rows come.
    assert!(!target("all").contains(&"source.app".to_owned()));
    let live = plan.project.schedule(&"live".into()).unwrap();
    assert!(!target("live").contains(&"source.app".to_owned()));
    let Trigger::Inputs { tables, .. } = &live.trigger else {
        panic!("{:?}", live.trigger);
    };
    let tables: Vec<&str> = tables.iter().map(AsRef::as_ref).collect();
    assert_eq!(tables, ["raw_app.orders", "raw_app.users"]);
    // Its own schedule.
    let own = plan.project.schedule(&"source.app".into()).unwrap();
    assert!(!own.alerts && matches!(own.trigger, Trigger::Every { .. }));
    assert_eq!(target("source.app"), ["source.app"]);
}

#[test]
fn a_source_that_is_followed_has_no_schedule() {
    let followed = "kind: singer\ntap: tap-x\nevery: 5s\n";
    let by_clock = "kind: singer\ntap: tap-x\nschedule: 0 6 * * *\nzone: Europe/Berlin\n";
    let plan = planned_with("", &[("app", followed), ("crm", by_clock)]).unwrap();
    let names: Vec<&str> = plan.project.schedules().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["source.crm"]);
    let wrong = planned_with(
        "",
        &[("app", "kind: singer\ntap: tap-x\nalerts: [nobody]\n")],
    );
    assert_eq!(
        wrong.unwrap_err()[0].message(),
        "there is no alert receiver `nobody`"
    );
}

#[test]
fn a_circle_of_steps_is_told_at_the_file_of_its_first() {
    let dir = tempfile::tempdir().unwrap();
    let opened = opened(dir.path());
    std::fs::create_dir(dir.path().join("steps")).unwrap();
    for (name, from) in [("one", "two"), ("two", "one")] {
        let text = format!(
            "command: [x]\ninput: {{fileset: {from}, glob: /}}\noutput: {{fileset: {name}}}\n"
        );
        std::fs::write(dir.path().join(format!("steps/{name}.yml")), text).unwrap();
    }
    let steps = super::step::read_steps(dir.path()).unwrap();
    let planned = plan(
        &FlowFile::default(),
        dir.path(),
        &opened.manifest(),
        (steps, Vec::new()),
        &Kept::default(),
    );
    let errors = planned.unwrap_err();
    let report = errors[0].report();
    assert!(
        report.contains("in a circle: step.one needs step.two"),
        "{report}"
    );
    assert!(report.contains("at steps/one.yml"), "{report}");
}
