//! Reads a MySQL or MariaDB database.

use std::path::Path;
use std::time::Duration;

use mysql::consts::ColumnFlags;
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Params, Row, Value};
use sipcapture_core::sink::url::{Host, Password, Server};
use sipcapture_core::table::Dialect;

use super::sql::{Cell, Parameter, Query};
use super::tables::TableColumns;
use super::{Database, Failure};

/// Where Debian's server has its socket.
const SOCKET: &str = "/run/mysqld/mysqld.sock";
/// The port of MySQL.
const PORT: u16 = 3306;
/// How long a server may take to answer the first time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The character set number of binary columns.
const BINARY_CHARACTER_SET: u16 = 63;

/// An open connection.
pub struct Mysql {
    connection: Conn,
}

impl Mysql {
    /// Connects to `server`; `what` names it in errors, without its password.
    pub fn open(server: &Server, what: &str) -> Result<Mysql, Failure> {
        let fail = |error: mysql::Error| Failure::Open { what: what.to_owned(), why: reason(&error) };
        let mut connection = Conn::new(options(server)).map_err(fail)?;
        connection.query_drop("SET SESSION TRANSACTION READ ONLY").map_err(fail)?;
        Ok(Mysql { connection })
    }
}

fn options(server: &Server) -> OptsBuilder {
    let local = |name: &str| name.is_empty() || name == "localhost";
    let (host, socket) = match &server.host {
        Host::Socket(path) => ("localhost", Some(path.clone())),
        Host::Default => ("", None),
        Host::Name(name) => (name.as_str(), None),
    };
    // As the server's own clients do: the local server is reached through its socket, where it has one.
    let usual = || local(host).then_some(Path::new(SOCKET)).filter(|path| path.exists()).map(Path::to_owned);
    let socket = socket.or_else(|| if server.port.is_none() { usual() } else { None });
    OptsBuilder::new()
        .ip_or_hostname(Some(if local(host) { "127.0.0.1" } else { host }))
        .tcp_port(server.port.unwrap_or(PORT))
        .prefer_socket(false)
        .socket(socket.map(|path| path.to_string_lossy().into_owned()))
        .user(Some(&server.user).filter(|user| !user.is_empty()))
        .pass(server.password.as_ref().map(Password::expose))
        .db_name(Some(&server.database))
        .tcp_connect_timeout(Some(CONNECT_TIMEOUT))
}

/// The server's own words, or the driver's.
fn reason(error: &mysql::Error) -> String {
    match error {
        mysql::Error::MySqlError(answer) => answer.message.clone(),
        mysql::Error::IoError(error) => error.to_string(),
        other => other.to_string(),
    }
}

impl Database for Mysql {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    fn tables(&mut self) -> Result<Vec<TableColumns>, Failure> {
        let rows: Vec<(String, String)> = self
            .connection
            .query(
                "SELECT c.table_name, c.column_name FROM information_schema.columns c \
                 JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
                 WHERE c.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' \
                 ORDER BY c.table_name, c.ordinal_position",
            )
            .map_err(|error| Failure::Read(reason(&error)))?;
        Ok(TableColumns::group(rows))
    }

    fn select(&mut self, query: &Query) -> Result<Vec<Vec<Cell>>, Failure> {
        let parameters = match query.parameters.is_empty() {
            true => Params::Empty,
            false => Params::Positional(query.parameters.iter().map(to_mysql).collect()),
        };
        let rows: Vec<Row> =
            self.connection.exec(&query.sql, parameters).map_err(|error| Failure::Read(reason(&error)))?;
        Ok(rows.into_iter().map(to_cells).collect())
    }
}

fn to_mysql(parameter: &Parameter) -> Value {
    match parameter {
        Parameter::Text(text) => text.as_str().into(),
        Parameter::Int(number) => (*number).into(),
        Parameter::Real(number) => (*number).into(),
    }
}

fn to_cells(row: Row) -> Vec<Cell> {
    let binary: Vec<bool> = row
        .columns_ref()
        .iter()
        .map(|column| {
            column.character_set() == BINARY_CHARACTER_SET && column.flags().contains(ColumnFlags::BINARY_FLAG)
        })
        .collect();
    row.unwrap().into_iter().zip(binary).map(|(value, binary)| to_cell(value, binary)).collect()
}

fn to_cell(value: Value, binary: bool) -> Cell {
    match value {
        Value::Int(number) => Cell::Int(number),
        Value::UInt(number) => Cell::Int(i64::try_from(number).unwrap_or(i64::MAX)),
        Value::Bytes(bytes) if binary => Cell::Binary(bytes),
        Value::Bytes(bytes) => Cell::Text(bytes),
        Value::NULL => Cell::Null,
        other => Cell::Text(other.as_sql(true).into_bytes()),
    }
}
