//! How sinks behave, and how long they wait.

use std::time::Duration;

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
    pub(super) fn of(options: &SinkOptions) -> Deadlines {
        Deadlines { connect: options.connect_timeout, silence: Some(options.io_timeout) }
    }
}
