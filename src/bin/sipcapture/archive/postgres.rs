//! Reads a PostgreSQL database.

use std::error::Error;
use std::time::Duration;

use postgres::types::{FromSql, ToSql, Type};
use postgres::{Client, Config, NoTls};
use sipcapture_core::sink::url::{Host, Password, Server};
use sipcapture_core::table::Dialect;

use super::sql::{Cell, Parameter, Query};
use super::tables::TableColumns;
use super::{Database, Failure};

/// How long a server may take to answer the first time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where Debian's server has its socket.
const SOCKET_DIRECTORY: &str = "/var/run/postgresql";

/// An open connection.
pub struct Postgres {
    client: Client,
}

impl Postgres {
    /// Connects to `server`; `what` names it in errors, without its password.
    pub fn open(server: &Server, what: &str) -> Result<Postgres, Failure> {
        let fail = |error: postgres::Error| Failure::Open { what: what.to_owned(), why: reason(&error) };
        let mut client = config(server).connect(NoTls).map_err(fail)?;
        client.batch_execute("SET default_transaction_read_only = on").map_err(fail)?;
        Ok(Postgres { client })
    }
}

fn config(server: &Server) -> Config {
    let mut config = Config::new();
    config.dbname(&server.database).application_name("sipcapture").connect_timeout(CONNECT_TIMEOUT);
    match &server.host {
        Host::Default => config.host_path(SOCKET_DIRECTORY),
        Host::Name(name) => config.host(name),
        Host::Socket(directory) => config.host_path(directory),
    };
    if !server.user.is_empty() {
        config.user(&server.user);
    }
    if let Some(password) = &server.password {
        config.password(Password::expose(password));
    }
    if let Some(port) = server.port {
        config.port(port);
    }
    config
}

/// The cause behind the driver's short message.
fn reason(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(answer) => answer.message().to_owned(),
        None => error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}

impl Database for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn tables(&mut self) -> Result<Vec<TableColumns>, Failure> {
        // A partition shows its rows through its parent: reading both would show every message twice.
        let rows = self.client.query(
            "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END, a.attname \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition \
             AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' \
             ORDER BY n.nspname, c.relname, a.attnum",
            &[],
        );
        let rows = rows.map_err(|error| Failure::Read(reason(&error)))?;
        Ok(TableColumns::group(rows.iter().map(|row| (row.get(0), row.get(1)))))
    }

    fn select(&mut self, query: &Query) -> Result<Vec<Vec<Cell>>, Failure> {
        let parameters: Vec<&(dyn ToSql + Sync)> = query.parameters.iter().map(to_postgres).collect();
        let rows = self.client.query(&query.sql, &parameters).map_err(|error| Failure::Read(reason(&error)))?;
        let cell =
            |row: &postgres::Row, index| row.try_get::<_, Option<Cell>>(index).map(|cell| cell.unwrap_or(Cell::Null));
        rows.iter()
            .map(|row| (0..row.len()).map(|index| cell(row, index)).collect::<Result<Vec<Cell>, _>>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Failure::Read(reason(&error)))
    }
}

fn to_postgres(parameter: &Parameter) -> &(dyn ToSql + Sync) {
    match parameter {
        Parameter::Text(text) => text,
        Parameter::Int(number) => number,
        Parameter::Real(number) => number,
    }
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Cell, Box<dyn Error + Sync + Send>> {
        Ok(match *kind {
            Type::INT2 => Cell::Int(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => Cell::Int(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => Cell::Int(i64::from_sql(kind, raw)?),
            Type::BYTEA => Cell::Binary(raw.to_vec()),
            _ => Cell::Text(raw.to_vec()),
        })
    }

    fn accepts(kind: &Type) -> bool {
        matches!(
            *kind,
            Type::INT2
                | Type::INT4
                | Type::INT8
                | Type::BYTEA
                | Type::TEXT
                | Type::VARCHAR
                | Type::BPCHAR
                | Type::NAME
                | Type::UNKNOWN
                | Type::JSON
        )
    }
}
