//! PostgreSQL: a connection, driven by the thread that waits for it.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::TryStreamExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Runtime;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::value::{Column, Columns, Value};
use super::{ClockSource, DbError, Postgres, Row};

/// How long an address is tried.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a server, with all its addresses, may take until it says who it is and lets in.
const CONNECT_AND_GREET: Duration = Duration::from_secs(40);

/// How long a connection is quiet before it is looked whether the other end is there, and how long that end may not confirm
/// what was sent to it.
const SILENCE: Duration = Duration::from_secs(30);

/// A connection, and the runtime that moves it while somebody waits for an answer.
pub(super) struct Connection {
    runtime: Runtime,
    client: Client,
    statements: HashMap<&'static str, Statement>,
}

/// Where the server is and how it proves that it is the right one.
pub(super) struct Server {
    config: Config,
    /// Certificates that its certificate has to come from; `None` means those that are known to everybody.
    certificates: Option<PathBuf>,
    clock: ClockSource,
}

impl Server {
    pub(super) fn new(place: &Postgres) -> Self {
        let mut config = place.address.config().clone();
        if let Some(password) = &place.password {
            config.password(password.as_slice());
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if config.get_application_name().is_none() {
            config.application_name("assent");
        }
        config.keepalives_idle(SILENCE);
        Self { config, certificates: place.certificates.clone(), clock: place.clock }
    }

    /// Whose clock counts.
    pub(super) fn clock(&self) -> ClockSource {
        self.clock
    }

    /// # Errors
    ///
    /// [`DbError`] if nobody answers, the server's certificate is not right, or it refuses.
    pub(super) fn connect(&self) -> Result<Connection, DbError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = if self.config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = in_time(&runtime, self.config.connect(NoTls))?;
            runtime.spawn(connection);
            client
        } else {
            let (client, connection) = in_time(&runtime, self.config.connect(self.tls()?))?;
            runtime.spawn(connection);
            client
        };
        Ok(Connection { runtime, client, statements: HashMap::new() })
    }

    fn tls(&self) -> Result<MakeRustlsConnect, DbError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(file) = &self.certificates {
            roots = RootCertStore::empty();
            let pem = fs::read(file).map_err(DbError::certificates)?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(DbError::certificates)?;
                roots.add(certificate).map_err(DbError::certificates)?;
            }
            if roots.is_empty() {
                return Err(DbError::certificates(std::io::Error::other("there is no certificate in it")));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(DbError::other)?.with_root_certificates(roots).with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }
}

/// Waits for a connection, but not for ever: a server may take it and say nothing.
fn in_time<T>(
    runtime: &Runtime,
    connecting: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, DbError> {
    let done = runtime.block_on(async { tokio::time::timeout(CONNECT_AND_GREET, connecting).await });
    done.map_err(|_| DbError::silent())?.map_err(DbError::while_connecting)
}

impl Connection {
    /// Whether the server has gone, as far as is known without asking it.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// What moves the connection, and what asks.
    pub(super) fn parts(&mut self) -> (&Runtime, &Client) {
        (&self.runtime, &self.client)
    }

    /// Calls `each` for the rows of an answer to a statement that is not asked again.
    pub(super) fn each_once(
        &mut self,
        sql: &str,
        each: &mut dyn FnMut(&tokio_postgres::Row) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let none: [Value; 0] = [];
        let mut rows = pin!(self.runtime.block_on(self.client.query_raw(sql, none))?);
        while let Some(row) = self.runtime.block_on(rows.try_next())? {
            each(&row)?;
        }
        Ok(())
    }

    /// Statements without values and answers.
    pub(super) fn batch(&self, sql: &str) -> Result<(), DbError> {
        Ok(self.runtime.block_on(self.client.batch_execute(sql))?)
    }

    fn prepared(&mut self, sql: &'static str) -> Result<Statement, DbError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.runtime.block_on(self.client.prepare(sql))?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    pub(super) fn exec(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, DbError> {
        let statement = self.prepared(sql)?;
        Ok(self.runtime.block_on(self.client.execute_raw(&statement, args))?)
    }

    pub(super) fn rows(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, DbError> {
        let statement = self.prepared(sql)?;
        let rows = self
            .runtime
            .block_on(async { self.client.query_raw(&statement, args).await?.try_collect::<Vec<_>>().await })?;
        rows.iter().map(|row| Row::of(row, row.len())).collect()
    }

    /// Calls `each` for the rows of an answer as they arrive, until it has enough.
    pub(super) fn each(
        &mut self,
        sql: &'static str,
        args: &[Value],
        each: &mut dyn FnMut(&tokio_postgres::Row) -> Result<bool, DbError>,
    ) -> Result<(), DbError> {
        let statement = self.prepared(sql)?;
        let mut rows = pin!(self.runtime.block_on(self.client.query_raw(&statement, args))?);
        while let Some(row) = self.runtime.block_on(rows.try_next())? {
            if !each(&row)? {
                break;
            }
        }
        Ok(())
    }
}

impl Columns for tokio_postgres::Row {
    fn column(&self, column: usize) -> Result<Column<'_>, DbError> {
        let any: Option<AnyColumn<'_>> = self.try_get(column)?;
        Ok(any.map_or(Column::Null, |any| any.0))
    }
}

/// A column of any of the types that the tables have.
struct AnyColumn<'r>(Column<'r>);

impl<'r> FromSql<'r> for AnyColumn<'r> {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *kind {
            Type::INT8 => Column::Int(FromSql::from_sql(kind, raw)?),
            Type::INT4 => Column::Int(i32::from_sql(kind, raw)?.into()),
            Type::BOOL => Column::Int(bool::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => Column::Float(FromSql::from_sql(kind, raw)?),
            Type::BYTEA => Column::Bytes(FromSql::from_sql(kind, raw)?),
            _ => Column::Text(FromSql::from_sql(kind, raw)?),
        }))
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::FLOAT8, Type::BYTEA].contains(kind)
            || <&str as FromSql<'_>>::accepts(kind)
    }
}

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(v) if *kind == Type::INT4 => i32::try_from(*v)?.to_sql_checked(kind, out),
            Self::Int(v) if *kind == Type::BOOL => (*v != 0).to_sql_checked(kind, out),
            Self::Int(v) => v.to_sql_checked(kind, out),
            Self::Float(v) => v.to_sql_checked(kind, out),
            Self::Text(v) => v.to_sql_checked(kind, out),
            Self::Bytes(v) => v.as_slice().to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
