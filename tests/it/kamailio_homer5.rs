//! A whole configuration in the manner of the Homer 5 examples, on tables of the Homer 5 schema: the stock module and
//! ours, given the same traffic, leave the same rows and the same statistics.

use crate::common::database::MariaDb;
use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::rows::{StoredRow, count, execute, select};
use crate::common::sip::{answered_call, options_ping};
use crate::common::wait::within;
use jiff::{Timestamp, ToSpan as _};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
/// 2025-06-15 23:59:59 UTC: the traffic crosses midnight.
const START_US: u64 = 1_750_031_999_000_000;
const NODE: &str = include_str!("kamailio_homer5/node.cfg");
const HOOK: &str = include_str!("kamailio_homer5/hook.cfg");

/// How packets come to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Over UDP, straight to the routes.
    Udp,
    /// Over UDP, the script looks first.
    HookOverUdp,
    /// Over TCP, the script looks first.
    HookOverTcp,
}

/// Tables and columns of the Homer 5 schema with their types.
const REPORT_COLUMNS: &str = "correlation_id varchar(256) NOT NULL DEFAULT '', source_ip varchar(60) NOT NULL DEFAULT '', \
    source_port int(10) NOT NULL DEFAULT 0, destination_ip varchar(60) NOT NULL DEFAULT '', \
    destination_port int(10) NOT NULL DEFAULT 0, proto int(5) NOT NULL DEFAULT 0, family int(1) DEFAULT NULL, \
    type int(5) NOT NULL DEFAULT 0, node varchar(125) NOT NULL DEFAULT '', msg varchar(1500) NOT NULL DEFAULT ''";
const SIP_TEXTS: &str = "method 50, reply_reason 100, ruri 200, ruri_user 100, ruri_domain 150, from_user 100, from_domain 150, \
    from_tag 64, to_user 100, to_domain 150, to_tag 64, pid_user 100, contact_user 120, auth_user 120, callid 120, callid_aleg 120, \
    via_1 256, via_1_branch 80, cseq 25, diversion 256, reason 200, content_type 256, auth 256, user_agent 256, contact_ip 60, \
    originator_ip 60, custom_field1 120, custom_field2 120, custom_field3 120, rtp_stat 256";

const STATISTIC_TABLES: [&str; 3] = [
    "CREATE TABLE methods (method varchar(50) PRIMARY KEY, total int)",
    "CREATE TABLE alarms (type varchar(50), source_ip varchar(60), total int, PRIMARY KEY (type, source_ip))",
    "CREATE TABLE payloads (id int PRIMARY KEY AUTO_INCREMENT, type int, agent int, source varchar(60), correlation varchar(60), \
     payload text)",
];

fn table(name: &str, more: &str) -> String {
    format!(
        "CREATE TABLE {name} (id bigint(20) unsigned NOT NULL AUTO_INCREMENT, date timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, \
         micro_ts bigint(18) NOT NULL DEFAULT 0, {more} {REPORT_COLUMNS}, PRIMARY KEY (id, date), KEY date (date)) \
         ENGINE=InnoDB DEFAULT CHARSET=utf8 PARTITION BY RANGE (UNIX_TIMESTAMP(date)) (PARTITION pmax VALUES LESS THAN MAXVALUE);"
    )
}

/// The tables that the traffic fills: days of the messages, and the days that the clock can show until a test that
/// begins `now` ends.
fn tables(now: Timestamp) -> Vec<String> {
    let tomorrow = now.checked_add(24.hours()).expect("a time");
    let days = [now, tomorrow].map(|day| format!("sip_capture_rest_{}", day.strftime("%Y%m%d")));
    let fixed = ["call", "registration"]
        .into_iter()
        .flat_map(|what| ["20250615", "20250616"].map(|day| format!("sip_capture_{what}_{day}")));
    fixed.chain(days).collect()
}

fn make_tables(url: &str, now: Timestamp) {
    let texts = SIP_TEXTS.split(", ").map(|text| text.trim().split_once(' ').expect("a name and a width"));
    let texts: String = texts.map(|(name, width)| format!("{name} varchar({width}) NOT NULL DEFAULT '', ")).collect();
    let numbers = "contact_port int(10) NOT NULL DEFAULT 0, originator_port int(10) NOT NULL DEFAULT 0,";
    for name in tables(now) {
        execute(url, &table(&name, &format!("{texts}{numbers}")));
    }
    for name in ["report_capture", "rtcp_capture", "logs_capture"] {
        execute(url, &table(name, ""));
    }
}

/// Calls, registrations, pings, subscriptions, reports of every kind, and some messages twice.
pub fn traffic() -> Vec<Observed> {
    let request = |method: &str, number: u32, more: &str, body: &str| {
        format!(
            "{method} sip:bob@biloxi.example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-{method}-{number}\r\n\
             From: <sip:alice@atlanta.example.org>;tag=a{number}\r\nTo: <sip:bob@biloxi.example.org>;tag=b\r\n\
             Call-ID: {method}-{number}@homer5.example.org\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n{more}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let contact = "Contact: <sip:alice@192.0.2.10:5060>\r\n";
    let mut messages = vec![request("REGISTER", 1, contact, "")];
    for number in 0..5 {
        let call = answered_call("homer5", number);
        messages.push(call[0].text.clone());
        messages.extend(call.into_iter().map(|message| message.text));
    }
    let report = "VQSessionReport: CallTerm\r\nCallID:call-0000000001@homer5.example.org\r\nLocalID:alice\r\n";
    messages.extend([
        request("REGISTER", 2, &format!("{contact}User-Agent: friendly-scanner\r\n"), ""),
        request("REGISTER", 2, &format!("{contact}User-Agent: friendly-scanner\r\n"), ""),
        request("BYE", 3, "Reason: Q.850;cause=16\r\n", ""),
        request("INVITE", 4, "Contact: <sip:alice@198.51.100.99>\r\n", ""),
        request("NOTIFY", 5, "Event: refer;id=1\r\n", ""),
        request("NOTIFY", 6, "Event: presence\r\n", ""),
        request("SUBSCRIBE", 7, "Event: presence\r\n", ""),
        request("PUBLISH", 8, "Event: presence\r\n", ""),
        request("PUBLISH", 9, "Event: vq-rtcpxr\r\nContent-Type: application/vq-rtcpxr\r\n", report),
        options_ping("192.0.2.10:5060".parse().expect("an address"), "198.51.100.20:5060".parse().expect("an address")),
        String::from_utf8_lossy(&answered_call("homer5", 7)[3].text).replace("200 OK", "486 Busy Here").into_bytes(),
    ]);
    let mut packets = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let source = format!("192.0.2.10:{}", 10_000 + index).parse().expect("an address");
        let destination = "198.51.100.20:5060".parse().expect("an address");
        let observed = Observed::sip(source, destination, START_US + index as u64 * 50_000, message);
        packets
            .push(Observed { correlation: (index % 3 == 0).then(|| format!("leg-{index}").into_bytes()), ..observed });
    }
    for (index, payload_type) in [5, 32, 99, 100].into_iter().enumerate() {
        let packet = packets[index].clone();
        let correlation = Some(format!("report-{index}").into_bytes());
        packets.push(Observed {
            payload_type,
            correlation,
            payload: b"{\"it's\":\"a \\\"report\\\"\"}".to_vec(),
            ..packet
        });
    }
    packets
}

/// What a server leaves behind: rows by table, and statistics.
#[derive(Debug, PartialEq)]
struct Left {
    rows: BTreeMap<String, Vec<StoredRow>>,
    statistics: BTreeMap<&'static str, Vec<StoredRow>>,
}

fn left_by(module: Module, way: Way, now: Timestamp) -> Left {
    let database = MariaDb::shared();
    let [rows_url, statistic_url] =
        ["data", "statistic"].map(|what| database.create_database(&format!("homer5_{module:?}_{way:?}_{what}")));
    make_tables(&rows_url, now);
    for sql in STATISTIC_TABLES {
        execute(&statistic_url, sql);
    }
    let config = if way == Way::Udp { NODE.to_owned() } else { format!("{NODE}{HOOK}") };
    let config = config.replace("DATA_URL", &rows_url).replace("STATISTIC_URL", &statistic_url);
    let node = ConfigBuilder::new().load("db_mysql.so").load_capture(module).children(1).line(&config);
    let mut server = if way == Way::HookOverTcp {
        node.tcp().line("tcp_accept_hep3=yes").line("tcp_children=1").start()
    } else {
        node.start()
    };
    let mut traffic = traffic();
    if way != Way::Udp {
        // Where the hook is on, the stock module lends the last correlation id to packets that have none.
        traffic.iter_mut().for_each(|packet| _ = packet.correlation.get_or_insert_with(|| b"leg".to_vec()));
    }
    let packets: Vec<_> = traffic.iter().map(Observed::v3).collect();
    if way == Way::HookOverTcp {
        let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
        stream.write_all(&packets.concat()).expect("the server reads");
    } else {
        HepSender::to(server.address()).send_paced(200, &packets);
    }
    let reports = ["report_capture", "rtcp_capture", "logs_capture"].map(str::to_owned);
    let tables: Vec<_> = tables(now).into_iter().chain(reports).collect();
    within(PATIENCE, &format!("{module:?}: every packet is stored"), || {
        let rows: u64 = tables.iter().map(|table| count(&rows_url, table)).sum();
        rows + count(&statistic_url, "payloads") == packets.len() as u64
    });
    let total = |what: &str| {
        let rows = select(&statistic_url, &format!("SELECT total FROM methods WHERE method = '{what}'")).expect("rows");
        rows.first().and_then(|row| String::from_utf8(row["total"].clone()?).ok()?.parse::<u64>().ok()).unwrap_or(0)
    };
    // Neither the report of the PUBLISH nor the four payloads that are not SIP count as messages captured.
    within(PATIENCE, &format!("{module:?}: the timer has written the statistics"), || {
        total("captured requests") + total("captured replies") == packets.len() as u64 - 5
            && total("total") == packets.len() as u64 - 4
    });
    server.assert_serving();
    server.stop();
    let all = |url: &str, table: &str, order: &str| {
        let sql = format!("SELECT * FROM {table} ORDER BY {order}");
        let mut rows = select(url, &sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.iter_mut().for_each(|row| _ = row.remove("id"));
        rows
    };
    let mut rows: BTreeMap<_, _> =
        tables.iter().map(|table| (table.clone(), all(&rows_url, table, "micro_ts, source_port"))).collect();
    // Whether the clock's midnight came in between is nobody's merit.
    let days: Vec<_> = rows.keys().filter(|table| table.contains("_rest_")).cloned().collect();
    let rest = days.iter().filter_map(|table| rows.remove(table)).flatten().collect();
    rows.insert("sip_capture_rest".to_owned(), rest);
    let statistics = ["methods", "alarms", "payloads"].map(|table| (table, all(&statistic_url, table, "1")));
    Left { rows, statistics: statistics.into_iter().collect() }
}

fn assert_equal(ours: &Left, stock: &Left) {
    for (table, rows) in &stock.rows {
        assert_eq!(&ours.rows[table], rows, "{table}");
    }
    assert_eq!(ours.statistics, stock.statistics);
}

#[test]
fn a_configuration_of_the_examples_kind_leaves_the_rows_and_statistics_of_the_stock_module() {
    let now = Timestamp::now();
    let (stock, ours) = (left_by(Module::Stock, Way::Udp, now), left_by(Module::Ours, Way::Udp, now));
    assert_equal(&ours, &stock);
    let empty = stock.rows.iter().filter(|(_, rows)| rows.is_empty());
    assert_eq!(empty.map(|(table, _)| table.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(!stock.statistics["methods"].is_empty() && !stock.statistics["alarms"].is_empty());
}

#[test]
fn with_a_script_that_looks_at_each_packet_first_it_does_so_over_tcp_and_now_over_udp_too() {
    let now = Timestamp::now();
    // Over UDP the core never asks the stock module's event route for what it takes for SIP, and drops what that sends
    // on.
    let stock = left_by(Module::Stock, Way::HookOverTcp, now);
    for way in [Way::HookOverTcp, Way::HookOverUdp] {
        assert_equal(&left_by(Module::Ours, way, now), &stock);
    }
    assert_eq!(stock.statistics["payloads"].len(), 4);
}
