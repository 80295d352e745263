//! Where a ClickHouse store is: `clickhouse://user:password@host:port/database?cluster=NAME&ttl_days=N`.

use std::{fmt, str::FromStr};

use reqwest::Url;

/// The port of the HTTP interface, where the address has none.
const PORT: u16 = 8123;
/// The same with TLS.
const TLS_PORT: u16 = 8443;

/// Where the database is, and how its tables are made.
#[derive(Clone, PartialEq, Eq)]
pub struct ClickHouseAddress {
    /// The server's HTTP interface, without anything behind the port.
    pub(super) url: String,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    pub(super) cluster: Option<String>,
    pub(super) ttl_days: Option<u32>,
}

/// Without the password.
impl fmt::Display for ClickHouseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.url, self.database)
    }
}

impl fmt::Debug for ClickHouseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ClickHouseAddress {
    /// Takes a password, unless the address has one.
    pub fn or_password(mut self, password: Option<String>) -> Self {
        self.password = self.password.or(password);
        self
    }
}

impl FromStr for ClickHouseAddress {
    type Err = String;

    /// Reads an address: `clickhouse://` or `http://` is without TLS, `clickhouses://` or `https://` with it. What
    /// is special in a user or password is written as in every URL, `%40` for `@`.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("it has no scheme: clickhouse://HOST:PORT/DATABASE".to_owned());
        };
        let (scheme, port) = match scheme {
            "clickhouse" | "http" => ("http", PORT),
            "clickhouses" | "https" => ("https", TLS_PORT),
            other => {
                return Err(format!(
                    "it begins with {other}://, not with clickhouse:// (or https://, for TLS)"
                ));
            }
        };
        // The password must not get into a message.
        let url = Url::parse(&format!("{scheme}://{rest}"))
            .map_err(|error| format!("it is no address: {error}"))?;
        let host = url.host_str().unwrap_or_default();
        let named_port = rest
            .split(['/', '?'])
            .next()
            .and_then(|authority| authority.rsplit('@').next())
            .is_some_and(|host| host.rsplit(']').next().is_some_and(|end| end.contains(':')));
        let port = if named_port {
            url.port_or_known_default().unwrap_or(port)
        } else {
            port
        };
        let database = decoded(url.path().trim_matches('/'));
        if database.contains('/') {
            return Err("its path is a database, without another slash".to_owned());
        }
        let mut address = Self {
            url: format!("{scheme}://{host}:{port}"),
            user: Some(decoded(url.username()))
                .filter(|user| !user.is_empty())
                .unwrap_or_else(|| "default".to_owned()),
            password: url.password().map(decoded),
            database: Some(database)
                .filter(|database| !database.is_empty())
                .unwrap_or_else(|| "default".to_owned()),
            cluster: None,
            ttl_days: None,
        };
        for (name, value) in url.query_pairs() {
            match &*name {
                "cluster" if !value.is_empty() => address.cluster = Some(value.into_owned()),
                "ttl_days" => {
                    let days = value.parse().ok().filter(|days| *days > 0);
                    address.ttl_days = Some(
                        days.ok_or_else(|| format!("ttl_days is `{value}`, no number of days"))?,
                    );
                }
                _ => {
                    return Err(format!(
                        "it has `{name}` behind the question mark: cluster=NAME and ttl_days=N are known"
                    ));
                }
            }
        }
        Ok(address)
    }
}

/// A part of a URL as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = (*first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ClickHouseAddress {
        text.parse().unwrap()
    }

    #[test]
    fn all_of_it_is_read() {
        let address =
            read("clickhouse://ada:s%40cret@db.example:9000/traces?cluster=we&ttl_days=30");
        assert_eq!(address.url, "http://db.example:9000");
        assert_eq!(
            (address.user.as_str(), address.password.as_deref()),
            ("ada", Some("s@cret"))
        );
        assert_eq!(
            (address.database.as_str(), address.cluster.as_deref()),
            ("traces", Some("we"))
        );
        assert_eq!(address.ttl_days, Some(30));
        assert!(!format!("{address:?}").contains("cret"));
    }

    #[test]
    fn what_is_left_out_is_usual() {
        let address = read("https://db.example");
        assert_eq!(
            (
                address.url.as_str(),
                address.user.as_str(),
                address.database.as_str()
            ),
            ("https://db.example:8443", "default", "default")
        );
        assert_eq!(read("clickhouse://db").url, "http://db:8123");
        assert_eq!(read("http://[::1]:80/x").url, "http://[::1]:80");
        let password = read("clickhouse://db")
            .or_password(Some("x".to_owned()))
            .password;
        assert_eq!(password.as_deref(), Some("x"));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, says) in [
            ("db:8123", "no scheme"),
            ("mysql://db", "mysql://"),
            ("clickhouse://u:hush@:x", "no address"),
            ("clickhouse://db/a/b", "another slash"),
            ("clickhouse://db?ttl_days=soon", "soon"),
            ("clickhouse://db?claster=x", "claster"),
        ] {
            let error = text.parse::<ClickHouseAddress>().unwrap_err();
            assert!(error.contains(says) && !error.contains("hush"), "{error}");
        }
    }
}
