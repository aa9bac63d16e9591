//! `sipcapture spool`: what waits on the disk for databases that were away, without touching it.

use crate::letters::{counted, require_directory, unreadable};
use crate::listing::{ListedKind, TextTable};
use crate::moment::rfc3339;
use crate::session::{CommandResult, Error, Output};
use crate::terminal::{Style, printable};
use clap::Args;
use serde_json::{Value, json};
use sipcapture_core::capture::record;
use sipcapture_core::module::SPOOL_DIRECTORY;
use sipcapture_core::queue::spool::dead_letter::list;
use sipcapture_core::queue::spool::{Contents, LockHolder, inspect, lock_holder};
use sipcapture_core::writer::spools::{DEAD_LETTERS, SpoolOnDisk, all};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Which spool to show.
#[derive(Args, Clone, Debug)]
pub struct SpoolArguments {
    #[arg(long, value_name = "DIR", help = format!("The server's spool_dir [default: {SPOOL_DIRECTORY}]"))]
    dir: Option<PathBuf>,
}

/// All that a spool_dir holds.
struct FoundSpools {
    /// Whether a server uses it, and which, if that can be told.
    user: Option<Option<LockHolder>>,
    spools: Vec<(SpoolOnDisk, Contents)>,
    letter_files: usize,
    letter_bytes: u64,
}

/// Prints a line for each writer of each database, or their document.
pub fn run(output: &Output, options: &SpoolArguments) -> CommandResult {
    let directory = options.dir.clone().unwrap_or_else(|| SPOOL_DIRECTORY.into());
    let held = look(&directory)?;
    match output.json {
        true => output.document(document(&directory, &held)),
        false => output.print(text(output, &directory, &held)),
    }
}

fn look(directory: &Path) -> Result<FoundSpools, Error> {
    require_directory(directory)?;
    let failed = |error: sipcapture_core::queue::spool::SpoolError| unreadable(&error.path, &error.source);
    let user = lock_holder(directory).map_err(failed)?;
    let mut spools = Vec::new();
    for place in all(directory).map_err(|error| unreadable(directory, &error))? {
        match inspect(&place.directory) {
            // The server has just emptied and removed it.
            Err(error) if error.source.kind() == ErrorKind::NotFound => {}
            looked => spools.push((place, looked.map_err(failed)?)),
        }
    }
    let letters = directory.join(DEAD_LETTERS);
    let has_letters = letters.is_dir();
    if spools.is_empty() && !has_letters && !directory.join("lock").exists() {
        return Err(Error::Argument(format!(
            "--dir: {} is no spool_dir: there is no spool in it, no {DEAD_LETTERS} and no lock; \
             name the server's spool_dir with --dir",
            directory.display()
        )));
    }
    let letters = list(&letters).map_err(|error| unreadable(&letters, &error))?;
    let letter_bytes = letters.iter().map(|file| file.bytes).sum();
    Ok(FoundSpools { user, spools, letter_files: letters.len(), letter_bytes })
}

/// When the capture was made that a record holds.
fn captured(record: Option<&Vec<u8>>) -> Option<i64> {
    record.and_then(|record| record::decode(record).ok()).map(|capture| capture.time_us)
}

fn document(directory: &Path, held: &FoundSpools) -> Value {
    let spools = held.spools.iter().map(|(place, contents)| {
        let (first, last) = (captured(contents.first.as_ref()), captured(contents.last.as_ref()));
        json!({
            "database": place.sink,
            "writer": place.writer,
            "records": contents.records,
            "segments": contents.segments,
            "bytes": contents.bytes,
            "set_aside": contents.set_aside,
            "oldest": first.map(rfc3339),
            "oldest_micro_ts": first,
            "newest": last.map(rfc3339),
            "newest_micro_ts": last,
        })
    });
    json!({
        "directory": directory.display().to_string(),
        "in_use": held.user.is_some(),
        "pid": held.user.iter().flatten().find_map(LockHolder::process),
        "records": held.spools.iter().map(|(_, contents)| contents.records).sum::<u64>(),
        "bytes": held.spools.iter().map(|(_, contents)| contents.bytes).sum::<u64>(),
        "spools": spools.collect::<Vec<_>>(),
        "dead_letters": { "files": held.letter_files, "bytes": held.letter_bytes },
    })
}

fn text(output: &Output, directory: &Path, held: &FoundSpools) -> String {
    let mut lines = Vec::new();
    if !held.spools.is_empty() {
        let mut table = TextTable::new(&[
            ("DATABASE", ListedKind::Party),
            ("WRITER", ListedKind::Number),
            ("RECORDS", ListedKind::Number),
            ("BYTES", ListedKind::Number),
            ("OLDEST", ListedKind::Fixed),
            ("NEWEST", ListedKind::Fixed),
        ]);
        for (place, contents) in &held.spools {
            let time =
                |record: Option<&Vec<u8>>| captured(record).map_or(String::new(), |time| output.clock.date_time(time));
            table.push(
                vec![
                    printable(&place.sink),
                    place.writer.to_string(),
                    contents.records.to_string(),
                    contents.bytes.to_string(),
                    time(contents.first.as_ref()),
                    time(contents.last.as_ref()),
                ],
                Style::Plain,
            );
        }
        table.measure();
        table.shrink(output.terminal.table_width(), &[(ListedKind::Party, 12)]);
        lines.extend(table.lines(&output.terminal));
        lines.push(String::new());
    }
    let records = held.spools.iter().map(|(_, contents)| contents.records).sum();
    let bytes = held.spools.iter().map(|(_, contents)| contents.bytes).sum();
    let user = match &held.user {
        None => "no server uses it".to_owned(),
        Some(None) => "a server uses it".to_owned(),
        Some(Some(holder)) => match holder.process() {
            Some(pid) => format!("used by the server with process id {pid}"),
            None => "used by a server in another container or on another machine".to_owned(),
        },
    };
    let place = directory.display();
    lines.push(format!(
        "{} in {} in {place}, {user}",
        counted(records, "record", "records"),
        counted(bytes, "byte", "bytes")
    ));
    let set_aside: u64 = held.spools.iter().map(|(_, contents)| contents.set_aside).sum();
    if set_aside > 0 {
        lines.push(format!("{} set aside because nothing could be read", counted(set_aside, "file is", "files are")));
    }
    if held.letter_files > 0 {
        let files = counted(held.letter_files as u64, "file", "files");
        lines.push(format!(
            "dead letters: {} in {files}; see `sipcapture dead-letters`",
            counted(held.letter_bytes, "byte", "bytes")
        ));
    }
    lines.iter().map(|line| line.clone() + "\n").collect()
}
