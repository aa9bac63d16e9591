//! Captures on their way to a sink: batches by destination, and the set of batches that travels together.

use crate::capture::record;
use std::borrow::Cow;
use std::ops::Range;

/// Which batch a capture belongs to: what has the same key goes to the sink in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchKey<'a> {
    /// Where it goes within the sink: a table, a collector's URI; empty where there is one destination. Dead letters
    /// name it too.
    pub destination: Cow<'a, str>,
    /// Keeps captures of one destination apart that cannot go there in one call. Its meaning is the sink's.
    pub form: u8,
    /// Whether the captures of a window are put in the order of their times: the processes that a call goes through
    /// have lanes of their own, which are read one after the other.
    pub by_time: bool,
}

/// Captures with one key, in the order in which they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// See [`BatchKey::destination`].
    pub destination: String,
    form: u8,
    by_time: bool,
    records: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    fn new(destination: &str, form: u8, by_time: bool) -> Batch {
        Batch { destination: destination.to_owned(), form, by_time, records: Vec::new(), ends: Vec::new() }
    }

    /// An empty one with the same key.
    fn like(&self) -> Batch {
        Batch::new(&self.destination, self.form, self.by_time)
    }

    /// How many captures it holds.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
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
        let mut sorted = self.like();
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

impl BatchSet {
    /// The batches, in the order in which their keys first came.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// How many captures it holds.
    pub fn len(&self) -> usize {
        self.batches.iter().map(Batch::len).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Adds the byte form of a capture with this key, and answers how many are in its batch now.
    pub fn add(&mut self, bytes: &[u8], key: &BatchKey<'_>) -> usize {
        let batch = self.batch(&key.destination, key.form, key.by_time);
        batch.push(bytes);
        batch.len()
    }

    /// Puts captures in the order of their times, in the batches whose key asks for that.
    pub fn sort_by_time(&mut self) {
        self.batches.iter_mut().filter(|batch| batch.by_time).for_each(Batch::sort);
    }

    /// Splits it into sets of one batch each.
    pub fn split(self) -> impl Iterator<Item = BatchSet> {
        self.batches.into_iter().map(|batch| BatchSet { batches: vec![batch] })
    }

    /// A copy of the batches for which `keeps` is true.
    pub fn filtered(&self, keeps: impl Fn(&Batch) -> bool) -> BatchSet {
        BatchSet { batches: self.batches.iter().filter(|batch| keeps(batch)).cloned().collect() }
    }

    /// Takes the batches of `other`, which have other keys, behind its own.
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
                selected.batch(&batch.destination, batch.form, batch.by_time).push(record);
            }
        }
        selected
    }

    fn batch(&mut self, destination: &str, form: u8, by_time: bool) -> &mut Batch {
        let found = self.batches.iter().position(|batch| batch.form == form && batch.destination == destination);
        let index = found.unwrap_or_else(|| {
            self.batches.push(Batch::new(destination, form, by_time));
            self.batches.len() - 1
        });
        &mut self.batches[index]
    }
}
