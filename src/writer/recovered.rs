//! Captures that earlier writers left in the spools.

use super::counters::add;
use super::sink_worker::SinkWorker;
use super::sink_workers::SinkWorkers;
use crate::queue::counters::{COMMITTED, Committed};
use crate::queue::lane::Consumer;

/// Counts captures in the spools that no commit knows: those of an earlier run of the server, and those that a writer
/// of this run had done with, and counted, when it died before it could note that in the spool of an earlier one.
pub fn count_recovered(consumer: &mut Consumer, workers: &SinkWorkers) {
    let numbers = workers.numbers().into_iter();
    let own = numbers.map(|number| workers.marks(number, consumer)).map(|marks| marks.next - marks.acked);
    let found = own.sum::<u64>() + workers.iter().map(SinkWorker::earlier_pending).sum::<u64>();
    // What has been handed over and is still where it came from is no other capture.
    let found = found.saturating_sub(workers.iter().map(SinkWorker::moved).sum());
    let known = consumer.counter(Committed::Spooled) - consumer.counter(Committed::Unspooled);
    let recovered = found.saturating_sub(known);
    let mut counters = [0; COMMITTED];
    add(&mut counters, Committed::Recovered, recovered);
    add(&mut counters, Committed::Spooled, recovered);
    consumer.commit_counters(&counters);
    if recovered > 0 {
        log::info!("{recovered} captures of earlier writers are in the spool");
    }
}
