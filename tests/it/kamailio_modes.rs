//! Capture modes: several databases and tables, and which table a message comes to, against the stock module as the
//! oracle.

use crate::common::database::{MariaDb, PASSWORD, Postgres};
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

#[test]
fn a_mode_that_is_not_there_stops_the_start_and_the_error_names_those_that_are() {
    let file = SqliteFile::new();
    let mode = format!("archive=>db_url={};table_name=t;mt_mode=rand", file.url());
    for module in [Module::Stock, Module::Ours] {
        let config =
            ConfigBuilder::capture_module(module, file.url()).param("sipcapture", "capture_mode", mode.as_str());
        let log = config.route("request_route", r#"sip_capture("", "Archive"); exit;"#).refused();
        if module == Module::Ours {
            let says =
                |line: &str| line.contains("ERROR") && line.contains("no capture mode \"Archive\": default, archive");
            assert!(log.lines().any(says), "{log}");
        }
    }
}

#[test]
fn two_modes_of_one_name_stop_the_start_as_in_the_stock_module() {
    let file = SqliteFile::new();
    let mode = format!("twice=>db_url={};table_name=t;mt_mode=rand", file.url());
    for module in [Module::Stock, Module::Ours] {
        let config = ConfigBuilder::capture_node(module, file.url());
        let config = config.param("sipcapture", "capture_mode", mode.as_str());
        config.param("sipcapture", "capture_mode", mode.as_str()).refused();
    }
}

#[test]
fn statistics_of_each_mode_are_named_and_counted_as_the_stock_module_does() {
    let counted = |module: Module| {
        let file = SqliteFile::new();
        let tables = ["sip_capture", "other_table"].map(|table| Engine::Sqlite.sip_table(table));
        execute(file.url(), &tables.concat());
        execute(file.url(), "PRAGMA journal_mode = WAL");
        let mode = format!("archive=>db_url={};table_name=other_table;mt_mode=rand", file.url());
        let server = ConfigBuilder::capture_node(module, file.url())
            .children(1)
            .param("sipcapture", "capture_mode", mode.as_str())
            .route(
                "request_route",
                r#"sip_capture(); sip_capture("", "archive"); sip_capture("sip_capture", "archive"); exit;"#,
            )
            .route("onreply_route", r#"sip_capture("", "default"); sip_capture("", "archive"); drop;"#)
            .start();
        let sender = HepSender::to(server.address());
        let messages = answered_call("modes", 1);
        sender.send_paced(100, messages.iter().map(|message| observed(message.text.clone()).v3()));
        within(PATIENCE, "every row is stored", || {
            ["sip_capture", "other_table"].iter().map(|table| count(file.url(), table)).sum::<u64>() == 3 * 3 + 4 * 2
        });
        let names = ["captured_requests", "captured_replies"];
        names.map(|name| [server.statistic(name), server.statistic(&format!("{name}[archive]"))])
    };
    let (stock, ours) = (counted(Module::Stock), counted(Module::Ours));
    assert_eq!(ours, stock);
    assert_eq!(ours, [[3, 6], [4, 4]]);
}

#[test]
fn what_the_parser_refuses_goes_to_a_table_of_its_own_in_the_default_modes_database_which_is_made() {
    let files = [SqliteFile::new(), SqliteFile::new()];
    let mode = format!("other=>db_url={};table_name=sip_other;mt_mode=rand", files[1].url());
    let server = ConfigBuilder::capture_module(Module::Ours, files[0].url())
        .param("sipcapture", "capture_mode", &mode)
        .set("mt_mode", "hash")
        .set("bad_table", "sip_bad_%Y%m%d")
        .route("request_route", "sip_capture(\"\", \"other\"); exit;")
        .start();
    let sender = HepSender::to(server.address());
    sender.send(&observed(b"no SIP at all\r\n\r\n".to_vec()).v3());
    sender.send(&observed(answered_call("modes", 1)[0].text.clone()).v3());
    within(PATIENCE, "both are stored", || server.statistic("stored") == 2);
    // The day is that of the message, in UTC.
    let bad = select(files[0].url(), "SELECT * FROM sip_bad_20250615").expect("the table was made");
    assert_eq!((bad.len(), text(&bad[0], "msg")), (1, "no SIP at all\r\n\r\n".to_owned()));
    assert_eq!(count(files[1].url(), "sip_other"), 1);
    assert_eq!((server.statistic("hep_refused"), server.statistic("hash_refused")), (1, 0));
    let refused = ConfigBuilder::capture_module(Module::Ours, files[0].url()).set("bad_table", "sip bad").refused();
    for part in ["bad_table", "sip bad", "letters, digits"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[test]
fn a_message_without_the_value_that_its_mode_hashes_is_refused_and_counted() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url())
        .set("mt_mode", "hash")
        .set("hash_source", "from_user")
        .set("table_name", "a | b |")
        .start();
    let sender = HepSender::to(server.address());
    let invite = String::from_utf8(answered_call("modes", 1)[0].text.clone()).expect("text");
    sender.send(&observed(invite.replace("<sip:caller0000000001@", "<sip:").into_bytes()).v3());
    sender.send(&observed(invite.into_bytes()).v3());
    within(PATIENCE, "one is stored and one refused", || {
        server.statistic("stored") == 1 && server.statistic("hash_refused") == 1
    });
    assert_eq!(count(file.url(), "a") + count(file.url(), "b"), 1);
    assert_eq!((server.statistic("captured"), server.statistic("captured_requests")), (1, 1));
}

#[test]
fn modes_write_to_databases_of_every_kind_at_once() {
    let file = SqliteFile::new();
    let servers = (MariaDb::shared(), Postgres::shared());
    let (maria, postgres) = (&servers.0.create_database("modes"), &servers.1.create_database("modes"));
    execute(maria, &["turn_a", "turn_b", "same"].map(|table| Engine::Mysql.sip_table(table)).concat());
    execute(
        postgres,
        &["hash_a", "hash_b", "hash_c", "named"].map(|table| Engine::PostgresText.sip_table(table)).concat(),
    );
    let route = r#"
        sip_capture();
        sip_capture("", "turns");
        sip_capture("", "same");
        sip_capture("", "hashes");
        sip_capture("named", "hashes");
        report_capture();
        exit;
    "#;
    let config = ConfigBuilder::capture_module(Module::Ours, file.url()).children(1).route("request_route", route);
    let modes = [
        format!("turns=>db_url={maria};table_name=turn_a|turn_b;mt_mode=round_robin"),
        format!(
            "hashes=>mt_mode=hash;hash_source=from_user;table_name=hash_a | hash_b | hash_c |;db_url='{postgres}';"
        ),
        format!("same=>table_name=same;mt_mode=rand;db_url={maria}"),
    ];
    let config = modes.iter().fold(config, |config, mode| config.param("sipcapture", "capture_mode", mode.as_str()));
    let mut server = config.start();
    let calls = 40;
    let messages: Vec<_> = (0..calls).map(|number| observed(answered_call("modes", number)[0].text.clone())).collect();
    HepSender::to(server.address()).send_paced(100, messages.iter().map(Observed::v3));
    let all = |url: &str, tables: &[&str]| tables.iter().map(|table| count(url, table)).sum::<u64>();
    within(PATIENCE, "every row is in its database", || {
        all(file.url(), &["sip_capture", "report_capture"]) == 2 * calls
            && all(maria, &["turn_a", "turn_b", "same"]) == 2 * calls
            && all(postgres, &["hash_a", "hash_b", "hash_c", "named"]) == 2 * calls
    });
    assert_eq!((count(maria, "turn_a"), count(maria, "turn_b"), count(maria, "same")), (calls / 2, calls / 2, calls));
    assert_eq!((count(file.url(), "sip_capture"), count(postgres, "named")), (calls, calls));
    for (index, table) in ["hash_a", "hash_b", "hash_c"].iter().enumerate() {
        let rows = select(postgres, &format!("SELECT from_user FROM {table}")).expect("rows");
        assert!(
            rows.iter().all(|row| crc32fast::hash(text(row, "from_user").as_bytes()) % 3 == index as u32),
            "{table}"
        );
        assert!(!rows.is_empty(), "{table}");
    }
    let statistics = server.statistics();
    let counted = |name: &str| statistics[name];
    assert_eq!((counted("captured"), counted("stored"), counted("dropped")), (6 * calls, 6 * calls, 0));
    assert_eq!((counted("captured_requests"), counted("captured_requests[turns]")), (calls, calls));
    assert_eq!((counted("captured_requests[hashes]"), counted("captured_requests[same]")), (2 * calls, calls));
    server.assert_serving();
    server.stop();
    let log = server.log();
    assert!(!log.contains(PASSWORD), "{log}");
}
