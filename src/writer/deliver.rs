//! The delivery thread of one sink: turns batch sets into rows, writes them, and says what became of each.

use super::batch::{Batch, BatchSet};
use super::packets::PacketStore;
use super::store::{Store, WriteOutcome};
use super::{Counters, WriterPlan, add};
use crate::capture::{Capture, record};
use crate::queue::counters::{COMMITTED, Committed};
use crate::queue::lane::Lanes;
use crate::table::{Row, RowText, make_row};
use crossbeam_channel::Sender;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

/// One batch set to deliver.
#[derive(Debug)]
pub struct Job {
    /// Number of the worker whose job it is.
    pub worker: usize,
    /// Its number among the jobs of that worker.
    pub number: u64,
    /// What to deliver.
    pub set: Arc<BatchSet>,
    /// Whether to try a sink that was away a moment ago; otherwise such a batch set comes back at once.
    pub probe: bool,
}

/// The way to a delivery thread, which several workers may share.
#[derive(Clone, Debug)]
pub struct DeliveryThread {
    /// Where its jobs go.
    pub jobs: Sender<Job>,
    /// The thread.
    pub thread: Arc<JoinHandle<()>>,
}

/// A capture that the sink refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its number in the batch set.
    pub number: usize,
    /// The reason.
    pub why: Arc<str>,
}

/// What became of one batch set; captures that are neither refused nor left are stored.
#[derive(Debug)]
pub struct Delivered {
    /// Number of the worker whose job it was.
    pub worker: usize,
    /// The job.
    pub job: u64,
    /// What this adds to the counters, but for captures stored, refused and left.
    pub counters: Counters,
    /// Captures refused, in order.
    pub refused: Vec<Refused>,
    /// Captures that could not be written now, in order.
    pub left: Vec<Range<usize>>,
    /// Whether the sink was away at the end.
    pub away: bool,
}

impl Delivered {
    /// How many captures could not be written now.
    pub fn left_len(&self) -> usize {
        self.left.iter().map(Range::len).sum()
    }
}

/// What brings captures to a sink.
pub enum Delivery {
    /// As rows.
    Rows(Box<Store>),
    /// As packets.
    Packets(Box<PacketStore>),
}

impl Delivery {
    fn turns_away(&self) -> bool {
        match self {
            Delivery::Rows(store) => store.turns_away(),
            Delivery::Packets(store) => store.turns_away(),
        }
    }
}

/// Starts the thread of worker `worker`; it ends when every sender of its jobs is dropped.
pub fn start(
    mut delivery: Delivery,
    plan: &WriterPlan,
    (writer, worker): (usize, usize),
    lanes: Arc<Lanes>,
    results: Sender<Delivered>,
) -> io::Result<DeliveryThread> {
    // The windows on the way, and one chunk of the replay, bound what waits here: with a spool, nothing is sent behind a batch set that was given
    // up. A bound on jobs would let the drain wait, and with it the end.
    let (jobs, inbox) = crossbeam_channel::unbounded::<Job>();
    let plan = plan.clone();
    let body = move || {
        for job in inbox {
            let delivered = deliver(&mut delivery, &plan, &job);
            drop(job);
            if results.send(delivered).is_err() {
                return;
            }
            lanes.wake(writer);
        }
    };
    let thread = std::thread::Builder::new().name(format!("sink {worker}")).spawn(body)?;
    Ok(DeliveryThread { jobs, thread: Arc::new(thread) })
}

fn deliver(delivery: &mut Delivery, plan: &WriterPlan, job: &Job) -> Delivered {
    let mut delivered = Delivered {
        worker: job.worker,
        job: job.number,
        counters: [0; COMMITTED],
        refused: Vec::new(),
        left: Vec::new(),
        away: delivery.turns_away() && !job.probe,
    };
    let mut first = 0;
    for batch in job.set.batches() {
        let numbers = first..first + batch.len();
        first = numbers.end;
        if delivered.away {
            delivered.left.push(numbers);
        } else {
            match delivery {
                Delivery::Rows(store) => deliver_batch(store, plan, batch, numbers.start, &mut delivered),
                Delivery::Packets(store) => store.deliver(batch, numbers.start, &mut delivered),
            }
        }
    }
    delivered
}

/// Delivers the captures of `batch`, numbered from `first`.
fn deliver_batch(store: &mut Store, plan: &WriterPlan, batch: &Batch, first: usize, delivered: &mut Delivered) {
    let captures: Vec<Option<Capture<'_>>> = batch.records().map(|bytes| record::decode(bytes).ok()).collect();
    let text =
        |capture: &Option<Capture<'_>>| capture.map(|capture| RowText::new(&plan.rows, &capture, plan.node.as_bytes()));
    let texts: Vec<Option<RowText>> = captures.iter().map(text).collect();
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(captures.len());
    // Number of each row's capture, and whether parts of it could not be read.
    let mut made: Vec<(usize, bool)> = Vec::with_capacity(captures.len());
    let mut refused: Vec<Refused> = Vec::new();
    for (number, (capture, text)) in (first..).zip(captures.iter().zip(&texts)) {
        let both = capture.as_ref().zip(text.as_ref());
        let row =
            both.and_then(|(capture, text)| make_row(&plan.rows, capture, text, plan.node.as_bytes(), &plan.headers));
        match row {
            Some((row, malformed)) => {
                rows.push(row);
                made.push((number, malformed));
            }
            None => {
                log::error!("no row could be made of a capture, which is a fault of this module");
                refused.push(Refused { number, why: "no row could be made of it".into() });
            }
        }
    }
    let layout = plan.layout(batch.shape);
    let WriteOutcome { refused: by_sink, left, truncated, away } = store.write(&batch.table, layout, &rows);
    for refusal in by_sink {
        let why: Arc<str> = refusal.why.into();
        refused.extend(refusal.rows.map(|row| Refused { number: made[row].0, why: Arc::clone(&why) }));
    }
    refused.sort_by_key(|refused| refused.number);
    let is_stored = |row: usize, number: usize| {
        !left.iter().any(|rows| rows.contains(&row))
            && refused.binary_search_by_key(&number, |refused| refused.number).is_err()
    };
    let stored = made.iter().enumerate().filter(|&(row, &(number, _))| is_stored(row, number));
    let (mut malformed, mut has_stored) = (0, false);
    for (_, &(_, is_malformed)) in stored {
        malformed += u64::from(is_malformed);
        has_stored = true;
    }
    add(&mut delivered.counters, Committed::Malformed, malformed);
    add(&mut delivered.counters, Committed::Truncated, truncated);
    add(&mut delivered.counters, Committed::Batches, u64::from(has_stored));
    delivered.refused.append(&mut refused);
    delivered.left.extend(
        left.into_iter().filter(|rows| !rows.is_empty()).flat_map(|rows| runs(made[rows].iter().map(|row| row.0))),
    );
    delivered.away = away;
}

/// Numbers, in order, as ranges.
pub fn runs(numbers: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for number in numbers {
        match runs.last_mut().filter(|run| run.end == number) {
            Some(run) => run.end += 1,
            None => runs.push(number..number + 1),
        }
    }
    runs
}
