//! What a server is, and whether its log tells all that it must.

use std::collections::BTreeMap;

use super::place::Place;
use super::wire::{Session, code};
use crate::error::{ExtractError, ExtractErrorKind, protocol};

/// A server and the database of it that is replicated.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// Tells it from others: its own unique name, or at least its number.
    pub(super) identity: String,
    pub(super) is_mariadb: bool,
    pub(super) database: String,
    /// Whether names of tables differ by case only on paper.
    pub(super) folds_names: bool,
    user: String,
}

impl Server {
    /// Asks the server what it is, and fails where its log is not what a replica needs.
    pub(super) async fn ask(session: &mut Session) -> Result<Self, ExtractError> {
        let rows = session
            .rows(
                "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image', \
                 'binlog_row_value_options', 'server_id', 'server_uuid', 'version', 'lower_case_table_names')",
            )
            .await?;
        let settings: BTreeMap<String, String> = rows
            .into_iter()
            .filter_map(|row| {
                let mut row = row.into_iter().flatten();
                Some((row.next()?.to_lowercase(), row.next()?))
            })
            .collect();
        let setting = |name: &str| settings.get(name).map_or("", String::as_str);
        let is_mariadb = setting("version").contains("MariaDB");
        require(&setting, is_mariadb)?;
        let rows = session.rows("SELECT DATABASE(), CURRENT_USER()").await?;
        let mut row = rows.into_iter().flatten();
        let database = row.next().flatten().unwrap_or_default();
        let user = row.next().flatten().unwrap_or_default();
        let identity = match setting("server_uuid") {
            "" => format!("number {}", setting("server_id")),
            uuid => uuid.to_owned(),
        };
        Ok(Self {
            identity,
            is_mariadb,
            database,
            folds_names: setting("lower_case_table_names") != "0",
            user,
        })
    }

    /// Returns how far the log is written, and the file it is written to.
    pub(super) async fn end(&self, session: &mut Session) -> Result<(String, Place), ExtractError> {
        let rows = match session.rows("SHOW MASTER STATUS").await {
            // It has another name since MySQL 8.4.
            Err(error) if code(&error) == Some(1064) => {
                session.rows("SHOW BINARY LOG STATUS").await
            }
            rows => rows,
        };
        let rows = rows.map_err(|error| self.lacks(error, self.monitor()))?;
        let mut row = rows
            .into_iter()
            .next()
            .unwrap_or_default()
            .into_iter()
            .flatten();
        match (
            row.next(),
            row.next().and_then(|offset| offset.parse().ok()),
        ) {
            (Some(file), Some(offset)) => {
                let place = Place::of(&file, offset)?;
                Ok((file, place))
            }
            _ => Err(protocol("the server does not say where its log ends")),
        }
    }

    /// Returns the files of the log that are still there, with their lengths.
    pub(super) async fn files(
        &self,
        session: &mut Session,
    ) -> Result<BTreeMap<String, u64>, ExtractError> {
        let rows = session.rows("SHOW BINARY LOGS").await;
        let rows = rows.map_err(|error| self.lacks(error, self.monitor()))?;
        let files = rows.into_iter().filter_map(|row| {
            let mut row = row.into_iter().flatten();
            Some((row.next()?, row.next()?.parse().ok()?))
        });
        Ok(files.collect())
    }

    /// Fails where the user may not follow the log.
    pub(super) async fn require_replica(
        &self,
        session: &mut Session,
        number: u32,
    ) -> Result<(), ExtractError> {
        let registered = session.register(number).await;
        registered.map_err(|error| self.lacks(error, "REPLICATION SLAVE"))
    }

    fn monitor(&self) -> &'static str {
        match self.is_mariadb {
            true => "BINLOG MONITOR",
            false => "REPLICATION CLIENT",
        }
    }

    /// Returns the user as statements write it.
    pub(super) fn user(&self) -> String {
        let (name, host) = self.user.rsplit_once('@').unwrap_or((&self.user, "%"));
        let quoted = |text: &str| super::table::literal(text);
        format!("{}@{}", quoted(name), quoted(host))
    }

    /// Says which right is missing, where that is what was refused.
    pub(super) fn lacks(&self, error: ExtractError, right: &str) -> ExtractError {
        if !matches!(code(&error), Some(1227 | 1045 | 1044 | 1142)) {
            return error;
        }
        let user = self.user();
        ExtractError::new(
            ExtractErrorKind::Denied,
            format!("the user {user} lacks the right `{right}`"),
        )
        .because(error)
        .hint(format!("GRANT {right} ON *.* TO {user}"))
    }
}

fn require<'a>(setting: &impl Fn(&str) -> &'a str, is_mariadb: bool) -> Result<(), ExtractError> {
    let wrong = |what: String, hint: &str| {
        Err(ExtractError::new(ExtractErrorKind::Invalid, what).hint(hint))
    };
    if setting("log_bin") != "ON" && setting("log_bin") != "1" {
        return wrong(
            "the server writes no binary log: `log_bin` is off".to_owned(),
            "start it with `log_bin` and a `server_id` of its own, in the section [mysqld] of its configuration",
        );
    }
    if !setting("binlog_format").eq_ignore_ascii_case("ROW") {
        return wrong(
            format!(
                "the server's log has statements and not rows: `binlog_format` is {}",
                setting("binlog_format")
            ),
            "SET GLOBAL binlog_format = 'ROW', and in its configuration; sessions that are open go on as before",
        );
    }
    if !setting("binlog_row_image").eq_ignore_ascii_case("FULL") {
        return wrong(
            format!(
                "the server's log has parts of rows: `binlog_row_image` is {}",
                setting("binlog_row_image")
            ),
            "SET GLOBAL binlog_row_image = 'FULL', and in its configuration; sessions that are open go on as before",
        );
    }
    if !is_mariadb && !setting("binlog_row_value_options").is_empty() {
        return wrong(
            "the server's log has parts of JSON values: `binlog_row_value_options` is set"
                .to_owned(),
            "SET GLOBAL binlog_row_value_options = ''",
        );
    }
    Ok(())
}
