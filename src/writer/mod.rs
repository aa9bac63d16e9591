//! The writer: drains lanes, batches captures by destination, delivers them to sinks, spools what a sink cannot take,
//! and ends in order.
//!
//! The main thread drains and owns the spools; each sink has a delivery thread. They are joined by channels, and at
//! most two windows are on the way, so that what a killed writer had read and not committed stays bounded and is read
//! again by its successor:
//!
//! ```text
//!                                                   ┌─► worker 0 ─► delivery thread ─► sink 0
//! lanes ─► window 1, window 2 ─► batch sets by sink ┤      └─► spool
//!                                                   └─► worker 1 ...
//! commit of window 1, commit of window 2 ◄──── settled: stored, spooled, put to the dead letters, or counted as lost
//! ```
//!
//! Called by modules, in a process of its own or, at the very end of a server, in its main process. Knows no host.

mod batch;
mod batching;
mod counters;
mod delivered;
mod delivery_thread;
mod error;
mod health;
mod kind;
#[cfg(test)]
mod packet_outage_tests;
#[cfg(test)]
mod packet_tests;
mod plan;
mod recovered;
mod refusals;
mod replay;
mod run;
#[cfg(test)]
pub(crate) mod running;
mod sink_worker;
mod sink_workers;
pub mod sinks;
mod spool_names;
#[cfg(test)]
mod spool_tests;
pub mod spools;
#[cfg(test)]
mod table_tests;
mod table_waits;
#[cfg(test)]
mod tests;
mod tries;
#[cfg(test)]
mod unreadable_tests;
mod window;

pub use batch::{Batch, BatchKey};
pub use delivered::{BatchOutcome, Refused};
pub use error::WriterError;
pub use kind::{Delivery, Destinations, FileFault, Opening, SinkKind};
pub use plan::{SinkPlan, SpoolPlan, SpoolSync, WriterPlan};
pub use run::{Ending, Writer};
