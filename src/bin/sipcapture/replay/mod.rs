//! `sipcapture replay-dead-letters`: sends what a database has refused once more, and takes away what it stores now.
//!
//! One file of letters after the other is taken, sent and written again without what was stored ([`report`] counts), so
//! that the server can go on meanwhile and a tool that is killed loses nothing: what it had sent of one file is sent
//! once more then.

mod report;
mod send;
mod sink_filter;

use self::report::Report;
use self::send::{BATCH, LetterResult, RowSettings, Sender};
use self::sink_filter::SinkFilter;
use crate::archive::parse_url;
use crate::letters::{Letter, LetterPlace, files};
use crate::moment::now;
use crate::schema::rename;
use crate::session::{CommandResult, Error, Output};
use crate::warnings::say_warnings;
use clap::Args;
use rustix::fs::{Mode, OFlags};
use sipcapture_core::module::CaptureSettings;
use sipcapture_core::queue::spool::SpoolError;
use sipcapture_core::queue::spool::dead_letter::{Entry, LetterFile, ReadError, Taken, read_file};
use sipcapture_core::sink::{DatabaseUrl, SinkOptions};
use sipcapture_core::table::name;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Which letters to send, and how their rows are made.
#[derive(Args, Clone, Debug)]
pub struct ReplayOptions {
    #[command(flatten)]
    place: LetterPlace,
    /// Letters to send, at most, the oldest first
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Send the letters that this database refused, instead of those that
    /// --db did; repeatable
    #[arg(long = "sink", value_name = "URL", conflicts_with = "all_sinks", verbatim_doc_comment)]
    sinks: Vec<String>,
    /// Send the letters of every database
    #[arg(long)]
    all_sinks: bool,
    /// Make tables that are missing (in an SQLite file that is there, as the
    /// modules do, always), and an SQLite file that is missing
    #[arg(long, verbatim_doc_comment)]
    create_tables: bool,
    /// The module's capture_node
    #[arg(long, value_name = "NAME", default_value = "homer01", help_heading = "As the module's parameters")]
    node: String,
    /// The module's callid_aleg_header
    #[arg(long, value_name = "NAMES", default_value = "X-CID", help_heading = "As the module's parameters")]
    callid_aleg_header: String,
    /// The module's custom_field1_header
    #[arg(long, value_name = "NAME", default_value = "Mac", help_heading = "As the module's parameters")]
    custom_field1_header: String,
    /// The module's custom_field2_header
    #[arg(long, value_name = "NAME", default_value = "IP", help_heading = "As the module's parameters")]
    custom_field2_header: String,
    /// The module's custom_field3_header
    #[arg(long, value_name = "NAME", default_value = "Port", help_heading = "As the module's parameters")]
    custom_field3_header: String,
}

/// Sends the letters to the database at `url`, and says what became of them.
pub fn run(
    output: &Output,
    options: &ReplayOptions,
    url: &str,
    tables: &[String],
    renamed: &[(String, String)],
) -> CommandResult {
    let directory = options.place.find()?;
    let url = database(url, options.create_tables)?;
    let making = making(options, tables, renamed)?;
    let sink_filter = sink_filter(options, &url)?;
    let sink_options =
        SinkOptions { create_tables: options.create_tables || url.sqlite_path().is_some(), ..SinkOptions::default() };
    let mut replay = LetterReplay {
        sender: Sender::new(&url, &sink_options, making),
        sink_filter,
        left: options.limit.unwrap_or(u64::MAX),
        report: Report::new(&directory, &url, options.dry_run),
    };
    for file in files(&directory)? {
        match options.dry_run || replay.is_over() {
            true => replay.look_at(&file),
            false => replay.send_file(&file),
        }
    }
    replay.report.finish(output, replay.sender.truncated, replay.sender.away)
}

/// The database to send to.
fn database(url: &str, create: bool) -> Result<DatabaseUrl, Error> {
    let url = parse_url(url).map_err(|error| Error::Argument(error.to_string()))?;
    let is_ours = matches!(url, DatabaseUrl::Sqlite(_) | DatabaseUrl::Mysql(_) | DatabaseUrl::Postgres(_));
    match url.sqlite_path() {
        Some(path) if !create && !path.exists() => Err(Error::Argument(format!(
            "--db: there is no file {}; --create-tables makes one, with its tables",
            path.display()
        ))),
        _ if !is_ours => Err(Error::Argument(format!(
            "--db: {url} is served by a driver of the SIP server, which this tool cannot use; \
             name an SQLite file, a PostgreSQL or a MySQL server"
        ))),
        _ => {
            say_warnings();
            match sipcapture_core::sink::check(&url, "--db") {
                Ok(()) => Ok(url),
                Err(why) => Err(Error::Argument(format!("--db: {url}: {why}"))),
            }
        }
    }
}

/// What the module's parameters say about rows, read as the module reads them.
fn making(options: &ReplayOptions, tables: &[String], renamed: &[(String, String)]) -> Result<RowSettings, Error> {
    let mut settings = CaptureSettings::default();
    for (name, value) in [
        ("capture_node", &options.node),
        ("callid_aleg_header", &options.callid_aleg_header),
        ("custom_field1_header", &options.custom_field1_header),
        ("custom_field2_header", &options.custom_field2_header),
        ("custom_field3_header", &options.custom_field3_header),
    ] {
        settings.set_text(name, value.as_bytes()).map_err(|error| Error::Argument(error.to_string()))?;
    }
    for (_, column) in renamed {
        name::check(column).map_err(|error| Error::Argument(format!("--column: {error}")))?;
    }
    let table = match tables {
        [] => None,
        [table] => Some(table.clone()),
        _ => return Err(Error::Argument("--table: name one table, or none for each letter's own".into())),
    };
    if let Some(template) = &table {
        name::expand(template.as_bytes(), now()).map_err(|error| Error::Argument(format!("--table: {error}")))?;
    }
    let mut format = settings.row_format();
    [&mut format.sip, &mut format.report, &mut format.trace].into_iter().for_each(|layout| rename(layout, renamed));
    Ok(RowSettings { table, format })
}

fn sink_filter(options: &ReplayOptions, url: &DatabaseUrl) -> Result<SinkFilter, Error> {
    if options.all_sinks {
        return Ok(SinkFilter::All);
    }
    let sinks = options.sinks.iter().map(|sink| parse_url(sink));
    let sinks = sinks.collect::<Result<Vec<_>, _>>().map_err(|error| Error::Argument(format!("--sink: {error}")))?;
    Ok(SinkFilter::Of(if sinks.is_empty() { vec![url.clone()] } else { sinks }))
}

/// A replay under way.
struct LetterReplay {
    sender: Sender,
    sink_filter: SinkFilter,
    /// Letters that may still be sent.
    left: u64,
    report: Report,
}

impl LetterReplay {
    /// Whether nothing more is to be sent.
    fn is_over(&self) -> bool {
        self.left == 0 || self.sender.away.is_some()
    }

    /// Counts what a file holds, without taking it.
    fn look_at(&mut self, file: &LetterFile) {
        let entries = match read_file(&file.path) {
            Ok(entries) => entries,
            Err(error) => return self.note_fault(file, error),
        };
        for entry in entries {
            let Some(entry) = self.good(entry) else { continue };
            if self.is_wanted(&entry) {
                match Letter::of(&entry).is_readable() {
                    true => self.report.would_send(&entry),
                    false => self.report.unreadable += 1,
                }
            }
        }
    }

    /// Sends the letters of a file, and takes away what is stored.
    fn send_file(&mut self, file: &LetterFile) {
        let owner = std::fs::metadata(&file.path).map(|metadata| (metadata.uid(), metadata.gid()));
        let taken = match Taken::take(&file.path) {
            Ok(Some(taken)) => taken,
            Ok(None) => return self.report.busy += u64::from(file.path.exists()),
            Err(error) => return self.note_fault(file, error.into()),
        };
        let entries = match taken.entries() {
            Ok(entries) => entries,
            Err(error) => return self.note_fault(file, error),
        };
        // What was stored, by its number among all entries of the file.
        let mut stored: Vec<bool> = Vec::new();
        let mut waiting: Vec<(usize, Entry<'static>)> = Vec::new();
        for entry in entries {
            let Some(entry) = self.good(entry) else { continue };
            let number = stored.len();
            stored.push(false);
            if self.is_wanted(&entry) {
                waiting.push((number, entry));
            }
            if waiting.len() == BATCH {
                self.send(&mut waiting, &mut stored);
            }
        }
        self.send(&mut waiting, &mut stored);
        if stored.contains(&true) {
            let rest = taken.finish(|number, _| !stored.get(number).copied().unwrap_or(false));
            if let Err(error) = rest.and_then(|_| Ok(keep_owner(&file.path, owner)?)) {
                self.report.faults.push(format!("{error}; letters that were stored may still be in it"));
            }
        }
    }

    fn send(&mut self, waiting: &mut Vec<(usize, Entry<'static>)>, stored: &mut [bool]) {
        let entries: Vec<&Entry<'_>> = waiting.iter().map(|(_, entry)| entry).collect();
        let fates = self.sender.send(&entries);
        for ((number, entry), fate) in waiting.drain(..).zip(fates) {
            stored[number] = fate == LetterResult::Stored;
            self.report.note(&entry, &fate);
        }
    }

    /// An entry that can be read; else the loss is noted.
    fn good(&mut self, entry: Result<Entry<'static>, ReadError>) -> Option<Entry<'static>> {
        match entry {
            Ok(entry) => return Some(entry),
            Err(ReadError::Lost { entries, .. }) => self.report.unreadable += entries,
            Err(ReadError::Entry { .. }) => self.report.unreadable += 1,
            // This is no whole letter: its writer died before its end, or is writing it now.
            Err(ReadError::Torn { .. }) => {}
            Err(error) => self.report.faults.push(error.to_string()),
        }
        None
    }

    /// Whether a letter is to be sent; counts those that are not.
    fn is_wanted(&mut self, entry: &Entry<'_>) -> bool {
        if !self.sink_filter.takes(&entry.sink) {
            self.report.others.push(entry.sink.to_string());
            return false;
        }
        if self.is_over() {
            self.report.waiting += 1;
            return false;
        }
        self.left -= 1;
        true
    }

    fn note_fault(&mut self, file: &LetterFile, error: ReadError) {
        match &error {
            // The file is new, and nothing is written to it yet.
            ReadError::Header { .. } if file.bytes == 0 => {}
            ReadError::Io(error) if error.source.kind() == io::ErrorKind::NotFound => {}
            _ => self.report.faults.push(error.to_string()),
        }
    }
}

/// Gives a file that was written again, when there is one, the owner that it had: the server must be able to read its
/// spool when this tool runs as root.
fn keep_owner(path: &Path, owner: io::Result<(u32, u32)>) -> Result<(), SpoolError> {
    let failed = |source| SpoolError { act: "give its owner back to", path: PathBuf::from(path), source };
    let (uid, gid) = owner.map_err(failed)?;
    // The directory belongs to that owner, who may have put a link to something else in the file's place.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed(error.into())),
    };
    let metadata = file.metadata().map_err(failed)?;
    match metadata.is_file() && (metadata.uid(), metadata.gid()) != (uid, gid) {
        true => std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).map_err(failed),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_place_of_a_letter_file_gives_nobody_what_it_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let [letters, victim] = ["letters", "victim"].map(|name| directory.path().join(name));
        std::fs::write(&victim, "").unwrap();
        let metadata = victim.metadata().unwrap();
        // An owner other than that of the file.
        let other = (metadata.uid() ^ 1, metadata.gid() ^ 1);
        assert!(keep_owner(&letters, Ok(other)).is_ok(), "nothing is there");
        std::os::unix::fs::symlink(&victim, &letters).unwrap();
        let error = keep_owner(&letters, Ok(other)).unwrap_err();
        assert_eq!(error.source.raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()), "{error}");
        assert_eq!(
            (victim.metadata().unwrap().uid(), victim.metadata().unwrap().gid()),
            (metadata.uid(), metadata.gid())
        );
    }
}
