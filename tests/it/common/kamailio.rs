//! A real Kamailio in a private directory, on free loopback ports, started from a generated configuration.
//!
//! The server runs in the foreground as its own process group, its log in a file, its command socket in the private
//! directory. Dropping a [`Kamailio`] kills the whole group, so that a failed test leaves nothing behind.

use super::ports::free_address;
use super::wait::{eventually, within};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;
use std::{env, fs};
use tempfile::TempDir;

/// How long a server may take to answer its first command, and to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which capture module a server loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// The one that the distribution ships: the oracle.
    Stock,
    /// The one that this project builds.
    Ours,
}

impl Module {
    /// What `loadmodule` is given for `sipcapture`.
    fn path(self) -> String {
        self.path_of("sipcapture")
    }

    /// What `loadmodule` is given for the module `name`.
    pub fn path_of(self, name: &str) -> String {
        match self {
            Module::Stock => format!("{name}.so"),
            Module::Ours => our_module(name).display().to_string(),
        }
    }
}

/// The modules that this project builds too. Their names on Kamailio's own module path are the distribution's.
const REPLACED: [&str; 2] = ["sipcapture", "siptrace"];

/// The module under test: for `sipcapture` `SIPCAPTURE_KAMAILIO_MODULE`, else what `make kamailio` leaves behind; any
/// other lies beside that one.
fn our_module(name: &str) -> PathBuf {
    let path = place_of(name);
    assert!(
        path.is_file(),
        "{} does not exist: run `make kamailio` first, or set SIPCAPTURE_KAMAILIO_MODULE to the module to test",
        path.display()
    );
    path
}

fn place_of(name: &str) -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/kamailio/sipcapture.so");
    let sipcapture = env::var_os("SIPCAPTURE_KAMAILIO_MODULE").map_or(built, PathBuf::from);
    match name {
        "sipcapture" => sipcapture,
        _ => sipcapture.with_file_name(format!("{name}.so")),
    }
}

/// A parameter's value as `modparam` takes it.
#[derive(Clone, Debug)]
pub enum Param {
    /// A quoted string.
    Text(String),
    /// A bare number.
    Number(i64),
}

impl Param {
    /// As a configuration has it.
    pub fn literal(&self) -> String {
        match self {
            Param::Text(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            Param::Number(number) => number.to_string(),
        }
    }
}

impl From<&str> for Param {
    fn from(text: &str) -> Param {
        Param::Text(text.to_owned())
    }
}

impl From<&String> for Param {
    fn from(text: &String) -> Param {
        Param::Text(text.clone())
    }
}

impl From<i64> for Param {
    fn from(number: i64) -> Param {
        Param::Number(number)
    }
}

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ConfigBuilder {
    children: u32,
    tcp: bool,
    modules: Vec<String>,
    params: Vec<(String, String, Param)>,
    first_lines: Vec<String>,
    lines: Vec<String>,
    routes: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    user: Option<u32>,
    command: Vec<String>,
    whole: Option<String>,
}

impl ConfigBuilder {
    /// A server with one UDP socket, two workers, the modules that answer commands, and no routes.
    pub fn new() -> ConfigBuilder {
        ConfigBuilder {
            children: 2,
            tcp: false,
            modules: ["kex", "ctl", "pv", "sl", "xlog", "textops"].map(|name| format!("{name}.so")).to_vec(),
            params: Vec::new(),
            first_lines: Vec::new(),
            lines: Vec::new(),
            routes: Vec::new(),
            environment: Vec::new(),
            user: None,
            command: Vec::new(),
            whole: None,
        }
    }

    /// A server with this very configuration, in which `LISTEN_ADDRESS` and `LISTEN_PORT` stand for where it is to
    /// listen. The modules that answer commands come with the command line.
    pub fn whole(text: &str) -> ConfigBuilder {
        ConfigBuilder { whole: Some(text.to_owned()), ..ConfigBuilder::new() }
    }

    /// A capture node: HEP in, every message through `sip_capture()`, rows to `db_url`.
    ///
    /// The stock module needs the host's driver for the URL; ours brings its own.
    pub fn capture_node(module: Module, db_url: &str) -> ConfigBuilder {
        let bare = ConfigBuilder::capture_module(module, db_url);
        bare.route("request_route", "sip_capture(); exit;").route("onreply_route", "sip_capture(); drop;")
    }

    /// As [`ConfigBuilder::capture_node`], without routes.
    pub fn capture_module(module: Module, db_url: &str) -> ConfigBuilder {
        let mut config = ConfigBuilder::new();
        if module == Module::Stock {
            config = config.load(match db_url.split("://").next() {
                Some("sqlite") => "db_sqlite.so",
                Some("mysql") => "db_mysql.so",
                Some("postgres") => "db_postgres.so",
                other => panic!("no stock driver is known for {other:?}"),
            });
        }
        let config = config.load_capture(module).param("sipcapture", "db_url", db_url);
        config.param("sipcapture", "capture_on", 1).param("sipcapture", "hep_capture_on", 1)
    }

    /// Sets the number of UDP workers.
    pub fn children(mut self, children: u32) -> ConfigBuilder {
        self.children = children;
        self
    }

    /// Listens on TCP too, on the same port.
    pub fn tcp(mut self) -> ConfigBuilder {
        self.tcp = true;
        self
    }

    /// Loads a module, after those loaded before.
    pub fn load(mut self, module: &str) -> ConfigBuilder {
        self.modules.push(module.to_owned());
        self
    }

    /// Loads a capture module, after those loaded before.
    pub fn load_capture(self, module: Module) -> ConfigBuilder {
        self.load(&module.path())
    }

    /// Loads a capture agent, `siptrace`, after those loaded before.
    pub fn load_agent(self, module: Module) -> ConfigBuilder {
        self.load(&module.path_of("siptrace"))
    }

    /// Loads a module before those loaded so far: the host's drivers want to come before what uses them.
    pub fn load_first(mut self, module: &str) -> ConfigBuilder {
        self.modules.insert(0, module.to_owned());
        self
    }

    /// Sets a module's parameter; a second value for the same one is a second `modparam` line.
    pub fn param(mut self, module: &str, name: &str, value: impl Into<Param>) -> ConfigBuilder {
        self.params.push((module.to_owned(), name.to_owned(), value.into()));
        self
    }

    /// Sets a parameter of the capture module in place of the value it had.
    pub fn set(mut self, name: &str, value: impl Into<Param>) -> ConfigBuilder {
        self.params.retain(|(module, known, _)| module != "sipcapture" || known != name);
        self.param("sipcapture", name, value)
    }

    /// Takes back every value of a parameter of the capture agent.
    pub fn without(mut self, name: &str) -> ConfigBuilder {
        self.params.retain(|(module, known, _)| module != "siptrace" || known != name);
        self
    }

    /// Adds a line of the configuration's own language in front of the modules, for what they must find set.
    pub fn first_line(mut self, line: &str) -> ConfigBuilder {
        self.first_lines.push(line.to_owned());
        self
    }

    /// Adds a line of the configuration's own language, behind modules and parameters and before the routes.
    pub fn line(mut self, line: &str) -> ConfigBuilder {
        self.lines.push(line.to_owned());
        self
    }

    /// Sets the body of a route block (`request_route`, `onreply_route`, `event_route[...]`, `route[...]`).
    pub fn route(mut self, block: &str, body: &str) -> ConfigBuilder {
        self.routes.retain(|(known, _)| known != block);
        self.routes.push((block.to_owned(), body.to_owned()));
        self
    }

    /// Sets an environment variable of the server.
    pub fn environment(mut self, name: &str, value: &str) -> ConfigBuilder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has the server, started as root, go on as this user.
    pub fn run_as(mut self, user: u32) -> ConfigBuilder {
        self.user = Some(user);
        self
    }

    /// Starts the server through other words, as `unshare --mount`, whose process has to become the server's.
    pub fn through(mut self, command: Vec<String>) -> ConfigBuilder {
        self.command = command;
        self
    }

    fn text(&self, directory: &Path, address: SocketAddr) -> String {
        if let Some(whole) = &self.whole {
            let whole = whole.replace("LISTEN_ADDRESS", &address.ip().to_string());
            return whole.replace("LISTEN_PORT", &address.port().to_string());
        }
        let mut text = String::from("#!KAMAILIO\ndebug=2\nlog_stderror=yes\nauto_aliases=no\ndns=no\nrev_dns=no\n");
        // A quiet machine cannot be relied on: a busy worker must not lose datagrams to a small socket buffer.
        text.push_str("maxbuffer=8388608\n");
        let _ = writeln!(text, "children={}\nlisten=udp:{address}", self.children);
        match self.tcp {
            // An HTTP request has no Content-Length of a SIP message.
            true => writeln!(text, "listen=tcp:{address}\ntcp_accept_no_cl=yes"),
            false => writeln!(text, "disable_tcp=yes"),
        }
        .expect("a String takes every write");
        for line in &self.first_lines {
            let _ = writeln!(text, "{line}");
        }
        for module in &self.modules {
            let module = match kept_stock_module(module) {
                Some(_) => directory.join(module).display().to_string(),
                None => module.clone(),
            };
            let _ = writeln!(text, "loadmodule \"{module}\"");
        }
        let _ = writeln!(text, "modparam(\"ctl\", \"binrpc\", \"unix:{}\")", command_socket(directory).display());
        for (module, name, value) in &self.params {
            let _ = writeln!(text, "modparam(\"{module}\", \"{name}\", {})", value.literal());
        }
        for name in REPLACED {
            let spools = self.params.iter().any(|(module, known, _)| module == name && known == "spool_dir");
            if !spools && self.modules.contains(&place_of(name).display().to_string()) {
                // Servers must not share the spool of their default database.
                let spool = directory.join(format!("{name}-spool"));
                let _ = writeln!(text, "modparam(\"{name}\", \"spool_dir\", \"{}\")", spool.display());
            }
        }
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        let in_lines = self.lines.iter().any(|line| line.contains("request_route {"));
        if !in_lines && !self.routes.iter().any(|(block, _)| block == "request_route") {
            text.push_str("request_route {\n    exit;\n}\n");
        }
        for (block, body) in &self.routes {
            let _ = writeln!(text, "{block} {{\n    {body}\n}}");
        }
        text
    }

    /// Starts the server and waits until it answers commands; panics with its log if it does not.
    pub fn start(self) -> Kamailio {
        let mut server = self.spawn();
        let ready = eventually(PATIENCE, || server.ended().is_some() || server.rpc(&["core.version"]).is_ok());
        assert!(ready && server.ended().is_none(), "Kamailio does not come up:\n{}", server.log());
        server
    }

    /// Starts a server that is to refuse its configuration; the answer is its log.
    pub fn refused(self) -> String {
        let mut server = self.spawn();
        let decided = eventually(PATIENCE, || server.ended().is_some() || server.rpc(&["core.version"]).is_ok());
        assert!(decided && server.ended().is_some(), "Kamailio starts, though it should not:\n{}", server.log());
        server.log()
    }

    /// Starts the server and waits for nothing.
    pub fn spawn(self) -> Kamailio {
        let directory = TempDir::new().expect("a private directory");
        let address = free_address();
        for file in REPLACED.map(|name| format!("{name}.so")) {
            if let Some(kept) = kept_stock_module(&file) {
                // Kamailio loads what ends in .so; the configuration names this link where it means the distribution's
                // module.
                symlink(kept, directory.path().join(file)).expect("a link in a new directory");
            }
        }
        let config = directory.path().join("kamailio.cfg");
        fs::write(&config, self.text(directory.path(), address)).expect("the configuration is written");
        let log = fs::File::create(directory.path().join("log")).expect("the log is created");
        let mut words: Vec<OsString> = self.command.iter().map(OsString::from).collect();
        words.push(kamailio());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.arg("-f").arg(&config).args(["-DD", "-E", "-m", "64", "-M", "8"]);
        command.arg("-w").arg(directory.path()).arg("-Y").arg(directory.path());
        command.arg("-P").arg(directory.path().join("pid"));
        if self.whole.is_some() {
            command.args(["--loadmodule=kex.so", "--loadmodule=ctl.so"]);
            command.arg(format!("--modparam=ctl:binrpc:s:unix:{}", command_socket(directory.path()).display()));
        }
        if let Some(user) = self.user {
            chown(directory.path(), Some(user), None).expect("root may give its directory away");
            command.args(["-u", &user.to_string()]);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle of the log")).stderr(log);
        let child = command.process_group(0).spawn().expect("the kamailio program starts");
        Kamailio { child, directory, address, status: None }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Kamailio {
    child: Child,
    directory: TempDir,
    address: SocketAddr,
    status: Option<ExitStatus>,
}

impl Kamailio {
    /// The address of the UDP socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket that `kamcmd` talks to.
    pub fn command_socket(&self) -> PathBuf {
        command_socket(self.directory.path())
    }

    /// Everything that the server has logged.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.directory.path().join("log")).expect("the log is readable");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs a command through `kamcmd`; `Err` is the fault as `code - text`, or that nobody answers.
    pub fn rpc(&self, words: &[&str]) -> Result<String, String> {
        let socket = format!("unix:{}", command_socket(self.directory.path()).display());
        let output = Command::new("kamcmd").args(["-s", &socket]).args(words).output().expect("kamcmd runs");
        let answer = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        match answer.strip_prefix("error: ") {
            Some(fault) => Err(fault.to_owned()),
            None if output.status.success() => Ok(answer),
            None => Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()),
        }
    }

    /// The statistics of the capture module, by name.
    pub fn statistics(&self) -> BTreeMap<String, u64> {
        self.statistics_of("sipcapture")
    }

    /// The statistics of a module, by name.
    pub fn statistics_of(&self, module: &str) -> BTreeMap<String, u64> {
        let group = format!("{module}:");
        let answer = self.rpc(&["stats.get_statistics", &group]).expect("statistics are answered");
        let statistic = |line: &str| {
            let (name, value) = line.trim().strip_prefix(&group)?.split_once(" = ")?;
            Some((name.to_owned(), value.parse().expect("a statistic is a number")))
        };
        answer.lines().filter_map(statistic).collect()
    }

    /// One statistic of the capture module.
    pub fn statistic(&self, name: &str) -> u64 {
        let statistics = self.statistics();
        *statistics.get(name).unwrap_or_else(|| panic!("no statistic {name} in {statistics:?}"))
    }

    /// Datagrams that the kernel has thrown away because the UDP socket's buffer was full.
    ///
    /// How large that buffer may be is the machine's own affair (`net.core.rmem_max`): where it is small, a worker that
    /// does not get its turn for a moment loses packets before the server can know of them. A test that accounts for
    /// every datagram counts these.
    pub fn kernel_drops(&self) -> u64 {
        drops_of(self.address)
    }

    /// Waits until each of `sent` messages is captured, or dropped by the kernel, and no capture is queued or in the
    /// spool any more; the answer is the number of captures.
    pub fn settle(&self, sent: u64, limit: Duration) -> u64 {
        let mut captured = 0;
        within(
            limit,
            &format!("{sent} messages are captured, or dropped by the kernel, and none is queued or spooled"),
            || {
                captured = sent - self.kernel_drops();
                let statistics = self.statistics();
                statistics["captured"] == captured && statistics["queued"] == 0 && statistics["spooled"] == 0
            },
        );
        captured
    }

    /// Asserts that the counters add up at a quiet moment, in the statistics and in `sipcapture.stats`. They are read
    /// one by one, so one that moves meanwhile is reason to read them again.
    pub fn assert_balance(&self) {
        self.assert_balance_of("sipcapture");
    }

    /// As [`Kamailio::assert_balance`], for the counters of another module of ours.
    pub fn assert_balance_of(&self, module: &str) {
        if !eventually(Duration::from_secs(2), || self.balance(module).is_ok()) {
            self.balance(module).unwrap_or_else(|why| panic!("{why}"));
        }
    }

    fn balance(&self, module: &str) -> Result<(), String> {
        let statistics = self.statistics_of(module);
        let of = |name: &str| statistics[name];
        let known = of("stored") + of("spooled") + of("queued") + of("dead_lettered") + of("dropped");
        if of("captured") != known {
            return Err(format!("{} captured, {known} known: {statistics:?}", of("captured")));
        }
        let reasons = statistics.iter().filter(|(name, _)| name.starts_with("dropped_")).map(|(_, value)| value);
        let reasons = reasons.sum::<u64>();
        if of("dropped") != reasons {
            return Err(format!("{} dropped, {reasons} by reason: {statistics:?}", of("dropped")));
        }
        let stats = self.rpc(&[&format!("{module}.stats")]).expect("the module's counters are answered");
        let field = |name: &str| {
            let value = stats.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
            let value = value.unwrap_or_else(|| panic!("no {name} in {stats}"));
            value.parse::<u64>().unwrap_or_else(|_| panic!("{name} is no number in {stats}"))
        };
        for name in ["captured", "stored", "spooled", "queued", "dead_lettered", "dropped"] {
            if field(name) != of(name) {
                return Err(format!("{name} differs in {stats} and {statistics:?}"));
            }
        }
        Ok(())
    }

    /// As [`Kamailio::settle`], while the writers gather: all captures are to be queued.
    pub fn settle_queued(&self, sent: u64) -> u64 {
        let mut captured = 0;
        within(PATIENCE, &format!("{sent} messages are queued, or dropped by the kernel"), || {
            captured = sent - self.kernel_drops();
            self.statistic("queued") == captured
        });
        captured
    }

    /// Process ids and descriptions of the processes that the server knows of, the main one first.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let answer = self.rpc(&["core.psx"]).expect("core.psx is answered");
        let field = |line: &str, name: &str| line.trim().strip_prefix(name).map(str::to_owned);
        let pids = answer.lines().filter_map(|line| field(line, "PID: ")?.parse().ok());
        pids.zip(answer.lines().filter_map(|line| field(line, "DSC: "))).collect()
    }

    /// Process ids of the UDP workers.
    pub fn workers(&self) -> Vec<i32> {
        let udp = |(pid, what): (i32, String)| what.starts_with("udp receiver").then_some(pid);
        self.processes().into_iter().filter_map(udp).collect()
    }

    /// Processes of the server's group that the server itself does not know of: children of its children.
    pub fn grandchildren(&self) -> Vec<i32> {
        let known: Vec<_> = self.processes().into_iter().map(|(pid, _)| pid).collect();
        self.group().into_iter().filter(|pid| !known.contains(pid)).collect()
    }

    /// All processes of the server's group that run (zombies are no longer running).
    pub fn group(&self) -> Vec<i32> {
        processes_of_group(self.pid())
    }

    /// Process id of the main process, which is also the id of the group.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Whether the main process has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("the server is our child");
        }
        self.status
    }

    /// Asserts that the server is there and answers.
    pub fn assert_serving(&mut self) {
        assert!(self.ended().is_none(), "the server has ended:\n{}", self.log());
        self.rpc(&["core.version"]).unwrap_or_else(|fault| panic!("no answer: {fault}\n{}", self.log()));
    }

    /// Sends SIGTERM to the main process and waits until the whole group has gone.
    pub fn stop(&mut self) -> ExitStatus {
        self.terminate();
        within(Duration::from_secs(60), "the server and its children end after SIGTERM", || {
            self.ended().is_some() && self.group().is_empty()
        });
        self.status.expect("the server has ended")
    }

    /// Sends SIGTERM to the main process and does not wait.
    pub fn terminate(&self) {
        signal(self.pid(), Signal::TERM);
    }

    /// Kills the main process alone, as an out-of-memory killer would, and reaps it.
    pub fn kill_main(&mut self) {
        signal(self.pid(), Signal::KILL);
        within(PATIENCE, "the killed main process is reaped", || self.ended().is_some());
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if std::thread::panicking() {
            show_end(&self.log());
        }
        end_group(&mut self.child);
    }
}

/// Shows the end of a server's log.
pub fn show_end(log: &str) {
    let start = log.len().saturating_sub(4000);
    eprintln!("--- end of the server's log\n{}", String::from_utf8_lossy(&log.as_bytes()[start..]));
}

/// Kills a server and all processes of its group.
pub fn end_group(server: &mut Child) {
    if let Some(group) = Pid::from_raw(server.id().cast_signed()) {
        // Nobody is left to be killed when the server has been stopped.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = server.wait();
}

/// Datagrams that the kernel has thrown away because the buffer of the UDP socket at this port was full.
pub fn drops_of(address: SocketAddr) -> u64 {
    let sockets = fs::read_to_string("/proc/thread-self/net/udp").expect("the kernel lists its sockets");
    let port = format!(":{:04X}", address.port());
    let drops = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1)?.ends_with(&port).then(|| fields.last()?.parse::<u64>().ok())?
    };
    let of_port: Vec<u64> = sockets.lines().filter_map(drops).collect();
    assert!(!of_port.is_empty(), "the socket is not listed:\n{sockets}");
    of_port.iter().sum()
}

/// Sends a signal to one process.
pub fn signal(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).expect("a process id");
    kill_process(pid, signal).unwrap_or_else(|error| panic!("{signal:?} to {pid:?}: {error}"));
}

/// All processes of a group that run (zombies are no longer running).
pub fn processes_of_group(group: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| process_group(*pid) == Some(group)).collect()
}

/// The group of a running process; `None` when it has gone or is a zombie.
fn process_group(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, in brackets, may hold blanks; what follows it does not.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let (state, _parent, group) = (fields.next()?, fields.next()?, fields.next()?);
    if state == "Z" { None } else { group.parse().ok() }
}

fn command_socket(directory: &Path) -> PathBuf {
    directory.join("ctl")
}

/// The program to start: `KAMAILIO`, the one that the module is built for, else that in `PATH`.
pub fn kamailio() -> OsString {
    env::var_os("KAMAILIO").filter(|program| !program.is_empty()).unwrap_or_else(|| "kamailio".into())
}

/// Where installing our module has put the distribution's `file`; `None` when that is in its own place, or no file that
/// we replace.
fn kept_stock_module(file: &str) -> Option<PathBuf> {
    static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
        let named = env::var("KAMAILIO_MODULES_DIR").ok().filter(|directory| !directory.is_empty());
        let directory = named.unwrap_or_else(|| {
            let output = Command::new(kamailio()).arg("-h").output().expect("the kamailio program starts");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let behind =
                text.split_once("Modules search path (default: ").expect("the help names the modules' directory").1;
            behind.split([':', ')']).next().unwrap_or_default().to_owned()
        });
        PathBuf::from(directory)
    });
    if !REPLACED.iter().any(|name| file == format!("{name}.so")) {
        return None;
    }
    let kept = DIRECTORY.join(format!("{file}.stock"));
    kept.is_file().then_some(kept)
}
