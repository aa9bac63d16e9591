//! Counters of a window or of a chunk of the replay, added up until a commit makes them final.

use crate::queue::counters::{COMMITTED, Committed};

/// One value for each of [`Committed`].
pub type Counters = [u64; COMMITTED];

/// Adds `value` to one counter.
pub fn add(counters: &mut Counters, counter: Committed, value: u64) {
    counters[counter as usize] += value;
}

/// Adds each of `counters` to its counter in `sum`.
pub fn add_all(sum: &mut Counters, counters: &Counters) {
    sum.iter_mut().zip(counters).for_each(|(sum, value)| *sum += value);
}
