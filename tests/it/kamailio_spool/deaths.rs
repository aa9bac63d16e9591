//! Deaths of the writer and of Kamailio itself, and what the next start finds in the spool.

use super::database::{Database, Held, Kind};
use super::traffic::Traffic;
use super::trial::{BATCH, PATIENCE, Stored, assert_in_order, await_empty, await_taken, fault_time, node, report};
use crate::common::kamailio::{ConfigBuilder, Kamailio, signal};
use crate::common::wait::within;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// How often a writer is killed.
const KILLS: u64 = 10;

/// Kills the writer and waits for its successor.
fn kill_writer(server: &Kamailio) {
    let mut writers = Vec::new();
    within(PATIENCE, "a writer is at work", || {
        writers = server.grandchildren();
        writers.len() == 1
    });
    let restarts = server.statistic("writer_restarts");
    signal(writers[0], Signal::KILL);
    within(PATIENCE, "the writer is started again", || {
        server.statistic("writer_restarts") > restarts && server.grandchildren().len() == 1
    });
}

/// Away by the means that the database has.
fn take_away(database: &mut Database) -> Option<Held> {
    match database.kind() {
        Kind::Sqlite => Some(database.lock_table()),
        Kind::MariaDb | Kind::Postgres => {
            database.stop();
            None
        }
    }
}

fn bring_back(database: &mut Database, held: Option<Held>) {
    match held {
        Some(lock) => lock.release(),
        None => database.start_again(),
    }
}

/// The writer is killed ten times: with the database there, while it is away and the spool grows, and in the replay.
fn writer_killed(kind: Kind) {
    let mut database = Database::start(kind);
    let mut server = node(&database.url()).start();
    let traffic = Traffic::start(server.address());
    let mut held = None;
    for kill in 0..KILLS {
        let before = server.statistics();
        within(PATIENCE, "the writer has done something", || {
            let now = server.statistics();
            now["stored"] + now["spooled"] > before["stored"] + before["spooled"] + 200
                || now["stored"] > before["stored"] + 200
        });
        match kill {
            3 => {
                held = take_away(&mut database);
                within(PATIENCE, "captures are spooled", || server.statistic("spooled") > 500);
            }
            7 => {
                within(PATIENCE, "the spool has grown", || server.statistic("spooled") > 4000);
                bring_back(&mut database, held.take());
            }
            _ => {}
        }
        kill_writer(&server);
    }
    let (sent, pings) = traffic.end();
    await_taken(&server, sent, 1);
    let captured = await_empty(&server);
    let statistics = server.statistics();
    let stored = Stored::of(&database.stored_times());
    let name = format!("{kind:?}: writer killed {KILLS} times");
    let lost = report(&name, sent, captured, stored, statistics["dropped"], &pings);
    assert_eq!((lost, statistics["dropped"], statistics["dead_lettered"]), (0, 0, 0), "{statistics:?}");
    assert_eq!(statistics["stored"], captured, "{statistics:?}");
    // A kill between the database's commit and ours writes again what was on its way: two windows and a chunk of the replay.
    assert!(stored.doubled() <= KILLS * 3 * BATCH, "{stored:?}");
    assert!(pings.unanswered <= server.kernel_drops(), "{} pings are not answered", pings.unanswered);
    server.assert_serving();
}

#[test]
fn a_writer_before_mariadb_that_is_killed_ten_times_loses_nothing() {
    writer_killed(Kind::MariaDb);
}

#[test]
fn a_writer_before_postgresql_that_is_killed_ten_times_loses_nothing() {
    writer_killed(Kind::Postgres);
}

#[test]
fn a_writer_before_sqlite_that_is_killed_ten_times_loses_nothing() {
    writer_killed(Kind::Sqlite);
}

/// A server that ends while its database is away, in whatever way, and the one that comes after it.
struct Rebirth {
    database: Database,
    node: ConfigBuilder,
    _spool: TempDir,
}

impl Rebirth {
    fn with(kind: Kind) -> Rebirth {
        let database = Database::start(kind);
        let spool = tempfile::tempdir().expect("a private directory");
        let place = spool.path().join("spool").display().to_string();
        let node = node(&database.url()).set("spool_dir", &place).set("queue_size", 1).set("shutdown_timeout", 5);
        Rebirth { database, node, _spool: spool }
    }

    /// A server whose spool has filled for a while; the traffic goes on, or is held where the end is to be quiet.
    fn spooling(&mut self, held: bool) -> (Kamailio, Traffic) {
        let server = self.node.clone().start();
        let traffic = Traffic::start_without_pings(server.address());
        within(PATIENCE, "captures are stored", || server.statistic("stored") > 500);
        self.database.stop();
        let enough = fault_time().as_secs() * 1000;
        within(PATIENCE, "captures are spooled", || server.statistic("spooled") > enough);
        if held {
            await_taken(&server, traffic.hold(), 1);
        }
        (server, traffic)
    }

    /// Starts the next server, first without its database: it has `recovered` captures of the earlier one. The rows come back when it has
    /// stored them.
    fn next(&mut self, recovered: impl FnOnce(u64)) -> (Kamailio, Vec<u64>) {
        let mut server = self.node.clone().start();
        within(PATIENCE, "the spool is found", || server.statistic("recovered") > 0);
        server.assert_balance();
        let statistics = server.statistics();
        assert_eq!(statistics["recovered"], statistics["spooled"], "{statistics:?}");
        recovered(statistics["recovered"]);
        self.database.start_again();
        await_empty(&server);
        server.assert_serving();
        (server, self.database.stored_times())
    }
}

#[test]
fn a_restart_with_a_filled_spool_stores_all_of_it_in_order() {
    let mut rebirth = Rebirth::with(Kind::MariaDb);
    let (mut server, traffic) = rebirth.spooling(true);
    let (captured, stored) = (server.statistic("captured"), server.statistic("stored"));
    let status = server.stop();
    assert!(status.success(), "{status}: {}", server.log());
    let (_next, times) = rebirth.next(|recovered| assert_eq!(recovered, captured - stored));
    let (sent, pings) = traffic.end();
    let lost = report("restart with a filled spool", sent, captured, Stored::of(&times), 0, &pings);
    assert_eq!((lost, Stored::of(&times).doubled()), (0, 0));
    assert_in_order(&times, 0..u64::MAX);
}

fn kill_group(server: &Kamailio) {
    let group = Pid::from_raw(server.pid()).expect("a process id");
    kill_process_group(group, Signal::KILL).expect("the server runs");
    within(PATIENCE, "all of its processes are gone", || server.group().is_empty());
}

#[test]
fn all_that_was_in_the_spool_comes_back_after_every_process_of_the_server_was_killed() {
    let mut rebirth = Rebirth::with(Kind::MariaDb);
    let (server, traffic) = rebirth.spooling(true);
    let statistics = server.statistics();
    assert_eq!(statistics["queued"], 0, "{statistics:?}");
    kill_group(&server);
    let (_next, times) = rebirth.next(|recovered| assert_eq!(recovered, statistics["spooled"]));
    let (sent, pings) = traffic.end();
    let stored = Stored::of(&times);
    let lost = report("Kamailio killed, quiet", sent, statistics["captured"], stored, 0, &pings);
    // What the outage found on its way may be stored and spooled.
    assert!(lost == 0 && stored.doubled() <= 2 * BATCH, "{lost} lost, {stored:?}");
}

#[test]
fn a_server_whose_processes_are_all_killed_under_load_loses_at_most_what_its_lanes_hold() {
    let mut rebirth = Rebirth::with(Kind::Postgres);
    let (server, traffic) = rebirth.spooling(false);
    let stats = server.rpc(&["sipcapture.stats"]).expect("sipcapture.stats is answered");
    let field = |name: &str| -> u64 {
        let value = stats.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {stats}"))
    };
    let statistics = server.statistics();
    kill_group(&server);
    let (sent, pings) = traffic.end();
    let (_next, times) = rebirth.next(|recovered| assert!(recovered >= statistics["spooled"]));
    let stored = Stored::of(&times);
    let lost = report("Kamailio killed under load", sent, statistics["captured"], stored, 0, &pings);
    assert!(stored.messages >= statistics["stored"] + statistics["spooled"], "{stored:?} {statistics:?}");
    // No message here takes less than 300 bytes.
    assert!(lost * 300 <= field("lanes") * field("lane_bytes"), "{lost} lost");
    assert!(stored.doubled() <= 2 * BATCH, "{stored:?}");
}

#[test]
fn nothing_that_was_queued_or_spooled_is_lost_with_the_main_process() {
    let mut rebirth = Rebirth::with(Kind::Postgres);
    let (mut server, traffic) = rebirth.spooling(true);
    let captured = server.statistic("captured");
    let writers = server.grandchildren();
    server.kill_main();
    within(PATIENCE, "the writer ends when its work is done", || {
        !server.group().iter().any(|pid| writers.contains(pid))
    });
    drop(server);
    let (_next, times) = rebirth.next(|recovered| assert!(recovered > 0));
    let (sent, pings) = traffic.end();
    let stored = Stored::of(&times);
    let lost = report("main process killed", sent, captured, stored, 0, &pings);
    assert!(lost == 0 && stored.doubled() <= 2 * BATCH, "{lost} lost, {stored:?}");
}
