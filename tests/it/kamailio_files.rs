//! Files that hold SIP, and who may read them: whatever the umask, and also where the server starts as root and goes
//! on as somebody else.

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::rows::{count, execute};
use crate::common::sip::{answered_call, call_id};
use crate::common::wait::within;
use crate::tool::running::run;
use std::fs::{Permissions, metadata, read_dir, set_permissions};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
/// The user that owns nothing, and its group.
const NOBODY: u32 = 65_534;
/// A user who is not NOBODY.
const SOMEBODY: u32 = 65_533;

/// A directory that everybody may look into, and a place for captures in it that is not there yet.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Place {
        let directory = TempDir::new().expect("a private directory");
        set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("it is ours");
        Place { directory }
    }

    fn captures(&self) -> PathBuf {
        self.directory.path().join("captures")
    }

    fn file(&self) -> PathBuf {
        self.captures().join("of").join("today.db")
    }

    fn spool(&self) -> PathBuf {
        self.captures().join("spool")
    }

    fn url(&self) -> String {
        format!("sqlite:///{}", self.file().display())
    }

    /// A server of ours of each kind whose table is `table`, and whose umask is `umask`.
    fn servers(&self, umask: &str) -> [(ConfigBuilder, &'static str); 2] {
        let under = |config: ConfigBuilder| {
            let words = ["sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"];
            config.through(words.map(str::to_owned).to_vec()).run_as(NOBODY).first_line("group=\"nogroup\"")
        };
        let (url, spool) = (self.url(), self.spool().display().to_string());
        let node = ConfigBuilder::capture_node(Module::Ours, &url).set("spool_dir", &spool);
        let agent = ConfigBuilder::new().load("tm.so").load_agent(Module::Ours).param("siptrace", "trace_on", 1);
        let agent = agent.param("siptrace", "trace_mode", 2).param("siptrace", "db_url", &url);
        let agent = agent.param("siptrace", "spool_dir", &spool);
        [(under(node), "sip_capture"), (under(agent), "sip_trace")]
    }
}

/// Has a server of the kind that stores in `table` receive a message.
fn send(server: &Kamailio, table: &str) {
    let message = answered_call("files", 1)[0].text.clone();
    let source = SocketAddr::from(([192, 0, 2, 10], 5060));
    let observed = Observed::sip(source, SocketAddr::from(([192, 0, 2, 20], 5060)), 1_749_988_800_000_000, &message);
    if table == "sip_trace" {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.send_to(&message, server.address()).expect("a datagram leaves");
    } else {
        HepSender::to(server.address()).send(&observed.v3());
    }
}

/// The same, until it is stored.
fn store(server: &Kamailio, place: &Place, table: &str) {
    let before = count(&place.url(), table);
    send(server, table);
    within(PATIENCE, "a row is stored", || count(&place.url(), table) > before);
}

fn mode(path: &Path) -> u32 {
    metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode() & 0o7777
}

/// Everything below `place`.
fn below(place: &Path) -> Vec<PathBuf> {
    let entries = read_dir(place).expect("a directory").flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| if path.is_dir() { [vec![path.clone()], below(&path)].concat() } else { vec![path] })
        .collect()
}

#[test]
fn database_journal_and_spool_are_for_owner_and_group_at_most_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let kept = !u32::from_str_radix(umask, 8).expect("an octal number");
        for number in 0..2 {
            let place = Place::new();
            let (config, table) = place.servers(umask)[number].clone();
            let mut server = config.start();
            store(&server, &place, table);
            let file = place.file();
            let beside = |ending: &str| PathBuf::from(format!("{}{ending}", file.display()));
            for path in [file.clone(), beside("-wal"), beside("-shm")] {
                assert_eq!(mode(&path), 0o640 & kept, "umask {umask}: {}", path.display());
                let owner = metadata(&path).expect("it is there");
                assert_eq!((owner.uid(), owner.gid()), (NOBODY, NOBODY), "{}", path.display());
            }
            for directory in [place.captures(), place.captures().join("of")] {
                assert_eq!(mode(&directory), 0o750 & kept, "umask {umask}: {}", directory.display());
                assert_eq!(metadata(&directory).expect("it is there").uid(), NOBODY);
            }
            assert_eq!(mode(&place.spool()), 0o700);
            for path in below(&place.spool()) {
                assert_eq!(mode(&path) & 0o077, 0, "umask {umask}: {}", path.display());
            }
            assert!(!server.log().contains("can be read by every user"), "{}", server.log());
            server.stop();
        }
    }
}

#[test]
fn a_database_that_everybody_may_read_keeps_its_mode_and_is_warned_of_once() {
    for number in 0..2 {
        let place = Place::new();
        let (mut config, table) = place.servers("022")[number].clone();
        if number == 0 {
            // A mode with the same file, named otherwise.
            let url = place.url().replacen("sqlite:////", "sqlite:////./", 1);
            let mode = format!("again=>db_url={url};table_name=sip_capture;mt_mode=rand");
            config = config.set("capture_mode", mode.as_str());
        }
        let mut server = config.clone().start();
        store(&server, &place, table);
        server.stop();
        set_permissions(place.file(), Permissions::from_mode(0o644)).expect("root may");
        // Its directories keep others out.
        let mut server = config.clone().start();
        store(&server, &place, table);
        assert!(!server.log().contains("can be read by every user"), "{}", server.log());
        server.stop();
        for directory in [place.captures(), place.captures().join("of")] {
            set_permissions(directory, Permissions::from_mode(0o755)).expect("root may");
        }
        let mut server = config.clone().start();
        store(&server, &place, table);
        let log = server.log();
        let warnings: Vec<&str> = log.lines().filter(|line| line.contains("can be read by every user")).collect();
        let [warning] = warnings[..] else { panic!("one warning is expected: {warnings:?}") };
        for part in ["WARNING", &place.file().display().to_string(), "mode 0644", "chmod o-rwx"] {
            assert!(warning.contains(part), "{part} is not in {warning}");
        }
        let wal = PathBuf::from(format!("{}-wal", place.file().display()));
        assert_eq!((mode(&place.file()), mode(&wal)), (0o644, 0o644));
        server.stop();
        set_permissions(place.file(), Permissions::from_mode(0o600)).expect("root may");
        let server = config.start();
        store(&server, &place, table);
        assert_eq!(mode(&place.file()), 0o600);
        assert!(!server.log().contains("can be read by every user"), "{}", server.log());
    }
}

#[test]
fn a_database_that_was_removed_while_the_server_runs_is_made_anew_with_the_same_mode() {
    let place = Place::new();
    let (config, table) = place.servers("000")[0].clone();
    let server = config.start();
    store(&server, &place, table);
    for ending in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{ending}", place.file().display())).expect("root may");
    }
    // A reader would make the file.
    send(&server, table);
    within(PATIENCE, "the database is made anew", || place.file().exists());
    let owner = metadata(place.file()).expect("it is there");
    assert_eq!((mode(&place.file()), owner.uid()), (0o640, NOBODY));
    within(PATIENCE, "the second row is stored", || server.statistic("stored") == 2);
}

#[test]
fn a_symbolic_link_to_nothing_is_refused_and_nothing_is_made() {
    let place = Place::new();
    std::fs::create_dir_all(place.file().parent().expect("a directory")).expect("root may");
    let target = place.directory.path().join("target.db");
    std::os::unix::fs::symlink(&target, place.file()).expect("root may");
    let (config, _) = place.servers("022")[0].clone();
    let log = config.refused();
    assert!(log.contains("db_url") && log.contains(&place.file().display().to_string()), "{log}");
    assert!(!target.exists());
}

#[test]
fn the_tool_reads_the_database_for_users_of_the_servers_group_and_for_nobody_else() {
    let place = Place::new();
    let (config, table) = place.servers("022")[0].clone();
    let mut server = config.start();
    store(&server, &place, table);
    // The tool's own place may be closed to others.
    let tool = place.directory.path().join("sipcapture");
    std::fs::copy(env!("CARGO_BIN_EXE_sipcapture"), &tool).expect("the tool is copied");
    let calls = |group| {
        let mut other = Command::new("setpriv");
        other.args([&format!("--reuid={SOMEBODY}"), &format!("--regid={group}"), "--clear-groups"]);
        other.arg(&tool).args(["calls", "--since", "2025-01-01", "--db", &place.url()]);
        run(&mut other)
    };
    // While the server has the journal open, and when it has closed it.
    for is_running in [true, false] {
        if !is_running {
            server.stop();
        }
        let read = calls(NOBODY);
        assert!(read.code == 0 && read.out.contains(&call_id("files", 1)), "{read:?}");
        let refused = calls(SOMEBODY);
        assert!(refused.code != 0 && refused.err.contains("ermission denied"), "{refused:?}");
    }
}

#[test]
fn what_the_tool_exports_has_the_mode_that_its_users_umask_gives() {
    let place = Place::new();
    let (config, table) = place.servers("022")[0].clone();
    let server = config.start();
    store(&server, &place, table);
    execute(&place.url(), "PRAGMA wal_checkpoint");
    for (umask, expected) in [("022", 0o644), ("077", 0o600)] {
        let out = place.directory.path().join(format!("{umask}.pcap"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_sipcapture"), "export"]);
        shell.args([&call_id("files", 1), "-o"]).arg(&out).args(["--db", &place.url()]);
        let exported = run(&mut shell);
        assert_eq!(exported.code, 0, "{exported:?}");
        assert_eq!(mode(&out), expected);
    }
}
