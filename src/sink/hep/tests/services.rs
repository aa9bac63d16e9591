//! SRV records of collectors, told by a name server of the test's own.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::Srv;
use domain::resolv::stub::conf::{ResolvConf, ServerConf, Transport};

use super::super::Collector;
use super::super::names::Names;
use super::super::resolver::{self, Found, LookUp, Question};
use super::{ClosedPort, PATIENCE, accept, all, destination, eventually, listener, options, outgoing, read_payloads};

/// Priority, weight, port and target.
type Record = (u16, u16, u16, &'static str);

/// What the server says of a name.
#[derive(Clone, Debug)]
enum Told {
    Records(Vec<Record>),
    Code(Rcode),
    Nothing,
}

/// A name server on a port of its own, and a file of hosts beside it.
struct Zone {
    address: SocketAddr,
    told: Arc<Mutex<HashMap<String, Told>>>,
    asked: Arc<Mutex<Vec<String>>>,
    hosts: Arc<Mutex<HashMap<String, IpAddr>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Zone {
    /// Knows no name.
    fn new() -> Zone {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut zone = Zone {
            address: socket.local_addr().unwrap(),
            told: Arc::default(),
            asked: Arc::default(),
            hosts: Arc::default(),
            is_over: Arc::default(),
            thread: None,
        };
        let (told, asked, is_over) = (Arc::clone(&zone.told), Arc::clone(&zone.asked), Arc::clone(&zone.is_over));
        zone.thread = Some(thread::spawn(move || {
            let mut question = [0; 4096];
            while !is_over.load(Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut question) else { continue };
                let question = Message::from_octets(&question[..length]).unwrap();
                let name = question.sole_question().unwrap();
                assert_eq!(name.qtype(), Rtype::SRV);
                let name = name.qname().to_string();
                asked.lock().unwrap().push(name.clone());
                let told = told.lock().unwrap().get(&name).cloned().unwrap_or(Told::Code(Rcode::NXDOMAIN));
                if let Some(answer) = answer(question, &told) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        }));
        zone
    }

    fn with(self, name: &str, told: Told) -> Zone {
        self.set(name, told);
        self
    }

    fn set(&self, name: &str, told: Told) {
        self.told.lock().unwrap().insert(name.to_owned(), told);
    }

    fn host(self, name: &str, address: &str) -> Zone {
        self.hosts.lock().unwrap().insert(name.to_owned(), address.parse().unwrap());
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn conf(&self) -> ResolvConf {
        let mut conf = ResolvConf::new();
        conf.servers.push(ServerConf::new(self.address, Transport::UdpTcp));
        conf.finalize();
        conf
    }

    /// A resolver that asks this server, each try as long as `patience`.
    fn resolver(&self, conf: ResolvConf, patience: Duration) -> LookUp {
        let hosts = Arc::clone(&self.hosts);
        let addresses = move |host: &str, port| match hosts.lock().unwrap().get(host) {
            Some(address) => Ok(vec![SocketAddr::new(*address, port)]),
            None => Err(io::Error::other("no such host")),
        };
        resolver::look_up_with(move || conf.clone(), addresses, patience)
    }

    fn look_up(&self) -> LookUp {
        self.resolver(self.conf(), PATIENCE)
    }

    fn find(&self, uri: &str) -> Result<Found, String> {
        self.look_up()(&question(uri)).map_err(|error| error.to_string())
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let served = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(served, Some(Ok(()))), "the name server has failed");
    }
}

fn answer(question: Message<&[u8]>, told: &Told) -> Option<Vec<u8>> {
    let builder = MessageBuilder::new_vec();
    match told {
        Told::Nothing => None,
        Told::Code(code) => Some(builder.start_answer(&question, *code).unwrap().finish()),
        Told::Records(records) => {
            let mut answer = builder.start_answer(&question, Rcode::NOERROR).unwrap();
            let name = question.sole_question().unwrap().into_qname();
            for (priority, weight, port, target) in records {
                let target: Name<Vec<u8>> = target.parse().unwrap();
                answer.push((&name, 60, Srv::new(*priority, *weight, *port, target))).unwrap();
            }
            Some(answer.finish())
        }
    }
}

/// What is asked for the URI of a collector.
fn question(uri: &str) -> Question {
    let uri = destination(uri);
    Question { host: uri.host().to_string(), port: uri.port(), service: uri.service() }
}

fn sure(addresses: &[&str]) -> Result<Found, String> {
    Ok(Found { addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(), is_sure: true })
}

const TCP: &str = "sip:example.test;transport=tcp";

#[test]
fn targets_come_in_the_order_of_their_priorities_with_their_ports() {
    let records = vec![(20, 0, 9062, "b.test"), (10, 0, 9061, "a.test"), (30, 5, 9063, "c.test")];
    let zone = Zone::new().host("a.test", "192.0.2.1").host("b.test", "192.0.2.2").host("c.test", "2001:db8::3");
    let zone = zone.host("example.test", "192.0.2.9").with("_sip._udp.example.test", Told::Records(records));
    let wanted = sure(&["192.0.2.1:9061", "192.0.2.2:9062", "[2001:db8::3]:9063"]);
    assert_eq!(zone.find("sip:example.test"), wanted);
    assert_eq!(zone.asked(), ["_sip._udp.example.test"]);
}

#[test]
fn each_transport_has_a_service_and_a_port_of_its_own() {
    let zone = Zone::new().host("example.test", "192.0.2.9");
    for (uri, service, port) in [
        ("sip:example.test", "_sip._udp", 5060),
        (TCP, "_sip._tcp", 5060),
        ("sip:example.test;transport=tls", "_sips._tcp", 5061),
        ("sips:example.test", "_sips._tcp", 5061),
    ] {
        let name = format!("{service}.example.test");
        // No such name, and a name without such records.
        for told in [Told::Code(Rcode::NXDOMAIN), Told::Records(vec![])] {
            zone.set(&name, told);
            assert_eq!(zone.find(uri), sure(&[&format!("192.0.2.9:{port}")]), "{uri}");
            assert_eq!(zone.asked().last(), Some(&name));
        }
        zone.set(&name, Told::Records(vec![(0, 0, 9060, "example.test")]));
        assert_eq!(zone.find(uri), sure(&["192.0.2.9:9060"]), "{uri}");
    }
}

#[test]
fn a_port_or_an_address_in_the_uri_asks_for_no_records() {
    let zone = Zone::new().host("example.test", "192.0.2.9");
    assert_eq!(zone.find("sip:example.test:9060"), sure(&["192.0.2.9:9060"]));
    let mut names = Names::new(&destination("sip:192.0.2.9"), zone.look_up());
    assert_eq!(names.addresses(PATIENCE).unwrap(), ["192.0.2.9:5060".parse().unwrap()]);
    assert_eq!(zone.asked(), <[String; 0]>::default());
}

#[test]
fn targets_of_one_priority_take_turns_by_their_weights() {
    let records = vec![(10, 10, 1, "light.test"), (10, 30, 1, "heavy.test"), (20, 0, 1, "last.test")];
    let zone = Zone::new().host("light.test", "192.0.2.1").host("heavy.test", "192.0.2.2");
    let zone = zone.host("last.test", "192.0.2.3").with("_sip._tcp.example.test", Told::Records(records));
    let [light, heavy] = [["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"], ["192.0.2.2:1", "192.0.2.1:1", "192.0.2.3:1"]];
    let mut heavy_came_first = 0;
    for _ in 0..200 {
        let found = zone.find(TCP);
        assert!(found == sure(&light) || found == sure(&heavy), "{found:?}");
        heavy_came_first += usize::from(found == sure(&heavy));
    }
    // 150 of 200 are to be expected; that chance alone leads to 100 is less likely than one in 10^13.
    assert!((100..200).contains(&heavy_came_first), "{heavy_came_first}");
}

#[test]
fn a_service_that_is_decidedly_not_there_is_not_looked_for_elsewhere() {
    let zone = Zone::new().host("example.test", "192.0.2.9");
    let zone = zone.with("_sip._tcp.example.test", Told::Records(vec![(0, 0, 0, ".")]));
    let mut collector = Collector::with_resolver(vec![destination(TCP)], options(), zone.look_up());
    let reason = collector.send(&[outgoing(b"hello")]).away.unwrap();
    assert!(reason.contains("cannot resolve `example.test`: its zone says that it has no _sip._tcp"), "{reason}");
}

#[test]
fn a_name_that_nobody_knows_is_away_with_the_reason() {
    let zone = Zone::new();
    let mut collector = Collector::with_resolver(vec![destination(TCP)], options(), zone.look_up());
    let reason = collector.send(&[outgoing(b"hello")]).away.unwrap();
    assert!(reason.contains("cannot resolve `example.test`: no such host"), "{reason}");
}

#[test]
fn targets_that_have_no_address_are_passed_over() {
    let records = vec![(10, 0, 9061, "unknown.test"), (20, 0, 9062, "b.test")];
    let zone = Zone::new().host("b.test", "192.0.2.2").host("example.test", "192.0.2.9");
    let zone = zone.with("_sip._tcp.example.test", Told::Records(records));
    assert_eq!(zone.find(TCP), sure(&["192.0.2.2:9062"]));
    zone.set("_sip._tcp.example.test", Told::Records(vec![(10, 0, 9061, "unknown.test")]));
    assert_eq!(zone.find(TCP), Err("its target unknown.test: no such host".to_owned()));
}

#[test]
fn packets_go_to_the_next_target_while_the_first_is_away_and_after_it_has_gone() {
    let (away, (second, second_address)) = (ClosedPort::new(), listener());
    let records = |first: u16| Told::Records(vec![(1, 0, first, "a.test"), (2, 0, second_address.port(), "b.test")]);
    let zone = Zone::new().host("a.test", "127.0.0.1").host("b.test", "127.0.0.1");
    zone.set("_sip._tcp.example.test", records(away.address.port()));
    let mut collector = Collector::with_resolver(vec![destination(TCP)], options(), zone.look_up());
    assert_eq!(collector.send(&[outgoing(b"to the second")]), all(1));
    let mut stream = accept(&second);
    assert_eq!(read_payloads(&mut stream, 1), [b"to the second"]);
    let first = away.open();
    drop((stream, second));
    eventually(|| {
        let sent = collector.send(&[outgoing(b"to the first")]);
        super::accept_now(&first).filter(|_| sent == all(1))
    });
}

#[test]
fn the_next_collector_stands_in_for_one_whose_targets_are_all_away() {
    let (away, (other, other_address)) = (ClosedPort::new(), listener());
    let zone = Zone::new().host("a.test", "127.0.0.1").host("other.test", "127.0.0.1");
    zone.set("_sip._tcp.example.test", Told::Records(vec![(1, 0, away.address.port(), "a.test")]));
    zone.set("_sip._tcp.other.test", Told::Records(vec![(1, 0, other_address.port(), "other.test")]));
    let uris = [TCP, "sip:other.test;transport=tcp"].map(destination).to_vec();
    let mut collector = Collector::with_resolver(uris, options(), zone.look_up());
    assert_eq!(collector.send(&[outgoing(b"hello")]), all(1));
    assert_eq!(read_payloads(&mut accept(&other), 1), [b"hello"]);
}

#[test]
fn a_name_server_that_fails_or_hangs_leaves_the_name_its_own_addresses() {
    let zone = Zone::new().host("example.test", "192.0.2.9");
    let own = Found { addresses: vec!["192.0.2.9:5060".parse().unwrap()], is_sure: false };
    for told in [Told::Code(Rcode::SERVFAIL), Told::Code(Rcode::REFUSED), Told::Nothing] {
        zone.set("_sip._tcp.example.test", told);
        let found = zone.resolver(zone.conf(), Duration::from_millis(30))(&question(TCP)).unwrap();
        assert_eq!(found, own);
    }
    let mut nobody = zone.conf();
    nobody.servers = vec![ServerConf::new(ClosedPort::new().address, Transport::UdpTcp)];
    assert_eq!(zone.resolver(nobody, PATIENCE)(&question(TCP)).unwrap(), own);
}

#[test]
fn targets_are_used_further_while_the_name_server_fails() {
    let zone = Zone::new().host("example.test", "192.0.2.9").host("a.test", "192.0.2.1");
    let zone = zone.host("b.test", "192.0.2.2").with("_sip._tcp.example.test", Told::Code(Rcode::SERVFAIL));
    let mut names = Names::new(&destination(TCP), zone.look_up());
    let mut addresses = || {
        let found = names.addresses(PATIENCE).unwrap().to_vec();
        names.suspect();
        found
    };
    let [own, first, second] = ["192.0.2.9:5060", "192.0.2.1:9061", "192.0.2.2:9062"].map(|it| [it.parse().unwrap()]);
    assert_eq!(addresses(), own);
    zone.set("_sip._tcp.example.test", Told::Records(vec![(1, 0, 9061, "a.test")]));
    assert_eq!(addresses(), first);
    zone.set("_sip._tcp.example.test", Told::Code(Rcode::SERVFAIL));
    assert_eq!(addresses(), first);
    zone.set("_sip._tcp.example.test", Told::Records(vec![(1, 0, 9062, "b.test")]));
    assert_eq!(addresses(), second);
}

#[test]
fn a_question_that_is_lost_is_asked_again() {
    let zone = Zone::new().host("a.test", "192.0.2.1").with("_sip._tcp.example.test", Told::Nothing);
    let look_up = zone.resolver(zone.conf(), Duration::from_secs(2));
    let found = thread::scope(|scope| {
        let asking = scope.spawn(|| look_up(&question(TCP)).unwrap());
        eventually(|| (!zone.asked().is_empty()).then_some(()));
        zone.set("_sip._tcp.example.test", Told::Records(vec![(1, 0, 9061, "a.test")]));
        asking.join().unwrap()
    });
    assert_eq!(Ok(found), sure(&["192.0.2.1:9061"]));
}

#[test]
fn a_name_without_dots_is_completed_as_resolv_conf_has_it() {
    let zone = Zone::new().host("a.test", "192.0.2.1");
    let zone = zone.with("_sip._tcp.collector.second.test", Told::Records(vec![(1, 0, 9061, "a.test")]));
    let mut conf = zone.conf();
    conf.parse(&mut &b"search first.test second.test third.test\n"[..]).unwrap();
    let look_up = zone.resolver(conf, PATIENCE);
    let found = look_up(&question("sip:collector;transport=tcp")).unwrap();
    assert_eq!(Ok(found), sure(&["192.0.2.1:9061"]));
    assert_eq!(zone.asked(), ["_sip._tcp.collector.first.test", "_sip._tcp.collector.second.test"]);
    let _ = look_up(&question(TCP));
    assert_eq!(zone.asked()[2..], ["_sip._tcp.example.test"]);
}
