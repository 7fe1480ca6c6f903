use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use weir_access::{DocumentAction, DocumentOwner};

use super::{instant, new_id};
use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// The longest name, in characters.
const MAX_NAME: usize = 200;

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 10_000;

/// The largest body, in bytes of JSON.
const MAX_BODY: usize = 1 << 20;

/// The most versions that are kept: older ones go as new ones come.
const MAX_VERSIONS: i64 = 1_000;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentKind {
    Question,
    Dashboard,
}

impl DocumentKind {
    /// Returns the kind as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            DocumentKind::Question => "question",
            DocumentKind::Dashboard => "dashboard",
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who but its owner may look at a document and change it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// Nobody.
    Private,
    /// Everybody reads it.
    #[default]
    Read,
    /// Everybody reads it, and who may make documents changes it.
    Edit,
}

impl Sharing {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Sharing::Private => "private",
            Sharing::Read => "read",
            Sharing::Edit => "edit",
        }
    }
}

impl FromStr for Sharing {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        match text {
            "private" => Ok(Sharing::Private),
            "read" => Ok(Sharing::Read),
            "edit" => Ok(Sharing::Edit),
            _ => Err(invalid("sharing is `private`, `read` or `edit`")),
        }
    }
}

/// A question or a dashboard, without what is in it.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    pub id: String,
    pub kind: DocumentKind,
    pub name: String,
    pub description: String,
    /// The user's name; who is gone keeps it here.
    pub owner: String,
    #[serde(skip)]
    pub owner_id: Option<i64>,
    pub sharing: Sharing,
    /// Whether somebody vouches for it.
    pub certified: bool,
    /// The newest version.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub updated_by: String,
}

impl Document {
    /// Returns what a decision about it needs.
    pub fn access(&self) -> DocumentOwner {
        DocumentOwner {
            owner: self.owner_id,
            readable: self.sharing != Sharing::Private,
            editable: self.sharing == Sharing::Edit,
        }
    }
}

/// A document as one of its versions had it.
#[derive(Clone, Debug, Serialize)]
pub struct SavedDocument {
    #[serde(flatten)]
    pub document: Document,
    /// The version that `body` is of.
    pub shown_version: i64,
    pub body: Value,
}

/// When a document was saved, and by whom.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentVersion {
    pub version: i64,
    pub name: String,
    pub made_by: String,
    pub made_at: DateTime<Utc>,
}

/// A document to be made, or what one is to become.
#[derive(Clone, Debug)]
pub struct NewDocument {
    pub name: String,
    pub description: String,
    pub sharing: Sharing,
    /// In the words of the application.
    pub body: Value,
}

impl NewDocument {
    pub(super) fn check(&self) -> Result<String, CatalogError> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control)
        {
            return Err(invalid(format!(
                "a name is one line of 1 to {MAX_NAME} characters"
            )));
        }
        if self.description.chars().count() > MAX_DESCRIPTION {
            return Err(invalid(format!(
                "a description has at most {MAX_DESCRIPTION} characters"
            )));
        }
        let body = self.body.to_string();
        if body.len() > MAX_BODY {
            return Err(invalid(format!("it is larger than {MAX_BODY} bytes"))
                .with_hint("divide it into several"));
        }
        Ok(body)
    }
}

const COLUMNS: &str = "id, kind, name, description, owner_id, owner, sharing, certified, version, \
                       created_at, updated_at, updated_by";

fn invalid(text: impl Into<String>) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Invalid, text)
}

fn decode(row: &SqliteRow) -> Result<Document, sqlx::Error> {
    let kind: String = row.try_get(1)?;
    let sharing: String = row.try_get(6)?;
    Ok(Document {
        id: row.try_get(0)?,
        kind: match kind.as_str() {
            "dashboard" => DocumentKind::Dashboard,
            _ => DocumentKind::Question,
        },
        name: row.try_get(2)?,
        description: row.try_get(3)?,
        owner_id: row.try_get(4)?,
        owner: row.try_get(5)?,
        // What cannot be read is shown to nobody else.
        sharing: sharing.parse().unwrap_or(Sharing::Private),
        certified: row.try_get(7)?,
        version: row.try_get(8)?,
        created_at: instant(row.try_get(9)?),
        updated_at: instant(row.try_get(10)?),
        updated_by: row.try_get(11)?,
    })
}

impl Catalog {
    /// Lists the documents of a kind that `by` may read, the newest change first.
    pub async fn documents(
        &self,
        by: &Actor,
        kind: DocumentKind,
    ) -> Result<Vec<Document>, CatalogError> {
        let failed = |error| CatalogError::database(format!("list the {kind}s"), error);
        let sql = format!(
            "SELECT {COLUMNS} FROM documents WHERE kind = ?1 AND deleted_at IS NULL
             ORDER BY updated_at DESC"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(kind.as_str())
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        let all = rows.iter().map(decode).collect::<Result<Vec<_>, _>>();
        let access = self.access();
        let reads = |document: &Document| {
            access
                .decide_document(by.identity(), DocumentAction::Read, &document.access())
                .allowed
        };
        Ok(all.map_err(failed)?.into_iter().filter(reads).collect())
    }

    /// Returns a document as of a version, the newest without one.
    ///
    /// One that `by` may not read does not exist for them.
    pub async fn document(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
        version: Option<i64>,
    ) -> Result<SavedDocument, CatalogError> {
        let failed = |error| CatalogError::database(format!("read a {kind}"), error);
        let document = self.readable(by, kind, id).await?;
        let shown_version = version.unwrap_or(document.version);
        let row = sqlx::query(
            "SELECT body, name, description FROM document_versions
             WHERE document = ?1 AND version = ?2",
        )
        .bind(&document.id)
        .bind(shown_version)
        .fetch_optional(&self.inner.store.pool)
        .await
        .map_err(failed)?;
        let Some(row) = row else {
            return Err(CatalogError::new(
                CatalogErrorKind::NotFound,
                format!("this {kind} has no version {shown_version}"),
            ));
        };
        let body: String = row.try_get(0).map_err(failed)?;
        let (name, description) = (
            row.try_get(1).map_err(failed)?,
            row.try_get(2).map_err(failed)?,
        );
        Ok(SavedDocument {
            document: Document {
                name,
                description,
                ..document
            },
            shown_version,
            body: serde_json::from_str(&body).unwrap_or_default(),
        })
    }

    /// Lists the versions of a document, the newest first.
    pub async fn document_versions(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
    ) -> Result<Vec<DocumentVersion>, CatalogError> {
        let failed = |error| CatalogError::database("list versions", error);
        let document = self.readable(by, kind, id).await?;
        let rows = sqlx::query(
            "SELECT version, name, made_by, made_at FROM document_versions
             WHERE document = ?1 ORDER BY version DESC",
        )
        .bind(&document.id)
        .fetch_all(&self.inner.store.pool)
        .await
        .map_err(failed)?;
        let version = |row: &SqliteRow| {
            Ok(DocumentVersion {
                version: row.try_get(0)?,
                name: row.try_get(1)?,
                made_by: row.try_get(2)?,
                made_at: instant(row.try_get(3)?),
            })
        };
        rows.iter()
            .map(version)
            .collect::<Result<_, _>>()
            .map_err(failed)
    }

    /// Makes a document.
    pub async fn create_document(
        &self,
        by: &Actor,
        kind: DocumentKind,
        new: NewDocument,
    ) -> Result<SavedDocument, CatalogError> {
        self.make_document(by, kind, new_id(), new).await
    }

    pub(super) async fn make_document(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: String,
        new: NewDocument,
    ) -> Result<SavedDocument, CatalogError> {
        let access = self.access();
        let owner = access.user(by.identity().user());
        let nobodys = DocumentOwner {
            owner: owner.map(|user| user.id),
            readable: false,
            editable: false,
        };
        self.permit_document(by, DocumentAction::Create, kind, &nobodys)?;
        let body = new.check()?;
        let action = match kind {
            DocumentKind::Question => "question.create",
            DocumentKind::Dashboard => "dashboard.create",
        };
        let mut change = self.change(by, action).await?;
        let (micros, failed) = (change.micros(), change.failed());
        let document = Document {
            id,
            kind,
            name: new.name.trim().to_owned(),
            description: new.description,
            owner: by.identity().user().to_owned(),
            owner_id: owner.map(|user| user.id),
            sharing: new.sharing,
            certified: false,
            version: 1,
            created_at: change.now,
            updated_at: change.now,
            updated_by: by.identity().user().to_owned(),
        };
        sqlx::query(
            "INSERT INTO documents (id, kind, name, description, owner_id, owner, sharing, version,
                 created_at, updated_at, updated_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8, ?6)",
        )
        .bind(&document.id)
        .bind(kind.as_str())
        .bind(&document.name)
        .bind(&document.description)
        .bind(document.owner_id)
        .bind(&document.owner)
        .bind(document.sharing.as_str())
        .bind(micros)
        .execute(&mut *change.tx)
        .await
        .map_err(&failed)?;
        insert_version(&mut change, &document, &body).await?;
        let after = json!({ "name": document.name, "sharing": document.sharing });
        change
            .commit(format!("{kind} {}", document.id), None, Some(after))
            .await?;
        self.documents_changed();
        Ok(SavedDocument {
            document,
            shown_version: 1,
            body: new.body,
        })
    }

    /// Saves a new version of a document. `based_on` is the version it was made from: when somebody
    /// saved another one meanwhile, nothing is lost and nothing is saved.
    pub async fn update_document(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
        based_on: i64,
        new: NewDocument,
    ) -> Result<SavedDocument, CatalogError> {
        let before = self.readable(by, kind, id).await?;
        self.permit_document(by, DocumentAction::Write, kind, &before.access())?;
        if new.sharing != before.sharing {
            self.permit_document(by, DocumentAction::Share, kind, &before.access())?;
        }
        let body = new.check()?;
        let action = match kind {
            DocumentKind::Question => "question.update",
            DocumentKind::Dashboard => "dashboard.update",
        };
        let mut change = self.change(by, action).await?;
        let (micros, failed) = (change.micros(), change.failed());
        let after = Document {
            name: new.name.trim().to_owned(),
            description: new.description,
            sharing: new.sharing,
            version: based_on + 1,
            updated_at: change.now,
            updated_by: by.identity().user().to_owned(),
            ..before.clone()
        };
        let done = sqlx::query(
            "UPDATE documents SET name = ?3, description = ?4, sharing = ?5, version = version + 1,
                 updated_at = ?6, updated_by = ?7
             WHERE id = ?1 AND version = ?2 AND deleted_at IS NULL",
        )
        .bind(id)
        .bind(based_on)
        .bind(&after.name)
        .bind(&after.description)
        .bind(after.sharing.as_str())
        .bind(micros)
        .bind(&after.updated_by)
        .execute(&mut *change.tx)
        .await
        .map_err(&failed)?;
        if done.rows_affected() == 0 {
            return Err(CatalogError::new(
                CatalogErrorKind::Exists,
                format!(
                    "`{}` saved version {} of this {kind} meanwhile",
                    before.updated_by, before.version
                ),
            )
            .with_hint("open it again, or save yours under another name"));
        }
        insert_version(&mut change, &after, &body).await?;
        // Whose rights a rollup has agrees to what they save themselves, and to nothing else.
        let followed = sqlx::query(
            "UPDATE rollups SET version = ?2 WHERE question = ?1
             AND user_id = (SELECT id FROM users WHERE name = ?3)",
        )
        .bind(id)
        .bind(after.version)
        .bind(&after.updated_by)
        .execute(&mut *change.tx)
        .await
        .map_err(&failed)?;
        let told = |document: &Document| json!({ "name": document.name, "sharing": document.sharing, "version": document.version });
        change
            .commit(
                format!("{kind} {id}"),
                Some(told(&before)),
                Some(told(&after)),
            )
            .await?;
        if followed.rows_affected() > 0 {
            self.plan_changed();
        }
        self.documents_changed();
        Ok(SavedDocument {
            shown_version: after.version,
            document: after,
            body: new.body,
        })
    }

    /// Vouches for a document, or no longer.
    pub async fn certify_document(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
        certified: bool,
    ) -> Result<(), CatalogError> {
        let before = self.readable(by, kind, id).await?;
        self.permit_document(by, DocumentAction::Certify, kind, &before.access())?;
        let mut change = self.change(by, "document.certify").await?;
        sqlx::query("UPDATE documents SET certified = ?2 WHERE id = ?1")
            .bind(id)
            .bind(certified)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let told = |certified: bool| Some(json!({ "certified": certified }));
        change
            .commit(
                format!("{kind} {id}"),
                told(before.certified),
                told(certified),
            )
            .await
    }

    /// Removes a document. Its versions stay in the catalog, so that it can be brought back.
    pub async fn delete_document(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
    ) -> Result<(), CatalogError> {
        let before = self.readable(by, kind, id).await?;
        self.permit_document(by, DocumentAction::Write, kind, &before.access())?;
        self.set_deleted(by, kind, &before, true).await
    }

    /// Brings a removed document back.
    pub async fn restore_document(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
    ) -> Result<(), CatalogError> {
        let before = self.find(by, kind, id, true).await?;
        self.permit_document(by, DocumentAction::Write, kind, &before.access())?;
        self.set_deleted(by, kind, &before, false).await
    }

    async fn set_deleted(
        &self,
        by: &Actor,
        kind: DocumentKind,
        document: &Document,
        deleted: bool,
    ) -> Result<(), CatalogError> {
        let action = if deleted {
            "document.delete"
        } else {
            "document.restore"
        };
        let mut change = self.change(by, action).await?;
        let micros = change.micros();
        sqlx::query("UPDATE documents SET deleted_at = ?2 WHERE id = ?1")
            .bind(&document.id)
            .bind(deleted.then_some(micros))
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let told = Some(json!({ "name": document.name }));
        let (before, after) = if deleted { (told, None) } else { (None, told) };
        change
            .commit(format!("{kind} {}", document.id), before, after)
            .await?;
        // One that is removed is built no more.
        self.plan_changed();
        self.documents_changed();
        Ok(())
    }

    async fn readable(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
    ) -> Result<Document, CatalogError> {
        self.find(by, kind, id, false).await
    }

    async fn find(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
        deleted: bool,
    ) -> Result<Document, CatalogError> {
        let failed = |error| CatalogError::database(format!("read a {kind}"), error);
        let sql = format!(
            "SELECT {COLUMNS} FROM documents
             WHERE id = ?1 AND kind = ?2 AND (deleted_at IS NOT NULL) = ?3"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .bind(kind.as_str())
            .bind(deleted)
            .fetch_optional(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        let document = row.as_ref().map(decode).transpose().map_err(failed)?;
        let access = self.access();
        let reads = |document: &Document| {
            access
                .decide_document(by.identity(), DocumentAction::Read, &document.access())
                .allowed
        };
        document.filter(reads).ok_or_else(|| {
            CatalogError::new(
                CatalogErrorKind::NotFound,
                format!("there is no such {kind}, or it is not shared with you"),
            )
        })
    }

    pub(super) fn permit_document(
        &self,
        by: &Actor,
        action: DocumentAction,
        kind: DocumentKind,
        document: &DocumentOwner,
    ) -> Result<(), CatalogError> {
        let decision = self
            .access()
            .decide_document(by.identity(), action, document);
        if decision.allowed {
            return Ok(());
        }
        let verb = match action {
            DocumentAction::Read => "read this",
            DocumentAction::Create => "make a",
            DocumentAction::Write => "change this",
            DocumentAction::Share => "share this",
            DocumentAction::Certify => "certify this",
        };
        Err(CatalogError::new(
            CatalogErrorKind::Denied,
            format!(
                "`{}` may not {verb} {kind}: {}",
                by.identity().user(),
                decision.reason
            ),
        )
        .with_hint("its owner, owners and admins may; analysts and engineers make their own"))
    }
}

async fn insert_version(
    change: &mut crate::access::Change<'_>,
    document: &Document,
    body: &str,
) -> Result<(), CatalogError> {
    let (micros, failed) = (change.micros(), change.failed());
    sqlx::query(
        "INSERT INTO document_versions (document, version, name, description, body, made_by, made_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(&document.id)
    .bind(document.version)
    .bind(&document.name)
    .bind(&document.description)
    .bind(body)
    .bind(&document.updated_by)
    .bind(micros)
    .execute(&mut *change.tx)
    .await
    .map_err(&failed)?;
    sqlx::query("DELETE FROM document_versions WHERE document = ?1 AND version <= ?2")
        .bind(&document.id)
        .bind(document.version - MAX_VERSIONS)
        .execute(&mut *change.tx)
        .await
        .map_err(&failed)?;
    Ok(())
}
