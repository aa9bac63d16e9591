//! Sending letters to their tables, with the sinks and the rows of the modules.

use sipcapture_core::capture::{Capture, RowKind, record};
use sipcapture_core::queue::spool::dead_letter::Entry;
use sipcapture_core::sink::{self, Bisection, DatabaseUrl, Sink, SinkError, SinkOptions};
use sipcapture_core::table::{Row, RowText, make_row, name};
use sipcapture_core::writer::sinks::rows::{RowFormat, form};
use std::sync::Arc;

/// Rows that one transaction holds.
pub const BATCH: usize = 500;

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterResult {
    /// It was not sent: the database went away before.
    Waits,
    /// The database has it.
    Stored,
    /// The database refuses it, for this reason.
    Refused(Arc<str>),
    /// No row can be made of it.
    Unreadable,
}

/// Everything that makes a row, but for the capture.
#[derive(Clone, Debug)]
pub struct RowSettings {
    /// The table for all letters, a strftime template; `None` for each letter's own.
    pub table: Option<String>,
    /// Columns, and what is read for them.
    pub format: RowFormat,
}

impl RowSettings {
    /// The table of a letter, or why its name is not valid.
    pub fn table(&self, entry: &Entry<'_>, capture: &Capture<'_>) -> Result<String, String> {
        let named = match &self.table {
            Some(template) => name::expand(template.as_bytes(), capture.time_us),
            None => name::check(&entry.table).map(|()| entry.table.to_string()),
        };
        named.map_err(|error| error.to_string())
    }
}

/// Sends letters to a database.
pub struct Sender {
    sink: Box<dyn Sink>,
    making: RowSettings,
    /// Values cut to their column's width.
    pub truncated: u64,
    /// Why the database could not be written to; nothing more is sent then.
    pub away: Option<String>,
}

/// Letters of one batch whose rows have the same columns and go to one table.
struct TableLetters {
    table: String,
    kind: RowKind,
    numbers: Vec<usize>,
}

impl Sender {
    /// Connects with the first letter.
    pub fn new(url: &DatabaseUrl, options: &SinkOptions, making: RowSettings) -> Sender {
        Sender { sink: sink::open(url, options), making, truncated: 0, away: None }
    }

    /// Sends `entries`, [`BATCH`] at most as a rule, table by table; answers what became of each.
    pub fn send(&mut self, entries: &[&Entry<'_>]) -> Vec<LetterResult> {
        let mut fates = vec![LetterResult::Waits; entries.len()];
        let captures: Vec<Option<Capture<'_>>> =
            entries.iter().map(|entry| record::decode(&entry.capture).ok()).collect();
        let mut groups: Vec<TableLetters> = Vec::new();
        for (number, (entry, capture)) in entries.iter().zip(&captures).enumerate() {
            let Some(capture) = capture else {
                fates[number] = LetterResult::Unreadable;
                continue;
            };
            if matches!(capture.kind, RowKind::Packet | RowKind::Relayed) {
                fates[number] = LetterResult::Refused("it is a packet for a collector, and no row".into());
                continue;
            }
            match self.making.table(entry, capture) {
                Err(why) => fates[number] = LetterResult::Refused(why.into()),
                Ok(table) => {
                    let is_its =
                        |group: &&mut TableLetters| form(group.kind) == form(capture.kind) && group.table == table;
                    match groups.iter_mut().find(is_its) {
                        Some(group) => group.numbers.push(number),
                        None => groups.push(TableLetters { table, kind: capture.kind, numbers: vec![number] }),
                    }
                }
            }
        }
        for group in groups {
            self.send_group(&group, &captures, &mut fates);
        }
        fates
    }

    fn send_group(&mut self, group: &TableLetters, captures: &[Option<Capture<'_>>], fates: &mut [LetterResult]) {
        let node = self.making.format.node.as_bytes();
        let readable = group.numbers.iter().filter_map(|&number| Some((number, captures[number]?)));
        let texts: Vec<(usize, Capture<'_>, RowText)> = readable
            .map(|(number, capture)| (number, capture, RowText::new(&self.making.format.rows, &capture, node)))
            .collect();
        let mut rows: Vec<Row<'_>> = Vec::with_capacity(texts.len());
        // The letter of each row.
        let mut made: Vec<usize> = Vec::with_capacity(texts.len());
        for (number, capture, text) in &texts {
            match make_row(&self.making.format.rows, capture, text, node, &self.making.format.headers) {
                None => fates[*number] = LetterResult::Unreadable,
                Some((row, _)) => {
                    rows.push(row);
                    made.push(*number);
                }
            }
        }
        let layout = self.making.format.layout(group.kind);
        let mut bisection = Bisection::new(rows.len(), self.sink.most_rows());
        while self.away.is_none()
            && let Some(slice) = bisection.take()
        {
            let fate = match self.sink.write(&group.table, layout, &rows[slice.clone()]) {
                Ok(written) => {
                    self.truncated += written.truncated;
                    LetterResult::Stored
                }
                Err(SinkError::Rejected(_)) if bisection.halve(&slice) => continue,
                Err(SinkError::Rejected(why) | SinkError::TableUnusable(why)) => LetterResult::Refused(why.into()),
                Err(SinkError::Unavailable(why) | SinkError::TableLocked(why)) => {
                    self.away = Some(why);
                    LetterResult::Waits
                }
            };
            slice.for_each(|row| fates[made[row]] = fate.clone());
        }
    }
}
