//! Both versions of the byte form.

use super::*;
use crate::capture::Sockets;
use proptest::prelude::*;

fn encoded(capture: &Capture<'_>) -> Vec<u8> {
    let mut bytes = vec![0xaa; encoded_len(capture).unwrap()];
    encode(capture, &mut bytes);
    bytes
}

fn endpoint() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..max)
}

/// Every transport: those without a name by their number.
fn transport() -> impl Strategy<Value = Transport> {
    (0u8..7, any::<u8>()).prop_map(|(number, ip_protocol)| transport_of(number, ip_protocol))
}

proptest! {
    #[test]
    fn a_record_reads_back_as_the_capture_it_was_made_from(
        time_us: i64, source in endpoint(), destination in endpoint(), transport in transport(),
        hep_version in prop::option::of(1u8..=3),
        report in prop::option::of(any::<u8>()), agent_id in prop::option::of(any::<u32>()),
        correlation in prop::option::of(bytes(300)), uri in prop::option::of(bytes(300)),
        table in prop::option::of(bytes(130)), call_id in prop::option::of(bytes(300)),
        custom in [(); CUSTOM_FIELDS].map(|()| prop::option::of(bytes(60))), sink: u8, payload in bytes(3000),
        trace in prop::option::of((any::<[u8; 4]>(), [(); 8].map(|()| bytes(60)))), is_packet: bool, is_whole: bool,
    ) {
        let trace = trace.as_ref().map(|(numbers, texts)| {
            let &[out, payload_type, hep_version, headers] = numbers;
            let [method, status, from, to, from_tag, to_tag, user, sockets] = texts;
            Trace {
                is_outgoing: out > 127, payload_type, hep_version, wants_x_headers: headers > 127,
                method, status, from, to, from_tag, to_tag, user, sockets: Sockets(sockets),
            }
        });
        let untraced = if is_whole { RowKind::Relayed } else { RowKind::Sip };
        let traced = if is_packet { RowKind::Packet } else { RowKind::Trace };
        let capture = Capture {
            time_us, source, destination, transport, hep_version,
            kind: trace.map_or(report.map_or(untraced, RowKind::Report), |_| traced), trace, agent_id,
            correlation_id: correlation.as_deref(), rewritten_uri: uri.as_deref(), table: table.as_deref(),
            call_id: call_id.as_deref(), custom: custom.each_ref().map(Option::as_deref), sink, payload: &payload,
        };
        let record = encoded(&capture);
        prop_assert_eq!(decode(&record).unwrap(), capture);
        let Capture { kind, table, .. } = capture;
        prop_assert_eq!(head(&record).unwrap(), Head { time_us, kind, table });
        prop_assert_eq!((super::sink(&record), super::time_us(&record)), (sink, time_us));
        for cut in 0..record.len() {
            prop_assert_eq!(decode(&record[..cut]), Err(RecordError::Short));
            prop_assert_eq!(head(&record[..cut]), Err(RecordError::Short));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(record in bytes(400), version in 0u8..4) {
        let versioned = [&[version], &record[..]].concat();
        let _ = (decode(&record), head(&record), decode(&versioned), head(&versioned));
    }
}

#[test]
fn a_payload_beyond_the_limit_is_refused() {
    let payload = vec![b'x'; MAX_PAYLOAD + 1];
    let endpoint: SocketAddr = "127.0.0.1:5060".parse().unwrap();
    let capture = Capture::sip(0, endpoint, endpoint, Transport::Udp, &payload);
    assert_eq!(encoded_len(&capture), Err(TooLarge));
    assert!(encoded_len(&Capture::sip(0, endpoint, endpoint, Transport::Udp, &payload[1..])).is_ok());
}

#[test]
fn a_custom_field_that_its_length_cannot_tell_is_refused() {
    let endpoint: SocketAddr = "127.0.0.1:5060".parse().unwrap();
    let value = vec![b'x'; LONGEST + 1];
    for number in 0..CUSTOM_FIELDS {
        let mut capture = Capture::sip(0, endpoint, endpoint, Transport::Udp, b"");
        capture.custom[number] = Some(&value);
        assert_eq!(encoded_len(&capture), Err(TooLarge));
        capture.custom[number] = Some(&value[1..]);
        assert_eq!(decode(&encoded(&capture)), Ok(capture));
    }
}

/// A record of version 1, written out by its description.
const VERSION_1: &[u8] = b"\x01\x7f\x03\x01\x07\x09\x02\x00\
    \x40\xe2\x01\x00\x00\x00\x00\x00\xc4\x13\xc5\x13\x2a\x00\x00\x00\x03\x00\x04\x00\x06\x00\x00\x00\x01\x00\x00\x00\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\
    \x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\
    idurinamecreport";

#[test]
fn a_record_of_version_1_reads_as_the_capture_it_was_made_from() {
    let capture = Capture {
        kind: RowKind::Report(7),
        agent_id: Some(42),
        correlation_id: Some(b"id"),
        rewritten_uri: Some(b"uri"),
        table: Some(b"name"),
        call_id: Some(b"c"),
        sink: 9,
        ..Capture::sip(
            123_456,
            "[2001:db8::1]:5060".parse().unwrap(),
            "[2001:db8::2]:5061".parse().unwrap(),
            Transport::Tls,
            b"report",
        )
    };
    assert_eq!(decode(VERSION_1), Ok(capture));
    assert_eq!((sink(VERSION_1), super::time_us(VERSION_1)), (9, 123_456));
    let Capture { time_us, kind, table, .. } = capture;
    assert_eq!(head(VERSION_1), Ok(Head { time_us, kind, table }));
    for cut in 0..VERSION_1.len() {
        assert_eq!(decode(&VERSION_1[..cut]), Err(RecordError::Short));
        assert_eq!(head(&VERSION_1[..cut]), Err(RecordError::Short));
    }
    // Written anew, it is the same capture.
    assert_eq!(decode(&encoded(&capture)), Ok(capture));
}

#[test]
fn a_version_that_is_not_known_is_named() {
    for version in [0, 3, 255] {
        let record = [&[version], &VERSION_1[1..]].concat();
        assert_eq!(decode(&record), Err(RecordError::Version(version)));
        assert_eq!(head(&record), Err(RecordError::Version(version)));
    }
}

#[test]
fn a_kind_that_is_not_known_is_named() {
    // So a build that knows less refuses what it would misread.
    let endpoint: SocketAddr = "127.0.0.1:5060".parse().unwrap();
    let record = encoded(&Capture::sip(0, endpoint, endpoint, Transport::Udp, b""));
    for (record, at) in [(VERSION_1, 3), (&record, 1)] {
        let record = [&record[..at], &[5], &record[at + 1..]].concat();
        assert_eq!((decode(&record), head(&record)), (Err(RecordError::Kind(5)), Err(RecordError::Kind(5))));
    }
}
