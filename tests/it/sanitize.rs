//! Everything that arrives from outside, into one server: malformed HEP, awkward SIP, calls, commands, and a database
//! that goes away in between. `make sanitize` runs it with a module that checks each access to memory, and with 10,000
//! calls; any other run with a few.

use crate::common::database::{MariaDb, Postgres};
use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::rows::{SqliteFile, execute};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use crate::hep_table;
use sipcapture_core::table::ddl::create_table;
use sipcapture_core::table::{ColumnNames, SqlDialect, report_layout, sip_layout};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

const PATIENCE: Duration = Duration::from_secs(180);
/// Messages a second: slow enough for a server whose memory accesses are checked, on a machine with other work.
const RATE: u32 = 1500;

const EVENT_ROUTE: &str = r#"
    $avp(agent) = $hep(capture_id);
    if ($hep(version) == 3 && $hep(correlation_id) =~ "^report-") {
        report_capture("reports", "$hep(correlation_id)", "$hep(0x00f) $hep(src_ip) $hep(dst_port) $hep(0x065)");
        return 0;
    }
    return 1;
"#;
const REQUEST_ROUTE: &str = r#"
    if ($rm == "INVITE") { $ru = "sip:rewritten@" + $rd; }
    $var(number) = float2int("$(cs).5", "100");
    if ($rm == "ACK") { sip_capture("acks_%Y"); } else { sip_capture(); }
    report_capture("reports", "$ci", "$rm $fu");
    exit;
"#;

/// Calls to send: `SIPCAPTURE_SANITIZE_CALLS`, else a few.
fn calls() -> u64 {
    let set = env::var("SIPCAPTURE_SANITIZE_CALLS").ok();
    set.map_or(100, |calls| calls.parse().expect("SIPCAPTURE_SANITIZE_CALLS is a number"))
}

fn endpoints() -> (SocketAddr, SocketAddr) {
    (SocketAddr::from(([192, 0, 2, 10], 5060)), SocketAddr::from(([198, 51, 100, 20], 5060)))
}

fn make_tables(url: &str, dialect: SqlDialect) {
    let names = ColumnNames::default();
    let year = jiff::Timestamp::now().strftime("%Y").to_string();
    let acks = ["acks_2025".to_owned(), format!("acks_{year}")];
    for table in ["sip_capture"].into_iter().chain(acks.iter().map(String::as_str)) {
        execute(url, &create_table(dialect, table, &sip_layout(&names)).join(";\n"));
    }
    execute(url, &create_table(dialect, "reports", &report_layout(&names)).join(";\n"));
}

fn node(url: &str) -> ConfigBuilder {
    ConfigBuilder::capture_module(Module::Ours, url)
        .param("sipcapture", "nonsip_hook", 1)
        .route("event_route[sipcapture:request]", EVENT_ROUTE)
        .route("request_route", REQUEST_ROUTE)
        .route("onreply_route", "sip_capture(); drop;")
}

/// The whole table of malformed packets, each of them also cut short at every length up to its headers' end.
fn send_malformed_hep(sender: &HepSender) {
    for row in hep_table::rows() {
        let cuts = (1..row.bytes.len().min(120)).step_by(7).map(|length| row.bytes[..length].to_vec());
        sender.send_paced(RATE, cuts.chain([row.bytes.clone()]));
    }
}

/// Every awkward message, inside HEP and as it is.
fn send_awkward_sip(sender: &HepSender) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/awkward");
    let (source, destination) = endpoints();
    for entry in fs::read_dir(directory).expect("the corpus is there") {
        let message = fs::read(entry.expect("a directory is read").path()).expect("a message is read");
        let observed = Observed::sip(source, destination, 1_749_988_800_000_000, &message);
        sender.send_paced(RATE, [observed.v1(), observed.v2(), observed.v3(), message]);
    }
}

/// Answered calls, message by message; each tenth call by HEP version 2, each hundredth as plain SIP, some with a
/// report.
fn send_calls(sender: &HepSender, calls: u64, prefix: &str) {
    let (source, destination) = endpoints();
    let packets = (0..calls).flat_map(|number| {
        let messages = answered_call(prefix, number).into_iter().enumerate();
        messages.map(move |(step, message)| {
            let ends = if message.from_caller { (source, destination) } else { (destination, source) };
            let mut observed = Observed::sip(ends.0, ends.1, 1_749_988_800_000_000 + number, &message.text);
            if step == 6 && number % 3 == 0 {
                (observed.payload_type, observed.correlation) = (5, Some(format!("report-{number}").into_bytes()));
            }
            match number % 100 {
                0 => message.text,
                10 | 20 | 30 => observed.v2(),
                _ => observed.v3(),
            }
        })
    });
    sender.send_paced(RATE, packets);
}

fn ask_everything(server: &Kamailio) {
    for command in [
        &["sipcapture.status"][..],
        &["sipcapture.stats"],
        &["sip_capture"],
        &["sip_capture", "off"],
        &["sip_capture", "on"],
        &["sip_capture", "perhaps"],
        &["stats.get_statistics", "all"],
    ] {
        // An error is an answer too.
        let _ = server.rpc(command);
    }
}

/// Waits until nothing is queued or spooled, and checks that the counters add up.
fn settle(server: &Kamailio) {
    within(PATIENCE, "no capture is queued or spooled any more", || {
        let statistics = server.statistics();
        statistics["queued"] == 0 && statistics["spooled"] == 0
    });
    server.assert_balance();
}

/// Ends the server and looks into its log for an end in order.
fn end(mut server: Kamailio) {
    ask_everything(&server);
    server.assert_serving();
    let status = server.stop();
    // Where core dumps are not allowed, as below sudo, Kamailio says that as something critical.
    let log = server.log().lines().filter(|line| !line.contains("set_core_dump()")).collect::<Vec<_>>().join("\n");
    assert!(status.success(), "the server ended with {status}:\n{log}");
    for word in ["AddressSanitizer", "panicked", "core was generated", "by signal", "CRITICAL"] {
        assert!(!log.contains(word), "{word} in the log:\n{log}");
    }
}

fn everything(url: &str, dialect: SqlDialect, calls: u64, mut restart: impl FnMut(bool)) {
    make_tables(url, dialect);
    let server = node(url).start();
    let sender = HepSender::to(server.address());
    send_malformed_hep(&sender);
    send_awkward_sip(&sender);
    send_calls(&sender, calls / 2, "before");
    ask_everything(&server);
    restart(false);
    send_malformed_hep(&sender);
    send_calls(&sender, calls - calls / 2, "without");
    restart(true);
    send_awkward_sip(&sender);
    settle(&server);
    let statistics = server.statistics();
    assert!(statistics["stored"] > 6 * calls, "most of what was sent is stored: {statistics:?}");
    end(server);
}

#[test]
fn everything_from_outside_with_mariadb_going_away_in_between() {
    let mut database = MariaDb::start();
    everything(&database.url(), SqlDialect::Mysql, calls(), |back| {
        if back { database.start_again() } else { database.stop() }
    });
}

#[test]
fn everything_from_outside_with_postgresql_going_away_in_between() {
    let mut database = Postgres::start();
    let calls = calls() / 5;
    everything(&database.url(), SqlDialect::Postgres, calls, |back| {
        if back { database.start_again() } else { database.stop() }
    });
}

#[test]
fn everything_from_outside_into_sqlite() {
    let file = SqliteFile::new();
    execute(file.url(), "PRAGMA journal_mode = WAL");
    everything(file.url(), SqlDialect::Sqlite, calls() / 5, |_| {});
}
