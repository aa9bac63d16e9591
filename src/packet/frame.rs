//! IP and UDP headers around a payload.

use etherparse::PacketBuilder;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use thiserror::Error;

/// Time to live of a rebuilt packet; that of the packet that was seen is not known.
const HOP_LIMIT: u8 = 64;
/// The most bytes that a 16-bit length field can hold.
const LENGTH_LIMIT: usize = 65_535;
const IP4_HEADER_LENGTH: usize = 20;
const UDP_HEADER_LENGTH: usize = 8;

/// Why no frame could be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The payload is longer than one UDP datagram can be.
    #[error("a payload of {length} bytes, where a UDP datagram between these addresses takes {limit}")]
    TooLong {
        /// Bytes of the payload.
        length: usize,
        /// The most that fits.
        limit: usize,
    },
}

/// The longest payload of a UDP datagram between these addresses: 65,507 bytes over IPv4, whose total length includes
/// its header, and 65,527 over IPv6.
pub fn udp_payload_limit(source: SocketAddr, destination: SocketAddr) -> usize {
    let ip_header = if source.is_ipv4() && destination.is_ipv4() { IP4_HEADER_LENGTH } else { 0 };
    LENGTH_LIMIT - ip_header - UDP_HEADER_LENGTH
}

/// An IP packet with a UDP datagram that carries `payload`, for a file of [`LinkType::Raw`](super::LinkType::Raw). With
/// addresses of different families the IPv4 side becomes an IPv4-mapped IPv6 address.
///
/// # Errors
/// [`FrameError::TooLong`] for a payload above [`udp_payload_limit`]. IP fragments would not help, since they make up a
/// datagram with the same length fields; whoever wants to show such a message cuts it at the limit and gives its true
/// length to the file's [`record_header`](super::record_header).
pub fn udp_frame(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
    let (length, limit) = (payload.len(), udp_payload_limit(source, destination));
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    let ip = match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            PacketBuilder::ipv4(source.octets(), destination.octets(), HOP_LIMIT)
        }
        (source, destination) => PacketBuilder::ipv6(as_ip6(source).octets(), as_ip6(destination).octets(), HOP_LIMIT),
    };
    let packet = ip.udp(source.port(), destination.port());
    let mut frame = Vec::with_capacity(packet.size(length));
    packet.write_to_vec(&mut frame, payload).map_err(|_| FrameError::TooLong { length, limit })?;
    Ok(frame)
}

fn as_ip6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(ip4) => ip4.to_ipv6_mapped(),
        IpAddr::V6(ip6) => ip6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Reads a frame back, checks its sums, and answers addresses and payload.
    fn read(frame: &[u8]) -> (SocketAddr, SocketAddr, Vec<u8>) {
        let packet = SlicedPacket::from_ip(frame).unwrap();
        let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("no UDP") };
        let header = udp.to_header();
        let (source, destination): (IpAddr, IpAddr) = match packet.net.unwrap() {
            NetSlice::Ipv4(ip) => {
                let ip = ip.header();
                assert_eq!(ip.header_checksum(), ip.to_header().calc_header_checksum());
                let expected = header.calc_checksum_ipv4(&ip.to_header(), udp.payload()).unwrap();
                assert_eq!(header.checksum, expected);
                (ip.source_addr().into(), ip.destination_addr().into())
            }
            NetSlice::Ipv6(ip) => {
                let ip = ip.header();
                let expected = header.calc_checksum_ipv6(&ip.to_header(), udp.payload()).unwrap();
                assert_eq!(header.checksum, expected);
                (ip.source_addr().into(), ip.destination_addr().into())
            }
            NetSlice::Arp(_) => panic!("no IP"),
        };
        let port = |ip, port| SocketAddr::new(ip, port);
        (port(source, header.source_port), port(destination, header.destination_port), udp.payload().to_vec())
    }

    #[test]
    fn a_frame_carries_addresses_ports_and_payload() {
        for (source, destination) in [("192.0.2.1:5060", "198.51.100.2:0"), ("[2001:db8::1]:65535", "[::1]:5061")] {
            let (source, destination) = (address(source), address(destination));
            for payload in [&b""[..], b"x", b"OPTIONS sip:bob@example.com SIP/2.0\r\n\r\n"] {
                let frame = udp_frame(source, destination, payload).unwrap();
                assert_eq!(read(&frame), (source, destination, payload.to_vec()));
            }
        }
    }

    #[test]
    fn the_ipv4_side_of_a_mixed_pair_is_mapped() {
        let (source, destination) = (address("192.0.2.1:5060"), address("[2001:db8::2]:5061"));
        let mapped = address("[::ffff:192.0.2.1]:5060");
        let frame = udp_frame(source, destination, b"there").unwrap();
        assert_eq!(read(&frame), (mapped, destination, b"there".to_vec()));
        let frame = udp_frame(destination, source, b"back").unwrap();
        assert_eq!(read(&frame), (destination, mapped, b"back".to_vec()));
    }

    #[test]
    fn a_payload_up_to_the_limit_fits_and_no_more() {
        for (text, limit) in [("192.0.2.1:5060", 65_507), ("[2001:db8::1]:5060", 65_527)] {
            let address = address(text);
            assert_eq!(udp_payload_limit(address, address), limit);
            let payload = vec![b'x'; limit + 1];
            let frame = udp_frame(address, address, &payload[..limit]).unwrap();
            assert_eq!(read(&frame).2.len(), limit);
            let error = udp_frame(address, address, &payload).unwrap_err();
            assert_eq!(error, FrameError::TooLong { length: limit + 1, limit });
        }
    }
}
