//! Lanes: one byte ring for each producing process, in anonymous shared memory that is mapped before the first fork.
//!
//! ```text
//! region   header | writer block × writers | sink block × writers × sinks | progress × 2 × lanes | lane block × lanes
//!          (all 64-byte aligned)
//! lane     head, pushed, counters (written by the producer) | tail, owner | data: `lane_bytes`
//! data     record, record, ...; positions count bytes since the start and never wrap, offset = position % lane_bytes
//! record   u32 length of the whole record, a multiple of 8 | u32 stamp, ms since the mapping | u32 bytes | the capture's
//!          byte form | padding
//!          stamp 0xFFFFFFFF: nothing up to the end of the ring
//! ```
//!
//! Rules:
//! * One producer a lane, one consumer a writer; lane `i` belongs to writer `i % writers`. A consumer holds a file lock that
//!   the kernel lets go when its process dies, so a successor never runs beside it.
//! * The producer copies a record, then publishes it with one release store of `head`. Dying before that leaves nothing.
//! * A full lane refuses the record and counts it. Nothing is overwritten before the consumer has committed it.
//! * The consumer commits positions, counters and the marks of its spools together: it fills the inactive one of two slots and switches with one store. A
//!   kill at any instruction leaves either the old or the new state, so `captured = stored + spooled + dead-lettered +
//!   dropped + queued` survives it. Only after the switch does `tail`, which the producer reads, move.
//! * Waking: the consumer says how it sleeps (idle: wake on any record; gathering: wake once a lane holds enough for a batch); a
//!   producer that finds it asleep wakes it with one futex call.

// The ring is shared between processes, which the language has no safe words for.
#![allow(unsafe_code)]

mod consumer;
mod memory;
mod producer;
#[cfg(test)]
mod tests;
mod totals;

pub use consumer::{Consumer, Progress, Rest, Wait, split_record};
pub use memory::{Geometry, Lanes};
pub use producer::{Producer, PushError};
pub use totals::{COMMITTED, Committed, MODES, Produced, RAW_IGNORED, SinkState, Totals};
