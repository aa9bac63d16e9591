use super::super::frame_kinds::frame_kinds;
use super::*;
use etherparse::{IpFragOffset, Ipv4Header, Ipv4Options, Ipv6Header};
use proptest::prelude::*;

const MESSAGE: &[u8] = b"OPTIONS sip:bob@example.com SIP/2.0\r\n\r\n";
const IP4: Start = Start::EtherType(0x0800);
const IP6: Start = Start::EtherType(0x86dd);
const VLAN: u16 = 0x8100;
const PROVIDER: u16 = 0x88a8;

fn endpoints(v6: bool) -> (SocketAddr, SocketAddr) {
    let texts = if v6 { ["[2001:db8::1]:5060", "[2001:db8::2]:5070"] } else { ["192.0.2.1:5060", "198.51.100.2:5070"] };
    (texts[0].parse().unwrap(), texts[1].parse().unwrap())
}

fn udp(v6: bool, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = endpoints(v6);
    super::super::udp_frame(source, destination, payload).unwrap()
}

/// An IPv4 header around `inside`.
fn in_ip4(protocol: IpNumber, options: &[u8], inside: &[u8]) -> Vec<u8> {
    let mut header = Ipv4Header::new(0, 64, protocol, [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
    header.options = Ipv4Options::try_from(options).unwrap();
    header.set_payload_len(inside.len()).unwrap();
    [&header.to_bytes()[..], inside].concat()
}

/// An IPv6 header around `inside`.
fn in_ip6(next: IpNumber, inside: &[u8]) -> Vec<u8> {
    let header = Ipv6Header {
        payload_length: inside.len() as u16,
        next_header: next,
        hop_limit: 64,
        source: [1; 16],
        destination: [2; 16],
        ..Ipv6Header::default()
    };
    [&header.to_bytes()[..], inside].concat()
}

/// What follows an EtherType of a VLAN: the tag's own number and the type of what it tags.
fn tag(ether_type: u16, inside: &[u8]) -> Vec<u8> {
    [&[0x20, 0x05], &ether_type.to_be_bytes()[..], inside].concat()
}

fn datagram(v6: bool, payload: &[u8]) -> Datagram<'_> {
    let (source, destination) = endpoints(v6);
    Datagram { source, destination, payload }
}

#[test]
fn a_datagram_is_read_from_either_ip_version_whatever_its_payload() {
    for payload in [MESSAGE, b"", b"x"] {
        for (start, v6) in [(IP4, false), (Start::Ip, false), (IP6, true), (Start::Ip, true)] {
            assert_eq!(Datagram::read(start, &udp(v6, payload)), Ok(datagram(v6, payload)));
        }
    }
}

#[test]
fn padding_behind_the_packet_is_no_payload() {
    for v6 in [false, true] {
        let mut padded = udp(v6, MESSAGE);
        padded.extend([0; 18]);
        assert_eq!(Datagram::read(Start::Ip, &padded), Ok(datagram(v6, MESSAGE)));
    }
    // Behind the datagram, but inside the IP packet.
    let mut inside = udp(false, MESSAGE)[20..].to_vec();
    inside.extend([0; 3]);
    let packet = in_ip4(IpNumber::UDP, &[], &inside);
    assert_eq!(Datagram::read(IP4, &packet).map(|datagram| datagram.payload), Ok(MESSAGE));
}

#[test]
fn options_of_the_ip_header_are_skipped_outside_and_inside_a_tunnel() {
    let inner = in_ip4(IpNumber::UDP, &[1, 1, 1, 0], &udp(false, MESSAGE)[20..]);
    assert_eq!(Datagram::read(IP4, &inner).map(|datagram| datagram.payload), Ok(MESSAGE));
    let tunnelled = in_ip4(IpNumber::IPV4, &[1; 8], &inner);
    let read = Datagram::read(Start::Tunnel, &tunnelled).unwrap();
    assert_eq!((read.source, read.payload), ("10.0.0.1:5060".parse().unwrap(), MESSAGE));
}

#[test]
fn extension_headers_of_ipv6_are_skipped() {
    let hop_by_hop = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &udp(true, MESSAGE)[40..]].concat();
    let packet = in_ip6(IpNumber(0), &hop_by_hop);
    assert_eq!(Datagram::read(IP6, &packet).map(|datagram| datagram.payload), Ok(MESSAGE));
}

#[test]
fn vlan_tags_are_skipped_one_inside_the_other() {
    for (v6, ether_type) in [(false, 0x0800), (true, 0x86dd)] {
        let single = tag(ether_type, &udp(v6, MESSAGE));
        let double = tag(VLAN, &single);
        assert_eq!(Datagram::read(Start::EtherType(VLAN), &single), Ok(datagram(v6, MESSAGE)));
        assert_eq!(Datagram::read(Start::EtherType(PROVIDER), &double), Ok(datagram(v6, MESSAGE)));
    }
    let deep = (0..6).fold(tag(0x0800, &udp(false, MESSAGE)), |inside, _| tag(VLAN, &inside));
    assert_eq!(Datagram::read(Start::EtherType(VLAN), &deep), Err(NoDatagram::Malformed));
    assert_eq!(Datagram::read(Start::EtherType(VLAN), &[0, 5, 8]), Err(NoDatagram::Truncated));
}

#[test]
fn tunnels_carry_either_version_inside_either() {
    for v6 in [false, true] {
        let inner = udp(v6, MESSAGE);
        let number = if v6 { IpNumber::IPV6 } else { IpNumber::IPV4 };
        for tunnel in [in_ip4(number, &[], &inner), in_ip6(number, &inner)] {
            assert_eq!(Datagram::read(Start::Tunnel, &tunnel), Ok(datagram(v6, MESSAGE)));
        }
    }
    assert_eq!(Datagram::read(Start::Tunnel, &udp(false, MESSAGE)), Err(NoDatagram::Protocol));
}

#[test]
fn fragments_are_told_apart_and_only_those_of_datagrams() {
    let fragment = |protocol, offset, more_fragments| {
        let mut header = Ipv4Header::new(64, 64, protocol, [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
        header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
        header.more_fragments = more_fragments;
        [&header.to_bytes()[..], &[b'x'; 64]].concat()
    };
    for (offset, more) in [(0, true), (8, true), (8, false)] {
        assert_eq!(Datagram::read(IP4, &fragment(IpNumber::UDP, offset, more)), Err(NoDatagram::Fragment));
        assert_eq!(Datagram::read(IP4, &fragment(IpNumber::TCP, offset, more)), Err(NoDatagram::Protocol));
    }
    let behind_fragment_header = |offset_and_more| [&[17, 0, 0, offset_and_more, 0, 0, 0, 1][..], &[b'x'; 64]].concat();
    let packet = in_ip6(IpNumber(44), &behind_fragment_header(8));
    assert_eq!(Datagram::read(IP6, &packet), Err(NoDatagram::Fragment));
    let packet = in_ip6(IpNumber(44), &[&[17, 0, 0, 0, 0, 0, 0, 1][..], &udp(true, MESSAGE)[40..]].concat());
    assert_eq!(Datagram::read(IP6, &packet).map(|datagram| datagram.payload), Ok(MESSAGE), "a fragment that is all");
}

#[test]
fn what_is_not_udp_is_told_by_its_beginning_also_where_it_is_cut_short() {
    for (number, reason) in [(6, NoDatagram::Protocol), (47, NoDatagram::Tunnel), (4, NoDatagram::Tunnel)] {
        let inside = &udp(false, MESSAGE)[20..];
        for packet in [in_ip4(IpNumber(number), &[1; 8], inside), in_ip6(IpNumber(number), inside)] {
            assert_eq!(Datagram::read(Start::Ip, &packet), Err(reason));
            assert_eq!(Datagram::read(Start::Ip, &packet[..44]), Err(reason));
            assert_eq!(Datagram::read(Start::Ip, &packet[..19]), Err(NoDatagram::Truncated));
        }
    }
    let tunnel = in_ip4(IpNumber::IPV4, &[], &udp(false, MESSAGE));
    assert_eq!(Datagram::read(Start::Tunnel, &tunnel[..60]), Err(NoDatagram::Truncated), "a tunnel is what is wanted");
    assert_eq!(Datagram::read(Start::ForeignLink, &udp(false, MESSAGE)), Err(NoDatagram::LinkType));
}

#[test]
fn every_way_to_carry_a_message_gives_the_same_datagram() {
    let (ip4, ip6) = (udp(false, MESSAGE), udp(true, MESSAGE));
    let kinds = frame_kinds(&ip4, &ip6).into_iter().filter(|kind| kind.counter == "raw_messages");
    let mut read = 0;
    for kind in kinds {
        let found = Datagram::read(Start::EtherType(kind.ether_type), &kind.rest);
        let found = found.unwrap_or_else(|reason| panic!("{}: {reason}", kind.name));
        assert!([datagram(false, MESSAGE), datagram(true, MESSAGE)].contains(&found), "{}: {found:?}", kind.name);
        read += 1;
    }
    assert!(read > 20, "{read}");
}

#[test]
fn lengths_that_lie_are_malformed_and_packets_that_end_early_are_truncated() {
    for v6 in [false, true] {
        let packet = udp(v6, MESSAGE);
        for end in 0..packet.len() {
            assert_eq!(Datagram::read(Start::Ip, &packet[..end]), Err(NoDatagram::Truncated), "{end}");
        }
        let header = if v6 { 40 } else { 20 };
        for length in [0, 7, MESSAGE.len() as u16 + 9, u16::MAX] {
            let mut lying = packet.clone();
            lying[header + 4..header + 6].copy_from_slice(&length.to_be_bytes());
            assert_eq!(Datagram::read(Start::Ip, &lying), Err(NoDatagram::Malformed), "{length}");
        }
    }
    let mut short_header = udp(false, MESSAGE);
    short_header[0] = 0x44;
    assert_eq!(Datagram::read(IP4, &short_header), Err(NoDatagram::Malformed));
    short_header[0] = 0x75;
    assert_eq!(Datagram::read(IP4, &short_header), Err(NoDatagram::Malformed), "a version that nobody knows");
}

#[test]
fn a_message_has_32_bytes_and_begins_with_a_letter_or_a_digit() {
    let may_be = |payload: &[u8]| datagram(false, payload).may_be_sip();
    let of = |first: u8, length| vec![first; length];
    assert!(may_be(&of(b'I', 32)) && may_be(&of(b'9', 32)) && may_be(MESSAGE));
    assert!(!may_be(&of(b'I', 31)) && !may_be(b"") && !may_be(&of(b'\r', 40)) && !may_be(&of(0x80, 40)));
}

#[test]
fn a_range_of_ports_takes_datagrams_that_come_from_or_go_to_it() {
    let takes = |first, last| PortRange { first, last }.takes(&datagram(false, MESSAGE));
    assert!(takes(5060, 5060) && takes(5070, 5070) && takes(5000, 5060) && takes(5070, 65535) && takes(0, 65535));
    assert!(!takes(5061, 5069) && !takes(5071, 65535) && !takes(1, 5059));
}

fn starts() -> impl Strategy<Value = Start> {
    let ether_types = [0x0800, 0x86dd, VLAN, PROVIDER, 0x9100, 0x0806, 0x8864, 0x8847, 4].map(Start::EtherType);
    prop_oneof![prop::sample::select(ether_types.to_vec()), Just(Start::Ip), Just(Start::Tunnel)]
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_a_payload_lies_within_them(
        start in starts(), version in prop::sample::select(vec![0x45, 0x46, 0x4f, 0x60, 0x00]), mut packet: Vec<u8>
    ) {
        if let Some(first) = packet.first_mut() {
            *first = version;
        }
        if let Ok(datagram) = Datagram::read(start, &packet) {
            prop_assert!(packet.as_ptr_range().contains(&datagram.payload.as_ptr()) || datagram.payload.is_empty());
            prop_assert!(datagram.payload.len() + 8 <= packet.len());
            prop_assert_eq!(datagram.source.is_ipv4(), datagram.destination.is_ipv4());
        }
    }

    #[test]
    fn one_wrong_byte_never_makes_the_payload_reach_beyond_the_packet(
        v6: bool, at: prop::sample::Index, byte: u8, payload in prop::collection::vec(any::<u8>(), 0..100)
    ) {
        let mut packet = udp(v6, &payload);
        let at = at.index(packet.len());
        packet[at] = byte;
        if let Ok(datagram) = Datagram::read(Start::Ip, &packet) {
            prop_assert!(datagram.payload.len() <= payload.len() + 40);
        }
    }

    #[test]
    fn every_datagram_is_read_back(
        source: SocketAddr, same_family: bool, port: u16, payload in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        let other: IpAddr = match (source, same_family) {
            (SocketAddr::V4(_), true) | (SocketAddr::V6(_), false) => "198.51.100.2".parse().unwrap(),
            _ => "2001:db8::2".parse().unwrap(),
        };
        prop_assume!(source.is_ipv4() == other.is_ipv4());
        let (source, destination) = (SocketAddr::new(source.ip(), source.port()), SocketAddr::new(other, port));
        let packet = super::super::udp_frame(source, destination, &payload).unwrap();
        prop_assert_eq!(Datagram::read(Start::Ip, &packet), Ok(Datagram { source, destination, payload: &payload }));
    }
}
