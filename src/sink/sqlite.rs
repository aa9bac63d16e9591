//! SQLite: one transaction a slice, one prepared INSERT a table.
//!
//! SQLite stores bytes as they come, however wide and whatever they are: texts are bound as TEXT without looking at
//! their encoding, messages as BLOB, the date as `YYYY-MM-DD HH:MM:SS` in local time. Nothing is cut; a declared width
//! means nothing to SQLite.

use super::local_time::LocalTime;
use super::options::SinkOptions;
use super::session::{Fault, Session};
use super::sqlite_file;
use super::table_schema::{ColumnTarget, ColumnType, InsertPlan, SchemaColumn, TableSchema, column_list};
use super::write::Written;
use crate::table::{Row, SqlDialect, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, TransactionBehavior};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for another process that is writing to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// WAL, so that the operator's tool reads while we write; NORMAL, so that a commit costs no disk flush: what a power
/// cut takes back is whole transactions. A longer log between checkpoints writes each index page less often.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000; \
                       PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16000;";

/// An open database file.
pub(super) struct File {
    connection: Connection,
    path: PathBuf,
    identity: Option<(u64, u64)>,
    local_time: LocalTime,
}

/// The prepared statement's text; SQLite keeps the statement itself in the connection's cache.
pub(super) struct InsertSql(String);

impl Session for File {
    type Address = PathBuf;
    type Statement = InsertSql;
    const DIALECT: SqlDialect = SqlDialect::Sqlite;

    fn connect(path: &PathBuf, options: &SinkOptions) -> Result<File, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if options.create_tables {
            // SQLite would make one that everybody may read.
            sqlite_file::make(path).map_err(|error| Fault::Unavailable(format!("{}: {error}", path.display())))?;
        }
        let connection = Connection::open_with_flags(path, flags).map_err(unavailable)?;
        connection.busy_timeout(BUSY_TIMEOUT.min(options.io_timeout)).map_err(unavailable)?;
        connection.execute_batch(PRAGMAS).map_err(unavailable)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(File { connection, path: path.clone(), identity: identity(path), local_time: LocalTime::new() })
    }

    /// A file that was removed or replaced while we had it open would swallow rows unseen.
    fn is_current(&self) -> bool {
        self.identity.is_some() && self.identity == identity(&self.path)
    }

    fn describe(&mut self, table: &str) -> Result<Option<TableSchema>, Fault> {
        let sql_name = SqlDialect::Sqlite.quote_table(table);
        let parts = SqlDialect::Sqlite.table_parts(table);
        let (schema, table) = match parts.as_slice() {
            [schema, table] => (*schema, *table),
            _ => ("main", table),
        };
        // `hidden` is not 0 for generated columns, which cannot be written.
        let mut statement = self
            .connection
            .prepare_cached("SELECT name FROM pragma_table_xinfo(?1, ?2) WHERE hidden = 0")
            .map_err(fault)?;
        let names = statement.query_map([table, schema], |row| row.get(0)).map_err(fault)?;
        let columns = names
            .map(|name| name.map(|name| SchemaColumn { name, kind: ColumnType::Other }))
            .collect::<Result<Vec<_>, _>>()
            .map_err(fault)?;
        Ok(if columns.is_empty() { None } else { Some(TableSchema { sql_name, columns, delayed: false }) })
    }

    fn create(&mut self, statements: &[String]) -> Result<(), Fault> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        statements.iter().try_for_each(|statement| transaction.execute_batch(statement)).map_err(fault)?;
        transaction.commit().map_err(fault)
    }

    fn prepare(&mut self, table: &TableSchema, targets: &[ColumnTarget]) -> Result<InsertSql, Fault> {
        let places = vec!["?"; targets.len()].join(", ");
        let (table, columns) = (&table.sql_name, column_list(SqlDialect::Sqlite, targets));
        Ok(InsertSql(format!("INSERT INTO {table} ({columns}) VALUES ({places})")))
    }

    fn insert(&mut self, plan: &InsertPlan<InsertSql>, rows: &[Row<'_>]) -> Result<Written, Fault> {
        let local_time = &mut self.local_time;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        {
            let mut statement = transaction.prepare_cached(&plan.statement.0).map_err(fault)?;
            for row in rows {
                for (place, target) in plan.targets.iter().enumerate() {
                    let bound = match row[target.value] {
                        Value::Time(time_us) => Bound::Text(local_time.text(time_us).as_bytes()),
                        Value::Int(number) => Bound::Int(number),
                        Value::Bytes(bytes) if target.message => Bound::Blob(bytes),
                        Value::Bytes(bytes) => Bound::Text(bytes),
                    };
                    statement.raw_bind_parameter(place + 1, bound).map_err(fault)?;
                }
                statement.raw_execute().map_err(fault)?;
            }
        }
        transaction.commit().map_err(fault)?;
        Ok(Written::default())
    }
}

/// A value as SQLite takes it: rusqlite's own text binding wants UTF-8, SQLite does not.
enum Bound<'a> {
    Int(i64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Bound::Int(number) => ValueRef::Integer(*number),
            Bound::Text(bytes) => ValueRef::Text(bytes),
            Bound::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Device and inode of the file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn unavailable(error: rusqlite::Error) -> Fault {
    Fault::Unavailable(error.to_string())
}

fn fault(error: rusqlite::Error) -> Fault {
    let text = error.to_string();
    if text.contains("no such table") || text.contains("has no column named") {
        return Fault::Changed(text);
    }
    match error.sqlite_error_code() {
        Some(
            ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::TooBig
            | ErrorCode::ParameterOutOfRange
            | ErrorCode::Unknown,
        )
        | None => Fault::Rejected(text),
        // Busy, locked, full, read-only, I/O error, not a database, out of memory ...: a matter of the file, not the
        // rows.
        Some(_) => Fault::Unavailable(text),
    }
}
