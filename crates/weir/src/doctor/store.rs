use std::time::{Duration, Instant};

use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use url::Url;
use weir_core::config::Config;

use super::Finding;

/// How long the store may take for one step.
const PATIENCE: Duration = Duration::from_secs(20);
/// How far its clock may be from ours.
const SKEW: i64 = 5;

/// Does with a probe what the lake does with its files: write, write again only if absent, read,
/// delete.
pub(super) async fn probe(url: &str, config: &Config) -> Vec<Finding> {
    let store = match open(url, config) {
        Ok(store) => store,
        Err(error) => {
            return vec![Finding::wrong(
                "lake",
                error,
                "check the `[lake]` section of weir.toml",
            )];
        }
    };
    match tokio::time::timeout(PATIENCE, steps(&*store.0, &store.1)).await {
        Ok(Ok(findings)) => findings,
        Ok(Err((step, error))) => {
            let fix = match error {
                Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                    "the credentials must allow to read, write, list and delete there"
                }
                _ => "check `lake.url`, the credentials and the way to the store",
            };
            vec![Finding::wrong(
                "lake",
                format!("cannot {step} a file: {error}"),
                fix,
            )]
        }
        Err(_) => vec![Finding::wrong(
            "lake",
            format!("`{url}` did not answer within {} s", PATIENCE.as_secs()),
            "check `lake.url` and the way to the store",
        )],
    }
}

fn open(url: &str, config: &Config) -> Result<(Box<dyn ObjectStore>, Path), String> {
    let url = if url.contains("://") {
        Url::parse(url).map_err(|error| format!("`{url}` is no URL: {error}"))?
    } else {
        std::fs::create_dir_all(url).map_err(|error| format!("`{url}` cannot be made: {error}"))?;
        Url::from_directory_path(url).map_err(|()| format!("`{url}` is no absolute path"))?
    };
    let options = config
        .lake
        .store
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    object_store::parse_url_opts(&url, options).map_err(|error| error.to_string())
}

async fn steps(
    store: &dyn ObjectStore,
    root: &Path,
) -> Result<Vec<Finding>, (&'static str, Error)> {
    let path = root
        .clone()
        .join(format!("doctor-{}.probe", std::process::id()));
    let payload = || PutPayload::from_static(b"weir doctor");
    let start = Instant::now();
    let _ = store.delete(&path).await;
    let create = || store.put_opts(&path, payload(), PutMode::Create.into());
    create().await.map_err(|error| ("write", error))?;
    let again = create().await;
    let read = store.get(&path).await.map_err(|error| ("read", error))?;
    let modified = read.meta.last_modified;
    let bytes = read.bytes().await.map_err(|error| ("read", error))?;
    store
        .delete(&path)
        .await
        .map_err(|error| ("delete", error))?;
    let took = start.elapsed();

    let mut findings = Vec::new();
    findings.push(match again {
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) if bytes.len() == 11 => {
            Finding::good(
                "lake",
                format!("written, read and deleted a file in {took:.1?}"),
            )
        }
        Err(error) => Finding::wrong(
            "lake",
            format!("a conditional write ended in an unexpected error: {error}"),
            "commits need a store with put-if-absent (`If-None-Match: *`)",
        ),
        Ok(_) => Finding::wrong(
            "lake",
            "the store overwrote a file that had to be absent: two writers could lose commits",
            "commits need a store with put-if-absent (`If-None-Match: *`)",
        ),
    });
    let skew = (chrono::Utc::now() - modified).num_seconds().abs();
    findings.push(if skew > SKEW {
        Finding::doubtful(
            "store clock",
            format!("the store's clock and this machine's are {skew} s apart"),
            "keep this machine's clock right with NTP (chrony or systemd-timesyncd)",
        )
    } else {
        Finding::good("store clock", "agrees with this machine's")
    });
    Ok(findings)
}
