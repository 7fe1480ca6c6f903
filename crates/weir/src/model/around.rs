//! What rests on models and is none of them: what would break, and where it would be seen.

use serde::{Deserialize, Serialize};

use crate::ui::Ui;

/// Views, questions and dashboards that rest on models, as the server tells them.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Around {
    broken_views: Vec<BrokenView>,
    questions: Vec<Question>,
    dashboards: Vec<Dashboard>,
}

#[derive(Clone, Deserialize, Serialize)]
struct BrokenView {
    view: String,
    message: String,
}

#[derive(Clone, Deserialize, Serialize)]
struct Question {
    id: String,
    name: String,
    /// Why it would not work any more.
    broken: Option<String>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Dashboard {
    id: String,
    name: String,
    questions: Vec<String>,
}

impl Around {
    /// Warns of what would break.
    pub(crate) fn warn(&self, ui: &Ui) {
        const SHOWN: usize = 10;
        let views = self.broken_views.iter().map(|broken| {
            let BrokenView { view, message } = broken;
            format!("the view {view} will not work any more: {message}")
        });
        let questions = self.questions.iter().filter_map(|question| {
            let message = question.broken.as_ref()?;
            let shows = |dashboard: &&Dashboard| dashboard.questions.contains(&question.id);
            let shown = self.dashboards.iter().find(shows);
            let shown = shown.map_or_else(String::new, |dashboard| {
                format!(" (shown on the dashboard {})", dashboard.name)
            });
            let name = &question.name;
            Some(format!(
                "the question {name}{shown} will not work any more: {message}"
            ))
        });
        let broken: Vec<String> = views.chain(questions).collect();
        for warning in broken.iter().take(SHOWN) {
            ui.warn(warning);
        }
        if let Some(others @ 1..) = broken.len().checked_sub(SHOWN) {
            ui.warn(format!("{others} more will not work any more"));
        }
    }

    /// Returns what shows the models: questions and dashboards by name, a line each.
    pub(crate) fn shown(&self) -> Vec<String> {
        let dashboards = self.dashboards.iter();
        let dashboards = dashboards.map(|dashboard| format!("{} (dashboard)", dashboard.name));
        let questions = self.questions.iter();
        let questions = questions.map(|question| format!("{} (question)", question.name));
        dashboards.chain(questions).collect()
    }
}
