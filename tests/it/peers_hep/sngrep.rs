//! sngrep replays a capture of SIP as HEP.

use super::{address, pcap_of_frames, time_of};
use crate::common::sip::answered_call;
use etherparse::PacketBuilder;
use sipcapture_core::hep::{Packet, Payload, Version, decode, looks_like_hep};
use sipcapture_core::packet::udp_frame;
use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

/// One SIP message as it was on the wire.
struct Seen {
    source: SocketAddr,
    destination: SocketAddr,
    ip_protocol: u8,
    message: Vec<u8>,
}

#[test]
fn version_3_of_sngrep_is_read_whole() {
    let seen = calls();
    let packets = replay(&seen, 3);
    assert_eq!(packets.len(), seen.len());
    for (index, (datagram, seen)) in packets.iter().zip(&seen).enumerate() {
        // sngrep swaps the two low bytes of its agent id, which leaves them in the upper half.
        assert_packet(datagram, seen, index, Version::V3, 2001 << 16);
    }
}

#[test]
fn version_2_of_sngrep_is_read_whole_though_its_header_length_is_wrong() {
    let seen = calls();
    let packets = replay(&seen, 2);
    assert_eq!(packets.len(), seen.len());
    for (index, (datagram, seen)) in packets.iter().zip(&seen).enumerate() {
        assert_ne!(datagram[1], if seen.source.is_ipv4() { 16 } else { 40 });
        assert_packet(datagram, seen, index, Version::V2, 2001);
    }
}

fn assert_packet(datagram: &[u8], seen: &Seen, index: usize, version: Version, agent_id: u32) {
    assert!(looks_like_hep(datagram));
    let expected = Packet {
        version,
        source: seen.source,
        destination: seen.destination,
        ip_protocol: seen.ip_protocol,
        payload_type: 1,
        time_us: Some(time_of(index as i64)),
        agent_id: Some(agent_id),
        correlation_id: None,
        auth_key: None,
        payload: Payload::Plain(&seen.message),
        trailing: 0,
    };
    assert_eq!(decode(datagram), Ok(expected));
}

/// Three calls: over IPv4 and UDP, IPv6 and UDP, IPv4 and TCP.
fn calls() -> Vec<Seen> {
    let mut seen = Vec::new();
    for (number, caller, callee, ip_protocol) in [
        (1, "192.0.2.1:5060", "198.51.100.2:5070", 17),
        (2, "[2001:db8::1]:5060", "[2001:db8::2]:5070", 17),
        (3, "192.0.2.1:40000", "198.51.100.2:5060", 6),
    ] {
        let (caller, callee) = (address(caller), address(callee));
        for message in answered_call("sngrep", number) {
            let (source, destination) = if message.from_caller { (caller, callee) } else { (callee, caller) };
            seen.push(Seen { source, destination, ip_protocol, message: message.text });
        }
    }
    seen
}

/// Lets sngrep send a capture of these messages, and answers what arrives.
fn replay(seen: &[Seen], version: u8) -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().expect("a private directory");
    let frames: Vec<Vec<u8>> = seen.iter().map(frame).collect();
    let pcap = pcap_of_frames(directory.path(), &frames);
    let config = directory.path().join("sngreprc");
    fs::write(&config, format!("set eep.send.version {version}\nset eep.send.id 2001\n")).expect("a configuration");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let url = format!("udp:{}", socket.local_addr().expect("a bound address"));

    let mut command = Command::new("sngrep");
    command.args(["-N", "-q", "-F", "-f"]).arg(&config).arg("-I").arg(&pcap).args(["-H", &url]);
    command.env("HOME", directory.path()).stdin(Stdio::null());
    let run = command.output().expect("sngrep is installed");
    assert!(run.status.success(), "sngrep failed: {}", String::from_utf8_lossy(&run.stderr));

    // All is sent when sngrep has ended, so nothing more comes after the first wait in vain.
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let mut buffer = vec![0; 65_536];
    let mut packets = Vec::new();
    while let Ok(length) = socket.recv(&mut buffer) {
        packets.push(buffer[..length].to_vec());
    }
    packets
}

fn frame(seen: &Seen) -> Vec<u8> {
    if seen.ip_protocol == 17 {
        return udp_frame(seen.source, seen.destination, &seen.message).expect("a frame");
    }
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (seen.source.ip(), seen.destination.ip()) else {
        panic!("the call over TCP has IPv4 addresses")
    };
    let packet = PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
        .tcp(seen.source.port(), seen.destination.port(), 1, 65_535)
        .psh()
        .ack(1);
    let mut frame = Vec::new();
    packet.write_to_vec(&mut frame, &seen.message).expect("a frame");
    frame
}
