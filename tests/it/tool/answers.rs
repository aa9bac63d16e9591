//! `calls`, `show`, `export` and `schema`: what they print and write.

use super::recording::{CALLER, Dialog, PROXY, START};
use super::running::{Stored, command, run};
use crate::common::tshark::dissect;
use std::collections::HashMap;

const SECOND: i64 = 1_000_000;

/// Four calls, a registration, one hour apart.
fn day() -> Stored {
    let hour = |number: i64| START + number * 3_600 * SECOND;
    let mut messages = Dialog::new("first@example.com", "alice", "bob", hour(0)).answered();
    messages
        .extend(Dialog::new("second@example.com", "+4930123456", "+442071234567", hour(1)).refused("486 Busy Here"));
    messages.extend(Dialog::new("register@example.com", "alice", "alice", hour(2)).registered());
    messages.extend(Dialog::new("third@example.com", "carol", "bob", hour(3)).answered().into_iter().take(5));
    let cancelled = Dialog::new("fourth@example.com", "carol", "erin", hour(4));
    messages.push(cancelled.message(0, (CALLER, PROXY), "INVITE", "1 INVITE", false, true));
    messages.push(cancelled.message(800, (CALLER, PROXY), "CANCEL", "1 CANCEL", false, false));
    Stored::new(&messages)
}

/// The Call-IDs that a list names, without their domain.
fn listed(stored: &Stored, arguments: &[&str]) -> Vec<String> {
    let mut all = vec!["calls"];
    all.extend(arguments);
    let document = stored.json(&all);
    let name = |call: &serde_json::Value| call["call_id"].as_str().unwrap().replace("@example.com", "");
    document["calls"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn calls_are_listed_newest_first_with_how_they_ended() {
    assert_eq!(
        day().print(&["calls"]),
        "\
TIME                 FROM                     TO                         MSGS  TALK  STATUS         CALL-ID
2020-11-21 12:52:06  carol@example.com        erin@example.com              2        cancelled      fourth@example.com
2020-11-21 11:52:06  carol@example.com        bob@example.com               5        180 Ringing    third@example.com
2020-11-21 09:52:06  +4930123456@example.com  +442071234567@example.com     3        486 Busy Here  second@example.com
2020-11-21 08:52:06  alice@example.com        bob@example.com              13  0:03  200 OK         first@example.com
"
    );
}

#[test]
fn a_narrow_list_keeps_what_tells_calls_apart() {
    assert_eq!(
        day().print(&["calls", "--width", "80"]),
        "\
TIME                 FROM      TO        MSGS  TALK  STATUS    CALL-ID
2020-11-21 12:52:06  carol     erin         2        cancell…  fourth@example.c…
2020-11-21 11:52:06  carol     bob          5        180 Rin…  third@example.com
2020-11-21 09:52:06  +493012…  +442071…     3        486 Bus…  second@example.c…
2020-11-21 08:52:06  alice     bob         13  0:03  200 OK    first@example.com
"
    );
}

#[test]
fn every_filter_of_calls_narrows_the_list() {
    let stored = day();
    let all = ["fourth", "third", "second", "first"];
    assert_eq!(listed(&stored, &[]), all);
    assert_eq!(listed(&stored, &["--limit", "2"]), all[..2]);
    assert_eq!(listed(&stored, &["--from", "carol"]), all[..2]);
    assert_eq!(listed(&stored, &["--from", "carol", "--to", "bob"]), ["third"]);
    assert_eq!(listed(&stored, &["--to", "bob@example.com"]), ["third", "first"]);
    assert!(listed(&stored, &["--to", "bob@example.org"]).is_empty());
    assert_eq!(listed(&stored, &["--from", "+49*"]), ["second"]);
    assert!(listed(&stored, &["--from", "*' OR 1=1 --"]).is_empty());
    assert_eq!(listed(&stored, &["--call-id", "first@example.com"]), ["first"]);
    assert_eq!(listed(&stored, &["--call-id", "f*"]), ["fourth", "first"]);
    assert_eq!(listed(&stored, &["--since", "2020-11-21 11:52:06.1"]), ["fourth", "third"]);
    assert_eq!(listed(&stored, &["--until", "2020-11-21T11:52:06.1Z"]), ["second", "first"]);
    assert_eq!(listed(&stored, &["--since", "2020-11-21 09:00", "--until", "2020-11-21 10:00"]), ["second"]);
    assert!(listed(&stored, &["--since", "2020-11-22"]).is_empty());
    assert_eq!(listed(&stored, &["--method", "register"]), ["register"]);
    assert_eq!(listed(&stored, &["--all"]), ["fourth", "third", "register", "second", "first"]);
}

#[test]
fn a_list_of_other_dialogs_names_their_method() {
    let list = day().print(&["calls", "--method", "REGISTER"]);
    assert_eq!(
        list,
        "\
TIME                 METHOD    FROM               TO                 MSGS  TALK  STATUS  CALL-ID
2020-11-21 10:52:06  REGISTER  alice@example.com  alice@example.com     4        200 OK  register@example.com
"
    );
}

#[test]
fn the_document_of_calls_has_the_fields_of_its_manual() {
    let document = day().json(&["calls", "--limit", "4"]);
    assert_eq!(
        document["calls"][3],
        serde_json::json!({
            "call_id": "first@example.com",
            "time": "2020-11-21T08:52:06.100000Z",
            "micro_ts": START,
            "end_micro_ts": START + 4_024_000,
            "method": "INVITE",
            "from": "alice@example.com",
            "to": "bob@example.com",
            "messages": 13,
            "state": "answered",
            "status": 200,
            "reason": "OK",
            "talk_us": 3_000_000,
        })
    );
    let states: Vec<&str> =
        document["calls"].as_array().unwrap().iter().map(|call| call["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["cancelled", "ringing", "failed", "answered"]);
    assert!(document["calls"][0]["status"].is_null());
}

#[test]
fn more_messages_than_one_look_fetches_hide_no_call() {
    let mut messages = Dialog::new("old", "alice", "bob", START).refused("404 Not Found");
    let flood = Dialog::new("flood", "mallory", "bob", START + SECOND);
    for number in 0..1_500 {
        messages.push(flood.message(number, (CALLER, PROXY), "INVITE", "1 INVITE", false, false));
    }
    assert_eq!(listed(&Stored::new(&messages), &["--limit", "2"]), ["flood", "old"]);
}

#[test]
fn a_call_whose_invite_is_sent_again_began_when_it_was_sent_first() {
    let dialog = Dialog::new("again", "alice", "bob", START);
    let invite = |after| dialog.message(after, (CALLER, PROXY), "INVITE", "1 INVITE", false, false);
    let stored = Stored::new(&[invite(0), invite(4_000)]);
    assert!(listed(&stored, &["--since", "2020-11-21 08:52:08"]).is_empty());
    assert_eq!(listed(&stored, &["--since", "2020-11-21 08:52:06"]), ["again"]);
    assert_eq!(listed(&stored, &["--until", "2020-11-21 08:52:08"]), ["again"]);
}

#[test]
fn hops_of_a_call_with_one_time_are_told_apart_by_their_vias_in_every_subcommand() {
    let stored = Stored::new(&Dialog::new("one", "alice", "bob", START).answered_at_one_time());
    let steps = |document: &serde_json::Value| -> Vec<String> {
        let end = |end: &serde_json::Value| end["ip"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
        let step = |message: &serde_json::Value| {
            format!(
                "{}→{} {}",
                end(&message["source"]),
                end(&message["destination"]),
                message["label"].as_str().unwrap()
            )
        };
        document["messages"].as_array().unwrap().iter().map(step).collect()
    };
    let flow = stored.json(&["flow", "one"]);
    let shown = steps(&flow);
    assert_eq!(shown.len(), 13, "{shown:?}");
    let place =
        |step: &&str| shown.iter().position(|other| other == step).unwrap_or_else(|| panic!("{step}: {shown:?}"));
    let invited = ["1→2 INVITE (SDP)", "2→3 INVITE (SDP)", "3→2 180 Ringing", "2→1 180 Ringing"];
    let answered = ["3→2 180 Ringing", "3→2 200 OK (SDP)", "2→1 200 OK (SDP)", "1→2 ACK", "2→3 ACK"];
    let at_the_caller = ["1→2 INVITE (SDP)", "2→1 100 Trying", "2→1 180 Ringing", "2→1 200 OK (SDP)", "1→2 ACK"];
    // A caller may end a call that rings.
    let ended = ["1→2 INVITE (SDP)", "1→2 BYE", "2→3 BYE", "3→2 200 OK", "2→1 200 OK"];
    for certain in [&invited[..], &answered, &at_the_caller, &ended] {
        assert!(certain.iter().map(place).is_sorted(), "{certain:?}: {shown:?}");
    }
    assert_eq!(steps(&stored.json(&["show", "one"])), shown);
    assert_eq!(stored.json(&["calls"])["calls"][0], flow["legs"][0]);
    assert_eq!(flow["legs"][0]["state"], "answered");
    assert!(flow["messages"][0].get("message").is_none(), "{}", flow["messages"][0]);
}

#[test]
fn an_empty_list_is_no_error() {
    let stored = day();
    let run = stored.run(&["calls", "--from", "nobody"]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", "sipcapture: no such calls\n"));
    assert_eq!(stored.json(&["calls", "--from", "nobody"]), serde_json::json!({ "calls": [] }));
}

#[test]
fn show_prints_every_message_with_its_time_and_addresses() {
    let stored = day();
    let shown = stored.print(&["show", "second@example.com"]);
    let beginning = "\
[1/3] 2020-11-21 09:52:06.100000 UTC  UDP 192.0.2.1:5060 → 192.0.2.2:5060
INVITE sip:+442071234567@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1-INVITE-192.0.2.1:5060
From: <sip:+4930123456@example.com>;tag=caller
To: <sip:+442071234567@example.com>
Call-ID: second@example.com
CSeq: 1 INVITE
Content-Type: application/sdp
Content-Length: 36

v=0
o=- 1 1 IN IP4 192.0.2.1
s=-

[2/3] 2020-11-21 09:52:06.110000 UTC  UDP 192.0.2.2:5060 → 192.0.2.1:5060
SIP/2.0 486 Busy Here
";
    assert_eq!(&shown[..beginning.len()], beginning);
    assert!(!shown.contains('\r'));
    let document = stored.json(&["show", "second@example.com"]);
    let messages = document["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    let text = messages[0]["message"].as_str().unwrap();
    assert!(text.starts_with("INVITE sip:+442071234567@example.com SIP/2.0\r\nVia: "), "{text}");
    assert_eq!(messages[1]["status"], 486);
    assert_eq!(messages[1]["method"], "INVITE");
    assert_eq!(messages[1]["source"], serde_json::json!({ "ip": "192.0.2.2", "port": 5060 }));
}

#[test]
fn nothing_of_a_message_reaches_the_ladder_or_the_list_as_a_control_sequence() {
    let dialog = Dialog::new("evil\x1b[2J@example.com", "al\x1bice", "bob", START);
    let stored = Stored::new(&dialog.refused("486 \x1b[31mBusy"));
    for arguments in [&["calls"][..], &["flow", "evil*"], &["calls", "--json"], &["flow", "evil*", "--json"]] {
        let out = stored.print(arguments);
        assert!(!out.contains('\x1b'), "{out:?}");
    }
    assert!(stored.print(&["flow", "evil*"]).contains("486 \\x1b[31m"));
}

#[test]
fn a_shortened_call_id_must_fit_one_call_only() {
    let stored = day();
    assert_eq!(stored.json(&["show", "sec…"])["call_id"], "second@example.com");
    assert_eq!(stored.json(&["show", "sec..."])["call_id"], "second@example.com");
    assert_eq!(stored.json(&["show", "sec*"])["call_id"], "second@example.com");
    let run = stored.run(&["show", "f*"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("first@example.com") && run.err.contains("fourth@example.com"), "{}", run.err);
}

#[test]
fn an_export_is_what_wireshark_reads() {
    let mut messages = Dialog::new("first@example.com", "alice", "bob", START).answered();
    let six = Dialog::new("six@example.com", "alice", "bob", START + SECOND);
    messages.push(six.message(0, ("[2001:db8::1]:5060", "[2001:db8::2]:5062"), "INVITE", "1 INVITE", false, true));
    let stored = Stored::new(&messages);
    let file = stored.directory().join("call.pcap");
    let name = file.to_str().unwrap();
    assert_eq!(stored.print(&["export", "first@example.com", "-o", name]), format!("13 packets in {name}\n"));
    let fields =
        ["sip.Call-ID", "ip.src", "udp.srcport", "ip.dst", "udp.dstport", "frame.time_epoch", "sip.Status-Code"];
    let options = ["-Y", "sip", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"];
    let packets = dissect(&file, &options, &fields);
    assert_eq!(packets.len(), 13);
    let read = |index: usize, field: &str| packets[index].last(field).unwrap_or("").to_owned();
    assert!((0..13).all(|index| read(index, "sip.Call-ID") == "first@example.com"));
    assert_eq!((read(0, "ip.src"), read(0, "udp.srcport")), ("192.0.2.1".into(), "5060".into()));
    assert_eq!((read(0, "ip.dst"), read(0, "udp.dstport")), ("192.0.2.2".into(), "5060".into()));
    assert!(read(0, "frame.time_epoch").starts_with("1605948726.100000"), "{}", read(0, "frame.time_epoch"));
    assert_eq!(read(5, "sip.Status-Code"), "200");

    let document = stored.json(&["export", "six@example.com", "-o", name]);
    assert_eq!((&document["packets"], &document["cut"]), (&1.into(), &0.into()));
    let packets = dissect(&file, &options, &["ipv6.src", "udp.dstport", "sip.Method"]);
    assert_eq!(packets[0].last("ipv6.src"), Some("2001:db8::1"));
    assert_eq!(packets[0].last("udp.dstport"), Some("5062"));
    assert_eq!(packets[0].last("sip.Method"), Some("INVITE"));
}

#[test]
fn an_export_that_cannot_be_written_names_the_file() {
    let run = day().run(&["export", "first@example.com", "-o", "/nonexistent/call.pcap"]);
    assert_eq!(run.code, 2);
    assert!(run.err.starts_with("sipcapture: cannot write /nonexistent/call.pcap: No such file"), "{}", run.err);
}

#[test]
fn the_printed_schema_makes_a_table_that_the_tool_reads() {
    let stored = Stored::empty();
    let sql = run(&mut command(&["schema"])).out;
    let connection = rusqlite::Connection::open(stored.file()).unwrap();
    connection.execute_batch(&sql).unwrap();
    assert_eq!(stored.json(&["calls"]), serde_json::json!({ "calls": [] }));
    let indexes: HashMap<String, ()> = connection
        .prepare("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, ())))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(indexes.len(), 5);
}

#[test]
fn a_schema_comes_in_every_dialect_without_a_database() {
    for (dialect, mark) in [("sqlite", "AUTOINCREMENT"), ("postgres", "bigserial"), ("mysql", "ENGINE=InnoDB")] {
        let arguments = ["schema", "--dialect", dialect, "--table", "homer_call", "--column", "callid=call_id"];
        let sql = run(&mut command(&arguments)).out;
        assert!(sql.contains(mark) && sql.contains("homer_call") && sql.contains("call_id"), "{sql}");
        assert!(!sql.contains("\"callid\"") && !sql.contains("`callid`"), "{sql}");
        let document = run(command(&arguments).arg("--json")).out;
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(document["dialect"], dialect);
        let statements: String = document["statements"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sql| format!("{};\n", sql.as_str().unwrap()))
            .collect();
        assert_eq!(statements, sql);
    }
    let report = run(&mut command(&["schema", "--report", "--table", "rtcp_capture"])).out;
    assert!(report.contains("correlation_id") && !report.contains("from_user"), "{report}");
}
