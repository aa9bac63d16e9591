//! The headers that tell of a copy what its sender knew: written into what leaves, and read from what comes.

use super::{Collector, PATIENCE, PAYLOAD, Proxy, agent, chunk, telling};
use crate::common::rows::{SqliteFile, count, select, text};
use crate::common::wait::within;

const TRACE: &str = r#"if (is_method("OPTIONS")) { sip_trace(); }"#;

/// Asserts that a message is what was sent, with the five headers at the end of its head.
fn assert_written(message: &str, sent: &str, proxy: &Proxy) {
    let [caller, server, _] = proxy.owners();
    let head = sent.strip_suffix("\r\n").expect("a request without a body ends with an empty line");
    let added = message.strip_prefix(head).unwrap_or_else(|| panic!("{message} does not begin as {sent}"));
    let lines: Vec<&str> = added.split("\r\n").collect();
    assert_eq!(lines.len(), 7, "{message}");
    let ends = [format!("X-Siptrace-Fromip: udp:{caller}"), format!("X-Siptrace-Toip: udp:{server}")];
    assert_eq!(lines[..2], ends);
    let time = lines[2].strip_prefix("X-Siptrace-Time: ").expect("the third header");
    let parts: Vec<u64> = time.split(' ').map(|part| part.parse().expect("a number")).collect();
    assert!(parts.len() == 2 && parts[0] > 1_700_000_000 && parts[1] < 1_000_000, "{time}");
    assert_eq!(lines[3..], ["X-Siptrace-Method: OPTIONS", "X-Siptrace-Dir: in", "", ""]);
}

#[test]
fn headers_are_written_into_packets_and_not_into_rows() {
    let (collector, file) = (Collector::new(), SqliteFile::new());
    let config = agent().param("siptrace", "duplicate_uri", &collector.uri()).param("siptrace", "db_url", file.url());
    let proxy = Proxy::start(config.param("siptrace", "xheaders_write", 1), TRACE);
    let sent = proxy.ping("");
    let message = chunk(&collector.next(), PAYLOAD).expect("a packet has a payload");
    assert_written(&message, &sent, &proxy);
    within(PATIENCE, "the row is stored", || count(file.url(), "sip_trace") > 0);
    let rows = select(file.url(), "SELECT msg FROM sip_trace ORDER BY id").expect("the table is readable");
    assert_eq!(text(&rows[0], "msg"), sent);
}

#[test]
fn headers_are_written_into_plain_copies() {
    let collector = Collector::new();
    let config = telling(&collector.uri()).without("hep_mode_on").param("siptrace", "xheaders_write", 1);
    let proxy = Proxy::start(config, TRACE);
    let sent = proxy.ping("");
    let copy = String::from_utf8(collector.next()).expect("a copy is text");
    assert_written(&copy, &sent, &proxy);
}

#[test]
fn a_message_with_the_headers_is_traced_as_they_say_and_stays_as_it_came() {
    let (collector, file) = (Collector::new(), SqliteFile::new());
    let config = agent().param("siptrace", "duplicate_uri", &collector.uri()).param("siptrace", "db_url", file.url());
    let script = format!(r#"{TRACE} xlog("L_WARN", "KEPT $hdr(X-Siptrace-Fromip) $hdr(X-Siptrace-Dir)\n");"#);
    let proxy = Proxy::start(config.param("siptrace", "xheaders_read", 1), &script);
    let block = "X-Siptrace-Fromip: udp:192.0.2.7:5070\r\nX-Siptrace-Toip: udp:198.51.100.9:5080\r\n\
                 X-Siptrace-Time: 1750000000 123456\r\nX-Siptrace-Method: OPTIONS\r\nX-Siptrace-Dir: out\r\n";
    let sent = proxy.ping(block).replace(block, "");
    let packet = collector.next();
    assert_eq!(chunk(&packet, PAYLOAD).as_ref(), Some(&sent));
    let bytes = |kind| super::chunks(&packet).into_iter().find(|(known, _)| *known == kind).expect("a chunk").1;
    assert_eq!([bytes(3), bytes(4)], [[192, 0, 2, 7], [198, 51, 100, 9]]);
    assert_eq!([bytes(7), bytes(8)], [5070u16.to_be_bytes(), 5080u16.to_be_bytes()]);
    within(PATIENCE, "the row is stored", || count(file.url(), "sip_trace") > 0);
    let rows = select(file.url(), "SELECT * FROM sip_trace ORDER BY id").expect("the table is readable");
    let said = ["fromip", "toip", "direction", "method", "time_stamp", "time_us", "msg"];
    let wanted =
        ["udp:192.0.2.7:5070", "udp:198.51.100.9:5080", "out", "OPTIONS", "2025-06-15 15:06:40", "123456", &sent];
    assert_eq!(said.map(|column| text(&rows[0], column)), wanted);
    assert!(proxy.server.log().contains("KEPT udp:192.0.2.7:5070 out"), "{}", proxy.server.log());
}

#[test]
fn a_message_without_the_headers_is_not_traced_where_they_are_to_be_read() {
    let collector = Collector::new();
    let script = r#"if (is_method("OPTIONS")) { sip_trace(); hlog("the end"); }"#;
    let proxy = Proxy::start(telling(&collector.uri()).param("siptrace", "xheaders_read", 1), script);
    proxy.ping("");
    assert_eq!(chunk(&collector.next(), PAYLOAD).as_deref(), Some("the end"));
}

#[test]
fn a_copy_of_all_that_a_server_receives_says_no_method_and_is_traced_with_its_own() {
    let collector = Collector::new();
    let proxy = Proxy::start(telling(&collector.uri()).param("siptrace", "xheaders_read", 1), TRACE);
    let block = "X-Siptrace-Fromip: udp:192.0.2.7:5070\r\nX-Siptrace-Toip: udp:198.51.100.9:5080\r\n\
                 X-Siptrace-Time: 1750000000 123456\r\nX-Siptrace-Method: \r\nX-Siptrace-Dir: in\r\n";
    let sent = proxy.ping(block).replace(block, "");
    assert_eq!(chunk(&collector.next(), PAYLOAD), Some(sent));
}

#[test]
fn headers_in_a_body_are_none_of_the_message() {
    let collector = Collector::new();
    let script = r#"if (is_method("MESSAGE")) { sip_trace(); hlog("the end"); }"#;
    let proxy = Proxy::start(telling(&collector.uri()).param("siptrace", "xheaders_read", 1), script);
    let quoted = "SIP/2.0 200 OK\r\nX-Siptrace-Fromip: udp:192.0.2.7:5070\r\nX-Siptrace-Toip: udp:198.51.100.9:5080\r\n\
                  X-Siptrace-Time: 1750000000 123456\r\nX-Siptrace-Method: BYE\r\nX-Siptrace-Dir: in\r\n\r\n";
    proxy.text("MESSAGE", quoted);
    assert_eq!(chunk(&collector.next(), PAYLOAD).as_deref(), Some("the end"));
}
