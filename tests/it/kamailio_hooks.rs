//! `nonsip_hook`: the script looks at each HEP packet before it is taken, in `event_route[sipcapture:request]` or in a
//! KEMI function, over UDP, TCP and TLS.

use crate::common::certificate::certificate;
use crate::common::hep::{Chunks, Observed};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::ports::free_address;
use crate::common::release::release;
use crate::common::rows::{SqliteFile, StoredRow, count, select, text};
use crate::common::sip::{answered_call, call_id};
use crate::common::wait::within;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

const PATIENCE: Duration = Duration::from_secs(15);
/// 2025-06-15 12:00:00.123456 UTC.
const TIME_US: u64 = 1_749_988_800_123_456;
const EVENT_ROUTE: &str = "event_route[sipcapture:request]";

fn node(file: &SqliteFile, event_route: &str) -> ConfigBuilder {
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).set("nonsip_hook", 1);
    node.route(EVENT_ROUTE, event_route)
}

/// As [`node`], with HEP over TCP and one process that serves it.
fn tcp_node(file: &SqliteFile, event_route: &str) -> ConfigBuilder {
    node(file, event_route).tcp().line("tcp_accept_hep3=yes").line("tcp_children=1")
}

/// The INVITE of a call, as agent `agent` saw it between two hosts.
fn invite(prefix: &str, agent: u32) -> Observed {
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    let payload = answered_call(prefix, agent.into())[0].text.clone();
    Observed { agent, ..Observed::sip(source, destination, TIME_US, &payload) }
}

fn report(agent: u32, payload_type: u8) -> Observed {
    let payload = br#"{"packets":7}"#.to_vec();
    Observed { payload_type, payload, correlation: Some(b"leg-a@example.org".to_vec()), ..invite("report", agent) }
}

fn rows(url: &str, table: &str) -> Vec<StoredRow> {
    select(url, &format!("SELECT * FROM {table} ORDER BY id")).unwrap_or_default()
}

fn wait_for_rows(url: &str, table: &str, wanted: u64) -> Vec<StoredRow> {
    within(PATIENCE, &format!("{wanted} rows are in {table}"), || count(url, table) >= wanted);
    let rows = rows(url, table);
    assert_eq!(rows.len() as u64, wanted, "more rows than captures");
    rows
}

/// The lines that a script has logged behind a word.
fn logged(server: &Kamailio, word: &str) -> Vec<String> {
    let log = server.log();
    log.lines().filter_map(|line| Some(line.split_once(word)?.1.trim().to_owned())).collect()
}

fn now_us() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970").as_micros()
}

#[test]
fn the_event_route_sees_packets_of_every_version_and_1_sends_their_payload_on() {
    let file = SqliteFile::new();
    let server = node(&file, r#"xlog("L_ERR", "asked $hep(version) $si $proto $hep(0x00b)\n"); return 1;"#)
        .route("request_route", r#"xlog("L_ERR", "routed $hep(version) $si $sp\n"); sip_capture(); exit;"#)
        .start();
    let sender = HepSender::to(server.address());
    let observed = invite("versions", 1);
    let draft = [b"EEP1", &observed.v3()[4..]].concat();
    for packet in [observed.v1(), observed.v2(), observed.v3(), draft] {
        sender.send(&packet);
    }
    for row in wait_for_rows(file.url(), "sip_capture", 4) {
        assert_eq!(text(&row, "source_ip"), "192.0.2.10");
        assert_eq!(text(&row, "destination_port"), "5072");
        assert_eq!(text(&row, "callid"), call_id("versions", 1));
    }
    let mut asked = logged(&server, "asked ");
    asked.sort();
    assert_eq!(asked, ["1 127.0.0.1 udp 1", "2 127.0.0.1 udp 1", "3 127.0.0.1 udp 1", "3 127.0.0.1 udp 1"]);
    let mut routed = logged(&server, "routed ");
    routed.sort();
    assert_eq!(routed, ["1 192.0.2.10 5071", "2 192.0.2.10 5071", "3 192.0.2.10 5071", "3 192.0.2.10 5071"]);
}

/// One answer of the event route for each agent, from 1.
const ANSWERS: &str = r#"
    switch ($hep(0x00c)) {
        case 1: return 1;
        case 2: return 0;
        case 3: drop;
        case 4: exit;
        case 5: return -1;
        case 6: return 2;
        case 7: $var(last) = 5;
    }
"#;

#[test]
fn only_1_has_a_packet_taken() {
    let file = SqliteFile::new();
    let mut server = node(&file, ANSWERS).children(1).start();
    let sender = HepSender::to(server.address());
    for agent in 1..=7 {
        sender.send(&invite("answers", agent).v3());
        sender.send(&report(agent, 5).v3());
    }
    // In Kamailio's language, a script that exits or ends of itself answers 1.
    for (table, wanted) in [("sip_capture", ["1", "4", "7"]), ("rtcp_capture", ["1", "4", "7"])] {
        let nodes: Vec<String> = wait_for_rows(file.url(), table, 3).iter().map(|row| text(row, "node")).collect();
        assert_eq!(nodes, wanted.map(|agent| format!("homer01:{agent}")));
    }
    server.assert_serving();
    let statistics = server.statistics();
    assert_eq!((statistics["hep_packets"], statistics["hep_bad"], statistics["captured"]), (14, 0, 6));
}

#[test]
fn over_tcp_every_answer_does_what_it_does_with_the_stock_module() {
    let outcomes = |module: Module| {
        let file = SqliteFile::new();
        let server = ConfigBuilder::capture_module(module, file.url())
            .set("nonsip_hook", 1)
            .tcp()
            .line("tcp_accept_hep3=yes")
            .route("request_route", r#"xlog("L_ERR", "routed $ci $si $sp $proto\n"); exit;"#)
            .route(EVENT_ROUTE, ANSWERS)
            .start();
        let outcome = |agent| {
            let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
            stream.write_all(&invite("outcome", agent).v3()).expect("the server reads");
            let closed = is_closed(&mut stream);
            (agent, closed, logged(&server, &format!("routed {} ", call_id("outcome", agent.into()))))
        };
        (1..=7).map(outcome).collect::<Vec<_>>()
    };
    let ours = outcomes(Module::Ours);
    assert_eq!(ours, outcomes(Module::Stock));
    let routed = vec!["192.0.2.10 5071 udp".to_owned()];
    assert_eq!(ours[0], (1, false, routed));
    assert_eq!(ours[1], (2, false, Vec::new()));
    assert_eq!(ours[4], (5, true, Vec::new()));
}

#[test]
fn a_hook_takes_packets_also_with_hep_capture_off() {
    let file = SqliteFile::new();
    let server = node(&file, "return 1;").set("hep_capture_on", 0).start();
    HepSender::to(server.address()).send(&invite("off", 1).v3());
    wait_for_rows(file.url(), "sip_capture", 1);
}

#[test]
fn reports_of_the_event_route_have_time_and_correlation_id_of_their_packet_and_nothing_leaks() {
    let file = SqliteFile::new();
    let hook = r#"report_capture("reports", "", "$hep(0x00f)"); return 0;"#;
    let server = node(&file, hook).children(1).start();
    let sender = HepSender::to(server.address());
    let before = now_us();
    sender.send(&report(7, 34).v3());
    // No address, no protocol, no type: nothing that could be captured, but the script can use it.
    let meagre = Chunks::new().chunk(9, &[0x68, 0, 0, 1]).chunk(10, &[0, 0, 0, 9]).chunk(12, &[0, 0, 0, 8]);
    sender.send(&meagre.chunk(17, b"meagre").chunk(15, b"payload").packet());
    sender.send(&Chunks::new().chunk(15, b"timeless").packet());
    sender.send(&answered_call("plain", 1)[0].text);
    let reports = wait_for_rows(file.url(), "reports", 3);
    let of = |row: &StoredRow| ["node", "correlation_id", "msg", "source_ip"].map(|column| text(row, column));
    assert_eq!(of(&reports[0]), ["homer01:7", "leg-a@example.org", r#"{"packets":7}"#, "127.0.0.1"]);
    assert_eq!(text(&reports[0], "micro_ts"), TIME_US.to_string());
    assert_eq!(of(&reports[1]), ["homer01:8", "meagre", "payload", "127.0.0.1"]);
    assert_eq!(text(&reports[1], "micro_ts"), "1744830465000009");
    assert_eq!(of(&reports[2]), ["homer01", "", "timeless", "127.0.0.1"]);
    let plain = &wait_for_rows(file.url(), "sip_capture", 1)[0];
    assert_eq!(text(plain, "correlation_id"), call_id("plain", 1));
    assert_eq!(text(plain, "node"), "homer01");
    assert!(text(plain, "micro_ts").parse::<u128>().expect("a number") >= before);
}

#[test]
fn sip_capture_in_the_event_route_stores_the_message_inside() {
    let file = SqliteFile::new();
    let hook = r#"if (!sip_capture("of_event")) { xlog("L_ERR", "refused $hep(type)\n"); } return 0;"#;
    let server = node(&file, hook).start();
    let sender = HepSender::to(server.address());
    let observed = invite("inside", 3);
    sender.send(&observed.v3());
    sender.send(&observed.v2());
    sender.send(&report(4, 5).v3());
    for row in wait_for_rows(file.url(), "of_event", 2) {
        assert_eq!(row["msg"].as_deref(), Some(&observed.payload[..]));
        assert_eq!(text(&row, "source_ip"), "192.0.2.10");
        assert_eq!(text(&row, "micro_ts"), TIME_US.to_string());
        assert_eq!(text(&row, "node"), "homer01:3");
    }
    within(PATIENCE, "a packet without SIP is refused", || logged(&server, "refused ") == ["5"]);
}

#[test]
fn what_the_event_route_keeps_in_avps_is_there_in_the_routes_and_gone_with_the_packet() {
    let file = SqliteFile::new();
    let hook = "if ($hep(capture_id) == 9) { $avp(agent) = 9; return 0; } $avp(agent) = $hep(capture_id); return 1;";
    let seen = r#"xlog("L_ERR", "agent $avp(agent)\n"); exit;"#;
    let server = node(&file, hook).children(1).route("request_route", seen).start();
    let sender = HepSender::to(server.address());
    sender.send(&invite("avp", 5).v3());
    sender.send(&invite("avp", 9).v3());
    sender.send(&answered_call("avp", 1)[0].text);
    within(PATIENCE, "both messages have been routed", || logged(&server, "agent ").len() == 2);
    assert_eq!(logged(&server, "agent "), ["5", "<null>"]);
}

#[test]
fn hep_over_tcp_comes_whole_however_it_is_cut() {
    let file = SqliteFile::new();
    let hook = r#"xlog("L_ERR", "asked $hep(version) $si $proto $hep(capture_id)\n"); return 1;"#;
    let mut server = tcp_node(&file, hook).start();
    let mut agent = TcpStream::connect(server.address()).expect("the server accepts");
    agent.set_nodelay(true).expect("the option is known");
    let packets: Vec<u8> = (1..=20).flat_map(|number| invite("tcp", number).v3()).collect();
    for part in packets.chunks(97) {
        agent.write_all(part).expect("the server reads");
        std::thread::sleep(Duration::from_millis(1));
    }
    let stored = wait_for_rows(file.url(), "sip_capture", 20);
    for (row, number) in stored.iter().zip(1..) {
        assert_eq!(text(row, "callid"), call_id("tcp", number));
        assert_eq!(text(row, "source_ip"), "192.0.2.10");
        assert_eq!(text(row, "proto"), "1");
        assert_eq!(text(row, "node"), format!("homer01:{number}"));
    }
    agent.write_all(&packets).expect("the server reads");
    wait_for_rows(file.url(), "sip_capture", 40);
    assert!(logged(&server, "asked ").contains(&"3 127.0.0.1 tcp 20".to_owned()));
    server.assert_serving();
}

/// Whether the server has closed a connection; false when it still answers nothing after a moment.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout is set");
    match stream.read(&mut [0; 16]) {
        Ok(read) => read == 0,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    }
}

#[test]
fn over_tcp_an_error_of_the_event_route_closes_the_connection_and_nothing_else_does() {
    let file = SqliteFile::new();
    let hook = "if ($hep(capture_id) == 1) { return -1; } if ($hep(capture_id) == 2) { return 0; } return 1;";
    let server = tcp_node(&file, hook).start();
    let connect = || TcpStream::connect(server.address()).expect("the server accepts");
    let mut refused = connect();
    refused.write_all(&invite("closing", 1).v3()).expect("the server reads");
    within(PATIENCE, "the connection is closed", || is_closed(&mut refused));
    let mut kept = connect();
    let half = Observed { payload: b"INVITE sip:bob@example.com".to_vec(), ..invite("closing", 3) };
    kept.write_all(&invite("closing", 2).v3()).expect("the server reads");
    kept.write_all(&half.v3()).expect("the server reads");
    kept.write_all(&Chunks::new().chunk(15, b"no address").packet()).expect("the server reads");
    kept.write_all(&invite("closing", 4).v3()).expect("the server reads");
    let stored = wait_for_rows(file.url(), "sip_capture", 2);
    assert_eq!(stored[0]["msg"].as_deref(), Some(&half.payload[..]));
    assert_eq!(text(&stored[1], "callid"), call_id("closing", 4));
    assert!(!is_closed(&mut kept));
    let statistics = server.statistics();
    assert_eq!((statistics["hep_packets"], statistics["hep_bad"], statistics["hep_refused"]), (5, 1, 1));
}

#[test]
fn nothing_leaks_from_hep_over_tcp_into_sip_of_the_same_process() {
    let file = SqliteFile::new();
    let seen = r#"xlog("L_ERR", "routed $hep(capture_id) $hep(version)\n"); sip_capture(); exit;"#;
    let server = tcp_node(&file, "return 1;").route("request_route", seen).start();
    let before = now_us();
    let mut agent = TcpStream::connect(server.address()).expect("the server accepts");
    let correlated = Observed { correlation: Some(b"leg-a@example.org".to_vec()), ..invite("leak", 1) };
    agent.write_all(&correlated.v3()).expect("the server reads");
    wait_for_rows(file.url(), "sip_capture", 1);
    let mut phone = TcpStream::connect(server.address()).expect("the server accepts");
    phone.write_all(&answered_call("leak", 2)[0].text).expect("the server reads");
    let stored = wait_for_rows(file.url(), "sip_capture", 2);
    assert_eq!(text(&stored[0], "correlation_id"), "leg-a@example.org");
    assert_eq!(text(&stored[1], "correlation_id"), call_id("leak", 2));
    assert_eq!(text(&stored[1], "node"), "homer01");
    assert!(text(&stored[1], "micro_ts").parse::<u128>().expect("a number") >= before);
    assert_eq!(logged(&server, "routed "), ["1 3", "<null> <null>"]);
}

#[test]
fn a_packet_larger_than_the_read_buffer_ends_its_connection_and_no_other() {
    let file = SqliteFile::new();
    let large = Observed { payload: invite("large", 1).payload.repeat(60), ..invite("large", 1) };
    assert!((20_000..60_000).contains(&large.payload.len()));
    let node = tcp_node(&file, "return 1;");
    let small = node.clone().start();
    let mut other = TcpStream::connect(small.address()).expect("the server accepts");
    let mut agent = TcpStream::connect(small.address()).expect("the server accepts");
    // The server may close it before it has everything.
    let _ = agent.write_all(&large.v3());
    within(PATIENCE, "the connection is closed", || is_closed(&mut agent));
    other.write_all(&invite("large", 2).v3()).expect("the server reads");
    wait_for_rows(file.url(), "sip_capture", 1);
    let mut roomy = node.line("tcp_rd_buf_size=65536");
    if release() >= (5, 8, 0) {
        // These releases have a limit of their own.
        roomy = roomy.line("msg_recv_max_size=65536");
    }
    let roomy = roomy.start();
    let mut agent = TcpStream::connect(roomy.address()).expect("the server accepts");
    agent.write_all(&large.v3()).expect("the server reads");
    let stored = wait_for_rows(file.url(), "sip_capture", 2);
    assert_eq!(stored[1]["msg"].as_deref(), Some(&large.payload[..]));
}

#[test]
fn what_is_neither_sip_nor_hep_is_shown_to_the_event_route() {
    let file = SqliteFile::new();
    let hook = r#"xlog("L_ERR", "shown $ml $hep(version)\n"); if ($ml == 50) { return 0; } return 1;"#;
    let mut server = node(&file, hook).children(1).start();
    let sender = HepSender::to(server.address());
    sender.send(&[b'x'; 50]);
    sender.send(&[b'x'; 60]);
    sender.send(&invite("stranger", 1).v3());
    wait_for_rows(file.url(), "sip_capture", 1);
    assert_eq!(logged(&server, "shown ")[..2], ["50 <null>", "60 <null>"]);
    // Kamailio reports the one that was not dropped.
    assert_eq!(server.log().matches("core parsing of SIP message failed").count(), 1);
    server.assert_serving();
}

#[test]
fn without_the_hook_hep_over_tcp_is_not_taken() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).tcp().line("tcp_accept_hep3=yes").start();
    let mut agent = TcpStream::connect(server.address()).expect("the server accepts");
    agent.write_all(&invite("unhooked", 1).v3()).expect("the server reads");
    within(PATIENCE, "the connection is closed", || is_closed(&mut agent));
    assert_eq!(server.statistic("hep_packets"), 0);
}

#[test]
fn hep_over_tls_is_taken_as_over_tcp() {
    let file = SqliteFile::new();
    let directory = tempfile::tempdir().expect("a private directory");
    let (key, certificate) = certificate(directory.path());
    let address: SocketAddr = free_address();
    let server = tcp_node(&file, r#"xlog("L_ERR", "asked $proto\n"); return 1;"#)
        .load("tls.so")
        .param("tls", "tls_method", "TLSv1.2+")
        .param("tls", "private_key", &key)
        .param("tls", "certificate", &certificate)
        .first_line("enable_tls=yes")
        .line(&format!("listen=tls:{address}"))
        .start();
    let mut agent = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let mut stream = agent.stdin.take().expect("a pipe");
    for number in 1..=3 {
        stream.write_all(&invite("tls", number).v3()).expect("the pipe takes it");
    }
    stream.flush().expect("the pipe takes it");
    let stored = wait_for_rows(file.url(), "sip_capture", 3);
    drop(stream);
    agent.kill().expect("the agent is stopped");
    agent.wait().expect("the agent is reaped");
    assert_eq!(text(&stored[2], "callid"), call_id("tls", 3));
    assert_eq!(text(&stored[2], "source_ip"), "192.0.2.10");
    assert_eq!(logged(&server, "asked "), ["tls", "tls", "tls"]);
}

#[test]
fn a_hook_without_anything_to_run_stops_the_start() {
    let file = SqliteFile::new();
    let bare = || ConfigBuilder::capture_node(Module::Ours, file.url()).set("nonsip_hook", 1);
    let missing = bare().refused();
    assert!(missing.contains("nonsip_hook: event_route[sipcapture:request] is not there"), "{missing}");
    let empty = bare().route(EVENT_ROUTE, ";").refused();
    assert!(empty.contains("nonsip_hook: event_route[sipcapture:request] is empty"), "{empty}");
    let rival = bare()
        .route(EVENT_ROUTE, "return 1;")
        .first_line("loadmodule \"nosip.so\"")
        .route("event_route[nosip:msg]", "exit;")
        .refused();
    assert!(rival.contains("nonsip_hook: another module"), "{rival}");
    let engineless = bare().set("event_callback", "on_hep").refused();
    assert!(engineless.contains("event_callback: there is no script engine"), "{engineless}");
}

#[test]
fn a_lua_function_looks_at_each_packet() {
    let file = SqliteFile::new();
    let directory = tempfile::tempdir().expect("a private directory");
    let script = directory.path().join("hook.lua");
    std::fs::write(
        &script,
        r#"
function on_hep(event)
    local agent = KSR.pv.get("$hep(capture_id)")
    KSR.err("called " .. event .. " " .. tostring(agent) .. " " .. KSR.pv.get("$hep(src_ip)") .. "\n")
    if agent == 1 then
        KSR.sipcapture.report_capture_data("of_lua", "", KSR.pv.get("$hep(payload)"))
        KSR.x.drop()
    elseif agent == 2 then
        KSR.set_drop()
    end
end
"#,
    )
    .expect("the script is written");
    let server = ConfigBuilder::capture_node(Module::Ours, file.url())
        .children(1)
        .set("nonsip_hook", 1)
        .set("event_callback", "on_hep")
        .load("app_lua.so")
        .param("app_lua", "load", script.to_str().expect("a path in UTF-8"))
        .line("cfgengine \"lua\"")
        .start();
    let sender = HepSender::to(server.address());
    sender.send(&report(1, 5).v3());
    sender.send(&invite("lua", 2).v3());
    sender.send(&invite("lua", 3).v3());
    let stored = wait_for_rows(file.url(), "sip_capture", 1);
    assert_eq!(text(&stored[0], "callid"), call_id("lua", 3));
    let reports = wait_for_rows(file.url(), "of_lua", 1);
    assert_eq!(text(&reports[0], "correlation_id"), "leg-a@example.org");
    assert_eq!(text(&reports[0], "msg"), r#"{"packets":7}"#);
    let called = logged(&server, "called ");
    assert_eq!(called, [1, 2, 3].map(|agent| format!("sipcapture:request {agent} 192.0.2.10")));
}
