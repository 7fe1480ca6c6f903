//! Users, roles, grants and tokens, and the audit of what becomes of them.

use chrono::{TimeDelta, Utc};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use weir_access::{
    Access, Action, GrantObject, Identity, Object, Privilege, Privileges, Refusal,
    SCRAM_ITERATIONS, Scope,
};
use weir_catalog::{
    AccessFile, Actor, Catalog, CatalogErrorKind, NewToken, NewUser, SourceSettings,
};
use weir_core::SourceName;

use crate::Env;

const PASSWORD: &str = "correct horse battery";

fn new(name: &str, roles: &[&str]) -> NewUser {
    NewUser {
        name: name.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        password: Some(PASSWORD.to_owned()),
    }
}

async fn with(catalog: &Catalog, name: &str, roles: &[&str]) -> Identity {
    let user = catalog.create_user(&Actor::local(), new(name, roles)).await;
    user.unwrap_or_else(|error| panic!("{name}: {error}"));
    catalog.access().identity(name).unwrap()
}

fn token_for(user: &str, scopes: &str) -> NewToken {
    NewToken {
        user: user.to_owned(),
        label: "a test".to_owned(),
        scopes: Scope::parse_list(scopes).unwrap(),
        expires_at: None,
    }
}

fn may(catalog: &Catalog, who: &Identity, action: Action, schema: &str) -> bool {
    let object = Object::Table { schema, table: "t" };
    catalog.access().decide(who, action, &object).allowed
}

#[tokio::test]
async fn a_user_signs_in_by_password_and_token() {
    let env = Env::new();
    let catalog = env.open().await;
    let by = Actor::local();
    with(&catalog, "ada@example.com", &["analyst"]).await;
    let (token, info) = catalog
        .create_token(&by, token_for("ada@example.com", "read"))
        .await
        .unwrap();
    drop(catalog);

    // Another process, another day.
    let catalog = env.open().await;
    let access = catalog.access();
    let user = access.user("ada@example.com").unwrap();
    assert_eq!(user.schema, "ada_example_com");
    assert_eq!(
        proved(&access, "ada@example.com", PASSWORD).as_deref(),
        Ok("password")
    );
    assert_eq!(
        proved(&access, "ada@example.com", token.reveal()).as_deref(),
        Ok("token")
    );
    assert!(
        access
            .authenticate_password("ada@example.com", PASSWORD)
            .is_ok()
    );
    let wrong = access.authenticate_password("ada@example.com", "correct horse batterz");
    assert_eq!(wrong, Err(Refusal::WrongPassword));
    let who = access
        .authenticate_token(token.reveal(), Utc::now())
        .unwrap();
    assert_eq!(who.user(), "ada@example.com");
    assert!(may(&catalog, &who, Action::Select, "shop"));
    assert!(!may(&catalog, &who, Action::Insert, "ada_example_com"));

    catalog
        .revoke_token(&by, &info.id.to_string())
        .await
        .unwrap();
    let access = catalog.access();
    assert!(!access.still_valid(&who, Utc::now()));
    assert!(!may(&catalog, &who, Action::Select, "shop"));
    let refused = access.authenticate_token(token.reveal(), Utc::now());
    assert_eq!(refused, Err(Refusal::Revoked));
}

/// Signs in by a proof, as a client does; says how.
fn proved(access: &Access, user: &str, secret: &str) -> Result<String, Refusal> {
    let proof = access.scram(user).prove(secret, b"messages");
    let (who, _) = access.authenticate_proof(user, b"messages", &proof, Utc::now())?;
    assert_eq!(who.user(), user);
    Ok(who.auth().as_str().to_owned())
}

#[tokio::test]
async fn tokens_are_proved_under_the_name_of_their_user() {
    let env = Env::new();
    let catalog = env.open().await;
    let by = Actor::local();
    with(&catalog, "ada", &["analyst"]).await;
    with(&catalog, "bob", &["analyst"]).await;
    let (first, info) = catalog
        .create_token(&by, token_for("ada", "read"))
        .await
        .unwrap();
    let (second, _) = catalog
        .create_token(&by, token_for("ada", "read"))
        .await
        .unwrap();
    let salt = catalog.access().scram("ada");
    for token in [&first, &second] {
        assert_eq!(
            proved(&catalog.access(), "ada", token.reveal()).as_deref(),
            Ok("token")
        );
        // Whose it is counts.
        assert_eq!(
            proved(&catalog.access(), "bob", token.reveal()),
            Err(Refusal::WrongPassword)
        );
        assert_eq!(
            proved(&catalog.access(), "nobody", token.reveal()),
            Err(Refusal::Unknown)
        );
    }

    // Tokens and passwords do not depend on each other.
    catalog.set_password(&by, "ada", None).await.unwrap();
    assert_eq!(
        proved(&catalog.access(), "ada", PASSWORD),
        Err(Refusal::WrongPassword)
    );
    assert_eq!(
        proved(&catalog.access(), "ada", first.reveal()).as_deref(),
        Ok("token")
    );
    catalog
        .set_password(&by, "ada", Some("another long one"))
        .await
        .unwrap();
    assert_eq!(
        proved(&catalog.access(), "ada", "another long one").as_deref(),
        Ok("password")
    );
    assert_eq!(
        proved(&catalog.access(), "ada", second.reveal()).as_deref(),
        Ok("token")
    );
    assert_eq!(catalog.access().scram("ada"), salt);

    catalog
        .revoke_token(&by, &info.id.to_string())
        .await
        .unwrap();
    assert_eq!(
        proved(&catalog.access(), "ada", first.reveal()),
        Err(Refusal::WrongPassword)
    );
    assert_eq!(
        proved(&catalog.access(), "ada", second.reveal()).as_deref(),
        Ok("token")
    );
    catalog.set_user_disabled(&by, "ada", true).await.unwrap();
    assert_eq!(
        proved(&catalog.access(), "ada", second.reveal()),
        Err(Refusal::Disabled)
    );

    // The project's own token is its owner's.
    let token = catalog.create_owner_token(&by).await.unwrap();
    assert_eq!(
        proved(&catalog.access(), "owner", token.reveal()).as_deref(),
        Ok("token")
    );
}

#[tokio::test]
async fn the_use_of_a_token_is_noted_and_moves_nothing() {
    let env = Env::new();
    let catalog = env.open().await;
    with(&catalog, "ada", &["analyst"]).await;
    let new = token_for("ada", "read");
    let (token, info) = catalog.create_token(&Actor::local(), new).await.unwrap();
    let who = catalog
        .access()
        .authenticate_token(token.reveal(), Utc::now())
        .unwrap();
    let (epoch, generation) = (catalog.access().epoch(), catalog.generation());
    assert!(catalog.token_uses().await.unwrap().is_empty());

    let before = Utc::now();
    for _ in 0..100 {
        catalog.note_use(&who);
    }
    let start = std::time::Instant::now();
    let used_at = loop {
        if let Some(at) = catalog.token_uses().await.unwrap().get(&info.id) {
            break *at;
        }
        assert!(start.elapsed().as_secs() < 30, "never noted");
        tokio::task::yield_now().await;
    };
    assert!(used_at >= before - TimeDelta::seconds(1) && used_at <= Utc::now());
    assert!(
        !catalog.refresh().await.unwrap(),
        "a use looks like a change"
    );
    assert_eq!(
        (catalog.access().epoch(), catalog.generation()),
        (epoch, generation)
    );
}

#[tokio::test]
async fn sources_and_keys_are_in_the_audit() {
    let env = Env::new();
    let catalog = env.open().await;
    let by = Actor::local();
    let name = SourceName::new("shop").unwrap();
    for enabled in [true, true, false] {
        let settings = SourceSettings::default();
        catalog
            .upsert_source(&by, &name, enabled, &settings)
            .await
            .unwrap();
    }
    let key = catalog.create_key(&by, &name, "web").await.unwrap();
    for _ in 0..2 {
        catalog.revoke_key(&by, key.key.reveal()).await.unwrap();
    }
    let mut lines = catalog.audit_lines(100).await.unwrap();
    lines.reverse();
    let mut actions = Vec::new();
    for line in &lines {
        assert!(!line.record.contains(key.key.reveal()), "{}", line.record);
        let record: serde_json::Value = serde_json::from_str(&line.record).unwrap();
        actions.push(format!(
            "{} {}",
            record["action"].as_str().unwrap(),
            record["object"].as_str().unwrap()
        ));
    }
    // What changes nothing leaves no record.
    assert_eq!(
        actions,
        [
            "source.create source shop",
            "source.change source shop",
            "key.create key 1",
            "key.revoke key 1"
        ]
    );
    catalog.verify_audit().await.unwrap();

    // Who may not is refused here, whatever the door thought.
    with(&catalog, "ada", &["analyst"]).await;
    let ada = Actor::new(catalog.access().identity("ada").unwrap(), "http");
    let denied =
        |error: weir_catalog::CatalogError| assert_eq!(error.kind(), CatalogErrorKind::Denied);
    denied(catalog.create_key(&ada, &name, "").await.unwrap_err());
    denied(catalog.revoke_key(&ada, "1").await.unwrap_err());
    let settings = SourceSettings::default();
    denied(
        catalog
            .upsert_source(&ada, &name, true, &settings)
            .await
            .unwrap_err(),
    );
}

/// A catalog as the version before proofs left it: users with and without a password, a token, the
/// owner's token.
#[tokio::test]
async fn a_catalog_from_before_proofs_is_brought_along() {
    let env = Env::new();
    let catalog = env.open().await;
    let by = Actor::local();
    with(&catalog, "ada", &["analyst"]).await;
    let (token, _) = catalog
        .create_token(&by, token_for("ada", "read"))
        .await
        .unwrap();
    let owner = catalog.create_owner_token(&by).await.unwrap();
    drop(catalog);
    let options = SqliteConnectOptions::new().filename(env.path());
    let mut connection = options.connect().await.unwrap();
    for sql in [
        "DROP TABLE watch_receivers",
        "ALTER TABLE views DROP COLUMN comments",
        "DROP TABLE delivery_receipts",
        "DROP TABLE deliveries",
        "DROP TABLE document_files",
        "DROP TABLE rollups",
        "DROP TABLE watches",
        "DROP TABLE embeds",
        "DROP TABLE drafts",
        "DROP TABLE released",
        "DROP TABLE results",
        "DROP TABLE document_versions",
        "DROP TABLE documents",
        "DROP TABLE sessions",
        "DROP TABLE publications",
        "DROP TABLE publish_tokens",
        "DROP TABLE builds",
        "DROP TABLE token_uses",
        "DROP TRIGGER token_uses_gone",
        "ALTER TABLE tokens DROP COLUMN scram_stored_key",
        "ALTER TABLE tokens DROP COLUMN scram_server_key",
        "ALTER TABLE owner_token DROP COLUMN scram_stored_key",
        "ALTER TABLE owner_token DROP COLUMN scram_server_key",
        "UPDATE users SET scram_salt = NULL, scram_iterations = NULL WHERE password_hash IS NULL",
        "PRAGMA user_version = 2",
    ] {
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();

    let catalog = env.open().await;
    let access = catalog.access();
    assert_eq!(proved(&access, "ada", PASSWORD).as_deref(), Ok("password"));
    // Of a token only the hash was known: it can be sent, not proved.
    assert!(
        access
            .authenticate_token(token.reveal(), Utc::now())
            .is_ok()
    );
    assert_eq!(
        proved(&access, "ada", token.reveal()),
        Err(Refusal::WrongPassword)
    );
    assert_eq!(access.scram("owner").salt.len(), 16);
    assert_eq!(
        proved(&access, "owner", owner.reveal()),
        Err(Refusal::WrongPassword)
    );
    // The owner's lies in a file, so it can be mended.
    catalog.adopt_owner_token("wo_another").await.unwrap();
    catalog.adopt_owner_token(owner.reveal()).await.unwrap();
    assert_eq!(
        proved(&catalog.access(), "owner", owner.reveal()).as_deref(),
        Ok("token")
    );
    let generation = catalog.generation();
    catalog.adopt_owner_token(owner.reveal()).await.unwrap();
    assert!(!catalog.refresh().await.unwrap() && catalog.generation() == generation);
}

#[tokio::test]
async fn tokens_expire() {
    let env = Env::new();
    let catalog = env.open().await;
    with(&catalog, "ada", &["analyst"]).await;
    let expires_at = Some(Utc::now() + TimeDelta::days(1));
    let new = NewToken {
        expires_at,
        ..token_for("ada", "read")
    };
    let (token, _) = catalog.create_token(&Actor::local(), new).await.unwrap();

    let access = catalog.access();
    let who = access
        .authenticate_token(token.reveal(), Utc::now())
        .unwrap();
    let later = Utc::now() + TimeDelta::days(2);
    assert!(access.still_valid(&who, Utc::now()));
    assert!(!access.still_valid(&who, later));
    let refused = access.authenticate_token(token.reveal(), later);
    assert_eq!(refused, Err(Refusal::Expired));
}

#[tokio::test]
async fn unknown_users_look_like_known_ones() {
    let env = Env::new();
    let catalog = env.open().await;
    with(&catalog, "ada", &["analyst"]).await;
    let access = catalog.access();

    let (real, fake) = (access.scram("ada"), access.scram("nobody"));
    assert_eq!(real.salt.len(), fake.salt.len());
    assert_eq!(
        (real.iterations, fake.iterations),
        (SCRAM_ITERATIONS, SCRAM_ITERATIONS)
    );
    assert_ne!(fake.salt, access.scram("somebody").salt);
    assert!(access.identity("nobody").is_none());
    // The owner of the project has no password, and nobody can tell.
    assert!(access.identity("owner").is_none());
    assert_eq!(access.scram("owner").salt.len(), 16);
    for hostile in [
        "",
        "a\0b",
        "a\"; DROP TABLE users; --",
        &"x".repeat(10_000),
        "ädа",
    ] {
        assert_eq!(access.scram(hostile).salt.len(), 16);
    }

    // The answer for a name stays the same after a restart: a change would tell.
    let before = fake.salt.clone();
    drop(catalog);
    let catalog = env.open().await;
    assert_eq!(catalog.access().scram("nobody").salt, before);
    catalog
        .set_user_disabled(&Actor::local(), "ada", true)
        .await
        .unwrap();
    assert_eq!(
        proved(&catalog.access(), "ada", PASSWORD),
        Err(Refusal::Disabled)
    );
    // Nor does the salt tell that somebody was suspended.
    assert_eq!(catalog.access().scram("ada"), real);
}

#[tokio::test]
async fn whoever_may_not_manage_changes_nothing() {
    let env = Env::new();
    let catalog = env.open().await;
    let ada = with(&catalog, "ada", &["admin"]).await;
    let bob = Actor::new(with(&catalog, "bob", &["engineer"]).await, "http");
    let ada = Actor::new(ada, "http");
    let kind = |result: Result<(), weir_catalog::CatalogError>| result.unwrap_err().kind();

    let denied = CatalogErrorKind::Denied;
    let made = catalog.create_user(&bob, new("eve", &["owner"])).await;
    assert_eq!(kind(made.map(drop)), denied);
    assert_eq!(
        kind(catalog.set_password(&bob, "ada", Some(PASSWORD)).await),
        denied
    );
    assert_eq!(kind(catalog.drop_user(&bob, "ada").await), denied);
    assert_eq!(kind(catalog.create_role(&bob, "mighty").await), denied);
    let given = catalog.add_user_role(&bob, "bob", "admin").await;
    assert_eq!(kind(given.map(drop)), denied);
    let token = catalog.create_token(&bob, token_for("ada", "manage")).await;
    assert_eq!(kind(token.map(drop)), denied);
    let object = GrantObject::Schema("raw_shop".to_owned());
    let granted = catalog.grant(&bob, "bob", &object, Privileges::ALL).await;
    assert_eq!(kind(granted.map(drop)), denied);

    // Admins manage, but owners answer to owners only.
    let made = catalog.create_user(&ada, new("eve", &["owner"])).await;
    assert_eq!(kind(made.map(drop)), denied);
    let given = catalog.add_user_role(&ada, "ada", "owner").await;
    assert_eq!(kind(given.map(drop)), denied);
    assert_eq!(
        kind(catalog.set_password(&ada, "owner", Some(PASSWORD)).await),
        denied
    );
    let token = catalog
        .create_token(&ada, token_for("owner", "manage"))
        .await;
    assert_eq!(kind(token.map(drop)), denied);
    assert_eq!(
        kind(catalog.set_user_disabled(&ada, "owner", true).await),
        denied
    );

    // One's own password is one's own affair.
    catalog
        .set_password(&bob, "bob", Some("another good one"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_token_for_reading_makes_no_mightier_one() {
    let env = Env::new();
    let catalog = env.open().await;
    with(&catalog, "ada", &["admin"]).await;
    let by = Actor::local();
    let (token, _) = catalog
        .create_token(&by, token_for("ada", "read"))
        .await
        .unwrap();
    let who = catalog
        .access()
        .authenticate_token(token.reveal(), Utc::now())
        .unwrap();
    let reading = Actor::new(who, "http");

    let made = catalog
        .create_token(&reading, token_for("ada", "manage"))
        .await;
    assert_eq!(made.unwrap_err().kind(), CatalogErrorKind::Denied);
    let set = catalog.set_password(&reading, "ada", Some(PASSWORD)).await;
    assert_eq!(set.unwrap_err().kind(), CatalogErrorKind::Denied);
}

#[tokio::test]
async fn there_is_always_an_owner() {
    let env = Env::new();
    let catalog = env.open().await;
    let by = Actor::local();
    assert!(catalog.drop_user(&by, "owner").await.is_err());
    assert!(catalog.set_user_disabled(&by, "owner", true).await.is_err());
    assert!(
        catalog
            .remove_user_role(&by, "owner", "owner")
            .await
            .is_err()
    );

    with(&catalog, "ada", &["owner"]).await;
    let token = catalog.create_owner_token(&Actor::local()).await.unwrap();
    catalog.set_user_disabled(&by, "owner", true).await.unwrap();
    let refused = catalog
        .access()
        .authenticate_token(token.reveal(), Utc::now());
    assert_eq!(refused, Err(Refusal::Disabled));
    assert!(catalog.drop_user(&by, "ada").await.is_err());
}

#[tokio::test]
async fn nobody_inherits_a_schema() {
    let env = Env::new();
    let catalog = env.open().await;
    let by = Actor::local();
    let engineer = with(&catalog, "eng", &["engineer"]).await;
    let ada = with(&catalog, "ada", &["analyst"]).await;
    let object = GrantObject::Table {
        schema: "ada".to_owned(),
        table: "t".to_owned(),
    };
    let own = Actor::new(ada.clone(), "http");
    let select = Privileges::from(Privilege::Select);
    catalog.grant(&own, "eng", &object, select).await.unwrap();
    assert!(may(&catalog, &engineer, Action::Select, "ada"));
    assert!(may(&catalog, &ada, Action::Insert, "ada"));

    catalog.drop_user(&by, "ada").await.unwrap();
    assert!(!may(&catalog, &ada, Action::Select, "ada"));
    let again = catalog.create_user(&by, new("ada", &["viewer"])).await;
    let error = again.unwrap_err();
    assert!(error.to_string().contains("former user"), "{error}");
    // Neither as a source, nor by another spelling of the name.
    let source = SourceName::new("ada").unwrap();
    let stored = catalog
        .upsert_source(&Actor::local(), &source, true, &SourceSettings::default())
        .await;
    assert_eq!(stored.unwrap_err().kind(), CatalogErrorKind::Invalid);

    catalog.drop_schema(&by, "ada").await.unwrap();
    let newer = with(&catalog, "ada", &["viewer"]).await;
    assert!(
        !catalog.access().still_valid(&ada, Utc::now()),
        "the old ada is somebody else"
    );
    assert!(may(&catalog, &newer, Action::Select, "ada"));
}

#[tokio::test]
async fn users_and_sources_do_not_share_a_schema() {
    let env = Env::new();
    let catalog = env.open().await;
    crate::with_shop(&catalog).await;
    let by = Actor::local();
    for taken in ["shop", "main", "weir", "raw_shop", "mart_sales", "viewer"] {
        assert!(
            catalog.create_user(&by, new(taken, &[])).await.is_err(),
            "{taken}"
        );
    }
    with(&catalog, "a.b", &[]).await;
    assert!(catalog.create_user(&by, new("a_b", &[])).await.is_err());
    for hostile in ["a\"b", "a'; --", "a b", "ä", "a\0", &"x".repeat(10_000)] {
        let error = catalog
            .create_user(&by, new(hostile, &[]))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), CatalogErrorKind::Invalid, "{hostile}");
        let missing = catalog.drop_user(&by, hostile).await.unwrap_err();
        assert_eq!(missing.kind(), CatalogErrorKind::NotFound);
        assert!(missing.to_string().len() < 1_000);
    }
}

#[tokio::test]
async fn rights_come_and_go_with_grants_and_roles() {
    let env = Env::new();
    let catalog = env.open().await;
    crate::with_shop(&catalog).await;
    let by = Actor::local();
    let ada = with(&catalog, "ada", &["service"]).await;
    let read = |schema| may(&catalog, &ada, Action::Select, schema);
    let schema = GrantObject::Schema("raw_shop".to_owned());
    let table = GrantObject::Table {
        schema: "raw_shop".to_owned(),
        table: "t".to_owned(),
    };
    let select = Privileges::from(Privilege::Select);
    assert!(!read("raw_shop") && !read("shop") && !read("main"));

    catalog.create_role(&by, "support").await.unwrap();
    catalog
        .grant(&by, "support", &schema, select)
        .await
        .unwrap();
    assert!(!read("raw_shop"));
    catalog.add_user_role(&by, "ada", "support").await.unwrap();
    assert!(read("raw_shop"));
    assert!(!may(&catalog, &ada, Action::Delete, "raw_shop"));
    // What comes by the schema cannot be taken from one table.
    assert!(
        catalog
            .revoke(&by, "support", &table, select)
            .await
            .is_err()
    );
    catalog.drop_role(&by, "support").await.unwrap();
    assert!(!read("raw_shop"));

    catalog.grant(&by, "public", &table, select).await.unwrap();
    assert!(read("raw_shop"));
    assert!(
        catalog
            .revoke(&by, "public", &schema, Privileges::ALL)
            .await
            .unwrap()
    );
    assert!(!read("raw_shop"));
    // Granting twice changes nothing, and says so.
    assert!(catalog.grant(&by, "ada", &schema, select).await.unwrap());
    assert!(!catalog.grant(&by, "ada", &schema, select).await.unwrap());
}

#[tokio::test]
async fn the_audit_tells_what_was_done_and_no_secret() {
    let env = Env::new();
    let catalog = env.open().await;
    let by = Actor::local().from("10.1.2.3".parse().unwrap());
    catalog
        .create_user(&by, new("ada", &["analyst"]))
        .await
        .unwrap();
    let (token, _) = catalog
        .create_token(&by, token_for("ada", "read"))
        .await
        .unwrap();
    assert!(catalog.create_user(&by, new("ada", &[])).await.is_err());

    let lines = catalog.audit_lines(100).await.unwrap();
    assert_eq!(
        lines.len(),
        2,
        "what failed left no trace of having happened"
    );
    let json: serde_json::Value = serde_json::from_str(&lines[1].record).unwrap();
    assert_eq!(json["action"], "user.create");
    assert_eq!(json["object"], "user ada");
    assert_eq!(json["ip"], "10.1.2.3");
    assert_eq!(json["actor"], "owner");
    assert_eq!(json["after"]["roles"][0], "analyst");
    let all: String = lines.iter().map(|line| line.record.as_str()).collect();
    assert!(!all.contains(PASSWORD) && !all.contains(token.reveal()) && !all.contains("argon2"));
    assert_eq!(catalog.verify_audit().await.unwrap().0, 2);
}

#[tokio::test]
async fn whoever_changes_the_audit_is_found_out() {
    for (tampering, broken) in [
        (
            "UPDATE audit SET record = replace(record, 'user1', 'user9') WHERE id = 2",
            "record 2",
        ),
        ("DELETE FROM audit WHERE id = 2", "record 3"),
        ("DELETE FROM audit WHERE id = 5", "removed"),
        (
            "INSERT INTO audit (id, record, hash) VALUES (6, '{}', 'abc')",
            "record 6",
        ),
        ("UPDATE audit SET id = 9 WHERE id = 1", "record 2"),
    ] {
        let env = Env::new();
        let catalog = env.open().await;
        for n in 0..5 {
            let user = NewUser {
                name: format!("user{n}"),
                ..NewUser::default()
            };
            catalog.create_user(&Actor::local(), user).await.unwrap();
        }
        assert_eq!(catalog.verify_audit().await.unwrap().0, 5);

        let options = SqliteConnectOptions::new().filename(env.path());
        let mut file = options.connect().await.unwrap();
        let plain = sqlx::query("DELETE FROM audit").execute(&mut file).await;
        assert!(plain.unwrap_err().to_string().contains("append-only"));
        for sql in [
            "DROP TRIGGER audit_update",
            "DROP TRIGGER audit_delete",
            tampering,
        ] {
            sqlx::query(sql).execute(&mut file).await.unwrap();
        }
        file.close().await.unwrap();

        let error = catalog.verify_audit().await.expect_err(tampering);
        assert_eq!(error.kind(), CatalogErrorKind::Corrupt);
        assert!(error.to_string().contains(broken), "{tampering}: {error}");
    }
}

#[tokio::test]
async fn a_file_makes_it_so_and_says_what_it_changed() {
    let env = Env::new();
    let catalog = env.open().await;
    let by = Actor::local();
    with(&catalog, "old", &["admin"]).await;
    let text = "roles: [support]\nusers:\n  ada: { roles: [analyst, support] }\n  old: { roles: [viewer], disabled: true }\n\
                grants:\n  - { to: support, on: [raw_shop, main.orders], privileges: select }\n";
    let file = AccessFile::parse("access.yml", text, &["old"]).unwrap();

    let done = catalog.apply_access(&by, &file).await.unwrap();
    assert_eq!(
        done,
        [
            "made role support",
            "made user ada without a password",
            "gave old the role viewer",
            "took the role admin from old",
            "disabled user old",
            "granted SELECT on schema raw_shop to support",
            "granted SELECT on main.orders to support",
        ]
    );
    assert!(
        catalog.access().identity("ada").is_none(),
        "there is no password, not even a default"
    );
    assert!(catalog.apply_access(&by, &file).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_process_sees_rights_change() {
    let env = Env::new();
    let (server, command) = (env.open().await, env.open().await);
    let ada = with(&command, "ada", &["analyst"]).await;
    assert!(server.access().user("ada").is_none());
    assert!(server.refresh().await.unwrap());
    assert!(may(&server, &ada, Action::Select, "shop"));

    let epoch = server.access().epoch();
    command
        .set_user_disabled(&Actor::local(), "ada", true)
        .await
        .unwrap();
    assert!(server.refresh().await.unwrap());
    assert!(server.access().epoch() > epoch);
    assert!(!server.access().still_valid(&ada, Utc::now()));
    // What has nothing to do with rights leaves them as they are.
    let view = weir_catalog::View {
        schema: "main".to_owned(),
        name: "v".to_owned(),
        sql: "SELECT 1".to_owned(),
        ..weir_catalog::View::default()
    };
    let epoch = server.access().epoch();
    server.put_view(&view).await.unwrap();
    assert_eq!(server.access().epoch(), epoch);
}
