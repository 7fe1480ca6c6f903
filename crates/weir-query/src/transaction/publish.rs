use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tracing::warn;
use weir_catalog::{
    Build, Catalog, CatalogErrorKind, Publication, PublicationTable, PublicationToken,
    PublicationView, View,
};
use weir_core::TableName;
use weir_lake::{Lake, LakeError, Publishing, Receipt};

use super::standing::{Known, complete};
use super::{Transaction, gone};
use crate::access_statements;
use crate::caller::Caller;
use crate::engine::Engine;
use crate::error::{QueryError, QueryErrorKind};
use crate::write::{catalog_error, lake_error};

/// What is said about a publication.
#[derive(Clone, Debug, Default)]
pub struct PublishRequest {
    /// What it is, for people and for provenance: the run, the project, the commit of the code.
    pub about: Map<String, Value>,
    /// What its tables and views were built from.
    pub builds: Vec<BuildNote>,
    /// By what it is published once, whoever tries how often; none to publish it now, whatever was.
    pub token: Option<PublicationToken>,
}

/// What a table or view was built from.
#[derive(Clone, Debug)]
pub struct BuildNote {
    pub schema: String,
    pub name: String,
    /// Goes into the receipt of the table's commit, and is kept for whoever builds it next.
    pub build: Value,
    /// What it was built from, as schemas and names: `inputs` and `state`, the states of these and of
    /// the relation itself, are added to an object. None where the note is to be kept as it is.
    pub reads: Option<Vec<(String, String)>>,
}

/// What became visible.
#[derive(Clone, Debug)]
pub struct Published {
    pub id: String,
    pub tables: Vec<PublicationTable>,
    pub views: Vec<PublicationView>,
    /// Statements about rights that failed once everything was visible, and why.
    pub refused: Vec<String>,
    /// Whether an earlier try had published it, and this one changed nothing.
    pub adopted: bool,
}

impl Engine {
    /// Makes all that a transaction did visible at one instant, or nothing of it.
    ///
    /// Fails as a conflict when others changed rows or columns meanwhile that it rests on, or when a
    /// later publication of its token's kind has come first. The transaction has ended either way.
    pub async fn publish(
        &self,
        transaction: &Transaction,
        request: PublishRequest,
    ) -> Result<Published, QueryError> {
        let mut ended = transaction.inner.running.write().await;
        if *ended {
            return Err(gone());
        }
        *ended = true;
        self.forget(transaction);
        // Not on behalf of a connection that may go away: half of it would be neither.
        let (engine, transaction) = (self.clone(), transaction.clone());
        let work = async move { engine.publish_all(&transaction, request).await };
        self.executor()
            .spawn(work)
            .await
            .map_err(QueryError::internal)?
    }

    async fn publish_all(
        &self,
        transaction: &Transaction,
        request: PublishRequest,
    ) -> Result<Published, QueryError> {
        let (lake, catalog) = (&self.parts().lake, &self.parts().catalog);
        let inner = &transaction.inner;
        if let Err(error) = self.may_note(transaction, &request.builds) {
            inner.stage.discard().await;
            return Err(error);
        }
        if let Some(token) = &request.token
            && let Some(earlier) = self.published(token).await?
        {
            inner.stage.discard().await;
            return Ok(earlier);
        }
        if let Err(error) = as_commented(transaction, catalog) {
            inner.stage.discard().await;
            return Err(error);
        }
        let id = inner.id.clone();
        let mut publishing = match lake.publish(&inner.stage, &id).await {
            Ok(publishing) => publishing,
            Err(error) => {
                // From here on files may belong to a commit, and are for the vacuum to judge.
                inner.stage.discard().await;
                return Err(conflict(error));
            }
        };
        let dropped = |name: &TableName| inner.stage.over(&lake.view()).table(name).is_none();
        let mut publication = Publication::new(&id, Value::Object(request.about.clone()));
        publication.tables = tables(&publishing, dropped);
        publication.views = views(transaction, catalog);
        publication.token.clone_from(&request.token);
        publishing.describe(|name, receipt| describe(name, receipt, &request));
        let (tables, views) = (publication.tables.clone(), publication.views.clone());
        let published = tables.iter().filter_map(|table| {
            let name = format!("{}.{}", table.schema, table.name);
            Some((name, table.after?))
        });
        let known = Known {
            before: &inner.before,
            published: &published.collect(),
        };
        let seen = (
            &inner.stage.over(&lake.view()),
            &transaction.views_over(&catalog.views()),
        );
        let builds = complete(
            request.builds,
            (&self.parts().options, seen.0, seen.1),
            &known,
        );
        if !(tables.is_empty() && views.is_empty() && builds.is_empty()) {
            self.commit(&inner.caller, publishing, &publication, &builds)
                .await?;
        }
        let refused = self.grant_deferred(transaction).await;
        Ok(Published {
            id,
            tables,
            views,
            refused,
            adopted: false,
        })
    }

    /// Returns what was published by a token, if anything was.
    ///
    /// Fails as a conflict when a later one of its kind was published: this one comes too late.
    pub async fn published(
        &self,
        token: &PublicationToken,
    ) -> Result<Option<Published>, QueryError> {
        let catalog = &self.parts().catalog;
        let latest = catalog.published(&token.app).await.map_err(catalog_error)?;
        let Some((sequence, id)) = latest.filter(|(sequence, _)| *sequence >= token.sequence)
        else {
            return Ok(None);
        };
        if sequence > token.sequence {
            let text = format!(
                "`{}` was published by a later number: {sequence}",
                token.app
            );
            return Err(QueryError::new(QueryErrorKind::Conflict, text)
                .hint("nothing was published; what is there is newer"));
        }
        let found = catalog.publication(&id).await.map_err(catalog_error)?;
        Ok(found.map(|publication| Published {
            id: publication.id,
            tables: publication.tables,
            views: publication.views,
            refused: Vec::new(),
            adopted: true,
        }))
    }

    /// Refuses notes about relations that the caller neither made here nor may write.
    fn may_note(&self, transaction: &Transaction, notes: &[BuildNote]) -> Result<(), QueryError> {
        let access = self.parts().catalog.access();
        for BuildNote { schema, name, .. } in notes {
            let object = weir_access::Object::Table {
                schema,
                table: name,
            };
            if !transaction.made(schema, name) {
                let (caller, action) = (&transaction.inner.caller, weir_access::Action::Insert);
                crate::secured::permit(&access, caller, action, &object)?;
            }
        }
        Ok(())
    }

    /// Does what statements about rights asked for; returns what was refused, which undoes nothing.
    async fn grant_deferred(&self, transaction: &Transaction) -> Vec<String> {
        let (lake, catalog) = (&self.parts().lake, &self.parts().catalog);
        let deferred = std::mem::take(&mut *transaction.inner.deferred.lock());
        let mut refused = Vec::new();
        for request in deferred {
            let done = match access_statements::read(&request.sql, &self.parts().options) {
                Ok(Some(statement)) => {
                    access_statements::execute(statement, catalog, lake, &request).await
                }
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                refused.push(format!("{}: {error}", request.sql.trim()));
            }
        }
        refused
    }

    /// Gives the tables and views of a publication back what they were before it.
    ///
    /// What was published later on the same tables goes with it; `force` says that this is meant.
    pub async fn roll_back(
        &self,
        caller: &Caller,
        id: &str,
        force: bool,
    ) -> Result<Published, QueryError> {
        let parts = self.parts();
        let (lake, catalog) = (&parts.lake, &parts.catalog);
        let found = catalog.publication(id).await.map_err(catalog_error)?;
        let old = found.filter(|p| p.state == "published").ok_or_else(|| {
            QueryError::new(
                QueryErrorKind::Invalid,
                format!("there is no publication `{id}`"),
            )
            .hint("weir.publications lists them")
        })?;
        let access = catalog.access();
        for (schema, table) in old
            .tables
            .iter()
            .map(|t| (&t.schema, &t.name))
            .chain(old.views.iter().map(|v| (&v.schema, &v.name)))
        {
            let object = weir_access::Object::Table { schema, table };
            crate::secured::permit(&access, caller, weir_access::Action::Drop, &object)?;
        }
        let view = lake.view();
        let mut targets = Vec::with_capacity(old.tables.len());
        for table in &old.tables {
            let name = TableName::new(&table.schema, &table.name)
                .map_err(|error| QueryError::new(QueryErrorKind::Invalid, error.to_string()))?;
            let now = view.table(&name).and_then(|view| view.version);
            if !force && is_changed(lake, &name, now, table.after).await? {
                return Err(changed_since(&name.to_string()));
            }
            targets.push((name, table.before));
        }
        let current = catalog.views();
        let mut new = Publication::new(
            uuid::Uuid::now_v7().to_string(),
            serde_json::json!({ "rolls_back": id }),
        );
        for then in &old.views {
            let now = current
                .iter()
                .find(|view| view.schema == then.schema && view.name == then.name);
            if now.map(|view| &view.sql) != then.after.as_ref() && !force {
                return Err(changed_since(&format!("{}.{}", then.schema, then.name)));
            }
            new.views.push(PublicationView {
                before: now.map(|view| view.sql.clone()),
                after: then.before.clone(),
                // What was said of it since stays.
                comments: match now {
                    Some(now) if now.comments != then.comments => now.comments.clone(),
                    _ => then.comments_before.clone(),
                },
                comments_before: now.map(|view| view.comments.clone()).unwrap_or_default(),
                ..then.clone()
            });
        }
        let receipt = Receipt {
            writer: "rollback".into(),
            run_id: new.id.clone(),
            code: concat!("weir ", env!("CARGO_PKG_VERSION")).into(),
            details: Map::from_iter([("rolls_back".to_owned(), Value::from(id))]),
            ..Receipt::default()
        };
        let publishing = lake.restore(&targets, &receipt).await.map_err(lake_error)?;
        let gone = |name: &TableName| targets.iter().any(|(n, v)| n == name && v.is_none());
        new.tables = tables(&publishing, gone);
        let (tables, views) = (new.tables.clone(), new.views.clone());
        // What was built then is no longer what is there.
        let forgotten = old
            .tables
            .iter()
            .map(|table| (&table.schema, &table.name))
            .chain(old.views.iter().map(|view| (&view.schema, &view.name)))
            .map(|(schema, name)| Build {
                schema: schema.clone(),
                name: name.clone(),
                build: Value::Null,
            });
        let forgotten: Vec<Build> = forgotten.collect();
        let id = new.id.clone();
        self.commit(caller, publishing, &new, &forgotten).await?;
        Ok(Published {
            id,
            tables,
            views,
            refused: Vec::new(),
            adopted: false,
        })
    }

    /// Commits the tables, then the views and the rest, then shows all of it.
    async fn commit(
        &self,
        caller: &Caller,
        mut publishing: Publishing,
        publication: &Publication,
        builds: &[Build],
    ) -> Result<(), QueryError> {
        let catalog = &self.parts().catalog;
        let (id, actor) = (&publication.id, caller.actor());
        catalog
            .begin_publication(&actor, publication)
            .await
            .map_err(catalog_error)?;
        if let Err(error) = publishing.commit().await {
            take_back(catalog, &mut publishing, id).await;
            return Err(conflict(error));
        }
        // Nobody plans between the change of the views and that of the tables.
        let _whole = self.parts().publishing.write().await;
        if let Err(error) = catalog.end_publication(&actor, publication, builds).await {
            // The answer may have been lost after the work was done.
            let written = catalog.publication(id).await.ok().flatten();
            if written.is_none_or(|written| written.state != "published") {
                take_back(catalog, &mut publishing, id).await;
                return Err(match error.kind() {
                    // Somebody else has taken the token's number meanwhile.
                    CatalogErrorKind::Exists => {
                        QueryError::new(QueryErrorKind::Conflict, error.to_string())
                            .hint("nothing was published; what is there is at least as new")
                    }
                    _ => catalog_error(error),
                });
            }
            warn!(publication = id, %error, "published, although the catalog's answer was an error");
        }
        publishing.show();
        Ok(())
    }
}

/// Tells whether rows of a table were changed after a version; joining files and the vacuum change
/// none.
pub(super) async fn is_changed(
    lake: &Lake,
    name: &TableName,
    now: Option<u64>,
    then: Option<u64>,
) -> Result<bool, QueryError> {
    let (Some(now), Some(then)) = (now, then) else {
        return Ok(now != then);
    };
    let since = usize::try_from(now.saturating_sub(then)).unwrap_or(usize::MAX);
    let commits = lake.commits(name, since).await.map_err(lake_error)?;
    let keeps_rows = |writer: &str| matches!(writer, "compact" | "vacuum");
    Ok(now < then
        || commits
            .iter()
            .filter(|commit| commit.version > then)
            .any(|commit| {
                let receipt = commit.receipt.as_ref();
                !receipt.is_some_and(|receipt| keeps_rows(&receipt.writer))
            }))
}

/// Takes back the publications that a process ending in the middle left half done.
pub(crate) async fn take_back_cut_off(lake: &Lake, catalog: &Catalog) -> Result<(), QueryError> {
    for publication in catalog
        .cut_off_publications()
        .await
        .map_err(catalog_error)?
    {
        let tables = publication.tables.iter();
        let tables: Vec<(TableName, Option<u64>)> = tables
            .filter_map(|table| {
                let name = TableName::new(&table.schema, &table.name).ok()?;
                Some((name, table.before))
            })
            .collect();
        lake.take_back(&publication.id, &tables)
            .await
            .map_err(lake_error)?;
        let id = &publication.id;
        catalog.undo_publication(id).await.map_err(catalog_error)?;
    }
    Ok(())
}

/// Takes back what was committed; what cannot be is left for the next start.
async fn take_back(catalog: &Catalog, publishing: &mut Publishing, id: &str) {
    if publishing.revert(id).await {
        abandon(catalog, id).await;
    }
}

async fn abandon(catalog: &Catalog, id: &str) {
    if let Err(error) = catalog.undo_publication(id).await {
        warn!(publication = id, %error, "cannot write down that a publication was taken back");
    }
}

fn tables(publishing: &Publishing, dropped: impl Fn(&TableName) -> bool) -> Vec<PublicationTable> {
    let tables = publishing.tables().into_iter();
    tables
        .map(|table| PublicationTable {
            schema: table.name.schema().to_owned(),
            name: table.name.table().to_owned(),
            before: table.before,
            after: (!dropped(&table.name)).then_some(table.after),
        })
        .collect()
}

/// Refuses comments on views that are others by now.
fn as_commented(transaction: &Transaction, catalog: &Catalog) -> Result<(), QueryError> {
    let commented = transaction.inner.commented.lock();
    let views = catalog.views();
    for ((schema, name), sql) in commented.iter() {
        let as_it_was =
            |view: &View| view.schema == *schema && view.name == *name && view.sql == *sql;
        if !views.iter().any(as_it_was) {
            return Err(another_view(schema, name));
        }
    }
    Ok(())
}

/// Says that a view was replaced while it was commented on.
pub(crate) fn another_view(schema: &str, name: &str) -> QueryError {
    let text = format!("view `{schema}.{name}` was replaced or dropped meanwhile");
    QueryError::new(QueryErrorKind::Conflict, text)
        .hint("nothing was changed; look at it, and comment on it again")
}

/// Returns the views that change, each with its query before and after.
fn views(transaction: &Transaction, catalog: &Catalog) -> Vec<PublicationView> {
    let current = catalog.views();
    let before: BTreeMap<(&str, &str), &View> = current
        .iter()
        .map(|view| ((view.schema.as_str(), view.name.as_str()), view))
        .collect();
    let here = transaction.inner.views.lock();
    here.iter()
        .filter_map(|((schema, name), now)| {
            let old = before.get(&(schema.as_str(), name.as_str()));
            let (before, after) = (
                old.map(|v| v.sql.clone()),
                now.as_ref().map(|v| v.sql.clone()),
            );
            let said =
                |view: Option<&View>| view.map(|view| view.comments.clone()).unwrap_or_default();
            let (comments_before, comments) = (said(old.copied()), said(now.as_ref()));
            (before != after || comments_before != comments).then(|| PublicationView {
                schema: schema.clone(),
                name: name.clone(),
                before,
                after,
                definer: now.as_ref().is_some_and(|view| view.definer),
                comments_before,
                comments,
            })
        })
        .collect()
}

fn describe(name: &TableName, receipt: &mut Receipt, request: &PublishRequest) {
    receipt.details.extend(request.about.clone());
    let built = request
        .builds
        .iter()
        .find(|built| built.schema == name.schema() && built.name == name.table());
    if let Some(built) = built {
        receipt.writer = "model".into();
        let mut build = built.build.clone();
        // Where columns come from is asked of `weir.builds`; a log is no place for it.
        if let Some(build) = build.as_object_mut() {
            build.remove("lineage");
        }
        receipt.details.insert("build".into(), build);
    }
}

fn conflict(error: LakeError) -> QueryError {
    let why = std::error::Error::source(&error).map(ToString::to_string);
    let text = match why {
        Some(why) => format!("cannot {error}: {why}"),
        None => format!("cannot {error}"),
    };
    let kind = lake_error(error).kind();
    QueryError::new(kind, text).hint("nothing was published; run it again")
}

fn changed_since(name: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::Conflict,
        format!("`{name}` was changed after that publication"),
    )
    .hint("roll the later one back first, or say --force to lose what came later")
}
