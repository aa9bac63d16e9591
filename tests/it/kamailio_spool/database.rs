//! The databases that are put to the test, each with a login of its own for Kamailio.

use super::place::{FarNetwork, SmallDisk};
use super::trial::{PATIENCE, Stored};
use crate::common::database::{DATABASE, MariaDb, PASSWORD, Postgres, Site, USER, give_to_postgres};
use crate::common::relay::Relay;
use crate::common::rows::{SqliteFile, execute, select, text};
use crate::common::tls_database::ServerFiles;
use crate::common::wait::within;
use mysql::prelude::Queryable as _;
use sipcapture_core::table::ddl::create_table;
use sipcapture_core::table::{ColumnNames, SqlDialect, sip_layout};
use std::ops::RangeInclusive;

/// Kamailio's login.
const COLLECTOR: &str = "collector";

/// A server, or a file.
enum Engine {
    MariaDb(MariaDb),
    Postgres(Postgres),
    Sqlite(SqliteFile),
}

/// A database with the table `sip_capture`.
pub struct Database {
    engine: Engine,
    /// Goes after the server.
    network: Option<FarNetwork>,
    disk: Option<SmallDisk>,
    /// Kamailio's way to a server with TLS.
    tls: Option<(Relay, ServerFiles)>,
}

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    MariaDb,
    Postgres,
    Sqlite,
}

/// What a table holds.
#[derive(Debug)]
pub struct Contents {
    /// Rows and messages.
    pub stored: Stored,
    /// Lowest and highest `micro_ts`; `None` when there are no rows.
    pub times: Option<RangeInclusive<u64>>,
}

/// Connections that hold something as long as they live.
pub enum Held {
    MariaDb(Vec<mysql::Conn>),
    Postgres(Vec<postgres::Client>),
    Sqlite(rusqlite::Connection),
}

impl Held {
    /// Gives it back.
    pub fn release(self) {
        match self {
            Held::MariaDb(connections) => drop(connections),
            Held::Postgres(connections) => drop(connections),
            Held::Sqlite(connection) => connection.execute_batch("ROLLBACK").expect("the lock is given back"),
        }
    }
}

impl Database {
    /// Starts a server, or names a new file; the table is there.
    pub fn start(kind: Kind) -> Database {
        Database::start_with(kind, &[])
    }

    /// As [`Database::start`], with options of the server, which a file has not.
    pub fn start_with(kind: Kind, options: &[&str]) -> Database {
        Database::started(kind, &Site::here(), options, None)
    }

    /// Starts a server on the far side of a network that can swallow packets.
    pub fn start_far(kind: Kind) -> Database {
        let network = FarNetwork::make();
        Database::started(kind, &network.site(), &[], Some(network))
    }

    /// Starts a server that Kamailio's login reaches with TLS alone, through a relay that can cut connections and
    /// swallow bytes.
    pub fn start_with_tls(kind: Kind) -> Database {
        let files = ServerFiles::new();
        let (postgres, mariadb) = (files.postgres_settings(), files.mariadb_options());
        let options: Vec<&str> = match kind {
            Kind::Postgres => postgres.iter().map(String::as_str).collect(),
            _ => mariadb.iter().map(String::as_str).collect(),
        };
        let mut database = Database::started(kind, &Site::here(), &options, None);
        let port = match &mut database.engine {
            Engine::MariaDb(server) => {
                server.query(&format!("ALTER USER {COLLECTOR}@'%' REQUIRE SSL"));
                server.port()
            }
            Engine::Postgres(server) => {
                let rules = format!(
                    "local all all scram-sha-256\nhostssl all all 0.0.0.0/0 scram-sha-256\n\
                     host all {COLLECTOR} 0.0.0.0/0 reject\nhost all all 0.0.0.0/0 scram-sha-256\n"
                );
                std::fs::write(server.socket_directory().join("hba"), rules).expect("who may connect is written");
                server.query("SELECT pg_reload_conf()");
                server.port()
            }
            Engine::Sqlite(_) => panic!("a file is not reached over a network"),
        };
        database.tls = Some((Relay::start(([127, 0, 0, 1], port).into()), files));
        database
    }

    fn started(kind: Kind, site: &Site, options: &[&str], network: Option<FarNetwork>) -> Database {
        let engine = match kind {
            Kind::MariaDb => Engine::MariaDb(MariaDb::start_at(site, "UTC", options)),
            Kind::Postgres => Engine::Postgres(Postgres::start_at(site, options)),
            Kind::Sqlite => Engine::Sqlite(SqliteFile::new()),
        };
        let database = Database { engine, network, disk: None, tls: None };
        database.make_login();
        database.make_table();
        database
    }

    /// Starts a database whose table is on a disk that can be made small.
    pub fn start_on_small_disk(kind: Kind) -> Database {
        let disk = SmallDisk::make();
        let path = disk.path().display().to_string();
        let mut database = match kind {
            Kind::Sqlite => {
                let engine = Engine::Sqlite(SqliteFile::in_directory(disk.path()));
                Database { engine, network: None, disk: None, tls: None }
            }
            _ => Database::start(kind),
        };
        match &database.engine {
            Engine::MariaDb(_) => {
                database.drop_table();
                let statements = database.create_table("sip_capture");
                database.execute(&format!("{} DATA DIRECTORY='{path}'", statements.trim_end_matches(';')));
            }
            Engine::Postgres(server) => {
                let path = disk.path().join("rows");
                std::fs::create_dir(&path).expect("a directory is made");
                give_to_postgres(&path);
                server.query(&format!("CREATE TABLESPACE small LOCATION '{}'", path.display()));
                database.execute("ALTER TABLE sip_capture SET TABLESPACE small");
            }
            Engine::Sqlite(_) => database.make_table(),
        }
        database.disk = Some(disk);
        database
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.engine {
            Engine::MariaDb(_) => Kind::MariaDb,
            Engine::Postgres(_) => Kind::Postgres,
            Engine::Sqlite(_) => Kind::Sqlite,
        }
    }

    /// The URL that Kamailio is given.
    pub fn url(&self) -> String {
        let url = self.admin_url().replacen(&format!("{USER}:"), &format!("{COLLECTOR}:"), 1);
        let Some((relay, files)) = &self.tls else { return url };
        let (before, place) = url.rsplit_once(':').expect("a port follows the host");
        let (_, database) = place.split_once('/').expect("a database follows the port");
        let (port, ca) = (relay.port(), files.authority.file().display().to_string());
        let query = match self.engine {
            Engine::MariaDb(_) => format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
            _ => format!("sslmode=verify-full&sslrootcert={ca}"),
        };
        format!("{before}:{port}/{database}?{query}")
    }

    /// The relay before a server with TLS.
    pub fn relay(&self) -> &Relay {
        let (relay, _) = self.tls.as_ref().expect("a server with TLS");
        relay
    }

    fn admin_url(&self) -> String {
        match &self.engine {
            Engine::MariaDb(server) => server.url(),
            Engine::Postgres(server) => server.url(),
            Engine::Sqlite(file) => file.url().to_owned(),
        }
    }

    /// The disk that the table is on.
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("a database on a small disk")
    }

    /// The network before the server.
    pub fn network(&self) -> &FarNetwork {
        self.network.as_ref().expect("a server on the far side")
    }

    /// Runs statements as the administrator.
    pub fn execute(&self, sql: &str) {
        execute(&self.admin_url(), sql);
    }

    /// Makes the login that Kamailio uses.
    pub fn make_login(&self) {
        match self.engine {
            Engine::MariaDb(_) => self.execute(&format!(
                "CREATE USER {COLLECTOR}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON {DATABASE}.* TO {COLLECTOR}@'%'"
            )),
            Engine::Postgres(_) => self.execute(&format!(
                "CREATE ROLE {COLLECTOR} LOGIN PASSWORD '{PASSWORD}';
                 GRANT pg_read_all_data, pg_write_all_data TO {COLLECTOR}"
            )),
            Engine::Sqlite(_) => {}
        }
    }

    /// Gives the login another password, and ends its connections.
    pub fn change_password(&self) {
        self.execute(&match self.engine {
            Engine::MariaDb(_) => format!("ALTER USER {COLLECTOR}@'%' IDENTIFIED BY 'another'"),
            Engine::Postgres(_) => format!("ALTER ROLE {COLLECTOR} PASSWORD 'another'"),
            Engine::Sqlite(_) => panic!("a file has no passwords"),
        });
        self.end_connections();
    }

    /// Removes the login and makes it anew.
    pub fn make_login_again(&self) {
        self.execute(&match self.engine {
            Engine::MariaDb(_) => format!("DROP USER {COLLECTOR}@'%'"),
            _ => format!("DROP ROLE {COLLECTOR}"),
        });
        self.make_login();
    }

    /// Ends Kamailio's connections; the answer is how many there were.
    fn end_connections(&self) -> usize {
        match &self.engine {
            Engine::MariaDb(_) => {
                // There is one connection more for the administrator, but the last one may not have ended yet.
                let url = self.admin_url();
                let mut connection = None;
                within(PATIENCE, "the administrator may connect", || {
                    connection = mysql::Conn::new(url.as_str()).ok();
                    connection.is_some()
                });
                let mut connection = connection.expect("a connection");
                let query = format!("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{COLLECTOR}'");
                let found: Vec<u64> = connection.query(query).expect("connections are listed");
                // One may have gone by itself.
                found.iter().filter(|id| connection.query_drop(format!("KILL {id}")).is_ok()).count()
            }
            Engine::Postgres(server) => {
                let sql =
                    format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{COLLECTOR}'");
                server.query(&sql).len()
            }
            Engine::Sqlite(_) => 0,
        }
    }

    /// Takes every connection that the server has, Kamailio's too.
    pub fn take_all_connections(&self) -> Held {
        let crowd = self.admin_url().replacen(&format!("{USER}:"), "crowd:", 1);
        let crowd = crowd.as_str();
        match &self.engine {
            Engine::MariaDb(_) => {
                self.execute(&format!("CREATE USER IF NOT EXISTS crowd@'%' IDENTIFIED BY '{PASSWORD}'"));
                self.execute(&format!("GRANT SELECT ON {DATABASE}.* TO crowd@'%'"));
                let mut taken = Vec::new();
                self.crowd_out(|| mysql::Conn::new(crowd).map(|connection| taken.push(connection)).is_ok());
                Held::MariaDb(taken)
            }
            Engine::Postgres(_) => {
                self.execute(&format!("CREATE ROLE crowd LOGIN PASSWORD '{PASSWORD}'"));
                let connect = || postgres::Client::connect(crowd, postgres::NoTls);
                let mut taken = Vec::new();
                self.crowd_out(|| connect().map(|connection| taken.push(connection)).is_ok());
                Held::Postgres(taken)
            }
            Engine::Sqlite(_) => panic!("a file has no connections"),
        }
    }

    /// Calls `take_one` until there is no connection left, and Kamailio has none.
    fn crowd_out(&self, mut take_one: impl FnMut() -> bool) {
        // The administrator's connections leave a place when they end, a moment after they are closed.
        let mut settled = 0;
        within(PATIENCE, "every connection is taken, and none is Kamailio's", || {
            let mut is_new = false;
            while take_one() {
                is_new = true;
            }
            settled = if self.end_connections() > 0 || is_new { 0 } else { settled + 1 };
            settled == 10
        });
    }

    /// Locks the table against everybody else.
    pub fn lock_table(&self) -> Held {
        match &self.engine {
            Engine::MariaDb(_) => {
                let mut connection = mysql::Conn::new(self.admin_url().as_str()).expect("MariaDB answers");
                connection.query_drop("LOCK TABLES sip_capture WRITE").expect("the table is locked");
                Held::MariaDb(vec![connection])
            }
            Engine::Postgres(_) => {
                let mut client = postgres::Client::connect(&self.admin_url(), postgres::NoTls).expect("a connection");
                let lock = "BEGIN; LOCK TABLE sip_capture IN ACCESS EXCLUSIVE MODE";
                client.batch_execute(lock).expect("the table is locked");
                Held::Postgres(vec![client])
            }
            Engine::Sqlite(file) => {
                let path = file.url().trim_start_matches("sqlite:/");
                let connection = rusqlite::Connection::open(path).expect("the file opens");
                connection.busy_timeout(std::time::Duration::from_secs(10)).expect("a timeout is set");
                connection.execute_batch("BEGIN EXCLUSIVE").expect("the file is locked");
                Held::Sqlite(connection)
            }
        }
    }

    fn create_table(&self, name: &str) -> String {
        let dialect = match self.engine {
            Engine::MariaDb(_) => SqlDialect::Mysql,
            Engine::Postgres(_) => SqlDialect::Postgres,
            Engine::Sqlite(_) => SqlDialect::Sqlite,
        };
        create_table(dialect, name, &sip_layout(&ColumnNames::default())).join(";\n")
    }

    /// Makes the table.
    pub fn make_table(&self) {
        self.make_table_called("sip_capture");
    }

    /// Makes one more like it.
    pub fn make_table_called(&self, name: &str) {
        self.execute(&self.create_table(name));
    }

    /// Drops the table.
    pub fn drop_table(&self) {
        self.execute("DROP TABLE sip_capture");
    }

    /// `micro_ts` of each row, in the order in which rows were stored.
    pub fn stored_times(&self) -> Vec<u64> {
        let rows = select(&self.admin_url(), "SELECT micro_ts FROM sip_capture ORDER BY id").expect("rows");
        rows.iter().map(|row| text(row, "micro_ts").parse().expect("a number")).collect()
    }

    /// What the table holds, as the database counts it.
    pub fn contents(&self) -> Contents {
        let sql = "SELECT COUNT(*) AS n, COUNT(DISTINCT micro_ts) AS messages, MIN(micro_ts) AS lowest, \
                   MAX(micro_ts) AS highest FROM sip_capture";
        let rows = select(&self.admin_url(), sql).expect("the table is readable");
        let [n, messages, lowest, highest] = ["n", "messages", "lowest", "highest"]
            .map(|column| rows[0][column].as_ref().map(|_| text(&rows[0], column).parse::<u64>().expect("a number")));
        let times = lowest.zip(highest).map(|(lowest, highest)| lowest..=highest);
        let of = |count: Option<u64>| count.expect("a count is never NULL");
        Contents { stored: Stored { rows: of(n), messages: of(messages) }, times }
    }

    /// Deletes all rows.
    pub fn clear(&self) {
        self.execute("DELETE FROM sip_capture");
    }

    /// Stops the server in its tracks: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        match &self.engine {
            Engine::MariaDb(server) => server.pause(),
            Engine::Postgres(server) => server.pause(),
            Engine::Sqlite(_) => panic!("a file does not run"),
        }
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        match &self.engine {
            Engine::MariaDb(server) => server.resume(),
            Engine::Postgres(server) => server.resume(),
            Engine::Sqlite(_) => panic!("a file does not run"),
        }
    }

    /// Ends the server in good order.
    pub fn stop(&mut self) {
        match &mut self.engine {
            Engine::MariaDb(server) => server.stop(),
            Engine::Postgres(server) => server.stop(),
            Engine::Sqlite(_) => panic!("a file does not run"),
        }
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        match &mut self.engine {
            Engine::MariaDb(server) => server.kill(),
            Engine::Postgres(server) => server.kill(),
            Engine::Sqlite(_) => panic!("a file does not run"),
        }
    }

    /// Starts a server that was stopped or killed.
    pub fn start_again(&mut self) {
        match &mut self.engine {
            Engine::MariaDb(server) => server.start_again(),
            Engine::Postgres(server) => server.start_again(),
            Engine::Sqlite(_) => panic!("a file does not run"),
        }
    }
}
