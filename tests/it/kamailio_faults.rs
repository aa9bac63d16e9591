//! What breaks behind the queue, mostly with no spool to go to: databases that go away and come back, writers that are
//! killed, servers that end under load. What was accepted is stored, the SIP workers never notice, and the counters add
//! up.

use crate::common::database::{MariaDb, PASSWORD, Postgres};
use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module, signal};
use crate::common::rows::{SqliteFile, count, execute, select, text};
use crate::common::sip::{answered_call, options_ping};
use crate::common::wait::within;
use rustix::process::Signal;
use sipcapture_core::table::ddl::create_table;
use sipcapture_core::table::{ColumnNames, SqlDialect, sip_layout};
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Answers pings to the user `ping`, captures everything else and says what was accepted.
const ROUTE: &str = "if ($rU == \"ping\") { sl_send_reply(\"200\", \"Alive\"); exit; } sip_capture(); exit;";

/// A database server that can go away.
enum Database {
    MariaDb(MariaDb),
    Postgres(Postgres),
}

impl Database {
    fn url(&self) -> String {
        match self {
            Database::MariaDb(server) => server.url(),
            Database::Postgres(server) => server.url(),
        }
    }

    fn stop(&mut self) {
        match self {
            Database::MariaDb(server) => server.stop(),
            Database::Postgres(server) => server.stop(),
        }
    }

    fn start_again(&mut self) {
        match self {
            Database::MariaDb(server) => server.start_again(),
            Database::Postgres(server) => server.start_again(),
        }
    }

    fn make_table(&self) {
        let dialect = match self {
            Database::MariaDb(_) => SqlDialect::Mysql,
            Database::Postgres(_) => SqlDialect::Postgres,
        };
        let statements = create_table(dialect, "sip_capture", &sip_layout(&ColumnNames::default()));
        execute(&self.url(), &statements.join(";\n"));
    }
}

/// HEP packets of whole calls, `count` of them, each message different from all others.
fn packets(count: u64) -> impl Iterator<Item = Vec<u8>> {
    let source = SocketAddr::from(([192, 0, 2, 10], 5060));
    let destination = SocketAddr::from(([198, 51, 100, 20], 5060));
    let calls = (0..count.div_ceil(7)).flat_map(|number| answered_call("faults", number));
    let packet = move |(message, index): (crate::common::sip::CallMessage, u64)| {
        // 2025-06-15 12:00:00 UTC and 1 ms more for each message.
        Observed::sip(source, destination, 1_749_988_800_000_000 + index * 1000, &message.text).v3()
    };
    calls.zip(0..count).map(packet)
}

/// Times of all stored messages: each message has its own.
fn stored_times(url: &str) -> Vec<u64> {
    let rows = select(url, "SELECT micro_ts FROM sip_capture").expect("the table is readable");
    rows.iter().map(|row| text(row, "micro_ts").parse().expect("a number")).collect()
}

/// Asserts that each of `wanted` messages is stored, once.
fn assert_all_stored_once(url: &str, wanted: u64) {
    let times = stored_times(url);
    let distinct: BTreeSet<u64> = times.iter().copied().collect();
    assert_eq!((times.len() as u64, distinct.len() as u64), (wanted, wanted), "rows and distinct messages");
}

/// Waits until the server has done with all `sent` messages and checks the counters; the answer is the number of
/// captures.
fn settle(server: &Kamailio, sent: u64) -> u64 {
    let captured = server.settle(sent, PATIENCE);
    server.assert_balance();
    captured
}

/// Pings the server until `done`; the answers are how many pings were sent and how many answered.
fn ping_until(done: &AtomicBool, server: SocketAddr) -> (u64, u64) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout is set");
    let local = socket.local_addr().expect("the socket is bound");
    let (mut sent, mut answered) = (0, 0);
    let mut answer = [0; 2048];
    while !done.load(Ordering::Relaxed) {
        socket.send_to(&options_ping(local, server), server).expect("loopback takes a datagram");
        sent += 1;
        let length = socket.recv(&mut answer).unwrap_or(0);
        answered += u64::from(answer[..length].starts_with(b"SIP/2.0 200 Alive"));
        thread::sleep(Duration::from_millis(100));
    }
    (sent, answered)
}

/// 1,000 messages a second for 28 s, the database away for 20 of them.
fn outage_under_load(mut database: Database) {
    database.make_table();
    let url = database.url();
    let node = ConfigBuilder::capture_node(Module::Ours, &url).route("request_route", ROUTE).set("queue_size", 32);
    let server = node.set("spool_dir", "").start();
    let (rate, total) = (1000, 28_000);
    let done = AtomicBool::new(false);
    let sent = AtomicU64::new(0);
    thread::scope(|scope| {
        let pings = scope.spawn(|| ping_until(&done, server.address()));
        let load = scope.spawn(|| {
            let counted = packets(total).inspect(|_| {
                sent.fetch_add(1, Ordering::Relaxed);
            });
            HepSender::to(server.address()).send_paced(rate, counted);
        });
        let sent_reaches = |messages| within(PATIENCE, "the load goes on", || sent.load(Ordering::Relaxed) >= messages);
        sent_reaches(4_000);
        database.stop();
        sent_reaches(24_000);
        assert!(server.statistic("queued") >= 10_000, "captures wait: {:?}", server.statistics());
        database.start_again();
        load.join().expect("the load ends");
        done.store(true, Ordering::Relaxed);
        let (sent, answered) = pings.join().expect("the pings end");
        // A ping that the kernel has dropped leaves one drop less for the captures: only such a ping may lack its
        // answer.
        let captured = settle(&server, total + sent - answered);
        assert!(captured <= total, "a ping was not answered while the database was away");
        assert_eq!(server.statistic("stored"), captured);
        assert_all_stored_once(&url, captured);
    });
}

#[test]
fn an_outage_of_mariadb_costs_no_capture_and_no_answer() {
    outage_under_load(Database::MariaDb(MariaDb::start()));
}

#[test]
fn an_outage_of_postgresql_costs_no_capture_and_no_answer() {
    outage_under_load(Database::Postgres(Postgres::start()));
}

/// The server starts without its database; captures wait for it.
fn down_at_start(mut database: Database) {
    database.make_table();
    let url = database.url();
    database.stop();
    let server = ConfigBuilder::capture_node(Module::Ours, &url).set("spool_dir", "").start();
    HepSender::to(server.address()).send_paced(500, packets(350));
    within(PATIENCE, "all captures wait", || server.statistic("queued") == 350 - server.kernel_drops());
    server.assert_balance();
    within(PATIENCE, "the log says that the database is away", || server.log().contains("the database is away"));
    database.start_again();
    let captured = settle(&server, 350);
    assert_all_stored_once(&url, captured);
}

#[test]
fn a_server_starts_without_mariadb_and_its_captures_wait() {
    down_at_start(Database::MariaDb(MariaDb::start()));
}

#[test]
fn a_server_starts_without_postgresql_and_its_captures_wait() {
    down_at_start(Database::Postgres(Postgres::start()));
}

/// What an operator sees of an outage, and of its end.
fn an_outage_shows(mut database: Database) {
    database.make_table();
    let server = ConfigBuilder::capture_node(Module::Ours, &database.url()).set("spool_dir", "").start();
    HepSender::to(server.address()).send_paced(500, packets(7));
    settle(&server, 7);
    assert_eq!((server.statistic("sink_errors"), server.statistic("lag_ms")), (0, 0));
    database.stop();
    HepSender::to(server.address()).send_paced(500, packets(7));
    within(PATIENCE, "the outage is counted and captures grow old", || {
        server.statistic("sink_errors") > 1 && server.statistic("lag_ms") > 500
    });
    let stats = server.rpc(&["sipcapture.stats"]).expect("sipcapture.stats is answered");
    let last_error = stats.lines().find_map(|line| line.trim().strip_prefix("last_error: "));
    assert!(stats.lines().any(|line| line.trim() == "state: down"), "{stats}");
    assert!(last_error.is_some_and(|error| error.contains("127.0.0.1")), "{stats}");
    assert!(!stats.contains(PASSWORD) && !server.log().contains(PASSWORD), "{stats}\n{}", server.log());
    database.start_again();
    settle(&server, 14);
    within(PATIENCE, "no capture is late any more", || server.statistic("lag_ms") == 0);
    let stats = server.rpc(&["sipcapture.stats"]).expect("sipcapture.stats is answered");
    assert!(stats.lines().any(|line| line.trim() == "state: up"), "{stats}");
    assert!(server.log().contains("the database is back"), "{}", server.log());
}

#[test]
fn an_outage_of_mariadb_shows_and_its_end_too() {
    an_outage_shows(Database::MariaDb(MariaDb::start()));
}

#[test]
fn an_outage_of_postgresql_shows_and_its_end_too() {
    an_outage_shows(Database::Postgres(Postgres::start()));
}

#[test]
fn without_a_spool_captures_are_given_up_after_insert_retries_and_counted_until_the_database_is_back() {
    let mut database = Database::MariaDb(MariaDb::start());
    database.make_table();
    let url = database.url();
    database.stop();
    let node = ConfigBuilder::capture_node(Module::Ours, &url).set("spool_dir", "").set("insert_retries", 1);
    let server = node.start();
    HepSender::to(server.address()).send_paced(500, packets(350));
    let lost = settle(&server, 350);
    let statistics = server.statistics();
    assert_eq!((statistics["dropped_unavailable"], statistics["dropped"]), (lost, lost), "{statistics:?}");
    assert_eq!(statistics["stored"], 0, "{statistics:?}");
    // The first batch is tried twice, at least.
    assert!(statistics["sink_errors"] >= 2, "{statistics:?}");
    database.start_again();
    HepSender::to(server.address()).send_paced(500, packets(70));
    let captured = settle(&server, 420);
    let statistics = server.statistics();
    assert_eq!((statistics["dropped_unavailable"], statistics["stored"]), (lost, captured - lost), "{statistics:?}");
    assert_all_stored_once(&url, captured - lost);
}

/// Sends until `stopped`; the answer is how many packets were sent.
fn load_until(stopped: &AtomicBool, server: SocketAddr) -> u64 {
    let packets = packets(1_000_000).take_while(|_| !stopped.load(Ordering::Relaxed));
    HepSender::to(server).send_paced(2000, packets)
}

/// Ends a server under load with SIGTERM, and answers how many of the captures that it accepted are left in its spool:
/// all others are in the table, once each.
fn terminated_under_load(url: &str, has_spool: bool) -> u64 {
    let route = r#"if (sip_capture()) xlog("L_ERR", "accepted $ci $cs $rm $rs\n");"#;
    // With a spool captures go there that a slow machine has not stored after a second.
    let node = ConfigBuilder::capture_node(Module::Ours, url).children(2);
    let node = if has_spool { node } else { node.set("spool_dir", "") };
    let node = node.route("request_route", &format!("{route} exit;"));
    let mut server = node.route("onreply_route", &format!("{route} drop;")).start();
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // A closed port answers with an error, which ends the load as well as the flag does.
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            for packet in packets(1_000_000).take_while(|_| !stopped.load(Ordering::Relaxed)) {
                let _ = socket.send_to(&packet, server.address());
                thread::sleep(Duration::from_micros(300));
            }
        });
        within(PATIENCE, "load is on", || server.statistic("captured") > 2000 && server.statistic("stored") > 500);
        server.terminate();
        within(PATIENCE, "the server ends", || server.group().is_empty());
        stopped.store(true, Ordering::Relaxed);
    });
    let status = server.stop();
    assert!(status.success(), "{status}: {}", server.log());
    let log = server.log();
    let accepted = log.lines().filter(|line| line.contains("accepted call-")).count() as u64;
    let stored = count(url, "sip_capture");
    // A worker may be stopped between accepting a capture and saying so, but not the other way round.
    let left =
        log.lines().find_map(|line| line.split_once(" captures stay in the spool")?.0.rsplit(' ').next()?.parse().ok());
    let left: u64 = left.unwrap_or(0);
    let kept = stored + left;
    assert!(
        accepted > 2000 && (accepted..=accepted + 2).contains(&kept),
        "{accepted} accepted, {stored} stored, {left} left"
    );
    let distinct: BTreeSet<u64> = stored_times(url).into_iter().collect();
    assert_eq!(distinct.len() as u64, stored);
    left
}

#[test]
fn sigterm_under_load_stores_or_spools_all_that_was_accepted() {
    terminated_under_load(SqliteFile::new().url(), true);
    for database in [Database::Postgres(Postgres::start()), Database::MariaDb(MariaDb::start())] {
        database.make_table();
        terminated_under_load(&database.url(), true);
    }
}

#[test]
fn sigterm_under_load_stores_in_sqlite_all_that_was_accepted() {
    assert_eq!(terminated_under_load(SqliteFile::new().url(), false), 0);
}

#[test]
fn sigterm_under_load_stores_in_mariadb_all_that_was_accepted() {
    let database = Database::MariaDb(MariaDb::start());
    database.make_table();
    assert_eq!(terminated_under_load(&database.url(), false), 0);
}

#[test]
fn sigterm_under_load_stores_in_postgresql_all_that_was_accepted() {
    let database = Database::Postgres(Postgres::start());
    database.make_table();
    assert_eq!(terminated_under_load(&database.url(), false), 0);
}

/// A signal for the writer process alone, under load, three times: it comes back, and nothing is lost.
fn writer_ended_under_load(url: &str, how: Signal) {
    let mut server = ConfigBuilder::capture_node(Module::Ours, url).start();
    let stopped = AtomicBool::new(false);
    let address = server.address();
    let sent = thread::scope(|scope| {
        let load = scope.spawn(|| load_until(&stopped, address));
        for restarts in 1..=3 {
            let mut writers = Vec::new();
            let stored = server.statistic("stored");
            within(PATIENCE, "a writer is at work", || {
                writers = server.grandchildren();
                writers.len() == 1 && server.statistic("stored") > stored + 500
            });
            signal(writers[0], how);
            within(PATIENCE, "the writer is started again", || {
                server.statistic("writer_restarts") == restarts && server.grandchildren().len() == 1
            });
            assert_ne!(server.grandchildren(), writers);
        }
        stopped.store(true, Ordering::Relaxed);
        load.join().expect("the load ends")
    });
    let captured = settle(&server, sent);
    assert_eq!(server.statistic("stored"), captured);
    let times = stored_times(url);
    let distinct: BTreeSet<u64> = times.iter().copied().collect();
    assert_eq!(distinct.len() as u64, captured, "a message is lost");
    // A kill between the database's commit and ours writes the windows on the way once more: two of 500 rows.
    let twice = if how == Signal::KILL { 3 * 1000 } else { 0 };
    assert!(times.len() as u64 <= captured + twice, "{} rows of {captured} messages", times.len());
    server.assert_serving();
}

#[test]
fn a_terminated_writer_loses_nothing_in_sqlite_and_stores_nothing_twice() {
    writer_ended_under_load(SqliteFile::new().url(), Signal::TERM);
}

#[test]
fn a_terminated_writer_loses_nothing_in_mariadb_and_stores_nothing_twice() {
    let database = Database::MariaDb(MariaDb::start());
    database.make_table();
    writer_ended_under_load(&database.url(), Signal::TERM);
}

#[test]
fn a_terminated_writer_loses_nothing_in_postgresql_and_stores_nothing_twice() {
    let database = Database::Postgres(Postgres::start());
    database.make_table();
    writer_ended_under_load(&database.url(), Signal::TERM);
}

#[test]
fn a_terminated_writer_takes_nothing_of_the_servers_time_to_end() {
    let file = SqliteFile::new();
    let mut server =
        ConfigBuilder::capture_node(Module::Ours, file.url()).set("shutdown_timeout", 5).set("spool_dir", "").start();
    signal(server.grandchildren()[0], Signal::TERM);
    within(PATIENCE, "the writer is started again", || {
        server.statistic("writer_restarts") == 1 && server.grandchildren().len() == 1
    });
    // Longer than the server's time, had it begun with the signal.
    thread::sleep(Duration::from_secs(6));
    let lock = rusqlite::Connection::open(file.url().trim_start_matches("sqlite:/")).expect("the file opens");
    lock.execute_batch("BEGIN EXCLUSIVE").expect("the lock is taken");
    HepSender::to(server.address()).send_paced(500, packets(350));
    within(PATIENCE, "all captures wait", || server.statistic("queued") == 350 - server.kernel_drops());
    let captured = server.statistic("captured");
    server.terminate();
    thread::sleep(Duration::from_millis(300));
    lock.execute_batch("ROLLBACK").expect("the lock is given back");
    server.stop();
    assert_eq!(count(file.url(), "sip_capture"), captured, "{}", server.log());
}

#[test]
fn a_killed_writer_loses_nothing_in_sqlite() {
    writer_ended_under_load(SqliteFile::new().url(), Signal::KILL);
}

#[test]
fn a_killed_writer_loses_nothing_in_mariadb() {
    let database = Database::MariaDb(MariaDb::start());
    database.make_table();
    writer_ended_under_load(&database.url(), Signal::KILL);
}

#[test]
fn a_killed_writer_loses_nothing_in_postgresql() {
    let database = Database::Postgres(Postgres::start());
    database.make_table();
    writer_ended_under_load(&database.url(), Signal::KILL);
}

#[test]
fn a_full_lane_drops_and_counts_and_the_script_is_told() {
    let file = SqliteFile::new();
    let route = r#"if (sip_capture()) return; xlog("L_ERR", "refused $ci\n"); exit;"#;
    let node =
        ConfigBuilder::capture_node(Module::Ours, file.url()).set("queue_size", 1).set("spool_dir", "").children(1);
    let node = node.route("request_route", route);
    let mut server = node.route("onreply_route", &route.replace("return", "drop").replace("exit", "drop")).start();
    HepSender::to(server.address()).send_paced(1000, packets(7));
    settle(&server, 7);
    // Nobody else can write while this transaction is open.
    let lock = rusqlite::Connection::open(file.url().trim_start_matches("sqlite:/")).expect("the file opens");
    lock.execute_batch("BEGIN EXCLUSIVE").expect("the lock is taken");
    let sent = 7 + HepSender::to(server.address()).send_paced(3000, packets(6_993));
    within(PATIENCE, "every message is captured or dropped", || {
        server.statistic("captured") == sent - server.kernel_drops()
    });
    let dropped = server.statistic("dropped_queue_full");
    assert!(dropped > 1000, "a lane of 1 MiB held it all: {:?}", server.statistics());
    server.assert_balance();
    assert_eq!(server.log().matches("refused call-").count() as u64, dropped);
    lock.execute_batch("ROLLBACK").expect("the lock is given back");
    let captured = settle(&server, sent);
    assert_eq!(server.statistic("dropped"), dropped);
    assert_eq!(count(file.url(), "sip_capture"), captured - dropped);
    // There is room again.
    HepSender::to(server.address()).send_paced(1000, packets(7));
    settle(&server, sent + 7);
    assert_eq!(server.statistic("dropped"), dropped);
    server.assert_serving();
}

#[test]
fn a_server_whose_main_process_is_killed_loses_nothing_that_was_queued() {
    let file = SqliteFile::new();
    let mut server = ConfigBuilder::capture_node(Module::Ours, file.url()).set("spool_dir", "").start();
    HepSender::to(server.address()).send_paced(1000, packets(7));
    settle(&server, 7);
    let writers = server.grandchildren();
    let lock = rusqlite::Connection::open(file.url().trim_start_matches("sqlite:/")).expect("the file opens");
    lock.execute_batch("BEGIN EXCLUSIVE").expect("the lock is taken");
    HepSender::to(server.address()).send_paced(2000, packets(2_100));
    let mut captured = 0;
    within(PATIENCE, "all captures wait", || {
        captured = 2_107 - server.kernel_drops();
        server.statistic("captured") == captured
    });
    assert!(server.statistic("queued") > 1000, "{:?}", server.statistics());
    server.kill_main();
    lock.execute_batch("ROLLBACK").expect("the lock is given back");
    within(PATIENCE, "what was queued is stored", || count(file.url(), "sip_capture") >= captured);
    assert_eq!(count(file.url(), "sip_capture"), captured);
    within(PATIENCE, "the writer ends when its work is done", || {
        !server.group().iter().any(|pid| writers.contains(pid))
    });
}
