//! The shop's own database: a real PostgreSQL with its products, replicated as they change.
//!
//! It runs where the machine has PostgreSQL's programs; without them the demo goes on and says so.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use weir_extract::Secret;

use super::company::PRODUCTS;
use super::models::write;
use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::project::Project;
use crate::ui::Ui;

/// The variable that the source's file names.
pub(super) const VARIABLE: &str = "SHOP_DATABASE_URL";
const FOLDER: &str = "shop-database";
const SOURCE: &str = "# The shop's own database, as it changes: see docs/sources.md\n\
                      kind: postgres\nurl: ${env:SHOP_DATABASE_URL}\n\
                      # Weir may make its replication slot and publication there, and drop them.\n\
                      manage: true\nevery: 1s\n";
const QUESTION: &str = "SELECT sku, name, price FROM shop_db.products WHERE sku = 'MON-01'";
const CHANGE: &str = "UPDATE products SET price = price + 1 WHERE sku = 'MON-01'";
/// Whom the server lets in: over the socket in its own folder everybody, else those with a password.
const ADMISSION: &str = "local all all trust\n\
                         host all all 127.0.0.1/32 scram-sha-256\n\
                         host replication all 127.0.0.1/32 scram-sha-256\n";
const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// The running server. It is stopped when this is dropped.
pub(super) struct Database {
    folder: PathBuf,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    url: String,
    _server: Child,
}

impl Database {
    /// Starts the server and describes it as a source; none where the machine has no PostgreSQL.
    pub(super) async fn start(project: &Project, ui: &Ui) -> Result<Option<Self>, Failure> {
        let Some(programs) = programs() else {
            ui.status(
                "There is no PostgreSQL on this machine: the shop's own database is left out.",
            );
            return Ok(None);
        };
        match Self::launch(project, programs).await {
            Ok(database) => {
                write(&project.sources_dir().join("shop_db.yml"), SOURCE)?;
                Ok(Some(database))
            }
            Err(failure) => {
                ui.warn(format!(
                    "the shop's own database is left out: {}",
                    failure.text()
                ));
                Ok(None)
            }
        }
    }

    async fn launch(project: &Project, programs: PathBuf) -> Result<Self, Failure> {
        let user = runs_as()?;
        let folder = project.dir().join(FOLDER);
        let data = folder.join("data");
        let is_new = !data.join("PG_VERSION").exists();
        if is_new {
            let action = || format!("cannot make `{}`", folder.display());
            std::fs::create_dir_all(&folder).explain(action)?;
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))
                .explain(action)?;
            if let Some((uid, gid)) = user {
                chown(&folder, Some(uid), Some(gid)).explain(action)?;
            }
            let mut initdb = as_user(&programs.join("initdb"), user);
            initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"]);
            output(initdb.arg("-D").arg(&data), "initdb").await?;
            std::fs::write(data.join("pg_hba.conf"), ADMISSION).explain(action)?;
        }
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .explain(|| "there is no free port".into())?
            .port();
        let server = as_user(&programs.join("postgres"), user)
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
            .arg(&folder)
            .args(["-c", "wal_level=logical"])
            // Ctrl-C is for us: it is stopped after what reads from it.
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .explain(|| "cannot start postgres".into())?;
        // Known to nobody but this process, and another at each start.
        let password = uuid::Uuid::new_v4().simple().to_string();
        let database = Self {
            folder,
            programs,
            user,
            port,
            url: format!("postgresql://shop:{password}@127.0.0.1:{port}/shop"),
            _server: server,
        };
        database.answers().await?;
        if is_new {
            database
                .ask("postgres", "CREATE ROLE shop LOGIN REPLICATION")
                .await?;
            database
                .ask("postgres", "CREATE DATABASE shop OWNER shop")
                .await?;
            database.ask("shop", &tables()).await?;
        }
        let login = format!("ALTER ROLE shop PASSWORD '{password}'");
        database.ask("postgres", &login).await?;
        Ok(database)
    }

    /// Returns where the source connects.
    pub(super) fn url(&self) -> Secret {
        Secret::new(self.url.clone())
    }

    /// Changes a price in the database, and waits until the lake has it.
    pub(super) async fn change_a_price(&self, client: &Client, ui: &Ui) -> Result<(), Failure> {
        ui.heading("A price changes in the shop's own database, a PostgreSQL");
        let before = price_once(client, |_| true).await?;
        ui.command(&self.psql_line());
        ui.command(CHANGE);
        self.ask("shop", CHANGE).await?;
        let began = Instant::now();
        let after = price_once(client, |price| *price != before).await?;
        ui.command(QUESTION);
        ui.answer(format!("  {before} became {after}"));
        ui.status(format!(
            "  ({:.1} s after the change; `SELECT * FROM raw_shop_db.products` has both)",
            began.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    /// How somebody else talks to the server.
    fn psql_line(&self) -> String {
        let psql = format!(
            "psql -h {} -p {} -U shop shop",
            self.folder.display(),
            self.port
        );
        match self.user {
            Some(_) => format!("{psql}    # as root, or as the user postgres"),
            None => psql,
        }
    }

    async fn answers(&self) -> Result<(), Failure> {
        let began = Instant::now();
        while let Err(failure) = self.ask("postgres", "SELECT 1").await {
            if began.elapsed() > PATIENCE {
                return Err(failure);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Runs SQL over the socket, as the superuser.
    async fn ask(&self, database: &str, sql: &str) -> Result<(), Failure> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres"])
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .arg("-h")
            .arg(&self.folder)
            .env_remove("PGOPTIONS");
        output(&mut psql, "psql").await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut stop = Blocking::new(self.programs.join("pg_ctl"));
        stop.args(["-m", "fast", "-w", "stop", "-D"])
            .arg(self.folder.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((uid, gid)) = self.user {
            use std::os::unix::process::CommandExt;
            stop.uid(uid).gid(gid).current_dir("/");
        }
        let _ = stop.status();
    }
}

/// What the shop keeps: its products, and how many lie where.
fn tables() -> String {
    let rows: Vec<String> = PRODUCTS
        .iter()
        .map(|product| {
            format!(
                "('{}', '{}', '{}', {}.{:02})",
                product.sku,
                product.name,
                product.category,
                product.cents / 100,
                product.cents % 100
            )
        })
        .collect();
    format!(
        "SET ROLE shop;
         CREATE TABLE products (sku text PRIMARY KEY, name text NOT NULL, category text NOT NULL, price numeric(8, 2) NOT NULL);
         CREATE TABLE stock (sku text REFERENCES products, warehouse text, pieces integer NOT NULL, PRIMARY KEY (sku, warehouse));
         INSERT INTO products VALUES {};
         INSERT INTO stock SELECT sku, warehouse, 5 + length(name) * length(warehouse) % 40
         FROM products, (VALUES ('Lisbon'), ('Berlin')) AS there (warehouse);",
        rows.join(", ")
    )
}

/// Asks for a price until it is as it should be.
async fn price_once(client: &Client, good: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
    let body = json!({ "sql": QUESTION, "format": "json" });
    let began = Instant::now();
    loop {
        let asked = client.request(Method::POST, "/api/v1/query").json(&body);
        // There is no table before the first copy.
        if super::has_table(client, "shop_db", "products").await
            && let Ok(mut answer) = client.json::<Value>(asked).await
        {
            let price = answer["rows"][0][2].take();
            if !price.is_null() && good(&price) {
                return Ok(price);
            }
        }
        if began.elapsed() > PATIENCE {
            return Err(Failure::new("the shop's database was not replicated")
                .with_hint("`weir source list` says why"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn output(command: &mut Command, name: &str) -> Result<(), Failure> {
    let done = command
        .stdin(Stdio::null())
        .output()
        .await
        .explain(|| format!("cannot run {name}"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty());
    Err(Failure::new(format!(
        "{name} failed: {}",
        line.unwrap_or("it says nothing")
    )))
}

/// Finds the server's programs, which Debian keeps out of the way; the newest version first.
fn programs() -> Option<PathBuf> {
    let is_there = |folder: &PathBuf| {
        ["initdb", "postgres", "psql", "pg_ctl"]
            .iter()
            .all(|name| folder.join(name).exists())
    };
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = versions.into_iter().map(|(_, folder)| folder);
    debian.chain(std::env::split_paths(&path)).find(is_there)
}

/// Returns whom the server runs as; none for whoever we are. It refuses to be root.
fn runs_as() -> Result<Option<(u32, u32)>, Failure> {
    use std::os::unix::fs::MetadataExt;
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if !is_root {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").explain(|| "cannot read users".into())?;
    let entry = users
        .lines()
        .find(|line| line.split(':').next() == Some("postgres"));
    let mut numbers = entry
        .into_iter()
        .flat_map(|entry| entry.split(':').skip(2).map(str::parse::<u32>));
    match (numbers.next(), numbers.next()) {
        (Some(Ok(uid)), Some(Ok(gid))) => Ok(Some((uid, gid))),
        _ => Err(Failure::new(
            "PostgreSQL refuses to run as root, and there is no user `postgres`",
        )),
    }
}

fn as_user(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
        .current_dir("/")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}
