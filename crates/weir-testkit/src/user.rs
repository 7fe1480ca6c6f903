//! Whom servers run as that refuse to be root.

use std::os::unix::fs::MetadataExt;

use anyhow::{Result, bail};

/// A user of this machine.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Returns the first of these users there is, where we are root; none for whoever we are otherwise.
pub(crate) fn instead_of_root(names: &[&str]) -> Result<Option<User>> {
    let we = std::fs::metadata("/proc/self")
        .map(|me| me.uid())
        .unwrap_or(1);
    if we != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    for name in names {
        let mut entries = users.lines().map(|line| line.split(':'));
        let Some(mut entry) = entries.find(|entry| entry.clone().next() == Some(name)) else {
            continue;
        };
        let mut number = |at| entry.nth(at).and_then(|text| text.parse().ok());
        // Behind the name and the password, one after the other.
        if let (Some(uid), Some(gid)) = (number(2), number(0)) {
            let name = (*name).to_owned();
            return Ok(Some(User { name, uid, gid }));
        }
    }
    bail!(
        "there is none of the users {} to run a server as",
        names.join(", ")
    )
}
