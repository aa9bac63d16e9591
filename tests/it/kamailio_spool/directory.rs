//! The spool's directory: in use, not to be written, damaged.

use super::database::{Database, Kind};
use super::place::ReadOnly;
use super::traffic::packets;
use super::trial::{PATIENCE, Stored, await_empty, node};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module, signal};
use crate::common::wait::within;
use crate::tool::running::run;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Captures in the spool of a server whose database is away.
const SPOOLED: u64 = 700;

#[test]
fn a_second_server_refuses_a_spool_directory_in_use_and_names_it_and_its_owner() {
    let database = Database::start(Kind::Sqlite);
    let spool = tempfile::tempdir().expect("a private directory");
    let place = spool.path().display().to_string();
    let node = node(&database.url()).set("spool_dir", &place).set("shutdown_timeout", 1);
    let mut first = node.clone().start();
    let log = node.clone().refused();
    let owner = format!("{place} is in use by process {}", first.pid());
    assert!(log.contains(&owner), "{owner} is not in {log}");
    first.assert_serving();
    first.stop();
    node.start().assert_serving();
}

/// A server of each module of ours with its spool in `place`, and 300 s to wait for another one's.
fn nodes(url: &str, place: &str) -> [ConfigBuilder; 2] {
    let agent = ConfigBuilder::new().load_agent(Module::Ours).param("siptrace", "db_url", url);
    let agent = agent.param("siptrace", "trace_to_database", 1).param("siptrace", "spool_dir", place);
    [node(url).set("spool_dir", place).set("shutdown_timeout", 50), agent.param("siptrace", "shutdown_timeout", 50)]
}

/// Starts a server that waits for the spool of another one, and answers once it has said so.
fn await_waiting(node: ConfigBuilder, place: &str, owner: i32) -> Kamailio {
    let mut second = node.spawn();
    within(PATIENCE, "the second server says what it waits for", || {
        assert!(second.ended().is_none(), "it has ended:\n{}", second.log());
        let said = format!("parameter spool_dir: directory {place} is in use by process {owner}");
        second.log().lines().any(|line| line.contains(&said) && line.contains("Waiting up to 55 s"))
    });
    second
}

#[test]
fn a_server_that_waits_for_the_spool_of_another_says_so_at_once_and_ends_when_it_is_told_to() {
    let database = Database::start(Kind::Sqlite);
    let spool = tempfile::tempdir().expect("a private directory");
    let place = spool.path().display().to_string();
    for node in nodes(&database.url(), &place) {
        let mut first = node.clone().start();
        for told in [Signal::TERM, Signal::INT] {
            let mut second = await_waiting(node.clone(), &place, first.pid());
            signal(second.pid(), told);
            // Far less than what is left of the wait.
            within(Duration::from_secs(20), "the server that waits has ended", || {
                second.ended().is_some() && second.group().is_empty()
            });
            let log = second.log();
            assert!(log.contains("told to end while it waited for the spool directory"), "{log}");
            assert_eq!(log.matches("is in use by").count(), 1, "{log}");
        }
        first.assert_serving();
        first.stop();
    }
}

#[test]
fn a_server_that_waits_for_the_spool_of_another_goes_on_when_that_one_ends() {
    let database = Database::start(Kind::Sqlite);
    let spool = tempfile::tempdir().expect("a private directory");
    let place = spool.path().display().to_string();
    for node in nodes(&database.url(), &place) {
        let mut first = node.clone().start();
        let mut second = await_waiting(node, &place, first.pid());
        first.stop();
        within(PATIENCE, "the second server answers", || second.rpc(&["core.version"]).is_ok());
        assert!(
            second.log().contains(&format!("the spool directory {place} is this server's now")),
            "{}",
            second.log()
        );
        second.assert_serving();
        // The signals that ended the wait have their own meaning again.
        assert!(second.stop().success(), "{}", second.log());
    }
}

/// The process that `server` is in the pid namespace that `unshare` made for it.
fn first_of_namespace(server: &Kamailio) -> i32 {
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    let children = fs::read_to_string(children).expect("unshare runs");
    children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("unshare has a child")
}

#[test]
fn a_server_in_a_container_waits_for_one_in_another_container_though_both_are_process_1() {
    let database = Database::start(Kind::Sqlite);
    let spool = tempfile::tempdir().expect("a private directory");
    let place = spool.path().display().to_string();
    let container = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"].map(str::to_owned);
    for node in nodes(&database.url(), &place) {
        let node = node.through(container.to_vec());
        let first = node.clone().start();
        let mut second = node.spawn();
        let owner =
            format!("directory {place} is in use by a process of another container or machine (there it is process 1)");
        within(PATIENCE, "the second server waits", || {
            assert!(second.ended().is_none(), "it has ended:\n{}", second.log());
            second.log().lines().any(|line| line.contains(&owner) && line.contains("Waiting up to 55 s"))
        });
        let shown = run(Command::new(env!("CARGO_BIN_EXE_sipcapture")).args(["spool", "--json", "--dir", &place]));
        assert!(shown.out.contains("\"in_use\": true") && shown.out.contains("\"pid\": null"), "{shown:?}");
        signal(first_of_namespace(&first), Signal::TERM);
        within(PATIENCE, "the second server answers", || second.rpc(&["core.version"]).is_ok());
        second.assert_serving();
        signal(first_of_namespace(&second), Signal::TERM);
        within(PATIENCE, "the second server has ended", || second.ended().is_some());
    }
}

#[test]
fn two_modules_of_one_server_cannot_share_a_spool_directory_and_do_not_wait_for_each_other() {
    let database = Database::start(Kind::Sqlite);
    let spool = tempfile::tempdir().expect("a private directory");
    let place = spool.path().display().to_string();
    let node = node(&database.url()).set("spool_dir", &place).set("shutdown_timeout", 50).load_agent(Module::Ours);
    let both = node.param("siptrace", "db_url", &database.url()).param("siptrace", "spool_dir", &place);
    let log = both.refused();
    assert!(log.contains(&format!("directory {place} is in use by another module of this server")), "{log}");
    assert!(!log.contains("Waiting"), "{log}");
}

#[test]
fn a_spool_directory_that_cannot_be_written_is_an_error_at_start() {
    let database = Database::start(Kind::Sqlite);
    let directory = tempfile::tempdir().expect("a private directory");
    let file = directory.path().join("spool");
    File::create(&file).expect("a file is made");
    let read_only = ReadOnly::make();
    for place in [file.as_path(), read_only.path()] {
        let place = place.display().to_string();
        let log = node(&database.url()).set("spool_dir", &place).refused();
        let named = log.lines().any(|line| line.contains("spool_dir") && line.contains(&place));
        assert!(named, "spool_dir and {place} are not named: {log}");
    }
}

/// The segment files below a spool directory.
fn segments(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).expect("a directory").flatten().map(|entry| entry.path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let own = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "segment"));
    own.chain(directories.iter().flat_map(|directory| segments(directory))).collect()
}

/// A server leaves captures in its spool and ends through `end`; something is done to the segment; the next server says
/// what it lacks.
fn damaged(end: impl FnOnce(&mut Kamailio), harm: impl FnOnce(&File, u64)) -> (Kamailio, Stored) {
    let mut database = Database::start(Kind::Postgres);
    database.stop();
    let spool = tempfile::tempdir().expect("a private directory");
    let node = node(&database.url()).set("spool_dir", &spool.path().display().to_string());
    let mut server = node.clone().start();
    let packets = packets().take(usize::try_from(SPOOLED).expect("a small number"));
    HepSender::to(server.address()).send_paced(2000, packets);
    within(PATIENCE, "all is spooled", || server.statistic("spooled") == SPOOLED - server.kernel_drops());
    assert_eq!(server.kernel_drops(), 0, "a burst so small is not dropped");
    end(&mut server);
    let segments = segments(spool.path());
    assert_eq!(segments.len(), 1, "{segments:?}");
    let segment = File::options().read(true).write(true).open(&segments[0]).expect("the segment opens");
    harm(&segment, segment.metadata().expect("a file has a length").len());
    let next = node.start();
    database.start_again();
    await_empty(&next);
    let stored = Stored::of(&database.stored_times());
    assert_eq!(stored.doubled(), 0, "{stored:?}");
    (next, stored)
}

fn stop(server: &mut Kamailio) {
    let status = server.stop();
    assert!(status.success(), "{status}: {}", server.log());
}

#[test]
fn a_flipped_byte_in_the_spool_costs_one_capture_which_is_counted() {
    let (server, stored) = damaged(stop, |segment, length| {
        let mut byte = [0];
        segment.read_exact_at(&mut byte, length / 2).expect("a byte is read");
        segment.write_all_at(&[byte[0] ^ 1], length / 2).expect("a byte is written");
    });
    let statistics = server.statistics();
    assert_eq!(stored.messages, SPOOLED - 1);
    assert_eq!((statistics["dropped"], statistics["dropped_spool_corrupt"]), (1, 1), "{statistics:?}");
    assert_eq!((statistics["captured"], statistics["recovered"]), (SPOOLED, SPOOLED), "{statistics:?}");
}

#[test]
fn a_last_record_that_is_lost_after_a_proper_end_is_counted() {
    let (server, stored) = damaged(stop, |segment, length| segment.set_len(length - 7).expect("a file is cut"));
    let statistics = server.statistics();
    assert_eq!(stored.messages, SPOOLED - 1);
    assert_eq!((statistics["captured"], statistics["dropped_spool_corrupt"]), (SPOOLED, 1), "{statistics:?}");
}

#[test]
fn a_record_that_a_crash_has_torn_costs_itself_alone() {
    let kill = |server: &mut Kamailio| {
        let group = Pid::from_raw(server.pid()).expect("a process id");
        kill_process_group(group, Signal::KILL).expect("the server runs");
        within(PATIENCE, "all of its processes are gone", || server.group().is_empty());
    };
    let (server, stored) = damaged(kill, |segment, length| segment.set_len(length - 7).expect("a file is cut"));
    let statistics = server.statistics();
    assert_eq!(stored.messages, SPOOLED - 1);
    // Nobody has promised more than what the position says: the torn record counts as lost, or was never taken.
    assert_eq!(statistics["captured"], SPOOLED - 1 + statistics["dropped_spool_corrupt"], "{statistics:?}");
}
