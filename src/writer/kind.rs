//! What every sink of the writer is: a [`SinkKind`], which the writer asks how to treat it, and a [`Delivery`], which
//! brings captures there. `doc/adding-a-sink.md` says how to write another one.
//!
//! ```text
//! capture ─► SinkKind::key ─► batches ─► delivery thread ─► Delivery::deliver ─► stored, refused, left
//!                                                               ▲
//! SinkKind::open ───────────────────────────────────────────────┘
//! ```

use super::batch::{Batch, BatchKey};
use super::delivered::BatchOutcome;
use super::health::SinkPlace;
use super::table_waits::TableWaits;
use super::tries::RetryLimit;
use crate::capture::record::Head;
use crate::owned_directory::Owner;
use crate::sink::host::HostLink;
use crate::sink::url::HostedUrl;
use crate::table::TableNames;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// One sink, as parameters ask for it. Its [`Display`](fmt::Display) names it in commands, dead letters and the spool's
/// directories, without a password, and must not change from one start to the next.
pub trait SinkKind: fmt::Debug + fmt::Display + Send + Sync {
    /// The batch that a capture belongs to. `names` remembers templates that were expanded lately.
    ///
    /// # Errors
    /// Why the sink cannot take the capture: it is counted as rejected, or, when it comes from a spool, a dead letter.
    fn key<'a>(&'a self, head: &Head<'a>, names: &'a mut TableNames) -> Result<BatchKey<'a>, String>;

    /// Whether captures leave in the order in which they were read, also when some have waited in the spool: then what
    /// comes later waits behind what is in the spool. Otherwise it passes by.
    fn keeps_order(&self) -> bool;

    /// Which spool and which delivery thread its destinations have.
    fn destinations(&self) -> Destinations;

    /// Whether no more than one delivery thread may serve it.
    fn has_one_thread(&self) -> bool {
        false
    }

    /// What brings captures to it, which is moved into a delivery thread. It must not connect before its first
    /// delivery.
    fn open(&self, opening: Opening) -> Box<dyn Delivery>;

    /// Checks, without connecting, what only looks at files and the environment can tell. `parameter` names the sink in
    /// warnings.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    fn check(&self, _parameter: &str) -> Result<(), String> {
        Ok(())
    }

    /// Makes the files that it writes to where they are missing, owned by `owner`, with the privileges that the server
    /// has at its start.
    ///
    /// # Errors
    /// The file, and why it cannot be written.
    fn prepare(&self, _owner: Owner) -> Result<(), FileFault> {
        Ok(())
    }

    /// Sees, as the user that the server runs as, that these files can be written.
    ///
    /// # Errors
    /// The file, and why it cannot be written.
    fn check_access(&self) -> Result<(), FileFault> {
        Ok(())
    }

    /// The database behind it and the longest wait for an answer, if the host's own driver serves it.
    fn hosted(&self) -> Option<(&HostedUrl, Duration)> {
        None
    }
}

/// What brings captures to a sink. It lives in one delivery thread.
pub trait Delivery: Send {
    /// Whether batches need not come here: the sink was away when it was last asked, and they have a spool to go to, or
    /// the server ends.
    fn turns_away(&self) -> bool;

    /// Delivers the captures of `batch`, or finds out that they cannot be delivered now. It decodes their records.
    fn deliver(&mut self, batch: &Batch) -> BatchOutcome;
}

/// Which spool and which delivery thread the destinations of one sink have: its tables, the collectors that packets
/// name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destinations {
    /// All have those of the sink.
    Together,
    /// Each has its own, from its first capture on. They share those of the sink when there are too many.
    Apart {
        /// How the directories of their spools are called: this word, a hyphen and the destination's name. Another
        /// word for each sink of a module, and the same from one start to the next: what an earlier server has left
        /// there is this sink's.
        prefix: Cow<'static, str>,
    },
    /// They share those of the sink. One that cannot take what is for it, while the sink is there, has its own until it
    /// can.
    ApartWhenBlocked,
}

/// A file that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// The file.
    pub path: String,
    /// What the system said.
    pub why: String,
}

/// What a [`Delivery`] is opened with.
#[derive(Debug)]
pub struct Opening {
    /// Where the sink's state is shown, and whether it has a spool.
    pub place: SinkPlace,
    /// Whether it is for one destination alone, which has a spool of its own.
    pub is_for_one: bool,
    /// How often what cannot be delivered is tried again, without a spool and with one.
    pub retry_limits: [RetryLimit; 2],
    /// How long captures wait for a destination that holds up others.
    pub table_wait: Duration,
    /// The waits for the sink's destinations.
    pub waits: Arc<TableWaits>,
    /// The way to its host database process, if it has one.
    pub link: Option<Arc<HostLink>>,
    /// Set when the server ends, and nothing is to be waited for any more.
    pub give_up: Arc<AtomicBool>,
}
