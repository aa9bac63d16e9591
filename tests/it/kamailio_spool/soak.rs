//! A long time of service: 1,000 messages a second into two capture modes, MariaDB and SQLite, each of which is away
//! for a while in every round, and a server that is started anew behind every tenth round. Rounds end with a quiet
//! moment, at which the books are balanced.
//!
//! `make soak` runs it, for as long as `SIPCAPTURE_SOAK_SECONDS` says, and shows the lines that it prints.

use super::database::{Database, Kind};
use super::traffic::{Traffic, number_of};
use super::trial::{BATCH, PATIENCE, await_empty, await_rest, node_with};
use crate::common::kamailio::{ConfigBuilder, Kamailio};
use crate::common::memory::private_bytes;
use crate::common::wait::within;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Messages a second.
const RATE: u32 = 1000;
/// Rounds from one start of the server to the next.
const ROUNDS: usize = 10;
/// Bytes by which a measure may rise: what an allocator keeps after a burst comes and goes.
const MARGIN: u64 = 4 << 20;

fn soak_time() -> Duration {
    let named = std::env::var("SIPCAPTURE_SOAK_SECONDS").ok().filter(|text| !text.is_empty());
    let seconds = named.map_or(3600, |text| text.parse().expect("SIPCAPTURE_SOAK_SECONDS is a number of seconds"));
    assert!(seconds >= 120, "SIPCAPTURE_SOAK_SECONDS is {seconds}: at least 120 make enough rounds to compare");
    Duration::from_secs(seconds)
}

/// A minute; less in a short run, so that it has rounds enough.
fn round_time() -> Duration {
    (soak_time() / 60).clamp(Duration::from_secs(10), Duration::from_secs(60))
}

/// Measures of a quiet moment, in bytes.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Memory that is the writer's alone.
    writer: u64,
    /// The same of all SIP workers together.
    workers: u64,
    /// The files in `spool_dir`.
    spool: u64,
}

impl Sample {
    fn take(server: &Kamailio, spool: &Path) -> Sample {
        let private = |pids: Vec<i32>| pids.into_iter().map(private_bytes).sum();
        Sample { writer: private(server.grandchildren()), workers: private(server.workers()), spool: bytes_in(spool) }
    }
}

/// Bytes of the files below a directory.
fn bytes_in(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).expect("the directory is readable");
    let sizes = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => bytes_in(&path),
            Ok(found) => found.len(),
            // A segment that was done with.
            Err(_) => 0,
        }
    });
    sizes.sum()
}

/// Asserts that the level in the last quarter is that of the second, but for a tenth and [`MARGIN`]. The lowest value
/// of a quarter is its level: what is needed for a moment comes and goes, and what is never given back stays.
fn assert_level(what: &str, samples: &[Sample], measure: impl Fn(&Sample) -> u64) {
    let quarter = samples.len() / 4;
    let level = |samples: &[Sample]| samples.iter().map(&measure).min().expect("a quarter has samples");
    let (second, last) = (level(&samples[quarter..2 * quarter]), level(&samples[samples.len() - quarter..]));
    assert!(last <= second + second / 10 + MARGIN, "{what} grows from {second} to {last} bytes: {samples:?}");
}

fn assert_levels(what: &str, samples: &[Sample]) {
    assert_level(&format!("the writer's memory {what}"), samples, |sample| sample.writer);
    assert_level(&format!("the workers' memory {what}"), samples, |sample| sample.workers);
    assert_level(&format!("the spool {what}"), samples, |sample| sample.spool);
}

/// Numbers of messages, over all servers so far.
#[derive(Clone, Copy, Debug, Default)]
struct Books {
    /// Sent to servers that have ended.
    sent: u64,
    /// Of these, taken by the server: the kernel has dropped the others.
    taken: u64,
    /// Found in both databases, once each, and deleted.
    settled: u64,
    /// Messages below this number are settled.
    settled_below: u64,
    /// Rows that were there a second time after a restart.
    doubled: u64,
    /// Captures in the spool that the last server has left.
    left: u64,
}

struct Soak {
    mariadb: Database,
    sqlite: Database,
    node: ConfigBuilder,
    spool: TempDir,
    started: Instant,
    books: Books,
    samples: Vec<Sample>,
}

impl Soak {
    fn start() -> Soak {
        let (mariadb, sqlite) = (Database::start(Kind::MariaDb), Database::start(Kind::Sqlite));
        let spool = tempfile::tempdir().expect("a private directory");
        let mode = format!("other=>db_url={};table_name=sip_capture;mt_mode=rand", sqlite.url());
        let node = node_with(&mariadb.url(), r#"sip_capture(); sip_capture("", "other");"#)
            .set("capture_mode", &mode)
            .set("spool_dir", &spool.path().display().to_string())
            .set("shutdown_timeout", 5);
        let (books, samples) = (Books::default(), Vec::new());
        Soak { mariadb, sqlite, node, spool, started: Instant::now(), books, samples }
    }

    fn is_over(&self) -> bool {
        self.started.elapsed() >= soak_time()
    }

    /// One server, from its start to its end; true when it is the last.
    fn serve(&mut self) -> bool {
        let mut server = self.node.clone().start();
        within(PATIENCE, "what the last server has left is found", || server.statistic("recovered") == self.books.left);
        self.mariadb.resume();
        let traffic = Traffic::start_load(server.address(), RATE, self.books.sent);
        let first = self.samples.len();
        while self.samples.len() < first + ROUNDS && !self.is_over() {
            self.disturb(&server);
            let sent = traffic.hold();
            self.settle(&server, sent, self.samples.len() == first);
            let sample = Sample::take(&server, self.spool.path());
            self.samples.push(sample);
            self.print_line(sent, sample);
            traffic.go_on();
        }
        let samples = &self.samples[first..];
        if samples.len() == ROUNDS {
            assert_levels("between two restarts", samples);
        }
        let is_last = self.is_over();
        if is_last {
            let (sent, _) = traffic.end();
            self.settle(&server, sent, self.samples.len() == first);
            self.end(&mut server, sent);
        } else {
            self.mariadb.pause();
            within(PATIENCE, "captures for MariaDB are spooled", || server.statistic("spooled") > u64::from(RATE));
            let (sent, _) = traffic.end();
            self.end(&mut server, sent);
        }
        is_last
    }

    /// The middle of a round: one database stands still, and then the other one's file is locked.
    fn disturb(&self, server: &Kamailio) {
        let step = round_time() / 5;
        sleep(step);
        self.mariadb.pause();
        sleep(step);
        let is_felt = || server.statistic("spooled") > 0;
        within(PATIENCE, "captures for MariaDB are spooled", is_felt);
        self.mariadb.resume();
        sleep(step);
        within(PATIENCE, "the spool is replayed under load", || !is_felt());
        let lock = self.sqlite.lock_table();
        sleep(step);
        within(PATIENCE, "captures for SQLite are spooled", is_felt);
        lock.release();
        sleep(step);
    }

    /// Waits until all that was sent to this server is captured, once for each mode.
    fn await_taken(&self, server: &Kamailio, sent: u64) -> u64 {
        let mut taken = 0;
        within(PATIENCE, "each message is captured twice, or dropped by the kernel", || {
            let statistics = server.statistics();
            taken = sent - server.kernel_drops();
            statistics["captured"] - statistics["recovered"] == 2 * taken
        });
        await_rest(server);
        server.assert_balance();
        taken
    }

    /// Balances the books while the sender is held: every message is in both databases, once, and is deleted there.
    fn settle(&mut self, server: &Kamailio, sent: u64, is_first: bool) {
        let taken = self.await_taken(server, sent);
        await_empty(server);
        let statistics = server.statistics();
        let troubles = ["dropped", "dead_lettered", "writer_restarts"].map(|name| statistics[name]);
        assert_eq!(troubles, [0, 0, 0], "{statistics:?}\n{}", server.log());
        let wanted = self.books.taken + taken - self.books.settled;
        let numbers = self.books.settled_below..self.books.sent + sent;
        for database in [&self.mariadb, &self.sqlite] {
            let kind = database.kind();
            let contents = database.contents();
            let stored = contents.stored;
            assert_eq!(stored.messages, wanted, "{kind:?}: {stored:?}");
            if let Some(times) = contents.times {
                let (lowest, highest) = (number_of(*times.start()), number_of(*times.end()));
                let is_new = numbers.start <= lowest && highest < numbers.end;
                assert!(is_new, "{kind:?}: {lowest} to {highest} are stored, and only {numbers:?} can be");
            }
            // A server that has ended had asked MariaDB for two windows, which it does when it goes on, and the spool
            // has them too.
            let doubled_at_most = if is_first && kind == Kind::MariaDb { 2 * BATCH } else { 0 };
            assert!(stored.doubled() <= doubled_at_most, "{kind:?}: {stored:?}");
            self.books.doubled += stored.doubled();
            database.clear();
        }
        self.books.settled += wanted;
        self.books.settled_below = numbers.end;
    }

    /// Ends a server with what its spool has.
    fn end(&mut self, server: &mut Kamailio, sent: u64) {
        self.books.taken += self.await_taken(server, sent);
        self.books.sent += sent;
        let statistics = server.statistics();
        self.books.left = statistics["captured"] - statistics["stored"];
        let status = server.stop();
        assert!(status.success(), "{status}: {}", server.log());
    }

    fn print_line(&self, sent: u64, sample: Sample) {
        let (books, mebibytes) = (self.books, |bytes: u64| bytes as f64 / f64::from(1 << 20));
        println!(
            "soak | {:>5} s | round {:>4} | {:>8} sent | {:>8} stored once in each | {:>5} twice | writer {:>6.1} MiB | workers {:>6.1} MiB | spool {:>6.2} MiB",
            self.started.elapsed().as_secs(),
            self.samples.len(),
            books.sent + sent,
            books.settled,
            books.doubled,
            mebibytes(sample.writer),
            mebibytes(sample.workers),
            mebibytes(sample.spool),
        );
    }
}

#[test]
#[ignore = "takes an hour: make soak"]
fn through_a_long_time_nothing_is_lost_and_nothing_grows() {
    let mut soak = Soak::start();
    while !soak.serve() {}
    let books = soak.books;
    println!(
        "soak | {} sent, {} dropped by the kernel, {} stored in each database; {} rows of them twice",
        books.sent,
        books.sent - books.taken,
        books.settled,
        books.doubled
    );
    assert_eq!((books.settled, books.left), (books.taken, 0), "{books:?}");
    assert_levels("over the whole run", &soak.samples);
}
