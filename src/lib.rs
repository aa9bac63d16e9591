//! SIP capture inside the SIP server: the map of the house.
//!
//! ```text
//! SIP worker ─ sip_capture() ─┐                      writer process
//! HEP datagram (host socket) ─┼─► Capture ─► lane ─► decode ─► table ─► batch ─► sink
//! raw socket ─────────────────┘
//! ```
//!
//! | room | what it is for | may call |
//! |---|---|---|
//! | [`abi`] | every `extern "C"` function, the panic guard, process control | everything |
//! | [`module`] | what the host modules offer: parameters, functions, commands, their rules and errors | writer and below |
//! | [`writer`] | drains lanes, batches, delivers, retries, shuts down; its own room [`writer::sinks`] lists what captures end in | sink, queue and below |
//! | [`sink`] | where captures end: one room or file a database, one for HEP collectors, and one for TLS, which both speak | table and below |
//! | [`queue`] | the lane: a byte ring in shared memory from one process to a writer | capture |
//! | [`table`] | table names, layouts (columns of a row), creation | capture and below |
//! | [`capture`] | one observed message with its addresses and time, and its byte form | hep, sip |
//! | [`hep`], [`sip`] | codecs: bytes in, borrowed fields out; no I/O, no unsafe, no allocation but for what writes a changed copy | nothing |
//! | [`source`] | raw sockets: captures that do not come over the host's own sockets | packet |
//! | [`packet`] | the UDP datagram inside a packet; IP and UDP headers rebuilt around a message, and the pcap file | nothing |
//!
//! Arrows run downwards only. `unsafe` lives in [`abi`], in the lane of [`queue`] and in [`source::raw`]; everything
//! else denies it.

pub mod abi;
pub mod capture;
pub mod hep;
mod log_limit;
#[cfg(test)]
mod logged;
pub mod module;
mod owned_directory;
pub mod packet;
pub mod queue;
pub mod sink;
pub mod sip;
pub mod source;
pub mod table;
pub mod writer;
