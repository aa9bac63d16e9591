//! Reads an SQLite file. Opened read-only: the tool never creates a file and never holds a lock that a writer waits
//! for.

use super::sql::{ColumnValue, QueryParameter, SqlQuery};
use super::tables::TableColumns;
use super::{ArchiveError, Database};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sipcapture_core::table::SqlDialect;
use std::path::Path;
use std::time::Duration;

/// How long to wait for a writer that checkpoints.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open SQLite file.
pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Opens the file at `path` for reading.
    pub fn open(path: &Path) -> Result<Sqlite, ArchiveError> {
        let fail = |why: String| ArchiveError::Open { what: path.display().to_string(), why };
        let metadata = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?;
        if !metadata.is_file() {
            return Err(fail("not a file".into()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection =
            Connection::open_with_flags(path_uri(path, ""), flags).map_err(|error| fail(error.to_string()))?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| fail(error.to_string()))?;
        match probe(&connection) {
            Ok(()) => Ok(Sqlite { connection }),
            Err(error) if needs_immutable(&error, path) => {
                let connection = Connection::open_with_flags(path_uri(path, "?immutable=1"), flags)
                    .map_err(|error| fail(error.to_string()))?;
                probe(&connection).map_err(|error| fail(error.to_string()))?;
                Ok(Sqlite { connection })
            }
            Err(error) => Err(fail(error.to_string())),
        }
    }
}

fn probe(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))
}

/// Whether a WAL file must be read as it lies there: its directory takes no `-shm` file from us, and no writer has one
/// open, for a writer would have left its `-wal` beside it.
fn needs_immutable(error: &rusqlite::Error, path: &Path) -> bool {
    let refused = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    );
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    refused && !Path::new(&wal).exists()
}

/// `path` as a `file:` URI, with every byte that means something in a URI escaped.
fn path_uri(path: &Path, query: &str) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => uri.push(char::from(byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str(query);
    uri
}

impl Database for Sqlite {
    fn dialect(&self) -> SqlDialect {
        SqlDialect::Sqlite
    }

    fn tables(&mut self) -> Result<Vec<TableColumns>, ArchiveError> {
        let names: Vec<String> = self
            .connection
            .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
            .map_err(ArchiveError::read)?;
        names.into_iter().map(|name| self.columns(name)).collect()
    }

    fn select(&mut self, query: &SqlQuery) -> Result<Vec<Vec<ColumnValue>>, ArchiveError> {
        let mut statement = self.connection.prepare(&query.sql).map_err(ArchiveError::read)?;
        let width = statement.column_count();
        let parameters = rusqlite::params_from_iter(query.parameters.iter().map(to_sqlite));
        let mut rows = statement.query(parameters).map_err(ArchiveError::read)?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(ArchiveError::read)? {
            let cells: rusqlite::Result<Vec<ColumnValue>> =
                (0..width).map(|index| row.get_ref(index).map(to_cell)).collect();
            out.push(cells.map_err(ArchiveError::read)?);
        }
        Ok(out)
    }
}

impl Sqlite {
    fn columns(&self, table: String) -> Result<TableColumns, ArchiveError> {
        let columns: Vec<String> = self
            .connection
            .prepare(&format!("PRAGMA table_info({})", SqlDialect::Sqlite.quote(&table)))
            .and_then(|mut statement| statement.query_map([], |row| row.get("name"))?.collect())
            .map_err(ArchiveError::read)?;
        Ok(TableColumns { table, columns })
    }
}

fn to_sqlite(parameter: &QueryParameter) -> rusqlite::types::Value {
    match parameter {
        QueryParameter::Text(text) => text.clone().into(),
        QueryParameter::Int(number) => (*number).into(),
        QueryParameter::Real(number) => (*number).into(),
    }
}

fn to_cell(value: ValueRef<'_>) -> ColumnValue {
    match value {
        ValueRef::Null => ColumnValue::Null,
        ValueRef::Integer(number) => ColumnValue::Int(number),
        ValueRef::Real(number) => ColumnValue::Text(number.to_string().into_bytes()),
        ValueRef::Text(bytes) => ColumnValue::Text(bytes.to_vec()),
        ValueRef::Blob(bytes) => ColumnValue::Binary(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_marks_of_a_uri_stays_a_path() {
        assert_eq!(path_uri(Path::new("/a b/c?d#e%f.db"), "?immutable=1"), "file:/a%20b/c%3Fd%23e%25f.db?immutable=1");
    }

    #[test]
    fn a_missing_file_is_not_created() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none.db");
        let error = Sqlite::open(&path).err().unwrap().to_string();
        assert!(error.contains("none.db") && error.contains("No such file"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_database_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.txt");
        std::fs::write(&path, "not a database, but long enough to have a header of its own".repeat(20)).unwrap();
        let error = Sqlite::open(&path).err().unwrap().to_string();
        assert!(error.contains("notes.txt") && error.contains("not a database"), "{error}");
    }
}
