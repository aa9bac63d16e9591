//! Captures on their way to a sink: batches by table, and the batch set of batches that travels together.

use super::WriterPlan;
use crate::capture::{RowShape, record};
use crate::table::TableNames;
use std::cell::RefCell;
use std::ops::Range;

/// Captures for one table, in the order in which they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The table's name, expanded; of packets, the SIP URI of a collector that a script named, or nothing.
    pub table: String,
    /// Which rows they become.
    pub shape: RowShape,
    records: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    fn new(table: &str, shape: RowShape) -> Batch {
        Batch { table: table.to_owned(), shape, records: Vec::new(), ends: Vec::new() }
    }

    /// Captures in it.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The byte form of each capture.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|index| self.record(index))
    }

    fn record(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.records[start..self.ends[index]]
    }

    /// Puts the captures in the order of their times; those of one moment stay as they are.
    fn sort(&mut self) {
        if self.records().is_sorted_by_key(record::time_us) {
            return;
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|&index| record::time_us(self.record(index)));
        let mut sorted = Batch::new(&self.table, self.shape);
        order.into_iter().for_each(|index| sorted.push(self.record(index)));
        *self = sorted;
    }

    fn push(&mut self, record: &[u8]) {
        self.records.extend_from_slice(record);
        self.ends.push(self.records.len());
    }
}

/// Batches that go to one sink together. Its captures are numbered from 0, batch after batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchSet {
    batches: Vec<Batch>,
}

thread_local! {
    /// Names expanded lately: most captures of a second share theirs.
    static NAMES: RefCell<TableNames> = RefCell::new(TableNames::new());
}

impl BatchSet {
    /// The batches, in the order in which their tables first came.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Captures in it.
    pub fn len(&self) -> usize {
        self.batches.iter().map(Batch::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Adds the byte form of a capture, and answers how many now go to its table; the reason when it is none, or its table's name will
    /// not do.
    pub fn add(&mut self, bytes: &[u8], plan: &WriterPlan) -> Result<usize, String> {
        let capture = record::decode(bytes).map_err(|error| error.to_string())?;
        let shape = capture.kind.shape();
        if let RowShape::Trace | RowShape::Packet = shape {
            // Whoever made it has checked the name; nothing in it is a template.
            let fallback = if shape == RowShape::Trace { plan.table.as_bytes() } else { b"" };
            let name = str::from_utf8(capture.table.unwrap_or(fallback)).map_err(|error| error.to_string())?;
            let batch = self.batch(name, shape);
            batch.push(bytes);
            return Ok(batch.len());
        }
        let template = capture.table.unwrap_or(plan.table.as_bytes());
        NAMES.with_borrow_mut(|names| {
            let name = names.expand(template, capture.time_us).map_err(|error| error.to_string())?;
            let batch = self.batch(name, shape);
            batch.push(bytes);
            Ok(batch.len())
        })
    }

    /// Puts traced messages in the order of their times: the processes that a call goes through have lanes of their own, which are read one after
    /// the other.
    pub fn sort_traces(&mut self) {
        let traced = |batch: &&mut Batch| matches!(batch.shape, RowShape::Trace | RowShape::Packet);
        self.batches.iter_mut().filter(traced).for_each(Batch::sort);
    }

    /// A batch set for each batch.
    pub fn split(self) -> impl Iterator<Item = BatchSet> {
        self.batches.into_iter().map(|batch| BatchSet { batches: vec![batch] })
    }

    /// The batches that `keeps` says yes to.
    pub fn filtered(&self, keeps: impl Fn(&Batch) -> bool) -> BatchSet {
        BatchSet { batches: self.batches.iter().filter(|batch| keeps(batch)).cloned().collect() }
    }

    /// Takes the batches of `other`, which go to other tables, behind its own.
    pub fn join(&mut self, other: BatchSet) {
        self.batches.extend(other.batches);
    }

    /// The batch of capture `number`, and its byte form.
    pub fn record(&self, number: usize) -> Option<(&Batch, &[u8])> {
        let mut rest = number;
        for batch in &self.batches {
            match rest.checked_sub(batch.len()) {
                None => return Some((batch, batch.record(rest))),
                Some(left) => rest = left,
            }
        }
        None
    }

    /// The byte forms of the captures in `range`.
    pub fn records(&self, range: Range<usize>) -> impl Iterator<Item = &[u8]> + Clone {
        let all = self.batches.iter().flat_map(Batch::records);
        all.skip(range.start).take(range.len())
    }

    /// The captures of these ranges alone, which must be in order.
    pub fn select(&self, ranges: &[Range<usize>]) -> BatchSet {
        let mut selected = BatchSet::default();
        for number in ranges.iter().cloned().flatten() {
            if let Some((batch, record)) = self.record(number) {
                selected.batch(&batch.table, batch.shape).push(record);
            }
        }
        selected
    }

    fn batch(&mut self, table: &str, shape: RowShape) -> &mut Batch {
        let found = self.batches.iter().position(|batch| batch.shape == shape && batch.table == table);
        let index = found.unwrap_or_else(|| {
            self.batches.push(Batch::new(table, shape));
            self.batches.len() - 1
        });
        &mut self.batches[index]
    }
}
