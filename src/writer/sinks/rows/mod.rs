//! Rows in the tables of a database.

mod delivery;
pub(in crate::writer) mod store;

use crate::capture::RowKind;
use crate::capture::record::Head;
use crate::owned_directory::Owner;
use crate::sink::url::HostedUrl;
use crate::sink::{self, DatabaseUrl, SinkOptions, sqlite_file};
use crate::sip::HeaderNames;
use crate::table::{Layout, RowDialect, TableNames};
use crate::writer::batch::BatchKey;
use crate::writer::health::Health;
use crate::writer::kind::{Delivery, Destinations, FileFault, Opening, SinkKind};
use delivery::RowDelivery;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::Store;

/// How captures become rows.
#[derive(Clone, Debug)]
pub struct RowFormat {
    /// Table of SIP captures and traced messages that name none: a strftime template.
    pub table: String,
    /// The `node` column's beginning.
    pub node: String,
    /// Extra headers to read.
    pub headers: HeaderNames,
    /// What rows hold, of the host that captures.
    pub rows: RowDialect,
    /// Columns of SIP rows.
    pub sip: Layout,
    /// Columns of report rows.
    pub report: Layout,
    /// Columns of traced messages.
    pub trace: Layout,
}

impl RowFormat {
    /// The columns of the row that a capture of `kind` becomes; of packets, which become none, those of traced
    /// messages.
    pub fn layout(&self, kind: RowKind) -> &Layout {
        match kind {
            RowKind::Sip => &self.sip,
            RowKind::Report(_) => &self.report,
            RowKind::Trace | RowKind::Packet | RowKind::Relayed => &self.trace,
        }
    }
}

/// The layout of a row as a number, which keeps rows of different columns apart that go to one table.
pub fn form(kind: RowKind) -> u8 {
    match kind {
        RowKind::Sip => 0,
        RowKind::Report(_) => 1,
        RowKind::Trace | RowKind::Packet | RowKind::Relayed => 2,
    }
}

/// A database that gets rows.
#[derive(Clone, Debug)]
pub struct RowSink {
    /// The database.
    pub url: DatabaseUrl,
    /// How its sink behaves.
    pub options: SinkOptions,
    /// How captures become rows.
    pub format: Arc<RowFormat>,
}

impl fmt::Display for RowSink {
    /// The URL without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl SinkKind for RowSink {
    /// Rows of one table, if they have the same columns.
    fn key<'a>(&'a self, head: &Head<'a>, names: &'a mut TableNames) -> Result<BatchKey<'a>, String> {
        let template = head.table.unwrap_or(self.format.table.as_bytes());
        let is_trace = matches!(head.kind, RowKind::Trace | RowKind::Packet);
        let table = if is_trace {
            // The module that made the capture has checked the name, which is no template.
            str::from_utf8(template).map_err(|error| error.to_string())?
        } else {
            names.expand(template, head.time_us).map_err(|error| error.to_string())?
        };
        Ok(BatchKey { destination: Cow::Borrowed(table), form: form(head.kind), by_time: is_trace })
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn destinations(&self) -> Destinations {
        Destinations::ApartWhenBlocked
    }

    /// The way to a host database process is one.
    fn has_one_thread(&self) -> bool {
        matches!(self.url, DatabaseUrl::Host(_))
    }

    fn open(&self, opening: Opening) -> Box<dyn Delivery> {
        let name = if opening.is_for_one { "the connection for a table that waits" } else { "the database" };
        let sink = sink::open_linked(&self.url, &self.options, opening.link);
        let health = Health::new(opening.place, name);
        let store = Store::new(sink, opening.retry_limits, opening.waits, health, opening.give_up);
        Box::new(RowDelivery::new(store, Arc::clone(&self.format)))
    }

    /// Whether what the URL says of TLS can be had.
    fn check(&self, parameter: &str) -> Result<(), String> {
        sink::check(&self.url, parameter)
    }

    fn prepare(&self, owner: Owner) -> Result<(), FileFault> {
        self.url.sqlite_path().map_or(Ok(()), |path| {
            sqlite_file::prepare(path, owner).map_err(|error| file_fault(path, error.to_string()))
        })
    }

    fn check_access(&self) -> Result<(), FileFault> {
        self.url
            .sqlite_path()
            .map_or(Ok(()), |path| sqlite_file::check_access(path).map_err(|why| file_fault(path, why)))
    }

    fn hosted(&self) -> Option<(&HostedUrl, Duration)> {
        let DatabaseUrl::Host(url) = &self.url else { return None };
        Some((url, self.options.io_timeout))
    }
}

fn file_fault(path: &Path, why: String) -> FileFault {
    FileFault { path: path.display().to_string(), why }
}
