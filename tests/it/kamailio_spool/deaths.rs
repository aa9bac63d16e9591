//! Deaths of the writer and of Kamailio itself, and what the next start finds in the spool.

use super::database::{Database, Held, Kind};
use super::traffic::{Pings, Traffic, number_of, shortest_message};
use super::trial::{
    BATCH, PATIENCE, Stored, assert_all_captured, assert_in_order, await_empty, await_taken, fault_time, node, report,
};
use crate::common::kamailio::{ConfigBuilder, Kamailio, signal};
use crate::common::wait::within;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// How often a writer is killed.
const KILLS: u64 = 10;
/// Kills before the database goes away.
const AWAY: u64 = 3;
/// Kills before it comes back.
const BACK: u64 = 7;

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
            AWAY => {
                held = take_away(&mut database);
                within(PATIENCE, "captures are spooled", || server.statistic("spooled") > 500);
            }
            BACK => {
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
    assert_eq!(stored.messages, captured);
    assert_all_captured(&server, sent, captured, &pings);
    // A kill between the database's commit and ours writes again what was on its way: two windows, and once there is a
    // replay a chunk of it. An outage can find two windows that the database has and does not say so; while it lasts, a
    // kill writes nothing twice.
    let (before, behind) = (AWAY, KILLS - BACK);
    assert!(stored.doubled() <= (before * 2 + 2 + behind * 3) * BATCH, "{stored:?}");
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

    /// A server whose spool has filled for a while; the traffic goes on, or is held where the end is to be quiet: then
    /// everything that was sent, and that the kernel has not dropped, is captured.
    fn spooling(&mut self, held: bool) -> (Kamailio, Traffic) {
        let server = self.node.clone().start();
        let traffic = Traffic::start_without_pings(server.address());
        within(PATIENCE, "captures are stored", || server.statistic("stored") > 500);
        self.database.stop();
        let enough = fault_time().as_secs() * 1000;
        within(PATIENCE, "captures are spooled", || server.statistic("spooled") > enough);
        if held {
            let sent = traffic.hold();
            await_taken(&server, sent, 1);
            assert_all_captured(&server, sent, server.statistic("captured"), &Pings::default());
        }
        (server, traffic)
    }

    /// Starts the next server, first without its database: it has `recovered` captures of the earlier one. The rows
    /// come back when it has stored them.
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
    let after = Stored::of(&times);
    let lost = report("restart with a filled spool", sent, captured, after, 0, &pings);
    assert_eq!((lost, after.messages, after.doubled()), (0, captured, 0));
    assert_in_order(&times, 0..u64::MAX);
}

/// Kills every process of the server, without a wait until they are gone.
fn kill_at_once(server: &Kamailio) {
    let group = Pid::from_raw(server.pid()).expect("a process id");
    kill_process_group(group, Signal::KILL).expect("the server runs");
}

fn await_gone(server: &Kamailio) {
    within(PATIENCE, "all of its processes are gone", || server.group().is_empty());
}

fn kill_group(server: &Kamailio) {
    kill_at_once(server);
    await_gone(server);
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
    assert_eq!((lost, stored.messages), (0, statistics["captured"]));
    // What the outage found on its way may be stored and spooled.
    assert!(stored.doubled() <= 2 * BATCH, "{stored:?}");
}

/// One field of `sipcapture.stats`.
fn stats_field(server: &Kamailio, name: &str) -> u64 {
    let stats = server.rpc(&["sipcapture.stats"]).expect("sipcapture.stats is answered");
    let value = stats.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {stats}"))
}

#[test]
fn a_server_whose_processes_are_all_killed_under_load_loses_at_most_what_a_lane_holds() {
    let mut rebirth = Rebirth::with(Kind::Postgres);
    let (server, traffic) = rebirth.spooling(false);
    // All messages come through the one lane of the one worker.
    let lane = stats_field(&server, "lane_bytes") / shortest_message();
    let statistics = server.statistics();
    let drops = server.kernel_drops();
    kill_at_once(&server);
    let sent = traffic.sent();
    await_gone(&server);
    let (sent_in_all, pings) = traffic.end();
    let (_next, times) = rebirth.next(|recovered| assert!(recovered >= statistics["spooled"]));
    let stored = Stored::of(&times);
    let lost = report("Kamailio killed under load", sent_in_all, sent - drops, stored, 0, &pings);
    assert!(stored.messages >= statistics["stored"] + statistics["spooled"], "{stored:?} {statistics:?}");
    assert!(times.iter().all(|time| number_of(*time) < sent), "a message is stored that was sent to nobody");
    assert!(lost <= lane, "{lost} lost, a lane holds {lane} at most");
    assert!(stored.doubled() <= 2 * BATCH, "{stored:?}");
}

#[test]
fn a_server_whose_processes_are_all_killed_loses_no_capture_but_those_that_are_queued() {
    let mut rebirth = Rebirth::with(Kind::MariaDb);
    let (server, traffic) = rebirth.spooling(false);
    // Nobody empties the lane any more.
    signal(server.grandchildren()[0], Signal::STOP);
    within(PATIENCE, "the lane fills", || server.statistic("queued") > 500);
    let sent = traffic.hold();
    await_taken(&server, sent, 1);
    let statistics = server.statistics();
    let (captured, queued) = (statistics["captured"], statistics["queued"]);
    assert_all_captured(&server, sent, captured, &Pings::default());
    kill_group(&server);
    let mut found = 0;
    let (_next, times) = rebirth.next(|recovered| found = recovered);
    let (_, pings) = traffic.end();
    let stored = Stored::of(&times);
    let lost = report("Kamailio killed, writer stopped", sent, captured, stored, 0, &pings);
    assert_eq!(stored.messages, statistics["stored"] + found, "{statistics:?}");
    // What was stopped between writing to the spool and noting it is in both.
    assert!(lost <= queued, "{lost} lost, {queued} were queued");
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
    assert_eq!((lost, stored.messages), (0, captured));
    assert!(stored.doubled() <= 2 * BATCH, "{stored:?}");
}
