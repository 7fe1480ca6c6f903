//! Reading every file of the lake, and setting aside those that cannot be read.

use std::sync::Arc;

use chrono::Utc;
use fail::fail_point;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::errors::ParquetError;
use serde_json::json;
use weir_core::TableName;

use crate::delta::{CODE, Change, Input, Receipt, read_batches};
use crate::error::{LakeError, LakeErrorKind};
use crate::flush::Logs;
use crate::hot::Hot;
use crate::store::LakeRoot;
use crate::view::DataFile;

/// Where copies of files lie that were set aside, under the root of the lake.
const ASIDE: &str = "_damaged";

/// What was found in the files of a table's newest version.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Checked {
    pub table: String,
    pub files: usize,
    pub rows: u64,
    pub damaged: Vec<Damaged>,
    /// The version without the damaged files, where they were set aside.
    pub version: Option<u64>,
}

/// A file of the lake that cannot be read whole.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Damaged {
    /// The path below the root of the lake.
    pub file: String,
    /// The rows it has by the table's log.
    pub rows: u64,
    pub why: String,
    /// Where a copy lies, below the root of the lake; none where nothing was left to copy.
    pub copy: Option<String>,
}

/// Reads every file of a table's newest version; with `set_aside`, takes those that cannot be read
/// out of the table in one commit that names them. None when there is no such table.
///
/// # Errors
/// A store that does not answer says nothing about a file: then nothing is set aside.
pub(crate) async fn check(
    root: &LakeRoot,
    logs: &Logs,
    hot: &Arc<Hot>,
    name: &TableName,
    set_aside: bool,
) -> Result<Option<Checked>, LakeError> {
    let turn = logs.turn(name);
    // Whoever sets aside waits for the statement that is changing the files, and it for him.
    let _turn = match set_aside {
        true => Some(turn.lock().await),
        false => None,
    };
    let log = logs.get(name);
    let (files, version) = {
        let log = log.lock().await;
        match log.version().filter(|_| !log.is_dropped()) {
            Some(version) => (log.files.clone(), version),
            None => return Ok(None),
        }
    };
    let mut checked = Checked {
        table: name.to_string(),
        files: files.len(),
        rows: files.iter().map(|file| file.rows).sum(),
        damaged: Vec::new(),
        version: None,
    };
    let mut remove = Vec::new();
    for file in files.iter() {
        let Some(why) = damage(&root.store, file).await.map_err(|error| {
            LakeError::new(LakeErrorKind::Storage, "check file", below(root, file)).because(error)
        })?
        else {
            continue;
        };
        checked.damaged.push(Damaged {
            file: below(root, file),
            rows: file.rows,
            why,
            copy: None,
        });
        remove.push(file.clone());
    }
    if !set_aside || remove.is_empty() {
        return Ok(Some(checked));
    }
    if logs.is_held(name) {
        let error = LakeError::new(LakeErrorKind::Conflict, "set aside files of", name);
        return Err(error.because("a run is making a new version of it; try again when it is done"));
    }
    for (file, damaged) in remove.iter().zip(&mut checked.damaged) {
        damaged.copy = copy(root, file).await.map_err(|error| {
            LakeError::new(LakeErrorKind::Storage, "copy file", &damaged.file).because(error)
        })?;
    }
    fail_point!("fsck-copied");
    let mut log = log.lock().await;
    // Rows may have been committed meanwhile; a file that went needs no setting aside.
    remove.retain(|file| log.files.iter().any(|f| f.path == file.path));
    let rows_removed = remove.iter().map(|file| file.rows).sum();
    let committed = log.commit(Change {
        remove,
        data_change: true,
        receipt: Receipt {
            writer: "fsck".into(),
            run_id: format!("fsck-{}", Utc::now().timestamp_millis()),
            inputs: vec![Input {
                name: name.to_string(),
                from: version,
                to: version,
            }],
            code: CODE.into(),
            rows_removed,
            details: [("damaged".to_owned(), json!(checked.damaged))]
                .into_iter()
                .collect(),
            ..Receipt::default()
        },
        ..Change::default()
    });
    committed.await?;
    fail_point!("fsck-committed");
    checked.version = log.version();
    hot.committed(&log, 0);
    Ok(Some(checked))
}

/// Returns why a file cannot be read whole, if so.
async fn damage(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
) -> Result<Option<String>, object_store::Error> {
    match store.head(&file.path).await {
        Err(object_store::Error::NotFound { .. }) => return Ok(Some("it is missing".into())),
        Err(error) => return Err(error),
        Ok(found) if found.size != file.size => {
            let (found, said) = (found.size, file.size);
            return Ok(Some(format!("it has {found} bytes and not {said}")));
        }
        Ok(_) => {}
    }
    let count = async {
        let mut rows = 0;
        let mut stream = read_batches(store, file).await?;
        while let Some(batch) = stream.try_next().await? {
            rows += batch.num_rows() as u64;
            tokio::task::yield_now().await;
        }
        Ok(rows)
    };
    match count.await {
        Ok(rows) if rows == file.rows => Ok(None),
        Ok(rows) => Ok(Some(format!("it has {rows} rows and not {}", file.rows))),
        // The store's own troubles are not the file's.
        Err(ParquetError::External(error)) => match error.downcast::<object_store::Error>() {
            Ok(error) => Err(*error),
            Err(error) => Ok(Some(error.to_string())),
        },
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// Copies a file to where damaged ones are kept, and returns where that is.
async fn copy(root: &LakeRoot, file: &DataFile) -> Result<Option<String>, object_store::Error> {
    let below = below(root, file);
    let target = Path::from_iter(
        root.prefix
            .parts()
            .chain(Path::from(ASIDE).parts())
            .chain(parts_below(root, file)),
    );
    match root.store.copy(&file.path, &target).await {
        Ok(()) => Ok(Some(format!("{ASIDE}/{below}"))),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn parts_below<'a>(
    root: &LakeRoot,
    file: &'a DataFile,
) -> impl Iterator<Item = object_store::path::PathPart<'a>> {
    file.path.parts().skip(root.prefix.parts().count())
}

fn below(root: &LakeRoot, file: &DataFile) -> String {
    Path::from_iter(parts_below(root, file)).to_string()
}
