//! Rows of `report_capture()`: column for column what the stock module was made to store. Its own synchronous form ends
//! its server, so it can be no witness.

use crate::common::hep::{Chunks, Observed};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::Module;
use crate::common::opensips::{ConfigBuilder, is_missing};
use crate::common::rows::{SqliteFile, StoredRow, execute, select};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use crate::kamailio_parity::clock::{ZONE, is_local_time};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// 2025-06-15 12:00:00.123456 UTC.
const TIME_US: i64 = 1_749_988_800_123_456;

const HOMER5: &str = "date DATETIME, micro_ts BIGINT, correlation_id TEXT, source_ip TEXT, source_port INT, \
    destination_ip TEXT, destination_port INT, proto INT, family INT, type INT, node TEXT, msg TEXT";
const HOMER6: &str = "tss DATETIME, tsu INT, transaction_id TEXT, source_ip TEXT, source_port INT, \
    destination_ip TEXT, destination_port INT, proto INT, family INT, type INT, node TEXT, data TEXT, \
    payload_len INT, correlation_id TEXT, capture_ip TEXT, capt_id INT, event TEXT";

/// The rows of `table` in the order of their ids, once there are `expected`.
fn rows(file: &SqliteFile, table: &str, expected: usize) -> Vec<StoredRow> {
    let sql = format!("SELECT * FROM {table} ORDER BY id");
    within(PATIENCE, "the reports are stored", || select(file.url(), &sql).is_ok_and(|rows| rows.len() == expected));
    select(file.url(), &sql).expect("the table is there")
}

/// Asserts that a row has these columns, `id` and the time's column, which is `time`, and no others.
fn holds(row: &StoredRow, time: &str, expected: &[(&str, &str)]) {
    assert!(is_local_time(row[time].as_deref(), TIME_US), "{:?}", row[time]);
    let others = row.iter().filter(|(name, _)| *name != "id" && *name != time);
    let mut found: Vec<(&str, String)> = others
        .map(|(name, value)| (&name[..], String::from_utf8_lossy(value.as_deref().unwrap_or(b"NULL")).into_owned()))
        .collect();
    let mut expected: Vec<(&str, String)> = expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

fn node(file: &SqliteFile) -> ConfigBuilder {
    // One worker keeps the order.
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).workers(1).environment("TZ", ZONE);
    node.param("capture_node", "node-7").param("hep_route", "look")
}

fn observed(family: &str, payload_type: u8, payload: &[u8]) -> Observed {
    let [source, destination] = match family {
        "ipv4" => ["192.0.2.10:5071", "198.51.100.20:5072"],
        _ => ["[2001:db8::10]:5071", "[2001:db8:ffff::20]:5072"],
    };
    let [source, destination] = [source, destination].map(|text| text.parse().expect("an address"));
    Observed { payload_type, ..Observed::sip(source, destination, TIME_US.cast_unsigned(), payload) }
}

#[test]
fn a_report_has_the_12_columns_of_homer_5() {
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    for table in ["rtcp_capture", "others"] {
        execute(file.url(), &format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, {HOMER5})"));
    }
    let calls = "report_capture(\"leg-7\"); report_capture(\"leg-8\", \"others\", 34);";
    let mut server = node(&file).route("route[look]", calls).start();
    let sender = HepSender::to(server.hep_address());
    let (quality, sip) = (r#"{"MOS":4.3,"note":"it's"}"#, &answered_call("report", 1)[0].text);
    sender.send(&observed("ipv4", 5, quality.as_bytes()).v3());
    sender.send(&observed("ipv6", 32, quality.as_bytes()).v3());
    sender.send(&observed("ipv4", 1, sip).v2());
    let micro_ts = TIME_US.to_string();
    let of = |table: &str, row: &StoredRow, family: &str, kind: &str, msg: &str| {
        let [source_ip, destination_ip, number] = match family {
            "ipv4" => ["192.0.2.10", "198.51.100.20", "2"],
            _ => ["2001:db8::10", "2001:db8:ffff::20", "10"],
        };
        holds(
            row,
            "date",
            &[
                ("micro_ts", &micro_ts),
                ("correlation_id", if table == "others" { "leg-8" } else { "leg-7" }),
                ("source_ip", source_ip),
                ("source_port", "5071"),
                ("destination_ip", destination_ip),
                ("destination_port", "5072"),
                ("proto", "1"),
                ("family", number),
                ("type", if table == "others" { "34" } else { kind }),
                ("node", "node-7:2001"),
                ("msg", msg),
            ],
        );
    };
    for table in ["rtcp_capture", "others"] {
        let rows = rows(&file, table, 3);
        of(table, &rows[0], "ipv4", "5", quality);
        of(table, &rows[1], "ipv6", "32", quality);
        of(table, &rows[2], "ipv4", "1", &String::from_utf8_lossy(sip));
    }
    server.assert_serving();
}

#[test]
fn a_report_has_the_17_columns_of_homer_6_where_proto_hep_speaks_to_that() {
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    execute(file.url(), &format!("CREATE TABLE rtcp_capture (id INTEGER PRIMARY KEY, {HOMER6})"));
    let node = node(&file).param_of("proto_hep", "homer5_on", 0);
    let mut server = node.route("route[look]", "report_capture(\"leg-7\");").start();
    let sender = HepSender::to(server.hep_address());
    let payloads = [r#"{"Event":"Answered","x":1}"#, r#"{"Event":5}"#, "no JSON"];
    for payload in payloads {
        let packet =
            Chunks::new().chunk(1, &[2]).chunk(2, &[6]).chunk(3, &[192, 0, 2, 10]).chunk(4, &[198, 51, 100, 20]);
        let packet = packet.chunk(7, &5071_u16.to_be_bytes()).chunk(8, &5072_u16.to_be_bytes());
        let packet = packet.chunk(9, &1_749_988_800_u32.to_be_bytes()).chunk(10, &123_456_u32.to_be_bytes());
        let packet = packet.chunk(11, &[34]).chunk(12, &2001_u32.to_be_bytes()).chunk(17, b"of Homer 5");
        sender.send(&packet.chunk(101, b"of Homer 6").chunk(15, payload.as_bytes()).packet());
    }
    for (row, payload) in rows(&file, "rtcp_capture", payloads.len()).iter().zip(payloads) {
        holds(
            row,
            "tss",
            &[
                ("tsu", "123456"),
                ("transaction_id", "leg-7"),
                ("source_ip", "192.0.2.10"),
                ("source_port", "5071"),
                ("destination_ip", "198.51.100.20"),
                ("destination_port", "5072"),
                ("proto", "2"),
                ("family", "2"),
                ("type", "34"),
                ("node", "node-7"),
                ("data", payload),
                ("payload_len", &payload.len().to_string()),
                ("correlation_id", "of Homer 6"),
                ("capture_ip", "127.0.0.1"),
                ("capt_id", "2001"),
                ("event", if payload.contains("Answered") { "Answered" } else { "" }),
            ],
        );
    }
    server.assert_serving();
}
