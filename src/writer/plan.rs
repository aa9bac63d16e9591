//! What a writer is to do: a module makes it from its parameters, before the threads start.

use super::kind::SinkKind;
use crate::sink::host::HostLink;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that a writer needs to know.
#[derive(Clone, Debug)]
pub struct WriterPlan {
    /// Where captures go; [`Capture::sink`](crate::capture::Capture::sink) counts them from 0. At least one.
    pub sinks: Vec<SinkPlan>,
    /// Captures that make a full batch.
    pub batch_size: usize,
    /// Longest time that a capture waits for its batch to fill.
    pub flush_interval: Duration,
    /// Time that the end of the server leaves.
    pub shutdown_timeout: Duration,
    /// How long a batch waits for a table that is not there.
    pub table_wait: Duration,
    /// Times that a batch is tried again while its sink is away, before it goes to the spool; 0 to 500.
    pub insert_retries: u32,
    /// Time after which it goes to the spool, tries left or not; at most 300 s.
    pub insert_retry_timeout: Duration,
    /// Where captures wait for a sink that is away, if anywhere.
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
    /// Once a second. This is the default.
    #[default]
    Interval,
    /// When the kernel writes them back.
    Off,
}

/// One sink that a writer feeds.
#[derive(Clone, Debug)]
pub struct SinkPlan {
    /// What it is.
    pub kind: Arc<dyn SinkKind>,
    /// The parameter that asks for it, for errors.
    pub parameter: &'static str,
    /// The way to its host database process, if the host's own driver serves it.
    pub link: Option<Arc<HostLink>>,
}

impl SinkPlan {
    /// A sink that `parameter` asks for.
    pub fn new(kind: impl SinkKind + 'static, parameter: &'static str) -> SinkPlan {
        SinkPlan { kind: Arc::new(kind), parameter, link: None }
    }
}

impl fmt::Display for SinkPlan {
    /// As its kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}
