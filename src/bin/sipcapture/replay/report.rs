//! What a replay did: counted letter by letter, told at the end.

use super::send::LetterResult;
use crate::letters::{counted, shape, tally};
use crate::session::{CommandResult, Error, Output};
use crate::terminal::printable;
use serde_json::json;
use sipcapture_core::queue::spool::dead_letter::Entry;
use sipcapture_core::sink::DatabaseUrl;
use std::path::{Path, PathBuf};

/// Reasons that are shown, the most frequent.
const REASONS: usize = 20;

/// The counts.
#[derive(Debug)]
pub struct Report {
    directory: PathBuf,
    database: String,
    dry_run: bool,
    stored: u64,
    /// Table and reason of each letter that was refused.
    refused: Vec<(String, String)>,
    /// Letters that are no captures, and entries that are damaged.
    pub unreadable: u64,
    /// Letters that would be sent: their tables.
    wanted: Vec<String>,
    /// Letters that were not sent, because of the limit or because the database was away.
    pub waiting: u64,
    /// The database of each letter that was not meant.
    pub others: Vec<String>,
    /// Files that another tool is working on.
    pub busy: u64,
    /// What is wrong with files.
    pub faults: Vec<String>,
}

impl Report {
    /// Nothing done yet.
    pub fn new(directory: &Path, database: &DatabaseUrl, dry_run: bool) -> Report {
        Report {
            directory: directory.to_owned(),
            database: database.to_string(),
            dry_run,
            stored: 0,
            refused: Vec::new(),
            unreadable: 0,
            wanted: Vec::new(),
            waiting: 0,
            others: Vec::new(),
            busy: 0,
            faults: Vec::new(),
        }
    }

    /// Counts a letter that was sent.
    pub fn note(&mut self, entry: &Entry<'_>, fate: &LetterResult) {
        match fate {
            LetterResult::Waits => self.waiting += 1,
            LetterResult::Stored => self.stored += 1,
            LetterResult::Refused(why) => self.refused.push((entry.table.to_string(), shape(why))),
            LetterResult::Unreadable => self.unreadable += 1,
        }
    }

    /// Counts a letter that a dry run would have sent.
    pub fn would_send(&mut self, entry: &Entry<'_>) {
        self.wanted.push(entry.table.to_string());
    }

    /// Prints the counts; an error when letters are left that should have been sent.
    pub fn finish(self, output: &Output, truncated: u64, away: Option<String>) -> CommandResult {
        match output.json {
            true => output.document(self.document(truncated, away.as_deref()))?,
            false => output.print(self.text(truncated))?,
        }
        let place = self.directory.display();
        if let Some(why) = away {
            let waiting = counted(self.waiting, "letter stays", "letters stay");
            return Err(Error::Away(format!("cannot write: {why}\nsipcapture: {waiting} in {place}, not sent")));
        }
        if !self.faults.is_empty() {
            return Err(Error::Read(self.faults.join("\nsipcapture: cannot read ")));
        }
        match self.refused.len() as u64 + self.unreadable {
            0 => Ok(()),
            _ if self.dry_run => Ok(()),
            left => Err(Error::Refused(format!("{} in {place}", counted(left, "letter stays", "letters stay")))),
        }
    }

    fn document(&self, truncated: u64, away: Option<&str>) -> serde_json::Value {
        let refusals = tally(self.refused.iter().cloned());
        let refusals =
            refusals.iter().map(|((table, reason), count)| json!({ "count": count, "table": table, "reason": reason }));
        let others = tally(self.others.iter().cloned());
        let others = others.iter().map(|(database, count)| json!({ "count": count, "database": database }));
        let wanted = tally(self.wanted.iter().cloned());
        let wanted = wanted.iter().map(|(table, count)| json!({ "count": count, "table": table }));
        json!({
            "directory": self.directory.display().to_string(),
            "database": self.database,
            "dry_run": self.dry_run,
            "would_send": wanted.collect::<Vec<_>>(),
            "stored": self.stored,
            "truncated": truncated,
            "refused": self.refused.len(),
            "refusals": refusals.collect::<Vec<_>>(),
            "unreadable": self.unreadable,
            "waiting": self.waiting,
            "other_databases": others.collect::<Vec<_>>(),
            "unavailable": away,
        })
    }

    fn text(&self, truncated: u64) -> String {
        let mut lines = vec![if self.dry_run { self.dry_line() } else { self.result_line(truncated) }];
        let refusals = tally(self.refused.iter().cloned());
        for ((table, reason), count) in refusals.iter().take(REASONS) {
            lines.push(format!("refused again: {count} by {table}: {reason}"));
        }
        if refusals.len() > REASONS {
            lines.push(format!("refused again: {} more reasons", refusals.len() - REASONS));
        }
        for (table, count) in tally(self.wanted.iter().cloned()) {
            lines.push(format!("would send: {count} of table {table}"));
        }
        if self.waiting > 0 {
            lines.push(format!("{} still to be sent", counted(self.waiting, "letter is", "letters are")));
        }
        if self.busy > 0 {
            lines.push(format!("{} in use by another replay", counted(self.busy, "file is", "files are")));
        }
        for (database, count) in tally(self.others.iter().cloned()) {
            lines.push(format!("not sent: {} of {database}", counted(count, "letter", "letters")));
        }
        if !self.others.is_empty() {
            lines.push(
                "send them with --db and the URL of their database, or to this one with --sink URL or --all-sinks"
                    .into(),
            );
        }
        lines.iter().map(|line| printable(line) + "\n").collect()
    }

    fn result_line(&self, truncated: u64) -> String {
        let nothing = self.stored + self.refused.len() as u64 + self.unreadable + self.waiting == 0;
        if nothing && self.faults.is_empty() {
            return self.nothing_line();
        }
        let cut = match truncated {
            0 => String::new(),
            cut => format!(" ({} cut to the column's width)", counted(cut, "value", "values")),
        };
        let stored = counted(self.stored, "letter", "letters");
        let (refused, unreadable) = (self.refused.len(), self.unreadable);
        format!("{stored} stored in {}{cut}, {refused} refused again, {unreadable} unreadable", self.database)
    }

    fn dry_line(&self) -> String {
        if self.wanted.is_empty() && self.unreadable == 0 && self.faults.is_empty() {
            return self.nothing_line();
        }
        let wanted = counted(self.wanted.len() as u64, "letter", "letters");
        format!("{wanted} would be sent to {}, {} unreadable", self.database, self.unreadable)
    }

    fn nothing_line(&self) -> String {
        let place = self.directory.display();
        match self.others.is_empty() {
            true => format!("no dead letters in {place}"),
            false => format!("no dead letters of {} in {place}", self.database),
        }
    }
}
