//! A reading of all counters at one moment, and what follows from it.

use super::{COMMITTED, Cell, Committed, Group, MODES, PRODUCED, Produced, TABLE};

/// A reading of all counters. `captured() = stored + spooled() + queued() + dead-lettered + dropped()` whenever nothing
/// is on the move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// By [`Produced`].
    pub produced: [u64; PRODUCED],
    /// SIP requests and SIP replies accepted, by capture mode.
    pub modes: [[u64; 2]; MODES],
    /// By [`Committed`].
    pub committed: [u64; COMMITTED],
    /// Captures accepted into lanes.
    pub pushed: u64,
    /// Captures that writers have finished with.
    pub finished: u64,
    /// Messages of processes that have no lane.
    pub without_lane: u64,
    /// Messages that were refused before anything was made of them, or of which something was.
    pub refused: u64,
    /// Milliseconds that the oldest capture on its way from a lane to a sink has waited; 0 when none is.
    pub lag_ms: u64,
    /// Writes that found a sink away.
    pub sink_errors: u64,
    /// Writers that died and were started again.
    pub writer_restarts: u64,
    /// Writers that share the lanes.
    pub writers: u64,
    /// Lanes, one for each producer.
    pub lanes: u64,
    /// Bytes of each lane's ring.
    pub lane_bytes: u64,
}

impl Default for Totals {
    fn default() -> Totals {
        Totals {
            // The standard library knows defaults of shorter arrays alone.
            produced: [0; PRODUCED],
            modes: Default::default(),
            committed: Default::default(),
            pushed: 0,
            finished: 0,
            without_lane: 0,
            refused: 0,
            lag_ms: 0,
            sink_errors: 0,
            writer_restarts: 0,
            writers: 0,
            lanes: 0,
            lane_bytes: 0,
        }
    }
}

impl Totals {
    /// One producer counter.
    pub fn produced(&self, counter: Produced) -> u64 {
        self.produced[counter as usize]
    }

    /// SIP requests that were accepted, in any mode.
    pub fn requests(&self) -> u64 {
        self.modes.iter().map(|[requests, _]| requests).sum()
    }

    /// SIP replies that were accepted, in any mode.
    pub fn replies(&self) -> u64 {
        self.modes.iter().map(|[_, replies]| replies).sum()
    }

    /// Packets from raw sockets that were whole, and not of what is captured.
    pub fn raw_ignored(&self) -> u64 {
        self.counted_in(Group::RawIgnored).sum()
    }

    /// One writer counter.
    pub fn committed(&self, counter: Committed) -> u64 {
        self.committed[counter as usize]
    }

    /// Captures that sources made, whatever became of them, and those that an earlier run left in a spool.
    pub fn captured(&self) -> u64 {
        self.made() + self.committed(Committed::Recovered)
    }

    /// Captures that sources made.
    pub(crate) fn made(&self) -> u64 {
        self.pushed + self.never_pushed()
    }

    /// Captures that no lane has taken.
    fn never_pushed(&self) -> u64 {
        let dropped = TABLE.iter().filter(|counter| counter.group == Some(Group::Dropped));
        let by_producers = dropped.filter_map(|counter| match counter.cell {
            Some(Cell::Produced(counter)) => Some(self.produced(counter)),
            _ => None,
        });
        self.without_lane + by_producers.sum::<u64>()
    }

    /// What stands in shared memory of each counter of `group`.
    fn counted_in(&self, group: Group) -> impl Iterator<Item = u64> {
        let counters = TABLE.iter().filter(move |counter| counter.group == Some(group));
        counters.filter_map(|counter| {
            Some(match counter.cell? {
                Cell::Produced(counter) => self.produced(counter),
                Cell::Committed(counter) => self.committed(counter),
            })
        })
    }

    /// Captures that are in a lane, or on their way from there to a sink.
    pub fn queued(&self) -> u64 {
        self.pushed.saturating_sub(self.finished)
    }

    /// Captures that are in a spool.
    pub fn spooled(&self) -> u64 {
        self.committed(Committed::Spooled).saturating_sub(self.committed(Committed::Unspooled))
    }

    /// Captures that were lost, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.without_lane + self.counted_in(Group::Dropped).sum::<u64>()
    }
}
