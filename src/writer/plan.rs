//! What a writer is to do: a module makes it from its parameters, before the threads start.

use crate::sink::host::HostLink;
use crate::sink::{DatabaseUrl, SinkOptions};
use crate::sip::HeaderNames;
use crate::table::Layout;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that a writer needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where rows go; [`Capture::sink`](crate::capture::Capture::sink) counts them from 0. At least one.
    pub sinks: Vec<SinkPlan>,
    /// Table of SIP captures that name none: a strftime template.
    pub table: String,
    /// The `node` column's beginning.
    pub node: String,
    /// Extra headers to read.
    pub headers: HeaderNames,
    /// Columns of SIP rows.
    pub sip: Layout,
    /// Columns of report rows.
    pub report: Layout,
    /// Rows that make a full batch.
    pub batch_size: usize,
    /// Longest time that a capture waits for its batch to fill.
    pub flush_interval: Duration,
    /// Time that the end of the server leaves.
    pub shutdown_timeout: Duration,
    /// How long a batch waits for a table that is not there.
    pub table_patience: Duration,
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

/// One database that a writer feeds.
#[derive(Clone, Debug)]
pub struct SinkPlan {
    /// Where it is.
    pub url: DatabaseUrl,
    /// How the sink behaves there.
    pub options: SinkOptions,
    /// The way to its host database process, if the host's own driver serves it.
    pub link: Option<Arc<HostLink>>,
}
