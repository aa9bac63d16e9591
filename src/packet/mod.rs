//! Packets in both directions: the UDP datagram inside what a network carries, and packets for captures that are to be read by others, IP and
//! UDP around a payload and the pcap file around packets.
//!
//! Raw capture reads, the operator's tool and the pcap sink write. A capture knows its addresses and its time, but the headers that its message
//! travelled under are gone: what is written here is rebuilt, with right lengths and check sums. A message
//! that came over TCP or TLS is rebuilt as UDP too, which carries it whole.

mod datagram;
mod frame;
mod link;
mod pcap;

pub use datagram::{Datagram, NoDatagram, PortRange, Start, TUNNELS};
pub use frame::{FrameError, udp_frame, udp_payload_limit};
pub use link::{LEADING_TO_IP, ether_type};
pub use pcap::{FILE_HEADER_LENGTH, LinkType, PcapWriter, RECORD_HEADER_LENGTH, file_header, record_header};

#[cfg(test)]
#[path = "../../tests/it/common/frame_kinds.rs"]
pub(crate) mod frame_kinds;
