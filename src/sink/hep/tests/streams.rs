//! Collectors over TCP.

use super::super::{Collector, CollectorOptions};
use super::{
    ClosedPort, PATIENCE, accept, accept_now, all, collector, destination, listener, numbered, options, outgoing,
    packets, read_payloads, send_rest, tcp_uri,
};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// More than the buffers of both ends hold, so that a collector that does not read is noticed.
fn plenty() -> Vec<Vec<u8>> {
    numbered(600, 60_000)
}

fn impatient() -> CollectorOptions {
    CollectorOptions { io_timeout: Duration::from_millis(400), ..options() }
}

#[test]
fn packets_arrive_back_to_back_over_one_connection() {
    let (listener, address) = listener();
    let mut collector = collector(&tcp_uri(address));
    let payloads = numbered(200, 300);
    assert_eq!(collector.send(&packets(&payloads[..150])), all(150));
    assert_eq!(collector.send(&packets(&payloads[150..])), all(50));
    let mut stream = accept(&listener);
    assert_eq!(read_payloads(&mut stream, 200), payloads);
    assert!(accept_now(&listener).is_none(), "a second connection");
    drop(collector);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_collector_that_is_away_gets_the_packets_when_it_is_there() {
    let closed = ClosedPort::new();
    let address = closed.address;
    let mut collector = collector(&tcp_uri(address));
    let payloads = numbered(3, 300);
    for _ in 0..2 {
        let sent = collector.send(&packets(&payloads));
        assert_eq!((sent.sent, sent.refused.len()), (0, 0));
        let reason = sent.away.unwrap();
        assert!(reason.starts_with(&tcp_uri(address)) && reason.contains("refused"), "{reason}");
    }
    let listener = closed.open();
    assert_eq!(collector.send(&packets(&payloads)), all(3));
    assert_eq!(read_payloads(&mut accept(&listener), 3), payloads);
}

#[test]
fn a_connection_that_was_closed_is_noticed_before_anything_is_written() {
    let (listener, address) = listener();
    let mut collector = collector(&tcp_uri(address));
    for round in 0..3 {
        let payloads = numbered(3 + round, 300);
        assert_eq!(collector.send(&packets(&payloads)), all(3 + round));
        assert_eq!(read_payloads(&mut accept(&listener), 3 + round), payloads);
    }
}

#[test]
fn a_collector_that_closes_in_the_middle_gets_the_rest_over_the_next_connection() {
    let (listener, address) = listener();
    let payloads = plenty();
    let mut collector = collector(&tcp_uri(address));
    let listener = &listener;
    let (sent, heard) = thread::scope(|scope| {
        // The stream is closed with bytes in it that nobody has read.
        let server = scope.spawn(|| read_payloads(&mut accept(listener), 10));
        (collector.send(&packets(&payloads)), server.join().unwrap())
    });
    assert_eq!(heard, payloads[..10]);
    assert!(sent.away.is_some() && (10..payloads.len()).contains(&sent.sent), "{sent:?}");

    let rest = &payloads[sent.sent..];
    let heard = thread::scope(|scope| {
        let server = scope.spawn(|| read_payloads(&mut accept(listener), rest.len()));
        assert_eq!(collector.send(&packets(rest)), all(rest.len()));
        server.join().unwrap()
    });
    assert_eq!(heard, rest);
}

#[test]
fn a_collector_that_hangs_is_away_and_gets_the_rest_over_the_same_connection_when_it_reads() {
    let (listener, address) = listener();
    let payloads = plenty();
    let mut collector = Collector::new(vec![destination(&tcp_uri(address))], impatient());
    let sent = collector.send(&packets(&payloads));
    assert!(sent.away.unwrap().contains("deadline"));
    assert!((1..payloads.len()).contains(&sent.sent), "{} sent", sent.sent);
    let mut done = sent.sent;
    for _ in 0..3 {
        let again = collector.send(&packets(&payloads[done..]));
        assert!(again.away.unwrap().contains("deadline"));
        done += again.sent;
    }
    let heard = thread::scope(|scope| {
        let heard = scope.spawn(|| {
            let heard = read_payloads(&mut accept(&listener), payloads.len());
            assert!(accept_now(&listener).is_none(), "a second connection");
            heard
        });
        send_rest(&mut collector, &payloads, done);
        heard.join().unwrap()
    });
    assert!(heard == payloads, "lost, twice, or out of order");
}

#[test]
fn the_successor_of_one_that_hangs_gets_whole_packets_over_the_next_connection() {
    let (listener, address) = listener();
    let payloads = plenty();
    let mut collector = Collector::new(vec![destination(&tcp_uri(address))], impatient());
    let sent = collector.send(&packets(&payloads)).sent;
    drop(accept(&listener));
    let rest = &payloads[sent..];
    let heard = thread::scope(|scope| {
        let heard = scope.spawn(|| read_payloads(&mut accept(&listener), rest.len()));
        send_rest(&mut collector, rest, 0);
        heard.join().unwrap()
    });
    assert!(heard == rest, "lost, twice, or out of order");
}

#[test]
fn a_collector_that_reads_slowly_gets_everything() {
    let (listener, address) = listener();
    let payloads = numbered(300, 60_000);
    let mut collector = collector(&tcp_uri(address));
    let heard = thread::scope(|scope| {
        let server = scope.spawn(|| {
            let mut stream = accept(&listener);
            let read_some = |_| {
                thread::sleep(Duration::from_millis(2));
                read_payloads(&mut stream, 10)
            };
            (0..30).flat_map(read_some).collect::<Vec<_>>()
        });
        assert_eq!(collector.send(&packets(&payloads)), all(300));
        server.join().unwrap()
    });
    assert!(heard == payloads);
}

#[test]
fn a_collector_that_is_too_slow_ends_the_call_and_keeps_its_connection() {
    let (listener, address) = listener();
    let payloads = plenty();
    let is_hurried = AtomicBool::new(false);
    let options = CollectorOptions { io_timeout: Duration::from_secs(2), ..options() };
    let mut collector = Collector::new(vec![destination(&tcp_uri(address))], options);
    let heard = thread::scope(|scope| {
        let server = scope.spawn(|| {
            let mut stream = accept(&listener);
            let read_one = |_| {
                if !is_hurried.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(20));
                }
                read_payloads(&mut stream, 1)
            };
            let heard: Vec<_> = (0..payloads.len()).flat_map(read_one).collect();
            assert!(accept_now(&listener).is_none(), "a second connection");
            heard
        });
        let sent = collector.send(&packets(&payloads));
        is_hurried.store(true, Ordering::Relaxed);
        assert_eq!(sent.away, Some(format!("{}: it takes packets too slowly", tcp_uri(address))));
        let rest = &payloads[sent.sent..];
        assert_eq!(collector.send(&packets(rest)), all(rest.len()));
        server.join().unwrap()
    });
    assert!(heard == payloads);
}

#[test]
fn what_a_collector_says_is_thrown_away_so_that_it_never_waits_for_room() {
    let (listener, address) = listener();
    let payloads = plenty();
    let mut collector = collector(&tcp_uri(address));
    let heard = thread::scope(|scope| {
        let server = scope.spawn(|| {
            let mut stream = accept(&listener);
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            // It reads nothing before it has said all this.
            stream.write_all(&vec![b'x'; 32 << 20]).unwrap();
            read_payloads(&mut stream, payloads.len())
        });
        assert_eq!(collector.send(&packets(&payloads)), all(payloads.len()));
        server.join().unwrap()
    });
    assert!(heard == payloads);
}

#[test]
fn what_a_collector_says_between_two_calls_is_no_reason_to_connect_again() {
    let (listener, address) = listener();
    let mut collector = collector(&tcp_uri(address));
    let payloads = numbered(2, 300);
    assert_eq!(collector.send(&[outgoing(&payloads[0])]), all(1));
    let mut stream = accept(&listener);
    stream.write_all(b"welcome").unwrap();
    assert_eq!(collector.send(&[outgoing(&payloads[1])]), all(1));
    assert_eq!(read_payloads(&mut stream, 2), payloads);
    assert!(accept_now(&listener).is_none());
}

#[test]
fn the_source_address_is_the_one_that_is_asked_for() {
    let (listener, address) = listener();
    let bound = CollectorOptions { bind: Some("127.0.0.2".parse().unwrap()), ..options() };
    let mut collector = Collector::new(vec![destination(&tcp_uri(address))], bound);
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    assert_eq!(accept(&listener).peer_addr().unwrap().ip().to_string(), "127.0.0.2");
}

#[test]
fn packets_that_have_no_form_do_not_hide_where_the_rest_begins() {
    let closed = ClosedPort::new();
    let long = vec![b'x'; 65_600];
    let sent = collector(&tcp_uri(closed.address)).send(&[outgoing(&long), outgoing(b"hello")]);
    assert_eq!((sent.sent, sent.refused), (0, vec![]));

    let (listener, address) = listener();
    let mut payloads = plenty();
    for at in [0, 5, 599] {
        payloads[at] = long.clone();
    }
    let mut collector = Collector::new(vec![destination(&tcp_uri(address))], impatient());
    let sent = collector.send(&packets(&payloads));
    assert!(sent.away.is_some());
    let refused: Vec<usize> = sent.refused.iter().map(|(at, _)| *at).collect();
    assert_eq!(refused, [0, 5]);
    let heard = thread::scope(|scope| {
        let heard = scope.spawn(|| read_payloads(&mut accept(&listener), payloads.len() - 3));
        send_rest(&mut collector, &payloads, sent.sent);
        heard.join().unwrap()
    });
    let expected = payloads.iter().filter(|payload| payload.len() < long.len());
    assert!(heard.iter().eq(expected), "{} heard, {} done with at first", heard.len(), sent.sent);
}

#[test]
fn what_was_begun_is_ended_also_when_other_packets_come_behind_it() {
    let (listener, address) = listener();
    let payloads = plenty();
    let mut collector = Collector::new(vec![destination(&tcp_uri(address))], impatient());
    let sent = collector.send(&packets(&payloads)).sent;
    let others = numbered(5, 300);
    let heard = thread::scope(|scope| {
        let heard = scope.spawn(|| {
            let mut stream = accept(&listener);
            let mut heard = read_payloads(&mut stream, sent);
            while heard.last().is_none_or(|last| *last != others[4]) {
                heard.extend(read_payloads(&mut stream, 1));
            }
            heard
        });
        send_rest(&mut collector, &others, 0);
        heard.join().unwrap()
    });
    let (first, behind) = heard.split_at(heard.len() - 5);
    assert!(behind == others && (sent..=sent + 1).contains(&first.len()) && *first == payloads[..first.len()]);
}
