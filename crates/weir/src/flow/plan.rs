//! From `schedules.yml` and a dbt project to what `weir-flow` runs, checked as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use weir_catalog::Rollup;
use weir_flow::{
    AssetId, FlowError, Graph, Project, Schedule, ScheduleName, TableId, Target, Trigger,
};
use weir_model::node::{Manifest, UniqueId};
use weir_model::{ModelError, ModelErrorKind, Place};

use super::assets::{Assets, asset_id};
use super::choice::Choice;
use super::code::Kept;
use super::delivery;
use super::fetched::{Fetched, schedule_of};
use super::file::{FILE, FileSchedule, FileTrigger, FlowFile, Receiver};
use super::rollup;
use super::step::{Declared, wrong as wrong_step};

/// Everything that is known of a project's runs.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) project: Project,
    pub(super) assets: Assets,
    /// Steps of other languages, by asset.
    pub(super) steps: BTreeMap<AssetId, Declared>,
    /// By schedule, the tests that its selection leaves out.
    pub(super) left_out: HashMap<ScheduleName, HashSet<UniqueId>>,
    /// By schedule that is called: what callers show.
    pub(super) tokens: HashMap<ScheduleName, String>,
    pub(super) receivers: BTreeMap<String, Receiver>,
    /// By schedule, who is told; everybody when it is not here.
    pub(super) told: HashMap<ScheduleName, Vec<String>>,
    /// Questions that are kept as tables, by asset.
    pub(super) rollups: BTreeMap<AssetId, Rollup>,
    /// By schedule of a delivery, the dashboard it sends.
    pub(super) deliveries: BTreeMap<ScheduleName, String>,
    /// By question and delivery, why it cannot be kept as a table or sent.
    pub(super) unfit: BTreeMap<String, String>,
}

/// Joins what the file says with the project's nodes.
///
/// # Errors
/// All mistakes, each with its place.
pub(super) fn plan(
    file: &FlowFile,
    folder: &std::path::Path,
    manifest: &Manifest,
    (steps, fetched): (Vec<Declared>, Vec<Fetched>),
    kept: &Kept,
) -> Result<Plan, Vec<ModelError>> {
    let mut assets = Assets::of(manifest, &steps, &fetched);
    let mut errors: Vec<ModelError> = steps.iter().flat_map(|step| taken(step, &assets)).collect();
    settings(file, (folder, manifest, &steps), &mut assets, &mut errors)?;
    let choice = Choice::new(folder, manifest, &assets, &steps)?;
    let mut plan = Plan {
        receivers: file.receivers.clone(),
        steps: steps
            .iter()
            .map(|step| (step.asset(), step.clone()))
            .collect(),
        ..Plan::default()
    };
    let mut schedules = Vec::new();
    let mut seen: HashMap<&ScheduleName, (u32, u32)> = HashMap::new();
    for said in &file.schedules {
        if let Some((line, _)) = seen.insert(&said.name, said.place) {
            let message = format!("there are two schedules `{}`", said.name);
            errors.push(
                wrong(said.place, message).hint(format!("the other is in line {line}; rename one")),
            );
            continue;
        }
        match schedule(said, &choice) {
            Ok((schedule, left_out)) => {
                if !left_out.is_empty() {
                    plan.left_out.insert(said.name.clone(), left_out);
                }
                schedules.push(schedule);
            }
            Err(error) => errors.push(error),
        }
        if let FileTrigger::Webhook { token } = &said.trigger {
            plan.tokens.insert(said.name.clone(), token.clone());
        }
        if let Some(names) = &said.alerts {
            plan.told.insert(said.name.clone(), names.clone());
        }
    }
    errors.extend(circle(file, &schedules, &assets));
    errors.extend(of_sources(file, &fetched, &mut schedules, &mut plan.told));
    if !errors.is_empty() {
        return Err(errors);
    }
    plan.unfit = rollup::add(&kept.rollups, file, &mut assets, &mut schedules);
    let unfit = delivery::add(&kept.deliveries, file, &mut assets, &mut schedules);
    plan.unfit.extend(unfit);
    let deliveries = kept.deliveries.iter();
    plan.deliveries = deliveries
        .map(|one| (delivery::schedule_of(one), one.dashboard.clone()))
        .collect();
    plan.rollups = kept
        .rollups
        .iter()
        .filter(|rollup| !plan.unfit.contains_key(&rollup.question))
        .map(|rollup| (rollup::asset_of(rollup), rollup.clone()))
        .collect();
    let checked = Graph::new(assets.assets.values().cloned())
        .and_then(|graph| Project::new(graph, schedules, file.pools.iter().cloned()));
    plan.project = checked.map_err(|error| vec![of_graph(&steps, &error)])?;
    plan.assets = assets;
    Ok(plan)
}

/// Adds the schedules that files of sources make, and who is told of these.
fn of_sources(
    file: &FlowFile,
    fetched: &[Fetched],
    schedules: &mut Vec<Schedule>,
    told: &mut HashMap<ScheduleName, Vec<String>>,
) -> Vec<ModelError> {
    let mut errors = Vec::new();
    for source in fetched {
        let name = schedule_of(source.name.as_str());
        let wrong = |message: String| {
            ModelError::new(ModelErrorKind::Project, message).at(Place::file(source.file.clone()))
        };
        if schedules.iter().any(|schedule| schedule.name == name) {
            let message = format!(
                "the schedule of source `{}` is called `{name}`",
                source.name
            );
            errors.push(wrong(message).hint("rename the other one in `schedules.yml`"));
            continue;
        }
        match source.schedule() {
            Ok(schedule) => schedules.extend(schedule),
            Err(error) => errors.push(wrong(error.to_string())),
        }
        let Some(names) = source.alerts() else {
            continue;
        };
        for unknown in names
            .iter()
            .filter(|name| !file.receivers.contains_key(*name))
        {
            let known: Vec<&String> = file.receivers.keys().collect();
            let error = wrong(format!("there is no alert receiver `{unknown}`"));
            errors.push(match weir_core::did_you_mean(unknown, &known) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error.hint("name one of `alerts` in `schedules.yml`, or write `false`"),
            });
        }
        told.insert(name, names.clone());
    }
    errors
}

/// Finds tables that a step makes and a model as well.
fn taken(step: &Declared, assets: &Assets) -> Vec<ModelError> {
    let makes = step.makes();
    let twice = makes
        .iter()
        .filter_map(|table| Some((table, assets.model_of(table)?)));
    let error = |(table, model): (&TableId, &AssetId)| {
        let message = format!(
            "step `{}` makes `{table}`, which `{model}` is already",
            step.step.name
        );
        wrong_step(&step.file, &message).hint("let the step make another table")
    };
    twice.map(error).collect()
}

/// Makes steps be run as the file says.
fn settings(
    file: &FlowFile,
    (folder, manifest, steps): (&std::path::Path, &Manifest, &[Declared]),
    assets: &mut Assets,
    errors: &mut Vec<ModelError>,
) -> Result<(), Vec<ModelError>> {
    let mut wanted: Vec<(HashSet<AssetId>, &super::file::Settings)> = Vec::new();
    let everything = assets.assets.keys().cloned().collect();
    wanted.push((everything, &file.defaults));
    // A first sync may take hours: what holds for all steps holds for sources as far as tries go.
    let untouched: HashSet<AssetId> = assets.fetched.keys().cloned().collect();
    {
        let choice = Choice::new(folder, manifest, assets, steps)?;
        for rule in &file.steps {
            match choice.of(&rule.select, &rule.exclude) {
                Ok(chosen) => wanted.push((chosen.assets.into_iter().collect(), &rule.settings)),
                Err(error) => errors.push(placed(rule.place, error)),
            }
        }
    }
    let known: Vec<&str> = file.pools.iter().map(|(name, _)| name.as_str()).collect();
    for (_, settings) in &wanted {
        if let Some((pool, place)) = &settings.pool
            && !known.contains(&pool.as_str())
            && ![weir_flow::DEFAULT_POOL, weir_flow::SOURCE_POOL].contains(&pool.as_str())
        {
            let hint = match weir_core::did_you_mean(pool.as_str(), &known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("write its size under `pools`: `{pool}: 2`"),
            };
            errors.push(wrong(*place, format!("there is no pool `{pool}`")).hint(hint));
        }
    }
    for (at, (ids, settings)) in wanted.into_iter().enumerate() {
        for asset in assets
            .assets
            .values_mut()
            .filter(|asset| ids.contains(&asset.id))
        {
            if at == 0 && untouched.contains(&asset.id) {
                settings.retry(&mut asset.retry);
                continue;
            }
            settings.apply(asset);
        }
    }
    Ok(())
}

fn schedule(
    said: &FileSchedule,
    choice: &Choice<'_>,
) -> Result<(Schedule, HashSet<UniqueId>), ModelError> {
    let texts = |words: &[(String, (u32, u32))]| -> Vec<String> {
        words.iter().map(|(word, _)| word.clone()).collect()
    };
    let place = said.select.first().map_or(said.place, |(_, place)| *place);
    let mut chosen = choice
        .of(&texts(&said.select), &texts(&said.exclude))
        .map_err(|error| placed(place, error))?;
    if matches!(said.trigger, FileTrigger::Inputs { .. }) {
        // What runs when rows come does not fetch them.
        let fetched = &choice.assets.fetched;
        chosen.assets.retain(|asset| !fetched.contains_key(asset));
    }
    if chosen.assets.is_empty() {
        let message = format!(
            "schedule `{}` selects no model, seed, snapshot, test, step or source",
            said.name
        );
        return Err(
            wrong(place, message).hint("`weir ls --select ...` shows what a selection chooses")
        );
    }
    let trigger = trigger(said, choice, &chosen.assets)?;
    let schedule = Schedule {
        name: said.name.clone(),
        target: Target::only(chosen.assets),
        trigger,
        priority: said.priority,
        max_open_runs: said.max_open_runs.unwrap_or(1),
        alerts: said.alerts.as_ref().is_none_or(|names| !names.is_empty()),
    };
    Ok((schedule, chosen.left_out))
}

fn trigger(
    said: &FileSchedule,
    choice: &Choice<'_>,
    steps: &[AssetId],
) -> Result<Trigger, ModelError> {
    Ok(match &said.trigger {
        FileTrigger::Cron { cron, missed } => Trigger::Cron {
            cron: cron.clone(),
            missed: *missed,
        },
        FileTrigger::Freshness { max_age, lead, by } => Trigger::Freshness {
            max_age: *max_age,
            lead: *lead,
            by: by.clone(),
        },
        FileTrigger::Inputs {
            tables,
            batch,
            at_most_every,
        } => {
            let steps: HashSet<AssetId> = steps.iter().cloned().collect();
            let (reads, builds) = choice.assets.reads_and_builds(&steps);
            let mut followed = BTreeSet::new();
            for (name, place) in tables {
                let table = table(name, choice).map_err(|error| placed(*place, error))?;
                if builds.contains(&table) {
                    let message = format!(
                        "schedule `{}` follows `{table}`, which it builds: it would run for ever",
                        said.name
                    );
                    return Err(wrong(*place, message).hint("follow what its models read"));
                }
                followed.insert(table);
            }
            if tables.is_empty() {
                followed = reads;
            }
            if followed.is_empty() {
                let message = format!(
                    "schedule `{}` runs when inputs change, and its models read no table",
                    said.name
                );
                return Err(wrong(said.place, message)
                    .hint("name tables under `tables`, as `schema.table`"));
            }
            Trigger::Inputs {
                tables: followed
                    .into_iter()
                    .map(|table| choice.assets.beneath(table))
                    .collect(),
                batch: *batch,
                at_most_every: *at_most_every,
            }
        }
        FileTrigger::Webhook { .. } => Trigger::Webhook,
        FileTrigger::Manual => Trigger::Manual,
    })
}

/// Returns the table that a name means: `schema.table`, or a model or source of the project.
fn table(name: &str, choice: &Choice<'_>) -> Result<TableId, ModelError> {
    let known = |asset: &AssetId| choice.assets.table(asset).cloned();
    if let Some(table) = known(&AssetId::new(name)) {
        return Ok(table);
    }
    let by_name = choice
        .manifest
        .nodes
        .values()
        .find(|node| node.name == name);
    if let Some(table) = by_name.and_then(|node| known(&asset_id(&node.id))) {
        return Ok(table);
    }
    if let Some(fileset) = name.strip_prefix("fileset:") {
        return Ok(TableId::new(match fileset.contains('@') {
            true => name.to_owned(),
            false => format!("{name}@master"),
        }));
    }
    match name.split('.').collect::<Vec<_>>().as_slice() {
        [schema, table] if !schema.is_empty() && !table.is_empty() => Ok(TableId::new(name)),
        _ => {
            let error = ModelError::new(ModelErrorKind::Project, format!("`{name}` is no table"));
            let models: Vec<&str> = choice
                .manifest
                .nodes
                .values()
                .map(|node| node.name.as_str())
                .collect();
            Err(match weir_core::did_you_mean(name, &models) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error.hint("write `schema.table`, or the name of a model"),
            })
        }
    }
}

/// Finds schedules that would set each other off for ever.
pub(super) fn circle(
    file: &FlowFile,
    schedules: &[Schedule],
    assets: &Assets,
) -> Option<ModelError> {
    let builds: Vec<BTreeSet<TableId>> = schedules
        .iter()
        .map(|schedule| {
            let steps = schedule.target.assets.iter().cloned().collect();
            assets.reads_and_builds(&steps).1
        })
        .collect();
    let targets: Vec<HashSet<AssetId>> = schedules
        .iter()
        .map(|schedule| schedule.target.assets.iter().cloned().collect())
        .collect();
    let follows = |from: usize, to: usize| match &schedules[to].trigger {
        Trigger::Inputs { tables, .. } => tables
            .iter()
            .any(|table| builds[from].contains(table) || assets.fetch(&targets[from], table)),
        _ => false,
    };
    for start in 0..schedules.len() {
        // Breadth first: the shortest way back is the easiest to read.
        let mut came_from: HashMap<usize, usize> = HashMap::new();
        let mut waiting = std::collections::VecDeque::from([start]);
        while let Some(at) = waiting.pop_front() {
            for next in (0..schedules.len()).filter(|&next| follows(at, next)) {
                if next == start {
                    let mut names = vec![schedules[start].name.as_str()];
                    let mut back = at;
                    while back != start {
                        names.push(schedules[back].name.as_str());
                        back = came_from[&back];
                    }
                    names.push(schedules[start].name.as_str());
                    let place = file
                        .schedules
                        .iter()
                        .find(|said| said.name == schedules[start].name);
                    let message = format!(
                        "schedules set each other off for ever: {}",
                        names.join(" follows ")
                    );
                    let place = place.map_or((0, 0), |said| said.place);
                    return Some(
                        wrong(place, message).hint("let one of them run by `cron` instead"),
                    );
                }
                if let std::collections::hash_map::Entry::Vacant(new) = came_from.entry(next) {
                    new.insert(at);
                    waiting.push_back(next);
                }
            }
        }
    }
    None
}

pub(super) fn wrong((line, column): (u32, u32), message: String) -> ModelError {
    ModelError::new(ModelErrorKind::Project, message).at(Place::at(FILE, line, column))
}

/// Says where in the file a mistake of another room is.
fn placed((line, column): (u32, u32), error: ModelError) -> ModelError {
    error.at(Place::at(FILE, line, column))
}

/// Says a mistake of the graph: where the first step it is about is declared, if it is about steps.
fn of_graph(steps: &[Declared], error: &FlowError) -> ModelError {
    let declared = |asset: &AssetId| steps.iter().find(|step| step.asset() == *asset);
    let made = of_flow((0, 0), error);
    match error.assets().iter().find_map(declared) {
        Some(step) => made.at(Place::file(step.file.as_str())),
        None => made,
    }
}

fn of_flow(place: (u32, u32), error: &FlowError) -> ModelError {
    let message = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let made = wrong(place, message);
    match error.hint() {
        Some(hint) => made.hint(hint),
        None => made,
    }
}
