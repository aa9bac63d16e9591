//! `flow`: the ladder, character by character.

use super::recording::{CALLEE, CALLER, Dialog, PROXY, START};
use super::running::Stored;
use sipcapture_core::capture::Transport;

const ANSWERED: &str = "\
a84b4c76e66710@pc33.atlanta.example.com
INVITE alice@example.com → bob@example.com
Sat 2020-11-21 08:52:06 UTC · 13 messages · 200 OK · talked 0:03

                 192.0.2.1             192.0.2.2             192.0.2.3
                   :5060                 :5060                 :5060
                     │                     │                     │
08:52:06.100         │─── INVITE (SDP) ───►│                     │
08:52:06.101 +0.001  │◄──── 100 Trying ────│                     │
08:52:06.102 +0.001  │                     │─── INVITE (SDP) ───►│
08:52:06.112 +0.010  │                     │◄─── 180 Ringing ────│
08:52:06.113 +0.001  │◄─── 180 Ringing ────│                     │
08:52:07.112 +0.999  │                     │◄─── 200 OK (SDP) ───│
08:52:07.113 +0.001  │◄─── 200 OK (SDP) ───│                     │
08:52:07.120 +0.007  │─────── ACK ────────►│                     │
08:52:07.121 +0.001  │                     │─────── ACK ────────►│
08:52:10.112 +2.991  │─────── BYE ────────►│                     │
08:52:10.113 +0.001  │                     │─────── BYE ────────►│
08:52:10.123 +0.010  │                     │◄────── 200 OK ──────│
08:52:10.124 +0.001  │◄────── 200 OK ──────│                     │
";

fn answered() -> Stored {
    Stored::new(&Dialog::new("a84b4c76e66710@pc33.atlanta.example.com", "alice", "bob", START).answered())
}

/// The lines of the ladder itself, below the heads.
fn steps(flow: &str) -> Vec<&str> {
    flow.lines().filter(|line| line.starts_with("08:")).collect()
}

#[test]
fn a_call_is_a_ladder_with_a_column_a_host() {
    let stored = answered();
    let call_id = "a84b4c76e66710@pc33.atlanta.example.com";
    assert_eq!(stored.print(&["flow", call_id, "--width", "80"]), ANSWERED);
    let mut by_environment = stored.command(&["flow", call_id]);
    by_environment.env("COLUMNS", "80");
    assert_eq!(super::running::run(&mut by_environment).out, ANSWERED);
}

#[test]
fn a_locale_that_is_not_utf_8_gets_ascii() {
    let stored = answered();
    let mut command = stored.command(&["flow", "a84b*", "--width", "80"]);
    let by_locale = super::running::run(command.env("LC_ALL", "C")).out;
    assert!(by_locale.is_ascii(), "{by_locale}");
    assert_eq!(by_locale, stored.print(&["flow", "a84b*", "--width", "80", "--ascii"]));
    assert_eq!(steps(&by_locale)[0], "08:52:06.100         |--- INVITE (SDP) --->|                     |");
    assert_eq!(steps(&by_locale)[1], "08:52:06.101 +0.001  |<---- 100 Trying ----|                     |");
}

#[test]
fn every_width_holds_the_ladder_until_the_labels_are_gone() {
    let stored = answered();
    for width in [44, 50, 60, 72, 80, 100, 200] {
        let flow = stored.print(&["flow", "a84b*", "--width", &width.to_string()]);
        for line in flow.lines().skip(4) {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        assert_eq!(steps(&flow).len(), 13);
    }
    let narrow = stored.print(&["flow", "a84b*", "--width", "40"]);
    assert_eq!(
        steps(&narrow)[..4],
        [
            "08:52:06.100  │─INVITE─►│         │",
            "08:52:06.101  │◄100 Try…│         │",
            "08:52:06.102  │         │─INVITE─►│",
            "08:52:06.112  │         │◄180 Rin…│",
        ]
    );
}

#[test]
fn colour_is_written_when_it_is_asked_for_and_never_into_a_pipe() {
    let stored = answered();
    let coloured = stored.print(&["flow", "a84b*", "--width", "80", "--color", "always"]);
    assert!(coloured.contains("\x1b[1;36m─── INVITE (SDP) ───►\x1b[0m"), "{coloured}");
    assert!(coloured.contains("\x1b[32m◄─── 200 OK (SDP) ───\x1b[0m"), "{coloured}");
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((text, sequence)) = rest.split_once('\x1b') {
        plain.push_str(text);
        rest = sequence.split_once('m').expect("a sequence ends").1;
    }
    assert_eq!(plain + rest, ANSWERED);
}

/// What the tool writes to a terminal of 80 columns, with LF at the ends of its lines.
fn on_a_terminal(stored: &Stored, environment: &[(&str, &str)]) -> String {
    let tool = format!("stty cols 80 && {} flow 'a84b*' --db {}", env!("CARGO_BIN_EXE_sipcapture"), stored.url());
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--command", &tool, "/dev/null"]).stdin(std::process::Stdio::null());
    script.env("LANG", "C.UTF-8").env("TZ", "UTC").env("TERM", "xterm");
    for name in ["COLUMNS", "NO_COLOR", "LC_ALL", "LC_CTYPE"] {
        script.env_remove(name);
    }
    super::running::run(script.envs(environment.iter().copied())).out.replace("\r\n", "\n")
}

#[test]
fn a_terminal_gets_its_own_width_and_colour_unless_it_wants_none() {
    let stored = answered();
    let coloured = on_a_terminal(&stored, &[]);
    assert_eq!(coloured, stored.print(&["flow", "a84b*", "--width", "80", "--color", "always"]));
    assert_eq!(on_a_terminal(&stored, &[("NO_COLOR", "1")]), ANSWERED);
    assert_eq!(on_a_terminal(&stored, &[("TERM", "dumb")]), ANSWERED);
}

#[test]
fn a_retransmission_is_dashed_and_counted() {
    let dialog = Dialog::new("again", "alice", "bob", START);
    let invite = |after| dialog.message(after, (CALLER, PROXY), "INVITE", "1 INVITE", false, true);
    let stored = Stored::new(&[invite(0), invite(500), invite(1500)]);
    let flow = stored.print(&["flow", "again", "--width", "80"]);
    assert_eq!(
        steps(&flow),
        [
            "08:52:06.100         │──── INVITE (SDP) ─────►│",
            "08:52:06.600 +0.500  │╌╌╌ INVITE (SDP) ×2 ╌╌╌►│",
            "08:52:07.600 +1.000  │╌╌╌ INVITE (SDP) ×3 ╌╌╌►│",
        ]
    );
    let document = stored.json(&["flow", "again"]);
    let sendings: Vec<i64> =
        document["messages"].as_array().unwrap().iter().map(|message| message["sending"].as_i64().unwrap()).collect();
    assert_eq!(sendings, [1, 2, 3]);
}

#[test]
fn legs_that_share_a_correlation_id_are_one_ladder() {
    let inbound = Dialog::new("inbound", "alice", "bob", START);
    let outbound = Dialog::new("outbound", "alice", "bob", START + 5_000);
    let stranger = Dialog::new("stranger", "carol", "dave", START);
    let mut messages = Vec::new();
    for (leg, way) in [(&inbound, (CALLER, PROXY)), (&outbound, (PROXY, CALLEE))] {
        messages.push(leg.message(0, way, "INVITE", "1 INVITE", false, false).correlated("bridge-1"));
        let back = (way.1, way.0);
        messages.push(leg.message(20, back, "200 OK", "1 INVITE", true, false).correlated("bridge-1"));
    }
    messages.extend(stranger.refused("486 Busy Here"));
    let stored = Stored::new(&messages);
    let flow = stored.print(&["flow", "outbound", "--width", "80"]);
    assert_eq!(
        steps(&flow),
        [
            "08:52:06.100        1   │─── INVITE ───►│               │",
            "08:52:06.105 +0.005 2   │               │─── INVITE ───►│",
            "08:52:06.120 +0.015 1   │◄─── 200 OK ───│               │",
            "08:52:06.125 +0.005 2   │               │◄─── 200 OK ───│",
        ]
    );
    assert!(flow.starts_with("1  inbound\n   INVITE alice@example.com → bob@example.com\n"), "{flow}");
    assert!(flow.contains("\n2  outbound\n"), "{flow}");
    let document = stored.json(&["flow", "outbound"]);
    assert_eq!(document["call_id"], "outbound");
    assert_eq!(document["legs"][0]["call_id"], "inbound");
    assert_eq!(document["messages"][1]["leg"], 1);

    let alone = stored.print(&["flow", "outbound", "--one-leg", "--width", "80"]);
    assert_eq!(steps(&alone).len(), 2);
    assert!(alone.starts_with("outbound\n"), "{alone}");
}

#[test]
fn a_correlation_id_that_every_call_has_joins_none() {
    let mut messages = Vec::new();
    for number in 0..40 {
        let dialog = Dialog::new(&format!("call-{number}"), "alice", "bob", START + number);
        messages.extend(dialog.refused("404 Not Found").into_iter().map(|message| message.correlated("constant")));
    }
    let document = Stored::new(&messages).json(&["flow", "call-7"]);
    assert_eq!(document["legs"].as_array().unwrap().len(), 1);
    assert_eq!(document["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn legs_are_found_over_the_legs_between_them() {
    let mut messages = Vec::new();
    for (call_id, ids) in [("a", ["1", "1"]), ("b", ["1", "2"]), ("c", ["2", "2"]), ("d", ["3", "3"])] {
        let dialog = Dialog::new(call_id, "alice", "bob", START);
        let invite = dialog.message(0, (CALLER, PROXY), "INVITE", "1 INVITE", false, false);
        messages.extend(ids.map(|id| invite.clone().correlated(id)));
    }
    let legs = Stored::new(&messages).json(&["show", "c"])["legs"].clone();
    assert_eq!(legs, serde_json::json!(["a", "b", "c"]));
}

#[test]
fn a_call_on_one_machine_has_a_column_a_port_and_connections_do_not_count() {
    let dialog = Dialog::new("loopback", "alice", "bob", START);
    let mut opening = dialog.message(0, ("127.0.0.1:41234", "127.0.0.1:5060"), "INVITE", "1 INVITE", false, false);
    let text = String::from_utf8(opening.payload).unwrap().replace("127.0.0.1:41234;", "127.0.0.1:5061;");
    opening.payload = text.into_bytes();
    let stored = Stored::new(&[
        opening.over(Transport::Tcp),
        dialog.message(1, ("127.0.0.1:5060", "127.0.0.1:5070"), "INVITE", "1 INVITE", false, false),
        dialog.message(9, ("127.0.0.1:5060", "127.0.0.1:5061"), "180 Ringing", "1 INVITE", true, false),
    ]);
    let document = stored.json(&["flow", "loopback"]);
    let ports: Vec<&serde_json::Value> =
        document["hosts"].as_array().unwrap().iter().map(|host| &host["ports"][0]).collect();
    assert_eq!(ports, [5061, 5060, 5070]);
    let ends: Vec<(i64, i64)> = document["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| (message["from_host"].as_i64().unwrap(), message["to_host"].as_i64().unwrap()))
        .collect();
    assert_eq!(ends, [(0, 1), (1, 2), (1, 0)]);
}

#[test]
fn a_flow_over_midnight_says_where_the_day_changes() {
    let dialog = Dialog::new("late", "alice", "bob", START + 15 * 3_600_000_000 + 472_900_000);
    let stored = Stored::new(&dialog.answered());
    let flow = stored.print(&["flow", "late", "--width", "80"]);
    let lines: Vec<&str> = flow.lines().skip(7).collect();
    assert!(lines[4].starts_with("23:59:59.013 "), "{flow}");
    assert_eq!(lines[5], "2020-11-22           │                     │                     │");
    assert!(lines[6].starts_with("00:00:00.012 +0.999 "), "{flow}");
}
