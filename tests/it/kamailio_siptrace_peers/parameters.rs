//! Parameters of the agent, each shown by the packets, copies and rows that come of it.

use super::{
    AUTH_KEY, COMPRESSED, CORRELATION, Collector, MESSAGES, NODE_NAME, PATIENCE, PAYLOAD, Proxy, agent, chunk, chunks,
    sending, telling,
};
use crate::common::kamailio::ConfigBuilder;
use crate::common::ports::{free_address, free_port};
use crate::common::rows::{SqliteFile, count, select, text};
use crate::common::wait::within;
use flate2::read::ZlibDecoder;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Of a request and its reply, what the request's packet is made of.
fn request(collector: &Collector) -> Vec<u8> {
    let [request, reply] = [collector.next(), collector.next()];
    assert!(chunk(&reply, PAYLOAD).is_some_and(|message| message.starts_with("SIP/2.0 200 ")));
    request
}

#[test]
fn the_first_of_the_headers_that_is_there_gives_the_correlation_id() {
    let collector = Collector::new();
    let config = sending(&collector.uri()).param("siptrace", "correlation_header", "X-Leg, X-Other-Leg");
    let proxy = Proxy::start(config, "");
    for (headers, id) in [
        ("X-Leg: one\r\n", Some("one")),
        ("x-other-leg:  two \r\n", Some("two")),
        ("X-Other-Leg: two\r\nX-Leg: one\r\n", Some("one")),
        ("X-Legs: three\r\n", None),
        ("", None),
    ] {
        let sent = proxy.ping(headers);
        let [request, reply] = [collector.next(), collector.next()];
        assert_eq!(chunk(&request, PAYLOAD), Some(sent));
        assert_eq!(chunk(&request, CORRELATION).as_deref(), id, "{headers:?}");
        assert_eq!(chunk(&reply, CORRELATION), None);
    }
}

#[test]
fn a_header_gives_the_correlation_id_under_either_of_its_names() {
    let collector = Collector::new();
    let config = sending(&collector.uri()).param("siptrace", "correlation_header", "Subject, y");
    let proxy = Proxy::start(config, "");
    for (headers, id) in [("s: one\r\n", "one"), ("Identity: two\r\n", "two")] {
        proxy.ping(headers);
        assert_eq!(chunk(&request(&collector), CORRELATION).as_deref(), Some(id));
    }
}

#[test]
fn an_id_that_a_script_gives_comes_before_that_of_a_header() {
    let collector = Collector::new();
    let config = telling(&collector.uri()).param("siptrace", "correlation_header", "X-Leg");
    let script = format!(r#"sip_trace("{}", "scripted");"#, collector.uri());
    let proxy = Proxy::start(config, &script);
    proxy.ping("X-Leg: one\r\n");
    assert_eq!(chunk(&collector.next(), CORRELATION).as_deref(), Some("scripted"));
}

#[test]
fn payloads_are_made_smaller_where_that_helps() {
    let collector = Collector::new();
    let proxy = Proxy::start(sending(&collector.uri()).param("siptrace", "hep_compress", 1), "");
    let sent = proxy.ping(&format!("X-Long: {}\r\n", "long ".repeat(100)));
    let packet = request_of(&collector);
    assert_eq!(chunk(&packet, PAYLOAD), None);
    let content = chunks(&packet).into_iter().find(|(kind, _)| *kind == COMPRESSED).expect("a compressed payload").1;
    assert!(content.len() < sent.len());
    let mut inflated = String::new();
    ZlibDecoder::new(&*content).read_to_string(&mut inflated).expect("what zlib made");
    assert_eq!(inflated, sent);
}

/// As [`request`], however the reply is packed.
fn request_of(collector: &Collector) -> Vec<u8> {
    let request = collector.next();
    collector.next();
    request
}

#[test]
fn a_line_that_zlib_would_make_longer_goes_out_as_it_is() {
    let collector = Collector::new();
    let config = telling(&collector.uri()).param("siptrace", "hep_compress", 1);
    let proxy = Proxy::start(config, r#"hlog("short");"#);
    proxy.ping("");
    let packet = collector.next();
    assert_eq!((chunk(&packet, PAYLOAD).as_deref(), chunk(&packet, COMPRESSED)), (Some("short"), None));
}

/// Source and destination of a packet over IPv4.
fn way(packet: &[u8]) -> [SocketAddr; 2] {
    let bytes = |kind| chunks(packet).into_iter().find(|(known, _)| *known == kind).expect("a chunk").1;
    [(3, 7), (4, 8)].map(|(address, port)| {
        let ip = <[u8; 4]>::try_from(bytes(address)).expect("an IPv4 address");
        let port = <[u8; 2]>::try_from(bytes(port)).expect("a port");
        SocketAddr::from((ip, u16::from_be_bytes(port)))
    })
}

/// The first line of `hlog()` that comes to a collector over TCP.
fn line_over_tcp(config: ConfigBuilder, listener: &TcpListener) -> (SocketAddr, Vec<u8>, Proxy) {
    let collector = listener.local_addr().expect("a listener has an address");
    let uri = format!("sip:{collector};transport=tcp");
    let proxy = Proxy::start(config.param("siptrace", "duplicate_uri", &uri), r#"hlog("a line");"#);
    proxy.ping("");
    let (mut stream, agent) = listener.accept().expect("the writer connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
    let mut packet = vec![0; 6];
    stream.read_exact(&mut packet).expect("a packet comes");
    packet.resize(usize::from(u16::from_be_bytes([packet[4], packet[5]])), 0);
    stream.read_exact(&mut packet[6..]).expect("the whole packet comes");
    assert_eq!(way(&packet)[1], collector);
    (agent, packet, proxy)
}

#[test]
fn a_line_names_the_servers_socket_of_the_collectors_transport() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let tcp = free_address();
    let config = agent().param("siptrace", "trace_to_database", 0).tcp();
    let (_, packet, proxy) = line_over_tcp(config.first_line(&format!("listen=tcp:{tcp}")), &listener);
    // Of several on the loopback interface the server prefers the last.
    assert_eq!((way(&packet)[0], way(&packet)[0] == proxy.server.address()), (tcp, false));
}

#[test]
fn a_line_names_the_writers_socket_where_the_server_has_none_of_the_collectors_transport() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (agent, packet, _proxy) = line_over_tcp(agent().param("siptrace", "trace_to_database", 0), &listener);
    assert_eq!(way(&packet)[0], agent);
}

#[test]
fn a_line_names_the_socket_of_send_sock_addr_whatever_its_transport() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let named = free_address();
    let config = agent().param("siptrace", "trace_to_database", 0).tcp().first_line(&format!("listen=udp:{named}"));
    let config = config.param("siptrace", "send_sock_addr", &format!("sip:{named}"));
    assert_eq!(way(&line_over_tcp(config, &listener).1)[0], named);
}

#[test]
fn every_packet_names_its_agent_and_bears_its_key() {
    let collector = Collector::new();
    let config = sending(&collector.uri()).param("siptrace", "hep_node_name", "edge proxy 7");
    let proxy = Proxy::start(config.param("siptrace", "auth_key", "a key"), "");
    proxy.call(1);
    for packet in collector.take(MESSAGES) {
        assert_eq!(chunk(&packet, NODE_NAME).as_deref(), Some("edge proxy 7"));
        assert_eq!(chunk(&packet, AUTH_KEY).as_deref(), Some("a key"));
    }
    assert!(!proxy.server.log().contains("a key"), "{}", proxy.server.log());
}

#[test]
fn packets_without_a_name_and_a_key_have_no_chunks_for_them() {
    let collector = Collector::new();
    let proxy = Proxy::start(sending(&collector.uri()), "");
    proxy.ping("");
    let kinds: Vec<u16> = chunks(&request(&collector)).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, PAYLOAD]);
}

const CREDENTIALS: &str = "Authorization: Digest username=\"a\", realm=\"r\", response=\"0123456789abcdef\"\r\n";

#[test]
fn secrets_are_masked_in_packets_and_rows_and_lengths_are_kept() {
    let (collector, file) = (Collector::new(), SqliteFile::new());
    let config = sending(&collector.uri()).param("siptrace", "mask", "Authorization").without("trace_mode");
    let config = config.param("siptrace", "trace_mode", 3).param("siptrace", "db_url", file.url());
    let proxy = Proxy::start(config, "");
    let sent = proxy.ping(CREDENTIALS);
    let masked = sent.replace("0123456789abcdef", &"x".repeat(16));
    assert_ne!(masked, sent);
    assert_eq!(chunk(&request(&collector), PAYLOAD).as_ref(), Some(&masked));
    within(PATIENCE, "both rows are stored", || count(file.url(), "sip_trace") == 2);
    let rows = select(file.url(), "SELECT msg FROM sip_trace ORDER BY id").expect("the table is readable");
    assert_eq!(text(&rows[0], "msg"), masked);
}

#[test]
fn secrets_are_masked_in_plain_copies() {
    let collector = Collector::new();
    let config = telling(&collector.uri()).without("hep_mode_on").param("siptrace", "mask", "Authorization");
    let proxy = Proxy::start(config, r#"if (is_method("OPTIONS")) { sip_trace(); }"#);
    let sent = proxy.ping(CREDENTIALS);
    let masked = sent.replace("0123456789abcdef", &"x".repeat(16));
    assert_eq!(String::from_utf8(collector.next()).expect("a copy is text"), masked);
}

#[test]
fn bodies_of_messages_are_masked_when_asked_for() {
    let collector = Collector::new();
    let proxy = Proxy::start(sending(&collector.uri()).param("siptrace", "mask_body", 1), "");
    let sent = proxy.text("MESSAGE", "a secret\r\nof two lines");
    let packet = request(&collector);
    let message = chunk(&packet, PAYLOAD).expect("a packet has a payload");
    assert_eq!(message, sent.replace("a secret\r\nof two lines", "xxxxxxxx\r\nxxxxxxxxxxxx"));
    // Others keep theirs.
    let sent = proxy.text("OPTIONS", "no secret");
    assert_eq!(chunk(&request(&collector), PAYLOAD), Some(sent));
}

#[test]
fn nothing_is_masked_that_nobody_asks_for() {
    let collector = Collector::new();
    let proxy = Proxy::start(sending(&collector.uri()), "");
    let sent = proxy.ping(CREDENTIALS);
    assert_eq!(chunk(&request(&collector), PAYLOAD), Some(sent));
}

/// First lines of the messages that are sent until a line ends them.
fn until_end(collector: &Collector, proxy: &Proxy) -> Vec<String> {
    proxy.ping("");
    let payloads = std::iter::from_fn(|| chunk(&collector.next(), PAYLOAD));
    let payloads = payloads.take_while(|payload| payload != "the end");
    payloads.map(|payload| payload.lines().next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_message_with_the_flag_has_its_transaction_traced_and_others_have_not() {
    let traced = |flag: &str| {
        let collector = Collector::new();
        let config = telling(&collector.uri()).param("siptrace", "trace_flag", 5);
        let script = format!(
            r#"if (is_method("OPTIONS")) {{ hlog("the end"); }} {flag} if (is_method("INVITE")) {{ sip_trace(); }}"#
        );
        let proxy = Proxy::start(config, &script);
        proxy.call(1);
        until_end(&collector, &proxy)
    };
    let invite = "INVITE sip:bob@example.org SIP/2.0";
    let replies = ["SIP/2.0 180 Ringing", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK", "SIP/2.0 200 OK"];
    let trying = "SIP/2.0 100 trying -- your call is important to us";
    assert_eq!(traced("setflag(5);"), [&[invite, trying, invite][..], &replies[..]].concat());
    assert_eq!(traced(""), [invite]);
    assert_eq!(traced("setflag(6);"), [invite]);
}

/// A second address of the server, and the line that has it listened on.
fn second_socket() -> (SocketAddr, String) {
    let address = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), free_port()));
    (address, format!("listen=udp:{address} name \"second\""))
}

#[test]
fn packets_leave_from_the_address_and_copies_from_the_socket_that_is_named() {
    for name in ["send_sock_addr", "force_send_sock", "send_sock_name"] {
        let (address, listen) = second_socket();
        let value = if name == "send_sock_name" { "second".to_owned() } else { format!("sip:{address}") };
        let of = |config: ConfigBuilder| config.first_line(&listen).param("siptrace", name, &value);
        let collector = Collector::new();
        let proxy = Proxy::start(of(sending(&collector.uri())), "");
        proxy.ping("");
        let (packet, sender) = collector.next_from();
        assert_eq!((&packet[..4], sender.ip()), (&b"HEP3"[..], address.ip()));

        let collector = Collector::new();
        let config = of(telling(&collector.uri()).without("hep_mode_on"));
        let proxy = Proxy::start(config, r#"if (is_method("OPTIONS")) { sip_trace(); }"#);
        proxy.ping("");
        let (copy, sender) = collector.next_from();
        assert_eq!((&copy[..8], sender), (&b"OPTIONS "[..], address));
    }
}

#[test]
fn of_the_two_names_of_the_socket_the_last_line_counts() {
    for [first, last] in [["send_sock_addr", "force_send_sock"], ["force_send_sock", "send_sock_addr"]] {
        let (address, listen) = second_socket();
        let collector = Collector::new();
        let config = sending(&collector.uri()).first_line(&listen).param("siptrace", first, "sip:127.0.0.9:9");
        let proxy = Proxy::start(config.param("siptrace", last, &format!("sip:{address}")), "");
        proxy.ping("");
        let (_, sender) = collector.next_from();
        assert_eq!(sender.ip(), address.ip(), "{last} is the last");
    }
}
