//! Sinks: where captures end. A sink writes a slice of rows to one table and says what became of them.
//!
//! The writer's database threads call this room, one sink a thread; it calls [`table`](crate::table) and below.
//!
//! What all databases have in common lives in `session`: connect when needed, look at the table's schema once, match
//! its columns by name, make a table that is missing, look again when the table has changed. One room or file a
//! database holds the rest: [`open`] picks it. `tls` says how a connection is encrypted.

mod bisection;
mod check;
mod encode;
pub mod escape;
pub mod hep;
pub mod host;
mod local_time;
mod mysql;
mod option_file;
mod options;
mod postgres;
mod session;
mod sqlite;
pub mod sqlite_file;
mod table_schema;
mod tls;
mod under_way;
pub mod url;
mod write;

use std::sync::Arc;
use tokio::runtime::Runtime;

pub use bisection::Bisection;
pub use check::check;
use host::{HostLink, HostSink};
pub use options::{Deadlines, SinkOptions};
use session::Reconnecting;
pub use url::{DatabaseUrl, UrlError};
pub use write::{Sink, SinkError, Written};

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

/// The sink for `url`. Connects to nothing yet. One that the host's own driver serves is away for ever; see
/// [`open_linked`].
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
