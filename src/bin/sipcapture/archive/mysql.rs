//! Reads a MySQL or MariaDB database.

use super::sql::{ColumnValue, QueryParameter, SqlQuery};
use super::tables::TableColumns;
use super::{ArchiveError, DEADLINES, Database};
use mysql::consts::ColumnFlags;
use mysql::prelude::Queryable;
use mysql::{Conn, Params, Row, Value};
use sipcapture_core::sink::open_mysql;
use sipcapture_core::sink::url::Server;
use sipcapture_core::table::SqlDialect;

/// The character set number of binary columns.
const BINARY_CHARACTER_SET: u16 = 63;

/// An open connection.
pub struct Mysql {
    connection: Conn,
}

impl Mysql {
    /// Connects to `server`; `what` names it in errors, without its password.
    pub fn open(server: &Server, what: &str) -> Result<Mysql, ArchiveError> {
        let fail = |why: String| ArchiveError::Open { what: what.to_owned(), why };
        let connection = open_mysql(server, &DEADLINES, Some("SET SESSION TRANSACTION READ ONLY")).map_err(fail)?;
        Ok(Mysql { connection })
    }
}

/// The server's error text, or the driver's.
fn reason(error: &mysql::Error) -> String {
    match error {
        mysql::Error::MySqlError(answer) => answer.message.clone(),
        mysql::Error::IoError(error) => error.to_string(),
        other => other.to_string(),
    }
}

impl Database for Mysql {
    fn dialect(&self) -> SqlDialect {
        SqlDialect::Mysql
    }

    fn tables(&mut self) -> Result<Vec<TableColumns>, ArchiveError> {
        let rows: Vec<(String, String)> = self
            .connection
            .query(
                "SELECT c.table_name, c.column_name FROM information_schema.columns c \
                 JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
                 WHERE c.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' \
                 ORDER BY c.table_name, c.ordinal_position",
            )
            .map_err(|error| ArchiveError::Read(reason(&error)))?;
        Ok(TableColumns::group(rows))
    }

    fn select(&mut self, query: &SqlQuery) -> Result<Vec<Vec<ColumnValue>>, ArchiveError> {
        let parameters = match query.parameters.is_empty() {
            true => Params::Empty,
            false => Params::Positional(query.parameters.iter().map(to_mysql).collect()),
        };
        let rows: Vec<Row> =
            self.connection.exec(&query.sql, parameters).map_err(|error| ArchiveError::Read(reason(&error)))?;
        Ok(rows.into_iter().map(to_cells).collect())
    }
}

fn to_mysql(parameter: &QueryParameter) -> Value {
    match parameter {
        QueryParameter::Text(text) => text.as_str().into(),
        QueryParameter::Int(number) => (*number).into(),
        QueryParameter::Real(number) => (*number).into(),
    }
}

fn to_cells(row: Row) -> Vec<ColumnValue> {
    let binary: Vec<bool> = row
        .columns_ref()
        .iter()
        .map(|column| {
            column.character_set() == BINARY_CHARACTER_SET && column.flags().contains(ColumnFlags::BINARY_FLAG)
        })
        .collect();
    row.unwrap().into_iter().zip(binary).map(|(value, binary)| to_cell(value, binary)).collect()
}

fn to_cell(value: Value, binary: bool) -> ColumnValue {
    match value {
        Value::Int(number) => ColumnValue::Int(number),
        Value::UInt(number) => ColumnValue::Int(i64::try_from(number).unwrap_or(i64::MAX)),
        Value::Bytes(bytes) if binary => ColumnValue::Binary(bytes),
        Value::Bytes(bytes) => ColumnValue::Text(bytes),
        Value::NULL => ColumnValue::Null,
        other => ColumnValue::Text(other.as_sql(true).into_bytes()),
    }
}
