//! Reads whole tables back, whatever the database: every value as the bytes that its text form has.

use mysql::prelude::Queryable as _;
use postgres::SimpleQueryMessage;
use rusqlite::types::ValueRef;
use std::collections::BTreeMap;
use std::path::Path;

/// One row: column name to value, `None` for NULL.
pub type StoredRow = BTreeMap<String, Option<Vec<u8>>>;

/// All rows that `sql` selects from the database at `url` (`sqlite://`, `mysql://` or `postgres://`).
///
/// `Err` says why the database would not: it is down, or a table is not there yet.
pub fn select(url: &str, sql: &str) -> Result<Vec<StoredRow>, String> {
    match url.split_once("://") {
        Some(("sqlite", path)) => select_sqlite(path, sql).map_err(|error| error.to_string()),
        Some(("mysql", _)) => select_mysql(url, sql).map_err(|error| error.to_string()),
        Some(("postgres", _)) => select_postgres(url, sql).map_err(|error| error.to_string()),
        _ => panic!("{url} names no database that is known here"),
    }
}

/// Number of rows in `table`; 0 as long as the database or the table is not there.
pub fn count(url: &str, table: &str) -> u64 {
    let rows = select(url, &format!("SELECT COUNT(*) AS n FROM {table}")).unwrap_or_default();
    let first = rows.first().and_then(|row| row.get("n")?.clone());
    first.map_or(0, |digits| String::from_utf8_lossy(&digits).parse().expect("a count is a number"))
}

/// Runs statements that answer nothing.
pub fn execute(url: &str, sql: &str) {
    match url.split_once("://") {
        Some(("sqlite", path)) => {
            let connection = rusqlite::Connection::open(path).expect("the file opens");
            connection.busy_timeout(std::time::Duration::from_secs(10)).expect("a timeout is set");
            connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        Some(("mysql", _)) => {
            let mut connection = mysql::Conn::new(url).expect("MariaDB answers");
            for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
                connection.query_drop(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
            }
        }
        Some(("postgres", _)) => {
            let mut client = postgres::Client::connect(url, postgres::NoTls).expect("PostgreSQL answers");
            client.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        _ => panic!("{url} names no database that is known here"),
    }
}

fn select_sqlite(path: &str, sql: &str) -> rusqlite::Result<Vec<StoredRow>> {
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    let mut statement = connection.prepare(sql)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let rows = statement.query_map([], |row| {
        let value = |index| -> rusqlite::Result<Option<Vec<u8>>> {
            Ok(match row.get_ref(index)? {
                ValueRef::Null => None,
                ValueRef::Integer(number) => Some(number.to_string().into_bytes()),
                ValueRef::Real(number) => Some(number.to_string().into_bytes()),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
            })
        };
        names.iter().enumerate().map(|(index, name)| Ok((name.clone(), value(index)?))).collect::<rusqlite::Result<_>>()
    })?;
    rows.collect()
}

fn select_mysql(url: &str, sql: &str) -> mysql::Result<Vec<StoredRow>> {
    let mut connection = mysql::Conn::new(url)?;
    let rows: Vec<mysql::Row> = connection.query(sql)?;
    let stored = |row: mysql::Row| {
        let names: Vec<_> = row.columns_ref().iter().map(|column| column.name_str().into_owned()).collect();
        // The text protocol answers every value as bytes.
        let bytes = |value| match value {
            mysql::Value::Bytes(bytes) => Some(bytes),
            _ => None,
        };
        names.into_iter().zip(row.unwrap().into_iter().map(bytes)).collect()
    };
    Ok(rows.into_iter().map(stored).collect())
}

fn select_postgres(url: &str, sql: &str) -> Result<Vec<StoredRow>, postgres::Error> {
    let mut client = postgres::Client::connect(url, postgres::NoTls)?;
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            let value = |index| row.get(index).map(|text| text.as_bytes().to_vec());
            let columns = row.columns().iter().enumerate();
            Some(columns.map(|(index, column)| (column.name().to_owned(), value(index))).collect())
        }
        _ => None,
    };
    Ok(client.simple_query(sql)?.into_iter().filter_map(row).collect())
}

/// A SQLite database in a private directory.
#[derive(Debug)]
pub struct SqliteFile {
    url: String,
    _directory: Option<tempfile::TempDir>,
}

impl SqliteFile {
    /// A file that does not exist yet.
    pub fn new() -> SqliteFile {
        let directory = tempfile::tempdir().expect("a private directory");
        let path = directory.path().to_owned();
        SqliteFile { _directory: Some(directory), ..SqliteFile::in_directory(&path) }
    }

    /// The same in a directory that somebody else looks after.
    pub fn in_directory(directory: &Path) -> SqliteFile {
        SqliteFile { url: format!("sqlite:///{}/captures.db", directory.display()), _directory: None }
    }

    /// Its URL, as both modules take it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The text of one column of a row; panics when it is NULL or not there.
pub fn text(row: &StoredRow, column: &str) -> String {
    let value = row.get(column).unwrap_or_else(|| panic!("no column {column}"));
    String::from_utf8_lossy(value.as_deref().unwrap_or_else(|| panic!("{column} is NULL"))).into_owned()
}
