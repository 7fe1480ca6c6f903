//! What goes on by itself: rollups, deliveries, files of documents; and whose things are.

use serde_json::{Value, json};
use weir_catalog::{
    Actor, Catalog, CatalogErrorKind, DocumentFile, DocumentKind, NewDelivery, NewDocument,
    NewRollup, NewUser, RollupReads, RollupTrigger, Sharing,
};

use crate::Env;

const QUESTION: DocumentKind = DocumentKind::Question;

async fn person(catalog: &Catalog, name: &str, role: &str) -> Actor {
    let new = NewUser {
        name: name.to_owned(),
        roles: vec![role.to_owned()],
        password: Some("correct horse battery".to_owned()),
    };
    catalog.create_user(&Actor::local(), new).await.unwrap();
    Actor::new(catalog.access().identity(name).unwrap(), "test")
}

fn draft(body: Value) -> NewDocument {
    NewDocument {
        name: "Seen".to_owned(),
        description: String::new(),
        sharing: Sharing::Edit,
        body,
    }
}

fn rollup(table: &str, version: i64) -> NewRollup {
    NewRollup {
        schema: "anna".to_owned(),
        table: table.to_owned(),
        version,
        trigger: RollupTrigger::Inputs {
            at_most_every_seconds: 5,
        },
        reads: RollupReads {
            reads: vec!["app.users".to_owned()],
            follows: vec!["app.identifies".to_owned()],
        },
    }
}

#[tokio::test]
async fn a_rollup_builds_what_its_owner_saved() {
    let env = Env::new();
    let catalog = env.open().await;
    let anna = person(&catalog, "anna", "analyst").await;
    let ben = person(&catalog, "ben", "analyst").await;
    let vera = person(&catalog, "vera", "viewer").await;
    let body = json!({"sql": "select 1"});
    let made = catalog.create_document(&anna, QUESTION, draft(body.clone()));
    let id = made.await.unwrap().document.id;
    let seen = catalog.plan_changes();
    let denied = catalog.put_rollup(&vera, &id, rollup("seen", 1)).await;
    assert_eq!(denied.unwrap_err().kind(), CatalogErrorKind::Denied);
    let kept = catalog.put_rollup(&anna, &id, rollup("seen", 1)).await;
    let kept = kept.unwrap();
    assert_eq!((kept.owner.as_str(), kept.version), ("anna", 1));
    assert_eq!(kept.follows, ["app.identifies"]);
    assert_ne!(catalog.plan_changes(), seen);

    // Its owner's versions count, those of others wait.
    let saved = catalog.update_document(&anna, QUESTION, &id, 1, draft(body.clone()));
    saved.await.unwrap();
    let saved = catalog.update_document(&ben, QUESTION, &id, 2, draft(body.clone()));
    saved.await.unwrap();
    let now = catalog.rollup(&ben, &id).await.unwrap().unwrap();
    assert_eq!((now.version, now.newest), (2, 3));
    let reads = RollupReads::default();
    assert!(!catalog.note_rollup_reads(&id, 1, &reads).await.unwrap());
    assert!(catalog.note_rollup_reads(&id, 2, &reads).await.unwrap());
    assert!(!catalog.note_rollup_reads(&id, 2, &reads).await.unwrap());

    // One table, one question.
    let other = catalog.create_document(&ben, QUESTION, draft(body));
    let other = other.await.unwrap().document.id;
    let taken = catalog.put_rollup(&ben, &other, rollup("seen", 1)).await;
    assert_eq!(taken.unwrap_err().kind(), CatalogErrorKind::Exists);
    catalog.delete_document(&anna, QUESTION, &id).await.unwrap();
    assert!(catalog.rollups().await.unwrap().is_empty());
}

#[tokio::test]
async fn deliveries_are_made_by_whoever_may_share() {
    let env = Env::new();
    let catalog = env.open().await;
    let anna = person(&catalog, "anna", "analyst").await;
    let ben = person(&catalog, "ben", "analyst").await;
    let kind = DocumentKind::Dashboard;
    let made = catalog.create_document(&anna, kind, draft(json!({"tiles": []})));
    let id = made.await.unwrap().document.id;
    let new = || NewDelivery {
        receivers: vec!["team".to_owned()],
        filters: json!({"day": "2026-01-01"}),
        cron: "0 8 * * *".to_owned(),
        zone: "UTC".to_owned(),
    };
    let denied = catalog.create_delivery(&ben, &id, new()).await.unwrap_err();
    assert_eq!(denied.kind(), CatalogErrorKind::Denied);
    let made = catalog.create_delivery(&anna, &id, new()).await.unwrap();
    let all = catalog.deliveries_of(&ben, &id).await.unwrap();
    assert_eq!((all.len(), &all[0].id), (1, &made.id));
    assert_eq!(all[0].filters, made.filters);
    let denied = catalog.delete_delivery(&ben, &id, &made.id).await;
    assert_eq!(denied.unwrap_err().kind(), CatalogErrorKind::Denied);
    catalog.delete_delivery(&anna, &id, &made.id).await.unwrap();
    assert!(catalog.deliveries().await.unwrap().is_empty());
}

#[tokio::test]
async fn files_and_owners_are_kept() {
    let env = Env::new();
    let catalog = env.open().await;
    let anna = person(&catalog, "anna", "analyst").await;
    let ben = person(&catalog, "ben", "analyst").await;
    let local = Actor::local();
    let body = json!({"sql": "select 1"});
    for wrong in ["", "Ümlaut", "a/b"] {
        let made = catalog.create_named_document(&local, QUESTION, wrong, draft(body.clone()));
        assert_eq!(made.await.unwrap_err().kind(), CatalogErrorKind::Invalid);
    }
    let made = catalog.create_named_document(&anna, QUESTION, "sales", draft(body.clone()));
    assert_eq!(made.await.unwrap().document.id, "sales");
    let again = catalog.create_named_document(&anna, QUESTION, "sales", draft(body));
    assert_eq!(again.await.unwrap_err().kind(), CatalogErrorKind::Exists);
    let file = DocumentFile {
        document: "sales".to_owned(),
        path: "questions/sales.yml".to_owned(),
        version: 1,
        hash: vec![1, 2],
    };
    catalog.put_document_file(&file).await.unwrap();
    let file = DocumentFile { version: 2, ..file };
    catalog.put_document_file(&file).await.unwrap();
    assert_eq!(catalog.document_files().await.unwrap(), [file]);
    catalog.forget_document_file("sales").await.unwrap();
    assert!(catalog.document_files().await.unwrap().is_empty());

    let denied = catalog.give_document(&ben, QUESTION, "sales", "ben").await;
    assert_eq!(denied.unwrap_err().kind(), CatalogErrorKind::Denied);
    let given = catalog.give_document(&anna, QUESTION, "sales", "ben").await;
    given.unwrap();
    let denied = catalog.give_table(&ben, ("main", "t"), "ben").await;
    assert_eq!(denied.unwrap_err().kind(), CatalogErrorKind::Denied);
    let given = catalog.give_table(&local, ("main", "t"), "ben").await;
    given.unwrap();
    let given = catalog.give_table(&ben, ("main", "t"), "anna").await;
    given.unwrap();
    let object = weir_access::Object::Table {
        schema: "main",
        table: "t",
    };
    assert_eq!(catalog.access().owner_of(&object), Some("anna"));
    catalog
        .delete_document(&ben, QUESTION, "sales")
        .await
        .unwrap();
    let removed = catalog.removed_documents(QUESTION).await.unwrap();
    assert_eq!(removed, ["sales"]);
}

#[tokio::test]
async fn what_others_save_later_is_not_agreed_to() {
    let env = Env::new();
    let catalog = env.open().await;
    let anna = person(&catalog, "anna", "analyst").await;
    let ben = person(&catalog, "ben", "analyst").await;
    let body = |n: i64| json!({"sql": format!("select {n}")});
    let made = catalog.create_document(&ben, QUESTION, draft(body(1)));
    let made = made.await.unwrap().document;
    let shown = async |since| {
        let agreed = catalog.agreed_document(&anna, QUESTION, &made.id, since);
        agreed.await.map(|saved| saved.shown_version)
    };
    // She saw what was there.
    let since = made.updated_at;
    assert_eq!(shown(since).await.unwrap(), 1);
    let saved = catalog.update_document(&ben, QUESTION, &made.id, 1, draft(body(2)));
    saved.await.unwrap();
    assert_eq!(shown(since).await.unwrap(), 1);
    // What she saves herself she has seen, though not what comes after it.
    let saved = catalog.update_document(&anna, QUESTION, &made.id, 2, draft(body(3)));
    saved.await.unwrap();
    let saved = catalog.update_document(&ben, QUESTION, &made.id, 3, draft(body(4)));
    saved.await.unwrap();
    assert_eq!(shown(since).await.unwrap(), 3);

    let own = catalog.create_document(&ben, QUESTION, draft(body(5)));
    let own = own.await.unwrap().document.id;
    let agreed = catalog.agreed_document(&anna, QUESTION, &own, since).await;
    assert_eq!(agreed.unwrap_err().kind(), CatalogErrorKind::Denied);
}
