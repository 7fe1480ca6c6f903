//! The OpenAPI document, read by a library nobody here wrote, and held against what is answered.

use serde_json::json;
use weir_testkit::{Clients, Context, Result, Weir, ensure};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

#[tokio::test]
async fn the_document_holds_and_so_do_the_answers() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    ensure!(
        weir.send(&[json!({"type": "track", "event": "Seen", "userId": "ada"})])
            .await?,
        "not acknowledged"
    );
    weir.flush().await?;
    let token = std::fs::read_to_string(weir.dir().join(".weir/owner.token"))?;
    // In the order of the document.
    let samples = json!({
        "post /api/v1/query": {"body": {"sql": "SELECT $1::bigint AS a, event FROM app.tracks", "params": [1]}},
        "get /api/v1/publications/by-token": {"path": "/api/v1/publications/by-token?app=a&sequence=1"},
        "get /api/v1/query": {"path": "/api/v1/query?sql=SELECT%201%20AS%20a"},
        "put /api/v1/sources/{name}": {"path": "/api/v1/sources/shop", "body": {"ip": "drop", "enabled": true}},
        "post /api/v1/keys": {"body": {"source": "shop", "label": "web"}},
        "delete /api/v1/keys/{key}": {"path": "/api/v1/keys/2"},
        "post /api/v1/rebuild": {"body": {"source": "app", "dry_run": true}},
        "get /api/v1/extract/{source}/state": {"path": "/api/v1/extract/shop/state"},
        "post /api/v1/lake/flush": {},
        "post /api/v1/lake/compact": {"body": {"table": "app.tracks"}},
        "post /api/v1/lake/fsck": {"body": {"table": "app.tracks", "set_aside": true}},
        "post /api/v1/users": {"body": {"name": "ada", "roles": ["analyst"], "password": "correct horse battery"}},
        "put /api/v1/users/{user}/password": {"path": "/api/v1/users/ada/password", "body": {"password": null}},
        "put /api/v1/users/{user}/disabled": {"path": "/api/v1/users/ada/disabled", "body": {"disabled": true}},
        "put /api/v1/users/{user}/roles/{role}": {"path": "/api/v1/users/ada/roles/viewer"},
        "delete /api/v1/users/{user}/roles/{role}": {"path": "/api/v1/users/ada/roles/viewer"},
        "post /api/v1/roles": {"body": {"name": "support"}},
        "post /api/v1/grants": {"body": {"grantee": "owner", "schema": "app", "privileges": ["select"]}},
        "post /api/v1/grants/revoke": {"body": {"grantee": "owner", "schema": "app", "privileges": ["select"]}},
        "post /api/v1/tokens": {"body": {"scopes": ["read"], "label": "a notebook", "expires_in_days": 3}},
        "delete /api/v1/tokens/{token}": {"path": "/api/v1/tokens/1"},
        "post /api/v1/results": {"body": {"sql": "SELECT {{a}} AS a, event FROM app.tracks", "params": {"a": "x"}, "rows": 10}},
        "post /api/v1/questions": {"body": {"name": "Seen", "body": {"sql": "SELECT 1 AS a"}}},
        "post /api/v1/dashboards": {"body": {"name": "Shop", "sharing": "edit", "body": {"tiles": []}}},
        "post /api/v1/dashboards/yaml": {"body": {"yaml": "version: 1\nname: Shop\ntiles: []\n"}},
    });
    let variables = [
        ("URL", weir.url()),
        ("TOKEN", token.trim()),
        ("SAMPLES", &samples.to_string()),
    ];
    let answer = Clients::find()?
        .run("python/openapi.py", &variables)
        .await?;
    let wrong = answer["wrong"].as_array().context("what is wrong")?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(answer["operations"].as_u64() > Some(50), "{answer}");
    weir.stop().await
}
