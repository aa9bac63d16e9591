//! Reads a PostgreSQL database.

use super::sql::{ColumnValue, QueryParameter, SqlQuery};
use super::tables::TableColumns;
use super::{ArchiveError, DEADLINES, Database};
use sipcapture_core::sink::open_postgres;
use sipcapture_core::sink::url::Server;
use sipcapture_core::table::SqlDialect;
use std::error::Error;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::types::{FromSql, ToSql, Type};

/// An open connection, and the runtime that drives it.
pub struct Postgres {
    client: Client,
    runtime: Runtime,
}

impl Postgres {
    /// Connects to `server`; `what` names it in errors, without its password.
    pub fn open(server: &Server, what: &str) -> Result<Postgres, ArchiveError> {
        let fail = |why: String| ArchiveError::Open { what: what.to_owned(), why };
        let (client, runtime) = open_postgres(server, &DEADLINES).map_err(fail)?;
        let read_only = client.batch_execute("SET default_transaction_read_only = on");
        runtime
            .block_on(async { timeout(DEADLINES.connect, read_only).await })
            .map_err(|_| fail(format!("no answer within {} s", DEADLINES.connect.as_secs())))?
            .map_err(|error| fail(reason(&error)))?;
        Ok(Postgres { client, runtime })
    }
}

/// The cause behind the driver's short message.
fn reason(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(answer) => answer.message().to_owned(),
        None => error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}

impl Database for Postgres {
    fn dialect(&self) -> SqlDialect {
        SqlDialect::Postgres
    }

    fn tables(&mut self) -> Result<Vec<TableColumns>, ArchiveError> {
        // A partition shows its rows through its parent: reading both would show every message twice.
        let query = self.client.query(
            "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END, \
             a.attname \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition \
             AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' \
             ORDER BY n.nspname, c.relname, a.attnum",
            &[],
        );
        let rows = self.runtime.block_on(query).map_err(|error| ArchiveError::Read(reason(&error)))?;
        Ok(TableColumns::group(rows.iter().map(|row| (row.get(0), row.get(1)))))
    }

    fn select(&mut self, query: &SqlQuery) -> Result<Vec<Vec<ColumnValue>>, ArchiveError> {
        let parameters: Vec<&(dyn ToSql + Sync)> = query.parameters.iter().map(to_postgres).collect();
        let answer = self.runtime.block_on(self.client.query(&query.sql, &parameters));
        let rows = answer.map_err(|error| ArchiveError::Read(reason(&error)))?;
        let cell = |row: &tokio_postgres::Row, index| {
            row.try_get::<_, Option<ColumnValue>>(index).map(|cell| cell.unwrap_or(ColumnValue::Null))
        };
        rows.iter()
            .map(|row| (0..row.len()).map(|index| cell(row, index)).collect::<Result<Vec<ColumnValue>, _>>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ArchiveError::Read(reason(&error)))
    }
}

fn to_postgres(parameter: &QueryParameter) -> &(dyn ToSql + Sync) {
    match parameter {
        QueryParameter::Text(text) => text,
        QueryParameter::Int(number) => number,
        QueryParameter::Real(number) => number,
    }
}

impl<'a> FromSql<'a> for ColumnValue {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<ColumnValue, Box<dyn Error + Sync + Send>> {
        Ok(match *kind {
            Type::INT2 => ColumnValue::Int(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => ColumnValue::Int(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => ColumnValue::Int(i64::from_sql(kind, raw)?),
            Type::BYTEA => ColumnValue::Binary(raw.to_vec()),
            _ => ColumnValue::Text(raw.to_vec()),
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
