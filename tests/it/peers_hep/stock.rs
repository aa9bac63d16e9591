//! The stock sipcapture module reads the packets that we encode.

use super::address;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::rows::{StoredRow, count, execute, select};
use crate::common::sip::{answered_call, call_id};
use crate::common::wait::within;
use sipcapture_core::hep::{Packet, Payload, Version, encode};
use sipcapture_core::table::{ColumnNames, sip_layout};
use std::time::Duration;

const TIME_US: i64 = 1_700_000_000_123_456;

#[test]
fn the_stock_module_stores_what_we_encode() {
    let directory = tempfile::tempdir().expect("a private directory");
    let url = format!("sqlite:///{}/rows.db", directory.path().display());
    let columns: Vec<String> =
        sip_layout(&ColumnNames::default()).columns.into_iter().map(|column| column.name).collect();
    // Without the log, a look at the table would make the stock module lose the row that it is writing.
    execute(&url, &format!("PRAGMA journal_mode = WAL; CREATE TABLE sip_capture ({})", columns.join(", ")));

    let messages = messages();
    let packets: Vec<Packet<'_>> =
        messages.iter().enumerate().map(|(number, message)| packet(number, message)).collect();
    let node = ConfigBuilder::capture_node(Module::Stock, &url).children(1).set("capture_node", "node").start();
    let sender = HepSender::to(node.address());
    let datagrams = packets.iter().map(|packet| {
        let mut datagram = Vec::new();
        encode(packet, packet.version, &mut datagram).expect("a packet that fits");
        datagram
    });
    sender.send_paced(200, datagrams);
    let expected = packets.len() as u64;
    within(Duration::from_secs(20), "every packet is a row", || count(&url, "sip_capture") == expected);

    for (number, packet) in packets.iter().enumerate() {
        let call_id = call_id("stock", number as u64);
        let rows = select(&url, &format!("SELECT * FROM sip_capture WHERE callid = '{call_id}'")).expect("a table");
        let [row] = &rows[..] else { panic!("{} rows of {packet:?}", rows.len()) };
        assert_row(row, packet, &call_id);
    }
}

fn assert_row(row: &StoredRow, packet: &Packet<'_>, call_id: &str) {
    let text = |column: &str| String::from_utf8(row[column].clone().expect("a value")).expect("text");
    assert_eq!(text("source_ip").to_lowercase(), packet.source.ip().to_string());
    assert_eq!(text("destination_ip").to_lowercase(), packet.destination.ip().to_string());
    assert_eq!(text("source_port"), packet.source.port().to_string());
    assert_eq!(text("destination_port"), packet.destination.port().to_string());
    assert_eq!(text("family"), if packet.source.is_ipv4() { "2" } else { "10" });
    let transport = match packet.ip_protocol {
        17 => "1",
        6 => "2",
        22 => "3",
        other => panic!("no packet has IP protocol {other}"),
    };
    assert_eq!(text("proto"), transport);
    let Payload::Plain(message) = packet.payload else { panic!("a plain payload") };
    assert_eq!(row["msg"].as_deref(), Some(message));
    if packet.version == Version::V1 {
        assert_eq!(text("node"), "node");
    } else {
        assert_eq!(text("micro_ts"), packet.time_us.expect("a time").to_string());
        assert_eq!(text("node"), format!("node:{}", packet.agent_id.expect("an agent")));
    }
    let correlation_id = packet.correlation_id.filter(|_| packet.version == Version::V3);
    assert_eq!(text("correlation_id").as_bytes(), correlation_id.unwrap_or(call_id.as_bytes()));
}

/// One INVITE a packet, each of a call of its own.
fn messages() -> Vec<Vec<u8>> {
    (0..3 * 2 * 3).map(|number| answered_call("stock", number).swap_remove(0).text).collect()
}

/// Versions, address families and transports in turn. TLS goes in versions 1 and 2 alone: the stock module leaves the
/// transport of a version 3 packet unset for all but UDP and TCP.
fn packet(number: usize, message: &[u8]) -> Packet<'_> {
    let version = [Version::V1, Version::V2, Version::V3][number % 3];
    let (source, destination) =
        [("192.0.2.1:5060", "198.51.100.2:5070"), ("[2001:db8:1:2:3:4:5:6]:5060", "[2001:db8:6:5:4:3:2:1]:65535")]
            [number / 3 % 2];
    let ip_protocol = match [17, 6, 22][number / 6] {
        22 if version == Version::V3 => 6,
        ip_protocol => ip_protocol,
    };
    Packet {
        version,
        source: address(source),
        destination: address(destination),
        ip_protocol,
        payload_type: 1,
        time_us: Some(TIME_US + number as i64),
        agent_id: Some(2000 + number as u32),
        correlation_id: (number < 9).then_some(b"another leg"),
        auth_key: number.is_multiple_of(2).then_some(b"key"),
        payload: Payload::Plain(message),
        trailing: 0,
    }
}
