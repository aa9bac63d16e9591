//! Reads the UDP datagram inside a packet from a network, and writes packets and pcap files for other programs.
//!
//! Raw capture reads, the operator's tool writes. A capture has addresses and a time, but not the headers of its
//! message: they are rebuilt here, with correct lengths and check sums. A message that came over TCP or TLS is rebuilt
//! as one UDP datagram too.

mod datagram;
mod frame;
mod link;
mod no_datagram;
mod pcap;

pub use datagram::{Datagram, PortRange, Start, TUNNELS};
pub use frame::{FrameError, udp_frame, udp_payload_limit};
pub use link::{LEADING_TO_IP, ether_type};
pub use no_datagram::NoDatagram;
pub use pcap::{FILE_HEADER_LENGTH, LinkType, PcapWriter, RECORD_HEADER_LENGTH, file_header, record_header};

#[cfg(test)]
#[path = "../../tests/it/common/frame_kinds.rs"]
pub(crate) mod frame_kinds;
