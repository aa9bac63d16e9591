//! What scripts name to send to: one collector by all its spellings, what is none, and what is left to parameters.

use super::scripts::with_script;
use super::{Collector, PATIENCE, Proxy, agent, telling};
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::ports::free_address;
use crate::common::rows::SqliteFile;
use crate::common::wait::{eventually, within};
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;
use tempfile::TempDir;

fn statistic(server: &Kamailio, name: &str) -> u64 {
    server.statistics_of("siptrace")[name]
}

/// Ends behind which the same address stands.
const SPELLINGS: [&str; 4] = ["alice@ADDRESS", "ADDRESS;lr", "me:s3cret@ADDRESS", "bob@ADDRESS;ob=1"];

/// A script that names one collector by another spelling for each method.
fn spelling_it_anew(address: &str) -> String {
    let calls = SPELLINGS.iter().enumerate().map(|(number, end)| {
        let uri = format!("sip:{};transport=tcp", end.replace("ADDRESS", address));
        format!(r#"if (is_method("OPTIONS") && $hdr(X-Mark) == "{number}") {{ sip_trace("{uri}"); }}"#)
    });
    calls.collect::<Vec<_>>().join("\n    ")
}

#[test]
fn a_collector_has_one_connection_by_all_spellings_of_its_uri() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the socket is bound");
    let config = telling("").without("duplicate_uri");
    let proxy = Proxy::start(config, &spelling_it_anew(&address.to_string()));
    let marks = (0..SPELLINGS.len()).map(|number| format!("X-Mark: {number}\r\n"));
    let sent: Vec<String> = marks.map(|mark| proxy.ping(&mark)).collect();
    let (mut stream, _) = listener.accept().expect("the writer connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&heard).contains(&sent[SPELLINGS.len() - 1]) {
        let length = stream.read(&mut buffer).expect("all of it comes over one connection");
        assert!(length > 0, "the connection stays");
        heard.extend_from_slice(&buffer[..length]);
    }
    let heard = String::from_utf8_lossy(&heard).into_owned();
    let places: Vec<Option<usize>> = sent.iter().map(|message| heard.find(message.as_str())).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    proxy.settle(SPELLINGS.len() as u64);
    listener.set_nonblocking(true).expect("a listener need not wait");
    assert_eq!(listener.accept().map(|_| ()).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

#[test]
fn a_collector_that_is_away_has_one_spool_by_all_spellings_and_its_name_tells_no_password() {
    let spool = TempDir::new().expect("a private directory");
    let config = telling("").without("duplicate_uri").param("siptrace", "capture_writers", 1);
    let config = config.param("siptrace", "spool_dir", &spool.path().display().to_string());
    let proxy = Proxy::start(config, &spelling_it_anew(&free_address().to_string()));
    for number in 0..SPELLINGS.len() {
        proxy.ping(&format!("X-Mark: {number}\r\n"));
    }
    let wanted = SPELLINGS.len() as u64;
    let waits = eventually(PATIENCE, || statistic(&proxy.server, "spooled") == wanted);
    assert!(waits, "{:?}\n{}", proxy.server.statistics_of("siptrace"), proxy.server.log());
    let names = fs::read_dir(spool.path()).expect("the directory is there");
    let names: Vec<String> =
        names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    let named: Vec<&String> = names.iter().filter(|name| name.starts_with("script-")).collect();
    assert_eq!(named.len(), 1, "{names:?}");
    let told = format!("{names:?} {}", proxy.server.log());
    assert!(!told.contains("s3cret") && !told.contains("alice"), "{told}");
}

/// What `sip_trace()` answers for these words of a script, and what was made of the message and its reply.
fn answered(module: Module, config: impl Fn(ConfigBuilder) -> ConfigBuilder, words: &str) -> (String, String) {
    let script = format!(
        r#"if (is_method("OPTIONS")) {{
        if (sip_trace({words})) {{ xlog("L_WARN", "ANSWER yes\n"); }} else {{ xlog("L_WARN", "ANSWER no\n"); }}
        t_newtran(); t_reply("200", "OK"); exit;
    }}"#
    );
    let base = ConfigBuilder::new().children(1).load("tm.so").load_agent(module);
    let proxy = Proxy::start(config(base.param("siptrace", "trace_on", 1)), &script);
    proxy.ping("");
    let log = proxy.server.log();
    let answers: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once("ANSWER ")?.1.trim())).collect();
    let [answer] = answers[..] else { panic!("one answer is told: {log}") };
    if module == Module::Stock {
        return (answer.to_owned(), String::new());
    }
    let statistics = proxy.server.statistics_of("siptrace");
    let counts = ["captured", "refused", "copies_failed"].map(|name| statistics[name].to_string());
    (answer.to_owned(), counts.join(" "))
}

#[test]
fn a_destination_that_is_none_is_answered_as_the_stock_module_does_and_nothing_comes_of_it() {
    for hep in [0, 1] {
        for types in ["", r#", "", "m""#, r#", "", "t""#] {
            let words = format!(r#""nonsense"{types}"#);
            let (collector, file) = (Collector::new(), SqliteFile::new());
            let config = |config: ConfigBuilder| {
                let config = config.param("siptrace", "hep_mode_on", hep).param("siptrace", "hep_version", 3);
                config.param("siptrace", "duplicate_uri", &collector.uri())
            };
            let stored = |base: ConfigBuilder| config(base).param("siptrace", "db_url", file.url());
            let alone = |base: ConfigBuilder| config(base).param("siptrace", "trace_to_database", 0);
            assert_eq!(answered(Module::Stock, alone, &words).0, "no", "{words}");
            // Neither the request nor its reply.
            let nothing = ("no".to_owned(), "0 1 0".to_owned());
            assert_eq!(answered(Module::Ours, alone, &words), nothing, "{words}");
            assert_eq!(answered(Module::Ours, stored, &words), nothing, "{words}");
            let off = |base: ConfigBuilder| stored(base).without("trace_on").param("siptrace", "trace_on", 0);
            assert_eq!(answered(Module::Ours, off, &words), nothing, "{words}");
        }
    }
}

#[test]
fn a_stateless_reply_does_not_go_to_a_destination_that_is_none() {
    let file = SqliteFile::new();
    let config = agent().param("siptrace", "db_url", file.url()).param("siptrace", "traced_user_avp", "$avp(who)");
    let script = r#"if (is_method("OPTIONS")) { $avp(who) = "alice"; sip_trace("nonsense", "", "t"); }"#;
    let proxy = Proxy::start(config, script);
    proxy.ping("");
    // The rows of the reply, for everybody and for alice, as of one of which nothing was said.
    proxy.settle(2);
    assert_eq!((statistic(&proxy.server, "refused"), statistic(&proxy.server, "stored")), (1, 2));
}

#[test]
fn a_destination_that_lua_names_and_that_is_none_is_answered_no() {
    let directory = TempDir::new().expect("a private directory");
    let script = r#"
function trace()
    KSR.warn("answer " .. KSR.siptrace.sip_trace_dst("nonsense") .. "\n")
    KSR.warn("answer " .. KSR.siptrace.sip_trace_dst_cid_type("nonsense", "", "t") .. "\n")
    KSR.warn("answer " .. KSR.siptrace.sip_trace_dst_cid_type("sips:127.0.0.1:9;transport=udp", "", "t") .. "\n")
end
"#;
    let file = SqliteFile::new();
    let config = agent().without("hep_mode_on").param("siptrace", "db_url", file.url());
    let proxy = Proxy::start(with_script(config, &directory, script), r#"lua_run("trace");"#);
    proxy.ping("");
    let log = proxy.server.log();
    let answers: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once("answer ")?.1)).collect();
    assert_eq!(answers, ["-1"; 3], "{log}");
    let statistics = proxy.server.statistics_of("siptrace");
    assert_eq!((statistics["captured"], statistics["refused"], statistics["copies_failed"]), (0, 3, 0));
}

#[test]
fn copies_over_transports_that_the_server_may_lack_are_its_own_affair() {
    for transport in ["sctp", "ws", "wss"] {
        let file = SqliteFile::new();
        let words = format!(r#""sip:127.0.0.1:9;transport={transport}""#);
        let stored = |base: ConfigBuilder| base.param("siptrace", "db_url", file.url());
        let (answer, counts) = answered(Module::Ours, stored, &words);
        // Whether the copy is counted as failed is what the server says of it.
        assert!(answer == "yes" && counts.starts_with("1 0 "), "{transport}: {answer}, {counts}");
    }
}

#[test]
fn a_destination_that_is_left_to_parameters_for_copies_alone_is_traced_and_followed() {
    let file = SqliteFile::new();
    let config = agent().without("hep_mode_on").param("siptrace", "db_url", file.url());
    let config = config.param("siptrace", "duplicate_uri", "sip:127.0.0.1:9;transport=sctp");
    let script = r#"if (is_method("OPTIONS")) {
        if (sip_trace("", "$ci", "t")) { xlog("L_WARN", "ANSWER yes\n"); }
        t_newtran(); t_reply("200", "OK"); exit;
    }
    if (!sip_trace_msg("made up", "udp:192.0.2.1:5060", "udp:192.0.2.2:5060", "", "id")) { xlog("L_WARN", "TEXT no\n"); }
    if (!hlog("a line")) { xlog("L_WARN", "LINE no\n"); }"#;
    let proxy = Proxy::start(config, script);
    proxy.ping("");
    // Request and reply, as rows and as copies.
    proxy.settle(2);
    within(PATIENCE, "both copies are tried", || statistic(&proxy.server, "copies_failed") == 2);
    proxy.text("MESSAGE", "hello");
    let log = proxy.server.log();
    for line in ["ANSWER yes", "TEXT no", "LINE no"] {
        assert!(log.contains(line), "no {line:?} in\n{log}");
    }
    assert_eq!(statistic(&proxy.server, "captured"), 2);
}

#[test]
fn a_dialog_is_followed_to_parameters_for_copies_alone() {
    let file = SqliteFile::new();
    let config = agent().load("rr.so").load("dialog.so").without("hep_mode_on").param("siptrace", "db_url", file.url());
    let config = config.param("siptrace", "duplicate_uri", "sip:127.0.0.1:9;transport=sctp");
    let script = r#"if (loose_route()) { t_relay(); exit; }
    if (is_method("INVITE")) { record_route(); sip_trace("", "$ci", "d"); dlg_manage(); }"#;
    let proxy = Proxy::start(config, script);
    proxy.call(1);
    within(PATIENCE, "the BYE is stored too", || {
        let stored = crate::common::rows::select(file.url(), "SELECT * FROM sip_trace WHERE method = 'BYE'");
        stored.is_ok_and(|rows| !rows.is_empty())
    });
}
