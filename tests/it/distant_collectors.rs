//! Collectors over UDP on another host, of which one stands in for the other. Of a closed port a host tells about once
//! a second, and not of each packet, as it does to itself.

use crate::common::hep_collector::{Collector as Receiver, Heard};
use crate::common::network::{FAR_IP4, FAR_IP6, in_network};
use crate::common::outgoing::outgoing;
use crate::common::wait::within;
use sipcapture_core::hep::{Packet, Payload};
use sipcapture_core::sink::hep::{Collector, CollectorOptions, Destination};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::thread::sleep;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
/// Packets of a load, of which there are ten a second.
const LOAD: u32 = 20;

/// The number of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number(u32);

impl Heard for Number {
    fn of(packet: &Packet<'_>) -> Number {
        let Payload::Plain(text) = packet.payload else { panic!("nobody has asked for compression") };
        Number(String::from_utf8_lossy(text).parse().expect("a number"))
    }
}

/// An agent with two collectors, of which the first that works gets the packets.
struct Agent {
    collector: Collector,
    next: u32,
}

impl Agent {
    fn new(addresses: [SocketAddr; 2]) -> Agent {
        let uris = addresses.map(|address| Destination::parse(&format!("sip:{address}")).expect("a URI"));
        let options = CollectorOptions { probe_every: Duration::from_secs(1), ..CollectorOptions::default() };
        Agent { collector: Collector::new(uris.to_vec(), options), next: 0 }
    }

    /// Sends a load, and answers the numbers of its packets.
    fn load(&mut self) -> Range<u32> {
        let numbers = self.next..self.next + LOAD;
        let payloads: Vec<String> = numbers.clone().map(|number| number.to_string()).collect();
        let packets: Vec<_> = payloads.iter().map(|payload| outgoing(payload.as_bytes())).collect();
        let sent = self.collector.send(&packets);
        assert_eq!((sent.sent, sent.away), (LOAD as usize, None));
        self.next = numbers.end;
        sleep(Duration::from_millis(100));
        numbers
    }

    /// Sends so many loads, which arrive at `receiver` and nowhere else.
    fn assert_loads_arrive(&mut self, loads: usize, receiver: &Receiver<Number>, other: &Receiver<Number>) {
        let before = other.arrived().len();
        let wanted: Vec<Number> = (0..loads).flat_map(|_| self.load()).map(Number).collect();
        within(PATIENCE, "all packets arrive at one", || receiver.arrived().ends_with(&wanted));
        assert_eq!(other.arrived().len(), before, "none arrives at the other");
    }
}

fn assert_the_second_stands_in(ip: &str) {
    let ip: IpAddr = ip.parse().expect("an address");
    let addresses = [9060, 9061].map(|port| SocketAddr::new(ip, port));
    in_network(|network| {
        let host = network.far_host();
        let [mut first, second] = host.run(|| addresses.map(Receiver::<Number>::udp));
        let mut agent = Agent::new(addresses);
        agent.assert_loads_arrive(10, &first, &second);

        first.close();
        within(PATIENCE, "the second gets the packets", || {
            agent.load();
            !second.arrived().is_empty()
        });
        // Meanwhile the first is looked at more than once.
        agent.assert_loads_arrive(120, &second, &first);

        host.run(|| first.open());
        let before = first.arrived().len();
        within(PATIENCE, "the first gets the packets again", || {
            agent.load();
            first.arrived().len() > before
        });
        agent.assert_loads_arrive(10, &first, &second);
    });
}

#[test]
fn a_second_collector_stands_in_for_a_closed_port_of_another_host_over_ip4() {
    assert_the_second_stands_in(FAR_IP4);
}

#[test]
fn a_second_collector_stands_in_for_a_closed_port_of_another_host_over_ip6() {
    assert_the_second_stands_in(FAR_IP6);
}
