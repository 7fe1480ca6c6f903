//! The catalog through its public door, on real files.

mod access;
mod kept;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use weir_catalog::{
    Actor, Catalog, CatalogErrorKind, Comments, IpPolicy, KeyLookup, SourceSettings, Upserted, View,
};
use weir_core::SourceName;

struct Env {
    dir: tempfile::TempDir,
}

impl Env {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("catalog.db")
    }

    async fn open(&self) -> Catalog {
        Catalog::open(&self.path()).await.unwrap()
    }
}

fn shop() -> SourceName {
    SourceName::new("shop").unwrap()
}

async fn with_shop(catalog: &Catalog) {
    catalog
        .upsert_source(&Actor::local(), &shop(), true, &SourceSettings::default())
        .await
        .unwrap();
}

fn found(lookup: &KeyLookup) -> bool {
    matches!(lookup, KeyLookup::Found(_))
}

#[tokio::test]
async fn a_key_works_until_it_is_revoked() {
    let env = Env::new();
    let catalog = env.open().await;
    with_shop(&catalog).await;

    let new = catalog
        .create_key(&Actor::local(), &shop(), "web")
        .await
        .unwrap();
    let KeyLookup::Found(source) = catalog.source_for_key(new.key.reveal()) else {
        panic!("the key is not found");
    };
    assert_eq!(source.name, shop());
    assert!(matches!(
        catalog.source_for_key("wk_guess"),
        KeyLookup::Unknown
    ));

    let revoked = catalog
        .revoke_key(&Actor::local(), &new.info.prefix)
        .await
        .unwrap();
    assert!(revoked.revoked_at.is_some());
    assert!(matches!(
        catalog.source_for_key(new.key.reveal()),
        KeyLookup::Revoked
    ));

    let again = catalog
        .revoke_key(&Actor::local(), &new.info.id.to_string())
        .await
        .unwrap();
    assert_eq!(again.revoked_at, revoked.revoked_at);
}

#[tokio::test]
async fn secrets_are_not_in_the_file() {
    let env = Env::new();
    let catalog = env.open().await;
    with_shop(&catalog).await;
    let key = catalog
        .create_key(&Actor::local(), &shop(), "")
        .await
        .unwrap()
        .key;
    let token = catalog.create_owner_token(&Actor::local()).await.unwrap();
    catalog.close().await;

    for entry in std::fs::read_dir(env.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in [key.reveal(), token.reveal()] {
            let holds = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!holds, "{} holds a secret", path.display());
        }
    }
}

#[tokio::test]
async fn the_files_are_for_the_owner_only() {
    let env = Env::new();
    let catalog = env.open().await;
    with_shop(&catalog).await;

    for entry in std::fs::read_dir(env.dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn another_process_sees_changes_at_its_next_refresh() {
    let env = Env::new();
    let (server, command) = (env.open().await, env.open().await);
    assert!(!server.refresh().await.unwrap());

    with_shop(&command).await;
    let key = command
        .create_key(&Actor::local(), &shop(), "")
        .await
        .unwrap()
        .key;

    assert!(!found(&server.source_for_key(key.reveal())));
    assert!(server.refresh().await.unwrap());
    assert!(found(&server.source_for_key(key.reveal())));
    assert!(!server.refresh().await.unwrap());
}

#[tokio::test]
async fn a_key_made_a_moment_ago_is_found_without_waiting() {
    let env = Env::new();
    let (server, command) = (env.open().await, env.open().await);
    with_shop(&command).await;
    let key = command
        .create_key(&Actor::local(), &shop(), "")
        .await
        .unwrap()
        .key;

    assert!(found(&server.source_for_new_key(key.reveal()).await));
    // The next stranger comes too soon for another look.
    assert!(!found(&server.source_for_new_key("wk_guess").await));
}

#[tokio::test]
async fn a_source_keeps_its_id() {
    let env = Env::new();
    let catalog = env.open().await;
    let (first, done) = catalog
        .upsert_source(&Actor::local(), &shop(), true, &SourceSettings::default())
        .await
        .unwrap();
    assert_eq!(done, Upserted::Created);

    let settings = SourceSettings {
        ip: IpPolicy::Drop,
        ..SourceSettings::default()
    };
    let (second, done) = catalog
        .upsert_source(&Actor::local(), &shop(), false, &settings)
        .await
        .unwrap();
    assert_eq!(done, Upserted::Changed);
    let (_, done) = catalog
        .upsert_source(&Actor::local(), &shop(), false, &settings)
        .await
        .unwrap();
    assert_eq!(done, Upserted::Unchanged);
    assert_eq!(first.id, second.id);
    catalog.close().await;

    let catalog = env.open().await;
    assert_eq!(*catalog.source(&shop()).unwrap(), *second);
}

#[tokio::test]
async fn the_owner_is_known_by_one_token_at_a_time() {
    let env = Env::new();
    let catalog = env.open().await;
    assert!(!catalog.has_owner());
    assert!(!catalog.is_owner(""));

    let first = catalog.create_owner_token(&Actor::local()).await.unwrap();
    assert!(catalog.is_owner(first.reveal()));
    let second = catalog.create_owner_token(&Actor::local()).await.unwrap();
    assert!(!catalog.is_owner(first.reveal()));
    assert!(catalog.is_owner(second.reveal()));
}

#[tokio::test]
async fn views_are_kept() {
    let env = Env::new();
    let catalog = env.open().await;
    let view = View {
        schema: "main".into(),
        name: "orders".into(),
        sql: "SELECT 1".into(),
        definer: false,
        comments: Comments {
            view: Some("what was bought".into()),
            columns: BTreeMap::from([("id".into(), "of the order".into())]),
        },
    };
    catalog.put_view(&view).await.unwrap();
    catalog.close().await;

    let catalog = env.open().await;
    assert_eq!(&*catalog.views(), std::slice::from_ref(&view));
    assert!(catalog.drop_view("main", "orders").await.unwrap());
    assert!(catalog.views().is_empty());
}

#[tokio::test]
async fn what_does_not_exist_is_said_with_a_hint() {
    let env = Env::new();
    let catalog = env.open().await;

    let error = catalog
        .create_key(&Actor::local(), &shop(), "")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), CatalogErrorKind::NotFound);
    assert!(error.hint().unwrap().contains("sources/shop.yml"));

    let error = catalog
        .revoke_key(&Actor::local(), "wk_abcdefghijklmnop")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), CatalogErrorKind::NotFound);
    assert!(!error.to_string().contains("wk_"));
}

#[tokio::test]
async fn a_file_that_is_no_catalog_is_refused() {
    let env = Env::new();
    std::fs::write(env.path(), vec![b'x'; 8192]).unwrap();

    let error = Catalog::open(&env.path()).await.err().unwrap();
    assert_eq!(error.kind(), CatalogErrorKind::Corrupt);
}

#[tokio::test]
async fn a_newer_catalog_is_refused() {
    let env = Env::new();
    env.open().await.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(env.path());
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 99")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;

    let error = Catalog::open(&env.path()).await.err().unwrap();
    assert_eq!(error.kind(), CatalogErrorKind::Newer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_can_write_at_once() {
    let env = Env::new();
    let (one, two) = (env.open().await, env.open().await);
    with_shop(&one).await;
    two.refresh().await.unwrap();

    let write = |catalog: Catalog| async move {
        for _ in 0..20 {
            catalog
                .create_key(&Actor::local(), &shop(), "")
                .await
                .unwrap();
        }
    };
    let (left, right) = tokio::join!(tokio::spawn(write(one.clone())), tokio::spawn(write(two)));
    left.unwrap();
    right.unwrap();

    assert_eq!(one.keys().await.unwrap().len(), 40);
}
