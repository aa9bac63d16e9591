//! The highest rate at which, over 15 s, every message of whole calls is stored, the last one within 2 s.

use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::rows::{count, execute};
use crate::generator::Generator;
use crate::server::{Database, Engine};
use crate::tables::fresh;
use std::thread::sleep;
use std::time::Duration;

/// How long a rate must hold.
const DURATION_S: f64 = 15.0;
/// How long a rate must hold to be tried for the whole time.
const SCREENING_S: f64 = 4.0;
/// By when the last row must be there.
const GRACE: Duration = Duration::from_secs(2);
/// How finely rates are told apart.
const STEP: f64 = 1.06;

/// Processes of a server: what each side is tuned by.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Receiving processes (`children`).
    pub children: u32,
    /// Writers (`capture_writers`); the stock module has none.
    pub writers: u32,
}

impl std::fmt::Display for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.writers {
            0 => write!(f, "{} children", self.children),
            writers => write!(f, "{} children, {writers} writers", self.children),
        }
    }
}

/// The best rate of a module on a database, messages a second, and the processes that reached it.
pub fn best(database: &Database, module: Module) -> (f64, Setup) {
    let stock = |children| Setup { children, writers: 0 };
    let ours = |children, writers| Setup { children, writers };
    let setups = match (module, database.engine()) {
        (Module::Stock, Engine::Sqlite) => [stock(1), stock(4), stock(8)],
        (Module::Stock, _) => [stock(4), stock(8), stock(16)],
        (Module::Ours, _) => [ours(1, 1), ours(2, 1), ours(2, 2)],
    };
    let screened = setups.map(|setup| {
        let rate = highest(|rate| holds(database, module, setup, rate, SCREENING_S), 400.0);
        eprintln!("  {:?} {module:?} {setup}: {rate:.0}/s over {SCREENING_S} s", database.engine());
        (rate, setup)
    });
    let (rate, setup) = screened.into_iter().max_by(|one, other| one.0.total_cmp(&other.0)).expect("some were tried");
    // What holds for a few seconds of empty buffers need not hold for long: go down until it does.
    let mut rate = rate * STEP;
    while !holds(database, module, setup, rate, DURATION_S) {
        rate /= STEP;
        assert!(rate > 10.0, "{module:?} on {:?} holds no rate at all", database.engine());
    }
    (rate, setup)
}

/// The highest rate that holds, found by doubling from `start` and then by halving the gap.
pub fn highest(holds: impl Fn(f64) -> bool, start: f64) -> f64 {
    let mut low = start / 16.0;
    let mut high = start;
    while holds(high) {
        low = high;
        high *= 2.0;
    }
    while high / low > STEP {
        let middle = (low * high).sqrt();
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Whether every message sent at `rate` for `seconds` is stored when the grace after the last one is over.
fn holds(database: &Database, module: Module, setup: Setup, rate: f64, seconds: f64) -> bool {
    execute(database.url(), &fresh(database.engine(), "sip_capture"));
    let mut server = capture_node(database, module, setup).start();
    let count_to_send = (rate * seconds) as u64 / 7 * 7;
    let mut generator = Generator::new(server.address(), "rate");
    let taken = generator.send(rate, count_to_send);
    if taken.as_secs_f64() > seconds * 1.02 {
        eprintln!("  the generator does not reach {rate:.0}/s: the machine is the limit");
        return false;
    }
    sleep(GRACE);
    // The statement sees what is committed when it starts, however long it counts.
    let stored = count(database.url(), "sip_capture");
    server.assert_serving();
    stored == count_to_send
}

/// A capture node as an operator would run it for speed, writing to the table `sip_capture`.
pub fn capture_node(database: &Database, module: Module, setup: Setup) -> ConfigBuilder {
    let node = ConfigBuilder::capture_node(module, &database.module_url()).children(setup.children);
    match (module, database.engine()) {
        (Module::Ours, _) => {
            node.set("queue_size", 32).set("create_tables", 0).set("capture_writers", i64::from(setup.writers))
        }
        // SQLite lets one process write at a time, and without retries the stock driver gives up at once.
        (Module::Stock, Engine::Sqlite) => node.set("insert_retries", 500).set("insert_retry_timeout", 30),
        (Module::Stock, _) => node,
    }
}
