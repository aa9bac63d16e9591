//! `sip_capture_forward()`: HEP packets and messages sent on as they are, to addresses at once, to names when they are
//! known, and never at the cost of a worker.

use crate::common::certificate::certificate;
use crate::common::hep::{Chunks, Observed};
use crate::common::hep_sender::HepSender;
use crate::common::hosts::Hosts;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::ports::free_address;
use crate::common::rows::SqliteFile;
use crate::common::sip::answered_call;
use crate::common::wait::{eventually, within};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

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
    // The server answers before its last process has a name.
    within(PATIENCE, "the resolver runs, since a variable may bring a name", || has_resolver(&server));
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
fn tls_takes_packets_one_behind_the_other() {
    let file = SqliteFile::new();
    let directory = tempfile::tempdir().expect("a private directory");
    let (key, certificate) = certificate(directory.path());
    let address = free_address();
    let mut collector = Command::new("openssl")
        .args(["s_server", "-quiet", "-accept", &address.to_string()])
        .args(["-key", &key, "-cert", &certificate])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    within(PATIENCE, "the collector listens", || TcpStream::connect(address).is_ok());
    let hook = format!("sip_capture_forward(\"sip:{address};transport=tls\"); return 0;");
    let node = ConfigBuilder::capture_module(Module::Ours, file.url()).set("nonsip_hook", 1).children(1).tcp();
    let server = node
        .load("tls.so")
        .param("tls", "tls_method", "TLSv1.2+")
        .param("tls", "private_key", &key)
        .param("tls", "certificate", &certificate)
        .first_line("enable_tls=yes")
        .line(&format!("listen=tls:{}", free_address()))
        .route(EVENT_ROUTE, &hook)
        .start();
    let packets: Vec<Vec<u8>> = (1..=3).map(|agent| invite(agent).v3()).collect();
    let sender = HepSender::to(server.address());
    packets.iter().for_each(|packet| sender.send(packet));
    let mut output = collector.stdout.take().expect("a pipe");
    let mut received = vec![0; packets.concat().len()];
    let reader = spawn(move || output.read_exact(&mut received).map(|()| received));
    let is_read = eventually(PATIENCE, || reader.is_finished());
    collector.kill().expect("the collector is stopped");
    collector.wait().expect("the collector is reaped");
    assert!(is_read, "the packets do not arrive:\n{}", server.log());
    assert_eq!(reader.join().expect("the reader ends").expect("everything comes"), packets.concat());
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
    within(PATIENCE, "the resolver is listed", || has_resolver(&server));
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

/// Sends packets of this agent until one arrives.
fn await_arrival(sender: &HepSender, agent: u32, socket: &UdpSocket) {
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout is set");
    let packet = invite(agent).v3();
    let mut datagram = vec![0; 65_535];
    within(Duration::from_secs(90), &format!("a packet of agent {agent} arrives"), || {
        sender.send(&packet);
        socket.recv(&mut datagram).is_ok_and(|length| datagram[..length] == packet)
    });
}

#[test]
fn a_name_is_looked_up_again_and_keeps_its_address_while_that_fails() {
    let file = SqliteFile::new();
    let [(kept, kept_address), (late, late_address), (old, old_address)] = [collector(), collector(), collector()];
    let new = UdpSocket::bind(("127.0.0.2", old_address.port())).expect("the port is free there too");
    let hosts = Hosts::with(&[("moved.test", "127.0.0.1"), ("kept.test", "127.0.0.1")]);
    let hook: String = [("moved", old_address), ("kept", kept_address), ("late", late_address)]
        .iter()
        .zip(1..)
        .map(|((name, address), agent)| {
            let port = address.port();
            format!("if ($hep(capture_id) == {agent}) sip_capture_forward(\"sip:{name}.test:{port}\"); ")
        })
        .collect();
    let started = Instant::now();
    let node = ConfigBuilder::capture_module(Module::Ours, file.url()).set("nonsip_hook", 1).children(1);
    let node = node.first_line("use_dns_cache=no").through(hosts.command());
    let mut server = node.route(EVENT_ROUTE, &format!("{hook}return 0;")).start();
    let sender = HepSender::to(server.address());
    await_arrival(&sender, 1, &old);
    await_arrival(&sender, 2, &kept);
    within(PATIENCE, "the log tells of the name that is not there", || {
        server.log().contains("late.test cannot be resolved; nothing is sent there until it can be")
    });
    hosts.set(&[("moved.test", "127.0.0.2"), ("late.test", "127.0.0.1")]);
    await_arrival(&sender, 3, &late);
    // The clock behind this counts whole seconds.
    assert!(started.elapsed() >= Duration::from_secs(4), "a name that was not found is looked up after 5 s");
    await_arrival(&sender, 1, &new);
    assert!(started.elapsed() >= Duration::from_secs(29), "an address is looked up again after 30 s");
    within(PATIENCE, "the log tells of the name that has gone", || {
        server
            .log()
            .contains("kept.test cannot be resolved; nothing is sent there but to the address that it had before")
    });
    await_arrival(&sender, 2, &kept);
    server.assert_serving();
}

#[test]
fn of_more_than_64_names_the_one_that_was_used_longest_ago_makes_room() {
    let file = SqliteFile::new();
    let (_socket, address) = collector();
    let names: Vec<String> = (0..=64).map(|number| format!("n{number}.test")).collect();
    let hosts = Hosts::with(&names.iter().map(|name| (name.as_str(), "127.0.0.1")).collect::<Vec<_>>());
    let route = format!(
        "$var(to) = \"sip:\" + $rU + \":{}\"; $var(a) = sip_capture_forward(\"$var(to)\"); \
         xlog(\"L_ERR\", \"answer $var(a)\\n\"); exit;",
        address.port()
    );
    let node = ConfigBuilder::capture_module(Module::Ours, file.url()).children(1).first_line("use_dns_cache=no");
    let server = node.through(hosts.command()).route("request_route", &route).start();
    let sender = HepSender::to(server.address());
    let is_known = |name: &str| {
        let asked = logged(&server, "answer ").len();
        let message = String::from_utf8(answered_call("names", 1)[0].text.clone()).expect("ASCII");
        sender.send(message.replacen("callee0000000001", name, 1).as_bytes());
        within(PATIENCE, "the call has answered", || logged(&server, "answer ").len() > asked);
        logged(&server, "answer ")[asked] == "1"
    };
    let (oldest, newest) = (&names[0], &names[64]);
    within(PATIENCE, "the first name is known", || is_known(oldest));
    // Ages are whole seconds.
    sleep(Duration::from_millis(1100));
    for name in &names[1..64] {
        assert!(!is_known(name), "{name} is known before it was used");
    }
    within(PATIENCE, "64 names are known", || names[1..64].iter().all(|name| is_known(name)));
    within(PATIENCE, "one more is known", || is_known(newest));
    assert!(names[1..].iter().all(|name| is_known(name)), "a name that was used later made room");
    assert!(!is_known(oldest), "the oldest name did not make room");
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

/// `payload` as zlib makes it smaller.
fn compressed(payload: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(payload).expect("a Vec takes every write");
    encoder.finish().expect("a Vec takes every write")
}

#[test]
fn what_is_redacted_holds_no_secret_where_the_parameters_mask_them() {
    let file = SqliteFile::new();
    let [(packets, packets_address), (messages, messages_address)] = [collector(), collector()];
    let hook = format!(
        "$var(a) = sip_capture_forward(\"sip:{packets_address}\"); xlog(\"L_ERR\", \"answer $var(a)\\n\"); return 1;"
    );
    let node = ConfigBuilder::capture_module(Module::Ours, file.url()).set("nonsip_hook", 1).children(1);
    let node = node.set("mask", "Authorization").set("mask_body", 1).route(EVENT_ROUTE, &hook);
    let route = format!("sip_capture_forward(\"sip:{messages_address}\"); exit;");
    let mut server = node.route("request_route", &route).start();
    let sender = HepSender::to(server.address());
    let call = String::from_utf8(answered_call("forward", 1)[0].text.clone()).expect("ASCII");
    let (head, body) = call.split_once("\r\n\r\n").expect("an INVITE has a body");
    let credentials = "Authorization: Digest username=\"a\", realm=\"r\", response=\"0123456789abcdef\"";
    let head = format!("{}\r\n{credentials}", head.replace("INVITE", "MESSAGE"));
    let secret = format!("{head}\r\n\r\n{body}").into_bytes();
    let dark = body.chars().map(|letter| if matches!(letter, '\r' | '\n') { letter } else { 'x' });
    let head = head.replace("0123456789abcdef", "xxxxxxxxxxxxxxxx");
    let masked = format!("{head}\r\n\r\n{}", dark.collect::<String>()).into_bytes();
    let [sent, wanted] = [&secret, &masked].map(|payload| Observed { payload: payload.clone(), ..invite(1) });
    for (packet, wanted) in [(sent.v1(), wanted.v1()), (sent.v2(), wanted.v2()), (sent.v3(), wanted.v3())] {
        sender.send(&packet);
        assert_eq!(receive(&packets), wanted);
        // The message is sent on by the route that it is for.
        assert_eq!(receive(&messages), masked);
    }
    sender.send(&[b"\r\n", &secret[..]].concat());
    assert_eq!(receive(&messages).trim_ascii_start(), masked);

    let packed = |payload: &[u8]| {
        let empty = Observed { payload: Vec::new(), ..invite(1) }.v3();
        let mut packet =
            [&empty[..empty.len() - 6], &Chunks::new().chunk(16, &compressed(payload)).packet()[6..]].concat();
        let length = u16::try_from(packet.len()).expect("a small packet");
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        packet
    };
    sender.send(&packed(&secret));
    let packet = receive(&packets);
    let wanted = packed(&masked);
    let head = wanted.len() - compressed(&masked).len();
    assert_eq!(packet[6..head - 2], wanted[6..head - 2]);
    let mut inflated = Vec::new();
    ZlibDecoder::new(&packet[head..]).read_to_end(&mut inflated).expect("what zlib made");
    assert_eq!(inflated, masked);
    assert_eq!(receive(&messages), masked);

    // Nobody knows what is in a packet that cannot be read.
    let cut = sent.v3();
    sender.send(&cut[..cut.len() - 1]);
    within(PATIENCE, "every call has answered", || logged(&server, "answer ").len() == 5);
    assert_eq!(logged(&server, "answer "), ["1", "1", "1", "1", "-1"]);
    assert!(server.log().contains("a HEP packet is not sent on, for its secrets cannot be masked"), "{}", server.log());
    assert!(!server.log().contains("0123456789abcdef"), "{}", server.log());
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

#[test]
fn what_is_not_sent_is_told_without_the_user_and_the_password_of_its_uri() {
    for (uri, told) in [
        ("sip:me:s3cret@127.0.0.1:9;transport=sctp", "nothing is sent to sip:127.0.0.1:9;transport=sctp:"),
        ("sips:me:s3cret@127.0.0.1;transport=udp", "\"sips:127.0.0.1;transport=udp\" is no SIP URI"),
        ("sip:127.0.0.1:9;transport=sctp", "nothing is sent to sip:127.0.0.1:9;transport=sctp:"),
    ] {
        let file = SqliteFile::new();
        let route = format!("$var(to) = \"{uri}\"; sip_capture_forward(\"$var(to)\"); exit;");
        let server = ConfigBuilder::capture_module(Module::Ours, file.url()).route("request_route", &route).start();
        HepSender::to(server.address()).send(&invite(1).payload);
        within(PATIENCE, "the operator is told", || server.log().contains(told));
        assert!(!server.log().contains("s3cret"), "{}", server.log());
    }
}
