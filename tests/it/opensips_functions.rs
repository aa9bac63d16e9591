//! What OpenSIPS' scripts do with HEP packets: single chunks, relaying, going on with the message inside, and messages
//! that wait until they are stored.

use crate::common::hep::{Chunks, Observed};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::Module;
use crate::common::opensips::{ConfigBuilder, OpenSips, is_missing};
use crate::common::rows::{SqliteFile, count, select, text};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use std::net::UdpSocket;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;

fn invite(number: u64) -> Observed {
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    Observed::sip(source, destination, NOON_US, &answered_call("functions", number)[0].text)
}

/// A node whose route `look` sees each HEP packet first.
fn looking(file: &SqliteFile, look: &str) -> ConfigBuilder {
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).param("hep_route", "look");
    node.route("route[look]", look)
}

fn wait_for(server: &OpenSips, line: &str, times: usize) {
    within(PATIENCE, line, || server.log().matches(line).count() >= times);
}

#[test]
fn what_a_script_sets_in_a_packet_is_read_back_and_stored() {
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    let look = r#"
        if (!hep_set("src_ip", "203.0.113.9") || !hep_set("src_port", "7777")) xlog("WRONG 1\n");
        if (!hep_set("captagent_id", "4000000000") || !hep_set("proto_id", "tls")) xlog("WRONG 2\n");
        # Today's order of arguments, and the older one.
        if (!hep_set("17", "other-leg", "utf8-string", "0")) xlog("WRONG 3\n");
        if (!hep_set("uint32", "0x0bb8", "5", "70000")) xlog("WRONG 4\n");
        if (hep_set("timestamp", "1") || hep_set("proto_family", "2") || hep_set("19", "258", "uint8")) xlog("WRONG 5\n");
        hep_get("src_ip", , $var(ip));
        hep_get("0x0bb8", "uint32", $var(number), $var(vendor));
        hep_get("17", "utf8-string", $var(leg));
        xlog("READ $var(ip) $var(number) $var(vendor) $var(leg) $HEPVERSION $hep_net(proto_id)\n");
        if (!hep_del("0x0bb8") || hep_get("0x0bb8", "uint32", $avp(gone)) || hep_del("0x0bb8")) xlog("WRONG 6\n");
        $avp(gone) = "there";
        if (hep_get("0x0bb8", "uint32", $avp(gone)) || $avp(gone) != NULL) xlog("WRONG 7 $avp(gone)\n");
        sip_capture("sip_capture", "one", , "three");
    "#;
    let mut server = looking(&file, look).start();
    HepSender::to(server.hep_address()).send(&invite(1).v3());
    wait_for(&server, "READ 203.0.113.9 70000 5 other-leg 3 hep_udp", 1);
    within(PATIENCE, "the message is stored", || server.statistic("stored") == 1);
    let row = select(file.url(), "SELECT * FROM sip_capture").expect("rows").remove(0);
    let of = |column| text(&row, column);
    assert_eq!([of("source_ip"), of("source_port"), of("proto")], ["203.0.113.9", "7777", "22"]);
    assert_eq!([of("node"), of("correlation_id")], ["homer01:-294967296", "other-leg"]);
    assert_eq!([of("custom_field1"), of("custom_field2"), of("custom_field3")], ["one", "", "three"]);
    assert_eq!(of("method"), "INVITE");
    assert!(!server.log().contains("WRONG"), "{}", server.log());
    server.assert_serving();
}

#[test]
fn without_a_packet_of_version_3_every_function_answers_no() {
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    let chunks = r#"
        if (hep_set("src_port", "1") || hep_set("17", "x", "utf8-string") || hep_del("17") || hep_del("payload")) xlog("WRONG 1\n");
        $var(d) = 5;
        if (hep_get("src_ip", "utf8-string", $var(d)) || hep_get("17", , $var(d)) || hep_get("payload")) xlog("WRONG 2\n");
    "#;
    let nothing = r#"
        if (hep_relay()) xlog("WRONG 3\n");
        if (hep_resume_sip()) xlog("WRONG 4\n");
        xlog("SEEN [$hep_net(src_ip)] [$HEPVERSION]\n");
        exit;
    "#;
    for hep_on in [0, 1] {
        let node = looking(&file, &format!("{chunks} xlog(\"LOOKED\\n\");")).param("hep_capture_on", hep_on);
        let mut server = node.route("route", &format!("{chunks}{nothing}")).start();
        HepSender::to(server.sip_address()).send(&answered_call("plain", 1)[0].text);
        wait_for(&server, "SEEN [<null>] [<null>]", 1);
        if hep_on == 1 {
            let sender = HepSender::to(server.hep_address());
            [invite(1).v1(), invite(2).v2()].iter().for_each(|packet| sender.send(packet));
            wait_for(&server, "LOOKED", 2);
        }
        assert!(!server.log().contains("WRONG"), "{}", server.log());
        server.assert_serving();
    }
}

#[test]
fn a_packet_whose_payload_is_deleted_or_replaced_is_what_the_script_made_of_it() {
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    let look = r#"
        if ($hep_net(src_port) == 0) exit;
        hep_get("captagent_id", "uint32", $var(agent));
        hep_get("payload", "utf8-string", $var(whole));
        if (!hep_del("payload")) xlog("WRONG 1\n");
        if (sip_capture() || hep_get("payload", "utf8-string", $var(d))) xlog("WRONG 2\n");
        hep_set("payload", "$var(whole)more");
        if (!sip_capture() || !hep_resume_sip()) xlog("WRONG 3\n");
        xlog("WRONG 4\n");
    "#;
    let mut server = looking(&file, look).route("route", "xlog(\"ROUTED $ci\\n\"); exit;").start();
    let sender = HepSender::to(server.hep_address());
    (1..=20).for_each(|number| sender.send(&invite(number).v3()));
    wait_for(&server, "ROUTED call-00000000", 20);
    within(PATIENCE, "all are stored", || server.statistic("stored") == 20);
    for row in select(file.url(), "SELECT msg FROM sip_capture").expect("rows") {
        assert!(text(&row, "msg").ends_with("more"), "{}", text(&row, "msg"));
    }
    assert!(!server.log().contains("WRONG"), "{}", server.log());
    server.assert_serving();
}

#[test]
fn a_relayed_packet_arrives_as_it_came() {
    if is_missing() {
        return;
    }
    let collector = UdpSocket::bind("127.0.0.1:0").expect("a port");
    collector.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
    let port = collector.local_addr().expect("an address").port();
    let file = SqliteFile::new();
    let look = format!(
        "$du = \"sip:127.0.0.1:{port}\"; if (!hep_relay()) xlog(\"WRONG 1\\n\"); \
         $du = \"sip:127.0.0.1:{port};transport=sctp\"; if (hep_relay()) xlog(\"WRONG 2\\n\");"
    );
    let mut server = looking(&file, &look).start();
    let sip = invite(4).payload;
    let ipv6 = Observed::sip(
        "[2001:db8::1]:5060".parse().expect("an address"),
        "[2001:db8::2]:5080".parse().expect("an address"),
        NOON_US,
        &sip,
    );
    let of_host = Chunks::new().chunk(1, &[2]).chunk(2, &[17]).chunk(7, &[19, 196]).chunk(8, &[19, 216]);
    let of_host =
        of_host.chunk(9, &[104, 78, 181, 192]).chunk(10, &[0, 0, 0, 9]).chunk(11, &[1]).chunk(12, &[0, 0, 0, 7]);
    let listed = of_host.chunk(3, &[192, 0, 2, 1]).chunk(4, &[192, 0, 2, 2]).chunk(17, b"leg").chunk(18, &[0, 5]);
    let packets = [invite(1).v1(), invite(2).v2(), ipv6.v1(), ipv6.v2(), listed.chunk(15, &sip).packet()];
    let sender = HepSender::to(server.hep_address());
    let mut buffer = [0; 65_536];
    for packet in packets {
        sender.send(&packet);
        let length = collector.recv(&mut buffer).expect("the packet arrives");
        assert_eq!(buffer[..length].escape_ascii().to_string(), packet.escape_ascii().to_string());
    }
    assert!(!server.log().contains("WRONG"), "{}", server.log());
    server.assert_serving();
}

#[test]
fn a_script_goes_on_once_its_message_is_stored() {
    const MESSAGES: u64 = 50;
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).load("sl").load("tm").load("signaling");
    let node = node.param_of("tm", "auto_100trying", 0);
    let node = node.route("route", "async(sip_capture(), stored);");
    let mut server = node.route("route[stored]", "xlog(\"WENT ON $rc $ci\\n\"); exit;").start();
    let sender = HepSender::to(server.hep_address());
    (1..=MESSAGES).for_each(|number| sender.send(&invite(number).v3()));
    wait_for(&server, "WENT ON 1 call-", usize::try_from(MESSAGES).expect("few"));
    assert_eq!(count(file.url(), "sip_capture"), MESSAGES);
    server.assert_serving();
}

#[test]
fn a_chunk_that_there_is_not_stops_the_start() {
    if is_missing() {
        return;
    }
    let log = looking(&SqliteFile::new(), "hep_set(\"nonsense\", \"1\");").refused();
    assert!(log.contains("there is no chunk \"nonsense\": proto_family, "), "{log}");
}

#[test]
fn messages_of_raw_sockets_are_routed_by_workers_and_stored_with_their_time() {
    if is_missing() {
        return;
    }
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = receiver.local_addr().expect("an address").port();
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).param("hep_capture_on", 0);
    let node = node.param("raw_moni_capture_on", 1).param("raw_interface", "lo").param("raw_sock_children", 2);
    let node = node.param("raw_socket_listen", format!("127.0.0.1:{port}").as_str()).param("bad_table", "refused");
    let mut server = node.start();
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_micros();
    for number in 1..=20 {
        sender.send_to(&answered_call("raw", number)[0].text, ("127.0.0.1", port)).expect("it leaves");
    }
    // The server's parser refuses this one.
    sender.send_to(b"OPTIONS sip:x SIP/2.0\r\nCall-ID: raw-refused\r\n\r\n", ("127.0.0.1", port)).expect("it leaves");
    within(PATIENCE, "all are stored", || server.statistic("stored") == 21);
    let of = |table| select(file.url(), &format!("SELECT * FROM {table}")).expect("rows");
    let (rows, refused) = (of("sip_capture"), of("refused"));
    assert_eq!((rows.len(), refused.len(), server.statistic("raw_refused")), (20, 1, 1));
    assert_eq!(text(&refused[0], "callid"), "raw-refused");
    for row in rows.iter().chain(&refused) {
        let time: u128 = text(row, "micro_ts").parse().expect("a number");
        assert!((before..before + 60_000_000).contains(&time), "{time}");
        assert_eq!([text(row, "proto"), text(row, "destination_port")], ["1".to_owned(), port.to_string()]);
        assert_eq!(text(row, "source_port"), sender.local_addr().expect("an address").port().to_string());
    }
    let readers = server.processes().iter().filter(|(_, name)| name == "RAW receiver").count();
    assert_eq!(readers, 2);
    server.assert_serving();
    assert!(server.stop().success());
}

#[test]
fn a_script_without_the_route_that_looks_at_packets_is_refused() {
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    let mut server = looking(&file, "sip_capture();").start();
    let config = server.directory().join("opensips.cfg");
    let text = std::fs::read_to_string(&config).expect("the configuration is there");
    std::fs::write(&config, text.replace("route[look]", "route[other]")).expect("it is written");
    let answer = server.mi("reload_routes", "").expect("an answer");
    assert!(answer.contains("error"), "{answer}");
    assert!(server.log().contains("parameter hep_route: route[look] is not there"), "{}", server.log());
    std::fs::write(&config, text.replace("sip_capture();", "sip_capture(); xlog(\"NEW\\n\");")).expect("it is written");
    assert_eq!(server.result("reload_routes", ""), "OK");
    HepSender::to(server.hep_address()).send(&invite(1).v3());
    wait_for(&server, "NEW", 1);
    within(PATIENCE, "the message is stored", || server.statistic("stored") == 1);
    server.assert_serving();
}
