//! Names of collectors.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::names::{LookUp, Names};
use super::super::{Collector, CollectorOptions};
use super::{
    ClosedPort, accept, all, destination, eventually, listener, next_datagram, options, outgoing, payload_of,
    read_payloads, udp_receiver,
};

/// A resolver whose answer a test sets.
#[derive(Clone)]
struct Zone {
    answer: Arc<Mutex<Option<Vec<SocketAddr>>>>,
    asked: Arc<AtomicUsize>,
}

impl Zone {
    fn new(answer: Option<Vec<SocketAddr>>) -> Zone {
        Zone { answer: Arc::new(Mutex::new(answer)), asked: Arc::default() }
    }

    fn set(&self, answer: Option<Vec<SocketAddr>>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn look_up(&self) -> LookUp {
        let zone = self.clone();
        Arc::new(move |host, _| {
            assert_eq!(host, "collector.test");
            zone.asked.fetch_add(1, Ordering::SeqCst);
            zone.answer.lock().unwrap().clone().ok_or_else(|| io::Error::other("no such name"))
        })
    }

    fn collector(&self, uri: &str) -> Collector {
        Collector::with_resolver(vec![destination(uri)], options(), self.look_up())
    }
}

const TCP: &str = "sip:collector.test;transport=tcp";

#[test]
fn a_name_that_does_not_resolve_is_away_until_it_does() {
    let zone = Zone::new(None);
    let mut collector = zone.collector("sip:collector.test");
    for answer in [None, Some(vec![])] {
        zone.set(answer);
        let sent = collector.send(&[outgoing(b"hello")]);
        assert_eq!((sent.sent, sent.refused.len()), (0, 0));
        assert!(sent.away.unwrap().contains("cannot resolve `collector.test`"));
    }
    let receiver = udp_receiver("127.0.0.1:0");
    zone.set(Some(vec![receiver.local_addr().unwrap()]));
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    assert_eq!(payload_of(&next_datagram(&receiver)), b"hello");
}

#[test]
fn a_name_is_not_asked_for_again_while_its_addresses_work() {
    let receiver = udp_receiver("127.0.0.1:0");
    let zone = Zone::new(Some(vec![receiver.local_addr().unwrap()]));
    let mut collector = zone.collector("sip:collector.test");
    for _ in 0..10 {
        assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    }
    assert_eq!(zone.asked(), 1);
}

#[test]
fn all_addresses_are_tried() {
    let (listener, address) = listener();
    let away = [ClosedPort::new(), ClosedPort::new()];
    let addresses = vec![away[0].address, "[::1]:1".parse().unwrap(), address];
    let mut collector = Zone::new(Some(addresses)).collector(TCP);
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    assert_eq!(read_payloads(&mut accept(&listener), 1), [b"hello"]);

    let addresses = [away[0].address, away[1].address];
    let sent = Zone::new(Some(addresses.to_vec())).collector(TCP).send(&[outgoing(b"hello")]);
    let reason = sent.away.unwrap();
    assert!(addresses.iter().all(|address| reason.contains(&address.to_string())), "{reason}");
}

#[test]
fn a_failure_is_a_reason_to_ask_again() {
    let away = ClosedPort::new();
    let zone = Zone::new(Some(vec![away.address]));
    let mut collector = zone.collector(TCP);
    assert!(collector.send(&[outgoing(b"hello")]).away.is_some());
    let (listener, address) = listener();
    zone.set(Some(vec![address]));
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    assert_eq!(read_payloads(&mut accept(&listener), 1), [b"hello"]);
    assert_eq!(zone.asked(), 2);
}

#[test]
fn an_old_address_is_used_further_when_the_resolver_fails() {
    let (first, address) = listener();
    let zone = Zone::new(Some(vec![address]));
    let mut collector = zone.collector(TCP);
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    drop((accept(&first), first));
    zone.set(None);
    let sent = collector.send(&[outgoing(b"hello")]);
    assert!(sent.away.unwrap().contains(&address.to_string()));

    let second = TcpListener::bind(address).unwrap();
    assert_eq!(collector.send(&[outgoing(b"again")]), all(1));
    assert_eq!(read_payloads(&mut accept(&second), 1), [b"again"]);
    assert_eq!(zone.asked(), 2);
}

/// A resolver that answers when it is told what.
fn hanging() -> (LookUp, Sender<Vec<SocketAddr>>, Arc<AtomicUsize>) {
    let (tell, told) = channel();
    let (told, asked) = (Mutex::new(told), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    let look_up: LookUp = Arc::new(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        told.lock().unwrap().recv().map_err(io::Error::other)
    });
    (look_up, tell, asked)
}

#[test]
fn a_resolver_that_hangs_is_waited_for_no_longer_than_a_connection() {
    let (look_up, tell, asked) = hanging();
    let impatient = CollectorOptions { connect_timeout: Duration::from_millis(50), ..options() };
    let mut collector = Collector::with_resolver(vec![destination("sip:collector.test")], impatient, look_up);
    for _ in 0..3 {
        let sent = collector.send(&[outgoing(b"hello")]);
        assert_eq!(sent.sent, 0);
        assert!(sent.away.unwrap().contains("no answer"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "one question at a time");
    let receiver = udp_receiver("127.0.0.1:0");
    tell.send(vec![receiver.local_addr().unwrap()]).unwrap();
    eventually(|| (collector.send(&[outgoing(b"hello")]) == all(1)).then_some(()));
    assert_eq!(payload_of(&next_datagram(&receiver)), b"hello");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_resolver_that_hangs_leaves_the_old_addresses_in_use() {
    let (look_up, tell, _) = hanging();
    let address: SocketAddr = "192.0.2.1:5060".parse().unwrap();
    let mut names = Names::new(&destination("sip:collector.test"), look_up);
    tell.send(vec![address]).unwrap();
    assert_eq!(names.addresses(super::PATIENCE).unwrap(), [address]);
    names.suspect();
    assert_eq!(names.addresses(Duration::from_millis(10)).unwrap(), [address]);
    assert!(names.still_has(address));

    let new_address: SocketAddr = "192.0.2.2:5060".parse().unwrap();
    tell.send(vec![new_address]).unwrap();
    eventually(|| (!names.still_has(address)).then_some(()));
    assert!(names.still_has(new_address));
}

#[test]
fn a_datagram_collector_that_has_moved_is_followed() {
    let (old, new) = (udp_receiver("127.0.0.1:0"), udp_receiver("127.0.0.1:0"));
    let (look_up, tell, _) = hanging();
    let mut names = Names::new(&destination("sip:collector.test"), look_up);
    tell.send(vec![old.local_addr().unwrap()]).unwrap();
    let setup = Arc::new(super::super::setup::Setup::new(options(), Arc::new(|_, _| Ok(vec![]))));
    let uri = destination("sip:collector.test");
    let mut link = super::super::link::Link::open(&uri, &mut names, &setup).unwrap();
    assert!(link.is_current(&mut names));
    names.suspect();
    tell.send(vec![new.local_addr().unwrap()]).unwrap();
    eventually(|| (!link.is_current(&mut names)).then_some(()));
    let link = super::super::link::Link::open(&uri, &mut names, &setup).unwrap();
    assert_eq!(link.ends().peer, new.local_addr().unwrap());
}

#[test]
fn the_resolver_of_the_system_is_asked() {
    let receiver = udp_receiver("127.0.0.1:0");
    let port = receiver.local_addr().unwrap().port();
    let by_name = CollectorOptions { bind: Some("127.0.0.1".parse().unwrap()), ..options() };
    let mut collector = Collector::new(vec![destination(&format!("sip:localhost:{port}"))], by_name);
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    assert_eq!(payload_of(&next_datagram(&receiver)), b"hello");

    let sent = Collector::new(vec![destination("sip:no-such-host.invalid")], options()).send(&[outgoing(b"hello")]);
    assert!(sent.away.unwrap().contains("`no-such-host.invalid`"));
}
