//! The port filter, run as the kernel would; sockets need privileges and are tested with a server around them.

use super::*;
use crate::packet::{Datagram, udp_frame};
use libc::sock_filter;
use proptest::prelude::*;
use std::net::SocketAddr;

/// Runs a classic BPF program over `packet`; only what programs here use is known. A load from behind the packet drops it.
fn passes(program: &[sock_filter], packet: &[u8]) -> bool {
    run(program, packet).is_some_and(|answer| answer != 0)
}

fn run(program: &[sock_filter], packet: &[u8]) -> Option<u32> {
    let byte = |at: usize| packet.get(at).map(|&byte| u32::from(byte));
    let half = |at: usize| Some(byte(at)? << 8 | byte(at + 1)?);
    let (mut accumulator, mut index, mut at) = (0, 0, 0);
    loop {
        let &sock_filter { code, jt, jf, k } = &program[at];
        at += 1;
        let branch = |holds| at + usize::from(if holds { jt } else { jf });
        match u32::from(code) {
            0x30 => accumulator = byte(k as usize)?,
            0x28 => accumulator = half(k as usize)?,
            0x48 => accumulator = half((index + k) as usize)?,
            0xb1 => index = 4 * (byte(k as usize)? & 0xf),
            0x15 => at = branch(accumulator == k),
            0x25 => at = branch(accumulator > k),
            0x35 => at = branch(accumulator >= k),
            0x45 => at = branch(accumulator & k != 0),
            0x06 => return Some(k),
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
            let passed = passes(&filter::program(ether_type, ports), &packet);
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
                prop_assert!(passes(&filter::program(ether_type, ports), &packet));
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
    let of = |first, last| passes(&filter::program(0x0800, PortRange { first, last }), &with_options);
    assert!(of(5060, 5060) && of(40000, 40000) && !of(257, 257));
}

#[test]
fn the_filter_drops_later_fragments_other_protocols_and_packets_cut_short() {
    let any = PortRange { first: 0, last: u16::MAX };
    for v6 in [false, true] {
        let ips = if v6 { ["[::1]:5060", "[::2]:5060"] } else { ["192.0.2.1:5060", "192.0.2.2:5060"] };
        for (ether_type, packet) in forms(ips[0].parse().unwrap(), ips[1].parse().unwrap()) {
            let program = filter::program(ether_type, any);
            let start = if ether_type == 0x8100 { 4 } else { 0 };
            assert!(passes(&program, &packet));
            assert!(!passes(&program, &packet[..start + 8]));
            let mut tcp = packet.clone();
            tcp[start + if v6 { 6 } else { 9 }] = 6;
            assert!(!passes(&program, &tcp));
            if !v6 {
                let mut fragment = packet.clone();
                fragment[start + 7] = 1;
                assert!(!passes(&program, &fragment));
            }
        }
    }
}

#[test]
fn the_filter_leaves_extension_headers_and_deeper_tags_to_a_closer_look() {
    let none = PortRange { first: 1, last: 1 };
    for (ether_type, packet) in forms("[::1]:5060".parse().unwrap(), "[::2]:5060".parse().unwrap()) {
        let mut extended = packet.clone();
        let next_header = if ether_type == 0x8100 { 10 } else { 6 };
        for number in [0, 43, 44, 51, 60] {
            extended[next_header] = number;
            assert!(passes(&filter::program(ether_type, none), &extended), "{number}");
        }
    }
    assert!(passes(&filter::program(0x88a8, none), &[0, 7, 0x81, 0]));
}

#[test]
fn an_interface_that_is_not_there_is_an_error_of_the_interface() {
    let plan = RawPlan { method: Method::Tunnelled(None), interface: Some("nosuch0".to_owned()), promiscuous: false };
    assert!(matches!(RawSockets::open(&plan), Err(OpenError::Interface(_))));
}
