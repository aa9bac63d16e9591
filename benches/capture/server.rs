//! The databases that the benchmarks write to, and how they are held up.

use crate::common::database::{MariaDb, Postgres};
use tempfile::TempDir;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgres,
}

impl Engine {
    /// All of them.
    pub const ALL: [Engine; 3] = [Engine::Sqlite, Engine::Mysql, Engine::Postgres];

    /// The name on the command line and in the results.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Sqlite => "sqlite",
            Engine::Mysql => "mariadb",
            Engine::Postgres => "postgresql",
        }
    }
}

enum Running {
    Sqlite(TempDir),
    MariaDb(MariaDb),
    Postgres(Postgres),
}

/// A database of its own for one run.
pub struct Database {
    running: Running,
    engine: Engine,
    url: String,
}

/// A database that does not answer; it goes on when this is dropped.
pub enum Paused<'a> {
    /// An open transaction that lets nobody else write.
    Sqlite(rusqlite::Connection),
    /// Stopped processes.
    MariaDb(&'a MariaDb),
    /// Stopped processes.
    Postgres(&'a Postgres),
}

impl Database {
    /// Starts an empty database, with the settings of a server that keeps what it has committed.
    pub fn start(engine: Engine) -> Database {
        let (running, url) = match engine {
            Engine::Sqlite => {
                let directory = TempDir::new().expect("a private directory");
                let url = format!("sqlite:///{}/captures.db", directory.path().display());
                (Running::Sqlite(directory), url)
            }
            Engine::Mysql => {
                let server = MariaDb::start_with(&["--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M"]);
                let url = server.url();
                (Running::MariaDb(server), url)
            }
            Engine::Postgres => {
                let settings = ["fsync=on", "shared_buffers=256MB", "max_wal_size=4GB"];
                let server = Postgres::start_with(&settings);
                let url = server.url();
                (Running::Postgres(server), url)
            }
        };
        Database { running, engine, url }
    }

    /// What kind it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Its URL, as both modules take it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Holds it up.
    pub fn pause(&self) -> Paused<'_> {
        match &self.running {
            Running::Sqlite(directory) => {
                let connection =
                    rusqlite::Connection::open(directory.path().join("captures.db")).expect("the file opens");
                connection.busy_timeout(std::time::Duration::from_secs(10)).expect("a timeout is set");
                connection.execute_batch("BEGIN IMMEDIATE").expect("the lock is taken");
                Paused::Sqlite(connection)
            }
            Running::MariaDb(server) => {
                server.pause();
                Paused::MariaDb(server)
            }
            Running::Postgres(server) => {
                server.pause();
                Paused::Postgres(server)
            }
        }
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        match self {
            Paused::Sqlite(connection) => connection.execute_batch("ROLLBACK").expect("the lock is given back"),
            Paused::MariaDb(server) => server.resume(),
            Paused::Postgres(server) => server.resume(),
        }
    }
}
