//! What a writer is to do: a module makes it from its parameters, before the threads start.

use crate::capture::RowShape;
use crate::sink::hep::{CollectorOptions, Destination};
use crate::sink::host::HostLink;
use crate::sink::{DatabaseUrl, SinkOptions};
use crate::sip::HeaderNames;
use crate::table::{Layout, RowDialect};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that a writer needs to know.
#[derive(Clone, Debug)]
pub struct WriterPlan {
    /// Where rows go; [`Capture::sink`](crate::capture::Capture::sink) counts them from 0. At least one.
    pub sinks: Vec<SinkPlan>,
    /// Table of SIP captures that name none: a strftime template.
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
    /// Rows that make a full batch.
    pub batch_size: usize,
    /// Longest time that a capture waits for its batch to fill.
    pub flush_interval: Duration,
    /// Time that the end of the server leaves.
    pub shutdown_timeout: Duration,
    /// How long a batch waits for a table that is not there.
    pub table_wait: Duration,
    /// Times that a batch is tried again while its database is away, before it goes to the spool; 0 to 500.
    pub insert_retries: u32,
    /// Time after which it goes to the spool, tries left or not; at most 300 s.
    pub insert_retry_timeout: Duration,
    /// Where captures wait for a database that is away, if anywhere.
    pub spool: Option<SpoolPlan>,
}

/// The overflow on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolPlan {
    /// Where its files are.
    pub directory: PathBuf,
    /// How large the spool of each sink and writer may grow, and the dead letters, bytes.
    pub limit_bytes: u64,
    /// When they are brought to the disk.
    pub sync: SpoolSync,
}

/// When spool files are brought to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpoolSync {
    /// With every batch.
    Batch,
    /// Now and then.
    #[default]
    Interval,
    /// When the system likes.
    Off,
}

impl WriterPlan {
    /// The columns of rows of `shape`; those of traced messages for packets, which become none.
    pub fn layout(&self, shape: RowShape) -> &Layout {
        match shape {
            RowShape::Sip => &self.sip,
            RowShape::Report => &self.report,
            RowShape::Trace | RowShape::Packet => &self.trace,
        }
    }
}

/// One sink that a writer feeds.
#[derive(Clone, Debug)]
pub struct SinkPlan {
    /// What it is.
    pub target: SinkTarget,
    /// How a database's sink behaves.
    pub options: SinkOptions,
    /// The way to its host database process, if the host's own driver serves it.
    pub link: Option<Arc<HostLink>>,
}

/// Where the captures of a sink go.
#[derive(Clone, Debug)]
pub enum SinkTarget {
    /// Rows, to a database.
    Database(DatabaseUrl),
    /// Packets, to the first of these collectors that works.
    Collectors(Vec<Destination>, CollectorPlan),
    /// Packets, to the collector that each of them names.
    NamedCollectors(CollectorPlan),
}

/// How packets are sent.
#[derive(Clone, Debug)]
pub struct CollectorPlan {
    /// How collectors are spoken to.
    pub options: CollectorOptions,
    /// Headers whose value is the correlation id of a message that has none; the first that is there counts.
    pub correlation_headers: Vec<Vec<u8>>,
}

impl SinkTarget {
    /// The database, if it is one.
    pub fn database(&self) -> Option<&DatabaseUrl> {
        if let SinkTarget::Database(url) = self { Some(url) } else { None }
    }
}

impl fmt::Display for SinkTarget {
    /// The URL without its password, or the URIs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SinkTarget::Database(url) => url.fmt(f),
            SinkTarget::Collectors(destinations, _) => {
                let uris: Vec<String> = destinations.iter().map(Destination::to_string).collect();
                f.write_str(&uris.join(", "))
            }
            SinkTarget::NamedCollectors(_) => f.write_str("collectors named by the script"),
        }
    }
}
