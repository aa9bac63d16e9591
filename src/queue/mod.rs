//! Queues between those that capture and the writers that store, and the counters of both. Called by the writer and by
//! modules.

pub mod counters;
pub mod lane;
pub mod spool;
