//! Servers, senders and messages that the tests share.

pub mod database;
pub mod hep;
pub mod hep_sender;
pub mod kamailio;
pub mod network;
pub mod pcap;
pub mod ports;
pub mod rows;
pub mod sip;
pub mod tshark;
pub mod wait;
