//! From records to rows, and what became of each.

use super::RowFormat;
use super::store::{Store, WriteOutcome};
use crate::capture::Capture;
use crate::capture::record::{self, RecordError};
use crate::log_limit::LogLimit;
use crate::queue::counters::Committed;
use crate::table::{Row, RowText, make_row};
use crate::writer::batch::Batch;
use crate::writer::counters::add;
use crate::writer::delivered::{BatchOutcome, Refused, runs};
use crate::writer::kind::Delivery;
use log::Level;
use std::sync::Arc;

/// Brings rows to a database.
pub(super) struct RowDelivery {
    store: Store,
    format: Arc<RowFormat>,
    log: RowLog,
}

/// What is said of captures without a row, each kind at a limited rate of its own.
#[derive(Default)]
struct RowLog {
    unreadable: LogLimit,
    fault: LogLimit,
}

impl RowDelivery {
    pub fn new(store: Store, format: Arc<RowFormat>) -> RowDelivery {
        RowDelivery { store, format, log: RowLog::default() }
    }
}

/// A record, read.
type Decoded<'a> = Result<Capture<'a>, RecordError>;

/// The rows of a batch.
#[derive(Default)]
struct Rows<'a> {
    rows: Vec<Row<'a>>,
    /// Number of each row's capture, and whether parts of it could not be read.
    made: Vec<(usize, bool)>,
    /// Captures of which no row could be made.
    refused: Vec<Refused>,
}

impl<'a> Rows<'a> {
    fn make(
        captures: &[Decoded<'a>],
        texts: &'a [Option<RowText>],
        format: &'a RowFormat,
        log: &mut RowLog,
    ) -> Rows<'a> {
        let mut rows = Rows { rows: Vec::with_capacity(captures.len()), ..Rows::default() };
        rows.made.reserve(captures.len());
        for (number, (capture, text)) in captures.iter().zip(texts).enumerate() {
            let capture = match capture {
                Ok(capture) => capture,
                Err(error) => {
                    log.unreadable.log(Level::Error, format_args!("a capture cannot be stored: {error}"));
                    rows.refused.push(Refused { number, why: error.to_string().into() });
                    continue;
                }
            };
            let row = text
                .as_ref()
                .and_then(|text| make_row(&format.rows, capture, text, format.node.as_bytes(), &format.headers));
            match row {
                Some((row, malformed)) => {
                    rows.rows.push(row);
                    rows.made.push((number, malformed));
                }
                None => {
                    let line = format_args!("no row could be made of a capture, which is a fault of this module");
                    log.fault.log(Level::Error, line);
                    rows.refused.push(Refused { number, why: "no row could be made of it".into() });
                }
            }
        }
        rows
    }
}

impl Delivery for RowDelivery {
    fn turns_away(&self) -> bool {
        self.store.turns_away()
    }

    fn deliver(&mut self, batch: &Batch) -> BatchOutcome {
        let format = Arc::clone(&self.format);
        let captures: Vec<Decoded<'_>> = batch.records().map(record::decode).collect();
        let text = |capture: &Decoded<'_>| {
            let capture = capture.as_ref().ok()?;
            Some(RowText::new(&format.rows, capture, format.node.as_bytes()))
        };
        let texts: Vec<Option<RowText>> = captures.iter().map(text).collect();
        let rows = Rows::make(&captures, &texts, &format, &mut self.log);
        // The rows of a batch have the same columns.
        let Some(kind) = captures.iter().flatten().map(|capture| capture.kind).next() else {
            return BatchOutcome { refused: rows.refused, ..BatchOutcome::default() };
        };
        let written = self.store.write(&batch.destination, format.layout(kind), &rows.rows);
        outcome(rows, written)
    }
}

/// What became of the captures of these rows.
fn outcome(rows: Rows<'_>, written: WriteOutcome) -> BatchOutcome {
    let (made, left) = (rows.made, written.left);
    let mut refused = rows.refused;
    for refusal in written.refused {
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
    let mut outcome = BatchOutcome { away: written.away, ..BatchOutcome::default() };
    add(&mut outcome.counters, Committed::Malformed, malformed);
    add(&mut outcome.counters, Committed::Truncated, written.truncated);
    add(&mut outcome.counters, Committed::Batches, u64::from(has_stored));
    let left = left.into_iter().filter(|rows| !rows.is_empty());
    outcome.left = left.flat_map(|rows| runs(made[rows].iter().map(|row| row.0))).collect();
    outcome.refused = refused;
    outcome
}
