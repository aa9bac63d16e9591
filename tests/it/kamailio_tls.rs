//! TLS from a real Kamailio to its database, with the stock modules as the oracle.

use crate::common::certificate::Authority;
use crate::common::database::PASSWORD;
use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::relay::{Behaviour, Relay};
use crate::common::rows::{SqliteFile, count, execute};
use crate::common::sip::answered_call;
use crate::common::tls_database::{TlsMariaDb, TlsPostgres};
use crate::common::wait::within;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// The messages of a call, as a capture agent sends them.
fn call(number: u64) -> Vec<Vec<u8>> {
    let (source, destination) = ("192.0.2.10:5060", "198.51.100.20:5060");
    let observed = |text: &Vec<u8>| {
        let (source, destination) = (source.parse().expect("an address"), destination.parse().expect("an address"));
        Observed::sip(source, destination, 1_749_988_800_000_000, text).v3()
    };
    answered_call("tls", number).iter().map(|message| observed(&message.text)).collect()
}

/// Sends calls with these numbers; the answer is the number of messages.
fn send(server: &Kamailio, numbers: std::ops::Range<u64>) -> u64 {
    let messages: Vec<Vec<u8>> = numbers.flat_map(call).collect();
    let sent = messages.len() as u64;
    HepSender::to(server.address()).send_paced(200, messages);
    sent
}

/// The table of our own scheme, which both modules write to.
fn make_table(url: &str) {
    let (layout, postgres) =
        (sipcapture_core::table::sip_layout(&Default::default()), sipcapture_core::table::SqlDialect::Postgres);
    execute(url, &sipcapture_core::table::ddl::create_table(postgres, "sip_capture", &layout).join(";"));
}

/// Whether the connections of a module are encrypted that has stored a call by `url`; `None` when it has stored
/// nothing.
fn encrypted(server: &TlsPostgres, module: Module, mode: Option<&str>) -> Vec<bool> {
    let mut node = ConfigBuilder::capture_node(module, &server.url("sipcapture", ""));
    // Nobody's own files may play a part.
    node = node.environment("HOME", "/nonexistent");
    if let Some(mode) = mode {
        node = node.environment("PGSSLMODE", mode);
    }
    let before = count(&server.local_url("sipcapture"), "sip_capture");
    let node = node.start();
    let sent = send(&node, 0..1);
    within(PATIENCE, "the call is stored", || count(&server.local_url("sipcapture"), "sip_capture") == before + sent);
    let application = if module == Module::Stock { "" } else { "sipcapture" };
    server.encrypted("sipcapture", application)
}

#[test]
fn the_same_url_and_environment_encrypt_where_the_stock_module_encrypts() {
    let server = TlsPostgres::start();
    make_table(&server.local_url("sipcapture"));
    for (mode, expected) in [(None, true), (Some("prefer"), true), (Some("require"), true), (Some("disable"), false)] {
        for module in [Module::Stock, Module::Ours] {
            let connections = encrypted(&server, module, mode);
            assert!(!connections.is_empty(), "{module:?} {mode:?}");
            assert!(connections.iter().all(|is| *is == expected), "{module:?} {mode:?}: {connections:?}");
        }
    }
}

#[test]
fn rows_of_the_capture_agent_travel_in_tls_too() {
    let server = TlsPostgres::start();
    let agent = ConfigBuilder::new()
        .load("tm.so")
        .load("rr.so")
        .load_agent(Module::Ours)
        .param("siptrace", "db_url", &server.url("only_tls", "?sslmode=require"))
        .param("siptrace", "create_tables", 1)
        .param("siptrace", "trace_to_database", 1)
        .param("siptrace", "trace_on", 1)
        .route("request_route", "sip_trace(); exit;")
        .start();
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    sender.send_to(&answered_call("agent", 0)[0].text, agent.address()).expect("the message leaves");
    within(PATIENCE, "the message is stored", || count(&server.local_url("only_tls"), "sip_trace") == 1);
    assert_eq!(server.encrypted("only_tls", "sipcapture"), [true]);
}

#[test]
fn what_cannot_be_had_stops_the_start_with_its_name_and_what_is_allowed() {
    let file = SqliteFile::new();
    for (url, words) in [
        ("postgres://u:geheim@127.0.0.1/d?sslmode=on", ["db_url", "sslmode `on`", "disable, allow, prefer"]),
        ("postgres://u:geheim@127.0.0.1/d?sslrootcert=/no/ca.pem", ["db_url", "sslrootcert `/no/ca.pem`", "PEM file"]),
        ("mysql://u:geheim@127.0.0.1/d?sslmode=verify-full", ["db_url", "sslmode is no key", "ssl-mode is meant"]),
        ("mysql://u:geheim@127.0.0.1/d?ssl-mode=on", ["db_url", "ssl-mode `on`", "VERIFY_IDENTITY"]),
        ("mysql://u:geheim@127.0.0.1/d?ssl-ca=/no/ca.pem", ["db_url", "ssl-ca `/no/ca.pem`", "PEM file"]),
    ] {
        let of_mode = format!("archive=>db_url='{url}';table_name=a;mt_mode=rand");
        let as_url = ConfigBuilder::capture_node(Module::Ours, url).refused();
        let as_mode =
            ConfigBuilder::capture_node(Module::Ours, file.url()).param("sipcapture", "capture_mode", &of_mode);
        for (log, name) in [(as_url, words[0]), (as_mode.refused(), "capture_mode")] {
            for word in [name, words[1], words[2]] {
                assert!(log.contains(word), "{url}: {word:?} is not in {log}");
            }
            assert!(!log.contains(PASSWORD), "{log}");
        }
    }
}

#[test]
fn a_key_that_is_not_known_is_named_once_and_its_value_never() {
    let server = TlsPostgres::start();
    let url = server.url("only_tls", "?application_name=strange&passwd=heimlich");
    let node = ConfigBuilder::capture_node(Module::Ours, &url).set("create_tables", 1).start();
    let sent = send(&node, 0..1);
    within(PATIENCE, "the call is stored", || count(&server.local_url("only_tls"), "sip_capture") == sent);
    let log = node.log();
    for key in ["application_name", "passwd"] {
        assert_eq!(log.matches(key).count(), 1, "{log}");
    }
    assert!(!log.contains("heimlich") && !log.contains("strange") && !log.contains(PASSWORD), "{log}");
}

#[test]
fn a_handshake_that_fails_is_told_with_its_reason_and_captures_wait_until_it_succeeds() {
    let mut server = TlsPostgres::start();
    let (known, stranger) = (server.authority().file(), Authority::new());
    let good = server.authority().issue("127.0.0.1");
    server.present(&stranger.issue("127.0.0.1"));
    let url = server.url("only_tls", &format!("?sslmode=verify-full&sslrootcert={}", known.display()));
    let node = ConfigBuilder::capture_node(Module::Ours, &url).set("create_tables", 1).start();
    let sent = send(&node, 0..20);
    within(PATIENCE, "the captures are in the spool", || node.statistic("spooled") == sent);
    let log = node.log();
    for word in ["invalid peer certificate: UnknownIssuer", "sslmode verify-full", "sslrootcert `", "/only_tls"] {
        assert!(log.contains(word), "{word:?} is not in {log}");
    }
    assert!(!log.contains(PASSWORD), "{log}");
    server.present(&good);
    within(PATIENCE, "the captures are stored", || count(&server.local_url("only_tls"), "sip_capture") == sent);
    within(PATIENCE, "the spool is empty", || node.statistic("spooled") == 0);
    node.assert_balance();
}

#[test]
fn a_file_that_the_servers_user_may_not_read_is_told_and_read_as_soon_as_it_may() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let server = TlsPostgres::start();
    let client = server.authority().issue("sipcapture");
    let shown = format!("?sslmode=require&sslcert={}&sslkey={}", client.certificate.display(), client.key.display());
    let url = server.url("with_certificate", &shown);
    let node = ConfigBuilder::capture_node(Module::Ours, &url).set("create_tables", 1).run_as(65_534).start();
    let sent = send(&node, 0..1);
    within(PATIENCE, "the captures are in the spool", || node.statistic("spooled") == sent);
    let log = node.log();
    assert!(log.contains("sslkey `") && log.contains("Permission denied"), "{log}");
    std::os::unix::fs::chown(&client.key, Some(65_534), None).expect("root may give its file away");
    within(PATIENCE, "the captures are stored", || count(&server.local_url("with_certificate"), "sip_capture") == sent);
}

/// A black hole in the handshakes with one database; another one goes on.
fn other_sinks_go_on(relay: &Relay, url: &str, looked_up: &str) {
    relay.behave(Behaviour::SilentAfter(64));
    let file = SqliteFile::new();
    let of_mode = format!("dark=>db_url='{url}';table_name=sip_capture;mt_mode=rand");
    let mut node = ConfigBuilder::capture_node(Module::Ours, file.url())
        .param("sipcapture", "capture_mode", &of_mode)
        .set("create_tables", 1)
        .route("request_route", "sip_capture(); sip_capture(\"\", \"dark\"); exit;")
        .route("onreply_route", "sip_capture(); sip_capture(\"\", \"dark\"); drop;")
        .start();
    let sent = send(&node, 0..20);
    within(PATIENCE, "the other database has them", || count(file.url(), "sip_capture") == sent);
    within(PATIENCE, "the captures are in the spool", || node.statistic("spooled") == sent);
    assert!(relay.struck() > 0, "nothing was swallowed");
    node.assert_balance();
    node.assert_serving();
    relay.behave(Behaviour::Pass);
    within(PATIENCE, "the captures are stored", || count(looked_up, "sip_capture") == sent);
    within(PATIENCE, "the spool is empty", || node.statistic("spooled") == 0);
    node.assert_balance();
}

#[test]
fn a_black_hole_in_handshakes_with_postgresql_holds_up_no_other_database() {
    let server = TlsPostgres::start();
    let relay = Relay::start(server.address());
    other_sinks_go_on(&relay, &server.url_at(relay.port(), "only_tls", ""), &server.local_url("only_tls"));
}

#[test]
fn a_black_hole_in_handshakes_with_mariadb_holds_up_no_other_database() {
    let server = TlsMariaDb::start();
    let relay = Relay::start(server.address());
    other_sinks_go_on(&relay, &server.url_at(relay.port(), "only_tls", ""), &server.clear_url());
}
