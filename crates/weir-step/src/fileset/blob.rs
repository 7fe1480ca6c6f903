//! Contents of files, each kept once under its hash.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{FilesetStore, sync_folder};
use crate::error::StepError;
use crate::manifest::ContentHash;

/// More new blobs than this are synced with all of the filesystem instead of one by one.
const SYNC_ONE_BY_ONE: usize = 32;

/// The content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// How many there are.
    pub size: u64,
}

impl FilesetStore {
    /// Keeps bytes. They are safe from a power cut after [`Self::sync_blobs`] or a commit.
    ///
    /// # Errors
    /// When the disk is full or cannot be written.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Blob, StepError> {
        let blob = Blob {
            hash: ContentHash::of(bytes),
            size: bytes.len() as u64,
        };
        if self.refresh(blob)? {
            return Ok(blob);
        }
        let staged = self.staged_path();
        let write = || -> std::io::Result<()> { create(&staged)?.write_all(bytes) };
        write().map_err(|error| StepError::io("write", &staged, error))?;
        self.adopt(&staged, blob)?;
        Ok(blob)
    }

    /// Keeps what `reader` gives, hashing on the way.
    ///
    /// # Errors
    /// When it cannot be read, or not be written.
    pub fn put_reader(&self, reader: &mut dyn Read, from: &Path) -> Result<Blob, StepError> {
        let staged = self.staged_path();
        let mut file = create(&staged).map_err(|error| StepError::io("write", &staged, error))?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 256 << 10];
        let mut size = 0;
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let _ = std::fs::remove_file(&staged);
                    return Err(StepError::io("read", from, error));
                }
            };
            hasher.update(&buffer[..read]);
            size += read as u64;
            if let Err(error) = file.write_all(&buffer[..read]) {
                let _ = std::fs::remove_file(&staged);
                return Err(StepError::io("write", &staged, error));
            }
        }
        let blob = Blob {
            hash: ContentHash(*hasher.finalize().as_bytes()),
            size,
        };
        match self.refresh(blob)? {
            true => {
                let _ = std::fs::remove_file(&staged);
            }
            false => self.adopt(&staged, blob)?,
        }
        Ok(blob)
    }

    /// Keeps a file that nobody writes any more, taking it away from where it is if possible.
    ///
    /// # Errors
    /// When it cannot be read, or not be written.
    pub fn take_file(&self, path: &Path) -> Result<Blob, StepError> {
        let failed = |error| StepError::io("read", path, error);
        let mut file = File::options()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
            .map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        // Another name of the same file could go on changing it.
        if meta.nlink() > 1 {
            return self.put_reader(&mut file, path);
        }
        let blob = match meta.len() {
            // Small ones are cheaper to hash from memory.
            0..=65_536 => {
                let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
                file.read_to_end(&mut bytes).map_err(failed)?;
                Blob {
                    hash: ContentHash::of(&bytes),
                    size: bytes.len() as u64,
                }
            }
            size => {
                let mut hasher = blake3::Hasher::new();
                hasher.update_reader(&mut file).map_err(failed)?;
                Blob {
                    hash: ContentHash(*hasher.finalize().as_bytes()),
                    size,
                }
            }
        };
        if self.refresh(blob)? {
            return Ok(blob);
        }
        file.set_permissions(std::fs::Permissions::from_mode(0o444))
            .map_err(failed)?;
        match self.adopt(path, blob) {
            Ok(()) => Ok(blob),
            // On another filesystem, most likely.
            Err(_) => {
                let mut file = File::open(path).map_err(failed)?;
                self.put_reader(&mut file, path)
            }
        }
    }

    /// Returns where the bytes of a blob are. They are not to be changed.
    pub fn blob_path(&self, hash: ContentHash) -> PathBuf {
        let hex = hash.to_string();
        self.root.join("blobs").join(&hex[..2]).join(&hex[2..])
    }

    /// Reads a blob.
    ///
    /// # Errors
    /// When it is not there.
    pub fn read_blob(&self, hash: ContentHash) -> Result<Vec<u8>, StepError> {
        let path = self.blob_path(hash);
        std::fs::read(&path).map_err(|error| StepError::io("read", &path, error))
    }

    pub(crate) fn has_blob(&self, hash: ContentHash) -> bool {
        self.blob_path(hash).exists()
    }

    /// Makes blobs outlive a power cut.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn sync_blobs(&self, hashes: &[ContentHash]) -> Result<(), StepError> {
        if hashes.len() > SYNC_ONE_BY_ONE {
            let blobs = self.root.join("blobs");
            let failed = |error| StepError::io("sync", &blobs, error);
            let folder = File::open(&blobs).map_err(failed)?;
            return rustix::fs::syncfs(&folder).map_err(|error| failed(error.into()));
        }
        for &hash in hashes {
            let path = self.blob_path(hash);
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(|error| StepError::io("sync", &path, error))?;
            if let Some(folder) = path.parent() {
                sync_folder(folder)?;
            }
        }
        match hashes {
            [] => Ok(()),
            _ => sync_folder(&self.root.join("blobs")),
        }
    }

    /// Whether the blob is there; if so, it is as good as new to whoever collects.
    fn refresh(&self, blob: Blob) -> Result<bool, StepError> {
        let path = self.blob_path(blob.hash);
        match std::fs::symlink_metadata(&path) {
            // One that a power cut has shortened is written again.
            Ok(meta) if meta.len() != blob.size => return Ok(false),
            Ok(_) => {}
            Err(_) => return Ok(false),
        }
        match touch(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StepError::io("touch", &path, error)),
        }
    }

    fn adopt(&self, staged: &Path, blob: Blob) -> Result<(), StepError> {
        let path = self.blob_path(blob.hash);
        let failed = |error| StepError::io("keep", &path, error);
        match std::fs::rename(staged, &path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(failed)?;
                }
                std::fs::rename(staged, &path).map_err(failed)
            }
            renamed => renamed.map_err(failed),
        }
    }

    pub(super) fn staged_path(&self) -> PathBuf {
        self.root
            .join("staging")
            .join(uuid::Uuid::new_v4().to_string())
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o444)
        .open(path)
}

/// Sets the time of the last change. Needs no right to write, only to own the file.
fn touch(path: &Path) -> std::io::Result<()> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let time = rustix::fs::Timespec {
        tv_sec: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: now.subsec_nanos().into(),
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags)?)
}
