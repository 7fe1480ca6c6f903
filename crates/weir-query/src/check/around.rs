//! What rests on what is going to be made: views that would not work any more, statements that would be touched.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use weir_catalog::View;

use super::{Candidate, Planned, one};
use crate::engine::{Parts, QueryRequest};
use crate::error::{QueryError, translate};
use crate::plan;

/// The most views that are looked at.
const MAX_VIEWS: usize = 2_000;

/// A view that works now and would not over what the candidates give.
#[derive(Clone, Debug, Serialize)]
pub struct BrokenView {
    /// `schema.name`.
    pub view: String,
    /// What would be wrong with it.
    pub message: String,
}

/// How a statement somebody keeps rests on candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// It reads nothing of them.
    None,
    /// It reads some of them, directly or by way of views.
    Reads,
    /// It works now and would not any more, for this reason.
    Breaks(String),
}

/// What lies around the candidates of a check.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Views that are no candidates, may be read by the caller and would not work any more.
    pub broken_views: Vec<BrokenView>,
    /// One for each statement that was given.
    pub touches: Vec<Touch>,
}

/// Looks at the views there are and at statements, over what the candidates give.
pub(super) async fn look(
    parts: &Parts,
    request: &QueryRequest,
    candidates: &[Candidate],
    planned: &Arc<Planned>,
    statements: &[String],
) -> Result<Around, QueryError> {
    let now = plan::scope_of(parts, request, None).await?;
    let views = now.views();
    let resting = resting(&views, candidates);
    let mut around = Around::default();
    if !resting.views.is_empty() {
        let then = plan::scope_of(parts, request, Some(planned.clone())).await?;
        for view in &resting.views {
            let (schema, name) = (&view.schema, &view.name);
            if !now.may_read(schema, name) {
                continue;
            }
            let Err(error) = then.find(schema, name).await else {
                continue;
            };
            // What is broken already is no news.
            if now.find(schema, name).await.is_ok() {
                let message = translate(error, &then).to_string();
                // Which view it is about is said already.
                let about = format!("view `{schema}.{name}`: ");
                around.broken_views.push(BrokenView {
                    view: format!("{schema}.{name}"),
                    message: message.strip_prefix(&about).unwrap_or(&message).to_owned(),
                });
            }
            tokio::task::yield_now().await;
        }
    }
    let as_now = Arc::new(Planned::default());
    for sql in statements {
        let touch = match Text::of(sql).names(&resting.names) {
            false => Touch::None,
            true => {
                let request = QueryRequest {
                    sql: sql.clone(),
                    ..request.clone()
                };
                match one(parts, &request, planned).await {
                    Ok(one) if one.checked.reads.iter().any(|r| resting.has(r)) => Touch::Reads,
                    Ok(_) => Touch::None,
                    Err(error) => match one(parts, &request, &as_now).await {
                        Ok(_) => Touch::Breaks(error.to_string()),
                        Err(_) => Touch::None,
                    },
                }
            }
        };
        around.touches.push(touch);
        tokio::task::yield_now().await;
    }
    Ok(around)
}

struct Resting<'a> {
    views: Vec<&'a View>,
    /// The candidates' names, and those of the views.
    names: HashSet<String>,
    candidates: HashSet<(&'a str, &'a str)>,
}

impl Resting<'_> {
    /// Whether `schema.name` is a candidate or a view that rests on some.
    fn has(&self, full: &str) -> bool {
        let Some((schema, name)) = full.split_once('.') else {
            return false;
        };
        let is = |view: &&&View| view.schema == schema && view.name == name;
        self.candidates.contains(&(schema, name)) || self.views.iter().any(|view| is(&view))
    }
}

/// Returns the views whose text has the name of a candidate, or of such a view. It may be another's name: planning
/// tells.
fn resting<'a>(views: &'a [View], candidates: &'a [Candidate]) -> Resting<'a> {
    let anew: HashSet<(&str, &str)> = candidates
        .iter()
        .map(|candidate| (candidate.schema.as_str(), candidate.name.as_str()))
        .collect();
    let mut names: HashSet<String> = anew.iter().map(|(_, name)| name.to_lowercase()).collect();
    let mut waiting: Vec<(&View, Text)> = views
        .iter()
        .filter(|view| !anew.contains(&(view.schema.as_str(), view.name.as_str())))
        .map(|view| (view, Text::of(&view.sql)))
        .collect();
    let mut found = Vec::new();
    loop {
        let (resting, others): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, text)| text.names(&names));
        if resting.is_empty() || found.len() >= MAX_VIEWS {
            return Resting {
                views: found,
                names,
                candidates: anew,
            };
        }
        for (view, _) in resting {
            names.insert(view.name.to_lowercase());
            found.push(view);
        }
        waiting = others;
    }
}

/// The text of a statement, and its words, both in lower case: plain names are written either way.
struct Text {
    whole: String,
    words: HashSet<String>,
}

impl Text {
    fn of(sql: &str) -> Self {
        let whole = sql.to_lowercase();
        let words = whole.split(|c| !is_plain(c)).map(str::to_owned).collect();
        Self { whole, words }
    }

    /// Whether one of the names may be in it. Names that are no words stand in quotes.
    fn names(&self, names: &HashSet<String>) -> bool {
        !self.words.is_disjoint(names)
            || names
                .iter()
                .any(|name| !name.chars().all(is_plain) && self.whole.contains(name.as_str()))
    }
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_rest_on_names_in_their_text() {
        let view = |name: &str, sql: &str| View {
            schema: "mine".into(),
            name: name.into(),
            sql: sql.into(),
            definer: false,
            comments: weir_catalog::Comments::default(),
        };
        let views = [
            view("far", "select * from mine.near"),
            view("near", "select id from main.base"),
            view("quoted", "select 1 from main.\"big base-line\""),
            view("other", "select 1 as basement"),
            view("loud", "SELECT ID FROM MAIN.BASE"),
            view("odd", "select 1 from main.\"a.b (c)\""),
            view("base", "select 1"),
        ];
        let candidate = |name: &str| Candidate {
            schema: "main".into(),
            name: name.into(),
            sql: "select 1 as id".into(),
        };
        let names = |candidates: &[Candidate]| -> Vec<String> {
            let found = resting(&views, candidates).views;
            found.into_iter().map(|view| view.name.clone()).collect()
        };
        assert_eq!(
            names(&[candidate("base")]),
            ["near", "quoted", "loud", "far"]
        );
        assert_eq!(names(&[candidate("big base-line")]), ["quoted"]);
        assert_eq!(names(&[candidate("a.b (c)")]), ["odd"]);
        assert!(names(&[candidate("missing")]).is_empty());
    }
}
