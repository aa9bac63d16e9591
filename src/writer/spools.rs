//! The spools of a writer on the disk: where each is, and how they are opened.
//!
//! ```text
//! spool_dir/lock                       held by the server that uses the directory
//! spool_dir/SINK/WRITER/               the spool of one sink of one writer; SINK is made from the database's URL
//! spool_dir/SINK/table-NAME/WRITER/    what waits for one of the sink's tables alone, while that cannot be written
//! spool_dir/PREFIX-NAME/WRITER/        the same of one destination of a sink whose destinations are apart, made when
//!                                      it is first needed; PREFIX is the sink's (`script`: collectors of scripts)
//! spool_dir/dead-letter/               captures that a database refused
//! ```
//!
//! A server that has fewer writers than the one before lets its first writer replay what the others left.

use super::kind::Destinations;
use super::plan::{SpoolPlan, SpoolSync, WriterPlan};
use super::spool_names::{TABLE, beginning_of_apart, name_of};
use crate::queue::spool::{POSITION, Spool, SpoolError, SpoolMarks, SpoolOptions, SyncPolicy};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the dead letters' directory.
pub const DEAD_LETTERS: &str = "dead-letter";
/// Most bytes of one segment file.
const SEGMENT_BYTES: u64 = 64 << 20;
/// At least so many segments make up a spool, so that space comes back in good time.
const SEGMENTS: u64 = 8;

/// The directory name of each sink's spools: the URL without its password, and a check sum of it that keeps names
/// apart.
pub fn names(plan: &WriterPlan) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut unique_name_of = |url: &str| {
        let name = name_of(url);
        // Two sinks that differ in their passwords alone.
        let mut unique = name.clone();
        let mut count = 1;
        while !taken.insert(unique.clone()) {
            count += 1;
            unique = format!("{name}-{count}");
        }
        unique
    };
    plan.sinks.iter().map(|sink| unique_name_of(&sink.to_string())).collect()
}

/// Directory names of the spools of destinations that are apart, of the sink with this `prefix`, that writer `writer`
/// of `writers` finds filled, its own or those of writers that are no more.
pub fn filled_of_apart(spool: &SpoolPlan, prefix: &str, writers: (usize, usize)) -> Vec<String> {
    filled(&spool.directory, &beginning_of_apart(prefix), writers).collect()
}

/// The same of tables of the sink whose spools' directory is called `sink`.
pub fn filled_of_tables(spool: &SpoolPlan, sink: &str, writers: (usize, usize)) -> Vec<String> {
    filled(&spool.directory.join(sink), TABLE, writers).map(|name| format!("{sink}/{name}")).collect()
}

/// Names in `place` of directories with filled spools, those that begin with `prefix`.
fn filled(place: &Path, prefix: &str, (writer, writers): (usize, usize)) -> impl Iterator<Item = String> {
    let is_filled = move |place: &PathBuf| {
        holds_something(&place.join(writer.to_string())) || (writer == 0 && !earlier(place, writers).is_empty())
    };
    let found = directories(place).filter(move |place| begins_with(place, prefix) && is_filled(place));
    found.filter_map(|place| Some(place.file_name()?.to_str()?.to_owned()))
}

fn begins_with(place: &Path, prefix: &str) -> bool {
    place.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(prefix))
}

/// Removes the directory of a spool that holds nothing, and those of writers that are no more. What was set aside in
/// one stays.
pub fn remove_empty(spool: &SpoolPlan, name: &str, (writer, writers): (usize, usize)) {
    let place = spool.directory.join(name);
    let is_done_with = |path: &PathBuf| {
        let number = number_of(path);
        number.is_some_and(|number| number == writer || (writer == 0 && number >= writers)) && !holds_something(path)
    };
    for own in directories(&place).filter(is_done_with) {
        // An empty directory would mislead whoever lists the spool. One that holds anything else is kept.
        if !holds_more_than(&own, POSITION) {
            let _ = std::fs::remove_file(own.join(POSITION));
            let _ = std::fs::remove_dir(&own);
        }
    }
    // Other writers may have theirs in it.
    let _ = std::fs::remove_dir(&place);
}

/// Removes what a writer that was killed has left of tables' spools that hold nothing; see [`remove_empty`].
pub fn remove_empty_of_tables(spool: &SpoolPlan, sink: &str, writers: (usize, usize)) {
    for table in directories(&spool.directory.join(sink)).filter(|place| begins_with(place, TABLE)) {
        if let Some(table) = table.file_name().and_then(OsStr::to_str) {
            remove_empty(spool, &format!("{sink}/{table}"), writers);
        }
    }
}

/// Opens the spool of the sink called `name` ([`names`], or a name of `spool_names`) for writer `writer` of `writers`,
/// and those of writers that are no more, which must not keep it from its own. `marks` are those that a predecessor in
/// this run of the server has committed, with `next` 0 where there was none.
pub fn open(
    spool: &SpoolPlan,
    name: &str,
    (writer, writers): (usize, usize),
    marks: SpoolMarks,
) -> Result<(Spool, Vec<Spool>), SpoolError> {
    let place = spool.directory.join(name);
    let committed = (marks.next > 0).then_some(marks);
    let mut own = Spool::open(options(spool, place.join(writer.to_string())), committed)?;
    own.defer_position();
    let earlier = if writer == 0 { earlier(&place, writers) } else { Vec::new() };
    let open = |directory| {
        let opened = Spool::open(options(spool, directory), None);
        opened.inspect_err(|error| log::error!("what an earlier writer left in its spool stays there: {error}")).ok()
    };
    Ok((own, earlier.into_iter().filter_map(open).collect()))
}

/// Where the dead letters are.
pub fn dead_letters(spool: &SpoolPlan) -> PathBuf {
    spool.directory.join(DEAD_LETTERS)
}

/// Directories with spools that no sink of `plan` will replay.
pub fn unclaimed(plan: &WriterPlan, spool: &SpoolPlan) -> Vec<PathBuf> {
    let names = names(plan);
    let beginnings = plan.sinks.iter().filter_map(|sink| match sink.kind.destinations() {
        Destinations::Apart { prefix } => Some(beginning_of_apart(&prefix)),
        Destinations::Together | Destinations::ApartWhenBlocked => None,
    });
    let beginnings: Vec<String> = beginnings.collect();
    let is_apart = |place: &Path| beginnings.iter().any(|beginning| begins_with(place, beginning));
    let is_known = |name: &OsStr| name == DEAD_LETTERS || names.iter().any(|known| name == known.as_str());
    let found = directories(&spool.directory)
        .filter(|path| !is_apart(path) && path.file_name().is_some_and(|name| !is_known(name)));
    let is_filled = |place: &Path| directories(place).any(|spool| holds_something(&spool));
    found.filter(|path| is_filled(path) || directories(path).any(|table| is_filled(&table))).collect()
}

/// One spool on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolOnDisk {
    /// The directory's name for the sink: its URL, in which signs are replaced, and a check sum; of what waits for one
    /// table, that table's directory in it.
    pub sink: String,
    /// The writer's number.
    pub writer: usize,
    /// Its path.
    pub directory: PathBuf,
}

/// Every spool below `directory`, for whoever wants to look: by sink, then by writer.
pub fn all(directory: &Path) -> io::Result<Vec<SpoolOnDisk>> {
    let mut places = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let (path, sink) = entry.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))?;
        if !path.is_dir() || sink == DEAD_LETTERS {
            continue;
        }
        add_places(&sink, &path, &mut places)?;
        for table in directories(&path).filter(|table| begins_with(table, TABLE)) {
            let name = table.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match add_places(&format!("{sink}/{name}"), &table, &mut places) {
                // The server has done with it in this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                added => added?,
            }
        }
    }
    places.sort_by(|one, other| (&one.sink, one.writer).cmp(&(&other.sink, other.writer)));
    Ok(places)
}

/// Adds the spools of every writer in the directory `path`.
fn add_places(sink: &str, path: &Path, places: &mut Vec<SpoolOnDisk>) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let (directory, writer) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let writer = writer.to_str().and_then(|writer| writer.parse().ok());
        places.extend(writer.map(|writer| SpoolOnDisk { sink: sink.to_owned(), writer, directory }));
    }
    Ok(())
}

/// Spools below `place` of writers from number `writers` on that hold something.
fn earlier(place: &Path, writers: usize) -> Vec<PathBuf> {
    let is_earlier = |path: &PathBuf| number_of(path).is_some_and(|number| number >= writers) && holds_something(path);
    directories(place).filter(is_earlier).collect()
}

fn directories(place: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// The number of the writer whose spool's directory it is.
fn number_of(path: &Path) -> Option<usize> {
    path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse().ok())
}

/// Whether a directory has anything but the file called `name`.
fn holds_more_than(directory: &Path, name: &str) -> bool {
    let mut entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name() != name)
}

/// Whether a spool's directory has a segment.
fn holds_something(directory: &Path) -> bool {
    let mut entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.any(|entry| entry.path().extension() == Some(OsStr::new("segment")))
}

fn options(spool: &SpoolPlan, directory: PathBuf) -> SpoolOptions {
    SpoolOptions {
        directory,
        limit_bytes: spool.limit_bytes,
        segment_bytes: (spool.limit_bytes / SEGMENTS).min(SEGMENT_BYTES),
        sync: match spool.sync {
            SpoolSync::Batch => SyncPolicy::Batch,
            SpoolSync::Interval => SyncPolicy::Interval(Duration::from_secs(1)),
            SpoolSync::Off => SyncPolicy::Off,
        },
    }
}
