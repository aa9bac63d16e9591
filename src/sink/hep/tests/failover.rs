//! Several destinations.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::{Collector, CollectorOptions};
use super::{
    ClosedPort, accept, all, destination, eventually, listener, next_datagram, numbered, options, outgoing, packets,
    payload_of, read_payloads, read_to_end, tcp_uri, udp_receiver,
};

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

#[test]
fn a_datagram_collector_whose_port_is_closed_stays_the_first() {
    let address = udp_receiver("127.0.0.1:0").local_addr().unwrap();
    let other = udp_receiver("127.0.0.1:0");
    let uris = [format!("sip:{address}"), format!("sip:{}", other.local_addr().unwrap())];
    let mut collector = Collector::new(uris.iter().map(|uri| destination(uri)).collect(), options());
    for _ in 0..3 {
        let sent = collector.send(&[outgoing(b"hello")]);
        assert_eq!((sent.sent, sent.away, sent.unheard), (1, None, 1));
        assert_eq!(in_use(&collector), uris[0]);
    }
    super::assert_silent(&other);
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
