//! The port filter, run as the kernel would; sockets need privileges and are tested with a server around them.

use super::*;
use crate::packet::frame_kinds::{FrameKind, frame_kinds};
use crate::packet::{Datagram, NoDatagram, udp_frame};
use libc::sock_filter;
use proptest::prelude::*;
use std::net::SocketAddr;

const INCOMING: u8 = libc::PACKET_OTHERHOST;

/// The part that a packet with this EtherType is for, and how many of its bytes; `None` when it is for none.
///
/// It is the same for the sockets of the EtherType and for those of all: no packet is for two sockets, and none that
/// goes out is for any.
fn part_of(ether_type: u16, ports: Option<PortRange>, packet: &[u8]) -> Option<(FilterPart, u32)> {
    let views = [View::Of(ether_type), View::Tagged, View::Untagged];
    let [of, tagged, untagged] = views.map(|view| {
        let passed = [FilterPart::Read, FilterPart::Counted].map(|part| {
            let program = filter::program(view, ports, part);
            if view != View::Of(ether_type) {
                assert_eq!(run(&program, packet, ether_type, libc::PACKET_OUTGOING), Some(0), "{view:?} {part:?}");
            }
            let passed = run(&program, packet, ether_type, INCOMING).expect("no load from behind the packet");
            (passed > 0).then_some((part, passed))
        });
        assert!(passed.iter().flatten().count() < 2, "{view:?}: {passed:?}");
        passed.into_iter().flatten().next()
    });
    let (own, other) = if matches!(ether_type, 0x8100 | 0x88a8) { (tagged, untagged) } else { (untagged, tagged) };
    assert_eq!((own, other), (of, None), "{ether_type:#x}");
    of
}

/// Whether a packet passes to be read.
fn is_read(ether_type: u16, ports: PortRange, packet: &[u8]) -> bool {
    matches!(part_of(ether_type, Some(ports), packet), Some((FilterPart::Read, u32::MAX)))
}

/// Runs a classic BPF program over `packet` with what the kernel knows, EtherType and direction; answers how many bytes
/// pass. Only what programs here use is known. A load from behind the packet, which would drop it, is `None`.
fn run(program: &[sock_filter], packet: &[u8], ether_type: u16, direction: u8) -> Option<u32> {
    let byte = |at: u32| packet.get(at as usize).map(|&byte| u32::from(byte));
    let half = |at: u32| Some(byte(at)? << 8 | byte(at + 1)?);
    let (mut accumulator, mut index, mut at, mut memory) = (0_u32, 0_u32, 0, [None; 16]);
    loop {
        let &sock_filter { code, jt, jf, k } = &program[at];
        at += 1;
        let branch = |holds| at + usize::from(if holds { jt } else { jf });
        match u32::from(code) {
            0x00 => accumulator = k,
            0x01 => index = k,
            0x28 if k == (libc::SKF_AD_OFF + libc::SKF_AD_PROTOCOL) as u32 => accumulator = ether_type.into(),
            0x30 if k == (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32 => accumulator = direction.into(),
            0x50 => accumulator = byte(index + k)?,
            0x48 => accumulator = half(index + k)?,
            0x80 => accumulator = packet.len() as u32,
            0x60 => accumulator = memory[k as usize].expect("the kernel refuses a load of nothing"),
            0x61 => index = memory[k as usize].expect("the kernel refuses a load of nothing"),
            0x02 => memory[k as usize] = Some(accumulator),
            0x03 => memory[k as usize] = Some(index),
            0x07 => index = accumulator,
            0x87 => accumulator = index,
            0x04 => accumulator = accumulator.wrapping_add(k),
            0x0c => accumulator = accumulator.wrapping_add(index),
            0x1c => accumulator = accumulator.checked_sub(index).expect("the index is within the packet"),
            0x54 => accumulator &= k,
            0x64 => accumulator <<= k,
            0x05 => at += k as usize,
            0x15 => at = branch(accumulator == k),
            0x25 => at = branch(accumulator > k),
            0x2d => at = branch(accumulator > index),
            0x35 => at = branch(accumulator >= k),
            0x45 => at = branch(accumulator & k != 0),
            0x06 => return Some(k),
            0x16 => return Some(accumulator),
            other => panic!("instruction {other:#x} is not known"),
        }
    }
}

/// A datagram in a packet of each socket's kind: bare, and inside a VLAN tag.
fn forms(source: SocketAddr, destination: SocketAddr) -> [(u16, Vec<u8>); 2] {
    let packet = udp_frame(source, destination, b"OPTIONS sip:bob@example.com SIP/2.0\r\n\r\n").unwrap();
    let ether_type: u16 = if source.is_ipv4() { 0x0800 } else { 0x86dd };
    let tagged = [&[0, 7], &ether_type.to_be_bytes()[..], &packet].concat();
    [(ether_type, packet), (0x8100, tagged)]
}

fn endpoints() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    (any::<bool>(), any::<u16>(), any::<u16>()).prop_map(|(v6, source, destination)| {
        let ip: [IpAddr; 2] = if v6 {
            ["2001:db8::1", "2001:db8::2"].map(|ip| ip.parse().unwrap())
        } else {
            ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap())
        };
        (SocketAddr::new(ip[0], source), SocketAddr::new(ip[1], destination))
    })
}

fn ranges() -> impl Strategy<Value = PortRange> {
    (any::<u16>(), any::<u16>()).prop_map(|(a, b)| PortRange { first: a.min(b), last: a.max(b) })
}

proptest! {
    #[test]
    fn the_filter_passes_exactly_the_datagrams_of_its_ports((source, destination) in endpoints(), ports in ranges()) {
        for (ether_type, packet) in forms(source, destination) {
            let datagram = Datagram::read(Start::EtherType(ether_type), &packet).unwrap();
            let passed = is_read(ether_type, ports, &packet);
            prop_assert_eq!(passed, ports.takes(&datagram), "{:#x} {:?}", ether_type, ports);
        }
    }

    #[test]
    fn the_filter_passes_whatever_would_be_read_and_taken(
        (source, destination) in endpoints(), ports in ranges(), at: prop::sample::Index, byte: u8
    ) {
        for (ether_type, mut packet) in forms(source, destination) {
            let at = at.index(packet.len());
            packet[at] = byte;
            // The kernel gives a packet to the socket of its EtherType; one of the other version would be a lie.
            let of_version = |number| if number == 0x0800 { 4 } else { 6 };
            let inside = if ether_type == 0x8100 { 4 } else { 0 };
            let inner_type = if ether_type == 0x8100 { u16::from_be_bytes([packet[2], packet[3]]) } else { ether_type };
            prop_assume!(packet[inside] >> 4 == of_version(inner_type));
            if let Ok(datagram) = Datagram::read(Start::EtherType(ether_type), &packet)
                && ports.takes(&datagram)
            {
                prop_assert!(is_read(ether_type, ports, &packet));
            }
        }
    }
}

#[test]
fn the_filter_finds_ports_behind_the_options_of_an_ip_header() {
    let packet = forms("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:40000".parse().unwrap())[0].1.clone();
    let mut with_options = packet[..20].to_vec();
    with_options[0] = 0x47;
    with_options.extend([1; 8]);
    with_options.extend(&packet[20..]);
    let of = |first, last| is_read(0x0800, PortRange { first, last }, &with_options);
    assert!(of(5060, 5060) && of(40000, 40000) && !of(257, 257));
}

const SIP: PortRange = PortRange { first: 5060, last: 5060 };

/// Every kind of frame, around a message of port 5060.
fn kinds() -> Vec<FrameKind> {
    let [ip4, ip6] = ["192.0.2.1:5060 192.0.2.2:40000", "[::1]:40000 [::2]:5060"].map(|pair| {
        let (from, to) = pair.split_once(' ').unwrap();
        forms(from.parse().unwrap(), to.parse().unwrap())[0].1.clone()
    });
    frame_kinds(&ip4, &ip6)
}

/// What the kernel gives to the socket of EtherType `number`, which for all lengths is one.
fn socket_of(number: u16) -> u16 {
    if number < 0x0600 { 4 } else { number }
}

#[test]
fn the_filter_drops_only_what_is_ip_of_other_ports_or_protocols_and_later_fragments() {
    for kind in kinds() {
        let part = part_of(socket_of(kind.ether_type), Some(SIP), &kind.rest);
        assert_eq!(part.is_none(), kind.filtered, "{}: {part:?}", kind.name);
    }
}

#[test]
fn messages_are_read_and_what_certainly_holds_none_is_only_counted() {
    for kind in kinds().iter().filter(|kind| !kind.filtered) {
        let part = part_of(socket_of(kind.ether_type), Some(SIP), &kind.rest).map(|(part, _)| part);
        match kind.counter {
            "raw_messages" | "raw_ignored_payload" | "raw_fragments" => {
                assert_eq!(part, Some(FilterPart::Read), "{}", kind.name);
            }
            "raw_ignored_tunnel" | "raw_ignored_protocol" | "raw_ignored_ppp" | "raw_ignored_ether_type" => {
                assert_eq!(part, Some(FilterPart::Counted), "{}", kind.name)
            }
            _ => {}
        }
    }
}

#[test]
fn of_what_is_not_read_the_filter_passes_a_beginning_that_tells_the_same() {
    let mut cut = 0;
    for kind in kinds().iter().filter(|kind| !kind.filtered) {
        let (_, passed) = part_of(socket_of(kind.ether_type), Some(SIP), &kind.rest).unwrap();
        let read = |packet| Datagram::read(Start::EtherType(kind.ether_type), packet);
        let beginning = &kind.rest[..(passed as usize).min(kind.rest.len())];
        assert_eq!(read(beginning), read(&kind.rest), "{}", kind.name);
        cut += usize::from(beginning.len() < kind.rest.len());
    }
    assert!(cut > 3, "{cut} are cut");
}

#[test]
fn without_ports_all_that_ip_can_be_behind_is_read_and_the_rest_is_counted() {
    for kind in kinds() {
        let number = socket_of(kind.ether_type);
        let expected = match LEADING_TO_IP.contains(&number) {
            true => (FilterPart::Read, u32::MAX),
            false => (FilterPart::Counted, filter::BEGINNING),
        };
        assert_eq!(part_of(number, None, &kind.rest), Some(expected), "{}", kind.name);
    }
}

#[test]
fn no_program_is_longer_than_its_jumps_reach() {
    let views = LEADING_TO_IP.map(View::Of).into_iter().chain([View::Tagged, View::Untagged]);
    let longest = views.map(|view| filter::program(view, Some(SIP), FilterPart::Read).len()).max();
    assert!(longest < Some(255), "{longest:?}");
}

#[test]
fn what_is_only_counted_waits_while_anything_else_has_a_packet() {
    let counting = 0b1100;
    for (ready, expected) in [(0b1111, 0b0011), (0b0110, 0b0010), (0b1100, 0b1100), (0b1000, 0b1000), (0, 0)] {
        assert_eq!(first(ready, counting), expected, "{ready:b}");
    }
}

proptest! {
    #[test]
    fn what_the_filter_drops_is_certainly_not_of_what_is_captured_whatever_byte_is_wrong(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8,
        end in any::<prop::sample::Index>()
    ) {
        let kinds = kinds();
        let kind = which.get(&kinds);
        let number = socket_of(kind.ether_type);
        let mut packet = kind.rest.clone();
        let at = at.index(packet.len());
        packet[at] = byte;
        packet.truncate(1 + end.index(packet.len()));
        let part = part_of(number, Some(SIP), &packet).map(|(part, _)| part);
        if part == Some(FilterPart::Counted) {
            let read = Datagram::read(Start::EtherType(number), &packet);
            prop_assert!(read.is_err_and(|it| it != NoDatagram::Fragment), "{}: {:?}", kind.name, read);
        }
        if part.is_none() {
            let read = Datagram::read(Start::EtherType(number), &packet);
            let is_other = match read {
                Ok(datagram) => !SIP.takes(&datagram),
                // Where lengths lie too, ports and protocol that are none of ours are enough.
                Err(reason) => matches!(
                    reason,
                    NoDatagram::Protocol | NoDatagram::Fragment | NoDatagram::Malformed | NoDatagram::Truncated
                ),
            };
            prop_assert!(is_other, "{}: {:?}", kind.name, read);
        }
    }
}

#[test]
fn an_interface_that_is_not_there_is_an_error_of_the_interface() {
    let plan = RawPlan { method: Method::Tunnelled(None), interface: Some("nosuch0".to_owned()), promiscuous: false };
    assert!(matches!(RawSockets::open(&plan), Err(OpenError::Interface(_))));
}
