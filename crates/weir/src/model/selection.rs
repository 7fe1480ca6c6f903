//! From `--select` and its kin to nodes.

use weir_model::artifact::PreviousState;
use weir_model::graph::Graph;
use weir_model::node::{ResourceKind, UniqueId};
use weir_model::select::{Indirect, Selector, Selectors, Spec};

use super::arguments::SelectArgs;
use super::opened::{Opened, wrong};
use crate::failure::Failure;
use crate::ui::Ui;

/// Reads the artifacts to compare with, where the arguments name some.
pub(crate) fn state_of(
    args: &SelectArgs,
    opened: &Opened,
) -> Result<Option<PreviousState>, Failure> {
    let named = args
        .defer_state
        .as_ref()
        .filter(|_| args.defer)
        .or(args.state.as_ref());
    let Some(folder) = named else {
        return Ok(None);
    };
    let folder = opened.folder.join(folder);
    PreviousState::read(&folder)
        .map(Some)
        .map_err(|error| Failure::new(error.report()))
}

/// Returns the chosen nodes.
pub(crate) fn select(
    opened: &Opened,
    args: &SelectArgs,
    previous: Option<&PreviousState>,
    ui: &Ui,
) -> Result<Vec<UniqueId>, Failure> {
    let fail = |error| wrong(&[error], ui);
    let indirect = Indirect::parse(&args.indirect_selection).ok_or_else(|| {
        Failure::new(format!(
            "`{}` is no indirect selection",
            args.indirect_selection
        ))
        .with_hint("it is eager, cautious, buildable or empty")
    })?;
    let selectors =
        Selectors::read(&opened.folder, indirect).map_err(|errors| wrong(&errors, ui))?;
    let spec = match &args.selector {
        Some(name) => selectors.get(name).map_err(fail)?.clone(),
        None if args.select.is_empty() && args.exclude.is_empty() => {
            let usual = selectors.default_spec().cloned();
            usual.unwrap_or_else(|| Spec::everything(indirect))
        }
        None => Spec::read(&args.select, &args.exclude, indirect).map_err(fail)?,
    };
    let manifest = opened.manifest();
    let graph = Graph::new(&manifest);
    let selector = Selector::new(&manifest, &graph, &selectors, previous);
    let listed = |words: &[String], kind: ResourceKind| {
        words
            .iter()
            .any(|word| word == kind.as_str() || word == "all")
    };
    let selected = selector
        .select(&spec, |kind| {
            (args.resource_type.is_empty() || listed(&args.resource_type, kind))
                && !listed(&args.exclude_resource_type, kind)
        })
        .map_err(fail)?;
    for warning in &selected.warnings {
        ui.warn(warning.report());
    }
    Ok(selected.ids)
}
