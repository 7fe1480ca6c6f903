//! How SQLite files are opened and their connections kept, for every store that is one.
//!
//! What this crate is not: it knows no tables and no queries.

use std::io;
use std::path::Path;

use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection, SqliteConnection};

/// Returns the options of a pool of at most so many connections, which stay open, and of which none is used again that
/// cannot begin a transaction.
pub fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(is_fit(connection)))
}

/// Creates the file for the owner's eyes only, if it is not there; SQLite gives its `-wal` and `-shm` the same mode.
///
/// # Errors
/// The folder is not there, or may not be written.
pub fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

/// Whether a connection that comes back to the pool may be used again.
///
/// When the disk is full SQLite takes a transaction back by itself. sqlx's own ROLLBACK is refused
/// then, and it goes on counting a transaction: each later `begin_with` would be refused for ever.
async fn is_fit(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // Answers come in order: what was dropped in the middle is taken back before this one comes.
    connection.ping().await?;
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // Closing it would do, but the first connection to a file needs room on the disk, and reads would
    // fail as well until there is some. A transaction that is there makes the count true; this
    // fails where one is open after all.
    if sqlx::query("BEGIN")
        .execute(&mut *connection)
        .await
        .is_err()
    {
        return Ok(false);
    }
    // It is refused because of the count, and dropping what was refused rolls back.
    drop(connection.begin_with("BEGIN").await);
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};

    use super::*;

    #[tokio::test]
    async fn a_connection_serves_again_once_a_full_disk_has_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.db");
        create_private(&path).unwrap();
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal);
        let pool = &pool(2).connect_with(options).await.unwrap();
        sqlx::query("CREATE TABLE filling (bytes BLOB)")
            .execute(pool)
            .await
            .unwrap();
        // All connections, and none of them may make the file grow.
        let (mut one, mut two) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        for connection in [&mut one, &mut two] {
            sqlx::query("PRAGMA max_page_count = 1")
                .execute(&mut **connection)
                .await
                .unwrap();
        }
        drop((one, two));
        let insert = "INSERT INTO filling VALUES (zeroblob(1000000))";
        let mut refused = 0;
        for _ in 0..4 {
            let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            let done = sqlx::query(insert).execute(&mut *tx).await;
            refused += u32::from(done.is_err());
        }
        assert_eq!(refused, 4);

        let (mut one, mut two) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        for connection in [&mut one, &mut two] {
            sqlx::query("PRAGMA max_page_count = 1000000000")
                .execute(&mut **connection)
                .await
                .unwrap();
        }
        drop((one, two));
        for _ in 0..4 {
            let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            sqlx::query(insert).execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
}
