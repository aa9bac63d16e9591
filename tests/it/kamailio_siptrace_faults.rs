//! Faults of collectors while our `siptrace` traces 2,000 messages a second: no ping that the same worker answers is
//! missing, and a collector over TCP or TLS gets all messages in their order, what it misses when it is well again and
//! what comes then behind it. Each test prints what was sent, arrived, lost and doubled.
//!
//! Faults last a few seconds, or as many as `SIPCAPTURE_FAULT_SECONDS` says.

mod trial;

use crate::common::hep_collector::{Authority, Collector};
use crate::common::hosts::Hosts;
use crate::common::kamailio::{Kamailio, drops_of};
use crate::common::network::in_network;
use crate::common::ports::free_address;
use crate::kamailio_spool::trial::{Stored, assert_all_captured, calm_time, fault_time, report};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::thread::sleep;
use trial::{Trial, agent, agent_of_the_core, await_taken, load};

/// Whatever the collector can be blamed for goes through the spool.
fn is_spooling(server: &Kamailio) -> bool {
    let statistics = server.statistics_of("siptrace");
    statistics["spooled"] > 0 && statistics["queued"] == 0
}

/// Why the collector is away, as `siptrace.stats` tells.
fn told(server: &Kamailio) -> String {
    server.rpc(&["siptrace.stats"]).expect("siptrace.stats is answered")
}

/// The lines of the log that say that the collector is away; one that lasts is told of again each minute.
fn assert_said_once(server: &Kamailio, why: &str) {
    let log = server.log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains("the collector is away, captures go")).collect();
    assert!(said.len() == 1 && said[0].contains(why), "{said:#?}");
}

#[test]
fn what_is_sent_over_udp_while_the_port_is_closed_is_counted_and_nothing_waits_for_it() {
    let mut collector = Collector::udp(free_address());
    let mut server = agent(&collector.uri()).start();
    let traffic = load(server.address());
    sleep(calm_time());
    let begun_at = traffic.hold();
    let before = await_taken(&server, begun_at);
    let dropped = drops_of(collector.address());
    collector.await_arrived(before - dropped);
    let statistics = server.statistics_of("siptrace");
    assert_eq!(statistics["port_unreachable"], 0);
    let batches = statistics["batches"];
    collector.close();
    traffic.note_fault(true);
    traffic.go_on();
    sleep(fault_time());
    let ended_at = traffic.hold();
    let until_end = await_taken(&server, ended_at);
    let statistics = server.statistics_of("siptrace");
    assert_eq!((statistics["spooled"], statistics["queued"], statistics["dropped"]), (0, 0, 0), "{statistics:?}");
    assert_eq!(statistics["stored"], until_end, "{statistics:?}");
    // The kernel tells once of all that reaches nobody between two looks at the socket, and there is one with each
    // batch at least.
    let (told, batches) = (statistics["port_unreachable"], statistics["batches"] - batches);
    assert!(batches > 0 && told >= batches / 2 && told <= until_end - before, "{batches} batches: {statistics:?}");
    println!("port_unreachable: {told} reports of {batches} batches");
    assert_eq!(collector.arrived().len() as u64, before - dropped);
    collector.open();
    traffic.note_fault(false);
    traffic.go_on();
    sleep(calm_time());
    let (sent, pings) = traffic.end();
    let captured = await_taken(&server, sent);
    let dropped = dropped + drops_of(collector.address());
    let in_fault = until_end - before;
    collector.await_arrived(captured - in_fault - dropped);
    let arrived = collector.arrived();
    let statistics = server.statistics_of("siptrace");
    report("collector: UDP port closed", sent, captured, Stored::of(&arrived), statistics["port_unreachable"], &pings);
    assert!(arrived.is_sorted_by(|one, next| one < next), "out of order, or doubled");
    assert!(!arrived.iter().any(|number| (begun_at..ended_at).contains(number)));
    assert_eq!((statistics["stored"], statistics["dropped"]), (captured, 0), "{statistics:?}");
    assert_all_captured(&server, sent, captured, &pings);
    server.assert_serving();
}

#[test]
fn a_tcp_collector_that_refuses_connections_gets_all_of_it_when_it_is_back() {
    let collector = Collector::tcp(free_address());
    let trial = Trial::of("TCP refused", agent(&collector.uri()));
    trial.run(collector, Collector::close, is_spooling, Collector::open);
}

#[test]
fn a_tcp_collector_that_hangs_gets_all_of_it_when_it_reads_again() {
    let collector = Collector::tcp(free_address());
    let trial = Trial::of("TCP black hole", agent(&collector.uri()));
    trial.run(collector, |collector| collector.hang(true), is_spooling, |collector| collector.hang(false));
}

#[test]
fn the_successor_of_a_tcp_collector_that_hangs_gets_all_that_its_connections_had_not_taken() {
    let collector = Collector::tcp(free_address());
    let trial = Trial::of("TCP black hole, then another", agent(&collector.uri())).may_lose_what_was_taken();
    trial.run(collector, |collector| collector.hang(true), is_spooling, Collector::replace);
}

#[test]
fn a_tcp_collector_that_hangs_from_the_start_gets_all_of_it_when_it_reads() {
    let mut collector = Collector::tcp(free_address());
    collector.hang(true);
    let trial = Trial::of("TCP black hole from the start", agent(&collector.uri()));
    trial.away_from_the_start().run(collector, |_| {}, is_spooling, |collector| collector.hang(false));
}

#[test]
fn a_tcp_collector_that_refuses_connections_gets_all_that_the_core_sees_when_it_is_back() {
    let collector = Collector::tcp(free_address());
    let trial = Trial::of("TCP refused, trace_mode", agent_of_the_core(&collector.uri()));
    trial.run(collector, Collector::close, is_spooling, Collector::open);
}

#[test]
fn a_tcp_collector_that_hangs_gets_all_that_the_core_sees_when_it_reads_again() {
    let collector = Collector::tcp(free_address());
    let trial = Trial::of("TCP black hole, trace_mode", agent_of_the_core(&collector.uri()));
    trial.run(collector, |collector| collector.hang(true), is_spooling, |collector| collector.hang(false));
}

#[test]
fn a_tls_collector_with_a_wrong_certificate_gets_all_of_it_with_the_right_one() {
    let [right, wrong] = [Authority::new(), Authority::new()];
    let collector = Collector::tls(free_address(), right.server());
    let config = agent(&collector.uri()).param("siptrace", "tls_ca", &right.file());
    let is_felt = |server: &Kamailio| is_spooling(server) && told(server).contains("invalid peer certificate");
    Trial::of("TLS with a wrong certificate", config).run(
        collector,
        |collector| collector.present(wrong.server()),
        is_felt,
        |collector| collector.present(right.server()),
    );
}

#[test]
fn a_collector_whose_name_does_not_resolve_gets_all_of_it_when_it_does() {
    let hosts = Hosts::with(&[]);
    let collector = Collector::tcp(free_address());
    let uri = format!("sip:late.test:{};transport=tcp", collector.address().port());
    let trial = Trial::of("name that does not resolve", agent(&uri).through(hosts.command()));
    let is_felt = |server: &Kamailio| is_spooling(server) && told(server).contains("cannot resolve");
    let server =
        trial.away_from_the_start().run(collector, |_| {}, is_felt, |_| hosts.set(&[("late.test", "127.0.0.1")]));
    assert_said_once(&server, "cannot resolve `late.test`");
}

#[test]
fn a_collector_whose_resolver_hangs_gets_all_of_it_when_the_name_is_known() {
    in_network(|_| {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        // Port 53 of this network alone: it takes questions, and nobody reads them.
        let _silent = UdpSocket::bind((loopback, 53)).expect("the port is free in a new network");
        let hosts = Hosts::with_name_server(&[], loopback);
        let collector = Collector::tcp(free_address());
        let uri = format!("sip:late.test:{};transport=tcp", collector.address().port());
        let trial = Trial::of("resolver that hangs", agent(&uri).through(hosts.command()));
        let is_felt = |server: &Kamailio| is_spooling(server) && told(server).contains("no answer");
        let server =
            trial.away_from_the_start().run(collector, |_| {}, is_felt, |_| hosts.set(&[("late.test", "127.0.0.1")]));
        assert_said_once(&server, "no answer to the question for `late.test`");
    });
}
