//! Everything that needs more than one room, a server or a peer. One binary, so that it links once.

mod common;
mod dead_letters;
mod fuzz_corpus;
mod hep_table;
mod kamailio_config;
mod kamailio_deadly;
mod kamailio_faults;
mod kamailio_forward;
mod kamailio_functions;
mod kamailio_hep;
mod kamailio_hep_variable;
mod kamailio_homer5;
mod kamailio_hooks;
mod kamailio_host_database;
mod kamailio_modes;
mod kamailio_parameters;
mod kamailio_parity;
mod kamailio_raw;
mod kamailio_siptrace;
mod kamailio_spool;
mod kamailio_stock_parameters;
mod kamailio_topoh;
mod kamailio_writer;
mod peers_hep;
mod sinks;
mod tool;
