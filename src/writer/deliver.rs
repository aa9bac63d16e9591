//! The delivery thread: owns the sink, turns batches into rows, and does not come back with a batch before it is stored, refused
//! row by row, or given up at the end of the server.

use super::store::{Store, Stored};
use super::window::Batch;
use super::{Counters, Plan, add};
use crate::capture::{Capture, record};
use crate::queue::lane::{COMMITTED, Committed, Lanes};
use crate::sip::{self, Fields};
use crate::table::{Row, RowText, fill_report, fill_sip};
use crossbeam_channel::{Receiver, Sender};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// One batch to deliver.
#[derive(Debug)]
pub struct Job {
    /// The window that it belongs to.
    pub window: u64,
    /// What to deliver.
    pub batch: Batch,
}

/// What became of one batch.
#[derive(Debug)]
pub struct Delivered {
    /// The window that it belongs to.
    pub window: u64,
    /// What its captures add to the counters.
    pub counters: Counters,
    /// Captures that were given up undelivered.
    pub undelivered: u64,
}

/// Starts the thread; it ends when the returned sender is dropped.
pub fn start(
    lanes: Arc<Lanes>,
    writer: usize,
    plan: &Plan,
    give_up: Arc<AtomicBool>,
) -> io::Result<(Sender<Job>, Receiver<Delivered>)> {
    // Two windows bound what waits here; a bound on batches would let many small ones block the drain, and with it the end.
    let (jobs, inbox) = crossbeam_channel::unbounded::<Job>();
    let (outbox, results) = crossbeam_channel::unbounded();
    let plan = plan.clone();
    let body = move || {
        let mut store = Store::new(&plan, Arc::clone(&lanes), writer, give_up);
        for job in inbox {
            let delivered = deliver(&mut store, &plan, job);
            if outbox.send(delivered).is_err() {
                return;
            }
            lanes.wake(writer);
        }
    };
    std::thread::Builder::new().name("sipcapture sink".to_owned()).spawn(body)?;
    Ok((jobs, results))
}

fn deliver(store: &mut Store, plan: &Plan, job: Job) -> Delivered {
    let mut counters = [0; COMMITTED];
    let captures: Vec<Capture<'_>> = job.batch.records().filter_map(|bytes| record::decode(bytes).ok()).collect();
    let texts: Vec<RowText> = captures.iter().map(|capture| RowText::new(capture, plan.node.as_bytes())).collect();
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(captures.len());
    let mut malformed = 0;
    for (capture, text) in captures.iter().zip(&texts) {
        match row_of(plan, job.batch.report, capture, text) {
            Some((row, bad)) => {
                rows.push(row);
                malformed += u64::from(bad);
            }
            None => log::error!("capture dropped: no row could be made of it, which is a fault of this module"),
        }
    }
    let layout = if job.batch.report { &plan.report } else { &plan.sip };
    let Stored { stored, rejected, truncated, undelivered } = store.write(&job.batch.table, layout, &rows);
    let unmade = job.batch.len() - rows.len();
    add(&mut counters, Committed::Stored, stored);
    add(&mut counters, Committed::Rejected, rejected + unmade as u64);
    add(&mut counters, Committed::Truncated, truncated);
    add(&mut counters, Committed::Malformed, if undelivered == 0 { malformed } else { 0 });
    add(&mut counters, Committed::Batches, 1);
    Delivered { window: job.window, counters, undelivered }
}

/// The row of one capture, and whether parts of it could not be read. `None` when the codec panicked: one message must not take the
/// writer into a circle of restarts.
fn row_of<'a>(plan: &'a Plan, report: bool, capture: &Capture<'a>, text: &'a RowText) -> Option<(Row<'a>, bool)> {
    let make = || {
        let node = plan.node.as_bytes();
        let mut row = Row::new();
        if report {
            fill_report(&mut row, capture, text, node);
            return (row, false);
        }
        let fields: Fields<'a> = sip::extract(capture.payload, capture.rewritten_uri, &plan.headers);
        fill_sip(&mut row, capture, &fields, text, node);
        (row, fields.malformed)
    };
    catch_unwind(AssertUnwindSafe(make)).ok()
}
