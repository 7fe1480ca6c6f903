use std::fmt;
use std::time::Duration;

use super::super::{Result, WarehouseError, WarehouseErrorKind};

/// Where a PostgreSQL server is and as whom to connect.
#[derive(Clone)]
pub struct PostgresOptions {
    /// A host name, an address, or the folder of a Unix socket.
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
    /// A role to take on after connecting.
    pub role: Option<String>,
    /// The schemas that names without one are looked for in.
    pub search_path: Option<String>,
    /// What the server shows as the application's name.
    pub application_name: String,
    /// `disable`, `prefer`, `require`, `verify-ca` or `verify-full`, as libpq means them; `prefer` if none.
    pub sslmode: Option<String>,
    /// A file with the certificates of authorities that are trusted.
    pub sslrootcert: Option<String>,
    /// Files with our own certificate and its key.
    pub sslcert: Option<String>,
    pub sslkey: Option<String>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How often connecting is tried again.
    pub retries: u32,
    /// Settings of the session besides, such as `replication`; later ones win.
    pub startup: Vec<(String, String)>,
}

/// Leaves the password out.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgresOptions({}@{}:{}/{})",
            self.user, self.host, self.port, self.database
        )
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 5432,
            user: "postgres".to_owned(),
            password: None,
            database: "postgres".to_owned(),
            role: None,
            search_path: None,
            application_name: "weir".to_owned(),
            sslmode: None,
            sslrootcert: None,
            sslcert: None,
            sslkey: None,
            connect_timeout: Duration::from_secs(10),
            retries: 1,
            startup: Vec::new(),
        }
    }
}

impl PostgresOptions {
    /// Reads an address like `postgresql://user:password@host:port/database`.
    pub fn from_url(url: &str) -> Result<Self> {
        let wrong = |what: &str| {
            WarehouseError::new(
                WarehouseErrorKind::Connect,
                format!("{what} in the PostgreSQL address"),
            )
            .with_hint("write it as `postgresql://user:password@host:5432/database`")
        };
        let rest = url
            .strip_prefix("postgresql://")
            .or_else(|| url.strip_prefix("postgres://"))
            .ok_or_else(|| wrong("no `postgresql://`"))?;
        let mut options = Self::default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        if !database.is_empty() {
            options.database = decode(database).ok_or_else(|| wrong("a broken %-escape"))?;
        }
        let host = match authority.rsplit_once('@') {
            None => authority,
            Some((user, host)) => {
                let (user, password) = match user.split_once(':') {
                    Some((user, password)) => (user, Some(password)),
                    None => (user, None),
                };
                options.user = decode(user).ok_or_else(|| wrong("a broken %-escape"))?;
                options.password = match password {
                    Some(text) => Some(decode(text).ok_or_else(|| wrong("a broken %-escape"))?),
                    None => None,
                };
                host
            }
        };
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (host, None),
        };
        if let Some(port) = port {
            options.port = port
                .parse()
                .map_err(|_| wrong("a port that is no number"))?;
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if !host.is_empty() {
            options.host = decode(host).ok_or_else(|| wrong("a broken %-escape"))?;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value).ok_or_else(|| wrong("a broken %-escape"))?;
            match key {
                "sslmode" => options.sslmode = Some(value),
                "sslrootcert" => options.sslrootcert = Some(value),
                "sslcert" => options.sslcert = Some(value),
                "sslkey" => options.sslkey = Some(value),
                "application_name" => options.application_name = value,
                "host" => options.host = value,
                _ => {}
            }
        }
        Ok(options)
    }

    /// Reads the keys of an output in `profiles.yml`.
    pub fn from_profile(output: &serde_json::Map<String, serde_json::Value>) -> Result<Self> {
        let text = |names: &[&str]| {
            names.iter().find_map(|name| match output.get(*name)? {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Null => None,
                other => Some(other.to_string()),
            })
        };
        let number = |name: &str, otherwise: u64| match text(&[name]) {
            None => Ok(otherwise),
            Some(text) => text.trim().parse::<u64>().map_err(|_| {
                WarehouseError::new(
                    WarehouseErrorKind::Connect,
                    format!("`{name}` of the profile is no whole number: `{text}`"),
                )
            }),
        };
        let needed = |names: &[&str]| {
            text(names).ok_or_else(|| {
                WarehouseError::new(
                    WarehouseErrorKind::Connect,
                    format!("the profile's output has no `{}`", names[0]),
                )
                .with_hint("an output of type postgres needs host, user, password, port, dbname and schema")
            })
        };
        let port = number("port", 5432)?;
        Ok(Self {
            host: needed(&["host"])?,
            port: u16::try_from(port).map_err(|_| {
                WarehouseError::new(
                    WarehouseErrorKind::Connect,
                    format!("`port` of the profile is too large: {port}"),
                )
            })?,
            user: needed(&["user", "username"])?,
            password: text(&["password", "pass"]),
            database: needed(&["dbname", "database"])?,
            role: text(&["role"]).filter(|role| !role.is_empty()),
            search_path: text(&["search_path"]).filter(|path| !path.is_empty()),
            application_name: text(&["application_name"]).unwrap_or_else(|| "weir".to_owned()),
            sslmode: text(&["sslmode"]),
            sslrootcert: text(&["sslrootcert"]),
            sslcert: text(&["sslcert"]),
            sslkey: text(&["sslkey"]),
            connect_timeout: Duration::from_secs(number("connect_timeout", 10)?.max(1)),
            retries: u32::try_from(number("retries", 1)?).unwrap_or(1),
            startup: Vec::new(),
        })
    }
}

/// Replaces `%41` by `A`, as in the addresses of servers; none if an escape is broken.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_taken_apart() {
        let options =
            PostgresOptions::from_url("postgres://ann%40x:p:w@db.local:6543/shop?sslmode=disable")
                .expect("an address");
        assert_eq!(options.user, "ann@x");
        assert_eq!(options.password.as_deref(), Some("p:w"));
        assert_eq!((options.host.as_str(), options.port), ("db.local", 6543));
        assert_eq!(options.database, "shop");
        assert_eq!(options.sslmode.as_deref(), Some("disable"));
        assert!(!format!("{options:?}").contains("p:w"));
    }

    #[test]
    fn parts_left_out_have_defaults() {
        let options = PostgresOptions::from_url("postgresql://127.0.0.1").expect("an address");
        assert_eq!(options.port, 5432);
        assert_eq!(options.database, "postgres");
        assert!(PostgresOptions::from_url("mysql://x").is_err());
        assert!(PostgresOptions::from_url("postgres://h/%zz").is_err());
    }
}
