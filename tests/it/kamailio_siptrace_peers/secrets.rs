//! Secrets that the parameters `mask` and `mask_body` name: none is in anything that an agent writes or sends,
//! whichever way it takes.

use super::{Collector, MESSAGES, PATIENCE, Proxy, agent};
use crate::common::kamailio::ConfigBuilder;
use crate::common::ports::free_address;
use crate::common::rows::{SqliteFile, execute};
use crate::common::wait::within;
use sipcapture_core::table::ddl::create_table;
use sipcapture_core::table::{SqlDialect, TraceColumnNames, trace_layout};
use std::fs;
use std::path::Path;

/// What each secret begins with; nothing else holds it.
const SECRET: &str = "geheim";
/// What stands beside the secrets: whatever holds it has been written.
const OPEN: &str = "X-Open: offen";
/// Who may know what is traced: credentials in each of the forms that clients write, whole or broken, and headers of
/// the operator's own.
const HEADERS: &str = "X-Open: offen\r\n\
     Authorization: Digest username=\"a\", realm=\"r\", response=\"geheim1\"\r\n\
     PROXY-AUTHORIZATION: Digest username=\"a\",\r\n realm=\"r\",\r\n\tRESPONSE = geheim2, response=\"geheim3\"\r\n\
     Proxy-Authorization: Basic geheim4\r\n\
     Authorization : Bearer geheim5, geheim6\r\n\
     Authorization: Digest username=\"DOMAIN\\\", realm=\"r\", response=\"geheim7\"\r\n\
     X-Token: geheim8; v=geheim9\r\n\
     s: geheim10\r\n";
const MASKED: &str = "Authorization, Proxy-Authorization, X-Token, Subject";

fn masking(config: ConfigBuilder, is_masked: bool) -> ConfigBuilder {
    if is_masked { config.param("siptrace", "mask", MASKED).param("siptrace", "mask_body", 1) } else { config }
}

/// Every file below `directory`, one behind the other.
fn files_of(directory: &Path) -> Vec<u8> {
    let entries = fs::read_dir(directory).expect("the directory is readable");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| if path.is_dir() { files_of(&path) } else { fs::read(path).expect("a readable file") })
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Where secrets are, of all that an agent writes and sends whose database and whose first collector are away.
fn leaks_of_an_agent_that_cannot_store(is_masked: bool) -> Vec<&'static str> {
    let (collector, spool, away) =
        (Collector::new(), tempfile::tempdir().expect("a private directory"), free_address());
    let config = masking(agent(), is_masked)
        .param("siptrace", "db_url", &format!("postgres://nobody:none@{away}/none"))
        .param("siptrace", "spool_dir", &spool.path().display().to_string())
        .param("siptrace", "duplicate_uri", &format!("sip:{away};transport=tcp"))
        .param("siptrace", "duplicate_uri", &collector.uri())
        .param("siptrace", "trace_mode", 7);
    let script = r#"if (is_method("OPTIONS|MESSAGE")) {
            sip_trace(); hlog("$mb"); hlog("id", "a line with\n$mb");
            sip_trace_msg("$mb", "udp:192.0.2.1:5060", "udp:192.0.2.2:5070", "", "id");
        }"#;
    let proxy = Proxy::start(config, script);
    proxy.ping(HEADERS);
    let body = "geheim in two\r\n lines";
    proxy.exchange(format!("\r\n{}", proxy.with_body("MESSAGE", HEADERS, body)));
    let mut sent = Vec::new();
    // Of each request a packet and a copy as the core receives it, as the script traces it a packet, and two lines and
    // a message that it makes up; of its reply a packet and a copy.
    for _ in 0..2 * 8 {
        sent.push(collector.next());
    }
    within(PATIENCE, "everything waits on the disk", || {
        let statistics = proxy.server.statistics_of("siptrace");
        statistics["queued"] == 0 && statistics["spooled"] > 0
    });
    assert_eq!(sent.iter().filter(|datagram| holds(datagram, OPEN)).count(), 2 * 6);
    let spooled = files_of(spool.path());
    assert!(holds(&spooled, OPEN), "the spool is empty");
    let log = proxy.server.log();
    let places = [("a packet or copy", sent.concat()), ("the spool", spooled), ("the log", log.into_bytes())];
    places.into_iter().filter(|(_, bytes)| holds(bytes, SECRET)).map(|(place, _)| place).collect()
}

#[test]
fn what_waits_on_the_disk_what_is_sent_and_what_is_logged_hold_no_secret() {
    assert_eq!(leaks_of_an_agent_that_cannot_store(true), Vec::<&str>::new());
    assert_eq!(leaks_of_an_agent_that_cannot_store(false), ["a packet or copy", "the spool"]);
}

/// The same of rows, and of dead letters, where a database refuses requests.
fn leaks_of_an_agent_whose_rows_are_refused(is_masked: bool) -> Vec<&'static str> {
    let (file, spool) = (SqliteFile::new(), tempfile::tempdir().expect("a private directory"));
    let layout = trace_layout(&TraceColumnNames::default());
    execute(file.url(), &create_table(SqlDialect::Sqlite, "sip_trace", &layout).join(";\n"));
    execute(
        file.url(),
        "CREATE TRIGGER no_ping BEFORE INSERT ON sip_trace WHEN NEW.method = 'OPTIONS' AND NEW.status = ''
         BEGIN SELECT RAISE(ABORT, NEW.msg); END",
    );
    let config = masking(agent(), is_masked)
        .without("hep_mode_on")
        .param("siptrace", "db_url", file.url())
        .param("siptrace", "spool_dir", &spool.path().display().to_string())
        .param("siptrace", "trace_mode", 2);
    let proxy = Proxy::start(config, "");
    proxy.ping(HEADERS);
    proxy.exchange(proxy.with_body("MESSAGE", HEADERS, "geheim"));
    proxy.call(1);
    proxy.settle(MESSAGES as u64 + 4);
    assert_eq!(proxy.server.statistics_of("siptrace")["dead_lettered"], 1);
    let path = file.url().strip_prefix("sqlite://").expect("a URL of SQLite").replace("//", "/");
    let rows = files_of(Path::new(&path).parent().expect("a file has a directory"));
    let letters = files_of(spool.path());
    assert!(holds(&rows, OPEN) && holds(&letters, OPEN), "nothing is written");
    let log = proxy.server.log();
    let places = [("a row", rows), ("a dead letter", letters), ("the log", log.into_bytes())];
    places.into_iter().filter(|(_, bytes)| holds(bytes, SECRET)).map(|(place, _)| place).collect()
}

#[test]
fn rows_and_dead_letters_and_their_reasons_hold_no_secret() {
    assert_eq!(leaks_of_an_agent_whose_rows_are_refused(true), Vec::<&str>::new());
    let leaks = leaks_of_an_agent_whose_rows_are_refused(false);
    assert!(leaks.starts_with(&["a row", "a dead letter"]), "{leaks:?}");
}
