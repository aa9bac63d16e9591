//! Queues between the processes that capture and the writers that store. Called by the writer and by modules.

pub mod counters;
pub mod lane;
pub mod spool;
