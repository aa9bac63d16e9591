//! `$hep(...)`: by number as in the stock module, by name, in event routes, in routes and in Lua, and who may not send
//! what it reads.

use crate::common::hep::{Chunks, Observed};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::release::release;
use crate::common::rows::{SqliteFile, count};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);
/// 2025-06-15 12:00:00.123456 UTC.
const TIME_US: u64 = 1_749_988_800_123_456;
const EVENT_ROUTE: &str = "event_route[sipcapture:request]";

fn invite(agent: u32) -> Observed {
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    Observed { agent, ..Observed::sip(source, destination, TIME_US, &answered_call("variable", agent.into())[0].text) }
}

/// The lines that a script has logged behind a word.
fn logged(server: &Kamailio, word: &str) -> Vec<String> {
    let log = server.log();
    log.lines().filter_map(|line| Some(line.split_once(word)?.1.trim().to_owned())).collect()
}

fn wait_for_lines(server: &Kamailio, word: &str, wanted: usize) -> Vec<String> {
    within(PATIENCE, &format!("{wanted} lines of {word:?}"), || logged(server, word).len() >= wanted);
    logged(server, word)
}

#[test]
fn by_number_every_field_answers_as_in_the_stock_module() {
    let everything = Chunks::new()
        .chunk(1, &[2])
        .chunk(2, &[6])
        .chunk(3, &[192, 0, 2, 10])
        .chunk(4, &[198, 51, 100, 20])
        .chunk(5, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9])
        .chunk(6, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
        .chunk(7, &[0x13, 0xc4])
        .chunk(8, &[0xff, 0xff])
        .chunk(9, &[0xff, 0xff, 0xff, 0xff])
        .chunk(10, &[0, 0, 0, 0])
        .chunk(11, &[100])
        .chunk(12, &[0, 0, 7, 0xd1])
        .chunk(13, &[0, 60])
        .chunk(14, b"a key")
        .chunk(15, b"a payload")
        .chunk(16, b"x")
        .chunk(17, b"an id")
        .chunk(18, &[0, 3])
        .chunk(19, b"a node")
        .chunk(17, b"another id")
        .packet();
    let meagre = Chunks::new().chunk(11, &[5]).chunk(15, b"a payload that makes 32 bytes").packet();
    let print: String = ["version", "00001", "00011", "0x0FF"].map(|name| format!(" [$hep({name})]")).concat()
        + &(1..20).map(|kind| format!(" [$hep(0x{kind:03x})]")).collect::<String>();
    let compare = r#"
        if ($hep(0x00c) > 2000) { xlog("L_ERR", "field greater\n"); }
        if ($hep(0x00c) == 2001) { xlog("L_ERR", "field equal\n"); }
        if ($hep(0x00e) == "a key") { xlog("L_ERR", "field text\n"); }
        if ($hep(0x00b) == "5") { xlog("L_ERR", "field number as text\n"); }
        if ($hep(0x011) == $null) { xlog("L_ERR", "field null\n"); }
        if ($hep(0x00f) =~ "^a pay") { xlog("L_ERR", "field matches\n"); }
        xlog("L_ERR", "field end\n");
    "#;
    let hook = format!("xlog(\"L_ERR\", \"field{print}\\n\"); {compare} return 0;");
    let answers = |module: Module| {
        let file = SqliteFile::new();
        let node = ConfigBuilder::capture_module(module, file.url()).set("nonsip_hook", 1).children(1);
        let server = node.route(EVENT_ROUTE, &hook).start();
        let sender = HepSender::to(server.address());
        sender.send(&everything);
        sender.send(&meagre);
        within(PATIENCE, "both packets are looked at", || {
            logged(&server, "field ").iter().filter(|line| *line == "end").count() == 2
        });
        logged(&server, "field ")
    };
    let ours = answers(Module::Ours);
    assert_eq!(ours, answers(Module::Stock));
    // What it is not told of is the largest number that a variable holds.
    let none = if release() >= (5, 7, 0) { u64::MAX } else { u64::from(u32::MAX) };
    let first = format!(
        "[3] [2] [100] [] [2] [6] [192.0.2.10] [198.51.100.20] [2001:db8::9] [2001:db8:0:1::] [5060] [65535] \
         [4294967295] [0] [100] [2001] [60] [a key] [a payload] [{none}] [an id] [{none}] [{none}]"
    );
    assert_eq!(ours[0], first);
}

#[test]
fn routes_see_the_fields_of_the_packet_that_brought_the_message_and_null_without_one() {
    let file = SqliteFile::new();
    let names =
        "$hep(version) $hep(src_ip) $hep(dst_port) $hep(capture_id) $hep(correlation_id) $hep(time_sec) $hep(vlan_id)";
    let seen = format!("xlog(\"L_ERR\", \"seen {names}\\n\"); exit;");
    let server = ConfigBuilder::capture_module(Module::Ours, file.url())
        .children(1)
        .route("request_route", &seen)
        .route("onreply_route", &seen.replace("exit", "drop"))
        .start();
    let sender = HepSender::to(server.address());
    let reply = Observed { payload: answered_call("variable", 2)[3].text.clone(), ..invite(2) };
    sender.send(&Observed { correlation: Some(b"leg-a".to_vec()), ..invite(1) }.v3());
    sender.send(&reply.v2());
    sender.send(&invite(3).v1());
    sender.send(&invite(4).payload);
    let lines = wait_for_lines(&server, "seen ", 4);
    let wanted = [
        "3 192.0.2.10 5072 1 leg-a 1749988800 <null>",
        "2 192.0.2.10 5072 2 <null> 1749988800 <null>",
        "1 192.0.2.10 5072 <null> <null> <null> <null>",
        "<null> <null> <null> <null> <null> <null> <null>",
    ];
    assert_eq!(lines, wanted);
}

#[test]
fn branches_see_the_fields_and_a_failure_after_the_packet_has_ended_sees_none() {
    let file = SqliteFile::new();
    let seen = |place: &str| {
        format!(
            "xlog(\"L_ERR\", \"seen {place} $hep(version) $hep(capture_id) $hep(correlation_id) $hep(payload)\\n\");"
        )
    };
    let relay = r#"t_on_branch("1"); t_on_failure("1"); $du = "sip:127.0.0.1:9"; t_relay(); exit;"#;
    let server = ConfigBuilder::capture_module(Module::Ours, file.url())
        .children(1)
        .load("tm.so")
        .param("tm", "fr_timer", 500)
        .route("request_route", relay)
        .route("branch_route[1]", &seen("branch"))
        .route("failure_route[1]", &format!("{} exit;", seen("failure")))
        .start();
    let local = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let observed = Observed { source: local(5071), destination: local(5072), ..invite(1) };
    HepSender::to(server.address()).send(&Observed { correlation: Some(b"leg-a".to_vec()), ..observed }.v3());
    let lines = wait_for_lines(&server, "seen ", 2);
    assert!(lines[0].starts_with("branch 3 1 leg-a INVITE "), "{lines:?}");
    // It runs in a timer, long after the packet.
    assert_eq!(lines[1], "failure <null> <null> <null> <null>");
}

#[test]
fn every_chunk_of_the_specification_has_a_name() {
    let file = SqliteFile::new();
    let names = [
        "keepalive",
        "auth_key",
        "vlan_id",
        "node_name",
        "src_mac",
        "dst_mac",
        "ether_type",
        "tcp_flags",
        "ip_tos",
        "mos",
        "r_factor",
        "geo_location",
        "jitter",
        "transaction_type",
        "payload_json_keys",
        "tags",
        "tag_type",
        "event_type",
        "group_id",
        "family",
        "proto",
        "type",
        "payload",
        "compressed_payload",
    ];
    let print: String = names.map(|name| format!(" {name}=$hep({name})")).concat();
    let hook = format!("xlog(\"L_ERR\", \"fields{print}\\n\"); return 0;");
    let node = ConfigBuilder::capture_module(Module::Ours, file.url()).set("nonsip_hook", 1);
    let server = node.route(EVENT_ROUTE, &hook).start();
    let packet = Chunks::new()
        .chunk(13, &[0, 60])
        .chunk(14, b"key")
        .chunk(18, &[0, 7])
        .chunk(19, b"node1")
        .chunk(20, &[0, 0, 2, 0, 0, 0, 0, 1])
        .chunk(21, &[0, 0, 2, 0, 0, 0, 0, 2])
        .chunk(22, &[8, 0])
        .chunk(23, &[0x12])
        .chunk(24, &[0xb8])
        .chunk(0x20, &[1, 0x9a])
        .chunk(0x21, &[0, 93])
        .chunk(0x22, b"52.5,13.4")
        .chunk(0x23, &[0, 0, 1, 0])
        .chunk(0x24, b"call")
        .chunk(0x25, b"{}")
        .chunk(0x26, b"a,b")
        .chunk(0x27, &[0, 1])
        .chunk(0x28, &[0, 2])
        .chunk(0x29, b"group")
        .packet();
    HepSender::to(server.address()).send(&packet);
    let wanted = "keepalive=60 auth_key=key vlan_id=7 node_name=node1 src_mac=02:00:00:00:00:01 dst_mac=02:00:00:00:00:02 \
                  ether_type=2048 tcp_flags=18 ip_tos=184 mos=410 r_factor=93 geo_location=52.5,13.4 jitter=256 \
                  transaction_type=call payload_json_keys={} tags=a,b tag_type=1 event_type=2 group_id=group family=<null> \
                  proto=<null> type=<null> payload=<null> compressed_payload=<null>";
    assert_eq!(wait_for_lines(&server, "fields ", 1), [wanted]);
}

#[test]
fn an_unknown_field_stops_the_start_and_names_what_there_is() {
    let file = SqliteFile::new();
    for name in ["nosuch", "0x000", "Version", "src_ip2"] {
        let route = format!("$var(x) = $hep({name}); exit;");
        let log = ConfigBuilder::capture_module(Module::Ours, file.url()).route("request_route", &route).refused();
        assert!(log.contains(&format!("$hep({name}): there is no such field")), "{log}");
        assert!(log.contains("correlation_id"), "{log}");
    }
}

#[test]
fn lua_reads_the_fields_too() {
    let file = SqliteFile::new();
    let directory = tempfile::tempdir().expect("a private directory");
    let script = directory.path().join("fields.lua");
    let body = r#"
function show()
    local function text(name) return tostring(KSR.pv.get("$hep(" .. name .. ")")) end
    KSR.err("lua " .. text("version") .. " " .. text("src_port") .. " " .. text("0x00b") .. " " .. text("vlan_id") .. "\n")
end
"#;
    std::fs::write(&script, body).expect("the script is written");
    let server = ConfigBuilder::capture_module(Module::Ours, file.url())
        .children(1)
        .load("app_lua.so")
        .param("app_lua", "load", script.to_str().expect("a path in UTF-8"))
        .route("request_route", "lua_run(\"show\"); exit;")
        .start();
    let sender = HepSender::to(server.address());
    sender.send(&invite(1).v3());
    sender.send(&invite(1).payload);
    assert_eq!(wait_for_lines(&server, "lua ", 2), ["3 5071 1 nil", "nil nil nil nil"]);
}

#[test]
fn strangers_are_dropped_and_counted_over_udp_and_tcp() {
    let file = SqliteFile::new();
    let node = |allowed: &str| {
        ConfigBuilder::capture_node(Module::Ours, file.url())
            .set("hep_allow", allowed)
            .set("nonsip_hook", 1)
            .route(EVENT_ROUTE, r#"xlog("L_ERR", "asked\n"); return 1;"#)
            .tcp()
            .line("tcp_accept_hep3=yes")
    };
    let refusing = node("192.0.2.0/24, 2001:db8::/32 10.0.0.1").start();
    let sender = HepSender::to(refusing.address());
    sender.send(&invite(1).v3());
    sender.send(&invite(1).v1());
    let mut agent = TcpStream::connect(refusing.address()).expect("the server accepts");
    agent.write_all(&invite(1).v3()).expect("the server reads");
    within(PATIENCE, "every packet is refused", || refusing.statistic("hep_not_allowed") == 3);
    assert_eq!((refusing.statistic("hep_packets"), refusing.statistic("captured")), (3, 0));
    let log = refusing.log();
    assert!(log.contains("127.0.0.1") && log.contains("hep_allow"), "{log}");
    assert!(logged(&refusing, "asked").is_empty());
    // What is no HEP is none of its business.
    sender.send(&invite(2).payload);
    within(PATIENCE, "SIP is captured", || count(file.url(), "sip_capture") == 1);

    let taking = node("192.0.2.0/24 127.0.0.0/8").start();
    HepSender::to(taking.address()).send(&invite(3).v3());
    let mut agent = TcpStream::connect(taking.address()).expect("the server accepts");
    agent.write_all(&invite(4).v3()).expect("the server reads");
    within(PATIENCE, "both packets are stored", || count(file.url(), "sip_capture") == 3);
    assert_eq!(taking.statistic("hep_not_allowed"), 0);
}

#[test]
fn without_the_key_nothing_is_taken_and_the_key_is_never_logged() {
    const KEY: &str = "correct-horse";
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).set("hep_auth_key", KEY).first_line("debug=3");
    let server = node.start();
    let sender = HepSender::to(server.address());
    let keyed = |key: &str| {
        let plain = invite(1).v3();
        let chunk = [&[0, 0, 0, 14, 0, 6 + key.len() as u8], key.as_bytes()].concat();
        let length = u16::try_from(plain.len() + chunk.len()).expect("a small packet");
        [b"HEP3", &length.to_be_bytes()[..], &plain[6..], &chunk].concat()
    };
    for packet in [invite(1).v3(), invite(1).v2(), invite(1).v1(), keyed("wrong"), keyed("correct-horsf"), keyed("")] {
        sender.send(&packet);
    }
    sender.send(&keyed(KEY));
    within(PATIENCE, "the right key opens", || count(file.url(), "sip_capture") == 1);
    assert_eq!((server.statistic("hep_packets"), server.statistic("hep_unauthorised")), (7, 6));
    assert_eq!(server.statistic("captured"), 1);
    assert!(!server.rpc(&["sipcapture.stats"]).expect("statistics").contains(KEY));
    let ours = |line: &&str| line.contains(KEY) && line.contains("sipcapture [");
    assert_eq!(server.log().lines().find(ours), None);
}

#[test]
fn what_is_no_network_stops_the_start() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url());
    let log = node.set("hep_allow", "192.0.2.0/24, 10.0.0.0/33").refused();
    assert!(log.contains("parameter hep_allow: the value \"10.0.0.0/33\" is not allowed"), "{log}");
    assert!(log.contains("2001:db8::/32"), "{log}");
}
