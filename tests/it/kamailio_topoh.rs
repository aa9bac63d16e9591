//! `topoh_unmask`: rows of messages whose Call-ID a proxy with `topoh` has masked, against the stock module's.

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::rows::{SqliteFile, StoredRow, count, execute, select, text};
use crate::common::sip::{answered_call, call_id};
use crate::common::wait::within;
use crate::kamailio_parity::tables::Engine;
use std::io::Write as _;
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);
/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;

/// Loads topoh as proxy and capture node share it.
fn with_topoh(config: ConfigBuilder) -> ConfigBuilder {
    let config = config.load("rr.so").load("topoh.so").param("topoh", "mask_key", "a shared secret");
    config.param("topoh", "mask_ip", "192.0.2.200").param("topoh", "mask_callid", 1)
}

/// A call's INVITE as it leaves a proxy that masks it.
fn masked_invite() -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
    let next_hop = socket.local_addr().expect("the socket is bound");
    let route = format!("record_route(); $du = \"sip:{next_hop}\"; forward(); exit;");
    let proxy =
        with_topoh(ConfigBuilder::new().load("sanity.so").load("maxfwd.so")).route("request_route", &route).start();
    HepSender::to(proxy.address()).send(&answered_call("masked", 1)[0].text);
    let mut datagram = vec![0; 65_535];
    let length = socket.recv(&mut datagram).expect("the proxy sends the request on");
    datagram.truncate(length);
    datagram
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

/// The row that a capture node with topoh makes of `payload`.
fn row(module: Module, unmask: i64, payload: &[u8]) -> StoredRow {
    let file = SqliteFile::new();
    execute(file.url(), &Engine::Sqlite.schema());
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    let node = with_topoh(ConfigBuilder::capture_node(module, file.url()).load("sanity.so"));
    // topoh looks at what a server receives and restores it; the collector's copy must stay as it was sent.
    let server = node.param("topoh", "event_mode", 0).set("topoh_unmask", unmask).start();
    HepSender::to(server.address()).send(&Observed::sip(source, destination, NOON_US, payload).v3());
    within(PATIENCE, "the message is stored", || count(file.url(), "sip_capture") == 1);
    let mut rows = select(file.url(), "SELECT * FROM sip_capture").expect("the table is there");
    rows.remove(0)
}

#[test]
fn the_call_id_that_a_proxy_has_masked_is_stored_unmasked() {
    let masked = masked_invite();
    let call_id = call_id("masked", 1);
    assert!(!contains(&masked, &call_id), "the proxy masks nothing: {}", masked.escape_ascii());
    let values = |row: &StoredRow| ["callid", "correlation_id"].map(|column| text(row, column));
    let ours = row(Module::Ours, 1, &masked);
    assert_eq!(values(&ours), [call_id.clone(), call_id.clone()]);
    assert_eq!(values(&ours), values(&row(Module::Stock, 1, &masked)));
    let as_sent = row(Module::Ours, 0, &masked);
    assert_eq!(values(&as_sent), values(&row(Module::Stock, 0, &masked)));
    assert_ne!(text(&as_sent, "callid"), call_id);
    // What was never masked stays as it is, whatever its bytes.
    let plain = &answered_call("plain", 1)[0].text;
    assert_eq!(text(&row(Module::Ours, 1, plain), "callid"), crate::common::sip::call_id("plain", 1));
    let odd = String::from_utf8_lossy(plain).replace("Call-ID: ", "Call-ID: !!:\u{e9}\u{ff}");
    let stored = text(&row(Module::Ours, 1, odd.as_bytes()), "callid");
    assert!(stored.starts_with("!!:\u{e9}\u{ff}"), "{stored}");
}

#[test]
fn the_script_that_looks_at_a_packet_captures_the_message_inside_with_its_call_id_unmasked() {
    let file = SqliteFile::new();
    let hook = r#"$var(a) = sip_capture(); xlog("L_ERR", "answer $var(a)\n"); return 0;"#;
    let node = with_topoh(ConfigBuilder::capture_node(Module::Ours, file.url()).load("sanity.so")).tcp();
    let server = node
        .line("tcp_accept_hep3=yes")
        .param("topoh", "event_mode", 0)
        .set("topoh_unmask", 1)
        .set("nonsip_hook", 1)
        .route("event_route[sipcapture:request]", hook)
        .start();
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    let observed = Observed::sip(source, destination, NOON_US, &masked_invite());
    let sender = HepSender::to(server.address());
    let mut agent = TcpStream::connect(server.address()).expect("the server accepts");
    agent.write_all(&observed.v3()).expect("the server reads");
    for packet in [observed.v1(), observed.v2(), observed.v3()] {
        sender.send(&packet);
    }
    // No SIP is inside, or none that anybody could read.
    let report = Observed { payload_type: 5, correlation: Some(b"leg-a".to_vec()), ..observed.clone() };
    let unreadable = Observed { payload: b"INVITE\r\n: none\r\n\xff".to_vec(), ..observed };
    for packet in [report.v3(), unreadable.v3()] {
        sender.send(&packet);
    }
    within(PATIENCE, "every packet has been looked at", || server.log().matches("answer ").count() == 6);
    within(PATIENCE, "the messages are stored", || count(file.url(), "sip_capture") == 5);
    assert_eq!(server.log().matches("answer -1").count(), 1, "{}", server.log());
    let stored = select(file.url(), "SELECT * FROM sip_capture").expect("the table is there");
    let mut call_ids: Vec<String> = stored.iter().map(|row| text(row, "callid")).collect();
    call_ids.sort();
    let call_id = call_id("masked", 1);
    assert_eq!(call_ids, [String::new(), call_id.clone(), call_id.clone(), call_id.clone(), call_id]);
    // The host's parser was never asked to read a HEP packet.
    assert!(!server.log().contains("core/parser"), "{}", server.log());
}

#[test]
fn unmasking_without_topoh_stops_the_start() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url());
    let log = node.clone().set("topoh_unmask", 1).refused();
    assert!(log.contains("parameter topoh_unmask: there is no module topoh"), "{log}");
    // As ever, only 1 means yes.
    node.set("topoh_unmask", 2).start();
}
