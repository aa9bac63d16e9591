//! Script functions beside `sip_capture()`, in Kamailio's own language and in Lua, against the stock module where it
//! has them.

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::rows::{SqliteFile, StoredRow, count, execute, select};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);
/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;
const REPORT_COLUMNS: &str = "micro_ts, correlation_id, source_ip, source_port, destination_ip, destination_port, proto, \
                              family, type, node, CAST(msg AS TEXT) AS msg";

/// The route that calls every form, each with a table of its own.
const FORMS: &str = r#"
    $var(table) = "of_variable";
    report_capture("of_text");
    report_capture("$var(table)", "id-$ci");
    report_capture("of_body", "$ci", "body of $rm");
    report_capture("of_word", "", "report_capture");
    exit;
"#;
const TABLES: [&str; 4] = ["of_text", "of_variable", "of_body", "of_word"];

fn message(step: usize) -> Observed {
    let source = "192.0.2.10:5060".parse().expect("an address");
    let destination = "198.51.100.20:5070".parse().expect("an address");
    Observed::sip(source, destination, NOON_US, &answered_call("functions", 1)[step].text)
}

fn send(server: &Kamailio) {
    let sender = HepSender::to(server.address());
    sender.send(&message(0).v3());
    sender.send(&Observed { correlation: Some(b"of-the-packet".to_vec()), ..message(5) }.v3());
}

fn make_tables(file: &SqliteFile) {
    for table in TABLES {
        let columns = REPORT_COLUMNS.replace("CAST(msg AS TEXT) AS msg", "msg, date");
        execute(file.url(), &format!("CREATE TABLE {table} ({columns})"));
    }
}

/// What a server with this module stores of both messages, table by table; empty for NULL.
fn stored(module: Module) -> Vec<(&'static str, Vec<StoredRow>)> {
    let file = SqliteFile::new();
    make_tables(&file);
    let server = ConfigBuilder::capture_module(module, file.url()).children(1).route("request_route", FORMS).start();
    send(&server);
    within(PATIENCE, "every form has stored both messages", || {
        TABLES.iter().all(|table| count(file.url(), table) == 2)
    });
    let rows = |table: &&'static str| {
        let sql = format!("SELECT {REPORT_COLUMNS} FROM {table} ORDER BY micro_ts, correlation_id, msg");
        let mut rows = select(file.url(), &sql).expect("the table is there");
        for value in rows.iter_mut().flat_map(StoredRow::values_mut) {
            value.get_or_insert_default();
        }
        (*table, rows)
    };
    TABLES.iter().map(rows).collect()
}

#[test]
fn every_form_of_report_capture_stores_what_the_stock_module_stores() {
    let (stock, ours) = (stored(Module::Stock), stored(Module::Ours));
    assert_eq!(ours, stock);
    let body = |rows: &[StoredRow]| String::from_utf8(rows[0]["msg"].clone().unwrap_or_default()).expect("text");
    assert!(ours.iter().any(|(table, rows)| *table == "of_body" && body(rows).starts_with("body of ")));
    assert!(ours.iter().any(|(table, rows)| *table == "of_word" && body(rows).contains("SIP/2.0")));
}

#[test]
fn report_capture_without_arguments_writes_to_its_own_table() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_module(Module::Ours, file.url())
        .route("request_route", "report_capture(); exit;")
        .start();
    send(&server);
    within(PATIENCE, "both reports are stored", || count(file.url(), "report_capture") == 2);
    let rows =
        select(file.url(), "SELECT type, correlation_id FROM report_capture ORDER BY correlation_id").expect("rows");
    let values: Vec<_> =
        rows.iter().flat_map(StoredRow::values).map(|value| value.clone().unwrap_or_default()).collect();
    assert_eq!(values, [b"".to_vec(), b"1".to_vec(), b"of-the-packet".to_vec(), b"1".to_vec()]);
}

#[test]
fn report_capture_is_off_when_capture_is() {
    let file = SqliteFile::new();
    let route = r#"if (!report_capture("t")) { sip_capture("seen"); } exit;"#;
    let server = ConfigBuilder::capture_module(Module::Ours, file.url())
        .set("capture_on", 0)
        .route("request_route", route)
        .start();
    send(&server);
    within(PATIENCE, "both packets have come by", || server.statistic("hep_packets") == 2);
    assert_eq!(server.statistic("captured"), 0);
}

#[test]
fn float2int_answers_as_the_stock_function() {
    let answers = |module: Module| {
        let file = SqliteFile::new();
        let pairs =
            [("4.21", "100"), ("-1.5", "10"), ("0.4", "2"), ("x", "5"), ("3", ""), ("12abc", "3"), ("1e2", "2")];
        let calls = pairs.map(|(value, factor)| {
            format!("$var(v) = float2int(\"{value}\", \"{factor}\"); xlog(\"L_ERR\", \"product $var(v)\\n\");")
        });
        let server = ConfigBuilder::capture_module(module, file.url())
            .route("request_route", &(calls.concat() + " exit;"))
            .start();
        HepSender::to(server.address()).send(&message(0).v3());
        let products = || -> Vec<String> {
            let log = server.log();
            log.lines().filter_map(|line| Some(line.split_once("product ")?.1.to_owned())).collect()
        };
        within(PATIENCE, "every product is in the log", || products().len() == pairs.len());
        products()
    };
    let ours = answers(Module::Ours);
    assert_eq!(ours, answers(Module::Stock));
    assert_eq!(ours[0], "421");
}

#[test]
fn lua_scripts_reach_every_function() {
    let file = SqliteFile::new();
    let directory = tempfile::tempdir().expect("a private directory");
    let script = directory.path().join("capture.lua");
    std::fs::write(
        &script,
        r#"
function capture()
    KSR.info("answer " .. KSR.sipcapture.sip_capture() .. "\n")
    KSR.info("answer " .. KSR.sipcapture.sip_capture_table("lua_%Y") .. "\n")
    KSR.info("answer " .. KSR.sipcapture.sip_capture_table("no;name") .. "\n")
    KSR.info("answer " .. KSR.sipcapture.sip_capture_mode("lua_mode", "named") .. "\n")
    KSR.info("answer " .. KSR.sipcapture.sip_capture_mode("", "named") .. "\n")
    KSR.info("answer " .. KSR.sipcapture.sip_capture_mode("", "") .. "\n")
    KSR.info("answer " .. KSR.sipcapture.sip_capture_mode("", "Named") .. "\n")
    KSR.info("answer " .. KSR.sipcapture.report_capture("lua_report") .. "\n")
    KSR.info("answer " .. KSR.sipcapture.report_capture_cid("lua_cid", "id") .. "\n")
    KSR.info("answer " .. KSR.sipcapture.report_capture_data("lua_data", "id", "body") .. "\n")
    KSR.info("answer " .. KSR.sipcapture.float2int("4.21", "100") .. "\n")
end
"#,
    )
    .expect("the script is written");
    let server = ConfigBuilder::capture_module(Module::Ours, file.url())
        .load("app_lua.so")
        .param(
            "sipcapture",
            "capture_mode",
            format!("named=>db_url={};mt_mode=rand;table_name=of_mode;", file.url()).as_str(),
        )
        .param("app_lua", "load", script.to_str().expect("a path in UTF-8"))
        .route("request_route", "lua_run(\"capture\"); exit;")
        .start();
    HepSender::to(server.address()).send(&message(0).v3());
    let answers = || -> Vec<String> {
        let log = server.log();
        log.lines().filter_map(|line| Some(line.split_once("answer ")?.1.to_owned())).collect()
    };
    within(PATIENCE, "every call has answered", || answers().len() == 11);
    assert_eq!(answers(), ["1", "1", "-1", "1", "1", "1", "-1", "1", "1", "1", "421"]);
    for (table, rows) in [
        ("sip_capture", 2),
        ("lua_2025", 1),
        ("lua_mode", 1),
        ("of_mode", 1),
        ("lua_report", 1),
        ("lua_cid", 1),
        ("lua_data", 1),
    ] {
        within(PATIENCE, "the row is stored", || count(file.url(), table) == rows);
    }
    assert!(server.log().contains("there is no capture mode \"Named\": default, named are there"), "{}", server.log());
    let rows = select(file.url(), "SELECT correlation_id, CAST(msg AS TEXT) AS msg FROM lua_data").expect("rows");
    let texts: Vec<_> = rows[0].values().map(|value| value.clone().unwrap_or_default()).collect();
    assert_eq!(texts, [b"id".to_vec(), b"body".to_vec()]);
}
