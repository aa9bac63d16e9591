//! Every counter, written down once: what it counts, where in shared memory it stands, and where and how operators see
//! it.
//!
//! The enums that index shared memory ([`Produced`], [`Committed`]), the statistics of a host, and the groups of the
//! command `stats` all come from the one table of [`TABLE`]. Beside it there are the requests and replies of each
//! capture mode, which has a name of its own.

mod table;
#[cfg(test)]
mod tests;
mod totals;

pub use table::{COMMITTED, Committed, PRODUCED, Produced, TABLE};
pub use totals::Totals;

use std::ffi::CStr;

/// Capture modes that a lane can count apart.
pub const MODES: usize = 32;

/// One line of [`TABLE`].
#[derive(Debug)]
pub struct Counter {
    /// Its name among the statistics of a host.
    pub name: &'static CStr,
    /// The group in which the command `stats` shows it; `None` when it is no field of its own there.
    pub group: Option<Group>,
    /// Where it is counted; `None` for what follows from others.
    pub cell: Option<Cell>,
    reading: Option<fn(&Totals) -> u64>,
    shown: [Shown; 2],
}

/// Where a counter stands in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// In each lane, written by its owner.
    Produced(Produced),
    /// In each writer's block, written by the commit.
    Committed(Committed),
}

/// How a module shows a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It does not have it.
    Nowhere,
    /// As a field of the command `stats` alone.
    InCommand,
    /// As a statistic, with this description, and as a field of `stats` where it has a [`Group`].
    AsStatistic(&'static CStr),
}

/// Who has counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observer {
    /// A capture node: `sip_capture()`.
    Node,
    /// A capture agent: `sip_trace()`.
    Agent,
}

/// Groups of the command `stats`, in the order of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What became of all captures.
    Balance,
    /// Captures that were lost, by the reason: their sum is [`Totals::dropped`].
    Dropped,
    /// What is on its way.
    Underway,
    /// SIP messages.
    Sip,
    /// HEP packets.
    Hep,
    /// Packets of raw sockets.
    Raw,
    /// Packets of raw sockets that are whole, and not of what is captured: their sum is [`Totals::raw_ignored`].
    RawIgnored,
    /// Traced messages.
    Trace,
    /// The writers and their lanes.
    Writer,
}

impl Group {
    /// Name of the object that holds its fields; `None` where they stand at the top.
    pub fn object(self) -> Option<&'static str> {
        match self {
            Group::Balance | Group::Underway | Group::Trace => None,
            Group::Dropped => Some("dropped_by_reason"),
            Group::Sip => Some("sip"),
            Group::Hep => Some("hep"),
            Group::Raw | Group::RawIgnored => Some("raw"),
            Group::Writer => Some("writer"),
        }
    }

    /// What the names of its statistics begin with, and those of its fields do not.
    fn prefix(self) -> &'static str {
        match self {
            Group::Balance | Group::Underway | Group::Trace | Group::Sip => "",
            Group::Dropped => "dropped_",
            Group::Hep => "hep_",
            Group::Raw | Group::RawIgnored => "raw_",
            Group::Writer => "writer_",
        }
    }
}

impl Counter {
    /// Its value in a reading.
    pub fn value(&self, totals: &Totals) -> u64 {
        match (self.reading, self.cell) {
            (Some(reading), _) => reading(totals),
            (None, Some(Cell::Produced(counter))) => totals.produced(counter),
            (None, Some(Cell::Committed(counter))) => totals.committed(counter),
            (None, None) => 0,
        }
    }

    /// How `observer` shows it.
    pub fn shown(&self, observer: Observer) -> Shown {
        self.shown[observer as usize]
    }

    /// Its description among the statistics of `observer`; `None` when it is none of these.
    pub fn description(&self, observer: Observer) -> Option<&'static CStr> {
        if let Shown::AsStatistic(text) = self.shown(observer) { Some(text) } else { None }
    }

    /// Name of its field in the answer of `stats`: without what its group says already.
    pub fn field(&self) -> &'static str {
        let name = self.name.to_str().unwrap_or_default();
        self.group.and_then(|group| name.strip_prefix(group.prefix())).unwrap_or(name)
    }
}

/// The statistics of `observer`, in the order of the table.
pub fn statistics(observer: Observer) -> impl Iterator<Item = (&'static Counter, &'static CStr)> {
    TABLE.iter().filter_map(move |counter| Some((counter, counter.description(observer)?)))
}

/// The fields of `groups` in the answer of `stats` that `observer` gives, in the order of the table.
pub fn fields(observer: Observer, groups: &[Group]) -> impl Iterator<Item = &'static Counter> {
    let is_shown = move |counter: &&Counter| {
        counter.group.is_some_and(|group| groups.contains(&group)) && counter.shown(observer) != Shown::Nowhere
    };
    TABLE.iter().filter(is_shown)
}
