//! `sipcapture dead-letters`: what databases have refused, without touching it.

use crate::letters::{Letter, LetterPlace, counted, files, shape, tally};
use crate::listing::{ListedKind, TextTable};
use crate::session::{CommandResult, Error, Output};
use crate::terminal::{Style, printable};
use clap::Args;
use serde_json::{Value, json};
use sipcapture_core::queue::spool::dead_letter::{ReadError, read_file};
use std::path::Path;

const SHRINKING: [(ListedKind, usize); 4] =
    [(ListedKind::Sentence, 30), (ListedKind::CallId, 26), (ListedKind::CallId, 10), (ListedKind::Sentence, 10)];

/// Which letters to list.
#[derive(Args, Clone, Debug)]
pub struct DeadLettersOptions {
    #[command(flatten)]
    place: LetterPlace,
    /// Letters to list, the newest, at most; the counts are always of all
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<usize>,
}

/// All that a directory holds.
#[derive(Debug, Default)]
struct FoundLetters {
    letters: Vec<Letter>,
    files: usize,
    bytes: u64,
    /// Places at which entries are damaged.
    damaged: u64,
    /// What is wrong with files that cannot be read at all, or not to their end.
    faults: Vec<String>,
}

/// Prints the list and the counts, or their document.
pub fn run(output: &Output, options: &DeadLettersOptions) -> CommandResult {
    let directory = options.place.find()?;
    let held = read_all(&directory)?;
    let shown = &held.letters[held.letters.len() - options.limit.unwrap_or(usize::MAX).min(held.letters.len())..];
    match output.json {
        true => output.document(document(&directory, &held, shown))?,
        false => output.print(text(output, &directory, &held, shown))?,
    }
    if held.faults.is_empty() { Ok(()) } else { Err(Error::Read(held.faults.join("\nsipcapture: cannot read "))) }
}

/// Reads every file as it is at this moment; the server goes on writing.
fn read_all(directory: &Path) -> Result<FoundLetters, Error> {
    let mut held = FoundLetters::default();
    for file in files(directory)? {
        let entries = match read_file(&file.path) {
            Ok(entries) => entries,
            // The file is new, and nothing is written to it yet.
            Err(ReadError::Header { .. }) if file.bytes == 0 => continue,
            // Another tool is sending it again at this moment.
            Err(ReadError::Io(error)) if error.source.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                held.faults.push(error.to_string());
                continue;
            }
        };
        held.files += 1;
        held.bytes += file.bytes;
        for entry in entries {
            match entry {
                Ok(entry) => held.letters.push(Letter::of(&entry)),
                Err(ReadError::Lost { entries, .. }) => held.damaged += entries,
                Err(ReadError::Entry { .. }) => held.damaged += 1,
                // This is usually the letter that is being written now.
                Err(ReadError::Torn { .. }) => {}
                Err(error) => held.faults.push(error.to_string()),
            }
        }
    }
    held.letters.sort_by_key(|letter| letter.time_us);
    Ok(held)
}

fn groups(held: &FoundLetters) -> Vec<((String, String, String), u64)> {
    tally(held.letters.iter().map(|letter| (letter.table.clone(), letter.database.clone(), shape(&letter.reason))))
}

fn document(directory: &Path, held: &FoundLetters, shown: &[Letter]) -> Value {
    let counts = groups(held).into_iter().map(|((table, database, reason), count)| {
        json!({ "count": count, "table": table, "database": database, "reason": reason })
    });
    json!({
        "directory": directory.display().to_string(),
        "total": held.letters.len(),
        "unreadable": held.letters.iter().filter(|letter| !letter.is_readable()).count(),
        "damaged": held.damaged,
        "files": held.files,
        "bytes": held.bytes,
        "counts": counts.collect::<Vec<_>>(),
        "letters": shown.iter().map(Letter::to_json).collect::<Vec<_>>(),
    })
}

fn text(output: &Output, directory: &Path, held: &FoundLetters, shown: &[Letter]) -> String {
    let mut lines = Vec::new();
    if !shown.is_empty() {
        let heads = [
            ("REFUSED", ListedKind::Fixed),
            ("TABLE", ListedKind::Fixed),
            ("MESSAGE", ListedKind::Fixed),
            ("CALL-ID", ListedKind::CallId),
            ("REASON", ListedKind::Sentence),
        ];
        let rows = shown.iter().map(|letter| {
            let time = output.clock.date_time(letter.time_us);
            vec![time, letter.table.clone(), letter.what(), letter.call_id.clone(), letter.reason.clone()]
        });
        lines.extend(table(output, &heads, rows));
        lines.push(String::new());
        let heads = [
            ("LETTERS", ListedKind::Number),
            ("TABLE", ListedKind::Fixed),
            ("DATABASE", ListedKind::Fixed),
            ("REASON", ListedKind::Sentence),
        ];
        let rows = groups(held)
            .into_iter()
            .map(|((table, database, reason), count)| vec![count.to_string(), table, database, reason]);
        lines.extend(table(output, &heads, rows));
        lines.push(String::new());
    }
    lines.push(summary(directory, held));
    lines.join("\n") + "\n"
}

fn table(
    output: &Output,
    heads: &[(&'static str, ListedKind)],
    rows: impl Iterator<Item = Vec<String>>,
) -> Vec<String> {
    let mut table = TextTable::new(heads);
    rows.for_each(|cells| table.push(cells.iter().map(|cell| printable(cell)).collect(), Style::Plain));
    table.measure();
    table.shrink(output.terminal.table_width(), &SHRINKING);
    table.lines(&output.terminal)
}

fn summary(directory: &Path, held: &FoundLetters) -> String {
    let place = directory.display();
    if held.letters.is_empty() && held.damaged == 0 {
        return format!("no dead letters in {place}");
    }
    let letters = counted(held.letters.len() as u64, "dead letter", "dead letters");
    let files = counted(held.files as u64, "file", "files");
    let mut summary = format!("{letters} in {files} in {place}");
    let unreadable = held.letters.iter().filter(|letter| !letter.is_readable()).count() as u64;
    if unreadable > 0 {
        summary += &format!(", {unreadable} of them no captures");
    }
    if held.damaged > 0 {
        summary += &format!(", and {} damaged", held.damaged);
    }
    summary
}
