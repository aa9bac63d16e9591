//! Names of collectors.

use super::super::link::{Link, LinkProbe};
use super::super::names::CollectorNames;
use super::super::probe::{Candidate, Probe};
use super::super::resolver::{Asker, KEPT_PLACES, MOST_QUESTIONS, Resolver};
use super::super::setup::Setup;
use super::super::udp::PROBES;
use super::super::{Collector, CollectorOptions, Destination};
use super::{
    ClosedPort, accept, all, destination, eventually, listener, next_datagram, options, outgoing, payload_of,
    read_payloads, udp_receiver,
};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

    fn resolver(&self) -> Arc<Resolver> {
        let zone = self.clone();
        Resolver::new(move |host, _| {
            assert_eq!(host, "collector.test");
            zone.asked.fetch_add(1, Ordering::SeqCst);
            zone.answer.lock().unwrap().clone().ok_or_else(|| io::Error::other("no such name"))
        })
    }

    fn collector(&self, uri: &str) -> Collector {
        Collector::with_resolver(vec![destination(uri)], options(), self.resolver(), Asker::Parameter)
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
fn hanging() -> (Arc<Resolver>, Sender<Vec<SocketAddr>>, Arc<AtomicUsize>) {
    let (tell, told) = channel();
    let (told, asked) = (Mutex::new(told), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    let resolver = Resolver::new(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        told.lock().unwrap().recv().map_err(io::Error::other)
    });
    (resolver, tell, asked)
}

#[test]
fn a_resolver_that_hangs_is_waited_for_no_longer_than_a_connection() {
    let (resolver, tell, asked) = hanging();
    let impatient = CollectorOptions { connect_timeout: Duration::from_millis(50), ..options() };
    let mut collector =
        Collector::with_resolver(vec![destination("sip:collector.test")], impatient, resolver, Asker::Script);
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
    let (resolver, tell, _) = hanging();
    let address: SocketAddr = "192.0.2.1:5060".parse().unwrap();
    let mut names = CollectorNames::new(&destination("sip:collector.test"), resolver, Asker::Parameter);
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
fn a_collector_that_has_moved_is_followed() {
    let (old, new) = (udp_receiver("127.0.0.1:0"), udp_receiver("127.0.0.1:0"));
    let ((_old, old_address), (_new, new_address)) = (listener(), listener());
    for (uri, old, new) in
        [("sip:collector.test", old.local_addr().unwrap(), new.local_addr().unwrap()), (TCP, old_address, new_address)]
    {
        let (resolver, tell, _) = hanging();
        let uri = destination(uri);
        let mut names = CollectorNames::new(&uri, resolver, Asker::Parameter);
        let setup = Arc::new(Setup::new(options(), false));
        tell.send(vec![old]).unwrap();
        let mut link = Link::open(&uri, &mut names, &setup, LinkProbe::Unprobed).unwrap();
        assert!(link.is_current(&mut names));
        names.suspect();
        tell.send(vec![new]).unwrap();
        eventually(|| (!link.is_current(&mut names)).then_some(()));
        let link = Link::open(&uri, &mut names, &setup, LinkProbe::Unprobed).unwrap();
        assert_eq!(link.ends().peer, new);
    }
}

/// One destination that was never used.
fn candidates(destination: &Destination, names: &CollectorNames) -> Vec<Candidate> {
    vec![Candidate { at: 0, destination: destination.clone(), names: names.clone(), sent_at: None }]
}

#[test]
fn looks_at_a_collector_whose_resolver_hangs_ask_it_once() {
    let (resolver, _tell, asked) = hanging();
    let uri = destination(TCP);
    let mut names = CollectorNames::new(&uri, resolver, Asker::Parameter);
    let impatient = CollectorOptions { connect_timeout: Duration::from_millis(10), ..options() };
    let setup = Arc::new(Setup::new(impatient, true));
    let mut probe = Probe::new(Duration::ZERO);
    for _ in 0..5 {
        let look = eventually(|| probe.look(|| candidates(&uri, &names), false, &setup));
        assert!(look.found.is_none());
        names = look.names.into_iter().next().unwrap().1;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_look_leaves_what_it_has_learned_of_addresses() {
    let (_listener, address) = listener();
    let zone = Zone::new(Some(vec![address]));
    let uri = destination(TCP);
    let names = CollectorNames::new(&uri, zone.resolver(), Asker::Parameter);
    let setup = Arc::new(Setup::new(options(), true));
    let mut probe = Probe::new(Duration::ZERO);
    let look = eventually(|| probe.look(|| candidates(&uri, &names), false, &setup));
    assert_eq!(look.found.map(|(at, link)| (at, link.ends().peer)), Some((0, address)));
    let mut names = look.names.into_iter().next().unwrap().1;
    assert_eq!(names.addresses(Duration::ZERO).unwrap(), [address]);
    assert_eq!(zone.asked(), 1);
}

#[test]
fn collectors_of_one_name_share_a_question_also_one_after_the_other() {
    let (resolver, tell, asked) = hanging();
    let impatient = CollectorOptions { connect_timeout: Duration::from_millis(10), ..options() };
    let make =
        || Collector::with_resolver(vec![destination(TCP)], impatient.clone(), Arc::clone(&resolver), Asker::Script);
    for _ in 0..5 {
        assert!(make().send(&[outgoing(b"hello")]).away.unwrap().contains("no answer"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let (listener, address) = listener();
    let mut collectors = [make(), make()];
    tell.send(vec![address]).unwrap();
    for collector in &mut collectors {
        // The first of them may have been in time for the old question.
        let _ = tell.send(vec![address]);
        eventually(|| (collector.send(&[outgoing(b"hello")]) == all(1)).then_some(()));
        assert_eq!(read_payloads(&mut accept(&listener), 1), [b"hello"]);
    }
}

#[test]
fn a_resolver_that_owes_many_answers_is_asked_nothing_more_until_it_gives_one() {
    let (resolver, tell, asked) = hanging();
    let questions: Vec<_> = (0..MOST_QUESTIONS)
        .map(|name| resolver.ask(&format!("{name}.test"), 5060, Asker::Parameter).unwrap())
        .collect();
    let reason = resolver.ask("another.test", 5060, Asker::Parameter).err().unwrap();
    assert!(reason.contains(&MOST_QUESTIONS.to_string()), "{reason}");
    eventually(|| (asked.load(Ordering::SeqCst) == MOST_QUESTIONS).then_some(()));
    assert!(resolver.ask("0.test", 5060, Asker::Script).is_ok(), "it is being asked");
    let address: SocketAddr = "192.0.2.1:5060".parse().unwrap();
    tell.send(vec![address]).unwrap();
    let answer = eventually(|| questions.iter().find_map(|question| question.answer()));
    assert_eq!(answer, Ok(vec![address]));
    assert!(resolver.ask("another.test", 5060, Asker::Parameter).is_ok());
}

#[test]
fn names_that_scripts_make_up_leave_places_to_those_of_parameters() {
    let (resolver, tell, _) = hanging();
    let refused = (0..).find_map(|name| resolver.ask(&format!("{name}.test"), 5060, Asker::Script).err());
    assert!(refused.unwrap().contains(&(MOST_QUESTIONS - KEPT_PLACES).to_string()));
    let receiver = udp_receiver("127.0.0.1:0");
    let uris = vec![destination("sip:collector.test")];
    let mut collector = Collector::with_resolver(uris, options(), resolver, Asker::Parameter);
    for _ in 0..=MOST_QUESTIONS - KEPT_PLACES {
        tell.send(vec![receiver.local_addr().unwrap()]).unwrap();
    }
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    assert_eq!(payload_of(&next_datagram(&receiver)), b"hello");
}

#[test]
fn a_look_up_that_breaks_off_is_an_answer() {
    let resolver = Resolver::new(|_, _| panic!("a resolver with a fault"));
    let mut names = CollectorNames::new(&destination(TCP), resolver, Asker::Parameter);
    let reason = names.addresses(super::PATIENCE).unwrap_err();
    assert!(reason.contains("broke off"), "{reason}");
}

#[test]
fn a_datagram_collector_whose_name_does_not_resolve_is_left_until_it_does() {
    let (first, second) = (udp_receiver("127.0.0.1:0"), udp_receiver("127.0.0.1:0"));
    let zone = Zone::new(None);
    let uris = ["sip:collector.test", &format!("sip:{}", second.local_addr().unwrap())].map(destination);
    let mut collector = Collector::with_resolver(uris.to_vec(), options(), zone.resolver(), Asker::Parameter);
    assert_eq!(collector.send(&[outgoing(b"to the second")]), all(1));
    assert_eq!(payload_of(&next_datagram(&second)), b"to the second");
    zone.set(Some(vec![first.local_addr().unwrap()]));
    eventually(|| {
        assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
        (collector.in_use() == Some(&uris[0])).then_some(())
    });
    for _ in 0..PROBES {
        assert_eq!(next_datagram(&first), b"\r\n\r\n", "what asks whether anybody listens");
    }
    assert_eq!(payload_of(&next_datagram(&first)), b"hello");
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
