//! Wireshark, with a HEP dissector in Lua, beside our decoder; and Wireshark on our pcap files.

use super::{address, pcap_of, time_of};
use crate::common::tshark::{Dissected, dissect};
use crate::hep_table::{self, Expect};
use sipcapture_core::hep::{Packet, Payload, Version, decode, encode};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

const FIELDS: [&str; 21] = [
    "hep.version",
    "hep.trailing",
    "hep.chunk.vendor",
    "hep.chunk.type",
    "hep.ip_protocol",
    "hep.source_ip4",
    "hep.destination_ip4",
    "hep.source_ip6",
    "hep.destination_ip6",
    "hep.source_port",
    "hep.destination_port",
    "hep.seconds",
    "hep.microseconds",
    "hep.payload_type",
    "hep.agent_id",
    "hep.auth_key",
    "hep.payload",
    "hep.compressed",
    "hep.correlation_id",
    "hep.vlan",
    "sip.Call-ID",
];

#[test]
fn wireshark_reads_the_packets_that_we_encode() {
    let mut packets = Vec::new();
    for version in [Version::V1, Version::V2, Version::V3] {
        for (source, destination) in ADDRESSES {
            for ip_protocol in [17, 6, 22, 132] {
                for (payload_type, full) in [(1, true), (1, false), (5, true), (100, true)] {
                    if payload_type == 1 || version == Version::V3 {
                        packets.push((version, source, destination, ip_protocol, payload_type, full));
                    }
                }
            }
        }
    }
    let mut call_ids = Vec::new();
    let mut datagrams = Vec::new();
    for (index, (version, source, destination, ip_protocol, payload_type, full)) in packets.into_iter().enumerate() {
        let call_id = format!("encoded-{index}@example.com");
        let payload = invite(&call_id);
        let packet = Packet {
            version,
            source: address(source),
            destination: address(destination),
            ip_protocol,
            payload_type,
            time_us: full.then_some(1_700_000_000_000_001 + index as i64 * 999_999),
            agent_id: full.then_some(40_000 + index as u32),
            correlation_id: full.then_some(call_id.as_bytes()),
            auth_key: full.then_some(b"my key"),
            payload: Payload::Plain(&payload),
            trailing: 0,
        };
        let mut datagram = Vec::new();
        encode(&packet, version, &mut datagram).expect("a packet that fits");
        datagrams.push(datagram);
        call_ids.push(if payload_type == 1 { vec![call_id] } else { vec![] });
    }
    let dissected = dissect_hep(&datagrams);
    for ((datagram, dissected), call_id) in datagrams.iter().zip(&dissected).zip(&call_ids) {
        assert_same(datagram, dissected);
        assert_eq!(dissected.all("sip.Call-ID"), call_id);
    }
}

#[test]
fn wireshark_reads_the_chunks_that_we_write_in_the_order_of_the_stock_sender() {
    let payload = invite("order@example.com");
    let packet = Packet {
        version: Version::V3,
        source: address(ADDRESSES[0].0),
        destination: address(ADDRESSES[0].1),
        ip_protocol: 17,
        payload_type: 1,
        time_us: Some(1_700_000_000_000_001),
        agent_id: Some(1),
        correlation_id: Some(b"id"),
        auth_key: Some(b"key"),
        payload: Payload::Plain(&payload),
        trailing: 0,
    };
    let mut datagram = Vec::new();
    encode(&packet, Version::V3, &mut datagram).expect("a packet that fits");
    let dissected = dissect_hep(&[datagram]);
    let order = ["1", "2", "3", "4", "7", "8", "9", "10", "11", "12", "17", "14", "15"];
    assert_eq!(dissected[0].all("hep.chunk.type"), order);
}

#[test]
fn wireshark_agrees_on_every_odd_packet_that_we_decode() {
    let rows = hep_table::rows();
    let stored: Vec<_> = rows.into_iter().filter(|row| matches!(row.expect, Expect::Stored(_))).collect();
    let datagrams: Vec<Vec<u8>> = stored.iter().map(|row| row.bytes.clone()).collect();
    for (row, dissected) in stored.iter().zip(dissect_hep(&datagrams)) {
        println!("{}", row.name);
        assert_same(&row.bytes, &dissected);
    }
}

#[test]
fn wireshark_sees_a_vlan_chunk_that_we_skip() {
    let payload = invite("vlan@example.com");
    let with_vlan = crate::common::hep::Chunks::new()
        .chunk(1, &[2])
        .chunk(2, &[6])
        .chunk(3, &[192, 0, 2, 1])
        .chunk(4, &[198, 51, 100, 2])
        .chunk(7, &5060u16.to_be_bytes())
        .chunk(8, &5070u16.to_be_bytes())
        .chunk(0x12, &4094u16.to_be_bytes())
        .chunk(11, &[1])
        .chunk(15, &payload)
        .packet();
    let dissected = &dissect_hep(std::slice::from_ref(&with_vlan))[0];
    assert_eq!(dissected.number("hep.vlan"), Some(4094));
    assert_same(&with_vlan, dissected);
}

#[test]
fn wireshark_reads_the_pcap_files_that_we_write() {
    let directory = tempfile::tempdir().expect("a private directory");
    let messages: Vec<(SocketAddr, SocketAddr, Vec<u8>)> = (0..40)
        .map(|index| {
            let (source, destination) = ADDRESSES[index % ADDRESSES.len()];
            let mut message = invite(&format!("call-{index}@example.com"));
            // Odd and even lengths, since check sums pad odd ones.
            message.extend(vec![b'x'; index * 37]);
            (address(source), address(destination), message)
        })
        .collect();
    let pcap = pcap_of(directory.path(), &messages);
    let checked = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-d", "udp.port==5060,sip"];
    let fields = [
        "frame.time_epoch",
        "ip.src",
        "ip.dst",
        "ipv6.src",
        "ipv6.dst",
        "udp.srcport",
        "udp.dstport",
        "udp.length",
        "ip.checksum.status",
        "udp.checksum.status",
        "sip.Call-ID",
        "_ws.malformed",
    ];
    let dissected = dissect(&pcap, &checked, &fields);
    assert_eq!(dissected.len(), messages.len());
    for (index, (packet, (source, destination, message))) in dissected.iter().zip(&messages).enumerate() {
        let time_us = time_of(index as i64);
        let epoch = format!("{}.{:06}000", time_us / 1_000_000, time_us % 1_000_000);
        assert_eq!(packet.last("frame.time_epoch"), Some(epoch.as_str()));
        let (from, to) = if source.is_ipv4() { ("ip.src", "ip.dst") } else { ("ipv6.src", "ipv6.dst") };
        assert_eq!(packet.last(from), Some(source.ip().to_string().as_str()));
        assert_eq!(packet.last(to), Some(destination.ip().to_string().as_str()));
        assert_eq!(packet.number("udp.srcport"), Some(source.port().into()));
        assert_eq!(packet.number("udp.dstport"), Some(destination.port().into()));
        assert_eq!(packet.number("udp.length"), Some(message.len() as u64 + 8));
        assert_eq!(packet.number("ip.checksum.status"), source.is_ipv4().then_some(1), "1 is good");
        assert_eq!(packet.number("udp.checksum.status"), Some(1), "1 is good");
        assert_eq!(packet.last("sip.Call-ID"), Some(format!("call-{index}@example.com").as_str()));
        assert!(packet.all("_ws.malformed").is_empty());
    }
}

const ADDRESSES: [(&str, &str); 4] = [
    ("192.0.2.1:5060", "198.51.100.2:5070"),
    ("[2001:db8::1]:5060", "[2001:db8::2]:65535"),
    ("255.255.255.255:5060", "0.0.0.1:5061"),
    ("[fe80::1:2:3:4]:5060", "[::1]:1"),
];

fn invite(call_id: &str) -> Vec<u8> {
    format!(
        "INVITE sip:bob@example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-{call_id}\r\n\
         From: <sip:alice@example.com>;tag=a\r\n\
         To: <sip:bob@example.com>\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn dissect_hep(datagrams: &[Vec<u8>]) -> Vec<Dissected> {
    let directory = tempfile::tempdir().expect("a private directory");
    let (agent, node) = (address("192.0.2.10:40000"), address("192.0.2.20:9060"));
    let packets: Vec<_> = datagrams.iter().map(|datagram| (agent, node, datagram)).collect();
    let pcap = pcap_of(directory.path(), &packets);
    let dissector = format!("lua_script:{}", dissector().display());
    let dissected = dissect(&pcap, &["-X", &dissector, "-d", "udp.port==9060,hep"], &FIELDS);
    assert_eq!(dissected.len(), datagrams.len());
    dissected
}

fn dissector() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers_hep/hep.lua")
}

/// Asserts that our decoder has read what Wireshark has.
fn assert_same(datagram: &[u8], dissected: &Dissected) {
    let packet = decode(datagram).expect("a packet that decodes");
    assert_eq!(dissected.number("hep.version"), Some(packet.version.number().into()));
    assert_address(packet.source, "source", dissected);
    assert_address(packet.destination, "destination", dissected);
    assert_eq!(dissected.number("hep.ip_protocol"), Some(packet.ip_protocol.into()));
    assert_eq!(dissected.number("hep.payload_type"), Some(packet.payload_type.into()));
    let seconds = dissected.number("hep.seconds").filter(|seconds| *seconds != 0);
    let microseconds = dissected.number("hep.microseconds").unwrap_or(0);
    assert_eq!(packet.time_us, seconds.map(|seconds| (seconds * 1_000_000 + microseconds) as i64));
    assert_eq!(packet.agent_id.map(u64::from), dissected.number("hep.agent_id"));
    let eep1 = datagram.starts_with(b"EEP1");
    let correlation_id = dissected.last("hep.correlation_id").filter(|id| !(eep1 && id.len() == 4));
    assert_eq!(packet.correlation_id.map(hex).as_deref(), correlation_id);
    assert_eq!(packet.auth_key.map(hex).as_deref(), dissected.last("hep.auth_key"));
    match packet.payload {
        Payload::Plain(plain) => assert_eq!(Some(hex(plain).as_str()), dissected.last("hep.payload")),
        Payload::Compressed(compressed) => {
            assert_eq!(dissected.all("hep.payload").len(), 0);
            assert_eq!(Some(hex(compressed).as_str()), dissected.last("hep.compressed"));
        }
    }
    assert_eq!(packet.trailing as u64, dissected.number("hep.trailing").unwrap_or(0));
}

fn assert_address(ours: SocketAddr, side: &str, dissected: &Dissected) {
    let field = if ours.is_ipv4() { format!("hep.{side}_ip4") } else { format!("hep.{side}_ip6") };
    let theirs: Option<IpAddr> = dissected.last(&field).map(|text| text.parse().expect("an address"));
    assert_eq!(Some(ours.ip()), theirs);
    assert_eq!(u64::from(ours.port()), dissected.number(&format!("hep.{side}_port")).unwrap_or(0));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
