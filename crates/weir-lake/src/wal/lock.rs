use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::error::{LakeError, LakeErrorKind};

/// The right to write in a directory, held while the value lives.
///
/// The kernel drops the lock with the process, however it ends, so a crash leaves nothing to
/// clean up; the file's text is only for people who ask who holds it.
pub(crate) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock of `dir`, or says which process has it.
    pub(crate) fn take(dir: &Path) -> Result<Self, LakeError> {
        let path = dir.join("lock");
        let fail = |kind| LakeError::new(kind, "lock the log directory", dir.display());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| fail(LakeErrorKind::Storage).because(e))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            return Err(fail(LakeErrorKind::Locked).because(format!(
                "it belongs to a running process ({})",
                owner.trim()
            )));
        }
        let owner = format!(
            "pid {}, since {}\n",
            std::process::id(),
            chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        );
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(owner.as_bytes()))
            .map_err(|e| fail(LakeErrorKind::Storage).because(e))?;
        Ok(Self { _file: file })
    }
}
