//! Sinks: where captures end. A sink writes a slice of rows to one table and says what became of them.
//!
//! The writer's database threads call this room, one sink a thread; it calls [`table`](crate::table) and below.
//!
//! What all databases have in common lives in `session`: connect when needed, look at the real table once, match its
//! columns by name, make a table that is missing, look again when the table has changed. One room or file a database
//! holds
//! the rest: [`open`] picks it. `tls` says how a connection is encrypted.

mod bisection;
mod check;
mod encode;
pub mod escape;
pub mod hep;
pub mod host;
mod local_time;
mod mysql;
mod option_file;
mod postgres;
mod session;
mod sqlite;
pub mod sqlite_file;
mod table_schema;
mod tls;
mod under_way;
pub mod url;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::table::{Layout, Row};
pub use bisection::Bisection;
pub use check::check;
use host::{HostLink, HostSink};
use session::Reconnecting;
pub use url::{DatabaseUrl, UrlError};

/// What a successful write did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Values that were cut to their column's width, or brought into its range.
    pub truncated: u64,
}

/// Why a write stored nothing.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The database is there and refuses these rows; a smaller slice may pass.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The table is missing or may not be written, and no smaller slice will change that; an operator may.
    #[error("table unusable: {0}")]
    TableUnusable(String),
    /// Somebody holds a lock on the table, and the database has given up waiting for it; the same rows will pass later.
    #[error("table locked: {0}")]
    TableLocked(String),
    /// The database cannot be reached or cannot write now; the same rows may pass later.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// A place to write rows to. Opened without a connection; connects, and reconnects, when it writes.
pub trait Sink: Send {
    /// Writes all of `rows` to `table` in one transaction, or none of them.
    ///
    /// `table` is a checked name ([`table::name`](crate::table::name)); a row has a value for each column of `layout`.
    /// Returns within about `io_timeout`, also when the server does not answer any more.
    fn write(&mut self, table: &str, layout: &Layout, rows: &[Row<'_>]) -> Result<Written, SinkError>;

    /// Most rows that one call of [`Sink::write`] may be given: 1 where the database has no transactions to take back a part.
    /// With more it answers [`SinkError::Rejected`].
    fn most_rows(&self) -> usize {
        usize::MAX
    }
}

/// How a sink behaves, whatever its database.
#[derive(Clone, Copy, Debug)]
pub struct SinkOptions {
    /// Create a table that does not exist, and an SQLite file that does not exist.
    pub create_tables: bool,
    /// Use INSERT DELAYED where the database and the table's engine take it (MySQL, MariaDB).
    pub insert_delayed: bool,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long the server may stay silent before a write gives up.
    pub io_timeout: Duration,
    /// How often to look whether a table has other columns than before; errors are a reason to look at once.
    pub look_again: Duration,
}

impl Default for SinkOptions {
    /// Existing tables, plain INSERT, 5 s to connect and 30 s for an answer, a look at the columns every minute.
    fn default() -> SinkOptions {
        SinkOptions {
            create_tables: false,
            insert_delayed: false,
            connect_timeout: Duration::from_secs(5),
            io_timeout: Duration::from_secs(30),
            look_again: Duration::from_secs(60),
        }
    }
}

/// How long a server is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// How long a connection may take to come about, with the resolving of the name, the TLS handshake and the login.
    pub connect: Duration,
    /// How long the server may stay silent afterwards; `None`: for ever.
    pub silence: Option<Duration>,
}

impl Deadlines {
    fn of(options: &SinkOptions) -> Deadlines {
        Deadlines { connect: options.connect_timeout, silence: Some(options.io_timeout) }
    }
}

/// A client of the PostgreSQL server, and the runtime that drives it, for whoever reads what the sinks have written.
///
/// # Errors
/// What went wrong, in words without a password.
pub fn open_postgres(server: &url::Server, deadlines: &Deadlines) -> Result<(tokio_postgres::Client, Runtime), String> {
    postgres::open::open(server, deadlines)
}

/// As [`open_postgres`], of the MySQL or MariaDB server, which needs no runtime; `first` is executed within the same
/// deadline.
///
/// # Errors
/// What went wrong, in words without a password.
pub fn open_mysql(
    server: &url::Server,
    deadlines: &Deadlines,
    first: Option<&'static str>,
) -> Result<::mysql::Conn, String> {
    mysql::open::open(server, deadlines, first)
}

/// The sink for `url`. Connects to nothing yet. One that the host's own driver serves is away for ever; see [`open_linked`].
pub fn open(url: &DatabaseUrl, options: &SinkOptions) -> Box<dyn Sink> {
    open_linked(url, options, None)
}

/// As [`open`], with the way to the host database process of this very sink.
pub fn open_linked(url: &DatabaseUrl, options: &SinkOptions, link: Option<Arc<HostLink>>) -> Box<dyn Sink> {
    let shown_url = url.to_string();
    match url {
        DatabaseUrl::Sqlite(path) => Box::new(Reconnecting::<sqlite::File>::new(path.clone(), shown_url, *options)),
        DatabaseUrl::Mysql(server) => {
            Box::new(Reconnecting::<mysql::Connection>::new(server.clone(), shown_url, *options))
        }
        DatabaseUrl::Postgres(server) => {
            Box::new(Reconnecting::<postgres::Connection>::new(server.clone(), shown_url, *options))
        }
        DatabaseUrl::Host(_) => Box::new(HostSink::new(link, shown_url, *options)),
    }
}
