//! Packets as a network carries them: IP, VLAN tags, tunnels, and the UDP datagram inside.

use super::lies_in;
use sipcapture_core::packet::{Datagram, PortRange, Start, udp_frame};

/// The first byte says what the others begin with: 0 to 4 what follows the EtherType of IPv4, IPv6 or a VLAN tag, an IP
/// header, or the IP header of a tunnel; for any other number, the next two bytes are the EtherType.
pub fn run(bytes: &[u8]) {
    let (start, packet) = match bytes {
        [0, packet @ ..] => (Start::EtherType(0x0800), packet),
        [1, packet @ ..] => (Start::EtherType(0x86dd), packet),
        [2, packet @ ..] => (Start::EtherType(0x8100), packet),
        [3, packet @ ..] => (Start::Ip, packet),
        [4, packet @ ..] => (Start::Tunnel, packet),
        [_, high, low, packet @ ..] => (Start::EtherType(u16::from_be_bytes([*high, *low])), packet),
        _ => return,
    };
    let Ok(datagram) = Datagram::read(start, packet) else { return };
    assert!(lies_in(datagram.payload, packet));
    assert!(datagram.payload.len() + 28 <= packet.len(), "an IP and a UDP header come before the payload");
    assert_eq!(datagram.source.is_ipv4(), datagram.destination.is_ipv4());
    assert!(PortRange { first: 0, last: u16::MAX }.takes(&datagram));
    if datagram.may_be_sip() {
        assert!(datagram.payload[0].is_ascii_alphanumeric());
    }
    // What is rebuilt around the payload reads back, with padding behind it and without.
    let mut frame = udp_frame(datagram.source, datagram.destination, datagram.payload).expect("it was in a packet");
    assert_eq!(Datagram::read(Start::Ip, &frame), Ok(datagram));
    frame.extend([0; 7]);
    assert_eq!(Datagram::read(Start::Ip, &frame), Ok(datagram));
    for cut in [frame.len() - 8, 40, 27, 20, 19, 1, 0] {
        assert!(cut >= frame.len() - 7 || Datagram::read(Start::Ip, &frame[..cut]).is_err(), "cut at {cut}");
    }
}
