//! One trial: traffic in calm, a fault, its end, and then the books: messages sent, stored, lost, doubled.

use super::database::Database;
use super::traffic::{Pings, RATE, Traffic, number_of};
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::wait::within;
use std::collections::HashSet;
use std::ops::Range;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long counters may take to come to rest, a whole replay included.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Answers pings to the user `ping` and captures everything else.
const PING: &str = "if ($rU == \"ping\") { sl_send_reply(\"200\", \"Alive\"); exit; } ";

/// Rows that one load may hold for a table (`batch_size`), and thus what a commit without an answer stores twice.
pub const BATCH: u64 = 500;

/// How long a fault lasts: a few seconds, or what `SIPCAPTURE_FAULT_SECONDS` says.
pub fn fault_time() -> Duration {
    let named = std::env::var("SIPCAPTURE_FAULT_SECONDS").ok().filter(|text| !text.is_empty());
    let seconds = named.map_or(5, |text| text.parse().expect("SIPCAPTURE_FAULT_SECONDS is a number of seconds"));
    Duration::from_secs(seconds)
}

/// How long the calm before it lasts, and the load after it.
pub fn calm_time() -> Duration {
    (fault_time() / 6).clamp(Duration::from_secs(1), Duration::from_secs(10))
}

/// A capture node of ours with a spool, whose one worker keeps the order of what it is sent, and which answers pings.
pub fn node(url: &str) -> ConfigBuilder {
    node_with(url, "sip_capture();")
}

/// The same with this script for each message.
pub fn node_with(url: &str, capture: &str) -> ConfigBuilder {
    let node = ConfigBuilder::capture_node(Module::Ours, url).children(1);
    let node = node.route("request_route", &format!("{PING}{capture} exit;"));
    node.route("onreply_route", &format!("{capture} drop;"))
}

/// Waits until the server has taken all `sent` messages that the kernel has not dropped, `times` captures each, and
/// asserts that the counters add up at this quiet moment. Pings that wait for an answer may be among what the kernel
/// has dropped.
pub fn await_taken(server: &Kamailio, sent: u64, times: u64) {
    within(PATIENCE, &format!("{sent} messages are captured, or dropped by the kernel"), || {
        let drops = server.kernel_drops();
        ((sent - drops) * times..=sent * times).contains(&server.statistic("captured"))
    });
    await_rest(server);
    server.assert_balance();
}

/// Longest round trip of a ping in a fault. Far below the 5 s that a connection or a look-up may take: a worker that
/// has waited for one shows, and a busy machine of two cores stays below.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(4);
/// The part of the time for which a busy machine may keep the worker from its socket.
const HELD_UP: u32 = 5;

/// Asserts that in a fault no more datagrams are dropped by the kernel than in the calm before it, in the same time,
/// and those of a second, or a fifth of the time: a worker that waits for what takes 5 s does not read its socket for
/// longer.
pub fn assert_few_dropped(in_calm: u64, in_fault: u64, lasted: Duration) {
    let expected = in_calm * lasted.as_millis() as u64 / calm_time().as_millis() as u64;
    let held_up = (lasted / HELD_UP).max(Duration::from_secs(1));
    let most = expected + u64::from(RATE) * held_up.as_millis() as u64 / 1000;
    assert!(in_fault <= most, "{in_fault} datagrams dropped in the fault, {in_calm} in the calm before it");
}

/// Asserts that every message that was sent is captured and every ping answered, but for those that the kernel has
/// dropped; and that the worker has kept none waiting.
pub fn assert_all_captured(server: &Kamailio, sent: u64, captured: u64, pings: &Pings) {
    let longest = Duration::from_micros(pings.faulty.iter().copied().max().unwrap_or_default());
    assert!(longest < LONGEST_ROUND_TRIP, "a ping was answered after {longest:?}");
    let drops = server.kernel_drops();
    assert!(pings.unanswered <= drops, "{} pings are not answered, {drops} datagrams dropped", pings.unanswered);
    // A ping that the kernel has dropped leaves one drop less for the messages.
    let possible = sent - drops..=sent - drops + pings.unanswered;
    assert!(possible.contains(&captured), "{captured} of {sent} captured, {drops} dropped");
}

/// Waits until no counter moves.
pub fn await_rest(server: &Kamailio) {
    let mut before = server.statistics();
    within(PATIENCE, "the counters come to rest", || {
        sleep(Duration::from_millis(100));
        let now = server.statistics();
        let moving =
            ["captured", "stored", "spooled", "queued", "dropped"].iter().any(|name| now[*name] != before[*name]);
        before = now;
        !moving
    });
}

/// Waits until nothing is queued or spooled, and asserts that the counters add up; the answer is the number of
/// captures.
pub fn await_empty(server: &Kamailio) -> u64 {
    within(PATIENCE, "nothing is queued or spooled", || {
        let statistics = server.statistics();
        statistics["queued"] == 0 && statistics["spooled"] == 0
    });
    server.assert_balance();
    server.statistic("captured")
}

/// What a table holds.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// Rows.
    pub rows: u64,
    /// Different messages.
    pub messages: u64,
}

impl Stored {
    /// Of these rows' times.
    pub fn of(times: &[u64]) -> Stored {
        let distinct: HashSet<u64> = times.iter().copied().collect();
        Stored { rows: times.len() as u64, messages: distinct.len() as u64 }
    }

    /// Messages that are there more than once.
    pub fn doubled(&self) -> u64 {
        self.rows - self.messages
    }
}

/// One line of the table of results: `counted` are captures that counters show as dropped, `lost` those that nothing
/// accounts for.
pub fn report(name: &str, sent: u64, captured: u64, stored: Stored, counted: u64, pings: &Pings) -> u64 {
    let lost = (captured - counted).saturating_sub(stored.messages);
    let (calm, faulty) = (quantiles(&pings.calm), quantiles(&pings.faulty));
    println!(
        "fault | {name:<46} | {:>3} s | {sent:>7} | {captured:>7} | {:>7} | {counted:>6} | {lost:>4} | {:>7} | {calm:>12} | {faulty:>12}",
        fault_time().as_secs(),
        stored.messages,
        stored.doubled(),
    );
    lost
}

/// Median and 99th percentile.
fn quantiles(round_trips: &[u64]) -> String {
    let mut sorted = round_trips.to_vec();
    sorted.sort_unstable();
    match sorted.len() {
        0 => "-".to_owned(),
        count => format!("{}/{}", sorted[count / 2], sorted[(count * 99 / 100).min(count - 1)]),
    }
}

/// A fault of the database, from its begin to its end.
pub struct Trial {
    name: String,
    database: Database,
    /// Rows that may be stored twice.
    doubled_at_most: u64,
    /// Whether the fault begins while nothing is on its way.
    begins_quiet: bool,
}

impl Trial {
    /// A fault that doubles nothing.
    pub fn of(fault: &str, database: Database) -> Trial {
        let name = format!("{:?}: {fault}", database.kind());
        Trial { name, database, doubled_at_most: 0, begins_quiet: false }
    }

    /// The fault can hit between a commit and its answer.
    pub fn may_double_a_batch(mut self) -> Trial {
        self.doubled_at_most = BATCH;
        self
    }

    /// The fault begins while nothing is on its way.
    pub fn begins_quiet(mut self) -> Trial {
        self.begins_quiet = true;
        self
    }

    /// Runs it. `end` is given what `begin` has answered.
    pub fn run<F>(mut self, begin: impl FnOnce(&mut Database) -> F, end: impl FnOnce(&mut Database, F)) {
        // Here a table is made by the test alone.
        let mut server = node(&self.database.url()).set("create_tables", 0).start();
        let traffic = Traffic::start(server.address());
        sleep(calm_time());
        await_taken(&server, traffic.hold(), 1);
        await_empty(&server);
        let mut before = Vec::new();
        let fault = if self.begins_quiet {
            before = self.database.stored_times();
            let fault = begin(&mut self.database);
            traffic.go_on();
            fault
        } else {
            traffic.go_on();
            sleep(Duration::from_millis(500));
            begin(&mut self.database)
        };
        let begun_at = traffic.sent();
        let (in_calm, begun) = (server.kernel_drops(), Instant::now());
        traffic.note_fault(true);
        sleep(fault_time() / 2);
        let held_at = traffic.hold();
        await_taken(&server, held_at, 1);
        within(PATIENCE, "the fault is felt", || {
            let statistics = server.statistics();
            statistics["spooled"] > 0 && statistics["queued"] == 0
        });
        server.assert_balance();
        traffic.go_on();
        sleep(fault_time() / 2);
        traffic.note_fault(false);
        let (in_fault, lasted) = (server.kernel_drops() - in_calm, begun.elapsed());
        end(&mut self.database, fault);
        sleep(calm_time());
        let (sent, pings) = traffic.end();
        await_taken(&server, sent, 1);
        let captured = await_empty(&server);
        let statistics = server.statistics();
        let mut times = before;
        times.extend(self.database.stored_times());
        let stored = Stored::of(&times);
        let lost = report(&self.name, sent, captured, stored, statistics["dropped"], &pings);
        assert_eq!(
            (lost, statistics["dropped"], statistics["dead_lettered"]),
            (0, 0, 0),
            "{statistics:?}\n{}",
            server.log()
        );
        assert_eq!(statistics["stored"], captured, "{statistics:?}");
        assert!(stored.doubled() <= self.doubled_at_most, "{stored:?}");
        assert_all_captured(&server, sent, captured, &pings);
        assert_few_dropped(in_calm, in_fault, lasted);
        assert_in_order(&times, begun_at..held_at);
        server.assert_serving();
    }
}

/// Asserts that the messages with these numbers are stored, each for the first time, in the order in which they were
/// sent. They must all have been spooled before the fault ended: then the live flow begins to pass by the replay.
pub fn assert_in_order(times: &[u64], numbers: Range<u64>) {
    let mut seen = HashSet::new();
    let spooled = times.iter().map(|time| number_of(*time)).filter(|number| numbers.contains(number));
    let spooled: Vec<u64> = spooled.filter(|number| seen.insert(*number)).collect();
    if let Some(pair) = spooled.windows(2).find(|pair| pair[0] > pair[1]) {
        panic!("message {} is stored before message {}", pair[0], pair[1]);
    }
}
