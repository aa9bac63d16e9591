//! Collectors that SRV records name, asked for at port 53 of a network of the test's own.

use super::{MESSAGES, Proxy, Told, patient};
use crate::common::hep_collector::{Authority, Collector};
use crate::common::hosts::Hosts;
use crate::common::network::in_network;
use crate::common::ports::free_address;
use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Rtype};
use domain::rdata::Srv;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::thread::spawn;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Answers that the one service there is has these ports and targets, the first before the next; it ends with the test's process.
fn serve(service: &'static str, targets: [(u16, &'static str); 2]) {
    let socket = UdpSocket::bind((LOOPBACK, 53)).expect("the port is free in a new network");
    spawn(move || {
        let mut question = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            let message = Message::from_octets(&question[..length]).expect("a message");
            let asked = message.sole_question().expect("one question");
            let is_known = asked.qtype() == Rtype::SRV && asked.qname().to_string() == service;
            let code = if is_known { Rcode::NOERROR } else { Rcode::NXDOMAIN };
            let mut answer = MessageBuilder::new_vec().start_answer(&message, code).expect("an answer begins");
            for (priority, (port, target)) in (1..).zip(targets).take(if is_known { 2 } else { 0 }) {
                let target: Name<Vec<u8>> = target.parse().expect("a name");
                answer.push((asked.qname(), 60, Srv::new(priority, 0, port, target))).expect("a record has room");
            }
            socket.send_to(&answer.finish(), from).expect("an answer leaves");
        }
    });
}

#[test]
fn the_targets_of_a_service_are_tried_in_turn() {
    in_network(|_| {
        let [mut first, second]: [Collector<Told>; 2] = [(); 2].map(|()| Collector::tcp(free_address()));
        let ports = [&first, &second].map(|collector| collector.address().port());
        serve("_sip._tcp.collector.test", [(ports[0], "one.test"), (ports[1], "two.test")]);
        let hosts = Hosts::with_name_server(&[("one.test", "127.0.0.1"), ("two.test", "127.0.0.1")], LOOPBACK);
        let proxy = Proxy::start(patient("sip:collector.test;transport=tcp").through(hosts.command()), "");
        proxy.call(0);
        first.await_arrived(MESSAGES as u64);
        first.close();
        proxy.call(1);
        second.await_arrived(MESSAGES as u64);
        let sorted = |collector: &Collector<Told>| {
            let mut arrived = collector.arrived();
            arrived.sort();
            arrived
        };
        assert_eq!([sorted(&first), sorted(&second)], [proxy.told(0..1), proxy.told(1..2)]);
    });
}

#[test]
fn the_target_of_a_secured_service_is_to_prove_the_name_of_the_uri() {
    in_network(|_| {
        let authority = Authority::new();
        let first: Collector<Told> = Collector::tls(free_address(), authority.server_of("one.test"));
        let second: Collector<Told> = Collector::tls(free_address(), authority.server_of("collector.test"));
        let ports = [&first, &second].map(|collector| collector.address().port());
        serve("_sips._tcp.collector.test", [(ports[0], "one.test"), (ports[1], "two.test")]);
        let hosts = Hosts::with_name_server(&[("one.test", "127.0.0.1"), ("two.test", "127.0.0.1")], LOOPBACK);
        let config = patient("sips:collector.test").param("siptrace", "tls_ca", &authority.file());
        let proxy = Proxy::start(config.through(hosts.command()), "");
        proxy.call(0);
        second.await_arrived(MESSAGES as u64);
        let mut arrived = second.arrived();
        arrived.sort();
        assert_eq!(arrived, proxy.told(0..1));
        assert!(first.connections() > 0 && first.arrived().is_empty(), "it was asked first, and not believed");
    });
}
