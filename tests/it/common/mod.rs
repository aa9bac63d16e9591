//! Servers, senders and messages that the tests share.

pub mod call;
pub mod certificate;
pub mod database;
pub mod frame_kinds;
pub mod hep;
pub mod hep_collector;
pub mod hep_sender;
pub mod hosts;
pub mod http;
pub mod kamailio;
pub mod memory;
pub mod network;
pub mod opensips;
pub mod outgoing;
pub mod pcap;
pub mod ports;
pub mod relay;
pub mod release;
pub mod reported;
pub mod rows;
pub mod sip;
pub mod stock_schema;
pub mod tls_database;
pub mod tshark;
pub mod wait;
