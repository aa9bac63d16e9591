//! Parameters that change what is captured.

use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Module, Param};
use crate::common::rows::{SqliteFile, execute, select, text};
use crate::common::wait::within;
use crate::kamailio_parity::tables::Engine;
use crate::kamailio_parity::traffic::{Sent, traffic};
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// Names of the messages that a server with this module stores when it is told to refuse malformed ones.
fn stored_of(module: Module, traffic: &[Sent]) -> BTreeSet<String> {
    let file = SqliteFile::new();
    execute(file.url(), &Engine::Sqlite.schema());
    execute(file.url(), "PRAGMA journal_mode = WAL");
    let config = ConfigBuilder::capture_node(module, file.url()).children(1).param("sipcapture", "capture_bad_msgs", 0);
    let mut server = config.start();
    HepSender::to(server.address()).send_paced(400, traffic.iter().map(|sent| &sent.packet));
    let last = traffic.last().expect("there is traffic").port;
    let sentinel = format!("SELECT id FROM sip_capture WHERE source_port = {last}");
    within(PATIENCE, "the last message is stored", || select(file.url(), &sentinel).is_ok_and(|rows| !rows.is_empty()));
    server.assert_serving();
    let rows = select(file.url(), "SELECT source_port FROM sip_capture").expect("the table is readable");
    let ports: BTreeSet<_> = rows.iter().map(|row| text(row, "source_port")).collect();
    if module == Module::Ours {
        let refused = traffic.len() - ports.len();
        assert_eq!(server.statistic("refused_malformed"), refused as u64);
        assert_eq!(server.statistic("captured"), ports.len() as u64);
    }
    server.stop();
    let is_stored = |sent: &&Sent| ports.contains(&sent.port.to_string());
    traffic.iter().filter(is_stored).map(|sent| sent.name.clone()).collect()
}

#[test]
fn with_capture_bad_msgs_0_the_malformed_are_refused_and_nothing_is_that_the_stock_module_stores() {
    let mut traffic = traffic();
    traffic.retain(|sent| sent.table == "sip_capture");
    let (stock, ours) = (stored_of(Module::Stock, &traffic), stored_of(Module::Ours, &traffic));
    let lost: Vec<_> = stock.difference(&ours).collect();
    assert!(lost.is_empty(), "the stock module stores these: {lost:#?}");
    let refused: Vec<_> = traffic.iter().filter(|sent| !ours.contains(&sent.name)).map(|sent| &sent.name).collect();
    let listed = traffic.iter().filter(|sent| sent.name.starts_with("awkward refused-")).map(|sent| &sent.name);
    assert_eq!(refused, listed.collect::<Vec<_>>());
    // Its tag is read in full here; the stock parser takes the escaped quote for the end.
    assert_eq!(ours.difference(&stock).collect::<Vec<_>>(), ["awkward from-tag-quoted-escapes"]);
}

#[test]
fn secrets_are_masked_in_what_scripts_and_hep_packets_have_stored_and_lengths_are_kept() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).children(1);
    let server = node.set("mask", "Authorization, Proxy-Authorization").set("mask_body", 1).start();
    let register = "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@example.org>;tag=1\r\n\
                    To: <sip:a@example.org>\r\nCall-ID: masked\r\nCSeq: 1 REGISTER\r\n\
                    Authorization: Digest username=\"a\", response=\"0123456789abcdef\"\r\nContent-Length: 0\r\n\r\n";
    let message = register.replace("REGISTER", "MESSAGE").replace("Length: 0\r\n\r\n", "Length: 6\r\n\r\nsecret");
    let sender = HepSender::to(server.address());
    sender.send(register.as_bytes());
    sender.send(message.as_bytes());
    // Kamailio takes empty lines before a message.
    let late = format!("\r\n{message}");
    sender.send(late.as_bytes());
    within(PATIENCE, "all are stored", || server.statistic("stored") == 3);
    let rows = select(file.url(), "SELECT method, auth_user, msg FROM sip_capture ORDER BY id").expect("rows");
    let expected = |text: &str| text.replace("0123456789abcdef", &"x".repeat(16)).replace("secret", "xxxxxx");
    let sent = [("REGISTER", register), ("MESSAGE", message.as_str()), ("MESSAGE", late.as_str())];
    assert_eq!(rows.len(), sent.len());
    for (row, (method, sent)) in rows.iter().zip(sent) {
        assert_eq!((text(row, "method"), text(row, "auth_user")), (method.into(), "a".into()));
        assert_eq!(text(row, "msg"), expected(sent));
    }
    for (name, value, said) in [("mask", "a:b".into(), "\"a:b\""), ("mask_body", Param::from(2), "\"2\"")] {
        let log = ConfigBuilder::capture_node(Module::Ours, file.url()).set(name, value).refused();
        assert!(log.contains(&format!("parameter {name}: the value {said} is not allowed")), "{log}");
    }
}
