//! A window: what one turn of the drain read, in batches by table, and what became of it.

use super::{Counters, Plan, add, deliver::Delivered};
use crate::capture::{RowKind, record};
use crate::queue::lane::{COMMITTED, Committed, Consumer, Progress};
use crate::table::TableNames;
use std::cell::RefCell;

/// Bytes of one window, about: keeps a burst of large messages from growing the process.
const WINDOW_BYTES: usize = 8 << 20;

/// Captures for one table, in the order in which they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The table's name, expanded.
    pub table: String,
    /// Whether the rows are reports, of 12 columns.
    pub report: bool,
    records: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// Captures in it.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The byte form of each capture.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.records[start..end])
    }

    fn push(&mut self, record: &[u8]) {
        self.records.extend_from_slice(record);
        self.ends.push(self.records.len());
    }
}

/// What is remembered of a window until all of its batches are answered.
#[derive(Debug)]
pub struct Window {
    number: u64,
    progress: Progress,
    batches: usize,
    answered: usize,
    undelivered: u64,
    records: u64,
    waited_ms: u64,
    read_at: std::time::Instant,
    counters: Counters,
}

thread_local! {
    /// Names expanded lately: most captures of a second share theirs.
    static NAMES: RefCell<TableNames> = RefCell::new(TableNames::new());
}

impl Window {
    /// Reads up to a full batch for some table, or all that is queued.
    pub fn fill(number: u64, consumer: &mut Consumer, plan: &Plan) -> (Window, Vec<Batch>) {
        let mut batches: Vec<Batch> = Vec::new();
        let mut counters = [0; COMMITTED];
        let (mut bytes, mut waited_ms) = (0, 0);
        let (records, corrupt) = consumer.read(|record, waited| {
            waited_ms = waited_ms.max(waited);
            bytes += record.len();
            let full = match place(record, plan, &mut batches) {
                Ok(batch) => {
                    batch.push(record);
                    batch.len() >= plan.batch_size
                }
                Err(why) => {
                    log::error!("capture dropped: {why}");
                    add(&mut counters, Committed::Rejected, 1);
                    false
                }
            };
            !full && bytes < WINDOW_BYTES
        });
        add(&mut counters, Committed::Corrupt, corrupt);
        let window = Window {
            number,
            progress: consumer.progress(),
            batches: batches.len(),
            answered: 0,
            undelivered: 0,
            records: records + corrupt,
            waited_ms,
            read_at: std::time::Instant::now(),
            counters,
        };
        (window, batches)
    }

    /// Its number, one up from the last.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How far the lanes were read with it.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What its commit adds to the counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Captures in it.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Milliseconds that its oldest capture has waited by now.
    pub fn waited_ms(&self) -> u64 {
        self.waited_ms + self.read_at.elapsed().as_millis() as u64
    }

    /// Adds the answer to one of its batches.
    pub fn note(&mut self, delivered: &Delivered) {
        self.answered += 1;
        self.undelivered += delivered.undelivered;
        self.counters.iter_mut().zip(&delivered.counters).for_each(|(sum, add)| *sum += add);
    }

    /// Whether every batch has an answer.
    pub fn is_answered(&self) -> bool {
        self.answered == self.batches
    }

    /// Whether every capture is stored or counted, so that its bytes may be freed.
    pub fn is_finished(&self) -> bool {
        self.is_answered() && self.undelivered == 0
    }
}

/// The batch that a record belongs to, begun if need be; the reason when its table's name will not do.
fn place<'b>(bytes: &[u8], plan: &Plan, batches: &'b mut Vec<Batch>) -> Result<&'b mut Batch, String> {
    let capture = record::decode(bytes).map_err(|error| error.to_string())?;
    let report = matches!(capture.kind, RowKind::Report(_));
    let template = capture.table.unwrap_or(plan.table.as_bytes());
    NAMES.with_borrow_mut(|names| {
        let name = names
            .expand(template, capture.time_us)
            .map_err(|error| format!("table name {:?} is not allowed: {error}", String::from_utf8_lossy(template)))?;
        let found = batches.iter().position(|batch| batch.report == report && batch.table == name);
        let index = found.unwrap_or_else(|| {
            let table = name.to_owned();
            batches.push(Batch { table, report, records: Vec::new(), ends: Vec::new() });
            batches.len() - 1
        });
        Ok(&mut batches[index])
    })
}
