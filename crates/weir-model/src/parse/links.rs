//! What metrics, saved queries, semantic models and unit tests read.

use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};

use super::lookup::{Found, Lookup};
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::node::{Metric, Node, SavedQuery, SemanticModel, UniqueId, UnitTest};

fn missing(id: &UniqueId, file: &str, message: String, hint: String) -> ModelError {
    ModelError::new(ModelErrorKind::MissingReference, message)
        .at(Place::file(file))
        .of(id.as_str())
        .hint(hint)
}

/// Fills `input_measures` and dependencies of every metric.
pub(super) fn metrics(
    metrics: &mut [Metric],
    models: &[SemanticModel],
    errors: &mut Vec<ModelError>,
) {
    let by_name: HashMap<String, usize> = metrics
        .iter()
        .enumerate()
        .map(|(at, metric)| (metric.name.clone(), at))
        .collect();
    let mut done = HashSet::new();
    for at in 0..metrics.len() {
        metric(
            metrics,
            at,
            &by_name,
            models,
            &mut done,
            &mut Vec::new(),
            errors,
        );
    }
}

fn metric(
    metrics: &mut [Metric],
    at: usize,
    by_name: &HashMap<String, usize>,
    models: &[SemanticModel],
    done: &mut HashSet<usize>,
    way: &mut Vec<usize>,
    errors: &mut Vec<ModelError>,
) {
    if way.contains(&at) {
        let names: Vec<&str> = way
            .iter()
            .chain([&at])
            .map(|at| metrics[*at].name.as_str())
            .collect();
        let message = format!(
            "metrics need each other in a circle: {}",
            names.join(" -> ")
        );
        let error = ModelError::new(ModelErrorKind::Cycle, message);
        errors.push(
            error
                .at(Place::file(metrics[at].original_path.as_str()))
                .hint("define one of them by a measure"),
        );
        return;
    }
    if way.len() > 64 || !done.insert(at) {
        return;
    }
    way.push(at);
    let params = metrics[at].type_params.clone();
    let mut measures: Vec<Json> = Vec::new();
    let mut nodes: Vec<UniqueId> = Vec::new();
    let conversion = &params["conversion_type_params"];
    let direct = [
        &params["measure"],
        &conversion["base_measure"],
        &conversion["conversion_measure"],
    ];
    for measure in direct.into_iter().filter(|measure| measure.is_object()) {
        measures.push(measure.clone());
        let name = measure["name"].as_str().unwrap_or_default();
        let has = |model: &&SemanticModel| {
            model
                .measures
                .iter()
                .any(|known| known["name"].as_str() == Some(name))
        };
        match models.iter().find(has) {
            Some(model) => nodes.push(model.id.clone()),
            None => {
                let made = &metrics[at];
                let message = format!(
                    "metric `{}` reads the measure `{name}`, which is not there",
                    made.name
                );
                errors.push(missing(
                    &made.id,
                    &made.original_path,
                    message,
                    "add it to a semantic model".to_owned(),
                ));
            }
        }
    }
    let kind = metrics[at].kind.as_str();
    let mut inputs: Vec<Json> = Vec::new();
    if kind == "ratio" {
        inputs.extend([params["numerator"].clone(), params["denominator"].clone()]);
    } else if kind == "derived" {
        inputs.extend(params["metrics"].as_array().cloned().unwrap_or_default());
    }
    for input in inputs.iter().filter(|input| input.is_object()) {
        let name = input["name"].as_str().unwrap_or_default();
        let Some(&below) = by_name.get(name) else {
            let made = &metrics[at];
            let known: Vec<&str> = by_name.keys().map(String::as_str).collect();
            let message = format!(
                "metric `{}` reads the metric `{name}`, which is not there",
                made.name
            );
            let hint = match weir_core::did_you_mean(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "define it under `metrics:`".to_owned(),
            };
            errors.push(missing(&made.id, &made.original_path, message, hint));
            continue;
        };
        metric(metrics, below, by_name, models, done, way, errors);
        let more = metrics[below].type_params["input_measures"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for measure in more {
            if !measures.contains(&measure) {
                measures.push(measure);
            }
        }
        nodes.push(metrics[below].id.clone());
    }
    way.pop();
    let made = &mut metrics[at];
    made.type_params["input_measures"] = Json::Array(measures);
    for id in nodes {
        if !made.depends_on.nodes.contains(&id) {
            made.depends_on.nodes.push(id);
        }
    }
}

/// Fills the dependencies of a saved query.
pub(super) fn saved_query(
    query: &mut SavedQuery,
    metrics: &[Metric],
    errors: &mut Vec<ModelError>,
) {
    for name in query.query_params["metrics"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
    {
        match metrics.iter().find(|metric| metric.name == name) {
            Some(metric) => query.depends_on.nodes.push(metric.id.clone()),
            None => {
                let message = format!(
                    "saved query `{}` reads the metric `{name}`, which is not there",
                    query.name
                );
                errors.push(missing(
                    &query.id,
                    &query.original_path,
                    message,
                    "define it under `metrics:`".to_owned(),
                ));
            }
        }
    }
}

/// Says which relation a semantic model describes.
pub(super) fn node_relation(model: &mut SemanticModel, node: &Node) {
    model.node_relation = Some(json!({
        "alias": node.alias, "schema_name": node.schema, "database": node.database,
        "relation_name": node.relation_name,
    }));
}

/// Finds the tested models: one unit test, or one for each version of its model.
pub(super) fn unit_test(
    test: UnitTest,
    lookup: &Lookup,
    nodes: &HashMap<&UniqueId, &Node>,
    errors: &mut Vec<ModelError>,
) -> (Vec<UnitTest>, Option<UnitTest>) {
    let found = lookup.node(
        &test.package,
        Some(&test.package),
        &test.model,
        test.version.as_ref(),
    );
    let found = match found {
        Found::Missing => lookup.node(&test.package, None, &test.model, test.version.as_ref()),
        found => found,
    };
    let id = match found {
        Found::Enabled(id) => id,
        Found::Disabled(_) => return (Vec::new(), Some(test)),
        Found::Missing | Found::Ambiguous(_) => {
            let message = format!(
                "unit test `{}` tests `{}`, which is not there",
                test.name, test.model
            );
            let hint = match weir_core::did_you_mean(&test.model, &lookup.ref_names()) {
                Some(near) if near != test.model => format!("did you mean `{near}`?"),
                _ => "check `model:`".to_owned(),
            };
            errors.push(missing(&test.id, &test.original_path, message, hint));
            return (Vec::new(), None);
        }
    };
    let Some(model) = nodes.get(&id) else {
        return (Vec::new(), None);
    };
    incremental(&test, model, errors);
    let aimed = |mut test: UnitTest, model: &Node| {
        test.depends_on.nodes = vec![model.id.clone()];
        test.tested_node = Some(model.id.clone());
        test.schema = Some(model.schema.clone());
        test
    };
    if model.version().is_none() || test.version.is_some() {
        return (vec![aimed(test, model)], None);
    }
    let listed = |key: &str| -> Option<Vec<String>> {
        let list = test.versions.as_ref()?.get(key)?.as_array()?;
        Some(list.iter().map(crate::python::str_of).collect())
    };
    let (include, exclude) = (listed("include"), listed("exclude"));
    let mut versions: Vec<&&Node> = nodes
        .values()
        .filter(|node| {
            node.package == model.package && node.name == model.name && node.version().is_some()
        })
        .filter(|node| {
            let version = node.version().map(ToString::to_string).unwrap_or_default();
            include.as_ref().is_none_or(|list| list.contains(&version))
                && !exclude.as_ref().is_some_and(|list| list.contains(&version))
        })
        .collect();
    versions.sort_by(|a, b| a.id.cmp(&b.id));
    let tests = versions
        .into_iter()
        .map(|node| {
            let mut test = aimed(test.clone(), node);
            test.version = node.version().cloned();
            let version = node.version().map(ToString::to_string).unwrap_or_default();
            test.id = UniqueId::from_text(format!("{}_v{version}", test.id));
            test
        })
        .collect();
    (tests, None)
}

/// A model that asks whether it is incremental behaves in two ways; a test must say which it means.
fn incremental(test: &UnitTest, model: &Node, errors: &mut Vec<ModelError>) {
    let asks = model
        .depends_on
        .macros
        .iter()
        .any(|id| id.as_str() == "macro.dbt.is_incremental");
    if !asks || !test.config.enabled() {
        return;
    }
    let told = test
        .overrides
        .as_ref()
        .and_then(|overrides| overrides["macros"]["is_incremental"].as_bool());
    let this = test
        .given
        .iter()
        .any(|input| input.get("input").and_then(Json::as_str) == Some("this"));
    let (message, hint) = match told {
        None => (
            "does not say whether it runs incrementally",
            "add `overrides: {macros: {is_incremental: true}}`, or false",
        ),
        Some(true) if !this => (
            "runs incrementally, but has no rows to add to",
            "add an input `this` with the rows that are there before",
        ),
        _ => return,
    };
    let message = format!("unit test `{}` of `{}` {message}", test.name, test.model);
    errors.push(
        ModelError::new(ModelErrorKind::Properties, message)
            .at(Place::file(test.original_path.as_str()))
            .of(test.id.as_str())
            .hint(hint),
    );
}
