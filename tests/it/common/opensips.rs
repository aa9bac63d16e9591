//! A real OpenSIPS in a private directory, on free loopback ports, started from a generated configuration.
//!
//! The server runs in the foreground as its own process group, its log in a file, its command socket in the private
//! directory. Dropping an [`OpenSips`] kills the whole group, so that a failed test leaves nothing behind.
//!
//! Which server: the configured and built tree `OPENSIPS_SRC` and the program `OPENSIPS_BIN`, else those below
//! [`USUAL_PLACE`].

use super::kamailio::{Module, Param, end_group, processes_of_group, show_end, signal};
use super::ports::free_address;
use super::release::say_skipped;
use super::wait::{eventually, within};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};
use tempfile::TempDir;

/// How long a server may take to answer its first command, and to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where a server is looked for that no environment variable names: `src` and `sbin/opensips` below it.
const USUAL_PLACE: &str = "/opt/opensips";
/// How often a server is started whose port somebody else has taken meanwhile.
const TRIES: usize = 3;

/// The server under test.
#[derive(Debug)]
struct Installation {
    tree: PathBuf,
    program: PathBuf,
}

impl Installation {
    fn find() -> Option<Installation> {
        let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let usual = Path::new(USUAL_PLACE);
        let tree = named("OPENSIPS_SRC").unwrap_or_else(|| usual.join("src"));
        let program = named("OPENSIPS_BIN").unwrap_or_else(|| {
            let built = tree.join("opensips");
            if built.is_file() { built } else { usual.join("sbin/opensips") }
        });
        (tree.join("Makefile.conf").is_file() && program.is_file()).then_some(Installation { tree, program })
    }

    /// The path of the server's own module `name`.
    fn module(&self, name: &str) -> PathBuf {
        let built = self.tree.join("modules").join(name).join(format!("{name}.so"));
        if built.is_file() { built } else { Path::new(USUAL_PLACE).join("modules").join(format!("{name}.so")) }
    }
}

fn installation() -> Option<&'static Installation> {
    static FOUND: OnceLock<Option<Installation>> = OnceLock::new();
    FOUND.get_or_init(Installation::find).as_ref()
}

/// Whether the test that runs has to be left out because there is no OpenSIPS; says so then.
pub fn is_missing() -> bool {
    let missing = installation().is_none();
    if missing {
        say_skipped("no OpenSIPS: set OPENSIPS_SRC to a configured and built tree");
    }
    missing
}

/// The module under test: `SIPCAPTURE_OPENSIPS_MODULE`, else one that is built for the tree, once a run.
fn our_module(tree: &Path) -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(named) = env::var_os("SIPCAPTURE_OPENSIPS_MODULE") {
            let path = PathBuf::from(named);
            assert!(path.is_file(), "{} does not exist: SIPCAPTURE_OPENSIPS_MODULE names it", path.display());
            return path;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let target = kept.parent().expect("it is below the target directory");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let core = Command::new(cargo).args(["build", "--locked", "--lib"]).current_dir(root).output();
        expect_success("the core", &core.expect("cargo runs"));
        let out = kept.join(format!("opensips-{}", std::process::id()));
        let mut script = Command::new(root.join("scripts/build-opensips.sh"));
        script.arg("sipcapture").arg(target.join("debug/libsipcapture_core.a")).arg(tree).env("MODULE_OUT", &out);
        expect_success("the module", &script.output().expect("the script runs"));
        // Another run may use the module that a run before this one has built.
        let module = kept.join("opensips-sipcapture.so");
        fs::rename(out.join("sipcapture.so"), &module).expect("the module is moved");
        fs::remove_dir_all(&out).expect("what it was built of goes");
        module
    })
}

fn expect_success(what: &str, output: &std::process::Output) {
    let text = [&output.stdout[..], &output.stderr].concat();
    assert!(output.status.success(), "{what} cannot be built:\n{}", String::from_utf8_lossy(&text));
}

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct ConfigBuilder {
    workers: u32,
    modules: Vec<PathBuf>,
    params: Vec<(String, String, Param)>,
    routes: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    is_ours: bool,
}

impl ConfigBuilder {
    /// A server with a SIP and a HEP socket, both UDP, two workers, MI, no capture module and no routes.
    pub fn new() -> ConfigBuilder {
        let installation = installation().expect("is_missing() was asked");
        ConfigBuilder {
            workers: 2,
            modules: ["proto_hep", "mi_datagram"].map(|name| installation.module(name)).to_vec(),
            params: Vec::new(),
            routes: Vec::new(),
            environment: Vec::new(),
            is_ours: false,
        }
    }

    /// A capture node: HEP in, every message through `sip_capture()`, rows to `db_url`.
    ///
    /// The stock module needs the host's driver for the URL; ours brings its own.
    pub fn capture_node(module: Module, db_url: &str) -> ConfigBuilder {
        let mut config = ConfigBuilder::new();
        let installation = installation().expect("is_missing() was asked");
        if module == Module::Stock {
            config = config.load("db_sqlite").load("sipcapture");
        } else {
            config.modules.push(our_module(&installation.tree).to_owned());
            config.is_ours = true;
        }
        let config = config.param("db_url", db_url).param("capture_on", 1).param("hep_capture_on", 1);
        config.route("route", "sip_capture(); exit;").route("onreply_route", "sip_capture(); drop;")
    }

    /// Sets the number of UDP workers.
    pub fn workers(mut self, workers: u32) -> ConfigBuilder {
        self.workers = workers;
        self
    }

    /// Loads a module of the server, after those loaded before.
    pub fn load(mut self, name: &str) -> ConfigBuilder {
        self.modules.push(installation().expect("is_missing() was asked").module(name));
        self
    }

    /// Sets a parameter of the capture module in place of the value it had.
    pub fn param(self, name: &str, value: impl Into<Param>) -> ConfigBuilder {
        self.param_of("sipcapture", name, value)
    }

    /// The same of another module.
    pub fn param_of(mut self, module: &str, name: &str, value: impl Into<Param>) -> ConfigBuilder {
        self.params.retain(|(known_module, known, _)| known_module != module || known != name);
        self.params.push((module.to_owned(), name.to_owned(), value.into()));
        self
    }

    /// Sets the body of a route block (`route`, `onreply_route`, `route[...]`).
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

    fn text(&self, directory: &Path, sip: SocketAddr, hep: SocketAddr) -> String {
        let mut text = String::from("log_level=3\nstderror_enabled=yes\nsyslog_enabled=no\n");
        // A busy worker must not lose datagrams to a small socket buffer.
        let _ = writeln!(text, "maxbuffer=8388608\nudp_workers={}", self.workers);
        let _ = writeln!(text, "socket=udp:{sip}\nsocket=hep_udp:{hep}");
        text.push_str("loadmodule \"proto_udp.so\"\n");
        for module in &self.modules {
            let _ = writeln!(text, "loadmodule \"{}\"", module.display());
        }
        let _ = writeln!(text, "modparam(\"mi_datagram\", \"socket_name\", \"{}\")", directory.join("mi").display());
        for (module, name, value) in &self.params {
            let _ = writeln!(text, "modparam(\"{module}\", \"{name}\", {})", value.literal());
        }
        if self.is_ours && !self.params.iter().any(|(_, name, _)| name == "spool_dir") {
            // Servers must not share the spool of their default database.
            let spool = directory.join("spool");
            let _ = writeln!(text, "modparam(\"sipcapture\", \"spool_dir\", \"{}\")", spool.display());
        }
        for (block, body) in &self.routes {
            let _ = writeln!(text, "{block} {{\n    {body}\n}}");
        }
        text
    }

    /// Starts the server and waits until it answers commands; panics with its log if it does not.
    pub fn start(self) -> OpenSips {
        let server = self.decided();
        assert!(server.status.is_none(), "OpenSIPS does not come up:\n{}", server.log());
        server
    }

    /// Starts a server that is to refuse its configuration; the answer is its log.
    pub fn refused(self) -> String {
        let server = self.decided();
        assert!(server.status.is_some(), "OpenSIPS starts, though it should not:\n{}", server.log());
        server.log()
    }

    /// A server that has ended, or answers commands.
    fn decided(self) -> OpenSips {
        for tried in 1.. {
            let mut server = self.spawn();
            let is_decided = eventually(PATIENCE, || server.ended().is_some() || server.is_up());
            assert!(is_decided, "OpenSIPS neither ends nor answers:\n{}", server.log());
            let port_was_taken = server.ended().is_some() && server.log().contains("Address already in use");
            if !port_was_taken || tried == TRIES {
                return server;
            }
        }
        unreachable!("the last try returns")
    }

    fn spawn(&self) -> OpenSips {
        let installation = installation().expect("is_missing() was asked");
        let directory = TempDir::new().expect("a private directory");
        let (sip, hep) = (free_address(), free_address());
        let config = directory.path().join("opensips.cfg");
        fs::write(&config, self.text(directory.path(), sip, hep)).expect("the configuration is written");
        let log = fs::File::create(directory.path().join("log")).expect("the log is created");
        let mut command = Command::new(&installation.program);
        command.arg("-F").arg("-f").arg(&config).args(["-m", "64", "-M", "8"]);
        command.arg("-w").arg(directory.path()).arg("-P").arg(directory.path().join("pid"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle of the log")).stderr(log);
        let child = command.process_group(0).spawn().expect("the opensips program starts");
        OpenSips { child, directory, sip, hep, status: None }
    }
}

/// A running server.
#[derive(Debug)]
pub struct OpenSips {
    child: Child,
    directory: TempDir,
    sip: SocketAddr,
    hep: SocketAddr,
    status: Option<ExitStatus>,
}

impl OpenSips {
    /// The address of the SIP socket.
    pub fn sip_address(&self) -> SocketAddr {
        self.sip
    }

    /// The address of the HEP socket.
    pub fn hep_address(&self) -> SocketAddr {
        self.hep
    }

    /// Its private directory, where its configuration is `opensips.cfg`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Everything that the server has logged.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.directory.path().join("log")).expect("the log is readable");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a command with these parameters (JSON, or empty for none) over MI, id 1; the answer is what came back,
    /// byte for byte.
    pub fn mi(&self, method: &str, params: &str) -> io::Result<String> {
        let params = if params.is_empty() { String::new() } else { format!(r#","params":{params}"#) };
        let request = format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":1{params}}}"#);
        let place = tempfile::tempdir()?;
        let socket = UnixDatagram::bind(place.path().join("client"))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        socket.send_to(request.as_bytes(), self.directory.path().join("mi"))?;
        let mut answer = vec![0; 65_536];
        let length = socket.recv(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// The `result` of a command that is to work.
    pub fn result(&self, method: &str, params: &str) -> Value {
        let answer = self.mi(method, params).unwrap_or_else(|error| panic!("{method}: {error}\n{}", self.log()));
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        answer.get("result").unwrap_or_else(|| panic!("{method} {params}: {answer}")).clone()
    }

    /// Whether all its processes are there: they are made one after the other, and the one that answers is not the
    /// last.
    fn is_up(&self) -> bool {
        let processes = self.mi("ps", "").unwrap_or_default();
        ["attendant", "Timer handler"].iter().all(|last| processes.contains(last))
    }

    /// The statistics of the capture module, by name.
    pub fn statistics(&self) -> BTreeMap<String, u64> {
        let Value::Object(result) = self.result("get_statistics", r#"[["sipcapture:"]]"#) else {
            panic!("statistics are an object")
        };
        let statistic = |(name, value): (String, Value)| {
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
            let name = name.strip_prefix("sipcapture:").unwrap_or(&name).to_owned();
            (name, number.expect("a statistic is a number"))
        };
        result.into_iter().map(statistic).collect()
    }

    /// One of them.
    pub fn statistic(&self, name: &str) -> u64 {
        let statistics = self.statistics();
        *statistics.get(name).unwrap_or_else(|| panic!("no statistic {name} in {statistics:?}"))
    }

    /// Process ids and descriptions of the processes that the server knows of.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let result = self.result("ps", "");
        let processes = result["Processes"].as_array().expect("a list of processes").iter();
        let pid = |process: &Value| process["PID"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        processes
            .map(|process| {
                (pid(process).expect("a process id"), process["Type"].as_str().unwrap_or_default().to_owned())
            })
            .collect()
    }

    /// Processes of the server's group that the server itself does not know of: children of its children.
    pub fn grandchildren(&self) -> Vec<i32> {
        let known: Vec<_> = self.processes().into_iter().map(|(pid, _)| pid).collect();
        processes_of_group(self.pid()).into_iter().filter(|pid| !known.contains(pid)).collect()
    }

    fn pid(&self) -> i32 {
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
        self.mi("uptime", "").unwrap_or_else(|fault| panic!("no answer: {fault}\n{}", self.log()));
    }

    /// Sends SIGTERM to the main process and waits until the whole group has gone.
    pub fn stop(&mut self) -> ExitStatus {
        signal(self.pid(), Signal::TERM);
        within(Duration::from_secs(60), "the server and its children end after SIGTERM", || {
            self.ended().is_some() && processes_of_group(self.pid()).is_empty()
        });
        self.status.expect("the server has ended")
    }
}

impl Drop for OpenSips {
    fn drop(&mut self) {
        if std::thread::panicking() {
            show_end(&self.log());
        }
        end_group(&mut self.child);
    }
}
