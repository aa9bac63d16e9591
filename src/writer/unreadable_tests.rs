//! Records whose head can be read and whose trace cannot: each is refused by itself, and the reason says what is wrong.

use super::batch::BatchSet;
use super::batching::add_record;
use super::health::SinkPlace;
use super::packet_tests::{Bench as PacketBench, NAMED, read_packets};
use super::spool_tests::Bench;
use super::table_waits::TableWaits;
use super::tests::capture;
use super::tries::RetryLimit;
use super::*;
use crate::capture::{Capture, RowKind, Trace, record};
use crate::logged;
use crate::queue::counters::Committed;
use crate::queue::lane::Lanes;
use crate::queue::spool::dead_letter::{list, read_file};
use log::Level;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

const WHY: &str = "record without a trace that can be read";

/// A traced message or a packet, whose trace has no bytes unless it `is_readable`.
fn traced(kind: RowKind, is_readable: bool) -> Capture<'static> {
    let (from, to) = (&b"udp:192.0.2.1:5060"[..], &b"udp:192.0.2.2:5060"[..]);
    let trace = Trace { payload_type: 1, method: b"OPTIONS", from, to, ..Trace::default() };
    let table = (kind == RowKind::Trace).then_some(&b"sip_trace"[..]);
    Capture { kind, table, trace: is_readable.then_some(trace), ..capture(b"OPTIONS sip:0 SIP/2.0\r\n\r\n") }
}

/// Destination and reason of each dead letter of `plan`.
fn letters(plan: &WriterPlan) -> Vec<(String, String)> {
    let files = list(&spools::dead_letters(plan.spool.as_ref().unwrap())).unwrap();
    let entries = files.iter().flat_map(|file| read_file(&file.path).unwrap()).map(Result::unwrap);
    entries.map(|entry| (entry.table.into_owned(), entry.reason.into_owned())).collect()
}

#[test]
fn a_row_whose_record_cannot_be_read_becomes_a_dead_letter_that_says_why_and_its_neighbours_are_stored() {
    let mut bench = Bench::new();
    bench.bring_up(0);
    let plan = bench.plan();
    bench.while_running(plan.clone(), |bench| {
        for is_readable in [true, false, true, false, false] {
            bench.producer.push(&traced(RowKind::Trace, is_readable)).unwrap();
        }
        bench.until("all are done with", |totals| totals.queued() == 0 && totals.spooled() == 0);
    });
    let totals = bench.lanes.totals();
    assert_eq!((totals.committed(Committed::Stored), totals.committed(Committed::DeadLettered)), (2, 3));
    assert_eq!((totals.committed(Committed::Rejected), totals.dropped()), (0, 0));
    assert_eq!(letters(&plan), vec![("sip_trace".to_owned(), WHY.to_owned()); 3]);
}

#[test]
fn a_packet_whose_record_cannot_be_read_becomes_a_dead_letter_that_says_why_and_its_neighbours_are_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("sip:{};transport=tcp", listener.local_addr().unwrap());
    let mut bench = PacketBench::new("sip:127.0.0.1:9".to_owned());
    let plan = bench.plan();
    bench.while_running(|bench| {
        bench.push(0..1, NAMED, Some(&uri));
        let broken = Capture { sink: NAMED, table: Some(uri.as_bytes()), ..traced(RowKind::Packet, false) };
        bench.producer.push(&broken).unwrap();
        bench.push(1..2, NAMED, Some(&uri));
        assert_eq!(read_packets(&listener, 2), [0, 1]);
        bench.until("all are done with", |totals| totals.queued() == 0 && totals.spooled() == 0);
    });
    let totals = bench.lanes.totals();
    assert_eq!((totals.committed(Committed::Stored), totals.committed(Committed::DeadLettered)), (2, 1));
    assert_eq!((totals.committed(Committed::Rejected), totals.dropped()), (0, 0));
    assert_eq!(letters(&plan), [(uri, WHY.to_owned())]);
}

/// Delivers, on this thread, records that cannot be read to `sink`; the reasons of the refusals, and what was logged.
fn delivered(sink: &SinkPlan, lanes: &Arc<Lanes>, kind: RowKind) -> (Vec<String>, Vec<(Level, String)>) {
    let place =
        SinkPlace { lanes: Arc::clone(lanes), writer: 0, number: 0, has_spool: Arc::default(), away: Arc::default() };
    let mut delivery = sink.kind.open(Opening {
        place,
        is_for_one: false,
        retry_limits: [RetryLimit::Unlimited; 2],
        table_wait: Duration::ZERO,
        waits: TableWaits::new(Duration::ZERO, "sink"),
        link: None,
        give_up: Arc::default(),
    });
    let unreadable = traced(kind, false);
    let mut bytes = vec![0; record::encoded_len(&unreadable).unwrap()];
    record::encode(&unreadable, &mut bytes);
    let mut set = BatchSet::default();
    for _ in 0..1000 {
        add_record(&mut set, &bytes, &*sink.kind).unwrap();
    }
    let [batch] = set.batches() else { panic!("one key is one batch") };
    logged::listen();
    let outcome = delivery.deliver(batch);
    assert!(outcome.left.is_empty());
    (outcome.refused.iter().map(|refused| refused.why.to_string()).collect(), logged::lines())
}

#[test]
fn many_records_that_cannot_be_read_are_one_line_that_blames_nobody() {
    let (rows, packets) = (Bench::new(), PacketBench::new("sip:127.0.0.1:9".to_owned()));
    for (plan, lanes, kind, line) in [
        (rows.plan(), &rows.lanes, RowKind::Trace, "a capture cannot be stored"),
        (packets.plan(), &packets.lanes, RowKind::Packet, "a packet cannot be sent"),
    ] {
        let (reasons, lines) = delivered(&plan.sinks[0], lanes, kind);
        assert_eq!(reasons, vec![WHY; 1000]);
        assert_eq!(lines, [(Level::Error, format!("{line}: {WHY} (0 more since the last such line)"))]);
    }
}
