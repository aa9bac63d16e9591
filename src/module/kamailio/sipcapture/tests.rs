//! Parameters and HEP input, without a host.

mod commands;
mod hooks;
mod metadata;
mod modes;

use crate::capture::{Capture, RowKind, Transport, record};
use crate::hep::{self, Packet, Payload, Version};
use crate::module::hep::context::Addresses;
use crate::module::kamailio::dialect::SIPCAPTURE;
use crate::module::testing::{make_ready, queued, totals};
use crate::module::*;
use crate::queue::lane::Consumer;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Who sends the packets.
const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 99));
const SIP: &[u8] = b"OPTIONS sip:bob@example.com SIP/2.0\r\nCall-ID: 1\r\n\r\n";

/// A node with HEP and capture on, one lane, and nothing that writes.
fn node(set: impl FnOnce(&mut CaptureSettings)) -> CaptureNode {
    let mut node = CaptureNode::default();
    let settings = node.settings_mut().unwrap();
    settings.set_text("db_url", b"mysql://u:p@127.0.0.1/d").unwrap();
    settings.set_number("capture_on", 1).unwrap();
    settings.set_number("hep_capture_on", 1).unwrap();
    settings.set_number("queue_size", 1).unwrap();
    set(settings);
    make_ready(&mut node);
    node
}

fn packet(payload_type: u8, payload: Payload<'_>) -> Packet<'_> {
    Packet {
        version: Version::V3,
        source: "192.0.2.1:5060".parse().unwrap(),
        destination: "192.0.2.2:5080".parse().unwrap(),
        ip_protocol: 22,
        payload_type,
        time_us: Some(1_700_000_000_000_001),
        agent_id: Some(7),
        correlation_id: Some(b"leg-a"),
        auth_key: None,
        payload,
        trailing: 0,
    }
}

fn datagram(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    hep::encode(packet, packet.version, &mut bytes).unwrap();
    bytes
}

fn addresses() -> Addresses {
    let endpoint: SocketAddr = "127.0.0.1:5060".parse().unwrap();
    Addresses { source: endpoint, destination: endpoint, transport: Transport::Udp }
}

fn message(payload: &[u8]) -> SipMessage<'_> {
    SipMessage::of(addresses(), payload)
}

#[test]
fn every_bad_value_is_refused_with_its_name_its_value_and_what_is_allowed() {
    let text =
        |name: &str, value: &str| CaptureSettings::default().set_text(name, value.as_bytes()).unwrap_err().to_string();
    let number = |name: &str, value: i64| CaptureSettings::default().set_number(name, value).unwrap_err().to_string();
    let says = |error: String, parts: &[&str]| parts.iter().for_each(|part| assert!(error.contains(part), "{error}"));
    for (name, value, allowed) in [
        ("create_tables", 3, "0 (off) and 1 (on)"),
        ("queue_size", 0, "1 to 1024 MiB"),
        ("queue_size", 1025, "1 to 1024 MiB"),
        ("capture_writers", 17, "1 to 16"),
        ("batch_size", 0, "1 to 10000 rows"),
        ("flush_interval", 0, "1 to 60000 milliseconds"),
        ("shutdown_timeout", 301, "0 to 300 seconds"),
        ("insert_retries", 501, "0 to 500 retries"),
        ("insert_retries", -1, "0 to 500 retries"),
        ("insert_retry_timeout", 301, "0 to 300 seconds"),
        ("insert_retry_timeout", -1, "0 to 300 seconds"),
        ("spool_size", 0, "1 to 1048576 MiB"),
        ("spool_size", 1_048_577, "1 to 1048576 MiB"),
    ] {
        says(number(name, value), &[name, &value.to_string(), allowed]);
    }
    says(text("table_name", "a b"), &["table_name", "a b"]);
    says(text("table_name", ""), &["table_name"]);
    says(text("table_name", "a|b c"), &["table_name", "a|b c"]);
    says(text("bad_table", "a b"), &["bad_table", "a b"]);
    says(text("bad_table", ""), &["bad_table"]);
    says(text("bad_table", "bad_a|bad_b"), &["bad_table", "bad_a|bad_b"]);
    says(text("mt_mode", "Hash"), &["mt_mode", "Hash", "rand, round_robin and hash"]);
    says(text("hash_source", "ruri"), &["hash_source", "ruri", "call_id, from_user and to_user"]);
    says(text("spool_sync", "always"), &["spool_sync", "always", "batch, interval and off"]);
    says(text("capture_node", &"n".repeat(100)), &["capture_node", "99 bytes"]);
    says(text("msg_column", "a;b"), &["msg_column", "a;b"]);
    says(text("callid_aleg_header", &"a;".repeat(17)), &["callid_aleg_header", "16"]);
    says(text("nosuch", "x"), &["nosuch", "string"]);
    says(text("nosuch_column", "x"), &["nosuch_column", "string"]);
    says(number("db_url", 1), &["db_url", "int"]);
    let url = text("db_url", "my-oracle://u:s3cret@h/d");
    says(url.clone(), &["db_url", "oracle", "postgres://", "mysql://", "sqlite:"]);
    assert!(!url.contains("s3cret"), "{url}");
    let bytes = CaptureSettings::default().set_text("capture_node", b"\xff").unwrap_err().to_string();
    says(bytes, &["capture_node", "UTF-8"]);
    for name in ["db_url", "capture_mode"] {
        let bytes = CaptureSettings::default().set_text(name, b"mysql://u:s3cret\xff@h/d").unwrap_err().to_string();
        assert!(!bytes.contains("s3cret"), "{bytes}");
        says(bytes, &[name, "UTF-8"]);
    }
}

#[test]
fn numbers_that_the_stock_module_takes_start_as_they_are() {
    for (value, on) in [(0, false), (1, true), (2, true), (-1, true)] {
        let mut settings = CaptureSettings::default();
        for name in ["capture_on", "hep_capture_on", "nonsip_hook", "capture_bad_msgs"] {
            settings.set_number(name, value).unwrap();
        }
        let switches =
            [settings.node.capture_on, settings.hep.capture_on, settings.hep.asks_script, settings.captures_malformed];
        assert_eq!(switches, [on; 4], "{value}");
    }
    for (value, delayed) in [(0, false), (1, true), (2, false), (3, false), (-1, false)] {
        let mut settings = CaptureSettings::default();
        settings.set_number("db_insert_mode", value).unwrap();
        assert_eq!(settings.row_sinks()[0].options.insert_delayed, delayed, "{value}");
    }
}

#[test]
fn the_shutdowns_time_ends_before_the_host_kills() {
    let left = |set: i64, kill: u64| {
        let mut settings = CaptureSettings::default();
        settings.set_number("shutdown_timeout", set).unwrap();
        let limit = Some(Duration::from_secs(kill));
        settings.common.end_before(KillLimits { children: limit, main_process: limit });
        let plan = settings.common.plan(Vec::new());
        assert_eq!(plan.shutdown_timeout, settings.common.shutdown_timeout.main_process());
        plan.shutdown_timeout.as_secs()
    };
    assert_eq!((left(10, 60), left(57, 60), left(58, 60), left(300, 60)), (10, 56, 56, 56));
    assert_eq!((left(10, 10), left(10, 4), left(10, 1), left(0, 60)), (6, 2, 0, 0));
}

#[test]
fn an_empty_db_url_means_the_embedded_database_which_makes_its_tables() {
    let mut settings = CaptureSettings::default();
    settings.set_text("db_url", b"").unwrap();
    assert_eq!(settings.common.db_url.sqlite_path().unwrap().to_str(), Some("/var/lib/sipcapture/sipcapture.db"));
    assert!(settings.common.creates_tables(&settings.common.db_url));
    settings.set_text("db_url", b"postgres://u:p@h/d").unwrap();
    assert!(!settings.common.creates_tables(&settings.common.db_url));
    settings.set_number("create_tables", 1).unwrap();
    assert!(settings.common.creates_tables(&settings.common.db_url));
}

#[test]
fn an_sqlite_file_that_cannot_be_written_is_an_error_that_names_it() {
    let mut node = CaptureNode::default();
    node.settings_mut().unwrap().set_text("db_url", b"sqlite:////proc/nosuch/capture.db").unwrap();
    let error = node.check((None, None), KillLimits::default()).unwrap_err().to_string();
    assert!(error.contains("db_url") && error.contains("/proc/nosuch/capture.db"), "{error}");
}

#[test]
fn captures_made_while_a_packet_is_routed_inherit_from_it_and_no_later_one_does() {
    let mut node = node(|_| {});
    let bytes = datagram(&packet(1, Payload::Plain(SIP)));
    let verdict = node.receive_hep(&bytes, SENDER).unwrap();
    let Verdict::Route(inner) = verdict else { panic!("{verdict:?}") };
    assert_eq!(inner.time_us, Some(1_700_000_000_000_001));
    assert_eq!((inner.version, inner.transport, inner.payload), (3, Transport::Tls, SIP));
    node.capture_sip(&message(SIP), b"", 0).unwrap();
    node.end_hep(None).unwrap();
    node.capture_sip(&message(SIP), b"other", 0).unwrap();
    let records = queued(&node);
    let first = record::decode(&records[0]).unwrap();
    assert_eq!((first.time_us, first.agent_id), (1_700_000_000_000_001, Some(7)));
    assert_eq!((first.correlation_id, first.table), (Some(&b"leg-a"[..]), Some(&b"sip_capture"[..])));
    let second = record::decode(&records[1]).unwrap();
    assert!(second.time_us > first.time_us);
    assert_eq!((second.agent_id, second.correlation_id, second.table), (None, None, Some(&b"other"[..])));
}

#[test]
fn a_packet_without_time_gets_the_clock_and_the_plain_node_name() {
    let mut node = node(|_| {});
    let bytes = datagram(&Packet { time_us: None, ..packet(1, Payload::Plain(SIP)) });
    assert!(matches!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Route(_))));
    node.capture_sip(&message(SIP), b"", 0).unwrap();
    node.end_hep(None).unwrap();
    let records = queued(&node);
    let capture = record::decode(&records[0]).unwrap();
    assert_eq!(capture.agent_id, None);
    assert!(capture.time_us > 1_700_000_000_000_001);
}

#[test]
fn what_the_host_refuses_is_captured_once_with_the_packets_addresses() {
    let mut node = node(|_| {});
    let bytes = datagram(&packet(1, Payload::Plain(b"no sip")));
    assert!(matches!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Route(_))));
    node.end_hep(Some(b"no sip")).unwrap();
    node.end_hep(Some(b"no sip")).unwrap();
    let bytes = datagram(&packet(1, Payload::Plain(b"captured by the script")));
    assert!(matches!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Route(_))));
    node.capture_sip(&message(b"captured by the script"), b"", 0).unwrap();
    node.end_hep(Some(b"captured by the script")).unwrap();
    let records = queued(&node);
    assert_eq!(records.len(), 2);
    let refused = record::decode(&records[0]).unwrap();
    assert_eq!((refused.payload, refused.source), (&b"no sip"[..], "192.0.2.1:5060".parse().unwrap()));
    assert_eq!(totals(&node).produced(crate::queue::counters::Produced::HepRefused), 1);
}

#[test]
fn what_the_host_refuses_goes_to_the_table_for_bad_messages_whatever_the_modes_table_is_found_by() {
    let set = |settings: &mut CaptureSettings| {
        settings.set_text("mt_mode", b"hash").unwrap();
        settings.set_text("bad_table", b"sip_bad_%Y%m%d").unwrap();
    };
    let mut node = node(set);
    let bytes = datagram(&packet(1, Payload::Plain(b"no sip")));
    assert!(matches!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Route(_))));
    node.end_hep(Some(b"no sip")).unwrap();
    let (records, totals) = (queued(&node), totals(&node));
    let refused = record::decode(&records[0]).unwrap();
    assert_eq!((refused.table, refused.sink), (Some(&b"sip_bad_%Y%m%d"[..]), 0));
    assert_eq!(totals.produced(crate::queue::counters::Produced::HashRefused), 0, "there is no Call-ID to hash");
}

#[test]
fn payloads_that_are_not_sip_go_to_their_tables_with_their_types() {
    let mut node = node(|_| {});
    node.pipeline().lanes().unwrap().set_capture_on(false);
    for payload_type in [5, 32, 99, 100, 53] {
        let bytes = datagram(&packet(payload_type, Payload::Plain(b"{}")));
        assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Done));
    }
    let records = queued(&node);
    let rows: Vec<_> = records
        .iter()
        .map(|bytes| {
            let capture: Capture<'_> = record::decode(bytes).unwrap();
            (capture.table.unwrap(), capture.kind, capture.transport)
        })
        .collect();
    let expected: [(&[u8], u8); 5] = [
        (b"rtcp_capture", 3),
        (b"report_capture", 2),
        (b"report_capture", 4),
        (b"logs_capture", 5),
        (b"report_capture", 53),
    ];
    assert_eq!(rows, expected.map(|(table, number)| (table, RowKind::Report(number), Transport::Tls)));
    assert_eq!(totals(&node).produced(crate::queue::counters::Produced::HepOtherType), 1);
}

#[test]
fn a_compressed_payload_is_inflated_before_it_is_routed() {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(SIP).unwrap();
    let compressed = encoder.finish().unwrap();
    let mut node = node(|_| {});
    let bytes = datagram(&packet(1, Payload::Compressed(&compressed)));
    match node.receive_hep(&bytes, SENDER).unwrap() {
        Verdict::Route(inner) => assert_eq!(inner.payload, SIP),
        other => panic!("{other:?}"),
    }
    node.end_hep(None).unwrap();
    let bytes = datagram(&packet(1, Payload::Compressed(b"\x78\x9cgarbage")));
    assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Done));
    assert_eq!(totals(&node).produced(crate::queue::counters::Produced::HepBad), 1);
}

#[test]
fn what_is_not_hep_is_the_hosts_and_what_is_bad_hep_is_counted() {
    let mut node = node(|_| {});
    for foreign in [SIP, b"", b"\r\n\r\n", b"\x00\x01\x00\x00"] {
        assert_eq!(node.receive_hep(foreign, SENDER), Ok(Verdict::Pass));
    }
    assert_eq!(node.receive_hep(b"HEP3\x00", SENDER), Ok(Verdict::Done));
    let counted = totals(&node);
    assert_eq!(counted.produced(crate::queue::counters::Produced::HepPackets), 1);
    assert_eq!(counted.produced(crate::queue::counters::Produced::HepBad), 1);
}

#[test]
fn an_empty_sip_payload_is_counted_as_bad() {
    let mut node = node(|_| {});
    let bytes = datagram(&packet(1, Payload::Plain(b"")));
    assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Done));
    assert_eq!(totals(&node).produced(crate::queue::counters::Produced::HepBad), 1);
}

#[test]
fn with_hep_capture_off_every_datagram_is_the_hosts() {
    let mut node = node(|settings| settings.hep.capture_on = false);
    let bytes = datagram(&packet(1, Payload::Plain(SIP)));
    assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Pass));
    assert_eq!(totals(&node).captured(), 0);
}

#[test]
fn the_switch_and_the_table_name_are_checked_before_anything_is_queued() {
    let mut node = node(|_| {});
    assert!(matches!(node.capture_sip(&message(SIP), b"a b", 0), Err(CaptureError::Table(_))));
    assert!(matches!(node.capture_sip(&message(SIP), b"%!", 0), Err(CaptureError::Table(_))));
    node.pipeline().lanes().unwrap().set_capture_on(false);
    assert!(matches!(node.capture_sip(&message(SIP), b"", 0), Err(CaptureError::Off)));
    assert_eq!(totals(&node).captured(), 0);
}
