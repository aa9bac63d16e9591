//! What a worker remembers of what its delivery thread has, and of a sink that does not answer.

use crate::writer::batch::BatchSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A batch set with the delivery thread.
#[derive(Debug)]
pub(super) struct InFlight {
    pub job: u64,
    pub window: u64,
    pub set: Arc<BatchSet>,
    pub since: Instant,
    /// Its ids in the spool, once it is parked.
    pub parked: Option<Range<u64>>,
    /// Whether it is counted as lost: whatever the delivery thread answers comes too late.
    pub is_lost: bool,
}

impl InFlight {
    /// Whether its window waits for it.
    pub fn is_owed(&self) -> bool {
        self.parked.is_none() && !self.is_lost
    }
}

/// A time in which the sink does not answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    /// Wait between the last two tries.
    pub back_off: Duration,
    /// When it is tried again.
    pub next_probe: Instant,
}
