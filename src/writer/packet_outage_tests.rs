//! How long packets wait for a collector that is away: with a spool and without one, of parameters and of scripts.

use super::batch::BatchSet;
use super::batching::add_record;
use super::health::SinkPlace;
use super::packet_tests::{Bench, NAMED, accept, closed_place, read_packet, read_packets};
use super::sink_workers::SinkWorkers;
use super::sinks::packets::{CollectorPlan, CollectorSink};
use super::table_waits::TableWaits;
use super::tries::RetryLimit;
use super::*;
use crate::capture::{Capture, RowKind, Trace, Transport, record};
use crate::queue::counters::Committed;
use crate::queue::lane::{Consumer, Geometry, Lanes};
use crate::sink::hep::{CollectorOptions, Destination};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than a few tries take.
const WHILE: Duration = Duration::from_millis(1500);

#[test]
fn what_a_collector_that_scripts_name_misses_waits_for_it_however_long() {
    let (place, uri) = closed_place();
    let mut bench = Bench::new("sip:127.0.0.1:9".to_owned());
    bench.table_wait = Duration::from_millis(50);
    bench.while_running(|bench| {
        bench.push(0..10, NAMED, Some(&uri));
        bench.until("they are spooled", |totals| totals.spooled() == 10 && totals.queued() == 0);
        thread::sleep(WHILE);
        bench.push(10..20, NAMED, Some(&uri));
        thread::sleep(WHILE);
        bench.until("all wait", |totals| totals.spooled() == 20 && totals.committed(Committed::DeadLettered) == 0);
        let listener = TcpListener::bind(place).unwrap();
        assert_eq!(read_packets(&listener, 20), (0..20).collect::<Vec<_>>());
        bench.until("nothing is left", |totals| totals.spooled() == 0);
    });
    assert_eq!(bench.lanes.totals().committed(Committed::Stored), 20);
}

#[test]
fn where_collectors_share_a_spool_one_that_stays_away_holds_up_the_others_no_longer_than_its_time() {
    let (_, gone) = closed_place();
    let well = TcpListener::bind("127.0.0.1:0").unwrap();
    let well_uri = format!("sip:{};transport=tcp", well.local_addr().unwrap());
    let mut bench = Bench::new("sip:127.0.0.1:9".to_owned());
    bench.table_wait = Duration::from_secs(1);
    bench.while_running(|bench| {
        // As many as have spools of their own.
        for number in 0..64 {
            bench.push(number..number + 1, NAMED, Some(&format!("sip:127.0.0.1:1;transport=tcp;number={number}")));
        }
        bench.until("they wait", |totals| totals.spooled() == 64);
        bench.push(100..2100, NAMED, Some(&gone));
        bench.until("these wait too", |totals| totals.spooled() > 64);
        bench.until("they are put away", |totals| totals.committed(Committed::DeadLettered) == 2000);
        bench.push(2100..2110, NAMED, Some(&well_uri));
        assert_eq!(read_packets(&well, 10), (2100..2110).collect::<Vec<_>>());
        bench.push(3000..3010, NAMED, Some(&gone));
        bench.until("nobody waits for it any more", |totals| totals.committed(Committed::DeadLettered) == 2010);
        bench.until("the others wait", |totals| totals.spooled() == 64 && totals.queued() == 0);
    });
    assert_eq!(bench.lanes.totals().dropped(), 0);
}

#[test]
fn without_a_spool_packets_wait_for_their_collector_and_what_finds_no_room_is_counted() {
    let (place, uri) = closed_place();
    let mut bench = Bench::new(uri);
    bench.has_spool = false;
    bench.while_running(|bench| {
        bench.push(0..100, 0, None);
        thread::sleep(WHILE);
        let totals = bench.lanes.totals();
        assert_eq!((totals.queued(), totals.dropped()), (100, 0), "{totals:?}");
        let mut end = 100;
        while bench.try_push(end, 0, None) {
            end += 1;
        }
        let totals = bench.lanes.totals();
        assert_eq!((totals.queued(), totals.dropped()), (end as u64, 1), "{totals:?}");
        let mut stream = accept(&TcpListener::bind(place).unwrap());
        for number in 0..end {
            assert_eq!(read_packet(&mut stream), number);
        }
        bench.until("all are sent", |totals| totals.committed(Committed::Stored) == end as u64);
    });
    assert_eq!(bench.lanes.totals().committed(Committed::Unavailable), 0);
}

#[test]
fn without_a_spool_packets_are_given_up_after_the_retries_that_are_set() {
    let (place, uri) = closed_place();
    let mut bench = Bench::new(uri);
    bench.has_spool = false;
    bench.insert_retries = 3;
    bench.while_running(|bench| {
        bench.push(0..10, 0, None);
        // Tries are 100, 200 and 400 ms apart.
        thread::sleep(Duration::from_millis(200));
        assert_eq!(bench.lanes.totals().queued(), 10);
        bench.until("they are given up", |totals| totals.committed(Committed::Unavailable) == 10);
        let listener = TcpListener::bind(place).unwrap();
        bench.push(10..20, 0, None);
        assert_eq!(read_packets(&listener, 10), (10..20).collect::<Vec<_>>());
    });
}

#[test]
fn without_a_spool_a_collector_that_scripts_name_holds_up_others_no_longer_than_its_time() {
    let (_, gone) = closed_place();
    let well = TcpListener::bind("127.0.0.1:0").unwrap();
    let well_uri = format!("sip:{};transport=tcp", well.local_addr().unwrap());
    let mut bench = Bench::new("sip:127.0.0.1:9".to_owned());
    bench.has_spool = false;
    bench.table_wait = WHILE;
    bench.while_running(|bench| {
        bench.push(0..10, NAMED, Some(&gone));
        thread::sleep(WHILE / 3);
        assert_eq!(bench.lanes.totals().queued(), 10, "they wait at first");
        bench.until("they are given up", |totals| totals.committed(Committed::Unavailable) == 10);
        for round in 1..200 {
            bench.push(round * 20..round * 20 + 10, NAMED, Some(&gone));
            bench.push(round * 20 + 10..round * 20 + 20, NAMED, Some(&well_uri));
            bench.until("nothing waits", |totals| totals.queued() == 0);
        }
        let mut stream = accept(&well);
        for number in (0..4000).filter(|number| *number >= 20 && number % 20 >= 10) {
            assert_eq!(read_packet(&mut stream), number);
        }
    });
    let totals = bench.lanes.totals();
    assert_eq!((totals.committed(Committed::Unavailable), totals.committed(Committed::Stored)), (2000, 1990));
}

#[test]
fn a_collector_that_scripts_name_shows_as_down_while_it_is_away_whatever_others_do() {
    let (place, gone) = closed_place();
    let well = TcpListener::bind("127.0.0.1:0").unwrap();
    let well_uri = format!("sip:{};transport=tcp", well.local_addr().unwrap());
    let mut bench = Bench::new("sip:127.0.0.1:9".to_owned());
    bench.while_running(|bench| {
        bench.push(0..10, NAMED, Some(&gone));
        bench.until("they are spooled", |totals| totals.spooled() == 10 && totals.queued() == 0);
        bench.push(10..20, NAMED, Some(&well_uri));
        assert_eq!(read_packets(&well, 10), (10..20).collect::<Vec<_>>());
        bench.until("they are sent", |totals| totals.committed(Committed::Stored) == 10);
        let state = bench.lanes.sink_state(0, NAMED.into());
        assert!(state.up == Some(false) && state.last_error.contains(&gone), "{state:?}");
        let listener = TcpListener::bind(place).unwrap();
        assert_eq!(read_packets(&listener, 10), (0..10).collect::<Vec<_>>());
        bench.until("nothing is left", |totals| totals.spooled() == 0);
        assert_eq!(bench.lanes.sink_state(0, NAMED.into()).up, Some(true));
    });
}

#[test]
fn what_an_earlier_server_left_in_a_spool_that_is_there_late_is_sent_first() {
    let (place, uri) = closed_place();
    let mut bench = Bench::new("sip:127.0.0.1:9".to_owned());
    bench.push(0..300, NAMED, Some(&uri));
    bench.while_running(|_| {});
    assert_eq!((bench.lanes.totals().spooled(), bench.lanes.totals().queued()), (300, 0));
    let spool = bench.named_spools().remove(0);
    let mut next = bench.restart();
    let aside = tempfile::tempdir().unwrap();
    std::fs::rename(spool.join("0"), aside.path().join("0")).unwrap();
    next.while_running(|next| {
        next.until("it runs", |totals| totals.queued() == 0);
        thread::sleep(Duration::from_millis(200));
        std::fs::rename(aside.path().join("0"), spool.join("0")).unwrap();
        next.push(300..400, NAMED, Some(&uri));
        next.until("all wait", |totals| totals.spooled() == 400 && totals.queued() == 0);
        let listener = TcpListener::bind(place).unwrap();
        assert_eq!(read_packets(&listener, 400), (0..400).collect::<Vec<_>>());
        next.until("nothing is left", |totals| totals.spooled() == 0);
    });
    let totals = next.lanes.totals();
    assert_eq!((totals.committed(Committed::Recovered), totals.committed(Committed::Stored)), (300, 400));
}

#[test]
fn one_collector_has_neighbours_only_when_a_script_names_others() {
    let bench = Bench::new("sip:127.0.0.1:9".to_owned());
    let (plan, give_up) = (bench.plan(), Arc::default());
    let mut consumer = Consumer::take(&bench.lanes, 0).unwrap().unwrap();
    let (outbox, _results) = crossbeam_channel::unbounded();
    let mut workers = SinkWorkers::start(&plan, 0, &mut consumer, &give_up, outbox).unwrap();
    assert!(!workers.has_neighbours(&plan));
    let mut named = BatchSet::default();
    add_record(&mut named, &packet(b"udp:192.0.2.1:5060"), &*plan.sinks[usize::from(NAMED)].kind).unwrap();
    workers.part(&plan, vec![BatchSet::default(), named], Instant::now());
    assert!(workers.has_neighbours(&plan));
    workers.end(Instant::now() + WHILE);
}

/// A packet's record; without an address no packet can be made of it.
fn packet(from: &[u8]) -> Vec<u8> {
    let nowhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let trace = Trace { payload_type: 1, method: b"OPTIONS", from, to: b"tcp:192.0.2.2:5061", ..Trace::default() };
    let text = b"OPTIONS sip:a SIP/2.0\r\n\r\n";
    let capture = Capture {
        kind: RowKind::Packet,
        trace: Some(trace),
        ..Capture::sip(1_700_000_000_000_000, nowhere, nowhere, Transport::UNKNOWN, text)
    };
    let mut bytes = vec![0; record::encoded_len(&capture).unwrap()];
    record::encode(&capture, &mut bytes);
    bytes
}

#[test]
fn packets_without_a_form_break_the_rest_into_runs_and_say_nothing_of_the_collector() {
    let geometry = Geometry { lanes: 1, writers: 1, sinks: 1, lane_bytes: 1 << 20, wake_bytes: 1 << 18 };
    let lanes = Arc::new(Lanes::map(geometry).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let plan = super::tests::plan(&directory, true);
    let place = SinkPlace {
        lanes: Arc::clone(&lanes),
        writer: 0,
        number: 0,
        has_spool: Arc::new(AtomicBool::new(true)),
        away: Arc::default(),
    };
    let destinations = vec![Destination::parse(&closed_place().1).unwrap()];
    let collectors = CollectorPlan { options: CollectorOptions::default(), correlation_headers: Vec::new() };
    let sink = CollectorSink { destinations, collectors };
    let (waits, give_up) = (TableWaits::new(Duration::ZERO, "sink"), Arc::default());
    let retry_limits = RetryLimit::of(plan.insert_retries, plan.insert_retry_timeout);
    let table_wait = plan.table_wait;
    let opening = Opening { place, is_for_one: false, retry_limits, table_wait, waits, link: None, give_up };
    let mut delivery = sink.open(opening);
    let mut deliver = |packets: &[&[u8]]| {
        let mut set = BatchSet::default();
        packets.iter().for_each(|from| assert!(add_record(&mut set, &packet(from), &sink).is_ok()));
        let outcome = delivery.deliver(&set.batches()[0]);
        (outcome.left, outcome.refused.len(), outcome.away)
    };
    let (good, bad): (&[u8], &[u8]) = (b"udp:192.0.2.1:5060", b"nowhere");
    assert_eq!(deliver(&[bad]), (vec![], 1, false));
    assert_eq!(lanes.sink_state(0, 0).up, None, "nobody has asked it");
    assert_eq!(deliver(&[good, good, good, bad, good, good]), (vec![0..3, 4..6], 1, true));
    assert_eq!(lanes.sink_state(0, 0).up, Some(false));
    assert_eq!(deliver(&[bad, bad]), (vec![], 2, true));
    assert_eq!(lanes.sink_state(0, 0).up, Some(false), "it is as far away as before");
}
