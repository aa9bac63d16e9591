//! Capture modes: several databases and tables, and which table a message comes to, against the stock module as the oracle.

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::rows::{SqliteFile, count, execute, select, text};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use crate::kamailio_parity::tables::Engine;
use std::collections::BTreeMap;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;

fn observed(payload: Vec<u8>) -> Observed {
    let source = "192.0.2.10:5060".parse().expect("an address");
    let destination = "198.51.100.20:5060".parse().expect("an address");
    Observed::sip(source, destination, NOON_US, &payload)
}

/// Calls with ids, users and displays that shards are told apart by, each INVITE only.
fn calls() -> Vec<Observed> {
    let plain = (0..40).map(|number| answered_call("modes", number)[0].text.clone());
    let odd = [
        ("Call-ID: ", "Call-ID: \t two words of "),
        ("Call-ID: ", "Call-ID: tab\there-"),
        ("Call-ID: ", "i:x"),
        ("Call-ID: ", "Call-ID: (odd)<chars>:\\\"/[]?{}"),
        ("<sip:caller", "<sip:%41%20b;c=d"),
        ("sip:callee0000000099@biloxi.example.org>", "tel:+1-201-555-0123>"),
    ];
    let odd = odd.iter().map(|(from, to)| {
        let plain = String::from_utf8(answered_call("modes", 99)[0].text.clone()).expect("text");
        assert!(plain.contains(from), "{from}");
        plain.replacen(from, to, 1).into_bytes()
    });
    plain.chain(odd).map(observed).collect()
}

const SHARDS: [&str; 15] = [
    "shard_a", "shard_b", "shard_c", "from__a", "from__b", "from__c", "from__d", "to____a", "to____b", "to____c",
    "to____d", "to____e", "round_a", "round_b", "round_c",
];

/// Which messages are in which table after a server with this module has seen all calls.
fn placed(module: Module) -> BTreeMap<&'static str, Vec<String>> {
    let file = SqliteFile::new();
    // Names that are no multiple of 8 bytes: the stock module adds garbage to those.
    for table in SHARDS {
        execute(file.url(), &Engine::Sqlite.sip_table(table));
    }
    // Looking on must not keep the stock module from writing: it gives up at once when the file is locked.
    execute(file.url(), "PRAGMA journal_mode = WAL");
    let mut config = ConfigBuilder::capture_module(module, file.url());
    for (name, tables, rule) in [
        ("by_from", "from__a|from__b|from__c|from__d", "mt_mode=hash;hash_source=from_user"),
        ("by_to", "to____a|to____b|to____c|to____d|to____e", "mt_mode=hash;hash_source=to_user"),
        ("in_turn", "round_a|round_b|round_c", "mt_mode=round_robin"),
    ] {
        let text = format!("{name}=>db_url={};table_name={tables};{rule}", file.url());
        config = config.param("sipcapture", "capture_mode", text.as_str());
    }
    let route =
        r#"sip_capture(); sip_capture("", "by_from"); sip_capture("", "by_to"); sip_capture("", "in_turn"); exit;"#;
    let mut server = config
        .children(1)
        .set("table_name", "shard_a|shard_b|shard_c")
        .set("mt_mode", "hash")
        .set("hash_source", "Call_ID")
        .route("request_route", route)
        .start();
    let calls = calls();
    HepSender::to(server.address()).send_paced(200, calls.iter().map(Observed::v3));
    let wanted = calls.len() as u64 * 4;
    within(PATIENCE, &format!("{wanted} rows are stored by the {module:?} module"), || {
        SHARDS.iter().map(|table| count(file.url(), table)).sum::<u64>() >= wanted
    });
    server.assert_serving();
    server.stop();
    let rows = |table: &&'static str| {
        let rows = select(file.url(), &format!("SELECT callid, from_user, to_user FROM {table}")).expect("rows");
        let mut keys: Vec<_> = rows
            .iter()
            .map(|row| ["callid", "from_user", "to_user"].map(|column| text(row, column)).join(" "))
            .collect();
        keys.sort();
        (*table, keys)
    };
    SHARDS.iter().map(rows).collect()
}

#[test]
fn every_call_comes_to_the_table_where_the_stock_module_puts_it() {
    let (stock, ours) = (placed(Module::Stock), placed(Module::Ours));
    assert_eq!(ours, stock);
    let empty: Vec<_> = ours.iter().filter(|(_, rows)| rows.is_empty()).collect();
    assert!(empty.is_empty(), "a test that leaves tables empty says little: {empty:?}");
}
