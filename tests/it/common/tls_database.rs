//! Database servers that speak TLS: databases and logins of one server that demand it, refuse it, or ask for a
//! client's certificate.

use super::certificate::{Authority, Issued};
use super::database::{DATABASE, MariaDb, PASSWORD, Postgres, USER, give_to_postgres};
use super::rows;
use std::fs;
use std::net::SocketAddr;
use tempfile::TempDir;

/// The name of a server's own certificate: the address that it listens on.
pub const SERVER: &str = "127.0.0.1";

/// Databases of a PostgreSQL server by what it asks of a connection to them.
const POLICIES: &str = "\
local all all scram-sha-256
hostssl only_tls all 0.0.0.0/0 scram-sha-256
host only_tls all 0.0.0.0/0 reject
hostnossl only_clear all 0.0.0.0/0 scram-sha-256
host only_clear all 0.0.0.0/0 reject
hostssl with_certificate all 0.0.0.0/0 scram-sha-256 clientcert=verify-ca
host with_certificate all 0.0.0.0/0 reject
host all all 0.0.0.0/0 scram-sha-256
";

/// The certificate and key of a server, and the authority that signs them and those of its clients, where the server
/// reads them.
pub struct ServerFiles {
    /// Who signs.
    pub authority: Authority,
    directory: TempDir,
}

impl ServerFiles {
    /// With a certificate for [`SERVER`].
    pub fn new() -> ServerFiles {
        let files =
            ServerFiles { authority: Authority::new(), directory: TempDir::new().expect("a private directory") };
        files.place(&files.authority.issue(SERVER));
        files
    }

    /// Puts another certificate in its place.
    fn place(&self, issued: &Issued) {
        let authority = self.authority.file();
        let files = [(&issued.certificate, "certificate.pem"), (&issued.key, "key.pem"), (&authority, "ca.pem")];
        for (from, name) in files {
            fs::copy(from, self.directory.path().join(name)).expect("the file is copied");
        }
        give_to_postgres(self.directory.path());
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// What a PostgreSQL server is started with.
    pub fn postgres_settings(&self) -> [String; 4] {
        let [certificate, key, ca] = ["certificate.pem", "key.pem", "ca.pem"].map(|name| self.path(name));
        [
            "ssl=on".to_owned(),
            format!("ssl_cert_file={certificate}"),
            format!("ssl_key_file={key}"),
            format!("ssl_ca_file={ca}"),
        ]
    }

    /// What a MariaDB server is started with.
    pub fn mariadb_options(&self) -> [String; 3] {
        [("ssl-cert", "certificate.pem"), ("ssl-key", "key.pem"), ("ssl-ca", "ca.pem")]
            .map(|(name, file)| format!("--{name}={}", self.path(file)))
    }
}

/// A PostgreSQL server with TLS.
pub struct TlsPostgres {
    server: Postgres,
    files: ServerFiles,
}

impl TlsPostgres {
    /// Starts it, with a certificate for [`SERVER`] and the databases `only_tls`, `only_clear` and `with_certificate`
    /// beside the usual one.
    pub fn start() -> TlsPostgres {
        let files = ServerFiles::new();
        let settings = files.postgres_settings();
        let mut server = Postgres::start_with(&settings.each_ref().map(String::as_str));
        for database in ["only_tls", "only_clear", "with_certificate"] {
            server.query(&format!("CREATE DATABASE {database}"));
        }
        fs::write(server.socket_directory().join("hba"), POLICIES).expect("who may connect is written");
        give_to_postgres(server.socket_directory());
        server.stop();
        server.start_again();
        TlsPostgres { server, files }
    }

    /// Starts it anew with another certificate.
    pub fn present(&mut self, issued: &Issued) {
        self.server.stop();
        self.files.place(issued);
        self.server.start_again();
    }

    /// Whose certificates it has, and takes from clients.
    pub fn authority(&self) -> &Authority {
        &self.files.authority
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.server.port()))
    }

    /// The URL of a database, with this query.
    pub fn url(&self, database: &str, query: &str) -> String {
        self.url_at(self.server.port(), database, query)
    }

    /// The same through a relay on this port.
    pub fn url_at(&self, port: u16, database: &str, query: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@{SERVER}:{port}/{database}{query}")
    }

    /// The way to a database that needs no TLS: over the Unix socket.
    pub fn local_url(&self, database: &str) -> String {
        let directory = self.server.socket_directory().display().to_string().replace('/', "%2F");
        format!("postgres://{USER}:{PASSWORD}@{directory}:{}/{database}", self.server.port())
    }

    /// Whether each of the connections with this application name to a database is encrypted, as the server sees it.
    pub fn encrypted(&self, database: &str, application: &str) -> Vec<bool> {
        let sql = format!(
            "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE datname = '{database}' AND application_name = '{application}' AND backend_type = 'client backend'"
        );
        let rows = rows::select(&self.local_url("postgres"), &sql).expect("the server tells");
        rows.iter().map(|row| rows::text(row, "ssl") == "t").collect()
    }
}

/// A MariaDB server with TLS.
pub struct TlsMariaDb {
    server: MariaDb,
    files: ServerFiles,
}

impl TlsMariaDb {
    /// Starts it, with a certificate for [`SERVER`] and the logins `only_tls` and `with_certificate` beside the usual
    /// one.
    pub fn start() -> TlsMariaDb {
        TlsMariaDb::start_with(&[])
    }

    /// As [`TlsMariaDb::start`], with options of the server.
    pub fn start_with(options: &[&str]) -> TlsMariaDb {
        let files = ServerFiles::new();
        let tls = files.mariadb_options();
        let options: Vec<&str> = tls.iter().map(String::as_str).chain(options.iter().copied()).collect();
        let server = MariaDb::start_with(&options);
        for (login, demand) in [("only_tls", "SSL"), ("with_certificate", "X509")] {
            server.query(&format!("CREATE USER {login}@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE {demand}"));
            server.query(&format!("GRANT ALL ON *.* TO {login}@'%'"));
        }
        TlsMariaDb { server, files }
    }

    /// Starts it anew with another certificate.
    pub fn present(&mut self, issued: &Issued) {
        self.server.stop();
        self.files.place(issued);
        self.server.start_again();
    }

    /// Whose certificates it has, and takes from clients.
    pub fn authority(&self) -> &Authority {
        &self.files.authority
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.server.port()))
    }

    /// The URL of the first database for a login, with this query.
    pub fn url(&self, login: &str, query: &str) -> String {
        self.url_at(self.server.port(), login, query)
    }

    /// The same through a relay on this port.
    pub fn url_at(&self, port: u16, login: &str, query: &str) -> String {
        format!("mysql://{login}:{PASSWORD}@{SERVER}:{port}/{DATABASE}{query}")
    }

    /// The way without TLS, for whoever looks things up.
    pub fn clear_url(&self) -> String {
        self.server.url()
    }

    /// TLS handshakes that the server has done.
    pub fn handshakes(&self) -> u64 {
        let rows = self.server.query("SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'");
        let count = rows.first().and_then(|row| row.get(1)?.clone()).expect("the server counts handshakes");
        count.parse().expect("a count is a number")
    }
}
