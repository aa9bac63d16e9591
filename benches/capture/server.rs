//! The databases that the benchmarks write to, and how they are held up.

use crate::common::database::{MariaDb, Postgres};
use crate::common::tls_database::ServerFiles;
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
    /// Whether it is reached over a network.
    pub fn is_remote(self) -> bool {
        self != Engine::Sqlite
    }

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
    /// Certificate and key of a server with TLS.
    tls: Option<ServerFiles>,
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
        Database::start_with(engine, None)
    }

    /// The same with TLS, which the modules are told to use, and to verify the server by.
    pub fn start_with_tls(engine: Engine) -> Database {
        Database::start_with(engine, Some(ServerFiles::new()))
    }

    fn start_with(engine: Engine, tls: Option<ServerFiles>) -> Database {
        let (running, url) = match engine {
            Engine::Sqlite => {
                let directory = TempDir::new().expect("a private directory");
                let url = format!("sqlite:///{}/captures.db", directory.path().display());
                (Running::Sqlite(directory), url)
            }
            Engine::Mysql => {
                let mut options = vec!["--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M"];
                let of_tls = tls.as_ref().map(ServerFiles::mariadb_options);
                options.extend(of_tls.iter().flatten().map(String::as_str));
                let server = MariaDb::start_with(&options);
                let url = server.url();
                (Running::MariaDb(server), url)
            }
            Engine::Postgres => {
                let mut settings = vec!["fsync=on", "shared_buffers=256MB", "max_wal_size=4GB"];
                let of_tls = tls.as_ref().map(ServerFiles::postgres_settings);
                settings.extend(of_tls.iter().flatten().map(String::as_str));
                let server = Postgres::start_with(&settings);
                let url = server.url();
                (Running::Postgres(server), url)
            }
        };
        Database { running, engine, url, tls }
    }

    /// What kind it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Its URL without TLS, for whoever looks things up.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its URL as both modules take it.
    pub fn module_url(&self) -> String {
        let Some(files) = &self.tls else { return self.url.clone() };
        let ca = files.authority.file().display().to_string();
        match self.engine {
            Engine::Mysql => format!("{}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}", self.url),
            _ => format!("{}?sslmode=verify-full&sslrootcert={ca}", self.url),
        }
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
