//! Where a PostgreSQL database is, and what is needed to reach it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use zeroize::Zeroizing;

/// A PostgreSQL database that holds a vault's tables, and what is needed to reach it.
#[derive(Clone, PartialEq, Eq)]
pub struct Postgres {
    /// Where it is.
    pub address: PostgresAddress,
    /// What proves to the server who asks; `None` where the server wants none.
    pub password: Option<Zeroizing<Vec<u8>>>,
    /// The file with the certificates (PEM) from one of which the server's has to come; `None` means the public authorities.
    pub certificates: Option<PathBuf>,
    /// Whose clock counts.
    pub clock: ClockSource,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("address", &self.address).field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// Which clock says what time it is in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// That of the database's server, which is one for all machines that work on a vault. The time that callers give counts
    /// nothing.
    Database,
    /// The time that callers give.
    Caller,
}

/// `postgres://USER@HOST:PORT/NAME`, without a password. With `?options=-csearch_path%3DSCHEMA` the tables are in that schema.
/// A server that is not on this machine has to prove its name by TLS (`verify-full`).
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    text: String,
    config: Config,
}

/// Why a text is no address of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It has another form.
    #[error("this is no address of a PostgreSQL database; write it as postgres://USER@HOST:PORT/NAME")]
    Form,
    /// A password is in it.
    #[error("the address of the database holds a password, and addresses are kept and shown; leave the password out")]
    Password,
    /// It asks for less than TLS with the server's name checked.
    #[error(
        "a database on another machine is reached only where it proves its name by TLS; leave sslmode out of its address, or \
         write sslmode=verify-full"
    )]
    Mode,
    /// It names the file with the certificates.
    #[error(
        "the address names a file with certificates; leave it out (sslrootcert), and name the file beside the address"
    )]
    Certificates,
}

impl PostgresAddress {
    /// What the driver needs.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of it stays on this machine.
    pub fn is_local(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Disable
    }

    /// The first server in it, as people write it.
    pub fn server(&self) -> String {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) if name.contains(':') => format!("[{name}]:{port}"),
            Some(Host::Tcp(name)) => format!("{name}:{port}"),
            Some(Host::Unix(folder)) => folder.display().to_string(),
            None => "this machine".to_owned(),
        }
    }
}

/// Which database at which server.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.config.get_dbname().unwrap_or_default(), self.server())
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresAddress({self})")
    }
}

impl FromStr for PostgresAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let scheme = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        if !scheme || text.contains(char::is_control) {
            return Err(AddressError::Form);
        }
        let (before, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut left) = (None, Vec::new());
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", _)) => return Err(AddressError::Certificates),
                _ => left.push(part),
            }
        }
        let url = if left.is_empty() { before.to_owned() } else { format!("{before}?{}", left.join("&")) };
        // What the driver says of a text that it does not understand may quote the text.
        let mut config: Config = url.parse().map_err(|_| AddressError::Form)?;
        if config.get_password().is_some() {
            return Err(AddressError::Password);
        }
        let named = |name: Option<&str>| name.is_some_and(|name| !name.is_empty());
        let nowhere = config.get_hosts().is_empty() && config.get_hostaddrs().is_empty();
        if nowhere || !named(config.get_user()) || !named(config.get_dbname()) {
            return Err(AddressError::Form);
        }
        let local = is_local(&config);
        config.ssl_mode(match mode {
            None | Some("disable") if local => SslMode::Disable,
            None | Some("verify-full") => SslMode::Require,
            Some(_) => return Err(AddressError::Mode),
        });
        Ok(Self { text: text.to_owned(), config })
    }
}

fn is_local(config: &Config) -> bool {
    let named = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
        Host::Unix(_) => true,
    });
    // Where one is given, it is the one that is connected to, whatever the name.
    named && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_password_and_asks_for_no_less_than_a_proven_name() {
        let check = |name: &str, text: &str, wanted: Result<bool, AddressError>| {
            assert_eq!(text.parse::<PostgresAddress>().map(|read| read.is_local()), wanted, "{name}");
        };
        let far = "postgres://ann@db.example.org/club";
        check("on another machine", far, Ok(false));
        check("on this machine", "postgres://ann@localhost:5433/club", Ok(true));
        check("the other scheme", "postgresql://ann@127.0.0.1/club", Ok(true));
        check("IPv6", "postgres://ann@[::1]/club", Ok(true));
        check("a socket", "postgres://ann@%2Fvar%2Frun%2Fpostgresql/club", Ok(true));
        check("this machine, with TLS", "postgres://ann@localhost/club?sslmode=verify-full", Ok(false));
        check("a schema", "postgres://ann@localhost/club?options=-csearch_path%3Dx", Ok(true));
        check("a name of this machine, elsewhere", "postgres://ann@localhost/club?hostaddr=192.0.2.1", Ok(false));
        check("two, one elsewhere", "postgres://ann@localhost,db.example.org/club", Ok(false));
        for mode in ["disable", "prefer", "require", "verify-ca", "", "nonsense"] {
            check(mode, &format!("{far}?sslmode={mode}"), Err(AddressError::Mode));
        }
        check("a mode written otherwise", &format!("{far}?ssl%6Dode=prefer"), Ok(false));
        check("twice", &format!("{far}?sslmode=verify-full&sslmode=prefer"), Err(AddressError::Mode));
        check("a password", "postgres://ann:herons@db.example.org/club", Err(AddressError::Password));
        check("no letter of it", "postgres://ann:@db.example.org/club", Err(AddressError::Password));
        check("a password as an option", &format!("{far}?password=herons"), Err(AddressError::Password));
        check("the same, written otherwise", &format!("{far}?p%61ssword=herons"), Err(AddressError::Password));
        check("certificates", &format!("{far}?sslrootcert=/ca.pem"), Err(AddressError::Certificates));
        for text in ["", "club", "host=x user=y", "mysql://a@b/c", "postgres://b/c", "postgres://a@b", "postgres:///c"]
        {
            check(text, text, Err(AddressError::Form));
        }
        check("a line break", "postgres://ann@localhost/club\npostgres://x", Err(AddressError::Form));
        check("an option that nobody knows", &format!("{far}?colour=blue"), Err(AddressError::Form));
    }

    #[test]
    fn what_is_shown_of_an_address_is_where_it_leads() {
        let check = |text: &str, shown: &str| {
            let address: PostgresAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), format!("PostgresAddress({shown})"));
        };
        check("postgres://ann@db.example.org/club?options=-cx%3Dy", "club at db.example.org:5432");
        check("postgres://ann@[::1]:5433/club", "club at [::1]:5433");
        let whole = Postgres {
            address: "postgres://ann@localhost/club".parse().unwrap(),
            password: Some(Zeroizing::new(b"three herons".to_vec())),
            certificates: None,
            clock: ClockSource::Database,
        };
        assert!(!format!("{whole:?}").contains("herons"));
    }
}
