//! HEP packets that are longer than the path's MTU, over UDP: they leave as fragments, and arrive whole.

use crate::common::network::{NEAR, NEAR_IP4, NEAR_IP6, in_network, ip};
use crate::common::outgoing::outgoing;
use sipcapture_core::hep::{Packet, Payload, Version, decode};
use sipcapture_core::sink::hep::{Collector, CollectorOptions, Destination, Sent};
use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Fragments that the calling thread's network has made, by a file of its counters and the name there.
fn made(file: &str, name: &str) -> u64 {
    let counters = fs::read_to_string(format!("/proc/thread-self/net/{file}")).expect("a network has counters");
    // A line a counter for IPv6; for IPv4 a line of names above one of values.
    let lines: Vec<Vec<&str>> = counters.lines().map(|line| line.split_whitespace().collect()).collect();
    let own = lines.iter().find(|words| words[0] == name).map(|words| words[1]);
    let beneath = || {
        let (names, values) = lines.iter().zip(&lines[1..]).find(|(names, _)| names.contains(&name))?;
        values.get(names.iter().position(|word| *word == name)?).copied()
    };
    own.or_else(beneath).and_then(|value| value.parse().ok()).expect("the counter is there")
}

#[test]
fn a_packet_of_60_kilobytes_arrives_whole_where_the_mtu_is_1500() {
    in_network(|_| {
        ip("link set lo mtu 1500");
        for (address, family, counter) in [
            (NEAR_IP4, "snmp", "FragCreates"),
            (NEAR_IP6, "snmp6", "Ip6FragCreates"),
            ("127.0.0.1", "snmp", "FragCreates"),
            ("::1", "snmp6", "Ip6FragCreates"),
        ] {
            assert!(ip(&format!("route get {address}")).contains("dev lo"), "{address} of {NEAR} is reached over lo");
            let ip: IpAddr = address.parse().expect("an address");
            let receiver = UdpSocket::bind(SocketAddr::new(ip, 0)).expect("a port of this network");
            receiver.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
            let uri = format!("sip:{}", receiver.local_addr().expect("it is bound"));
            let options = CollectorOptions { version: Version::V3, ..CollectorOptions::default() };
            let mut collector = Collector::new(vec![Destination::parse(&uri).expect("a URI")], options);
            for number in 0..5_u8 {
                let payload: Vec<u8> = (0..60_000).map(|at| (at % 251) as u8 ^ number).collect();
                let before = made(family, counter);
                assert_eq!(collector.send(&[outgoing(&payload)]), Sent { sent: 1, ..Sent::default() }, "{address}");
                assert!(made(family, counter) >= before + 40, "{address}: no fragments");
                let mut datagram = vec![0; 65_536];
                let length = receiver.recv(&mut datagram).expect("the packet arrives");
                match decode(&datagram[..length]).expect("a HEP packet") {
                    Packet { payload: Payload::Plain(arrived), trailing: 0, .. } => assert!(arrived == payload),
                    other => panic!("another packet: {other:?}"),
                }
            }
        }
    });
}
