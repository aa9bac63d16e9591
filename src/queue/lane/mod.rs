//! Lanes: one byte ring for each producing process or thread, in anonymous shared memory that is mapped before the
//! first fork.
//!
//! ```text
//! region   version 2: header | writer block × writers | sink block × writers × sinks | progress × 2 × lanes
//!          | lane block × lanes (all 64-byte aligned; all numbers in the machine's order)
//! header   u32 version | u32 capture switch | end of the server and counters of the whole region
//! lane     u64 owner: start of the owner's thread, clock ticks since boot << 24 | its thread id; 0 for none
//!          | u64 head: position behind the last published record, a multiple of 8, + number of published records
//!          modulo 8
//!          | u64 pushed: number of published records, or one more while the next one is being published
//!          | counters (written by the owner) | u64 tail, u64 read (written by the consumer)
//!          | u32 waiting: 1 while the owner waits for the tail | data: `lane_bytes`
//! data     record, record, ...; positions count bytes since the start and never wrap, offset = position % lane_bytes
//! record   u32 length of the whole record, a multiple of 8 | u32 stamp, ms since the mapping | u32 bytes
//!          | the capture's byte form | padding
//!          stamp 0xFFFFFFFF: nothing up to the end of the ring
//! ```
//!
//! Rules:
//! * One producer a lane, one consumer a writer; lane `i` belongs to writer `i % writers`. A consumer holds a file lock
//!   that the kernel releases when its process dies, so a successor never runs beside it.
//! * The owner of a lane is one thread of one process that maps the region. A thread claims a lane by exchanging the
//!   owner word, which was 0 or names a thread that has ended, for its own, in one atomic step: of two that try, one
//!   gets it. The start in the word keeps a thread that was given the number of an ended one from being taken for it.
//!   Giving the lane back sets the word to 0.
//! * The producer copies a record, then publishes it with one release store of `head`. Dying before that leaves
//!   nothing: the next owner begins at `head`. Whoever reads `pushed` sees by the bits in `head` whether it counts a
//!   record that was never published, and the next owner takes that one away.
//! * A full lane refuses the record and counts it. Nothing is overwritten before the consumer has committed it.
//! * The consumer commits positions, counters and the positions of its spools together: it fills the inactive one of
//!   two slots and switches with one store. A kill at any instruction leaves either the old or the new state, so
//!   `captured = stored + spooled + dead-lettered + dropped + queued` survives it. Only after the switch does `tail`,
//!   which the producer reads, move.
//! * Waking: the consumer says how it sleeps (idle: wake on any record; gathering: wake once a lane holds enough for a
//!   batch); a producer that finds it asleep wakes it with one futex call.
//! * Waiting: a record has left the lane, stored, spooled or given up, when `tail` has passed it. An owner that waits
//!   says so, and the consumer wakes it by the lane's eventfd when it has moved `tail`: see [`CommitWait`].

// The ring is shared between processes, which the language has no safe words for.
#![allow(unsafe_code)]

mod consumer;
mod memory;
mod producer;
mod readings;
#[cfg(test)]
mod tests;
mod thread;
mod wait;

pub use consumer::{Consumer, Progress, Rest, Wait, split_record};
pub(crate) use memory::now_ms;
pub use memory::{Geometry, Lanes};
pub use producer::{NotQueued, Producer, PushError};
pub use readings::SinkState;
pub use thread::ThreadIdentity;
pub(crate) use thread::process_tag;
pub use wait::CommitWait;
