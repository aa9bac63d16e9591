//! Everything that needs more than one room, a server or a peer. One binary, so that it links once.

mod common;
mod hep_table;
mod kamailio_parity;
mod peers_hep;
mod sinks;
mod tool;
