//! What goes out, byte for byte.

use super::super::{Collector, CollectorOptions, Origin, Outgoing, OutgoingMessage, Secret};
use super::{all, destination, message, next_datagram, numbered, options, outgoing, payload_of, udp_receiver};
use crate::capture::{SocketList, Transport};
use crate::hep::{ChunkOrder, Payload, Version, decode, inflate};
use std::net::UdpSocket;

const SIP: &[u8] = b"OPTIONS sip:bob@example.com SIP/2.0\r\n\r\n";

fn receiver_and_collector(options: CollectorOptions) -> (UdpSocket, Collector) {
    let receiver = udp_receiver("127.0.0.1:0");
    let uri = format!("sip:{}", receiver.local_addr().unwrap());
    (receiver, Collector::new(vec![destination(&uri)], options))
}

/// The datagram that a collector with `options` makes of `packet`.
fn sent<'a>(options: CollectorOptions, packet: impl Into<Outgoing<'a>>) -> Vec<u8> {
    let (receiver, mut collector) = receiver_and_collector(options);
    assert_eq!(collector.send(&[packet.into()]), all(1));
    next_datagram(&receiver)
}

fn secretive() -> CollectorOptions {
    CollectorOptions { auth_key: Some(Secret::new("key")), ..options() }
}

fn over_ip6(packet: OutgoingMessage<'_>) -> OutgoingMessage<'_> {
    OutgoingMessage {
        from: Origin::Address("[2001:db8::1]:5060".parse().unwrap()),
        to: Some("[2001:db8::2]:5061".parse().unwrap()),
        ip_protocol: 22,
        ..packet
    }
}

const IP6_PAIR: [u8; 32] = [
    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, //
    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
];

#[test]
fn version_1() {
    let version_1 = || CollectorOptions { version: Version::V1, ..secretive() };
    let expected: [&[u8]; 3] = [&[1, 16, 2, 17, 0x13, 0xc4, 0x13, 0xce], &[192, 0, 2, 1, 198, 51, 100, 2], SIP];
    assert_eq!(sent(version_1(), outgoing(SIP)), expected.concat());
    let expected: [&[u8]; 3] = [&[1, 40, 10, 22, 0x13, 0xc4, 0x13, 0xc5], &IP6_PAIR, SIP];
    assert_eq!(sent(version_1(), over_ip6(message(SIP))), expected.concat());
}

#[test]
fn version_2() {
    let version_2 = || CollectorOptions { version: Version::V2, ..secretive() };
    // 1700000000 s, 123456 us, agent 2001, two bytes of padding: all little endian.
    let time = [0x00, 0xf1, 0x53, 0x65, 0x40, 0xe2, 0x01, 0x00, 0xd1, 0x07, 0, 0];
    let expected: [&[u8]; 4] = [&[2, 16, 2, 17, 0x13, 0xc4, 0x13, 0xce], &[192, 0, 2, 1, 198, 51, 100, 2], &time, SIP];
    assert_eq!(sent(version_2(), outgoing(SIP)), expected.concat());
    let expected: [&[u8]; 4] = [&[2, 40, 10, 22, 0x13, 0xc4, 0x13, 0xc5], &IP6_PAIR, &time, SIP];
    assert_eq!(sent(version_2(), over_ip6(message(SIP))), expected.concat());
}

#[test]
fn version_3() {
    let packet = OutgoingMessage { correlation_id: Some(b"leg-a"), ..message(SIP) };
    let expected: [&[u8]; 15] = [
        b"HEP3\0\x9e",
        &[0, 0, 0, 1, 0, 7, 2],
        &[0, 0, 0, 2, 0, 7, 17],
        &[0, 0, 0, 3, 0, 10, 192, 0, 2, 1],
        &[0, 0, 0, 4, 0, 10, 198, 51, 100, 2],
        &[0, 0, 0, 7, 0, 8, 0x13, 0xc4],
        &[0, 0, 0, 8, 0, 8, 0x13, 0xce],
        &[0, 0, 0, 9, 0, 10, 0x65, 0x53, 0xf1, 0x00],
        &[0, 0, 0, 10, 0, 10, 0x00, 0x01, 0xe2, 0x40],
        &[0, 0, 0, 11, 0, 7, 1],
        &[0, 0, 0, 12, 0, 10, 0, 0, 0x07, 0xd1],
        b"\0\0\0\x11\0\x0bleg-a",
        b"\0\0\0\x0e\0\x09key",
        &[0, 0, 0, 15, 0, 6 + SIP.len() as u8],
        SIP,
    ];
    assert_eq!(sent(secretive(), packet), expected.concat());
}

#[test]
fn version_3_over_ip6_with_nothing_optional() {
    let expected: [&[u8]; 15] = [
        b"HEP3\0\xa2",
        &[0, 0, 0, 1, 0, 7, 10],
        &[0, 0, 0, 2, 0, 7, 22],
        &[0, 0, 0, 5, 0, 22],
        &IP6_PAIR[..16],
        &[0, 0, 0, 6, 0, 22],
        &IP6_PAIR[16..],
        &[0, 0, 0, 7, 0, 8, 0x13, 0xc4],
        &[0, 0, 0, 8, 0, 8, 0x13, 0xc5],
        &[0, 0, 0, 9, 0, 10, 0x65, 0x53, 0xf1, 0x00],
        &[0, 0, 0, 10, 0, 10, 0x00, 0x01, 0xe2, 0x40],
        &[0, 0, 0, 11, 0, 7, 1],
        &[0, 0, 0, 12, 0, 10, 0, 0, 0x07, 0xd1],
        &[0, 0, 0, 15, 0, 6 + SIP.len() as u8],
        SIP,
    ];
    let packet = OutgoingMessage { correlation_id: Some(b""), ..over_ip6(message(SIP)) };
    assert_eq!(sent(options(), packet), expected.concat());
}

#[test]
fn a_log_entry_goes_between_the_two_ends_of_the_way_to_the_collector() {
    let (receiver, mut collector) = receiver_and_collector(CollectorOptions { version: Version::V1, ..options() });
    let mut sockets = SocketList::new();
    sockets.push(Transport::Tcp, "192.0.2.7:5070".parse().unwrap());
    sockets.push(Transport::Udp, "[::1]:5071".parse().unwrap());
    let entry = OutgoingMessage {
        // Neither of the transport and the family of the way.
        from: Origin::Sockets(sockets.get()),
        to: None,
        payload_type: 100,
        version_override: Some(Version::V3),
        order: ChunkOrder::Log,
        correlation_id: Some(b"a84b4c76e66710"),
        ..message(b"hello")
    };
    assert_eq!(collector.send(&[entry.into()]), all(1));
    let mut datagram = vec![0; 2000];
    let (length, from) = receiver.recv_from(&mut datagram).unwrap();
    let (from_port, to_port) = (from.port().to_be_bytes(), receiver.local_addr().unwrap().port().to_be_bytes());
    let expected: [&[u8]; 13] = [
        b"HEP3\0\x7c",
        &[0, 0, 0, 1, 0, 7, 2],
        &[0, 0, 0, 2, 0, 7, 0x11],
        &[0, 0, 0, 3, 0, 10, 127, 0, 0, 1],
        &[0, 0, 0, 4, 0, 10, 127, 0, 0, 1],
        &[[0, 0, 0, 8, 0, 8].as_slice(), &to_port].concat(),
        &[[0, 0, 0, 7, 0, 8].as_slice(), &from_port].concat(),
        &[0, 0, 0, 9, 0, 10, 0x65, 0x53, 0xf1, 0x00],
        &[0, 0, 0, 10, 0, 10, 0x00, 0x01, 0xe2, 0x40],
        &[0, 0, 0, 11, 0, 7, 0x64],
        &[0, 0, 0, 12, 0, 10, 0, 0, 0x07, 0xd1],
        b"\0\0\0\x11\0\x14a84b4c76e66710",
        b"\0\0\0\x0f\0\x0bhello",
    ];
    assert_eq!(&datagram[..length], expected.concat());
}

#[test]
fn a_log_entry_comes_from_the_hosts_socket_of_the_collectors_transport_and_family() {
    // As a record has them, and as a spool of an earlier build has them.
    let old = "tcp:192.0.2.7:5070 udp:2001:db8::7:5071 udp:192.0.2.8:5072 udp:192.0.2.9:5073";
    let [mut list, mut any] = [SocketList::new(); 2];
    for (transport, address) in [
        (Transport::Tcp, "192.0.2.7:5070"),
        (Transport::Udp, "[2001:db8::7]:5071"),
        (Transport::Udp, "192.0.2.8:5072"),
        (Transport::Udp, "192.0.2.9:5073"),
    ] {
        list.push(transport, address.parse().unwrap());
    }
    any.push(Transport::UNKNOWN, "0.0.0.0:5074".parse().unwrap());
    let all_of = [Origin::Sockets(list.get()), Origin::SocketTexts(old)];
    for (from, source) in [
        (all_of[0], "192.0.2.8:5072"),
        (all_of[1], "192.0.2.8:5072"),
        (Origin::Sockets(any.get()), "0.0.0.0:5074"),
        (Origin::SocketTexts("any:0.0.0.0:5074"), "0.0.0.0:5074"),
    ] {
        let entry = OutgoingMessage { from, to: None, ..message(b"hello") };
        let datagram = sent(options(), entry);
        assert_eq!(decode(&datagram).unwrap().source, source.parse().unwrap());
    }
    let receiver = udp_receiver("[::1]:0");
    let mut collector =
        Collector::new(vec![destination(&format!("sip:{}", receiver.local_addr().unwrap()))], options());
    for from in all_of {
        let entry = OutgoingMessage { from, to: None, ..message(b"hello") };
        assert_eq!(collector.send(&[entry.into()]), all(1));
        assert_eq!(decode(&next_datagram(&receiver)).unwrap().source, "[2001:db8::7]:5071".parse().unwrap());
    }
}

#[test]
fn the_name_of_the_node_is_chunk_19() {
    let named = CollectorOptions { node_name: Some(b"proxy-1".to_vec()), ..options() };
    let datagram = sent(named, outgoing(SIP));
    let chunk = b"\0\0\0\x13\0\x0dproxy-1";
    assert!(datagram.windows(chunk.len()).any(|window| window == chunk));
}

#[test]
fn a_payload_is_compressed_when_that_makes_it_smaller() {
    let compressing = || CollectorOptions { compress: true, ..options() };
    let long = SIP.repeat(20);
    let datagram = sent(compressing(), outgoing(&long));
    assert!(datagram.len() < long.len());
    let Payload::Compressed(compressed) = decode(&datagram).unwrap().payload else { panic!("not compressed") };
    assert_eq!(compressed[0] & 0x0f, 8, "not zlib");
    let mut inflated = Vec::new();
    inflate(compressed, &mut inflated).unwrap();
    assert_eq!(inflated, long);

    let incompressible = b"x";
    assert_eq!(payload_of(&sent(compressing(), outgoing(incompressible))), incompressible);
}

#[test]
fn versions_1_and_2_are_never_compressed() {
    let long = SIP.repeat(20);
    for version in [Version::V1, Version::V2] {
        let datagram = sent(CollectorOptions { compress: true, version, ..options() }, outgoing(&long));
        assert!(datagram.ends_with(&long));
    }
}

#[test]
fn compressing_one_packet_leaves_no_trace_in_the_next() {
    let (receiver, mut collector) = receiver_and_collector(CollectorOptions { compress: true, ..options() });
    let payloads = numbered(20, 700);
    let packets: Vec<_> = payloads.iter().map(|payload| outgoing(payload)).collect();
    assert_eq!(collector.send(&packets), all(20));
    for payload in &payloads {
        let datagram = next_datagram(&receiver);
        let Payload::Compressed(compressed) = decode(&datagram).unwrap().payload else { panic!("not compressed") };
        let mut inflated = Vec::new();
        inflate(compressed, &mut inflated).unwrap();
        assert_eq!(&inflated, payload);
    }
}

#[test]
fn what_has_no_form_is_refused_and_its_neighbours_go_on() {
    let (receiver, mut collector) = receiver_and_collector(options());
    let too_long = vec![b'x'; 65_600];
    let packets = [
        OutgoingMessage { time_us: -1, ..message(SIP) }.into(),
        outgoing(b"first"),
        outgoing(&too_long),
        OutgoingMessage { version_override: Some(Version::V2), payload_type: 100, ..message(SIP) }.into(),
        outgoing(b"second"),
        OutgoingMessage { correlation_id: Some(&too_long), ..message(SIP) }.into(),
    ];
    let sent = collector.send(&packets);
    assert_eq!((sent.sent, sent.away), (6, None));
    let (refused, reasons): (Vec<usize>, Vec<String>) = sent.refused.into_iter().unzip();
    assert_eq!(refused, [0, 2, 3, 5]);
    assert!(reasons[0].contains("-1") && reasons[1].contains("65535") && reasons[2].contains("100"), "{reasons:?}");
    assert_eq!(payload_of(&next_datagram(&receiver)), b"first");
    assert_eq!(payload_of(&next_datagram(&receiver)), b"second");
}

#[test]
fn a_whole_packet_leaves_as_it_is_whatever_the_options_and_beside_others() {
    let options = CollectorOptions { compress: true, node_name: Some(b"proxy-1".to_vec()), ..secretive() };
    let (receiver, mut collector) = receiver_and_collector(options);
    let odd = b"HEP3\0\x10\0\x03\x03\xe7\0\x0aodd\xff";
    let first = b"\x01\x10\x02\x11\x13\xc4\x13\xce\xc0\0\x02\x01\xc0\0\x02\x02OPTIONS";
    let packets = [Outgoing::Packet(first), outgoing(SIP), Outgoing::Packet(odd)];
    assert_eq!(collector.send(&packets), all(3));
    assert_eq!(next_datagram(&receiver), first);
    assert_eq!(payload_of(&next_datagram(&receiver)), SIP);
    assert_eq!(next_datagram(&receiver), odd);
}

#[test]
fn debug_output_hides_the_key() {
    let shown = format!("{:?}", secretive());
    assert!(!shown.contains("key\"") && !shown.contains("107, 101, 121"), "{shown}");
}
