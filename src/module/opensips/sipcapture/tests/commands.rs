//! Answers to commands, and counters.

use super::*;
use std::ffi::CStr;

fn ask(node: &CaptureNode, name: &str, argument: &str) -> Answer {
    let mut answer = Answer::default();
    assert!(node.pipeline().overview().command(node.dialect(), name, argument.as_bytes(), &mut answer));
    assert!(answer.groups.is_empty());
    answer
}

fn position(answer: &Answer) -> Vec<(&str, &str)> {
    assert_eq!((&answer.text, &answer.fault, answer.numbers.len()), (&None, &None, 0));
    answer.words.iter().map(|(name, word)| (name.as_str(), word.as_str())).collect()
}

#[test]
fn without_an_argument_an_object_shows_the_switch_under_either_name() {
    let node = node(|_| {});
    for name in ["sip_capture", "capture"] {
        assert_eq!(position(&ask(&node, name, "")), [("SIP capturing", "on")]);
    }
    assert_eq!(ask(&node, "capture", "off").text.as_deref(), Some("OK"));
    assert_eq!(position(&ask(&node, "sip_capture", "")), [("SIP capturing", "off")]);
}

#[test]
fn the_words_on_and_off_in_any_case_switch_capture_and_no_others_do() {
    let mut node = node(|_| {});
    for (word, is_on) in [("off", false), ("ON", true), ("Off", false), ("oN", true)] {
        assert_eq!(ask(&node, "sip_capture", word).text.as_deref(), Some("OK"), "{word}");
        assert_eq!(node.pipeline().lanes().unwrap().capture_on(), is_on, "{word}");
        assert_eq!(node.capture_sip(&plain(SIP), b"", 0).is_ok(), is_on, "{word}");
    }
    for word in ["offline", "of", "once", "o", "check", "1", "\0"] {
        let answer = ask(&node, "sip_capture", word);
        let expected = (500, "Bad parameter value".to_owned(), "capture_mode should be 'on' or 'off'".to_owned());
        assert_eq!((answer.fault, answer.text), (Some(expected), None), "{word}");
    }
    assert!(node.pipeline().lanes().unwrap().capture_on(), "a bad word changes nothing");
}

#[test]
fn every_command_has_a_name_of_its_own_among_all_commands_and_within_its_module() {
    let commands = AnyModule::dialect("opensips/sipcapture").unwrap().commands;
    let text = |name: &'static CStr| name.to_str().unwrap();
    let names: Vec<_> = commands.iter().map(|command| (text(command.name), command.name_in_module.map(text))).collect();
    assert_eq!(names, [("sip_capture", Some("capture")), ("sip_capture_stats", Some("stats"))]);
}

#[test]
fn a_command_before_there_are_lanes_is_an_internal_error() {
    let mut answer = Answer::default();
    let node = CaptureNode::default();
    assert!(node.pipeline().overview().command(node.dialect(), "capture", b"", &mut answer));
    assert_eq!(answer.fault, Some((500, "Internal error".to_owned(), String::new())));
    assert!(!node.pipeline().overview().command(node.dialect(), "sipcapture.status", b"", &mut answer));
}

#[test]
fn requests_and_replies_are_counted_and_reports_are_not() {
    let mut node = node(|_| {});
    for _ in 0..2 {
        node.capture_sip(&plain(SIP), b"", 0).unwrap();
    }
    node.capture_sip(&in_hep(b"SIP/2.0 200 OK\r\n\r\n"), b"other", 0).unwrap();
    node.capture_report(&in_hep(b"{}"), b"", b"leg", b"").unwrap();
    let counters = (0..).map_while(|index| node.pipeline().overview().counter_at(node.dialect(), index));
    let totals = totals(&node);
    let shown: Vec<_> = counters.map(|counter| (counter.name.to_str().unwrap(), counter.value(&totals))).collect();
    let of =
        |wanted: &str| shown.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| *value).collect::<Vec<_>>();
    assert_eq!((of("captured_requests"), of("captured_replies"), of("captured")), (vec![2], vec![1], vec![4]));
    let stats = ask(&node, "stats", "");
    assert_eq!((stats.words["capture"].as_str(), stats.numbers["captured"]), ("on", 4));
    assert_eq!((stats.numbers["sip.requests"], stats.numbers["sip.replies"]), (2, 1));
    assert_eq!(ask(&node, "sip_capture_stats", "").numbers["captured"], 4);
}
