//! HEP on a Kamailio's UDP sockets: what is taken, what is passed on, what the routes see, and what no packet may do.

use crate::common::hep::{Observed, TCP, TLS};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::rows::{SqliteFile, StoredRow, count, select, text};
use crate::common::sip::{answered_call, call_id, options_ping};
use crate::common::wait::within;
use crate::hep_table::{self, Expect};
use std::net::UdpSocket;
use std::time::{Duration, SystemTime};

const PATIENCE: Duration = Duration::from_secs(10);

/// 2025-06-15 12:00:00.123456 UTC.
const TIME_US: u64 = 1_749_988_800_123_456;

/// Answers pings to the user `ping`, captures everything else.
const ANSWER_OR_CAPTURE: &str =
    "if ($rU == \"ping\") { sl_send_reply(\"200\", \"Alive\"); exit; } sip_capture(); exit;";

fn rows(url: &str) -> Vec<StoredRow> {
    select(url, "SELECT * FROM sip_capture ORDER BY id").unwrap_or_default()
}

fn wait_for_rows(url: &str, wanted: u64) {
    let mut seen = 0;
    within(PATIENCE, &format!("{wanted} rows are stored"), || {
        seen = count(url, "sip_capture");
        seen >= wanted
    });
    assert_eq!(seen, wanted, "more rows than captures");
}

/// The INVITE of a call, as seen between two hosts.
fn invite(prefix: &str, number: u64) -> Observed {
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    Observed::sip(source, destination, TIME_US + number, &answered_call(prefix, number)[0].text)
}

/// Whether the server answers an OPTIONS request.
fn answers(server: &Kamailio) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
    let local = socket.local_addr().expect("the socket is bound");
    socket.send_to(&options_ping(local, server.address()), server.address()).expect("loopback takes a datagram");
    let mut answer = [0; 2048];
    socket.recv(&mut answer).is_ok_and(|length| answer[..length].starts_with(b"SIP/2.0 200 Alive"))
}

#[test]
fn one_server_answers_sip_and_collects_hep() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).route("request_route", ANSWER_OR_CAPTURE);
    let server = node.start();
    let sender = HepSender::to(server.address());
    for number in 0..20 {
        sender.send(&invite("mixed", number).v3());
        assert!(answers(&server), "ping {number} is not answered");
    }
    sender.send(&answered_call("plain", 1)[0].text);
    wait_for_rows(file.url(), 21);
    let plain = rows(file.url()).into_iter().find(|row| text(row, "callid") == call_id("plain", 1));
    assert_eq!(text(&plain.expect("the plain message is captured too"), "destination_ip"), "127.0.0.1");
}

#[test]
fn with_hep_capture_off_udp_traffic_is_left_alone() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).route("request_route", ANSWER_OR_CAPTURE);
    let mut server = node.set("hep_capture_on", 0).start();
    let sender = HepSender::to(server.address());
    assert!(answers(&server));
    sender.send(&invite("ignored", 1).v3());
    sender.send(&answered_call("plain", 1)[0].text);
    wait_for_rows(file.url(), 1);
    assert_eq!(text(&rows(file.url())[0], "callid"), call_id("plain", 1));
    assert!(answers(&server));
    server.assert_serving();
}

#[test]
fn routes_see_the_addresses_of_the_captured_message() {
    let file = SqliteFile::new();
    let seen = r#"xlog("L_ERR", "seen $si $sp $Ri $Rp $proto\n"); sip_capture(); exit;"#;
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).route("request_route", seen);
    let server = node.route("onreply_route", &seen.replace("exit", "drop")).start();
    let sender = HepSender::to(server.address());
    let over = |protocol, source: &str, destination: &str| {
        let [source, destination] = [source, destination].map(|text| text.parse().expect("an address"));
        Observed { protocol, source, destination, ..invite("seen", 1) }
    };
    let plain = invite("seen", 1);
    let tls = over(TLS, "[2001:db8::10]:5081", "[2001:db8::20]:5082");
    let tcp = over(TCP, "192.0.2.30:5091", "198.51.100.40:5092");
    let reply = Observed { payload: answered_call("seen", 1)[3].text.clone(), ..plain.clone() };
    for observed in [&plain, &tls, &tcp, &reply] {
        sender.send(&observed.v3());
        sender.send(&observed.v2());
    }
    wait_for_rows(file.url(), 8);
    let log = server.log();
    // In versions 1 and 2 the receiving socket stays the one that HEP came in on, as in the stock module.
    let (local, port) = (server.address().ip(), server.address().port());
    let lines = [
        ("192.0.2.10 5071 198.51.100.20 5072 udp".to_owned(), 2),
        ("2001:db8::10 5081 2001:db8::20 5082 tls".to_owned(), 1),
        ("192.0.2.30 5091 198.51.100.40 5092 tcp".to_owned(), 1),
        (format!("192.0.2.10 5071 {local} {port} udp"), 2),
        (format!("2001:db8::10 5081 {local} {port} tls"), 1),
        (format!("192.0.2.30 5091 {local} {port} tcp"), 1),
    ];
    for (line, times) in lines {
        assert_eq!(log.to_lowercase().matches(&format!("seen {line}\n")).count(), times, "{line:?} in\n{log}");
    }
}

#[test]
fn correlation_id_and_time_do_not_leak_into_the_next_message() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).children(1).start();
    let sender = HepSender::to(server.address());
    let correlated = Observed { correlation: Some(b"leg-a@example.org".to_vec()), ..invite("leak", 1) };
    let before = SystemTime::now();
    sender.send(&correlated.v3());
    sender.send(&invite("leak", 2).v3());
    sender.send(&correlated.v3());
    sender.send(&invite("leak", 3).v1());
    sender.send(&correlated.v3());
    sender.send(&answered_call("leak", 4)[0].text);
    wait_for_rows(file.url(), 6);
    let rows = rows(file.url());
    let clock = before.duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970").as_micros();
    for (index, correlation, timed) in
        [(1, call_id("leak", 2), true), (3, call_id("leak", 3), false), (5, call_id("leak", 4), false)]
    {
        assert_eq!(text(&rows[index - 1], "correlation_id"), "leg-a@example.org");
        assert_eq!(text(&rows[index], "correlation_id"), correlation);
        let time: u128 = text(&rows[index], "micro_ts").parse().expect("a number");
        assert_eq!(time < clock, timed, "row {index} has the time {time}");
        assert_eq!(text(&rows[index], "node"), if timed { "homer01:2001" } else { "homer01" });
    }
}

/// All rows of all tables, those of SIP messages and those of reports, each with its table's name.
fn rows_of_all_tables(url: &str) -> Vec<(&'static str, StoredRow)> {
    let rows = |table| select(url, &format!("SELECT * FROM {table}")).unwrap_or_default();
    let tables = ["sip_capture", "rtcp_capture", "report_capture", "logs_capture"];
    tables.iter().flat_map(|table| rows(table).into_iter().map(|row| (*table, row))).collect()
}

#[test]
fn the_server_stores_and_counts_every_packet_as_the_table_of_malformed_ones_says() {
    let file = SqliteFile::new();
    let mut server = ConfigBuilder::capture_node(Module::Ours, file.url()).children(1).start();
    let workers = server.workers();
    let sender = HepSender::to(server.address());
    let packets = hep_table::rows();
    sender.send_paced(500, packets.iter().map(|row| &row.bytes));
    sender.send(&invite("sentinel", 1).v3());
    within(PATIENCE, "the last packet is stored", || {
        server.statistic("queued") == 0
            && rows(file.url()).iter().any(|row| text(row, "callid") == call_id("sentinel", 1))
    });
    server.assert_serving();
    assert_eq!(server.workers(), workers, "a worker was replaced");
    let rows = rows_of_all_tables(file.url());
    let mut wrong = Vec::new();
    let (mut stored, mut bad, mut trailing, mut strangers) = (0, 0, 0, 0);
    let (mut other_type, mut compressed) = (0, 0);
    for packet in &packets {
        match &packet.expect {
            Expect::Stored(wanted) => {
                stored += 1;
                trailing += u64::from(wanted.trailing > 0);
                other_type += u64::from(!matches!(wanted.payload_type, 1 | 5 | 32 | 99 | 100));
                let is_there = packet.bytes.windows(wanted.payload.len()).any(|bytes| bytes == wanted.payload);
                compressed += u64::from(!is_there);
                if !rows.iter().any(|row| is_row_of(row, wanted)) {
                    wrong.push(format!("{} is not stored as {wanted:?}", packet.name));
                }
            }
            Expect::Counted(reason) | Expect::NoRow(reason) => {
                bad += 1;
                compressed += u64::from(reason.starts_with("inflate_"));
            }
            // What holds a SIP request is the server's own, and its route captures it; its parser takes any method.
            Expect::NotHep => strangers += usize::from(is_sip_for_kamailio(&packet.bytes)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let of_table = |row: &&(&str, StoredRow)| {
        !packets.iter().any(|packet| matches!(&packet.expect, Expect::Stored(wanted) if is_row_of(row, wanted)))
    };
    let others: Vec<_> = rows
        .iter()
        .filter(of_table)
        .map(|(_, row)| row["msg"].as_deref().unwrap_or_default().escape_ascii().to_string())
        .collect();
    assert_eq!(rows.len(), stored + strangers + 1, "rows of packets that make none: {others:#?}");
    let statistics = server.statistics();
    assert_eq!(statistics["hep_bad"], bad, "{statistics:?}");
    assert_eq!(statistics["hep_trailing"], trailing, "{statistics:?}");
    assert_eq!(statistics["hep_other_type"], other_type, "{statistics:?}");
    assert_eq!(statistics["hep_compressed"], compressed, "{statistics:?}");
    // Half a header is what the server's parser refuses, and what has no CSeq.
    assert_eq!((statistics["hep_refused"], statistics["malformed"]), (1, 1), "{statistics:?}");
    assert_eq!(statistics["dropped"], 0, "{statistics:?}");
}

/// Whether Kamailio takes a datagram that is no HEP for a SIP request: bytes in front make a strange method, no more.
fn is_sip_for_kamailio(datagram: &[u8]) -> bool {
    let line = datagram.split(|byte| *byte == b'\r').next().unwrap_or_default();
    line.ends_with(b" sip:bob@example.com SIP/2.0")
}

/// Table and `type` of a payload's row. All SIP messages of the table are requests.
fn table_and_type(payload_type: u8) -> (&'static str, u8) {
    match payload_type {
        1 => ("sip_capture", 1),
        5 => ("rtcp_capture", 3),
        32 => ("report_capture", 2),
        99 => ("report_capture", 4),
        100 => ("logs_capture", 5),
        other => ("report_capture", other),
    }
}

/// The `proto` of a row: SIP is told apart by transport, reports have come over UDP, TCP or something else.
fn proto(wanted: &hep_table::Stored) -> u8 {
    match (wanted.ip_protocol, wanted.payload_type) {
        (17, _) => 1,
        (6, _) => 2,
        (22, 1) => 3,
        (132, 1) => 4,
        _ => 0,
    }
}

/// Whether a row shows what the table says of its packet.
fn is_row_of((table, row): &(&str, StoredRow), wanted: &hep_table::Stored) -> bool {
    let (wanted_table, wanted_type) = table_and_type(wanted.payload_type);
    let is = |column: &str, value: String| text(row, column) == value;
    let node = match (wanted.time_us, wanted.agent_id) {
        (Some(_), agent) => format!("homer01:{}", agent.unwrap_or_default()),
        (None, _) => "homer01".to_owned(),
    };
    *table == wanted_table
        && is("type", wanted_type.to_string())
        && is("proto", proto(wanted).to_string())
        && is("family", if wanted.source.is_ipv4() { "2" } else { "10" }.to_owned())
        && row["msg"].as_deref() == Some(&wanted.payload)
        && is("source_ip", wanted.source.ip().to_string())
        && is("source_port", wanted.source.port().to_string())
        && is("destination_ip", wanted.destination.ip().to_string())
        && is("destination_port", wanted.destination.port().to_string())
        && is("node", node)
        && wanted.time_us.is_none_or(|time| is("micro_ts", time.to_string()))
        && wanted.correlation_id.as_ref().is_none_or(|id| row["correlation_id"].as_ref() == Some(id))
}
