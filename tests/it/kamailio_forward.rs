//! `sip_capture_forward()`: HEP packets and messages sent on as they are, to addresses at once, to names when they are known, and never at
//! the cost of a worker.

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::rows::SqliteFile;
use crate::common::sip::answered_call;
use crate::common::wait::{eventually, within};
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);
/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;
const EVENT_ROUTE: &str = "event_route[sipcapture:request]";

fn invite(agent: u32) -> Observed {
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    Observed { agent, ..Observed::sip(source, destination, NOON_US, &answered_call("forward", agent.into())[0].text) }
}

/// A collector's socket.
fn collector() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
    let address = socket.local_addr().expect("the socket is bound");
    (socket, address)
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut datagram = vec![0; 65_535];
    let length = socket.recv(&mut datagram).expect("a datagram is forwarded");
    datagram.truncate(length);
    datagram
}

fn logged(server: &Kamailio, word: &str) -> Vec<String> {
    let log = server.log();
    log.lines().filter_map(|line| Some(line.split_once(word)?.1.trim().to_owned())).collect()
}

/// Whether the server has a process that looks names up.
fn has_resolver(server: &Kamailio) -> bool {
    server.processes().iter().any(|(_, what)| what == "sipcapture resolver")
}

#[test]
fn the_event_route_sends_packets_on_as_they_are_as_the_stock_module_does() {
    for module in [Module::Stock, Module::Ours] {
        let file = SqliteFile::new();
        let (socket, address) = collector();
        let hook = format!(
            "$var(a) = sip_capture_forward(\"sip:{address}\"); \
                            xlog(\"L_ERR\", \"answer $var(a)\\n\"); return 0;"
        );
        let server =
            ConfigBuilder::capture_module(module, file.url()).set("nonsip_hook", 1).route(EVENT_ROUTE, &hook).start();
        let packet = invite(1).v3();
        HepSender::to(server.address()).send(&packet);
        assert_eq!(receive(&socket), packet, "{module:?}");
        within(PATIENCE, "the call has answered 1", || logged(&server, "answer ") == ["1"]);
        assert!(module == Module::Stock || !has_resolver(&server), "an address needs no resolver");
    }
}

#[test]
fn a_route_sends_the_message_inside_to_a_uri_that_a_variable_tells() {
    let file = SqliteFile::new();
    let (socket, address) = collector();
    let route = format!("$var(to) = \"sip:{address}\"; sip_capture_forward(\"$var(to)\"); exit;");
    let server = ConfigBuilder::capture_module(Module::Ours, file.url()).route("request_route", &route).start();
    let observed = invite(1);
    let sender = HepSender::to(server.address());
    sender.send(&observed.v3());
    assert_eq!(receive(&socket), observed.payload);
    sender.send(&observed.payload);
    assert_eq!(receive(&socket), observed.payload);
    assert!(has_resolver(&server), "a variable may bring a name");
}

#[test]
fn tcp_takes_packets_one_behind_the_other() {
    let file = SqliteFile::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the socket is bound");
    let hook = format!("sip_capture_forward(\"sip:{address};transport=tcp\"); return 0;");
    let node = ConfigBuilder::capture_module(Module::Ours, file.url()).set("nonsip_hook", 1).children(1).tcp();
    let server = node.route(EVENT_ROUTE, &hook).start();
    let packets: Vec<Vec<u8>> = (1..=10).map(|agent| invite(agent).v3()).collect();
    let sender = HepSender::to(server.address());
    packets.iter().for_each(|packet| sender.send(packet));
    let (mut stream, _) = listener.accept().expect("the server connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
    let mut received = vec![0; packets.concat().len()];
    stream.read_exact(&mut received).expect("everything comes");
    assert_eq!(received, packets.concat());
}

#[test]
fn a_name_is_looked_up_outside_the_worker() {
    let file = SqliteFile::new();
    let (socket, address) = collector();
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout is set");
    let hook = format!("sip_capture_forward(\"sip:localhost:{}\"); return 0;", address.port());
    let node = ConfigBuilder::capture_module(Module::Ours, file.url()).set("nonsip_hook", 1).children(1);
    // So that names are looked for where the system has them, as in its file of hosts.
    let server = node.first_line("use_dns_cache=no").route(EVENT_ROUTE, &hook).start();
    let sender = HepSender::to(server.address());
    let packet = invite(1).v3();
    let mut datagram = vec![0; 65_535];
    within(PATIENCE, "a packet arrives once the name is known", || {
        sender.send(&packet);
        socket.recv(&mut datagram).is_ok_and(|length| datagram[..length] == packet)
    });
    assert!(has_resolver(&server), "{:?}", server.processes());
}

#[test]
fn the_resolver_ends_with_a_server_that_is_killed() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_module(Module::Ours, file.url());
    let mut server = node.route("request_route", "sip_capture_forward(\"sip:localhost\"); exit;").start();
    let listed = || server.processes().into_iter().find(|(_, what)| what == "sipcapture resolver");
    within(PATIENCE, "the resolver is listed", || listed().is_some());
    let (resolver, _) = listed().expect("it is listed");
    server.kill_main();
    let status = format!("/proc/{resolver}/status");
    let has_ended = || std::fs::read_to_string(&status).map_or(true, |status| status.contains("State:\tZ"));
    within(PATIENCE, "the resolver has ended", has_ended);
}

#[test]
fn a_name_that_nobody_knows_costs_its_packets_and_nothing_else() {
    let file = SqliteFile::new();
    let (socket, address) = collector();
    let hook = format!(
        "if ($hep(capture_id) == 1) {{ $var(a) = sip_capture_forward(\"sip:nobody.invalid:9060\"); \
         xlog(\"L_ERR\", \"answer $var(a)\\n\"); return 0; }} sip_capture_forward(\"sip:{address}\"); return 0;"
    );
    let node = ConfigBuilder::capture_module(Module::Ours, file.url()).set("nonsip_hook", 1).children(1);
    // So that a system whose name servers do not answer is not waited for.
    let node = node.first_line("dns_retr_time=1").first_line("dns_retr_no=1");
    let mut server = node.first_line("use_dns_cache=no").route(EVENT_ROUTE, &hook).start();
    let sender = HepSender::to(server.address());
    for _ in 0..5 {
        sender.send(&invite(1).v3());
        sender.send(&invite(2).v3());
        assert_eq!(receive(&socket), invite(2).v3());
    }
    assert_eq!(logged(&server, "answer "), ["-1"; 5]);
    within(PATIENCE, "the log tells of it", || server.log().contains("nobody.invalid cannot be resolved"));
    server.assert_serving();
}

#[test]
fn what_cannot_be_sent_to_answers_minus_1() {
    let file = SqliteFile::new();
    let uris = [
        "",
        "no uri",
        "http://127.0.0.1",
        "sip:127.0.0.1:5;transport=tcp",
        "sip:127.0.0.1:5;transport=ws",
        "sip:[::1]:5",
    ];
    let calls = uris.map(|uri| {
        format!(
            "$var(to) = \"{uri}\"; $var(a) = sip_capture_forward(\"$var(to)\"); xlog(\"L_ERR\", \"answer $var(a)\\n\");"
        )
    });
    let route = calls.concat() + " exit;";
    let mut server = ConfigBuilder::capture_module(Module::Ours, file.url()).route("request_route", &route).start();
    HepSender::to(server.address()).send(&invite(1).v3());
    within(PATIENCE, "every call has answered", || logged(&server, "answer ").len() == uris.len());
    assert_eq!(logged(&server, "answer "), ["-1"; 6]);
    server.assert_serving();
}

#[test]
fn lua_sends_packets_on_too() {
    let file = SqliteFile::new();
    let (socket, address) = collector();
    let directory = tempfile::tempdir().expect("a private directory");
    let script = directory.path().join("forward.lua");
    let body = format!(
        "function forward()\n    KSR.err(\"answer \" .. KSR.sipcapture.sip_capture_forward(\"sip:{address}\") .. \"\\n\")\n    \
         KSR.err(\"answer \" .. KSR.sipcapture.sip_capture_forward(\"\") .. \"\\n\")\nend\n"
    );
    std::fs::write(&script, body).expect("the script is written");
    let server = ConfigBuilder::capture_module(Module::Ours, file.url())
        .load("app_lua.so")
        .param("app_lua", "load", script.to_str().expect("a path in UTF-8"))
        .route("request_route", "lua_run(\"forward\"); exit;")
        .start();
    let observed = invite(1);
    HepSender::to(server.address()).send(&observed.v3());
    assert_eq!(receive(&socket), observed.payload);
    assert!(eventually(PATIENCE, || logged(&server, "answer ").len() == 2));
    assert_eq!(logged(&server, "answer "), ["1", "-1"]);
    assert!(has_resolver(&server), "a script in another language may bring a name");
}
