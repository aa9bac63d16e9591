//! A writer beside a test: while it runs, and what its counters come to.

use super::{Ending, Writer, WriterPlan};
use crate::queue::counters::{Committed, Totals};
use crate::queue::lane::{Consumer, Lanes};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for anything that is to happen; reached only when a test fails.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Runs writer 0 for `plan` beside `act`, then stops it in order.
pub(crate) fn while_running(lanes: &Arc<Lanes>, plan: WriterPlan, act: impl FnOnce()) -> Ending {
    let stop = Arc::new(AtomicBool::new(false));
    let consumer = Consumer::take(lanes, 0).unwrap().unwrap();
    let stopped = Arc::clone(&stop);
    let writer = thread::spawn(move || Writer::start(consumer, 0, plan, stopped).unwrap().run(&mut || {}).unwrap());
    act();
    stop.store(true, Ordering::Relaxed);
    lanes.wake(0);
    writer.join().unwrap()
}

/// Waits until the counters are as `condition` has it, and sees that they add up then.
pub(crate) fn until(lanes: &Lanes, sentence: &str, condition: impl Fn(&Totals) -> bool) {
    let deadline = Instant::now() + LONGEST_WAIT;
    while !condition(&lanes.totals()) {
        assert!(Instant::now() < deadline, "not in time: {sentence}: {:?}", lanes.totals());
        thread::sleep(Duration::from_millis(5));
    }
    assert_balance(lanes);
}

/// Sees that every capture is somewhere.
pub(crate) fn assert_balance(lanes: &Lanes) {
    let totals = lanes.totals();
    let known = totals.committed(Committed::Stored) + totals.spooled() + totals.queued() + totals.dropped();
    assert_eq!(totals.captured(), known + totals.committed(Committed::DeadLettered), "{totals:?}");
}
