//! Where a server is, and how much TLS it is spoken to with.

use weir_model::warehouse::postgres::{PostgresOptions, decode};

use crate::error::{ExtractError, ExtractErrorKind};

/// A server, a database of it, and as whom to connect.
pub(super) struct Address {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
    /// Host, port, and what is wanted of TLS: the words are those of PostgreSQL.
    pub(super) options: PostgresOptions,
}

impl Address {
    /// Reads `mysql://user:password@host:port/database?sslmode=...`.
    pub(super) fn read(url: &str) -> Result<Self, ExtractError> {
        let wrong = |what: &str| {
            ExtractError::new(
                ExtractErrorKind::Invalid,
                format!("{what} in the variable that `url` names"),
            )
            .hint("it is like mysql://user:password@host:3306/database")
        };
        let rest = url
            .strip_prefix("mysql://")
            .or_else(|| url.strip_prefix("mariadb://"))
            .ok_or_else(|| wrong("there is no `mysql://`"))?;
        let broken = || wrong("there is a broken %-escape");
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (host, "3306"),
        };
        if database.is_empty() {
            return Err(wrong("there is no database"));
        }
        if user.is_empty() {
            return Err(wrong("there is no user"));
        }
        let mut options = PostgresOptions {
            host: decode(host.trim_start_matches('[').trim_end_matches(']')).ok_or_else(broken)?,
            port: port
                .parse()
                .map_err(|_| wrong("there is a port that is no number"))?,
            ..PostgresOptions::default()
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value).ok_or_else(broken)?;
            match key {
                "sslmode" | "ssl-mode" => options.sslmode = Some(mode(&value)),
                "sslrootcert" | "ssl-ca" => options.sslrootcert = Some(value),
                "sslcert" | "ssl-cert" => options.sslcert = Some(value),
                "sslkey" | "ssl-key" => options.sslkey = Some(value),
                _ => {}
            }
        }
        let host = &options.host;
        let is_near = host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback());
        if options.sslmode.is_none() {
            // Beyond this machine, a password and all rows go over the network.
            let mode = if is_near { "prefer" } else { "require" };
            options.sslmode = Some(mode.to_owned());
        }
        Ok(Self {
            user: decode(user).ok_or_else(broken)?,
            password: decode(password).ok_or_else(broken)?,
            database: decode(database).ok_or_else(broken)?,
            options,
        })
    }

    /// Whether the server's certificate is checked.
    pub(super) fn is_verified(&self) -> bool {
        matches!(
            self.options.sslmode.as_deref(),
            Some("verify-ca" | "verify-full")
        )
    }

    /// Whether TLS is begun with a server that `offers` it; an error where it must be and is not.
    pub(super) fn wants_tls(&self, offers: bool) -> Result<bool, ExtractError> {
        match self.options.sslmode.as_deref() {
            Some("disable" | "allow") => Ok(false),
            _ if offers => Ok(true),
            None | Some("prefer") => Ok(false),
            _ => Err(ExtractError::new(
                ExtractErrorKind::Unreachable,
                "the MySQL server does not offer TLS",
            )
            .hint("switch it on there, or add `?sslmode=disable` to the URL if the network is trusted")),
        }
    }
}

/// Returns a mode in the words of PostgreSQL; others stay as they are, and are refused later.
fn mode(word: &str) -> String {
    match word.to_ascii_uppercase().as_str() {
        "DISABLED" => "disable".to_owned(),
        "PREFERRED" => "prefer".to_owned(),
        "REQUIRED" => "require".to_owned(),
        "VERIFY_CA" => "verify-ca".to_owned(),
        "VERIFY_IDENTITY" => "verify-full".to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_far_ones_are_encrypted() {
        let near = Address::read("mysql://ann%40x:p%3Aw@127.0.0.1/shop").unwrap();
        assert_eq!(
            (near.user.as_str(), near.password.as_str()),
            ("ann@x", "p:w")
        );
        assert_eq!((near.database.as_str(), near.options.port), ("shop", 3306));
        assert!(!near.wants_tls(false).unwrap() && near.wants_tls(true).unwrap());
        let far = Address::read("mariadb://ann@db.example:3307/shop").unwrap();
        assert!(far.wants_tls(false).is_err());
        let plain = Address::read("mysql://ann@db.example/shop?ssl-mode=DISABLED").unwrap();
        assert!(!plain.wants_tls(true).unwrap());
        for wrong in [
            "postgres://a@b/c",
            "mysql://a@b",
            "mysql://b/c",
            "mysql://a@b:x/c",
            "mysql://a@b/%z",
        ] {
            assert!(Address::read(wrong).is_err(), "{wrong}");
        }
    }
}
