//! What builds rest on: the state of everything they read, so that what cannot have changed need not
//! be built again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::sql::resolve::resolve_table_references;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use weir_catalog::{Build, View};
use weir_core::TableName;
use weir_lake::{Lake, LakeView, TableView};

use super::publish::{BuildNote, is_changed};
use crate::catalog::{Instant, own_view};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::options::EngineOptions;
use crate::session::DEFAULT_SCHEMA;
use crate::write::catalog_error;

/// The state of what nobody can tell the state of; it is never that of before.
const UNKNOWN: &str = "?";

/// Views that name each other deeper than this are not followed.
const MAX_DEPTH: usize = 128;

/// The states of relations by `schema.name`: texts that are the same as long as the rows are.
pub(crate) type States = HashMap<String, String>;

/// A build, and whether its rows would be the same if it were made again.
#[derive(Clone, Debug)]
pub struct StandingBuild {
    pub build: Build,
    /// Whether the table or view is as the build left it.
    pub intact: bool,
    /// What it read and is not as it was then, as `schema.name`.
    pub changed: Vec<String>,
}

/// What the rows of a table or view depend on at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resting {
    /// The tables at the bottom; the table itself, if it is one.
    pub tables: Vec<TableName>,
    /// The state of each view's query on the way, by `schema.name`.
    pub queries: Vec<(String, String)>,
}

/// Returns the states of all tables.
pub(crate) fn states(view: &LakeView) -> States {
    let tables = view.tables.iter();
    tables
        .map(|(name, table)| (name.to_string(), table_state(table)))
        .collect()
}

fn table_state(table: &TableView) -> String {
    let hot: usize = table.hot.iter().map(|batch| batch.num_rows()).sum();
    match (table.version, hot) {
        (Some(version), 0) => version_state(version),
        (version, hot) => format!("{} and {hot} rows", version_state(version.unwrap_or(0))),
    }
}

fn version_state(version: u64) -> String {
    format!("version {version}")
}

fn version_of(state: &str) -> Option<u64> {
    state.strip_prefix("version ")?.parse().ok()
}

fn view_state(sql: &str) -> String {
    let hash = Sha256::digest(sql.as_bytes());
    let mut state = "view ".to_owned();
    for byte in &hash[..12] {
        let _ = write!(state, "{byte:02x}");
    }
    state
}

fn full(schema: &str, name: &str) -> String {
    format!("{schema}.{name}")
}

/// A relation's schema and name; many lists have the same.
type Name = Arc<(String, String)>;

/// All relations at an instant, and what lies below the views among them.
struct Relations<'a> {
    options: &'a EngineOptions,
    tables: &'a LakeView,
    views: HashMap<(&'a str, &'a str), &'a View>,
    /// By view, the state of its query.
    queries: HashMap<(String, String), String>,
    /// By view, what it reads, whatever lies in between included.
    below: HashMap<Name, BTreeSet<Name>>,
}

impl<'a> Relations<'a> {
    fn new(options: &'a EngineOptions, tables: &'a LakeView, views: &'a [View]) -> Self {
        let by_name = views
            .iter()
            .map(|view| ((view.schema.as_str(), view.name.as_str()), view));
        Self {
            options,
            tables,
            views: by_name.collect(),
            queries: HashMap::new(),
            below: HashMap::new(),
        }
    }

    fn is_table(&self, schema: &str, name: &str) -> bool {
        TableName::new(schema, name).is_ok_and(|name| self.tables.tables.contains_key(&name))
    }

    /// Returns the query behind a view.
    fn definition(&self, schema: &str, name: &str) -> Option<String> {
        match self.views.get(&(schema, name)) {
            Some(view) => Some(view.sql.clone()),
            None => own_view(&self.tables.tables, schema, name, None),
        }
    }

    /// Returns the state of a view's query.
    fn query_state(&mut self, view: &(String, String)) -> Option<String> {
        if let Some(known) = self.queries.get(view) {
            return Some(known.clone());
        }
        let state = view_state(&self.definition(&view.0, &view.1)?);
        self.queries.insert(view.clone(), state.clone());
        Some(state)
    }

    /// Adds a relation and everything below it.
    fn collect(&mut self, relation: Name, depth: usize, into: &mut BTreeSet<Name>) {
        let (schema, name) = (relation.0.as_str(), relation.1.as_str());
        if !into.insert(relation.clone()) || self.is_table(schema, name) || depth > MAX_DEPTH {
            return;
        }
        if let Some(known) = self.below.get(&relation) {
            into.extend(known.iter().cloned());
            return;
        }
        let Some(sql) = self.definition(schema, name) else {
            return;
        };
        let mut below = BTreeSet::new();
        for named in named_in(&sql, self.options) {
            self.collect(Arc::new(named), depth + 1, &mut below);
        }
        into.extend(below.iter().cloned());
        self.below.insert(relation, below);
    }
}

/// Returns what a stored query names; its author wrote every schema but the usual one.
fn named_in(sql: &str, options: &EngineOptions) -> Vec<(String, String)> {
    let statement = crate::guard::tokens(sql, options).and_then(crate::statement::parse);
    let Ok(Ok((named, _))) = statement.map(|statement| resolve_table_references(&statement, true))
    else {
        return Vec::new();
    };
    let named = named.into_iter().map(|reference| match reference {
        TableReference::Bare { table } => (DEFAULT_SCHEMA.to_owned(), table.to_string()),
        TableReference::Partial { schema, table } | TableReference::Full { schema, table, .. } => {
            (schema.to_string(), table.to_string())
        }
    });
    named.collect()
}

/// What a publication knows of the states of relations.
pub(super) struct Known<'a> {
    /// Tables as they were before the transaction read the first of them.
    pub(super) before: &'a States,
    /// The versions that tables are published as.
    pub(super) published: &'a HashMap<String, u64>,
}

impl Known<'_> {
    fn state(&self, relations: &mut Relations<'_>, relation: &(String, String)) -> String {
        let (schema, name) = relation;
        let full = full(schema, name);
        if let Some(version) = self.published.get(&full) {
            return version_state(*version);
        }
        if relations.is_table(schema, name) {
            let before = self.before.get(&full);
            return before.cloned().unwrap_or_else(|| UNKNOWN.to_owned());
        }
        let state = relations.query_state(relation);
        state.unwrap_or_else(|| UNKNOWN.to_owned())
    }
}

/// Adds to notes about builds what they rest on.
pub(super) fn complete(
    notes: Vec<BuildNote>,
    (options, tables, views): (&EngineOptions, &LakeView, &[View]),
    known: &Known<'_>,
) -> Vec<Build> {
    let mut relations = Relations::new(options, tables, views);
    let mut builds = Vec::with_capacity(notes.len());
    for note in notes {
        let (own, mut build) = ((note.schema, note.name), note.build);
        if let (Some(reads), Value::Object(build)) = (note.reads, &mut build) {
            let mut all = BTreeSet::new();
            for relation in reads.into_iter().filter(|relation| *relation != own) {
                relations.collect(Arc::new(relation), 0, &mut all);
            }
            let inputs: Map<String, Value> = all
                .iter()
                .map(|input| {
                    let state = known.state(&mut relations, input);
                    (full(&input.0, &input.1), state.into())
                })
                .collect();
            build.insert("inputs".into(), inputs.into());
            build.insert("state".into(), known.state(&mut relations, &own).into());
        }
        let (schema, name) = own;
        builds.push(Build {
            schema,
            name,
            build,
        });
    }
    builds
}

impl Engine {
    /// Returns what the rows of a table or view depend on at an instant; none when there is no such
    /// table or view then.
    pub fn rests_on(&self, instant: &Instant, schema: &str, name: &str) -> Option<Resting> {
        let mut relations = Relations::new(&self.parts().options, &instant.view, &instant.views);
        if !relations.is_table(schema, name) {
            relations.definition(schema, name)?;
        }
        let mut all = BTreeSet::new();
        let own = Arc::new((schema.to_owned(), name.to_owned()));
        relations.collect(own, 0, &mut all);
        let mut resting = Resting::default();
        for relation in all {
            let (schema, name) = (&relation.0, &relation.1);
            match TableName::new(schema, name) {
                Ok(table) if relations.is_table(schema, name) => resting.tables.push(table),
                _ => {
                    let state = relations.query_state(&relation);
                    let state = state.unwrap_or_else(|| UNKNOWN.to_owned());
                    resting.queries.push((full(schema, name), state));
                }
            }
        }
        Some(resting)
    }

    /// Returns what every table and view was last built from, and what has changed since.
    pub async fn builds(&self) -> Result<Vec<StandingBuild>, QueryError> {
        let parts = self.parts();
        let builds = parts.catalog.builds().await.map_err(catalog_error)?;
        let instant = parts.instant().await;
        let mut relations = Relations::new(&parts.options, &instant.view, &instant.views);
        let (before, published) = (states(&instant.view), HashMap::new());
        let now = Known {
            before: &before,
            published: &published,
        };
        let mut same = Comparison {
            lake: &parts.lake,
            known: BTreeMap::new(),
        };
        let mut standing = Vec::with_capacity(builds.len());
        for build in builds {
            let own = (build.schema.clone(), build.name.clone());
            let then = build.build["state"].as_str().unwrap_or(UNKNOWN);
            let intact = same
                .is_same(&own, then, &now.state(&mut relations, &own))
                .await?;
            let mut changed = Vec::new();
            let inputs = build.build["inputs"].as_object();
            if inputs.is_none() {
                changed.push(UNKNOWN.to_owned());
            }
            for (input, then) in inputs.into_iter().flatten() {
                let relation = match input.split_once('.') {
                    Some((schema, name)) => (schema.to_owned(), name.to_owned()),
                    None => (String::new(), input.clone()),
                };
                let (then, now) = (
                    then.as_str().unwrap_or(UNKNOWN),
                    now.state(&mut relations, &relation),
                );
                if !same.is_same(&relation, then, &now).await? {
                    changed.push(input.clone());
                }
            }
            standing.push(StandingBuild {
                build,
                intact,
                changed,
            });
        }
        Ok(standing)
    }
}

/// Compares states; that commits in between only joined files is looked up once.
struct Comparison<'a> {
    lake: &'a Lake,
    known: BTreeMap<(String, String, u64), bool>,
}

impl Comparison<'_> {
    async fn is_same(
        &mut self,
        (schema, name): &(String, String),
        then: &str,
        now: &str,
    ) -> Result<bool, QueryError> {
        if then == UNKNOWN || now == UNKNOWN {
            return Ok(false);
        }
        if then == now {
            return Ok(true);
        }
        let (Some(before), Some(after)) = (version_of(then), version_of(now)) else {
            return Ok(false);
        };
        let key = (schema.clone(), name.clone(), before);
        if let Some(same) = self.known.get(&key) {
            return Ok(*same);
        }
        let Ok(table) = TableName::new(schema, name) else {
            return Ok(false);
        };
        let same = !is_changed(self.lake, &table, Some(after), Some(before)).await?;
        self.known.insert(key, same);
        Ok(same)
    }
}
