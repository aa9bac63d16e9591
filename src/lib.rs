//! SIP capture inside the SIP server: the map of the house.
//!
//! ```text
//! SIP worker ─ sip_capture() ─┐                      writer process
//! HEP datagram (host socket) ─┼─► Capture ─► lane ─► key ─► batch ─► spool or worker ─► sink
//! raw socket ─────────────────┘                                        ▲         │
//!                                                                      └─────────┘ what a sink cannot take now
//! ```
//!
//! | room | what it is for | may call |
//! |---|---|---|
//! | [`abi`] | the C side: every exported function by subject, the panic guard, handles, process control | everything |
//! | [`module`] | what the host modules offer, see below | writer and below |
//! | [`writer`] | drains lanes, batches, delivers, retries, spools, replays, shuts down | sink, queue and below |
//! | [`writer::sinks`] | the list of what captures end in, as the writer sees it: rows, packets | the same |
//! | [`sink`] | the databases, HEP collectors, and TLS, which both speak | table and below |
//! | [`queue`] | the lane (shared memory), the spool (files), the counters | capture |
//! | [`table`] | what a row holds: columns, values, names and creation of tables | capture and below |
//! | [`capture`] | one observed message with its addresses and time, and its byte form | hep, sip |
//! | [`hep`], [`sip`] | codecs: bytes in, borrowed fields out; no I/O, no unsafe, hardly an allocation | nothing |
//! | [`source`] | raw sockets: captures that do not come over the host's own sockets | packet |
//! | [`packet`] | frames, datagrams, fragments, tunnels, pcap files | nothing |
//! | `log_limit`, `owned_directory` | lines at a limited rate; directories given to the server's user | nothing |
//!
//! | in [`module`] | what it is for |
//! |---|---|
//! | `mod.rs` | [`Module`](module::Module), the life of a module: parameters, check, plan, lanes, counters |
//! | `list.rs` | the modules of all hosts, a line each |
//! | `captures_sip.rs`, `sip_message.rs` | what scripts have a module do that captures SIP, and what they hand over |
//! | `parameter.rs`, `parameter_list.rs` | errors and ranges of parameters, and the lists that hosts ask for |
//! | `engine/` | what every module has: settings, pipeline, place of the spool, commands, counters, tables |
//! | `hep/`, `raw/` | HEP packets and raw sockets on their way to a capture, for whichever module takes them |
//! | `node/` | what capture nodes of all hosts share: parameters, scripts' tables, the way into the queue |
//! | `kamailio/` | `sipcapture/` and `siptrace/`; `dialect.rs`: what they do otherwise than those of other hosts |
//! | `opensips/` | `sipcapture/`, and likewise |
//!
//! Arrows run downwards only, also between the files of a room; what lies in a folder may refer to its `mod.rs`.
//! `unsafe` lives in [`abi`], in the lane of [`queue`] and in [`source::raw`]; everything else denies it.
//! `doc/architecture.md` goes the way of a capture, `doc/adding-a-host.md` and `doc/adding-a-sink.md` say what to write
//! for another host or sink.

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
