//! One table that cannot take rows while its database is well: it is missing, may not be written, or is locked. Only
//! its own rows wait.

use super::database::{Database, Kind};
use super::trial::{PATIENCE, await_empty, node, node_with};
use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio};
use crate::common::rows::{count, select, text};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use rustix::process::{Pid, Signal, kill_process_group};
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;

/// Messages that are well.
const GOOD: u64 = 350;
/// Less than a database waits for a lock.
const NO_WAIT: Duration = Duration::from_secs(10);
/// Where messages go that the parser refuses.
const BAD: &str = "sip_bad_20250615";

fn packet(number: u64, payload: &[u8]) -> Vec<u8> {
    let (source, destination) =
        (SocketAddr::from(([192, 0, 2, 10], 5060)), SocketAddr::from(([198, 51, 100, 20], 5060)));
    Observed::sip(source, destination, 1_749_988_800_000_000 + number, payload).v3()
}

fn good(number: u64) -> Vec<u8> {
    packet(number, &answered_call("tables", number)[0].text)
}

fn bad(number: u64) -> Vec<u8> {
    packet(number, format!("no SIP at all, number {number}\r\n\r\n").as_bytes())
}

/// A database that lacks the table for bad messages, and a node that has a name for it.
struct Scene {
    database: Database,
    node: ConfigBuilder,
    spool: TempDir,
}

impl Scene {
    fn with(kind: Kind) -> Scene {
        let database = Database::start(kind);
        let spool = tempfile::tempdir().expect("a private directory");
        let place = spool.path().join("spool").display().to_string();
        let node = node(&database.url()).set("create_tables", 0).set("bad_table", "sip_bad_%Y%m%d");
        Scene { database, node: node.set("spool_dir", &place), spool }
    }

    /// The issue of one bad message among good ones in the spool of a server that has stored nothing yet: the database
    /// is away when they come, and then back. The answer is the server, with the good ones stored.
    fn with_one_bad_among_spooled(&mut self) -> Kamailio {
        self.database.stop();
        let server = self.node.clone().start();
        let sender = HepSender::to(server.address());
        sender.send_paced(500, [bad(0)].into_iter().chain((1..=GOOD).map(good)));
        within(PATIENCE, "all are spooled", || server.statistic("spooled") == GOOD + 1);
        server.assert_balance();
        self.database.start_again();
        self.await_good(&server);
        server
    }

    /// Waits until the good ones are stored, and sees that the bad one still waits.
    fn await_good(&self, server: &Kamailio) {
        within(PATIENCE, "the good ones are stored", || server.statistic("stored") == GOOD);
        let statistics = server.statistics();
        assert_eq!((statistics["spooled"], statistics["dead_lettered"]), (1, 0), "{statistics:?}\n{}", server.log());
        server.assert_balance();
        assert_eq!(count(&self.database.url(), "sip_capture"), GOOD);
    }
}

fn stored_while_one_waits(kind: Kind) {
    let mut scene = Scene::with(kind);
    let mut server = scene.with_one_bad_among_spooled();
    // What comes meanwhile goes its way, for either table.
    let sender = HepSender::to(server.address());
    sender.send_paced(500, (GOOD + 1..GOOD + 51).map(good));
    sender.send(&bad(1000));
    within(PATIENCE, "live ones are stored", || {
        let statistics = server.statistics();
        (statistics["stored"], statistics["spooled"], statistics["queued"]) == (GOOD + 50, 2, 0)
    });
    server.assert_balance();
    scene.database.make_table_called(BAD);
    assert_eq!(await_empty(&server), GOOD + 52);
    let statistics = server.statistics();
    assert_eq!((statistics["stored"], statistics["dead_lettered"]), (GOOD + 52, 0), "{statistics:?}");
    let rows = select(&scene.database.url(), &format!("SELECT micro_ts FROM {BAD} ORDER BY id")).expect("rows");
    let numbers = rows.iter().map(|row| text(row, "micro_ts").parse::<u64>().expect("a number") % 100_000);
    assert_eq!(numbers.collect::<Vec<_>>(), [0, 1000], "in the order in which they came");
    server.assert_serving();
}

#[test]
fn of_what_was_spooled_before_mariadb_only_rows_of_the_missing_table_wait() {
    stored_while_one_waits(Kind::MariaDb);
}

#[test]
fn of_what_was_spooled_before_postgresql_only_rows_of_the_missing_table_wait() {
    stored_while_one_waits(Kind::Postgres);
}

#[test]
fn a_table_that_is_never_made_costs_its_own_rows_alone_and_they_are_dead_letters_with_the_reason() {
    let mut scene = Scene::with(Kind::MariaDb);
    let server = scene.with_one_bad_among_spooled();
    within(PATIENCE, "the wait is over", || server.statistic("dead_lettered") == 1);
    let statistics = server.statistics();
    assert_eq!((statistics["stored"], statistics["spooled"]), (GOOD, 0), "{statistics:?}");
    server.assert_balance();
    let letters = scene.spool.path().join("spool/dead-letter");
    let written: Vec<u8> = std::fs::read_dir(letters)
        .expect("dead letters")
        .flatten()
        .flat_map(|entry| std::fs::read(entry.path()).expect("a file"))
        .collect();
    for part in [BAD, "does not exist", "no SIP at all, number 0"] {
        assert!(String::from_utf8_lossy(&written).contains(part), "{part}");
    }
}

fn survives_a_kill(kind: Kind) {
    let mut scene = Scene::with(kind);
    let mut server = scene.with_one_bad_among_spooled();
    let group = Pid::from_raw(server.pid()).expect("a process id");
    kill_process_group(group, Signal::KILL).expect("the server is killed");
    within(PATIENCE, "the server has gone", || server.ended().is_some() && server.group().is_empty());
    let next = scene.node.clone().start();
    within(PATIENCE, "the next one knows of it", || next.statistic("recovered") == 1);
    HepSender::to(next.address()).send_paced(500, (GOOD + 1..GOOD + 51).map(good));
    within(PATIENCE, "live ones are stored", || next.statistic("stored") == 50);
    let statistics = next.statistics();
    assert_eq!((statistics["spooled"], statistics["dead_lettered"]), (1, 0), "{statistics:?}");
    scene.database.make_table_called(BAD);
    assert_eq!(await_empty(&next), 51);
    let url = scene.database.url();
    assert_eq!((count(&url, "sip_capture"), count(&url, BAD)), (GOOD + 50, 1), "none lost, none twice");
}

#[test]
fn what_waits_for_a_table_of_mariadb_outlives_a_server_that_is_killed() {
    survives_a_kill(Kind::MariaDb);
}

#[test]
fn what_waits_for_a_table_of_postgresql_outlives_a_server_that_is_killed() {
    survives_a_kill(Kind::Postgres);
}

#[test]
fn a_table_that_may_not_be_written_costs_others_no_wait() {
    let mut scene = Scene::with(Kind::Postgres);
    scene.database.make_table_called(BAD);
    scene.database.execute(
        "REVOKE pg_write_all_data FROM collector; GRANT INSERT ON sip_capture TO collector;
         GRANT USAGE ON sip_capture_id_seq TO collector",
    );
    let server = scene.with_one_bad_among_spooled();
    scene.database.execute("GRANT pg_write_all_data TO collector");
    assert_eq!(await_empty(&server), GOOD + 1);
    assert_eq!(count(&scene.database.url(), BAD), 1);
}

/// A script with which what [`message`] makes goes to `sip_capture`, and what [`good`] makes to another table.
const BY_METHOD: &str = "if ($rm == \"INVITE\") sip_capture(\"sip_free\"); else sip_capture(\"sip_capture\");";

fn message(number: u64) -> Vec<u8> {
    let call = answered_call("tables", number)[0].text.clone();
    packet(number, String::from_utf8_lossy(&call).replace("INVITE", "MESSAGE").as_bytes())
}

/// Messages for a table that somebody has locked, and for one that is free: the free one's are stored while the lock is
/// held, and it is held for as long as the database lets anybody wait for it.
fn locked(kind: Kind) {
    let database = Database::start(kind);
    database.make_table_called("sip_free");
    let server = node_with(&database.url(), BY_METHOD).set("create_tables", 0).start();
    let sender = HepSender::to(server.address());
    let lock = database.lock_table();
    let (mut sent, mut free) = (0, 0);
    within(PATIENCE, "what the lock holds up is told from the rest", || {
        sender.send(&message(sent));
        sender.send(&good(sent + 1));
        (sent, free) = (sent + 2, free + 1);
        std::thread::sleep(Duration::from_millis(100));
        server.log().contains("which is locked")
    });
    within(PATIENCE, "rows of the free table are stored, none of the other", || {
        let statistics = server.statistics();
        (statistics["stored"], statistics["spooled"], statistics["queued"]) == (free, sent - free, 0)
    });
    // Nothing waits for the lock any more but what is behind it.
    for _ in 0..30 {
        sender.send(&message(sent));
        sender.send(&good(sent + 1));
        (sent, free) = (sent + 2, free + 1);
        within(PATIENCE, "the free row is stored", || server.statistic("stored") == free);
    }
    within(PATIENCE, "the others are spooled", || server.statistic("spooled") == sent - free);
    server.assert_balance();
    lock.release();
    assert_eq!(await_empty(&server), sent);
    let statistics = server.statistics();
    assert_eq!((statistics["stored"], statistics["dead_lettered"]), (sent, 0), "{statistics:?}\n{}", server.log());
    let url = database.url();
    assert_eq!((count(&url, "sip_capture"), count(&url, "sip_free")), (sent - free, free));
    assert!(server.log().contains("sip_capture takes rows again"), "the end of the lock is not said");
    let times = database.stored_times();
    assert!(times.is_sorted(), "in the order in which they came: {times:?}");
}

#[test]
fn a_locked_table_of_mariadb_holds_up_its_own_rows_alone() {
    locked(Kind::MariaDb);
}

#[test]
fn a_locked_table_of_postgresql_holds_up_its_own_rows_alone() {
    locked(Kind::Postgres);
}

/// A lock that lasts until the spool has no more room for what is behind it.
fn outlasts_the_spool(kind: Kind) {
    let database = Database::start(kind);
    database.make_table_called("sip_free");
    let node = node_with(&database.url(), BY_METHOD).set("create_tables", 0).set("spool_size", 1);
    let server = node.start();
    let sender = HepSender::to(server.address());
    let lock = database.lock_table();
    let mut sent = 1;
    sender.send(&message(0));
    within(PATIENCE, "it is known that the table is locked", || server.log().contains("which is locked"));
    within(PATIENCE, "the spool is full", || {
        sender.send_paced(2000, (sent..sent + 500).map(message));
        sent += 500;
        server.statistic("dropped_spool_full") > 0
    });
    for free in 1..=20 {
        sender.send_paced(2000, (sent..sent + 20).map(message));
        sent += 20;
        sender.send(&good(sent + free));
        within(NO_WAIT, "a row of the free table is stored", || server.statistic("stored") == free);
    }
    within(PATIENCE, "nothing is queued", || server.statistic("queued") == 0);
    let statistics = server.statistics();
    assert_eq!(statistics["dropped_spool_full"], statistics["dropped"], "{statistics:?}");
    server.assert_balance();
    lock.release();
    let captured = await_empty(&server);
    let statistics = server.statistics();
    assert_eq!(statistics["stored"] + statistics["dropped"], captured, "{statistics:?}");
    assert_eq!(count(&database.url(), "sip_capture") + 20, statistics["stored"], "{statistics:?}");
}

#[test]
fn a_lock_of_mariadb_that_outlasts_the_spool_costs_rows_of_the_locked_table_alone() {
    outlasts_the_spool(Kind::MariaDb);
}

#[test]
fn a_lock_of_postgresql_that_outlasts_the_spool_costs_rows_of_the_locked_table_alone() {
    outlasts_the_spool(Kind::Postgres);
}
