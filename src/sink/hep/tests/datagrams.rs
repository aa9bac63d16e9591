//! Collectors over UDP.

use super::super::deadline::Deadline;
use super::super::encoder::Frames;
use super::super::passed::Passed;
use super::super::udp::{Kernel, pass};
use super::super::{Collector, CollectorOptions, Outgoing, socket};
use super::{
    PATIENCE, all, assert_silent, collector, destination, next_datagram, numbered, options, outgoing, packets,
    payload_of, udp_receiver,
};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::time::Duration;

fn uri(receiver: &UdpSocket) -> String {
    format!("sip:{}", receiver.local_addr().unwrap())
}

#[test]
fn more_packets_than_one_call_of_the_kernel_takes_arrive_in_order_and_once() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let receiver = udp_receiver(address);
        let mut collector = collector(&uri(&receiver));
        let payloads = numbered(150, 20);
        assert_eq!(collector.send(&packets(&payloads)), all(150));
        for payload in &payloads {
            assert_eq!(&payload_of(&next_datagram(&receiver)), payload);
        }
        assert_silent(&receiver);
    }
}

#[test]
fn nothing_is_nothing() {
    let mut collector = collector("sip:192.0.2.1");
    assert_eq!(collector.send(&[]), all(0));
}

#[test]
fn a_packet_of_60_kilobytes_arrives() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let receiver = udp_receiver(address);
        let mut collector = collector(&uri(&receiver));
        for payload in numbered(5, 60_000) {
            assert_eq!(collector.send(&[outgoing(&payload)]), all(1));
            assert_eq!(payload_of(&next_datagram(&receiver)), payload);
        }
    }
}

#[test]
fn datagrams_over_the_path_mtu_are_left_to_fragmentation() {
    let ip4 = socket::udp("127.0.0.1:9".parse().unwrap(), None).unwrap();
    assert_eq!(sockopt::ip_mtu_discover(&ip4).unwrap(), Ipv4PathMtuDiscovery::DONT);
    let ip6 = socket::udp("[::1]:9".parse().unwrap(), None).unwrap();
    assert_eq!(sockopt::ipv6_mtu_discover(&ip6).unwrap(), Ipv6PathMtuDiscovery::DONT);
}

#[test]
fn a_packet_too_long_for_a_datagram_is_refused_and_its_neighbours_go_on() {
    let receiver = udp_receiver("127.0.0.1:0");
    let mut collector = collector(&uri(&receiver));
    // Fits HEP's 65535 bytes, but not the 65507 that UDP over IPv4 leaves.
    let too_long = vec![b'x'; 65_420];
    for packets in [
        [outgoing(b"first"), outgoing(&too_long), outgoing(b"second")],
        [outgoing(&too_long), outgoing(b"first"), outgoing(b"second")],
        [outgoing(b"first"), outgoing(b"second"), outgoing(&too_long)],
    ] {
        let sent = collector.send(&packets);
        assert_eq!((sent.sent, sent.away, sent.port_unreachable), (3, None, 0));
        let [(at, reason)] = &sent.refused[..] else { panic!("refused: {:?}", sent.refused) };
        assert!(matches!(packets[*at], Outgoing::Message(message) if message.payload.len() == too_long.len()));
        assert!(reason.contains("too long for a datagram"), "{reason}");
        assert_eq!(payload_of(&next_datagram(&receiver)), b"first");
        assert_eq!(payload_of(&next_datagram(&receiver)), b"second");
    }
    assert_silent(&receiver);
}

#[test]
fn a_closed_port_is_counted_and_is_no_outage() {
    let address = udp_receiver("127.0.0.1:0").local_addr().unwrap();
    let mut collector = collector(&format!("sip:{address}"));
    let payloads = numbered(100, 20);
    let sent = collector.send(&packets(&payloads));
    assert_eq!((sent.sent, sent.away, sent.refused), (100, None, vec![]));
    assert!((2..=100).contains(&sent.port_unreachable), "{} of 100 reached nobody", sent.port_unreachable);

    // Nothing of the reports is left to disturb the packets that are heard.
    let receiver = udp_receiver(&address.to_string());
    assert_eq!(collector.send(&packets(&payloads)), all(100));
    for payload in &payloads {
        assert_eq!(&payload_of(&next_datagram(&receiver)), payload);
    }
    assert_silent(&receiver);
}

#[test]
fn one_packet_to_a_closed_port_is_one_report() {
    let address = udp_receiver("[::1]:0").local_addr().unwrap();
    let mut collector = collector(&format!("sip:{address}"));
    for _ in 0..3 {
        let sent = collector.send(&[outgoing(b"hello")]);
        assert_eq!((sent.sent, sent.away, sent.port_unreachable), (1, None, 1));
    }
}

#[test]
fn the_source_address_is_the_one_that_is_asked_for() {
    let receiver = udp_receiver("127.0.0.1:0");
    let bound = CollectorOptions { bind: Some("127.0.0.2".parse().unwrap()), ..options() };
    let mut collector = Collector::new(vec![destination(&uri(&receiver))], bound);
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    let (_, from) = receiver.recv_from(&mut [0; 2000]).unwrap();
    assert_eq!(from.ip().to_string(), "127.0.0.2");
}

#[test]
fn an_address_that_cannot_be_reached_is_away() {
    // The kernel lets nobody send to everybody without asking first.
    let mut to_everybody = collector("sip:255.255.255.255:9060");
    let bound = CollectorOptions { bind: Some("127.0.0.2".parse().unwrap()), ..options() };
    let mut other_family = Collector::new(vec![destination("sip:[::1]:9060")], bound);
    for (collector, uri) in [(&mut to_everybody, "sip:255.255.255.255:9060"), (&mut other_family, "sip:[::1]:9060")] {
        let sent = collector.send(&[outgoing(b"hello")]);
        assert_eq!((sent.sent, sent.refused.len(), sent.port_unreachable), (0, 0, 0));
        let reason = sent.away.unwrap();
        assert!(reason.starts_with(uri), "{reason}");
    }
}

#[test]
fn no_destination_is_away() {
    let sent = Collector::new(vec![], options()).send(&[outgoing(b"hello")]);
    assert_eq!(sent.sent, 0);
    assert!(sent.away.unwrap().contains("no collector"));
}

/// A kernel that does as it is told, and then takes everything.
struct Told {
    sends: RefCell<VecDeque<Result<usize, Errno>>>,
    has_room: bool,
    report: Cell<Option<Errno>>,
    /// The first frame of each call.
    asked: RefCell<Vec<usize>>,
}

impl Kernel for Told {
    fn send(&self, frames: &Frames, first: usize) -> Result<usize, Errno> {
        self.asked.borrow_mut().push(first);
        self.sends.borrow_mut().pop_front().unwrap_or(Ok(frames.len() - first))
    }

    fn has_room(&self, _: Deadline) -> io::Result<bool> {
        Ok(self.has_room)
    }

    fn report(&self) -> Option<Errno> {
        self.report.take()
    }
}

/// What becomes of 10 frames, and which was the first of each call.
fn passed(
    sends: &[Result<usize, Errno>],
    has_room: bool,
    report: Option<Errno>,
    limit: Duration,
) -> (Passed, Vec<usize>) {
    let frames = Frames { bytes: vec![0; 10], ends: (1..=10).collect() };
    let sends = RefCell::new(sends.iter().copied().collect());
    let kernel = Told { sends, has_room, report: Cell::new(report), asked: RefCell::default() };
    let passed = pass(&kernel, &frames, Deadline::after(limit));
    (passed, kernel.asked.into_inner())
}

#[test]
fn a_kernel_that_takes_a_part_gets_the_rest_and_nothing_twice() {
    // Without room it stopped for that; otherwise for a report.
    for (has_room, port_unreachable) in [(false, 0), (true, 2)] {
        let (passed, asked) = passed(&[Ok(3), Ok(4)], has_room, None, PATIENCE);
        assert_eq!((passed.whole, passed.failure, passed.port_unreachable), (10, None, port_unreachable));
        assert_eq!(asked, [0, 3, 7]);
    }
}

#[test]
fn a_kernel_without_memory_is_asked_again_until_the_deadline() {
    let lacks = [Err(Errno::NOBUFS), Ok(3), Err(Errno::NOMEM), Err(Errno::NOBUFS)];
    let (passed, asked) = passed(&lacks, true, None, PATIENCE);
    assert_eq!((passed.whole, passed.failure, passed.port_unreachable), (10, None, 0));
    assert_eq!(asked, [0, 0, 3, 3, 3]);
    let (passed, asked) = self::passed(&lacks, true, None, Duration::ZERO);
    assert_eq!((passed.whole, passed.port_unreachable, asked), (0, 0, vec![0]));
    assert!(passed.failure.unwrap().contains("buffer"));
}

#[test]
fn a_full_send_buffer_is_waited_for() {
    let full = [Ok(3), Err(Errno::AGAIN), Err(Errno::INTR)];
    let (passed, asked) = passed(&full, true, None, PATIENCE);
    assert_eq!((passed.whole, passed.failure, passed.port_unreachable), (10, None, 0));
    assert_eq!(asked, [0, 3, 3, 3]);
    let (passed, asked) = self::passed(&full, false, None, PATIENCE);
    assert_eq!((passed.whole, asked), (3, vec![0, 3]));
    assert!(passed.failure.unwrap().contains("no room"));
}

#[test]
fn what_a_host_on_the_way_reports_is_counted_and_what_the_kernel_refuses_is_an_outage() {
    for error in [Errno::HOSTUNREACH, Errno::NETUNREACH, Errno::ACCESS] {
        let (passed, asked) = passed(&[Ok(3), Err(error), Ok(2), Err(error)], false, Some(error), PATIENCE);
        assert_eq!((passed.whole, passed.failure, passed.port_unreachable), (10, None, 3), "{error:?}");
        assert_eq!(asked, [0, 3, 3, 5, 5]);
        let (passed, asked) = self::passed(&[Ok(3), Err(error), Err(error)], false, None, PATIENCE);
        assert_eq!((passed.whole, passed.port_unreachable, asked), (3, 0, vec![0, 3, 3]));
        assert!(passed.failure.is_some());
    }
    let (passed, _) = passed(&[Err(Errno::PERM)], false, None, PATIENCE);
    assert_eq!((passed.whole, passed.port_unreachable), (0, 0));
    assert!(passed.failure.is_some());
}
