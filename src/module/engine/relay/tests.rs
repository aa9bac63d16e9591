//! What becomes of packets that a script passes on: over real sockets of the loopback interface, by a real writer.

use super::*;
use crate::hep::{Chunk, EncodeError, Packet, PacketBuilder, PacketHead, Payload, encode};
use crate::logged;
use crate::queue::counters::{Committed, Totals};
use crate::queue::lane::{Consumer, Geometry, Lanes};
use crate::sip::Masks;
use crate::writer::{SpoolPlan, SpoolSync, WriterPlan, running};
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

/// Long enough for anything that is to happen; reached only when a test fails.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const MESSAGE: &[u8] = b"MESSAGE sip:a SIP/2.0\r\nAuthorization: Basic dTpw\r\nTo: <sip:a>\r\n\r\nsecret";
const MASKED: &[u8] = b"MESSAGE sip:a SIP/2.0\r\nAuthorization: Basic xxxx\r\nTo: <sip:a>\r\n\r\nxxxxxx";

/// A module whose plan has nothing but the sink of its relay.
struct Bench {
    directory: tempfile::TempDir,
    lanes: Arc<Lanes>,
    queue: CaptureQueue,
    relay: Relay,
}

impl Bench {
    fn new() -> Bench {
        let geometry = Geometry { lanes: 1, writers: 1, sinks: 1, lane_bytes: 1 << 19, wake_bytes: 1 << 17 };
        let lanes = Arc::new(Lanes::map(geometry).unwrap());
        let mut queue = CaptureQueue::default();
        queue.attach(&lanes, 0).unwrap();
        Bench { directory: tempfile::tempdir().unwrap(), lanes, queue, relay: Relay::default() }
    }

    fn masking() -> Bench {
        let mut bench = Bench::new();
        bench.queue.mask(Masks { headers: vec![b"Authorization".to_vec()], message_bodies: true });
        bench
    }

    fn relay(&mut self, uri: &str, packet: &[u8]) -> Result<(), RelayError> {
        self.relay.relay(&mut self.queue, 0, uri.as_bytes(), packet)
    }

    fn plan(&self) -> WriterPlan {
        let directory = self.directory.path().join("spool");
        WriterPlan {
            sinks: vec![Relay::sink(CollectorOptions::default(), "hep_relay")],
            batch_size: 50,
            flush_interval: Duration::from_millis(10),
            shutdown_timeout: Duration::from_secs(5),
            table_wait: Duration::from_secs(60),
            insert_retries: 0,
            insert_retry_timeout: Duration::from_secs(60),
            spool: Some(SpoolPlan { directory, limit_bytes: 64 << 20, sync: SpoolSync::Off }),
        }
    }

    fn while_running(&mut self, act: impl FnOnce(&mut Bench)) {
        let lanes = Arc::clone(&self.lanes);
        running::while_running(&lanes, self.plan(), || act(self));
    }

    /// Waits until the counters are as `condition` has it; they add up meanwhile.
    fn until(&self, sentence: &str, condition: impl Fn(&Totals) -> bool) {
        running::until(&self.lanes, sentence, condition);
    }

    /// Bad HEP packets, messages that were refused, captures.
    fn counted(&self) -> (u64, u64, u64) {
        let totals = self.lanes.totals();
        (totals.produced(Produced::HepBad), totals.refused, totals.captured())
    }

    /// URI and payload of each capture in the lane.
    fn queued(&self) -> Vec<(String, Vec<u8>)> {
        let mut queued = Vec::new();
        let mut consumer = Consumer::take(&self.lanes, 0).unwrap().unwrap();
        consumer.read(|bytes, _| {
            let capture = crate::capture::record::decode(bytes).unwrap();
            assert_eq!((capture.kind, capture.sink), (RowKind::Relayed, 0));
            queued.push((String::from_utf8(capture.table.unwrap().to_vec()).unwrap(), capture.payload.to_vec()));
            true
        });
        queued
    }
}

fn packet_of(version: Version, payload: Payload<'_>) -> Vec<u8> {
    let packet = Packet {
        version,
        source: "192.0.2.1:5060".parse().unwrap(),
        destination: "192.0.2.2:5061".parse().unwrap(),
        ip_protocol: 50,
        payload_type: hep::PAYLOAD_SIP,
        time_us: Some(1_700_000_000_000_001),
        agent_id: Some(7),
        correlation_id: Some(b"leg"),
        auth_key: Some(b"key"),
        payload,
        trailing: 0,
    };
    let mut bytes = Vec::new();
    encode(&packet, version, &mut bytes).unwrap();
    bytes
}

fn packet(version: Version, payload: &[u8]) -> Vec<u8> {
    packet_of(version, Payload::Plain(payload))
}

/// A packet of version 3 with this magic and these bytes behind its header.
fn framed(magic: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let total = u16::try_from(6 + body.len()).unwrap();
    [&magic[..], &total.to_be_bytes(), body].concat()
}

/// Packets of version 3 as odd as they come.
fn odd_packets() -> Vec<Vec<u8>> {
    let good = packet(Version::V3, MESSAGE);
    let body = &good[6..];
    let vendor_chunk = [0, 3, 3, 231, 0, 10, 1, 2, 3, 4];
    vec![
        framed(b"EEP1", body),
        framed(b"EEP3", &[&vendor_chunk, body, &vendor_chunk].concat()),
        framed(b"HEP3", &[body, body].concat()),
        framed(b"HEP3", &[body, &[0, 0, 0, 101, 0, 8, b'{', b'}']].concat()),
        // A payload and a chunk of nothing, a chunk that is longer than the packet, and no chunk at all.
        framed(b"HEP3", &[0, 0, 0, 15, 0, 6, 0, 7, 0, 1, 0, 6]),
        framed(b"HEP3", &[0, 0, 0, 15, 0xff, 0xff, 1, 2, 3]),
        framed(b"HEP3", &[]),
        framed(b"HEP3", &packet(Version::V3, &[b'x'; 40_000])[6..]),
    ]
}

fn udp_collector() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LONGEST_WAIT)).unwrap();
    let uri = format!("sip:{}", socket.local_addr().unwrap());
    (socket, uri)
}

fn tcp_uri(listener: &TcpListener) -> String {
    format!("sip:hep@{};transport=tcp", listener.local_addr().unwrap())
}

/// The next bytes of the next connection, as many as these, are these.
fn assert_arrives(listener: &TcpListener, expected: &[Vec<u8>]) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LONGEST_WAIT)).unwrap();
    for (number, packet) in expected.iter().enumerate() {
        let mut bytes = vec![0; packet.len()];
        stream.read_exact(&mut bytes).unwrap();
        assert!(bytes == *packet, "packet {number}: {}", bytes.escape_ascii());
    }
}

#[test]
fn packets_of_every_version_leave_over_udp_as_they_came_in() {
    let (socket, uri) = udp_collector();
    let mut bench = Bench::new();
    let fixed = [Version::V1, Version::V2, Version::V3].map(|version| packet(version, MESSAGE));
    let packets = [fixed.to_vec(), odd_packets()].concat();
    bench.while_running(|bench| {
        packets.iter().for_each(|packet| bench.relay(&uri, packet).unwrap());
        let count = packets.len() as u64;
        bench.until("all are sent", |totals| totals.committed(Committed::Stored) == count);
    });
    let mut datagram = vec![0; 65_536];
    for (number, packet) in packets.iter().enumerate() {
        let length = socket.recv(&mut datagram).unwrap();
        assert!(datagram[..length] == *packet, "packet {number}: {}", datagram[..length].escape_ascii());
    }
    assert_eq!(bench.counted(), (0, 0, packets.len() as u64));
}

#[test]
fn packets_of_version_3_leave_over_tcp_as_they_came_in_without_what_stood_behind_them() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = tcp_uri(&listener);
    let mut bench = Bench::new();
    let packets = odd_packets();
    bench.while_running(|bench| {
        for packet in &packets {
            bench.relay(&uri, &[packet, &b"\r\nbehind"[..]].concat()).unwrap();
        }
        assert_arrives(&listener, &packets);
        let count = packets.len() as u64;
        bench.until("all are sent", |totals| totals.committed(Committed::Stored) == count);
    });
}

#[test]
fn what_a_collector_misses_waits_on_the_disk_and_arrives_in_order_when_it_is_back() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let (place, uri) = (closed.local_addr().unwrap(), tcp_uri(&closed));
    drop(closed);
    let mut bench = Bench::new();
    let packets: Vec<Vec<u8>> = (0..600).map(|number| packet(Version::V3, format!("{number}").as_bytes())).collect();
    bench.while_running(|bench| {
        packets[..300].iter().for_each(|packet| bench.relay(&uri, packet).unwrap());
        bench.until("they are spooled", |totals| totals.spooled() == 300 && totals.queued() == 0);
    });
    // Another writer finds them, and its collector is back after some more.
    bench.while_running(|bench| {
        packets[300..].iter().for_each(|packet| bench.relay(&uri, packet).unwrap());
        bench.until("all are spooled", |totals| totals.spooled() == 600 && totals.queued() == 0);
        assert_arrives(&TcpListener::bind(place).unwrap(), &packets);
        bench.until("nothing is left", |totals| totals.spooled() == 0);
    });
    let totals = bench.lanes.totals();
    assert_eq!((totals.committed(Committed::Stored), totals.dropped()), (600, 0));
}

#[test]
fn a_name_that_nobody_knows_is_the_writers_to_ask_for() {
    let mut bench = Bench::new();
    bench.while_running(|bench| {
        bench.relay("sip:no-such-host.invalid", &packet(Version::V2, MESSAGE)).unwrap();
        bench.until("it waits", |totals| totals.spooled() == 1 && totals.queued() == 0);
    });
}

#[test]
fn a_full_lane_is_an_error_and_counted() {
    let mut bench = Bench::new();
    let large = packet(Version::V3, &[b'x'; 30_000]);
    let mut queued = 0;
    let error = loop {
        match bench.relay("sip:127.0.0.1", &large) {
            Ok(()) => queued += 1,
            Err(error) => break error,
        }
        assert!(queued < 1000, "a lane is never full");
    };
    assert!(matches!(error, RelayError::Push(PushError::Full)), "{error}");
    bench.until("it is counted", |totals| totals.produced(Produced::DroppedFull) == 1);
    assert_eq!(bench.counted(), (0, 0, queued + 1));
}

#[test]
fn a_packet_that_no_datagram_holds_goes_to_the_dead_letters() {
    let (_socket, uri) = udp_collector();
    let mut bench = Bench::new();
    // Fits HEP's 65535 bytes, but not the 65507 that UDP over IPv4 leaves.
    let longest = framed(b"HEP3", &[0; 65_529]);
    bench.while_running(|bench| {
        bench.relay(&uri, &longest).unwrap();
        bench.until("it is put away", |totals| totals.committed(Committed::DeadLettered) == 1);
    });
}

#[test]
fn a_uri_says_where_and_how() {
    let mut bench = Bench::new();
    let packet = packet(Version::V3, MESSAGE);
    for (uri, target) in [
        ("sip:192.0.2.1", "sip:192.0.2.1:9060"),
        ("sip:bob:pass;word@Collector.Example.com", "sip:collector.example.com:9060"),
        ("sip:c.example:9061;transport=udp", "sip:c.example:9061"),
        ("sip:c.example;transport=TCP", "sip:c.example:9060;transport=tcp"),
        ("sip:c.example;lr;transport=tls?x=y", "sip:c.example:9060;transport=tls"),
        ("sips:c.example", "sip:c.example:9060;transport=tls"),
        ("sips:c.example:5061;transport=tcp", "sip:c.example:5061;transport=tls"),
        ("sip:[2001:db8::1]", "sip:[2001:db8::1]:9060"),
    ] {
        bench.relay(uri, &packet).unwrap();
        assert_eq!(bench.queued().last().unwrap(), &(target.to_owned(), packet.clone()), "{uri}");
    }
}

#[test]
fn a_uri_that_will_not_do_is_refused_counted_and_logged_with_what_is_allowed() {
    let mut bench = Bench::new();
    let packet = packet(Version::V3, MESSAGE);
    let bad = [
        ("", "sip:HOST"),
        ("tel:1", "`tel:1` is no SIP URI"),
        ("hep:192.0.2.1:9060", "`hep:192.0.2.1:9060` is no SIP URI"),
        ("sip:", "a name, an IPv4 address"),
        ("sip:bob:secret@:9060", "`sip::9060` has the host ``"),
        ("sip:bob:secret@c.example:0", "`sip:c.example:0` has the port `0`, where 1 to 65535 is allowed"),
        ("sip:bob:secret@c.example;transport=sctp", "has the transport `sctp`, where udp, tcp or tls is allowed"),
        ("sip:c.example;transport=ws", "has the transport `ws`, where udp, tcp or tls is allowed"),
        ("sips:c.example;transport=udp", "has the transport `udp`, where tls, or none, is allowed"),
    ];
    for (uri, said) in bad {
        let text = bench.relay(uri, &packet).unwrap_err().to_string();
        assert!(text.contains(said) && !text.contains("secret"), "{uri}: {text}");
    }
    assert_eq!(bench.counted(), (0, bad.len() as u64, 0));
    logged::listen();
    bench.relay = Relay::default();
    for (uri, _) in bad.iter().rev() {
        bench.relay(uri, &packet).unwrap_err();
    }
    let line = "a HEP packet is not passed on: `sips:c.example;transport=udp` has the transport `udp`, where tls, or \
                none, is allowed (0 more since the last such line)";
    assert_eq!(logged::lines(), [(Level::Error, line.to_owned())]);
}

#[test]
fn versions_1_and_2_are_refused_where_a_stream_would_hide_their_end() {
    let mut bench = Bench::new();
    for version in [Version::V1, Version::V2] {
        for uri in ["sip:u:secret@c.example;transport=tcp", "sip:c.example;transport=tls", "sips:c.example"] {
            let text = bench.relay(uri, &packet(version, MESSAGE)).unwrap_err().to_string();
            let number = format!("a packet of version {} needs", version.number());
            assert!(text.starts_with("`sip:c.example:9060;transport=t") && text.contains(&number), "{uri}: {text}");
        }
        bench.relay("sip:c.example", &packet(version, MESSAGE)).unwrap();
    }
    assert_eq!(bench.counted(), (0, 6, 2));
}

#[test]
fn what_is_no_packet_is_refused_and_counted() {
    let mut bench = Bench::new();
    let good = packet(Version::V3, MESSAGE);
    for bytes in
        [&b""[..], MESSAGE, b"HEP3", b"HEP3\0\x05", &good[..good.len() - 1], b"\x01\x10\x02\x11\0\0\0\0", b"\x02"]
    {
        let error = bench.relay("sip:c.example", bytes).unwrap_err();
        assert!(matches!(error, RelayError::Packet(_)), "{}: {error}", bytes.escape_ascii());
    }
    assert_eq!(bench.counted(), (7, 0, 0));
}

#[test]
fn secrets_that_are_masked_do_not_leave_in_packets_that_are_passed_on() {
    let mut bench = Bench::masking();
    for version in [Version::V1, Version::V2, Version::V3] {
        let mut sent = packet(version, MESSAGE);
        if version != Version::V3 {
            // As sngrep writes it: with the IP protocol of WebSocket, too, little of it looks like HEP.
            sent[1] = 99;
        }
        bench.relay("sip:c.example", &sent).unwrap();
        let mut expected = packet(version, MASKED);
        expected[1] = sent[1];
        assert_eq!(bench.queued().last().unwrap().1.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}

#[test]
fn a_packet_whose_secrets_cannot_be_found_is_not_sent_but_counted_and_logged() {
    let mut bench = Bench::masking();
    let broken = framed(b"HEP3", &[0, 0, 0, 15, 0xff, 0xff, 1, 2, 3]);
    let inflates_to_nothing = packet_of(Version::V3, Payload::Compressed(b"no zlib"));
    logged::listen();
    for packet in [&broken, &inflates_to_nothing] {
        assert!(matches!(bench.relay("sip:c.example", packet), Err(RelayError::Unmaskable(_))));
    }
    let [(Level::Error, line)] = &logged::lines()[..] else { panic!("one line in five seconds") };
    assert!(line.starts_with("a HEP packet is not passed on: its secrets cannot be masked: "), "{line}");
    assert_eq!(bench.counted(), (2, 0, 0));
    assert!(bench.queued().is_empty());
    let mut careless = Bench::new();
    [&broken, &inflates_to_nothing].iter().for_each(|packet| careless.relay("sip:c.example", packet).unwrap());
}

#[test]
fn a_process_without_a_lane_relays_nothing() {
    let mut relay = Relay::default();
    let answer = relay.relay(&mut CaptureQueue::default(), 0, b"sip:c.example", &packet(Version::V3, MESSAGE));
    assert!(matches!(answer, Err(RelayError::State(StateError::NotAttached))));
}

#[test]
fn a_packet_that_was_written_in_pieces_is_passed_on_like_any_other() {
    let (socket, uri) = udp_collector();
    let mut bench = Bench::new();
    let head = PacketHead {
        version: Version::V3,
        source: "192.0.2.1:5060".parse().unwrap(),
        destination: "192.0.2.2:5061".parse().unwrap(),
        ip_protocol: 22,
        payload_type: 1,
        time_us: 1_700_000_000_000_001,
        agent_id: 7,
    };
    let mut builder = PacketBuilder::default();
    builder.begin(&head).unwrap();
    builder.add(&Chunk { vendor: 0, kind: 17, body: b"leg" }).unwrap();
    let packet = builder.finish(Payload::Plain(MESSAGE)).unwrap().to_vec();
    assert_eq!(builder.finish(Payload::Plain(MESSAGE)), Err(EncodeError::NotBegun));
    bench.while_running(|bench| {
        bench.relay(&uri, &packet).unwrap();
        bench.until("it is sent", |totals| totals.committed(Committed::Stored) == 1);
    });
    let mut datagram = vec![0; 2000];
    let length = socket.recv(&mut datagram).unwrap();
    let decoded = hep::decode(&datagram[..length]).unwrap();
    assert_eq!((decoded.ip_protocol, decoded.correlation_id), (22, Some(&b"leg"[..])));
    assert_eq!((decoded.source, decoded.destination), (head.source, head.destination));
    assert_eq!((decoded.time_us, decoded.payload), (Some(head.time_us), Payload::Plain(MESSAGE)));
}
