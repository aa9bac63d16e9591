//! What an operator of OpenSIPS asks: commands over MI, and statistics.

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::Module;
use crate::common::opensips::{ConfigBuilder, OpenSips, is_missing};
use crate::common::rows::{SqliteFile, count};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn invite(number: u64) -> Vec<u8> {
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    Observed::sip(source, destination, 1_749_988_800_000_000, &answered_call("mi", number)[0].text).v3()
}

fn is_answered(server: &OpenSips, method: &str, params: &str, expected: &str) {
    let answer = server.mi(method, params).expect("an answer");
    assert_eq!(answer, format!(r#"{{"jsonrpc":"2.0",{expected},"id":1}}"#), "{method} {params}");
}

#[test]
fn the_switch_is_shown_as_by_the_stock_module_and_switches() {
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    // One worker, so that the next packet tells that the one before it is through.
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).workers(1).start();
    let shown = |position: &str| {
        is_answered(&server, "sip_capture", "", &format!(r#""result":{{"SIP capturing":"{position}"}}"#))
    };
    let sender = HepSender::to(server.hep_address());
    shown("on");
    is_answered(&server, "sip_capture", r#"["off"]"#, r#""result":"OK""#);
    shown("off");
    sender.send(&invite(1));
    within(PATIENCE, "the packet is seen", || server.statistic("hep_packets") == 1);
    is_answered(&server, "sip_capture", r#"{"capture_mode":"ON"}"#, r#""result":"OK""#);
    shown("on");
    sender.send(&invite(2));
    within(PATIENCE, "the second packet is stored", || count(file.url(), "sip_capture") == 1);
    assert_eq!((server.statistic("hep_packets"), server.statistic("captured_requests")), (2, 1));
    is_answered(
        &server,
        "sip_capture",
        r#"["bogus"]"#,
        r#""error":{"code":500,"message":"Bad parameter value","data":"capture_mode should be 'on' or 'off'"}"#,
    );
    shown("on");
    let invalid = |data: &str| format!(r#""error":{{"code":-32602,"message":"Invalid params","data":"{data}"}}"#);
    is_answered(&server, "sip_capture", r#"{"trace_mode":"off"}"#, &invalid("Named parameters do not match"));
    is_answered(&server, "sip_capture", r#"["on","off"]"#, &invalid("Too few or too many parameters"));
}

/// The answer of the stock module is read from the module itself.
#[test]
fn the_answer_about_the_switch_is_that_of_the_stock_module_byte_for_byte() {
    if is_missing() {
        return;
    }
    for position in [0, 1] {
        let answers = [Module::Stock, Module::Ours].map(|module| {
            let file = SqliteFile::new();
            let server = ConfigBuilder::capture_node(module, file.url()).param("capture_on", position).start();
            server.mi("sip_capture", "").expect("an answer")
        });
        assert_eq!(answers[0], answers[1]);
    }
}

#[test]
fn each_statistic_is_listed_once_and_those_of_the_stock_module_are_among_them() {
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).start();
    let answer = server.mi("get_statistics", r#"[["sipcapture:"]]"#).expect("an answer");
    let names: Vec<&str> = answer.split('"').filter(|text| text.starts_with("sipcapture:")).collect();
    assert!(["sipcapture:captured_requests", "sipcapture:captured_replies"].iter().all(|name| names.contains(name)));
    for name in &names {
        assert_eq!(names.iter().filter(|known| *known == name).count(), 1, "{name} in {answer}");
    }
    let counters = server.result("sip_capture_stats", "");
    assert_eq!((counters["capture"].as_str(), counters["captured"].as_u64()), (Some("on"), Some(0)));
}
