//! What becomes of a traced message, by parameters and by who traces it.

use super::*;
use crate::capture::record;
use crate::module::KillLimits;
use crate::module::host_facts::Ipv6Style;
use crate::queue::counters::Totals;
use crate::queue::lane::Consumer;

/// An agent at work in a private directory, and the consumer of its lane.
struct Bench {
    agent: TraceAgent,
    consumer: Consumer,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new(texts: &[(&str, &str)], numbers: &[(&str, i64)]) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let mut agent = TraceAgent::default();
        let url = format!("sqlite:///{}/trace.db", directory.path().display());
        let settings = agent.settings_mut().unwrap();
        for (name, text) in [("db_url", url.as_str()), ("spool_dir", "")].iter().chain(texts) {
            settings.set_text(name, text.as_bytes()).unwrap();
        }
        for (name, number) in numbers {
            settings.set_number(name, *number).unwrap();
        }
        agent.check((None, None), KillLimits::default()).unwrap();
        agent.map_lanes(1, &mut |_| false).unwrap();
        agent.pipeline_mut().attach(0).unwrap();
        let consumer = Consumer::take(agent.pipeline().lanes().unwrap(), 0).unwrap().unwrap();
        Bench { agent, consumer, _directory: directory }
    }

    fn trace(&mut self, message: &TracedMessage<'_>) -> Result<Option<Copies>, TraceError> {
        let traced = self.agent.trace(message);
        traced.answer.map(|()| traced.copies)
    }

    fn totals(&self) -> Totals {
        self.agent.pipeline().lanes().unwrap().totals()
    }

    /// What is queued: a word for its kind, its sink, and whatever `show` makes of it.
    fn queued(&mut self, show: impl Fn(&Capture<'_>) -> String) -> Vec<String> {
        let mut queued = Vec::new();
        self.consumer.read(|bytes, _| {
            let capture = record::decode(bytes).unwrap();
            let kind = if capture.kind == RowKind::Trace { "row" } else { "packet" };
            queued.push(format!("{kind} {} {}", capture.sink, show(&capture)));
            true
        });
        queued
    }
}

const BODY: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n";

/// An address that carries SIP over UDP.
fn end(address: &str) -> TraceEndpoint<'static> {
    TraceEndpoint::Address { transport: Transport::Udp, address: address.parse().unwrap(), is_socket: false }
}

pub(super) fn message(tracer: Tracer) -> TracedMessage<'static> {
    TracedMessage {
        tracer,
        body: BODY,
        call_id: b"1",
        is_outgoing: false,
        method: b"OPTIONS",
        status: b"",
        from_tag: b"",
        to_tag: b"",
        from: end("192.0.2.1:5060"),
        to: end("192.0.2.2:5060"),
        sockets: &[],
        destination: None,
        correlation_id: None,
        table: b"",
        users: &[],
        time_us: Some(1_700_000_000_000_001),
    }
}

fn user(capture: &Capture<'_>) -> String {
    String::from_utf8_lossy(capture.trace.unwrap().user).into_owned()
}

fn target(capture: &Capture<'_>) -> String {
    String::from_utf8_lossy(capture.table.unwrap_or(b"-")).into_owned()
}

#[test]
fn a_message_becomes_a_row_for_everybody_and_one_for_each_user() {
    let mut bench = Bench::new(&[], &[("trace_on", 1)]);
    let users: [&[u8]; 2] = [b"bob", b"alice"];
    bench.trace(&TracedMessage { users: &users, ..message(Tracer::Script) }).unwrap();
    assert_eq!(bench.queued(user), ["row 0 ", "row 0 bob", "row 0 alice"]);
    let totals = bench.agent.pipeline().lanes().unwrap().totals();
    assert_eq!(totals.produced(Produced::TracedRequests), 1);
}

#[test]
fn with_the_switch_off_only_users_are_traced() {
    let mut bench = Bench::new(&[], &[]);
    assert!(matches!(bench.trace(&message(Tracer::Script)), Err(TraceError::Off)));
    bench.trace(&TracedMessage { users: &[b"bob"], ..message(Tracer::Script) }).unwrap();
    assert_eq!(bench.queued(user), ["row 0 bob"]);
    assert!(matches!(bench.trace(&TracedMessage { users: &[b"bob"], ..message(Tracer::Core) }), Err(TraceError::Off)));
    assert_eq!(bench.agent.pipeline().lanes().unwrap().totals().produced(Produced::TracedRequests), 0);
}

#[test]
fn every_collector_gets_a_packet_or_the_first_that_works() {
    let uris = ("duplicate_uri", "sip:192.0.2.9:9060, sip:192.0.2.8:9060;transport=tcp");
    let on = [("trace_on", 1), ("hep_mode_on", 1), ("hep_version", 3)];
    let mut all = Bench::new(&[uris], &on);
    all.trace(&message(Tracer::Script)).unwrap();
    assert_eq!(all.queued(target), ["row 0 -", "packet 1 -", "packet 2 -"]);
    let mut failover = Bench::new(&[uris, ("duplicate_mode", "failover")], &[on[0], on[1], ("trace_to_database", 0)]);
    failover.trace(&message(Tracer::Script)).unwrap();
    assert_eq!(failover.queued(target), ["packet 0 -"]);
}

#[test]
fn a_destination_of_the_script_has_its_collectors_sink_or_that_of_the_named() {
    let uris = ("duplicate_uri", "sip:192.0.2.9:9060, sip:192.0.2.8:9060");
    let mut bench = Bench::new(&[uris], &[("trace_on", 1), ("hep_mode_on", 1), ("trace_to_database", 0)]);
    for destination in ["sip:192.0.2.8:9060;transport=udp", "sip:192.0.2.7:9060", ""] {
        let destination = Some(destination.as_bytes());
        bench.trace(&TracedMessage { destination, ..message(Tracer::Script) }).unwrap();
    }
    assert_eq!(bench.queued(target), ["packet 1 -", "packet 2 sip:192.0.2.7:9060", "packet 0 -", "packet 1 -"]);
    let bad = TracedMessage { destination: Some(b"tel:1"), ..message(Tracer::Script) };
    assert!(matches!(bench.trace(&bad), Err(TraceError::Destination(_))));
    assert!(bench.queued(target).is_empty(), "nothing of a refused message is queued");
}

#[test]
fn plain_copies_are_the_hosts_where_hep_is_off_and_a_place_is_named_or_there_is_no_database() {
    let uri = ("duplicate_uri", "sip:192.0.2.9:5090");
    let mut with_database = Bench::new(&[uri], &[("trace_on", 1)]);
    assert_eq!(with_database.trace(&message(Tracer::Script)).unwrap(), None);
    let named = TracedMessage { destination: Some(b"sip:192.0.2.7"), ..message(Tracer::Script) };
    let copies = with_database.trace(&named).unwrap().unwrap();
    assert_eq!((copies.uris, copies.body), (vec!["sip:192.0.2.7:5060;transport=udp".to_owned()], BODY.to_vec()));
    let mut without = Bench::new(&[uri], &[("trace_on", 1), ("trace_to_database", 0), ("xheaders_write", 1)]);
    let copies = without.trace(&message(Tracer::Script)).unwrap().unwrap();
    assert_eq!(copies.uris, ["sip:192.0.2.9:5090;transport=udp"]);
    assert!(String::from_utf8(copies.body).unwrap().contains("X-Siptrace-Time: 1700000000 1\r\n"));
    assert!(without.queued(user).is_empty());
}

#[test]
fn the_modes_of_the_core_are_their_own() {
    let uri = ("duplicate_uri", "sip:192.0.2.9:9060");
    for (mode, queued, has_copies) in [
        (1, vec!["packet 1 "], false),
        (2, vec!["row 0 "], false),
        (4, vec![], true),
        (7, vec!["row 0 ", "packet 1 "], true),
    ] {
        let mut bench = Bench::new(&[uri], &[("trace_on", 1), ("trace_mode", mode)]);
        let copies = bench.trace(&message(Tracer::Core)).unwrap();
        assert_eq!(
            (bench.queued(user), copies.is_some()),
            (queued.iter().map(|&q| q.to_owned()).collect(), has_copies),
            "{mode}"
        );
    }
}

#[test]
fn what_a_script_traces_gets_headers_and_what_the_core_shows_has_those_that_its_script_saw() {
    let uri = ("duplicate_uri", "sip:192.0.2.9:9060");
    let on = [("trace_on", 1), ("trace_to_database", 0), ("hep_mode_on", 1), ("xheaders_write", 1), ("trace_mode", 5)];
    let mut bench = Bench::new(&[uri], &on);
    for tracer in [Tracer::Script, Tracer::Follow, Tracer::Core, Tracer::Log, Tracer::Text] {
        let copies = bench.trace(&message(tracer)).unwrap();
        assert_eq!(copies.map(|copies| copies.body), (tracer == Tracer::Core).then(|| BODY.to_vec()));
    }
    let wanted = bench.queued(|capture| capture.trace.unwrap().wants_x_headers.to_string());
    assert_eq!(wanted, ["true", "true", "false", "false", "false"].map(|wants| format!("packet 0 {wants}")));
    let shown = TracedMessage { time_us: None, method: b"", ..message(Tracer::Core) };
    let seen = String::from_utf8(bench.agent.with_x_headers(&shown).unwrap()).unwrap();
    assert!(seen.contains("X-Siptrace-Time: 0 0\r\nX-Siptrace-Method: \r\nX-Siptrace-Dir: in\r\n\r\n"), "{seen}");
    assert_eq!(bench.agent.with_x_headers(&TracedMessage { body: b"OPTIONS sip:a SIP/2.0\r\n", ..shown }), None);
}

#[test]
fn a_log_line_needs_a_collector_and_no_switch() {
    let mut bench = Bench::new(&[("duplicate_uri", "sip:192.0.2.9")], &[("trace_to_database", 0)]);
    let sockets = [end("192.0.2.1:5060"), TraceEndpoint::Unknown, end("[::1]:5060")];
    bench.trace(&TracedMessage { correlation_id: Some(b"cid"), sockets: &sockets, ..message(Tracer::Log) }).unwrap();
    let shown = bench.queued(|capture| {
        let trace = capture.trace.unwrap();
        let known: Vec<_> = sockets.iter().filter_map(TraceEndpoint::socket).collect();
        assert_eq!((trace.sockets.collect::<Vec<_>>(), trace.from, trace.to), (known, &b""[..], &b""[..]));
        format!("{} {} {:?}", trace.payload_type, trace.hep_version, capture.correlation_id)
    });
    assert_eq!(shown, [format!("packet 0 100 3 {:?}", Some(b"cid"))]);
    let mut alone = Bench::new(&[], &[]);
    assert!(matches!(alone.trace(&message(Tracer::Log)), Err(TraceError::NoDestination)));
}

#[test]
fn a_full_lane_refuses_each_row_and_packet_on_its_own_and_keeps_no_copy_back() {
    let uris = ("duplicate_uri", "sip:192.0.2.9:9060, sip:192.0.2.8:9060");
    let mut bench = Bench::new(&[uris], &[("trace_on", 1), ("trace_mode", 7), ("queue_size", 1)]);
    let body = [BODY, &[b'x'; 60_000]].concat();
    let users: [&[u8]; 1] = [b"bob"];
    let large = TracedMessage { body: &body, users: &users, ..message(Tracer::Core) };
    let full = (0..100).map(|_| bench.agent.trace(&large)).find(|traced| traced.answer.is_err()).unwrap();
    assert!(matches!(full.answer, Err(TraceError::Push(PushError::Full))), "{:?}", full.answer);
    assert_eq!(full.copies.map(|copies| copies.uris.len()), Some(2));
    // All of the next is refused, and counted piece by piece.
    let before = bench.totals();
    let refused = bench.agent.trace(&large);
    assert_eq!(refused.copies.map(|copies| copies.body), Some(body.clone()));
    let totals = bench.totals();
    assert_eq!((totals.captured() - before.captured(), totals.dropped() - before.dropped()), (4, 4));
    assert_eq!(totals.captured(), totals.queued() + totals.dropped());
}

#[test]
fn a_bad_table_name_costs_the_rows_alone_and_they_are_counted() {
    let uri = ("duplicate_uri", "sip:192.0.2.9:9060");
    let mut bench = Bench::new(&[uri], &[("trace_on", 1), ("hep_mode_on", 1)]);
    let users: [&[u8]; 2] = [b"bob", b"alice"];
    let bad = TracedMessage { table: b"a b", users: &users, ..message(Tracer::Script) };
    assert!(matches!(bench.trace(&bad), Err(TraceError::Table(_))));
    assert_eq!(bench.queued(user), ["packet 1 "]);
    let totals = bench.totals();
    assert_eq!((totals.captured(), totals.dropped(), totals.queued()), (4, 3, 1));
    assert_eq!(totals.produced(Produced::TracedRequests), 0);
    let mut copying = Bench::new(&[], &[("trace_on", 1)]);
    let named = TracedMessage { destination: Some(b"sip:192.0.2.7"), ..bad };
    assert_eq!(copying.agent.trace(&named).copies.unwrap().uris, ["sip:192.0.2.7:5060;transport=udp"]);
}

#[test]
fn rows_are_made_where_copies_and_packets_have_nowhere_to_go() {
    for mode in [3, 6, 7] {
        let mut bench = Bench::new(&[], &[("trace_on", 1), ("trace_mode", mode), ("trace_to_database", 0)]);
        assert_eq!(bench.trace(&message(Tracer::Core)).unwrap(), None);
        assert_eq!(bench.queued(user), ["row 0 "], "{mode}");
    }
    // What the script names has to be something, or nothing of the message is traced.
    let mut bench = Bench::new(&[], &[("trace_on", 1)]);
    let nowhere = TracedMessage { destination: Some(b""), ..message(Tracer::Script) };
    assert!(matches!(bench.trace(&nowhere), Err(TraceError::NoDestination)));
    assert!(bench.queued(user).is_empty());
}

#[test]
fn a_copy_that_cannot_have_headers_keeps_no_row_back() {
    let mut bench = Bench::new(&[], &[("trace_on", 1), ("xheaders_write", 1)]);
    let named = TracedMessage { body: b"no end", destination: Some(b"sip:192.0.2.7"), ..message(Tracer::Script) };
    assert!(matches!(bench.trace(&named), Err(TraceError::XHeaders)));
    assert_eq!(bench.queued(user), ["row 0 "]);
    assert_eq!(bench.totals().refused, 1);
}

#[test]
fn what_never_came_to_a_lane_is_counted() {
    let mut bench = Bench::new(&[], &[("trace_on", 1), ("xheaders_read", 1)]);
    let overview = bench.agent.pipeline().overview().clone();
    Loss::NoLane.count(&overview).unwrap();
    Loss::Malformed.count(&overview).unwrap();
    assert!(matches!(bench.trace(&message(Tracer::Script)), Err(TraceError::NoXHeaders)));
    let totals = bench.totals();
    assert_eq!((totals.captured(), totals.dropped(), totals.without_lane, totals.refused), (1, 1, 1, 2));
    let fresh = TraceAgent::default();
    assert_eq!(Loss::NoLane.count(fresh.pipeline().overview()), Err(StateError::NotMapped));
}

#[test]
fn x_headers_are_read_and_taken_out_and_a_message_without_them_is_refused() {
    let mut bench = Bench::new(&[], &[("trace_on", 1), ("xheaders_read", 1)]);
    assert!(matches!(bench.trace(&message(Tracer::Script)), Err(TraceError::NoXHeaders)));
    let headers = XHeaders {
        from: b"tcp:198.51.100.1:1",
        to: b"tcp:198.51.100.2:2",
        time_us: 42,
        method: b"BYE",
        is_outgoing: true,
    };
    let body = x_headers::insert(BODY, &headers).unwrap();
    bench.trace(&TracedMessage { body: &body, ..message(Tracer::Script) }).unwrap();
    let shown = bench.queued(|capture| {
        let trace = capture.trace.unwrap();
        assert_eq!(capture.payload, BODY);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!(
            "{} {} {} {} {}",
            text(trace.from),
            text(trace.to),
            capture.time_us,
            text(trace.method),
            trace.is_outgoing
        )
    });
    assert_eq!(shown, ["row 0 tcp:198.51.100.1:1 tcp:198.51.100.2:2 42 BYE true"]);
}

#[test]
fn x_headers_with_an_empty_method_leave_that_of_the_message() {
    let mut bench = Bench::new(&[], &[("trace_on", 1), ("xheaders_read", 1)]);
    let (from, to) = (b"tcp:198.51.100.1:1", b"tcp:198.51.100.2:2");
    let headers = XHeaders { from, to, time_us: 42, method: b"", is_outgoing: true };
    let body = x_headers::insert(BODY, &headers).unwrap();
    bench.agent.trace(&TracedMessage { body: &body, ..message(Tracer::Script) }).answer.unwrap();
    let shown = bench.queued(|capture| String::from_utf8_lossy(capture.trace.unwrap().method).into_owned());
    assert_eq!(shown, ["row 0 OPTIONS"]);
}

#[test]
fn secrets_are_masked_in_rows_packets_and_copies_whoever_traces_them() {
    let secret = b"OPTIONS sip:a SIP/2.0\r\nAuthorization: Basic dTpw\r\n\r\n";
    let masked = String::from_utf8(secret.to_vec()).unwrap().replace("dTpw", "xxxx");
    for (tracer, expected) in [
        (Tracer::Script, "row packet"),
        (Tracer::Follow, "row packet"),
        (Tracer::Core, "row packet"),
        (Tracer::Log, "packet"),
        (Tracer::Text, "packet"),
    ] {
        let texts = [("duplicate_uri", "sip:192.0.2.9"), ("mask", "Authorization")];
        let mut bench = Bench::new(&texts, &[("trace_on", 1), ("hep_mode_on", 1), ("trace_mode", 7)]);
        let Traced { copies, answer } = bench.agent.trace(&TracedMessage { body: secret, ..message(tracer) });
        answer.unwrap();
        assert_eq!(copies.is_some(), tracer == Tracer::Core);
        assert!(copies.is_none_or(|copies| copies.body == masked.as_bytes()));
        let queued = bench.queued(|capture| {
            assert_eq!(String::from_utf8_lossy(capture.payload), masked, "{tracer:?}");
            String::new()
        });
        let kinds: Vec<&str> = queued.iter().filter_map(|capture| capture.split(' ').next()).collect();
        assert_eq!(kinds.join(" "), expected, "{tracer:?}");
    }
}

#[test]
fn texts_of_scripts_are_masked_as_texts_whatever_they_begin_with() {
    let text = b"HEP3 from a probe:\nAuthorization: Basic dTpw\n";
    let masked = String::from_utf8(text.to_vec()).unwrap().replace("dTpw", "xxxx");
    for tracer in [Tracer::Log, Tracer::Text] {
        let texts = [("duplicate_uri", "sip:192.0.2.9"), ("mask", "Authorization")];
        let mut bench = Bench::new(&texts, &[("trace_on", 1), ("hep_mode_on", 1)]);
        bench.trace(&TracedMessage { body: text, ..message(tracer) }).unwrap();
        let queued = bench.queued(|capture| String::from_utf8_lossy(capture.payload).into_owned());
        assert_eq!(queued, [format!("packet 1 {masked}")], "{tracer:?}");
    }
}

#[test]
fn a_header_that_is_masked_gives_no_correlation_id() {
    let mut settings = TraceSettings::default();
    settings.set_text("duplicate_uri", b"sip:192.0.2.9").unwrap();
    settings.set_text("correlation_header", b"X-Leg, s, Call-ID").unwrap();
    settings.set_text("mask", b"Subject, x-leg").unwrap();
    assert_eq!(settings.collector_plan().correlation_headers, [b"Call-ID".to_vec()]);
}

#[test]
fn the_local_address_stands_in_on_the_servers_side_of_what_scripts_trace() {
    let mut bench = Bench::new(&[("trace_local_ip", "udp:203.0.113.1:5060")], &[("trace_on", 1), ("trace_mode", 2)]);
    let outgoing = TracedMessage { is_outgoing: true, ..message(Tracer::Script) };
    bench.trace(&message(Tracer::Script)).unwrap();
    bench.trace(&outgoing).unwrap();
    bench.trace(&message(Tracer::Core)).unwrap();
    let ends = bench.queued(|capture| {
        let trace = capture.trace.unwrap();
        format!("{} {}", String::from_utf8_lossy(trace.from), String::from_utf8_lossy(trace.to))
    });
    let (local, from, to) = ("udp:203.0.113.1:5060", "udp:192.0.2.1:5060", "udp:192.0.2.2:5060");
    assert_eq!(ends, [format!("row 0 {from} {local}"), format!("row 0 {local} {to}"), format!("row 0 {from} {to}")]);
}

#[test]
fn a_local_address_that_is_none_stands_in_rows_and_leaves_packets_theirs() {
    let uri = ("duplicate_uri", "sip:192.0.2.9:9060");
    for (local, in_rows, in_packets, warning) in [
        ("udp:203.0.113.1:5060", "udp:203.0.113.1:5060", "udp:203.0.113.1:5060", ""),
        ("10.1.1.1:5064", "10.1.1.1:5064", "udp:10.1.1.1:5064", "names no transport"),
        ("proxy.example.org", "proxy.example.org", "udp:192.0.2.2:5060", "is no address"),
        ("", "udp:192.0.2.2:5060", "udp:192.0.2.2:5060", ""),
    ] {
        let on = [("trace_on", 1), ("hep_mode_on", 1)];
        let mut bench = Bench::new(&[uri, ("trace_local_ip", local)], &on);
        bench.trace(&message(Tracer::Script)).unwrap();
        let to = bench.queued(|capture| String::from_utf8_lossy(capture.trace.unwrap().to).into_owned());
        assert_eq!(to, [format!("row 0 {in_rows}"), format!("packet 1 {in_packets}")]);
        let warned = bench.agent.settings().local_warning().unwrap_or_default();
        assert!(warned.contains(warning) && warned.is_empty() == warning.is_empty(), "{warned}");
        let rows = Bench::new(&[("trace_local_ip", local)], &[]);
        assert_eq!(rows.agent.settings().local_warning(), None, "rows take any text");
    }
}

#[test]
fn a_capture_id_has_32_bits_whatever_sign_the_host_gives_them() {
    for (given, id) in [(0, 0), (4_294_967_295, u32::MAX), (-1_294_967_296, 3_000_000_000), (-2_147_483_648, 1 << 31)] {
        let mut settings = TraceSettings::default();
        settings.set_text("duplicate_uri", b"sip:192.0.2.9").unwrap();
        settings.set_number("hep_capture_id", given).unwrap();
        assert_eq!(settings.collector_plan().options.capture_id, id);
    }
}

#[test]
fn one_collector_by_two_spellings_is_one() {
    let uris = ("duplicate_uri", "sip:192.0.2.9, sip:192.0.2.9:5060, sips:collector.example.org");
    let on = [("trace_on", 1), ("hep_mode_on", 1), ("trace_to_database", 0)];
    let mut bench = Bench::new(&[uris], &on);
    let mut failover = Bench::new(&[uris, ("duplicate_mode", "failover")], &on);
    for uri in
        ["sip:192.0.2.9:5060", "sip:192.0.2.9", "sip:collector.example.org:5061;transport=tls", "sip:192.0.2.9:5061"]
    {
        let named = TracedMessage { destination: Some(uri.as_bytes()), ..message(Tracer::Script) };
        bench.trace(&named).unwrap();
        failover.trace(&named).unwrap();
    }
    let other = "sip:192.0.2.9:5061";
    assert_eq!(bench.queued(target), ["packet 0 -", "packet 0 -", "packet 1 -", &format!("packet 2 {other}")]);
    assert_eq!(failover.queued(target), ["packet 0 -", "packet 0 -", "packet 0 -", &format!("packet 1 {other}")]);
}

#[test]
fn a_collector_that_scripts_name_is_queued_by_one_name_without_user_and_password() {
    let on = [("trace_on", 1), ("hep_mode_on", 1), ("trace_to_database", 0)];
    let mut bench = Bench::new(&[], &on);
    for (uris, shown) in [
        (
            ["sip:c.example", "sip:alice@C.example:5060;lr", "sip:me:secret@c.example;transport=udp?x=y"],
            "sip:c.example:5060",
        ),
        (
            ["sip:c.example;transport=tcp", "sip:bob@c.example:5060;transport=TCP", "sip:c.example;a=b;transport=tcp"],
            "sip:c.example:5060;transport=tcp",
        ),
        (
            ["sips:me:secret@c.example", "sip:c.example:5061;transport=tls", "sips:c.example;transport=tcp"],
            "sip:c.example:5061;transport=tls",
        ),
    ] {
        for uri in uris {
            let destination = Some(uri.as_bytes());
            // Once as it is read, and once as it is known.
            for _ in 0..2 {
                bench.trace(&TracedMessage { destination, ..message(Tracer::Script) }).unwrap();
            }
            bench.trace(&TracedMessage { destination, ..message(Tracer::Text) }).unwrap();
        }
        assert_eq!(bench.queued(target), vec![format!("packet 0 {shown}"); 9]);
    }
}

#[test]
fn more_collectors_than_are_known_at_a_time_keep_their_names() {
    let on = [("trace_on", 1), ("hep_mode_on", 1), ("trace_to_database", 0)];
    let mut bench = Bench::new(&[], &on);
    for number in (0..200).chain(0..200) {
        let uri = format!("sip:u{number}@c{}.example", number % 100);
        bench.trace(&TracedMessage { destination: Some(uri.as_bytes()), ..message(Tracer::Script) }).unwrap();
        assert_eq!(bench.queued(target), [format!("packet 0 sip:c{}.example:5060", number % 100)]);
    }
}

#[test]
fn a_destination_that_is_none_has_nothing_queued_whatever_would_go_there() {
    for (hep, on) in [(0, 1), (0, 0), (1, 1), (1, 0)] {
        let mut bench = Bench::new(&[("duplicate_uri", "sip:192.0.2.9")], &[("trace_on", on), ("hep_mode_on", hep)]);
        let uris = ["nonsense", "tel:1", "sip:", "sip:h:0", "sip:h;transport=xyz", "sips:me:secret@h;transport=udp"];
        for (uri, refused) in uris.iter().zip(1..) {
            let bad = TracedMessage { destination: Some(uri.as_bytes()), ..message(Tracer::Script) };
            let Traced { copies, answer } = bench.agent.trace(&bad);
            assert!(matches!(&answer, Err(TraceError::Destination(_))), "{uri}: {answer:?}");
            assert!(!answer.unwrap_err().to_string().contains("secret"));
            assert_eq!((copies, bench.totals().refused), (None, refused));
        }
        assert_eq!((bench.queued(user), bench.totals().captured()), (vec![], 0));
    }
}

#[test]
fn copies_that_a_script_names_a_place_for_have_its_uri_without_user_and_password() {
    let mut bench = Bench::new(&[], &[("trace_on", 1)]);
    for (uri, complete) in [
        ("sip:me:secret@c.example;lr", "sip:c.example:5060;transport=udp"),
        ("sip:c.example;transport=sctp", "sip:c.example:5060;transport=sctp"),
        ("sip:me@c.example:80;transport=ws", "sip:c.example:80;transport=ws"),
        ("sip:c.example;transport=wss", "sip:c.example:5060;transport=wss"),
        ("sips:[::1]", "sip:[::1]:5061;transport=tls"),
    ] {
        let named = TracedMessage { destination: Some(uri.as_bytes()), ..message(Tracer::Script) };
        assert_eq!(bench.trace(&named).unwrap().unwrap().uris, [complete]);
    }
    assert_eq!(bench.queued(user).len(), 5);
}

#[test]
fn a_destination_that_is_left_empty_means_that_of_parameters_for_copies_alone_too() {
    let uri = ("duplicate_uri", "sip:192.0.2.9;transport=sctp");
    let mut bench = Bench::new(&[uri], &[("trace_on", 1)]);
    let empty = TracedMessage { destination: Some(b""), ..message(Tracer::Script) };
    let copies = bench.trace(&empty).unwrap().unwrap();
    assert_eq!(copies.uris, ["sip:192.0.2.9:5060;transport=sctp"]);
    assert_eq!(bench.queued(user), ["row 0 "]);
    // For a packet there is nothing.
    let text = TracedMessage { destination: Some(b""), ..message(Tracer::Text) };
    assert!(matches!(bench.trace(&text), Err(TraceError::NoDestination)));
    assert!(bench.queued(user).is_empty());
}

#[test]
fn a_copys_uri_leaves_neither_port_nor_transport_to_the_host() {
    let uris = "sip:c.example;transport=tls, sips:c.example,sip:192.0.2.9, sip:[2001:db8::1];transport=sctp,sip:192.0.2.9:5060";
    let bench = Bench::new(&[("duplicate_uri", uris)], &[]);
    let complete = [
        "sip:c.example:5060;transport=tls",
        "sip:c.example:5061;transport=tls",
        "sip:192.0.2.9:5060;transport=udp",
        "sip:[2001:db8::1]:5060;transport=sctp",
    ];
    assert_eq!(bench.agent.copy_targets(), complete);
    let failover = Bench::new(&[("duplicate_uri", uris), ("duplicate_mode", "failover")], &[]);
    assert_eq!(failover.agent.copy_targets(), complete[..1]);
}

#[test]
fn sctp_is_for_copies_and_is_refused_where_packets_would_need_it() {
    let checked = |numbers: &[(&str, i64)]| {
        let mut settings = TraceSettings::default();
        settings.set_text("duplicate_uri", b"sip:192.0.2.9;transport=sctp").unwrap();
        numbers.iter().for_each(|(name, number)| settings.set_number(name, *number).unwrap());
        settings.check().map_err(|error| error.to_string())
    };
    for numbers in [[("hep_mode_on", 0), ("trace_mode", 4)], [("trace_to_database", 0), ("trace_mode", 6)]] {
        assert_eq!(checked(&numbers), Ok(()));
    }
    for number in [("hep_mode_on", 1), ("trace_mode", 5)] {
        let error = checked(&[number]).unwrap_err();
        for part in ["duplicate_uri", "transport=sctp", "udp, tcp and tls"] {
            assert!(error.contains(part), "{error}");
        }
    }
    // A line of a log is a packet, for which there is no collector then.
    let mut bench = Bench::new(&[("duplicate_uri", "sip:192.0.2.9;transport=sctp")], &[("trace_on", 1)]);
    assert!(matches!(bench.trace(&message(Tracer::Log)), Err(TraceError::NoDestination)));
}

#[test]
fn a_copy_that_the_host_could_not_send_is_counted() {
    let mut bench = Bench::new(&[], &[]);
    bench.agent.copy_failed().unwrap();
    assert_eq!(bench.agent.pipeline().lanes().unwrap().totals().produced(Produced::CopiesFailed), 1);
    assert!(matches!(TraceAgent::default().copy_failed(), Err(StateError::NotAttached)));
}

#[test]
fn every_bad_value_is_refused_with_its_name_its_value_and_what_is_allowed() {
    let text =
        |name: &str, value: &str| TraceSettings::default().set_text(name, value.as_bytes()).unwrap_err().to_string();
    let number = |name: &str, value: i64| TraceSettings::default().set_number(name, value).unwrap_err().to_string();
    for (error, parts) in [
        (text("duplicate_uri", "tel:1"), ["duplicate_uri", "tel:1", "sip:HOST"]),
        (text("duplicate_mode", "some"), ["duplicate_mode", "some", "all and failover"]),
        (text("table", "a b"), ["table", "a b", "allowed"]),
        (number("hep_version", 4), ["hep_version", "4", "1, 2 and 3"]),
        (number("hep_capture_id", 1 << 32), ["hep_capture_id", "4294967296", "0 to 4294967295"]),
        (number("tls_verify", 2), ["tls_verify", "2", "0 (any certificate)"]),
        (number("queue_size", 0), ["queue_size", "0", "1 to 1024 MiB"]),
    ] {
        parts.iter().for_each(|part| assert!(error.contains(part), "{error}"));
    }
    assert!(matches!(TraceSettings::default().set_text("capture_node", b"x"), Err(ParameterError::Unknown(..))));
}

#[test]
fn a_start_without_the_certificates_that_it_needs_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (missing, empty) = (directory.path().join("missing.pem"), directory.path().join("empty.pem"));
    std::fs::write(&empty, "no certificate").unwrap();
    let check = |ca: &std::path::Path, uri: &str, verify: i64| {
        let mut agent = TraceAgent::default();
        let settings = agent.settings_mut().unwrap();
        let texts = [("tls_ca", ca.to_str().unwrap()), ("duplicate_uri", uri), ("spool_dir", "")];
        texts.iter().for_each(|(name, text)| settings.set_text(name, text.as_bytes()).unwrap());
        [("tls_verify", verify), ("trace_to_database", 0)]
            .iter()
            .for_each(|(name, n)| settings.set_number(name, *n).unwrap());
        agent.check((None, None), KillLimits::default()).map_err(|error| error.to_string())
    };
    for ca in [&missing, &empty] {
        // Scripts may name collectors over TLS.
        for uri in ["sips:collector.test", "sip:collector.test"] {
            let error = check(ca, uri, 1).unwrap_err();
            for part in ["tls_ca", ca.to_str().unwrap(), "a PEM file, or a directory of such, is needed"] {
                assert!(error.contains(part), "{error}");
            }
        }
        assert_eq!(check(ca, "sips:collector.test", 0), Ok(()));
    }
    assert_eq!(check(std::path::Path::new(""), "sip:collector.test", 1), Ok(()));
}

#[test]
fn a_line_of_a_log_has_the_call_id_of_its_message_unless_the_script_names_an_id() {
    let mut bench = Bench::new(&[("duplicate_uri", "sip:192.0.2.9")], &[("trace_to_database", 0)]);
    for (call_id, named, expected) in [
        (&b"1"[..], None, Some(&b"1"[..])),
        (b"1", Some(&b"cid"[..]), Some(b"cid")),
        (b"", Some(b"cid"), Some(b"cid")),
        (b"1", Some(b""), None),
    ] {
        bench.trace(&TracedMessage { call_id, correlation_id: named, ..message(Tracer::Log) }).unwrap();
        assert_eq!(bench.queued(|capture| format!("{:?}", capture.correlation_id)), [format!("packet 0 {expected:?}")]);
    }
    let nothing = bench.trace(&TracedMessage { call_id: b"", ..message(Tracer::Log) }).unwrap_err();
    assert_eq!(nothing.to_string(), "hlog(): the message has no Call-ID to correlate the line by");
    assert!(bench.queued(user).is_empty());
    // Others have none of their own.
    bench.trace(&TracedMessage { correlation_id: None, ..message(Tracer::Text) }).unwrap();
    assert_eq!(bench.queued(|capture| format!("{:?}", capture.correlation_id)), ["packet 0 None"]);
}

#[test]
fn a_message_that_a_script_has_made_up_needs_a_text_and_two_addresses() {
    let mut bench = Bench::new(&[("duplicate_uri", "sip:192.0.2.9")], &[("trace_to_database", 0)]);
    let from = TraceEndpoint::Text(b"udp:192.0.2.1:5060");
    let text = TracedMessage { from, to: TraceEndpoint::Text(b"tls:192.0.2.2:5061"), ..message(Tracer::Text) };
    bench.trace(&text).unwrap();
    let ends = |capture: &Capture<'_>| {
        let trace = capture.trace.unwrap();
        [trace.from, trace.to].map(|text| String::from_utf8_lossy(text).into_owned()).join(" ")
    };
    assert_eq!(bench.queued(ends), ["packet 0 udp:192.0.2.1:5060 tls:192.0.2.2:5061"]);
    for bad in [
        TracedMessage { body: b"", ..text },
        TracedMessage { from: TraceEndpoint::Text(b""), ..text },
        TracedMessage { from: TraceEndpoint::Unknown, ..text },
        TracedMessage { to: TraceEndpoint::Text(b""), ..text },
    ] {
        let error = bench.trace(&bad).unwrap_err().to_string();
        assert_eq!(error, "sip_trace_msg(): message and addresses (proto:ip:port) must not be empty");
    }
    assert!(bench.queued(user).is_empty());
}

#[test]
fn a_message_of_a_transaction_that_the_host_has_lost_says_so() {
    let mut bench = Bench::new(&[], &[("trace_on", 1)]);
    for (status, text) in [(&b""[..], "No request buffer"), (b"200", "No reply buffer")] {
        bench.trace(&TracedMessage { body: b"", status, ..message(Tracer::Follow) }).unwrap();
        let bodies = bench.queued(|capture| String::from_utf8_lossy(capture.payload).into_owned());
        assert_eq!(bodies, [format!("row 0 {text}")]);
    }
}

#[test]
fn rows_and_packets_show_ends_in_the_hosts_style_and_with_brackets_where_the_host_writes_them() {
    let on = [("trace_on", 1), ("hep_mode_on", 1), ("trace_mode", 3)];
    let mut bench = Bench::new(&[("duplicate_uri", "sip:192.0.2.9")], &on);
    bench.agent.host.ipv6_style = Ipv6Style::Upper;
    let (from, to) = (end("[2001:db8::a]:5060"), end("[2001:db8::b]:5060"));
    for (tracer, bare) in [(Tracer::Core, false), (Tracer::Script, true), (Tracer::Follow, true)] {
        bench.trace(&TracedMessage { from, to, ..message(tracer) }).unwrap();
        let [open, close] = if bare { ["", ""] } else { ["[", "]"] };
        let of = |last: &str| format!("udp:{open}2001:DB8:0:0:0:0:0:{last}{close}:5060");
        let expected = format!("{} {}", of("A"), of("B"));
        let queued = bench.queued(|capture| {
            let trace = capture.trace.unwrap();
            [trace.from, trace.to].map(|text| String::from_utf8_lossy(text).into_owned()).join(" ")
        });
        assert_eq!(queued, [format!("row 0 {expected}"), format!("packet 1 {expected}")], "{tracer:?}");
    }
}

#[test]
fn a_scope_that_is_not_known_is_the_message_as_a_mode_and_none_as_a_type() {
    let mut agent = TraceAgent::default();
    assert_eq!(agent.scope(TraceFunction::SipTrace, b" T"), Scope::Transaction);
    assert_eq!(agent.scope(TraceFunction::SipTrace, b"x"), Scope::Unknown);
    assert_eq!(agent.scope(TraceFunction::SipTraceMode, b"Dialog"), Scope::Dialog);
    assert_eq!(agent.scope(TraceFunction::SipTraceMode, b"x"), Scope::Message);
}
