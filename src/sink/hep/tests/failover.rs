//! Several destinations.

use super::super::probe::Pace;
use super::super::udp::PROBES;
use super::super::unreachable::UnreachableReports;
use super::super::{Collector, CollectorOptions};
use super::{
    ClosedPort, accept, all, assert_silent, destination, eventually, listener, next_datagram, numbered, options,
    outgoing, packets, payload_of, read_payloads, read_to_end, tcp_uri, udp_receiver,
};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

fn collector(addresses: &[SocketAddr], options: CollectorOptions) -> Collector {
    Collector::new(addresses.iter().map(|address| destination(&tcp_uri(*address))).collect(), options)
}

fn in_use(collector: &Collector) -> String {
    collector.in_use().unwrap().to_string()
}

#[test]
fn the_first_that_works_gets_the_packets() {
    let (listener, address) = listener();
    let away = [ClosedPort::new(), ClosedPort::new()];
    let mut collector = collector(&[away[0].address, address, away[1].address], options());
    let payloads = numbered(3, 300);
    assert_eq!(collector.send(&packets(&payloads)), all(3));
    assert_eq!(read_payloads(&mut accept(&listener), 3), payloads);
    assert_eq!(in_use(&collector), tcp_uri(address));
}

#[test]
fn what_the_first_did_not_get_goes_to_the_second_in_the_same_call() {
    let ((first, first_address), (second, second_address)) = (listener(), listener());
    let payloads = numbered(600, 60_000);
    // Neither reads while the packets are sent: the first takes what its buffers hold, the second less than that.
    let patience = CollectorOptions { io_timeout: Duration::from_millis(400), ..options() };
    let mut collector = collector(&[first_address, second_address], patience);
    let sent = collector.send(&packets(&payloads));
    assert!(sent.away.is_some());
    let (first_heard, _) = read_to_end(&mut accept(&first));
    let (second_heard, _) = read_to_end(&mut accept(&second));
    assert!(!first_heard.is_empty() && !second_heard.is_empty());
    assert!([first_heard, second_heard].concat() == payloads[..sent.sent], "lost, twice, or out of order");
}

#[test]
fn the_first_gets_the_packets_again_when_it_is_well() {
    let (second, second_address) = listener();
    let first = ClosedPort::new();
    let first_address = first.address;
    let mut collector = collector(&[first_address, second_address], options());
    assert_eq!(collector.send(&[outgoing(b"while away")]), all(1));
    let mut second = accept(&second);
    assert_eq!(read_payloads(&mut second, 1), [b"while away"]);

    let first = first.open();
    let mut count = 0;
    eventually(|| {
        assert_eq!(collector.send(&[outgoing(format!("packet {count}").as_bytes())]), all(1));
        count += 1;
        (in_use(&collector) == tcp_uri(first_address)).then_some(())
    });
    drop(collector);
    let (mut heard, _) = read_to_end(&mut second);
    let (first_heard, _) = read_to_end(&mut accept(&first));
    assert_eq!(first_heard.len(), 1, "only the last packet came after the way back");
    heard.extend(first_heard);
    let expected: Vec<_> = (0..count).map(|number| format!("packet {number}").into_bytes()).collect();
    assert_eq!(heard, expected);
}

#[test]
fn the_one_in_use_is_kept_while_the_first_is_away() {
    let (second, second_address) = listener();
    let first = ClosedPort::new();
    let mut collector = collector(&[first.address, second_address], options());
    let payloads = numbered(50, 100);
    for payload in &payloads {
        assert_eq!(collector.send(&[outgoing(payload)]), all(1));
        assert_eq!(in_use(&collector), tcp_uri(second_address));
    }
    assert_eq!(read_payloads(&mut accept(&second), 50), payloads);
}

#[test]
fn when_all_are_away_each_is_told() {
    let [first, second] = [ClosedPort::new(), ClosedPort::new()];
    let addresses = [first.address, second.address];
    let mut collector = collector(&addresses, options());
    let sent = collector.send(&[outgoing(b"hello")]);
    assert_eq!((sent.sent, sent.refused.len()), (0, 0));
    let reason = sent.away.unwrap();
    assert!(addresses.iter().all(|address| reason.contains(&tcp_uri(*address))), "{reason}");

    let listener = second.open();
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    assert_eq!(read_payloads(&mut accept(&listener), 1), [b"hello"]);
}

/// A port for datagrams where nobody listens.
fn closed_port() -> SocketAddr {
    udp_receiver("127.0.0.1:0").local_addr().unwrap()
}

/// Takes the datagrams that say nothing, and answers how many there were.
fn probes(receiver: &UdpSocket) -> usize {
    let mut count = 0;
    loop {
        let mut beginning = [0; 4];
        receiver.peek(&mut beginning).unwrap();
        if beginning != *b"\r\n\r\n" {
            return count;
        }
        next_datagram(receiver);
        count += 1;
    }
}

fn datagram_collector(addresses: &[SocketAddr]) -> Collector {
    Collector::new(addresses.iter().map(|address| destination(&format!("sip:{address}"))).collect(), options())
}

#[test]
fn a_datagram_collector_whose_port_is_closed_is_left_for_the_next() {
    let other = udp_receiver("127.0.0.1:0");
    let addresses = [closed_port(), other.local_addr().unwrap()];
    let mut collector = datagram_collector(&addresses);
    for _ in 0..3 {
        assert_eq!(in_use(&collector), format!("sip:{}", addresses[0]));
        let sent = collector.send(&[outgoing(b"nobody")]);
        assert_eq!((sent.sent, sent.away, sent.port_unreachable), (1, None, 1));
    }
    // At once, though nothing is left to send.
    assert_eq!(in_use(&collector), format!("sip:{}", addresses[1]));
    let payloads = numbered(100, 50);
    for packet in packets(&payloads) {
        assert_eq!(collector.send(&[packet]), all(1));
        assert_eq!(in_use(&collector), format!("sip:{}", addresses[1]));
    }
    for payload in &payloads {
        assert_eq!(&payload_of(&next_datagram(&other)), payload);
    }
    assert_silent(&other);
}

#[test]
fn the_next_gets_what_of_one_call_the_closed_port_did_not() {
    let other = udp_receiver("127.0.0.1:0");
    let mut collector = datagram_collector(&[closed_port(), other.local_addr().unwrap()]);
    let payloads = numbered(200, 50);
    let sent = collector.send(&packets(&payloads));
    assert_eq!((sent.sent, sent.away), (200, None));
    // A group has left before its reports are looked at.
    for payload in &payloads[64..] {
        assert_eq!(&payload_of(&next_datagram(&other)), payload);
    }
    assert_silent(&other);
}

#[test]
fn a_datagram_collector_gets_the_packets_again_when_somebody_listens() {
    let other = udp_receiver("127.0.0.1:0");
    let address = closed_port();
    let mut collector = datagram_collector(&[address, other.local_addr().unwrap()]);
    let payloads = numbered(200, 50);
    collector.send(&packets(&payloads));
    assert_ne!(in_use(&collector), format!("sip:{address}"));
    let first = udp_receiver(&address.to_string());
    let mut count = 0;
    eventually(|| {
        assert_eq!(collector.send(&[outgoing(format!("packet {count}").as_bytes())]), all(1));
        count += 1;
        (in_use(&collector) == format!("sip:{address}")).then_some(())
    });
    assert_eq!(probes(&first), PROBES);
    assert_eq!(payload_of(&next_datagram(&first)), format!("packet {}", count - 1).into_bytes());
    assert_silent(&first);
}

#[test]
fn when_nobody_listens_anywhere_datagram_collectors_are_away_until_somebody_does() {
    let addresses = [closed_port(), closed_port()];
    let mut collector = datagram_collector(&addresses);
    let payloads = numbered(200, 50);
    let sent = collector.send(&packets(&payloads));
    let reason = sent.away.unwrap();
    assert!(addresses.iter().all(|address| reason.contains(&address.to_string())), "{reason}");
    assert_eq!(sent.sent, 128, "a group to each");
    let sent = collector.send(&packets(&payloads));
    assert_eq!((sent.sent, sent.away.is_some()), (0, true), "nothing more is thrown away");

    let receiver = udp_receiver(&addresses[1].to_string());
    let mut calls = 0;
    eventually(|| {
        calls += 1;
        (collector.send(&[outgoing(b"hello")]) == all(1)).then_some(())
    });
    assert!(calls > 2 * PROBES, "no call waits for a probe: {calls}");
    assert_eq!(in_use(&collector), format!("sip:{}", addresses[1]));
    assert_eq!(probes(&receiver), PROBES);
    assert_eq!(payload_of(&next_datagram(&receiver)), b"hello");
    assert_silent(&receiver);
}

#[test]
fn reports_count_until_a_datagram_is_heard() {
    let begun = Instant::now();
    let at = |seconds: u64| begun + Duration::from_secs(seconds);
    // As a host reports that lets one report a second pass.
    let mut busy = UnreachableReports::default();
    let notes = [(0, 0), (1, 1), (0, 1), (0, 2), (1, 2), (0, 3), (1, 3)];
    let are_unreachable = notes.map(|(reports, second)| busy.note(reports, at(second)));
    assert_eq!(are_unreachable, [false, false, false, false, false, false, true]);
    // A report comes with the next datagram only.
    let mut seldom = UnreachableReports::default();
    assert_eq!(
        [0, 60, 120, 180].map(|second| seldom.note(u64::from(second > 0), at(second))),
        [false, false, false, true]
    );
    let mut restarted = UnreachableReports::default();
    assert!(!restarted.note(2, at(0)));
    assert!(!restarted.note(0, at(1)));
    assert!(!restarted.note(0, at(20)));
    assert!(!restarted.note(2, at(21)), "those before do not count any more");
}

#[test]
fn one_that_fails_again_soon_is_looked_at_more_and_more_seldom() {
    let begun = Instant::now();
    let every = Duration::from_secs(10);
    let mut pace = Pace::new(every, begun);
    let mut now = begun;
    // Seconds until it is looked at again after it was taken back and failed `lasted` later.
    let mut fail_after = |lasted: u64| {
        pace.note_taken_back(now);
        now += Duration::from_secs(lasted);
        pace.note_failure(now);
        (0..).find(|second| pace.is_due(now + Duration::from_secs(*second))).unwrap()
    };
    let pauses = [10; 7].map(&mut fail_after);
    assert_eq!(pauses, [20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(fail_after(600), 10, "it was well");
    assert_eq!(fail_after(10), 20);
    // Of those that are in use meanwhile nothing is learned about it.
    pace.note_failure(now);
    assert!(!pace.is_due(now + Duration::from_secs(19)) && pace.is_due(now + Duration::from_secs(20)));
}

#[test]
fn destinations_of_different_transports_stand_in_for_one_another() {
    let receiver = udp_receiver("127.0.0.1:0");
    let away = ClosedPort::new();
    let uris = [tcp_uri(away.address), format!("sip:{}", receiver.local_addr().unwrap())];
    let mut collector = Collector::new(uris.iter().map(|uri| destination(uri)).collect(), options());
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    assert_eq!(payload_of(&next_datagram(&receiver)), b"hello");
}
