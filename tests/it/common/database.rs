//! Real database servers in private directories, on free loopback ports and sockets of their own.
//!
//! Making an empty server takes seconds, so that is done once and kept below Cargo's target directory; each server
//! starts from a copy. Dropping a server kills it and removes its directory, so that a failed test leaves nothing
//! behind.

use super::ports::free_port;
use super::wait::within;
use mysql::prelude::Queryable as _;
use postgres::SimpleQueryMessage;
use rustix::process::{Pid, Signal, getuid, kill_process};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tempfile::TempDir;

/// How long a server may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Login name, and the password of it, on every server here.
pub const USER: &str = "sipcapture";
/// See [`USER`].
pub const PASSWORD: &str = "geheim";
/// The database that every server has from the start.
pub const DATABASE: &str = "sipcapture";

/// Where a server runs.
#[derive(Clone, Debug)]
pub struct Site {
    /// Words before the command, as `ip netns exec NAME`.
    pub command: Vec<String>,
    /// The address that it listens on.
    pub address: Ipv4Addr,
}

impl Site {
    /// Here, on the loopback address.
    pub fn here() -> Site {
        Site { command: Vec::new(), address: Ipv4Addr::LOCALHOST }
    }
}

/// A process that is ended with its server.
struct Server {
    child: Option<Child>,
    command: Vec<String>,
    log: PathBuf,
}

impl Server {
    fn new(command: Vec<String>, log: PathBuf) -> Server {
        Server { child: None, command, log }
    }

    fn start(&mut self) {
        assert!(self.child.is_none(), "{:?} runs already", self.command);
        let log = File::options().create(true).append(true).open(&self.log).expect("the log opens");
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).current_dir("/").stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log is shared")).stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command)));
    }

    /// Waits until `ready` holds; a server that ends instead fails the test with its log.
    fn await_ready(&mut self, mut ready: impl FnMut() -> bool) {
        let (log, child) = (&self.log, self.child.as_mut().expect("the server was started"));
        within(PATIENCE, "the database server answers", || {
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                panic!("the server ended with {status}: {}", fs::read_to_string(log).unwrap_or_default());
            }
            ready()
        });
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().expect("the server runs"))
    }

    /// The server's process and those that it has forked.
    fn processes(&self) -> Vec<Pid> {
        let main = self.pid();
        let raw = main.as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{raw}/task/{raw}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
        [main].into_iter().chain(children).collect()
    }

    fn signal_all(&self, signal: Signal) {
        for pid in self.processes() {
            // A forked process may be gone by now.
            let _ = kill_process(pid, signal);
        }
    }

    /// Stops all of it, and waits until no thread runs any more.
    fn pause(&self) {
        self.signal_all(Signal::STOP);
        let is_stopped =
            |stat: String| stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['T', 'Z']));
        within(PATIENCE, "the server stands still", || {
            self.processes().iter().all(|pid| {
                let threads =
                    fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).into_iter().flatten().flatten();
                threads.map(|thread| fs::read_to_string(thread.path().join("stat")).unwrap_or_default()).all(is_stopped)
            })
        });
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = kill_process(Pid::from_child(&child), signal);
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.signal_all(Signal::CONT);
            self.signal_all(Signal::KILL);
            self.end(Signal::KILL);
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
}

/// Copies the empty server `name` to `to`; `make` makes it when there is none yet.
fn copy_template(name: &str, to: &Path, make: impl FnOnce(&Path)) {
    static MAKING: Mutex<()> = Mutex::new(());
    let making = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if !kept.is_dir() {
        let scratch = TempDir::new().expect("a private directory");
        make(&scratch.path().join("made"));
        let unfinished = kept.with_extension(std::process::id().to_string());
        run(Command::new("cp").arg("-r").arg(scratch.path().join("made")).arg(&unfinished));
        if let Err(error) = fs::rename(&unfinished, &kept) {
            // Another test process may have been quicker.
            assert!(kept.is_dir(), "{}: {error}", kept.display());
            fs::remove_dir_all(&unfinished).expect("a copy that nobody needs goes");
        }
    }
    drop(making);
    run(Command::new("cp").arg("-r").arg(&kept).arg(to));
}

/// The first line that `program --version` prints, fit for a file name.
fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.lines().next().unwrap_or_default().split(|character: char| !character.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

fn find_program(candidates: &[&str]) -> String {
    let found = candidates.iter().find(|candidate| Path::new(candidate).is_file());
    (*found.unwrap_or_else(|| panic!("none of {candidates:?} is installed"))).to_owned()
}

fn as_root() -> bool {
    getuid().is_root()
}

/// A MariaDB server.
pub struct MariaDb {
    server: Server,
    directory: TempDir,
    address: Ipv4Addr,
    port: u16,
}

impl MariaDb {
    /// Starts an empty server.
    pub fn start() -> MariaDb {
        MariaDb::start_with(&[])
    }

    /// As [`MariaDb::start`], with options of the server such as `--max-allowed-packet=1M`.
    pub fn start_with(options: &[&str]) -> MariaDb {
        MariaDb::start_in_zone("UTC", options)
    }

    /// As [`MariaDb::start_with`], with `TZ` as given for the server.
    pub fn start_in_zone(zone: &str, options: &[&str]) -> MariaDb {
        MariaDb::start_at(&Site::here(), zone, options)
    }

    /// As [`MariaDb::start_in_zone`], somewhere else.
    pub fn start_at(site: &Site, zone: &str, options: &[&str]) -> MariaDb {
        let program = find_program(&["/usr/sbin/mariadbd", "/usr/sbin/mysqld"]);
        let directory = TempDir::new().expect("a private directory");
        let path = |name: &str| directory.path().join(name).display().to_string();
        copy_template(&version(&program), Path::new(&path("rows")), |to| {
            let mut install = Command::new("mariadb-install-db");
            install.arg("--no-defaults").arg(format!("--datadir={}", to.display()));
            install.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=10M"]);
            if as_root() {
                install.arg("--user=root");
            }
            run(&mut install);
        });
        // A server that starts takes away what servers of its kind have left in the common place, and that may be
        // another's that runs.
        fs::create_dir(path("tmp")).expect("a directory for temporary tables");
        let port = free_port();
        let address = site.address;
        let mut command = site.command.clone();
        command.extend(["env".to_owned(), format!("TZ={zone}"), program]);
        command.extend(["--no-defaults", "--skip-name-resolve", "--skip-networking=0"].map(str::to_owned));
        command.push(format!("--bind-address={address}"));
        command.extend(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=10M"].map(str::to_owned));
        command.extend(["datadir=rows", "tmpdir=tmp", "socket=socket", "pid-file=pid"].map(|option| {
            let (name, file) = option.split_once('=').expect("an option and its file");
            format!("--{name}={}", path(file))
        }));
        command.push(format!("--port={port}"));
        if as_root() {
            command.push("--user=root".to_owned());
        }
        command.extend(options.iter().map(|option| (*option).to_owned()));
        let server = Server::new(command, directory.path().join("log"));
        let mut mariadb = MariaDb { server, directory, address, port };
        mariadb.start_again();
        let mut root = mysql::Conn::new(mysql::OptsBuilder::new().user(Some("root")).socket(mariadb.socket().to_str()))
            .expect("root may connect");
        for statement in [
            format!("CREATE DATABASE {DATABASE}"),
            format!("CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'"),
            format!("GRANT ALL ON *.* TO {USER}@'%' WITH GRANT OPTION"),
        ] {
            root.query_drop(&statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        mariadb
    }

    /// The server that the running tests share; it ends with the last of them.
    pub fn shared() -> Arc<MariaDb> {
        static SHARED: Mutex<Weak<MariaDb>> = Mutex::new(Weak::new());
        share(&SHARED, MariaDb::start)
    }

    /// `mysql://` URL of the server's first database, over TCP.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// As [`MariaDb::url`], of another database.
    pub fn url_of(&self, database: &str) -> String {
        format!("mysql://{USER}:{PASSWORD}@{}:{}/{database}", self.address, self.port)
    }

    /// Makes an empty database and returns its URL.
    pub fn create_database(&self, name: &str) -> String {
        self.query(&format!("CREATE DATABASE {name}"));
        self.url_of(name)
    }

    /// The server's TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// The rows that `sql` selects in the first database; a text that is no UTF-8 is a reason to select `HEX(...)`.
    pub fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let mut connection = mysql::Conn::new(self.url().as_str()).expect("MariaDB answers");
        let rows: Vec<mysql::Row> = connection.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let text = |value| match value {
            mysql::Value::Bytes(bytes) => Some(String::from_utf8(bytes).expect("a text in UTF-8")),
            _ => None,
        };
        rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect()
    }

    /// Ends the server in good order.
    pub fn stop(&mut self) {
        self.server.end(Signal::TERM);
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        self.server.end(Signal::KILL);
    }

    /// Stops the server in its tracks: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.server.signal_all(Signal::CONT);
    }

    /// Starts the server again, with what it had stored, on the same port.
    pub fn start_again(&mut self) {
        self.server.start();
        let opts = mysql::OptsBuilder::new().user(Some("root")).socket(self.socket().to_str());
        self.server.await_ready(|| mysql::Conn::new(opts.clone()).is_ok());
    }
}

/// A PostgreSQL server.
pub struct Postgres {
    server: Server,
    directory: TempDir,
    address: Ipv4Addr,
    port: u16,
}

impl Postgres {
    /// Starts an empty server.
    pub fn start() -> Postgres {
        Postgres::start_with(&[])
    }

    /// As [`Postgres::start`], with settings of the server such as `max_connections=5`.
    pub fn start_with(settings: &[&str]) -> Postgres {
        Postgres::start_at(&Site::here(), settings)
    }

    /// As [`Postgres::start_with`], somewhere else.
    pub fn start_at(site: &Site, settings: &[&str]) -> Postgres {
        let binaries = find_postgres();
        let program = format!("{binaries}/postgres");
        let directory = TempDir::new().expect("a private directory");
        let path = |name: &str| directory.path().join(name).display().to_string();
        copy_template(&version(&program), Path::new(&path("rows")), |to| {
            give_to_postgres(to.parent().expect("a directory in a directory"));
            let password_file = to.with_extension("password");
            fs::write(&password_file, PASSWORD).expect("the password is written");
            give_to_postgres(&password_file);
            let mut initdb = as_postgres(&format!("{binaries}/initdb"));
            initdb.extend(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"].map(str::to_owned));
            initdb.extend(["-U".to_owned(), USER.to_owned(), "-D".to_owned(), to.display().to_string()]);
            initdb.push(format!("--pwfile={}", password_file.display()));
            run(Command::new(&initdb[0]).args(&initdb[1..]).current_dir("/"));
        });
        fs::write(path("hba"), "local all all scram-sha-256\nhost all all 0.0.0.0/0 scram-sha-256\n")
            .expect("who may connect is written");
        give_to_postgres(directory.path());
        run(Command::new("chmod").arg("700").arg(path("rows")));
        let (address, port) = (site.address, free_port());
        let mut command = site.command.clone();
        command.extend(as_postgres(&program));
        command.extend(["-D".to_owned(), path("rows"), "-p".to_owned(), port.to_string()]);
        command.extend(["-h".to_owned(), address.to_string(), "-k".to_owned(), path("")]);
        command.extend(["-c".to_owned(), format!("hba_file={}", path("hba"))]);
        for setting in ["fsync=off", "shared_buffers=32MB"].iter().chain(settings) {
            command.extend(["-c".to_owned(), (*setting).to_owned()]);
        }
        let server = Server::new(command, directory.path().join("log"));
        let mut postgres = Postgres { server, directory, address, port };
        postgres.start_again();
        query_postgres(&postgres.url_of("postgres"), &format!("CREATE DATABASE {DATABASE}"));
        postgres
    }

    /// The server that the running tests share; it ends with the last of them.
    pub fn shared() -> Arc<Postgres> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        share(&SHARED, Postgres::start)
    }

    /// `postgres://` URL of the server's first database, over TCP.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// As [`Postgres::url`], of another database.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@{}:{}/{database}", self.address, self.port)
    }

    /// Makes an empty database and returns its URL.
    pub fn create_database(&self, name: &str) -> String {
        self.query(&format!("CREATE DATABASE {name}"));
        self.url_of(name)
    }

    /// The directory of the server's Unix socket.
    pub fn socket_directory(&self) -> &Path {
        self.directory.path()
    }

    /// The server's TCP port, which also names its socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The rows that `sql` selects in the first database.
    pub fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        query_postgres(&self.url(), sql)
    }

    /// Ends the server in good order, whoever is connected.
    pub fn stop(&mut self) {
        self.server.end(Signal::INT);
    }

    /// Kills the server and the processes that it has forked.
    pub fn kill(&mut self) {
        self.server.signal_all(Signal::KILL);
        self.server.end(Signal::KILL);
    }

    /// Stops the server in its tracks: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.server.signal_all(Signal::CONT);
    }

    /// Starts the server again, with what it had stored, on the same port.
    pub fn start_again(&mut self) {
        self.server.start();
        let url = self.url_of("postgres");
        self.server.await_ready(|| postgres::Client::connect(&url, postgres::NoTls).is_ok());
    }
}

fn query_postgres(url: &str, sql: &str) -> Vec<Vec<Option<String>>> {
    let mut client = postgres::Client::connect(url, postgres::NoTls).expect("PostgreSQL answers");
    let answer = client.simple_query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect()),
        _ => None,
    };
    answer.into_iter().filter_map(row).collect()
}

/// The newest PostgreSQL that is installed the way distributions do it.
fn find_postgres() -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let newest = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).max();
    format!("/usr/lib/postgresql/{}/bin", newest.expect("a version of PostgreSQL is installed"))
}

/// `program` as the user `postgres` when we are root: PostgreSQL refuses to run as root.
fn as_postgres(program: &str) -> Vec<String> {
    let mut command: Vec<String> = Vec::new();
    if as_root() {
        command.extend(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"].map(str::to_owned));
    }
    command.push(program.to_owned());
    command
}

/// Makes a file or directory the property of the user that PostgreSQL runs as.
pub fn give_to_postgres(path: &Path) {
    if as_root() {
        run(Command::new("chown").arg("-R").arg("postgres:postgres").arg(path));
    }
}

fn share<T>(shared: &Mutex<Weak<T>>, start: impl FnOnce() -> T) -> Arc<T> {
    let mut shared = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(start());
        *shared = Arc::downgrade(&server);
        server
    })
}
