//! How often a sink that is away is asked again by its delivery thread, and how long that waits in between: the same
//! for databases and collectors.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// First and longest wait between two tries of a sink that is away.
pub const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What to do about a sink that is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryLimit {
    /// Try again until it is back or the server ends: there is nowhere else to put the captures.
    Unlimited,
    /// Give the captures back after so many more tries, or when they have taken so long.
    Bounded {
        /// Tries after the first.
        retries: u32,
        /// Longest time that they may take together.
        within: Duration,
    },
}

impl RetryLimit {
    /// As `insert_retries` and `insert_retry_timeout` say: without a spool, and with one.
    pub fn of(retries: u32, within: Duration) -> [RetryLimit; 2] {
        let bounded = RetryLimit::Bounded { retries, within };
        [if retries > 0 { bounded } else { RetryLimit::Unlimited }, bounded]
    }
}

/// The tries of one batch set.
#[derive(Debug)]
pub struct Tries {
    since: Instant,
    made: u32,
    back_off: Duration,
}

impl Tries {
    /// None is made yet.
    pub fn new() -> Tries {
        Tries { since: Instant::now(), made: 0, back_off: BACK_OFF.0 }
    }

    /// Sleeps before the next try; false when there is to be none.
    pub fn go_on(&mut self, retry_limit: RetryLimit, give_up: &AtomicBool) -> bool {
        if let RetryLimit::Bounded { retries, within } = retry_limit
            && (self.made >= retries || self.since.elapsed() >= within)
        {
            return false;
        }
        let back_off = self.back_off;
        self.made += 1;
        self.back_off = (back_off * 2).min(BACK_OFF.1);
        pause(back_off, give_up)
    }
}

/// Sleeps; false when the server ends and what waits is given up.
pub fn pause(duration: Duration, give_up: &AtomicBool) -> bool {
    let until = Instant::now() + duration;
    loop {
        if give_up.load(Ordering::Relaxed) {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}
