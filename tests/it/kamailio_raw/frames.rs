//! Ethernet frames as a mirror port or a tunnel brings them.

use crate::common::frame_kinds::FrameKind;
use crate::common::sip::{answered_call, call_id};
use etherparse::{EtherType, IpNumber, Ipv4Options, PacketBuilder};
use std::net::{IpAddr, SocketAddr};

/// The link-layer address of `NEAR`, and those of machines that are somewhere else.
const NEAR: [u8; 6] = [2, 0, 0, 0, 0, 1];
const FOREIGN: [[u8; 6]; 2] = [[2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2]];

/// A caller and a callee that are nowhere near.
pub const CALLER: &str = "203.0.113.10:5060";
/// See [`CALLER`].
pub const CALLEE: &str = "198.51.100.20:5060";
/// The same with IPv6.
pub const CALLER6: &str = "[2001:db8:a::10]:5060";
/// See [`CALLER6`].
pub const CALLEE6: &str = "[2001:db8:b::20]:5060";

/// The INVITE of call `number`.
pub fn invite(number: u64) -> Vec<u8> {
    answered_call("raw", number)[0].text.clone()
}

/// The Call-ID of [`invite`].
pub fn id(number: u64) -> String {
    call_id("raw", number)
}

/// All messages of an answered call, between `caller` and `callee` (IPv4) in frames between foreign machines.
pub fn call(number: u64, caller: &str, callee: &str) -> Vec<Vec<u8>> {
    let frame = |message: crate::common::sip::CallMessage| {
        let (from, to) = if message.from_caller { (caller, callee) } else { (callee, caller) };
        mirrored(&udp(from, to, &message.text))
    };
    answered_call("raw", number).into_iter().map(frame).collect()
}

/// An IP packet with a UDP datagram.
pub fn udp(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let (from, to) = (address(from), address(to));
    let ip = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 60),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 60),
        _ => panic!("two families in one packet"),
    };
    let mut packet = Vec::new();
    ip.udp(from.port(), to.port()).write(&mut packet, payload).expect("a payload that fits");
    packet
}

/// The same over IPv4, with options in the header: a record of the route.
pub fn udp_with_options(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let plain = udp(from, to, payload);
    let (mut header, _) = etherparse::Ipv4Header::from_slice(&plain).expect("our own packet");
    header.options = Ipv4Options::try_from(&[7, 7, 4, 0, 0, 0, 0, 0][..]).expect("8 bytes");
    header.set_payload_len(plain.len() - 20).expect("a payload that fits");
    header.header_checksum = header.calc_header_checksum();
    [&header.to_bytes()[..], &plain[20..]].concat()
}

/// An IP packet around `inside`; `with_options` in an IPv4 header longer than usual.
pub fn tunnelled(from: &str, to: &str, inside: &[u8], with_options: bool) -> Vec<u8> {
    let number = if inside[0] >> 4 == 4 { IpNumber::IPV4 } else { IpNumber::IPV6 };
    match (from.parse().expect("an address"), to.parse().expect("an address")) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header =
                etherparse::Ipv4Header::new(0, 60, number, from.octets(), to.octets()).expect("no payload");
            if with_options {
                header.options = Ipv4Options::try_from(&[1, 1, 1, 0][..]).expect("4 bytes");
            }
            header.set_payload_len(inside.len()).expect("a payload that fits");
            header.header_checksum = header.calc_header_checksum();
            [&header.to_bytes()[..], inside].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = etherparse::Ipv6Header {
                payload_length: inside.len().try_into().expect("a payload that fits"),
                next_header: number,
                hop_limit: 60,
                source: from.octets(),
                destination: to.octets(),
                ..Default::default()
            };
            [&header.to_bytes()[..], inside].concat()
        }
        _ => panic!("two families in one packet"),
    }
}

/// An IPv4 packet in as many fragments as packets of `longest` bytes need.
pub fn fragments(packet: &[u8], longest: usize) -> Vec<Vec<u8>> {
    let (header, payload) = etherparse::Ipv4Header::from_slice(packet).expect("an IPv4 packet");
    let room = (longest - header.header_len()) / 8 * 8;
    let parts = payload.chunks(room).enumerate().map(|(index, part)| {
        let mut header = header.clone();
        header.dont_fragment = false;
        header.identification = 4711;
        header.more_fragments = (index + 1) * room < payload.len();
        header.fragment_offset = u16::try_from(index * room / 8).expect("small").try_into().expect("small");
        header.set_payload_len(part.len()).expect("a payload that fits");
        header.header_checksum = header.calc_header_checksum();
        [&header.to_bytes()[..], part].concat()
    });
    parts.collect()
}

/// A frame from one foreign machine to another.
pub fn mirrored(packet: &[u8]) -> Vec<u8> {
    frame(FOREIGN[0], FOREIGN[1], &[], packet)
}

/// The same with VLAN tags, the outermost first: EtherType and VLAN number each.
pub fn tagged(tags: &[(u16, u16)], packet: &[u8]) -> Vec<u8> {
    frame(FOREIGN[0], FOREIGN[1], tags, packet)
}

/// The same of any kind.
pub fn of_kind(kind: &FrameKind) -> Vec<u8> {
    [&FOREIGN[1][..], &FOREIGN[0], &kind.ether_type.to_be_bytes(), &kind.rest].concat()
}

/// A frame to the machine that captures.
pub fn to_near(packet: &[u8]) -> Vec<u8> {
    frame(FOREIGN[0], NEAR, &[], packet)
}

fn frame(source: [u8; 6], destination: [u8; 6], tags: &[(u16, u16)], packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet[0] >> 4 == 4 { EtherType::IPV4 } else { EtherType::IPV6 };
    let mut frame = [destination, source].concat();
    for (ether_type, number) in tags {
        frame.extend([ether_type.to_be_bytes(), number.to_be_bytes()].concat());
    }
    frame.extend(ether_type.0.to_be_bytes());
    frame.extend(packet);
    frame
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}
