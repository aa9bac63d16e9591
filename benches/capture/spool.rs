//! The spool: how fast captures go into it while the database is away, and how fast they come back, against the drain
//! from full lanes.

use crate::common::kamailio::Module;
use crate::common::rows::{count, execute};
use crate::common::wait::within;
use crate::drain::{self, MESSAGES};
use crate::generator::Generator;
use crate::rate::{Setup, capture_node, highest};
use crate::server::Database;
use crate::tables::fresh;
use std::thread::sleep;
use std::time::Duration;

/// How long a rate must hold.
const DURATION_S: f64 = 10.0;
/// By when the last capture must be in the spool: a load on its way to a database that does not answer is parked after
/// a second.
const GRACE: Duration = Duration::from_secs(3);
/// How fast the spool is filled for the replay.
const FILL_RATE: f64 = 5_000.0;

/// The highest rate at which, with the database away, every message from the HEP socket is in the spool, messages a
/// second.
pub fn rate_into(database: &Database) -> f64 {
    highest(|rate| holds(database, rate), 4_000.0)
}

fn holds(database: &Database, rate: f64) -> bool {
    execute(database.url(), &fresh(database.engine(), "sip_capture"));
    let server = capture_node(database, Module::Ours, Setup { children: 2, writers: 1 }).start();
    let mut generator = Generator::new(server.address(), "spool");
    generator.send(100.0, 7);
    within(Duration::from_secs(10), "the first call is stored", || server.statistic("stored") == 7);
    let paused = database.pause();
    let messages = (rate * DURATION_S) as u64 / 7 * 7;
    let taken = generator.send(rate, messages);
    sleep(GRACE);
    let statistics = server.statistics();
    drop(paused);
    let reached = taken.as_secs_f64() < DURATION_S * 1.02;
    if !reached {
        eprintln!("  the generator does not reach {rate:.0}/s: the machine is the limit");
    }
    reached && statistics["spooled"] == messages && statistics["captured"] == messages + 7 && statistics["dropped"] == 0
}

/// Rows a second from the spool into the database, from the time at which the writer is seen to be at work again.
pub fn replay(database: &Database) -> f64 {
    execute(database.url(), &fresh(database.engine(), "sip_capture"));
    let server = capture_node(database, Module::Ours, Setup { children: 1, writers: 1 }).start();
    let mut generator = Generator::new(server.address(), "replay");
    generator.send(100.0, 7);
    within(Duration::from_secs(10), "the first call is stored", || server.statistic("stored") == 7);
    let paused = database.pause();
    generator.send(FILL_RATE, MESSAGES);
    within(Duration::from_secs(10), "everything is in the spool", || server.statistic("spooled") == MESSAGES);
    drop(paused);
    let rate = drain::drained(&server);
    assert_eq!(count(database.url(), "sip_capture"), MESSAGES + 7, "each message is stored once");
    rate
}
