//! Waiting for what other processes do.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Asks again and again until `condition` holds; `false` when it has not come to hold within `limit`.
pub fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        sleep(Duration::from_millis(20));
    }
}

/// As [`eventually`], and panics with the sentence that has not come true.
pub fn within(limit: Duration, sentence: &str, condition: impl FnMut() -> bool) {
    assert!(eventually(limit, condition), "not within {limit:?}: {sentence}");
}
