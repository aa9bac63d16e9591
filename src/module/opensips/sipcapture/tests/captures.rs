//! `sip_capture()` and `report_capture()`.

use super::*;
use crate::module::opensips::rows::{ROWS, ROWS_HOMER6};
use crate::sip::extract;
use crate::table::{ColumnNames, Layout};
use crate::table::{Row, RowText, Value, fill_report, fill_sip, make_row, report_layout, sip_layout};

fn value<'a>(layout: &Layout, row: &Row<'a>, key: &str) -> Value<'a> {
    row[layout.columns.iter().position(|column| column.key == key).unwrap()]
}

#[test]
fn a_message_in_hep_is_captured_as_its_packet_says() {
    let mut node = node(|_| {});
    let custom = [Some(&b"one"[..]), None, Some(&b""[..])];
    node.capture_sip(&SipMessage { custom, ..in_hep(SIP) }, b"", 0).unwrap();
    only(&node, |capture| {
        assert_eq!((capture.time_us, capture.agent_id, capture.hep_version), (1_700_000_000_000_001, Some(7), Some(3)));
        assert_eq!((capture.correlation_id, capture.transport), (Some(&b"leg-a"[..]), Transport::Tls));
        assert_eq!((capture.custom, capture.table), (custom, Some(&b"sip_capture"[..])));
        assert_eq!((capture.kind, capture.payload), (RowKind::Sip, SIP));
    });
}

#[test]
fn plain_sip_is_captured_with_the_present_time_also_while_hep_is_taken() {
    let mut node = node(|_| {});
    node.capture_sip(&plain(SIP), b"calls_%Y%m%d", 0).unwrap();
    only(&node, |capture| {
        assert!(capture.time_us > 1_700_000_000_000_001);
        assert_eq!((capture.agent_id, capture.correlation_id, capture.hep_version), (None, None, None));
        assert_eq!((capture.transport, capture.table), (Transport::Udp, Some(&b"calls_%Y%m%d"[..])));
    });
}

#[test]
fn a_packet_of_version_2_or_3_without_time_and_agent_has_the_agent_0_and_the_present_time() {
    for (version, agent_id) in [(0, None), (1, None), (2, Some(0)), (3, Some(0))] {
        for time_us in [None, Some(0), Some(999_999)] {
            let mut node = node(|_| {});
            let metadata = Metadata { hep_version: Some(version), time_us, ..Metadata::default() };
            node.capture_sip(&SipMessage { metadata, ..plain(SIP) }, b"", 0).unwrap();
            only(&node, |capture| {
                assert_eq!(capture.agent_id, agent_id, "{version}");
                assert!(capture.time_us > 1_700_000_000_000_001);
            });
        }
    }
}

#[test]
fn the_switch_the_mode_and_the_table_are_checked_before_anything_is_queued() {
    let mut node = node(|_| {});
    assert!(matches!(node.capture_sip(&plain(SIP), b"a b", 0), Err(CaptureError::Table(_))));
    assert!(matches!(node.capture_sip(&plain(SIP), b"", 1), Err(CaptureError::Mode(1))));
    assert!(matches!(node.capture_report(&plain(SIP), b"%!", b"x", b""), Err(CaptureError::Table(_))));
    node.pipeline().lanes().unwrap().set_capture_on(false);
    assert!(matches!(node.capture_sip(&plain(SIP), b"", 0), Err(CaptureError::Off)));
    assert!(matches!(node.capture_report(&in_hep(b"{}"), b"", b"x", b""), Err(CaptureError::Off)));
    assert_eq!(totals(&node).captured(), 0);
}

#[test]
fn header_fields_are_those_that_the_stock_module_looks_at() {
    let message = b"INVITE sip:bob@example.com SIP/2.0\r\nRemote-Party-ID: <sip:rpid@x>\r\nX-RTP-Stat-Add: add\r\n\
        RTP-RxStat: rx\r\nP-RTP-Stat: p\r\nX-CID: other\r\nMac: mac\r\nDiversion: <sip:d@x>\r\n\r\n";
    let headers = CaptureSettings::default().node.headers;
    let fields = extract(message, None, &headers);
    assert_eq!((fields.pid_user, fields.rtp_stat), (&b""[..], &b"p"[..]));
    assert_eq!((fields.callid_aleg, fields.custom), (&b"other"[..], [&b""[..]; 3]));
    let message =
        b"INVITE sip:bob@example.com SIP/2.0\r\nP-RTP-Stat: p\r\nX-RTP-Stat: x\r\nRemote-Party-ID: <sip:r@x>\r\n\
        P-Preferred-Identity: <sip:ppi@x>\r\n\r\n";
    let fields = extract(message, None, &headers);
    assert_eq!((fields.pid_user, fields.rtp_stat), (&b"ppi"[..], &b"x"[..]));
    let message =
        b"INVITE sip:b@x SIP/2.0\r\nP-Preferred-Identity: <sip:ppi@x>\r\nP-Asserted-Identity: <sip:pai@x>\r\n\r\n";
    assert_eq!(extract(message, None, &headers).pid_user, b"pai");
}

#[test]
fn a_row_of_a_message_in_hep_is_as_the_stock_module_writes_it() {
    let mut node = node(|_| {});
    let metadata = Metadata {
        transport: Some(Transport::Other(50)),
        agent_id: Some(u32::MAX),
        correlation_id: Some(b""),
        ..in_hep(SIP).metadata
    };
    let custom = [Some(&b"one"[..]), None, None];
    node.capture_sip(&SipMessage { metadata, custom, ..plain(SIP) }, b"", 0).unwrap();
    let format = node.settings().row_format();
    only(&node, |capture| {
        let text = RowText::new(&ROWS, capture, b"homer01");
        let (row, _) = make_row(&ROWS, capture, &text, b"homer01", &format.headers).unwrap();
        for (key, expected) in [
            ("micro_ts", Value::Int(1_700_000_000_000_001)),
            ("method", Value::Bytes(b"OPTIONS")),
            ("callid", Value::Bytes(b"1")),
            ("correlation_id", Value::Bytes(b"")),
            ("proto", Value::Int(50)),
            ("family", Value::Int(2)),
            ("type", Value::Int(1)),
            ("node", Value::Bytes(b"homer01:-1")),
            ("custom_field1", Value::Bytes(b"one")),
            ("custom_field2", Value::Bytes(b"")),
            ("msg", Value::Bytes(SIP)),
        ] {
            assert_eq!(value(&format.sip, &row, key), expected, "{key}");
        }
    });
}

#[test]
fn a_report_goes_to_its_own_table_with_the_scripts_id_and_the_type_of_script_or_packet() {
    for (payload_type, expected) in [(None, 1), (Some(5), 5), (Some(255), 255)] {
        let mut node = node(|settings| settings.set_text("rtcp_table_name", b"reports_%Y").unwrap());
        let metadata = Metadata { payload_type, ..in_hep(b"").metadata };
        node.capture_report(&SipMessage { metadata, ..plain(b"{}") }, b"", b"leg-b", b"").unwrap();
        only(&node, |capture| {
            assert_eq!((capture.kind, capture.table), (RowKind::Report(expected), Some(&b"reports_%Y"[..])));
            assert_eq!((capture.correlation_id, capture.custom), (Some(&b"leg-b"[..]), [None; 3]));
            assert_eq!((capture.payload, capture.agent_id), (&b"{}"[..], Some(7)));
            assert_eq!(ROWS.transports.number(capture), 3);
        });
    }
    let mut node = node(|_| {});
    node.capture_report(&in_hep(b"{}"), b"other", b"leg", b"").unwrap();
    only(&node, |capture| assert_eq!(capture.table, Some(&b"other"[..])));
}

#[test]
fn a_report_of_a_type_that_no_chunk_holds_is_refused_and_said_at_a_limited_rate() {
    crate::logged::listen();
    let mut node = node(|_| {});
    for payload_type in [256, -1] {
        let metadata = Metadata { payload_type: Some(payload_type), ..in_hep(b"").metadata };
        let answer = node.capture_report(&SipMessage { metadata, ..plain(b"{}") }, b"", b"leg", b"");
        assert!(matches!(answer, Err(CaptureError::ReportType(number)) if number == payload_type));
    }
    let said: Vec<_> = crate::logged::lines().into_iter().filter(|(_, line)| line.contains("report_capture")).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].1.contains("256") && said[0].1.contains("0 to 255"), "{said:?}");
    assert_eq!(totals(&node).captured(), 0);
}

#[test]
fn a_report_of_12_columns_shows_ipv6_addresses_and_the_servers_own_transport() {
    let mut node = node(|_| {});
    let (source, destination) = ("[2001:db8::1]:5060".parse().unwrap(), "[2001:db8::2]:5080".parse().unwrap());
    let metadata = Metadata { transport: Some(Transport::Other(50)), ..in_hep(b"").metadata };
    node.capture_report(&SipMessage { source, destination, metadata, ..plain(b"{}") }, b"", b"leg", b"").unwrap();
    let layout = report_layout(&ColumnNames::of(&ROWS));
    only(&node, |capture| {
        let text = RowText::new(&ROWS, capture, b"homer01");
        let mut row = Row::new();
        fill_report(&mut row, &ROWS, capture, &text, b"homer01");
        assert_eq!(value(&layout, &row, "source_ip"), Value::Bytes(b"2001:db8::1"));
        assert_eq!(value(&layout, &row, "destination_ip"), Value::Bytes(b"2001:db8::2"));
        assert_eq!((value(&layout, &row, "family"), value(&layout, &row, "proto")), (Value::Int(10), Value::Int(5)));
        assert_eq!(value(&layout, &row, "node"), Value::Bytes(b"homer01:7"));
        assert_eq!(value(&layout, &row, "correlation_id"), Value::Bytes(b"leg"));
    });
}

#[test]
fn a_report_for_homer_6_has_the_scripts_id_and_that_of_the_packet_and_the_event_of_its_payload() {
    let payload = br#"{"Event":"Answered"}"#;
    let mut node = node(|settings| settings.set_number("homer5_on", 0).unwrap());
    node.capture_report(&in_hep(payload), b"", b"leg-b", b"").unwrap();
    let format = node.settings().row_format();
    assert_eq!((format.report.columns.len(), format.sip.columns.len()), (17, 44));
    only(&node, |capture| {
        let text = RowText::new(&ROWS_HOMER6, capture, b"homer01");
        let (row, _) = make_row(&format.rows, capture, &text, b"homer01", &format.headers).unwrap();
        for (key, expected) in [
            ("transaction_id", Value::Bytes(b"leg-b")),
            ("correlation_id", Value::Bytes(b"leg-a")),
            ("capture_ip", Value::Bytes(b"2001:db8::9")),
            ("event", Value::Bytes(b"Answered")),
            ("capt_id", Value::Int(7)),
            ("node", Value::Bytes(b"homer01")),
            ("payload_len", Value::Int(20)),
            ("proto", Value::Int(3)),
        ] {
            assert_eq!(value(&format.report, &row, key), expected, "{key}");
        }
    });
}

#[test]
fn a_report_for_homer_6_of_a_payload_without_an_event_is_captured_all_the_same() {
    for payload in [&b"no JSON"[..], b"{\"Event\":5}", b"{", b"\xff\0"] {
        let mut node = node(|settings| settings.set_number("homer5_on", 0).unwrap());
        let metadata = Metadata { collector: None, correlation_id: None, ..in_hep(b"").metadata };
        node.capture_report(&SipMessage { metadata, ..plain(payload) }, b"", b"leg", b"").unwrap();
        only(&node, |capture| {
            assert_eq!(capture.custom, [Some(&b"leg"[..]), Some(b""), Some(b"")]);
            assert_eq!((capture.payload, capture.correlation_id), (payload, None));
        });
    }
}

#[test]
fn a_plain_row_has_the_numbers_of_the_server() {
    let layout = sip_layout(&ColumnNames::of(&ROWS));
    let capture = Capture {
        transport: Transport::Wss,
        ..Capture::sip(1, plain(SIP).source, plain(SIP).destination, Transport::Wss, SIP)
    };
    let text = RowText::new(&ROWS, &capture, b"homer01");
    let mut row = Row::new();
    fill_sip(&mut row, &ROWS, &capture, &extract(SIP, None, &Default::default()), &text, b"homer01");
    assert_eq!(
        (value(&layout, &row, "proto"), value(&layout, &row, "node")),
        (Value::Int(6), Value::Bytes(b"homer01"))
    );
}

#[test]
fn a_packet_that_is_relayed_is_bound_for_its_collector_and_no_row() {
    let mut node = node(|settings| settings.set_number("capture_on", 0).unwrap());
    let packet = [&b"HEP3\0\x0e\0\0\0\x0f\0\x08"[..], b"ab"].concat();
    node.relay(b"sip:192.0.2.9", &packet).unwrap();
    let sinks = node.plan().sinks.len();
    only(&node, |capture| {
        assert_eq!((capture.kind, capture.payload), (RowKind::Relayed, &packet[..]));
        assert!(usize::from(capture.sink) < sinks && capture.sink != 0);
        assert!(capture.table.unwrap().starts_with(b"sip:192.0.2.9:9060"));
    });
    assert!(node.relay(b"tel:1", &packet).is_err() && node.relay(b"sip:192.0.2.9", b"no HEP").is_err());
}
