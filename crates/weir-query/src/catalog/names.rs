//! Which names there are, and which of them the asker may know of and read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_access::{Action, Object, Rights};
use weir_catalog::View;
use weir_core::TableName;
use weir_lake::{LakeView, TableView};

use super::{Kind, Scope, builtin, current, own_schema};
use crate::registry::QuerySummary;
use crate::secured::Subject;
use crate::session::{DEFAULT_SCHEMA, PATH};
use crate::system;
use crate::transaction::Transaction;

impl Scope {
    /// Returns the schemas in which a name without one is looked up, in this order.
    pub(crate) fn path(&self) -> Vec<String> {
        let asker = &self.pinned.asker;
        let mut path = vec![system::pg_catalog::SCHEMA.to_owned()];
        if self.depth > 0 {
            // A view means the same whoever asks it.
            path.push(DEFAULT_SCHEMA.to_owned());
            return path;
        }
        let expand = |schema: &String| match schema.as_str() {
            "$user" => own_schema(&self.pinned.access, &asker.caller),
            _ => schema.clone(),
        };
        path.extend(asker.settings.search_path.iter().map(expand));
        path
    }

    /// Returns the schema of the search path that has `name`.
    pub(crate) fn on_path(&self, name: &str) -> Option<String> {
        // What may be known of counts, even where it may not be read: the answer says so then.
        self.path()
            .into_iter()
            .find(|schema| self.exists(schema, name) && self.may_know(schema, name))
    }

    /// Whether there is something of that name, whoever asks.
    pub(super) fn exists(&self, schema: &str, name: &str) -> bool {
        let planned = self.pinned.planned.as_ref();
        planned.is_some_and(|planned| planned.has(schema, name))
            || self.stored(schema, name).is_some()
            || self.kind(schema, name).is_some()
    }

    pub(crate) fn may_know(&self, schema: &str, table: &str) -> bool {
        let object = Object::Table { schema, table };
        let planned = self.pinned.planned.as_ref();
        self.made_here(schema, table)
            || planned.is_some_and(|planned| planned.has(schema, table))
            || self.rights().is_none_or(|rights| {
                let decision = rights.decide(Action::Select, &object);
                decision.allowed || decision.visible
            })
    }

    /// Whether the asker made this in the transaction under way, so that nobody owns it yet.
    pub(super) fn made_here(&self, schema: &str, table: &str) -> bool {
        let transaction = self.transaction();
        self.subject == Subject::Caller && transaction.is_some_and(|t| t.made(schema, table))
    }

    /// Returns what may be read here; none where Weir itself reads, which may read everything.
    pub(crate) fn rights(&self) -> Option<Rights<'_>> {
        self.pinned.guard.rights(&self.pinned.access, &self.subject)
    }

    /// Whether rows of the table may be read here.
    pub(crate) fn may_read(&self, schema: &str, table: &str) -> bool {
        let object = Object::Table { schema, table };
        self.made_here(schema, table)
            || self
                .rights()
                .is_none_or(|rights| rights.may(Action::Select, &object))
    }

    /// Whether something about the whole server may be done or seen.
    pub(crate) fn may(&self, action: Action) -> bool {
        self.rights()
            .is_none_or(|rights| rights.may(action, &Object::Server))
    }

    /// Returns the queries one may know of: one's own, or all.
    pub(crate) fn queries(&self) -> Vec<QuerySummary> {
        let mut queries = self.pinned.queries.list();
        if !self.may(Action::Admin) {
            let me = self.pinned.asker.caller.identity();
            queries.retain(|query| query.caller.identity().is_user_of(me));
        }
        queries
    }

    /// Returns the schemas that one may know of.
    pub(crate) fn schemas(&self) -> BTreeSet<String> {
        let mut schemas = self.all_schemas();
        if let Some(rights) = self.rights() {
            schemas.retain(|schema| rights.may(Action::Usage, &Object::Schema(schema)));
        }
        schemas
    }

    pub(crate) fn all_schemas(&self) -> BTreeSet<String> {
        let mut schemas: BTreeSet<String> = self
            .pinned
            .view
            .tables
            .keys()
            .map(|name| name.schema().to_owned())
            .collect();
        schemas.extend(self.views().iter().map(|view| view.schema.clone()));
        schemas.extend(current::schemas(self.tables()));
        schemas.extend(
            [
                DEFAULT_SCHEMA,
                system::SCHEMA,
                system::INFORMATION_SCHEMA,
                system::pg_catalog::SCHEMA,
            ]
            .map(str::to_owned),
        );
        let known = self.pinned.access.known_schemas();
        schemas.extend(known.map(str::to_owned));
        schemas
    }

    /// Whether there is such a schema, whoever asks.
    pub(crate) fn has_schema(&self, schema: &str) -> bool {
        let built_in = [
            DEFAULT_SCHEMA,
            system::SCHEMA,
            system::INFORMATION_SCHEMA,
            system::pg_catalog::SCHEMA,
        ];
        built_in.contains(&schema)
            || self
                .pinned
                .access
                .known_schemas()
                .any(|known| known == schema)
            || self
                .pinned
                .view
                .tables
                .keys()
                .any(|name| name.schema() == schema)
            || self.any_view(|view| view.schema == schema)
            || current::schemas(self.tables()).any(|current| current == schema)
    }

    /// Returns what `schema.name` is, whoever asks: one of [`Scope::all_names`].
    pub(crate) fn kind(&self, schema: &str, name: &str) -> Option<Kind> {
        if matches!(
            schema,
            system::SCHEMA | system::INFORMATION_SCHEMA | system::pg_catalog::SCHEMA
        ) {
            return self.all_names(schema).get(name).copied();
        }
        let lake = self.lake();
        let table = TableName::new(schema, name).ok();
        if table.is_some_and(|table| {
            lake.tables.contains_key(&table) || lake.unreadable.contains(&table)
        }) {
            return Some(Kind::Table);
        }
        let is_view = self.has_view(schema, name)
            || (name == builtin::USERS && builtin::users(self.tables(), schema).is_some())
            || current::names(self.tables(), schema).any(|current| current == name);
        is_view.then_some(Kind::View)
    }

    /// Whether a view fits, as they are in the transaction under way.
    fn any_view(&self, fits: impl Fn(&View) -> bool) -> bool {
        let views = &self.pinned.views;
        match self.transaction() {
            Some(transaction) => transaction.any_view(views, fits),
            None => views.iter().any(fits),
        }
    }

    /// Returns the names in `schema` that may be read.
    pub(crate) fn names(&self, schema: &str) -> BTreeMap<String, Kind> {
        if schema == PATH {
            let path = self.path();
            return path
                .iter()
                .rev()
                .flat_map(|schema| self.names(schema))
                .collect();
        }
        let mut names = self.all_names(schema);
        names.retain(|table, _| self.may_read(schema, table));
        names
    }

    /// Returns all names in `schema`, whoever asks.
    pub(crate) fn all_names(&self, schema: &str) -> BTreeMap<String, Kind> {
        match schema {
            system::SCHEMA => {
                let mut names: BTreeMap<String, Kind> = system::TABLES
                    .iter()
                    .map(|name| ((*name).to_owned(), Kind::System))
                    .collect();
                names.insert(builtin::EVENT_FATE.to_owned(), Kind::System);
                names
            }
            system::INFORMATION_SCHEMA => system::information::TABLES
                .iter()
                .map(|name| ((*name).to_owned(), Kind::System))
                .collect(),
            system::pg_catalog::SCHEMA => system::pg_catalog::names()
                .map(|name| (name.to_owned(), Kind::System))
                .collect(),
            _ => {
                let views = self.views();
                let mut names: BTreeMap<String, Kind> = views
                    .iter()
                    .filter(|view| view.schema == schema)
                    .map(|view| (view.name.clone(), Kind::View))
                    .collect();
                if builtin::users(self.tables(), schema).is_some() {
                    names.insert(builtin::USERS.to_owned(), Kind::View);
                }
                let current = current::names(self.tables(), schema);
                names.extend(current.map(|name| (name, Kind::View)));
                let lake = self.lake();
                let tables = lake
                    .tables
                    .keys()
                    .chain(lake.unreadable.iter())
                    .filter(|name| name.schema() == schema);
                names.extend(tables.map(|name| (name.table().to_owned(), Kind::Table)));
                names
            }
        }
    }

    /// Returns all views, as they are in the transaction under way.
    pub(crate) fn views(&self) -> Arc<[View]> {
        let views = &self.pinned.views;
        match self.transaction() {
            Some(transaction) => transaction.views_over(views),
            None => views.clone(),
        }
    }

    /// Returns the view of that name, whoever asks.
    pub(crate) fn view(&self, schema: &str, name: &str) -> Option<View> {
        let transaction = self.transaction();
        if let Some(here) = transaction.and_then(|t| t.view(schema, name)) {
            return here;
        }
        self.shown_view(schema, name).cloned()
    }

    fn has_view(&self, schema: &str, name: &str) -> bool {
        let transaction = self.transaction();
        let here = transaction.and_then(|t| t.has_view(schema, name));
        here.unwrap_or_else(|| self.shown_view(schema, name).is_some())
    }

    /// Returns the view that everybody sees; they are in order.
    fn shown_view(&self, schema: &str, name: &str) -> Option<&View> {
        let views = &self.pinned.views;
        let found = views.binary_search_by(|view| {
            let view = (view.schema.as_str(), view.name.as_str());
            view.cmp(&(schema, name))
        });
        found.ok().map(|at| &views[at])
    }

    pub(super) fn tables(&self) -> &BTreeMap<TableName, Arc<TableView>> {
        &self.lake().tables
    }

    /// Returns the tables as they are, or as they were where that is asked for.
    pub(super) fn lake(&self) -> &LakeView {
        let then = self.then.as_ref().map(|then| &then.lake);
        then.unwrap_or(&self.pinned.view)
    }

    /// Returns the transaction under way, which has no part in what was before it.
    fn transaction(&self) -> Option<&Transaction> {
        self.pinned
            .transaction
            .as_ref()
            .filter(|_| self.then.is_none())
    }
}
