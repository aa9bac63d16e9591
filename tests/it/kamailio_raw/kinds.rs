//! Frames of every kind: what is read, and that the rest is counted, each under one reason.

use super::frames::{CALLEE, CALLEE6, CALLER, CALLER6, id, invite, mirrored, of_kind, tagged, udp};
use super::{Node, PATIENCE, assert_raw_balance};
use crate::common::frame_kinds::{FrameKind, frame_kinds};
use crate::common::kamailio::{ConfigBuilder, Module, signal};
use crate::common::network::{LinkType, NEAR, Network, in_network, ip};
use crate::common::rows::text;
use crate::common::wait::{eventually, within};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::Path;

const IP4: u16 = 0x0800;
const IP6: u16 = 0x86dd;

fn monitoring(config: ConfigBuilder, kernel_filter: i64) -> ConfigBuilder {
    let config =
        config.param("sipcapture", "raw_moni_capture_on", 1).param("sipcapture", "raw_moni_bpf_on", kernel_filter);
    config.param("sipcapture", "raw_socket_listen", "192.0.2.1:5060")
}

fn near(kernel_filter: i64) -> Node {
    Node::start(Module::Ours, |config| monitoring(config, kernel_filter).param("sipcapture", "raw_interface", NEAR))
}

/// What the list of kinds makes of the statistics, sums included.
fn expected<'a>(kinds: impl Iterator<Item = &'a FrameKind>) -> BTreeMap<String, u64> {
    let mut statistics = BTreeMap::new();
    for kind in kinds {
        let sum = kind.counter.starts_with("raw_ignored").then_some("raw_ignored");
        for name in ["raw_packets", kind.counter].into_iter().chain(sum) {
            *statistics.entry(name.to_owned()).or_default() += 1;
        }
    }
    statistics
}

impl Node {
    /// Waits until the statistics are as expected.
    fn await_raw(&self, expected: &BTreeMap<String, u64>) {
        let mut seen = BTreeMap::new();
        let is_reached = eventually(PATIENCE, || {
            seen = self.raw_statistics();
            seen.get("raw_packets") >= expected.get("raw_packets")
        });
        // A packet is counted before its reason is.
        let is_equal =
            is_reached && eventually(std::time::Duration::from_secs(1), || self.raw_statistics() == *expected);
        assert!(is_equal, "{:?} where {expected:?} is expected", self.raw_statistics());
        assert_raw_balance(expected);
    }
}

fn kinds(number: u64) -> Vec<FrameKind> {
    frame_kinds(&udp(CALLER, CALLEE, &invite(number)), &udp(CALLER6, CALLEE6, &invite(number)))
}

#[test]
fn the_message_in_a_pppoe_session_and_the_plain_one_are_two_rows() {
    for kernel_filter in [0, 1] {
        in_network(|network| {
            let node = near(kernel_filter);
            let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/reported/pppoe.pcap");
            network.replay(100, &corpus, 2);
            let rows = node.await_rows(2);
            let of = |name| rows.iter().map(|row| text(row, name)).collect::<Vec<_>>();
            assert_eq!(of("callid"), ["pppoe@t", "plain@t"]);
            assert_eq!(of("source_ip"), ["192.0.2.10"; 2]);
            assert_eq!(of("destination_ip"), ["192.0.2.20"; 2]);
            assert_eq!(rows[0]["msg"].as_ref().map(Vec::len), rows[1]["msg"].as_ref().map(Vec::len));
        });
    }
}

#[test]
fn each_frame_of_every_kind_is_counted_under_its_reason_and_what_can_be_read_is_a_row() {
    in_network(|network| {
        network.quieten();
        let node = near(0);
        let kinds = kinds(1);
        network.send(&kinds.iter().map(of_kind).collect::<Vec<_>>());
        let expected = expected(kinds.iter());
        node.await_raw(&expected);
        let messages = expected["raw_messages"];
        assert!(messages > 20 && expected.len() > 13, "{expected:?}");
        for row in node.await_rows(usize::try_from(messages).expect("few")) {
            assert_eq!(row["msg"], Some(invite(1)));
        }
    });
}

#[test]
fn the_kernels_filter_hides_nothing_but_ip_of_other_ports_and_protocols() {
    in_network(|network| {
        network.quieten();
        let node = near(1);
        let kinds = kinds(1);
        network.send(&kinds.iter().map(of_kind).collect::<Vec<_>>());
        let expected = expected(kinds.iter().filter(|kind| !kind.filtered));
        node.await_raw(&expected);
        node.await_rows(usize::try_from(expected["raw_messages"]).expect("few"));
        assert!(!node.server.log().contains("does not take the port filter"), "{}", node.server.log());
    });
}

#[test]
fn one_frame_more_is_one_count_more() {
    in_network(|network| {
        network.quieten();
        let node = near(0);
        let mut seen: Vec<FrameKind> = Vec::new();
        // One of each reason.
        let mut kinds = kinds(1);
        kinds.sort_by_key(|kind| kind.counter);
        kinds.dedup_by_key(|kind| kind.counter);
        for kind in kinds {
            network.send(&[of_kind(&kind)]);
            seen.push(kind);
            node.await_raw(&expected(seen.iter()));
        }
        let names: Vec<_> = seen.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), 12, "{names:?}");
    });
}

#[test]
fn what_this_machine_sends_is_not_counted() {
    in_network(|network| {
        network.quieten();
        let node = near(0);
        ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev near0");
        // The second makes the machine ask who has that address, which is ARP on its way out.
        let socket = UdpSocket::bind("192.0.2.1:5060").expect("a port");
        for to in ["192.0.2.9:5060", "192.0.2.10:5060"] {
            socket.send_to(&invite(1), to).expect("a datagram leaves");
        }
        network.send(&[mirrored(&udp(CALLER, CALLEE, &invite(2)))]);
        node.await_raw(&BTreeMap::from([("raw_packets".to_owned(), 1), ("raw_messages".to_owned(), 1)]));
    });
}

/// Sends packets through an interface of a kind, at which a server looks that takes the kind for what `counters` say.
fn through(network: &Network, kind: LinkType, packets: &[(u16, Vec<u8>)], counters: &[(&str, u64)]) {
    let mut tun = network.tun("tun0", kind);
    let node = Node::start(Module::Ours, |config| monitoring(config, 1).param("sipcapture", "raw_interface", "tun0"));
    tun.send(packets);
    node.await_raw(&counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect());
    let messages = counters.iter().find_map(|(name, value)| (*name == "raw_messages").then_some(*value));
    node.await_rows(usize::try_from(messages.unwrap_or(0)).expect("few"));
}

#[test]
fn interfaces_without_ethernet_are_read_and_of_a_kind_that_is_not_known_each_frame_is_counted() {
    let message = |ether_type, number| match ether_type {
        IP4 => (IP4, udp(CALLER, CALLEE, &invite(number))),
        _ => (IP6, udp(CALLER6, CALLEE6, &invite(number))),
    };
    let packets =
        [message(IP4, 1), message(IP6, 2), (0x0806, vec![0; 28]), (0x0001, vec![0; 40]), (0x1234, vec![0; 9])];
    for kind in [LinkType::None, LinkType::Ppp] {
        in_network(|network| {
            let of_others = [("raw_ignored_arp", 1), ("raw_ignored_llc", 1), ("raw_ignored_ether_type", 1)];
            let counters = [&[("raw_packets", 5), ("raw_messages", 2), ("raw_ignored", 3)], &of_others[..]].concat();
            through(network, kind, &packets, &counters);
        });
    }
    in_network(|network| {
        let counters = [("raw_packets", 5), ("raw_messages", 2), ("raw_ignored", 3), ("raw_ignored_link_type", 3)];
        through(network, LinkType::Lowpan, &packets, &counters);
    });
}

#[test]
fn without_an_interface_named_a_message_comes_once_whatever_interfaces_it_passes() {
    in_network(|network| {
        network.quieten();
        // What comes in at a bridge's port comes in at the bridge too.
        ip("link add name bridge0 type bridge");
        ip("link set bridge0 up promisc on");
        ip("link set near0 master bridge0");
        let node = Node::start(Module::Ours, |config| monitoring(config, 0));
        let session = |number: u64| {
            let ip = udp(CALLER, CALLEE, &invite(number));
            let length = u16::try_from(ip.len() + 2).expect("short").to_be_bytes();
            [&[0x11, 0, 0, 1], &length[..], &[0, 0x21], &ip].concat()
        };
        let in_vlan = [&[0, 7, 0x88, 0x64][..], &session(4)].concat();
        let kind =
            |ether_type, rest| FrameKind { name: "", ether_type, rest, counter: "raw_messages", filtered: false };
        within(PATIENCE, "the bridge forwards", || ip("-details link show near0").contains("state forwarding"));
        network.send(&[
            mirrored(&udp(CALLER, CALLEE, &invite(1))),
            tagged(&[(0x8100, 7)], &udp(CALLER, CALLEE, &invite(2))),
            of_kind(&kind(0x8864, session(3))),
            of_kind(&kind(0x8100, in_vlan)),
            of_kind(&kind(0x1234, vec![0; 46])),
        ]);
        let loopback = UdpSocket::bind("127.0.0.1:5060").expect("a port");
        loopback.send_to(&invite(5), "127.0.0.1:5070").expect("a datagram leaves");
        within(PATIENCE, "the last is counted", || node.call_ids_until(&id(5)).len() == 5);
        let mut ids = node.call_ids_until(&id(5));
        ids.sort();
        assert_eq!(ids, (1..=5).map(id).collect::<Vec<_>>());
        // What cannot hold a message is counted where it is seen: at the port and at the bridge.
        assert_eq!(node.statistic("raw_ignored_ether_type"), 2);
    });
}

/// Makes the interface a port of a bridge, and waits until that forwards.
fn bridge_near() {
    ip("link add name bridge0 type bridge");
    // It would ask for routers and tell of its groups.
    std::fs::write("/proc/sys/net/ipv6/conf/bridge0/disable_ipv6", "1").expect("root may keep IPv6 away");
    ip("link set bridge0 up");
    ip("link set near0 master bridge0");
    within(PATIENCE, "the bridge forwards", || ip("-details link show near0").contains("state forwarding"));
}

#[test]
fn at_a_port_of_a_bridge_that_is_named_every_frame_is_read_or_counted() {
    for kernel_filter in [0, 1] {
        in_network(|network| {
            network.quieten();
            bridge_near();
            let node = near(kernel_filter);
            let kinds = kinds(1);
            network.send(&kinds.iter().map(of_kind).collect::<Vec<_>>());
            let expected = expected(kinds.iter().filter(|kind| kernel_filter == 0 || !kind.filtered));
            node.await_raw(&expected);
            node.await_rows(usize::try_from(expected["raw_messages"]).expect("few"));
        });
    }
}

#[test]
fn without_an_interface_named_what_a_bridge_only_forwards_is_neither_read_nor_counted() {
    in_network(|network| {
        network.quieten();
        bridge_near();
        let node = Node::start(Module::Ours, |config| monitoring(config, 0));
        network.send(&[mirrored(&udp(CALLER, CALLEE, &invite(1)))]);
        let loopback = UdpSocket::bind("127.0.0.1:5060").expect("a port");
        loopback.send_to(&invite(2), "127.0.0.1:5070").expect("a datagram leaves");
        assert_eq!(node.call_ids_until(&id(2)), [id(2)]);
        // Beside the ICMP of this machine.
        let counted = node.statistic("raw_packets") - node.statistic("raw_ignored_protocol");
        assert_eq!((counted, node.statistic("raw_messages")), (1, 1));
    });
}

#[test]
fn a_flood_of_what_is_only_counted_takes_no_room_of_messages() {
    for is_named in [true, false] {
        in_network(|network| {
            network.quieten();
            let node = Node::start(Module::Ours, |config| {
                let config = monitoring(config, 1);
                if is_named { config.param("sipcapture", "raw_interface", NEAR) } else { config }
            });
            let reader = node.await_readers(1)[0];
            signal(reader, Signal::STOP);
            let gre = kinds(1).into_iter().find(|kind| kind.name == "GRE in a VLAN").expect("it is in the list");
            let flood = FrameKind { rest: [&gre.rest[..], &[0; 600]].concat(), ..gre };
            let mut frames = vec![of_kind(&flood); 15_000];
            frames.extend((0..200).map(|number| mirrored(&udp(CALLER, CALLEE, &invite(number)))));
            network.send_paced(6000, &frames);
            signal(reader, Signal::CONT);
            node.await_rows(200);
            let count = |name: &str| node.statistic(name);
            // What was dropped is told with the next packet that is not.
            within(PATIENCE, "each packet is counted, or counted as dropped", || {
                network.send(&[of_kind(&flood)]);
                count("raw_kernel_drops_ignored") > 0
            });
            assert_eq!((count("raw_messages"), count("raw_kernel_drops")), (200, 0));
        });
    }
}

#[test]
fn what_ends_at_this_machine_is_read_where_its_interface_is_named_and_else_left_to_what_comes_out_of_it() {
    let session = |ip: Vec<u8>| {
        let length = u16::try_from(ip.len() + 2).expect("short").to_be_bytes();
        [&[0x11, 0, 0, 1], &length[..], &[0, 0x21], &ip].concat()
    };
    let labelled = |ip: Vec<u8>| [&[0, 0x40, 1, 64][..], &ip].concat();
    let ip = || udp(CALLER, CALLEE, &invite(1));
    let kinds = [(0x8864_u16, session(ip()), "raw_ignored_ppp"), (0x8847, labelled(ip()), "raw_ignored_mpls")];
    for (ether_type, inside, counter) in kinds {
        in_network(|network| {
            network.quieten();
            let (named, all) = (near(0), Node::start(Module::Ours, |config| monitoring(config, 0)));
            let to_near = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 1], &ether_type.to_be_bytes()[..], &inside].concat();
            network.send(&[to_near, mirrored(&udp(CALLER, CALLEE, &invite(2)))]);
            let mut ids = named.call_ids_until(&id(2));
            within(PATIENCE, "what is in it is stored too", || {
                ids = named.call_ids_until(&id(2));
                ids.len() == 2
            });
            assert_eq!(all.call_ids_until(&id(2)), [id(2)]);
            assert_eq!((named.statistic(counter), all.statistic(counter)), (0, 1));
        });
    }
}

#[test]
fn frames_of_a_wifi_monitor_and_of_a_switch_chip_are_of_another_kind_of_link() {
    // Numbers that Linux gives to LLC, where it is none, and to the frames of a switch's chip.
    for (kind, number) in [(LinkType::WifiMonitor, 0x0004), (LinkType::None, 0x00f8)] {
        for interface in [Some("tun0"), None] {
            in_network(|network| {
                network.quieten();
                let mut tun = network.tun("tun0", kind);
                let node = Node::start(Module::Ours, |config| {
                    let config = monitoring(config, 1);
                    match interface {
                        Some(name) => config.param("sipcapture", "raw_interface", name),
                        None => config,
                    }
                });
                tun.send(&[(number, vec![0; 60])]);
                let counters = [("raw_packets", 1), ("raw_ignored", 1), ("raw_ignored_link_type", 1)];
                node.await_raw(&counters.map(|(name, value)| (name.to_owned(), value)).into());
            });
        }
    }
}
