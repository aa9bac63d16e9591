//! Captures that a database refused: counted as lost.

use super::deliver::Refused;
use super::{Counters, add};
use crate::queue::lane::Committed;

/// Where refused captures go.
#[derive(Debug)]
pub struct Refusals;

impl Refusals {
    /// Puts away captures of a load, and counts what became of them.
    pub fn put_away(&mut self, refused: &[Refused], counters: &mut Counters) {
        add(counters, Committed::Rejected, refused.len() as u64);
    }

    /// The same for records that are no captures.
    pub fn put_away_unreadable(&mut self, records: usize, counters: &mut Counters) {
        add(counters, Committed::Rejected, records as u64);
    }
}
