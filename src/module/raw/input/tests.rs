//! Each packet is counted, and once more for what becomes of it.

use super::*;
use crate::module::engine::statistics;
use crate::packet::frame_kinds::frame_kinds;
use crate::packet::{Start, udp_frame};
use crate::queue::counters::Observer;
use crate::queue::lane::{Geometry, Lanes};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const PORTS: Option<PortRange> = Some(PortRange { first: 5060, last: 5060 });

/// Lanes, the producer of one, and what the statistics of raw capture say.
struct Counted {
    lanes: Arc<Lanes>,
    producer: Producer,
}

impl Counted {
    fn new() -> Counted {
        let geometry = Geometry { lanes: 1, writers: 1, sinks: 1, lane_bytes: 1 << 20, wake_bytes: 1 << 18 };
        let lanes = Arc::new(Lanes::map(geometry).unwrap());
        let producer = Producer::attach(&lanes, 0).unwrap();
        Counted { lanes, producer }
    }

    fn take(&self, start: Start, packet: &[u8]) {
        let received = Received {
            start,
            length: packet.len(),
            truncated: false,
            time_us: None,
            dropped: 0,
            is_only_counted: false,
        };
        let _ = sorted(&self.producer, &received, packet, PORTS);
    }

    fn statistics(&self) -> BTreeMap<&'static str, u64> {
        let totals = self.lanes.totals();
        let raw = statistics::of(Observer::Node).iter().filter_map(|counter| {
            let std::borrow::Cow::Borrowed(name) = counter.name else { return None };
            let name = name.to_str().unwrap();
            name.starts_with("raw_").then(|| (name, counter.value(&totals)))
        });
        raw.collect()
    }

    /// Asserts that each packet is counted under one reason.
    fn assert_balance(&self) {
        let statistics = self.statistics();
        let of = |name: &str| statistics[name];
        assert_eq!(
            of("raw_packets"),
            of("raw_messages") + of("raw_ignored") + of("raw_fragments") + of("raw_bad"),
            "{statistics:?}"
        );
        let reasons = statistics.iter().filter(|(name, _)| name.starts_with("raw_ignored_"));
        assert_eq!(of("raw_ignored"), reasons.map(|(_, value)| value).sum::<u64>(), "{statistics:?}");
    }
}

fn packets() -> [Vec<u8>; 2] {
    ["192.0.2.1:5060 192.0.2.2:40000", "[::1]:40000 [::2]:5060"].map(|pair| {
        let (from, to) = pair.split_once(' ').unwrap();
        let message = b"OPTIONS sip:bob@example.com SIP/2.0\r\n\r\n";
        udp_frame(from.parse().unwrap(), to.parse().unwrap(), message).unwrap()
    })
}

#[test]
fn one_frame_more_of_any_kind_is_one_more_of_its_counter_and_of_no_other() {
    let counted = Counted::new();
    let [ip4, ip6] = packets();
    let mut expected = counted.statistics();
    let mut expect = |names: &[&'static str]| {
        names.iter().for_each(|name| *expected.get_mut(name).unwrap() += 1);
        expected.clone()
    };
    for kind in frame_kinds(&ip4, &ip6) {
        counted.take(Start::EtherType(kind.ether_type), &kind.rest);
        let sum = kind.counter.starts_with("raw_ignored").then_some("raw_ignored");
        let names: Vec<&'static str> = ["raw_packets", kind.counter].into_iter().chain(sum).collect();
        assert_eq!(counted.statistics(), expect(&names), "{}", kind.name);
        counted.assert_balance();
    }
    counted.take(Start::ForeignLink, &[0; 16]);
    assert_eq!(counted.statistics(), expect(&["raw_packets", "raw_ignored", "raw_ignored_link_type"]));
    let statistics = counted.statistics();
    let unseen: Vec<_> = statistics.iter().filter(|(_, value)| **value == 0).map(|(name, _)| *name).collect();
    assert_eq!(unseen, ["raw_kernel_drops", "raw_kernel_drops_ignored", "raw_refused"], "every reason is in the list");
}

#[test]
fn every_ether_type_and_every_ppp_protocol_is_counted_once() {
    let counted = Counted::new();
    for number in 0..=u16::MAX {
        counted.take(Start::EtherType(number), &[0; 64]);
        let session = [&[0x11, 0, 0, 1, 0, 42][..], &number.to_be_bytes(), &[0; 40]].concat();
        counted.take(Start::EtherType(0x8864), &session);
    }
    assert_eq!(counted.statistics()["raw_packets"], 2 << 16);
    counted.assert_balance();
}

#[test]
fn a_packet_longer_than_the_buffer_is_told_by_its_beginning_and_else_is_bad() {
    let counted = Counted::new();
    let [ip4, _] = packets();
    for (packet, counter) in
        [(&ip4, "raw_bad"), (&[&[0x45, 0, 0, 60, 0, 0, 0, 0, 60, 47][..], &[0; 50]].concat(), "raw_ignored_tunnel")]
    {
        let start = Start::EtherType(0x0800);
        let received = Received {
            start,
            length: packet.len(),
            truncated: true,
            time_us: None,
            dropped: 0,
            is_only_counted: false,
        };
        sorted(&counted.producer, &received, packet, PORTS).unwrap_err();
        assert_eq!(counted.statistics()[counter], 1, "{counter}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_counted_once(
        which: prop::sample::Index, at: prop::sample::Index, byte: u8, end: prop::sample::Index,
        noise: Vec<u8>, number: u16
    ) {
        let counted = Counted::new();
        let [ip4, ip6] = packets();
        let kinds = frame_kinds(&ip4, &ip6);
        let kind = which.get(&kinds);
        let mut packet = kind.rest.clone();
        let at = at.index(packet.len());
        packet[at] = byte;
        packet.truncate(end.index(packet.len() + 1));
        counted.take(Start::EtherType(kind.ether_type), &packet);
        counted.take(Start::EtherType(number), &noise);
        prop_assert_eq!(counted.statistics()["raw_packets"], 2);
        counted.assert_balance();
    }
}
