//! `raw_moni_capture_on`: what passes an interface.

use super::frames::{
    CALLEE, CALLEE6, CALLER, CALLER6, call, fragments, id, invite, mirrored, tagged, udp, udp_with_options,
};
use super::{Node, PATIENCE, comparable};
use crate::common::kamailio::{ConfigBuilder, Module, signal};
use crate::common::network::{NEAR, in_network, ip};
use crate::common::rows::{count, text};
use crate::common::wait::{eventually, within};
use rustix::process::Signal;
use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn monitoring(ports: &'static str) -> impl Fn(ConfigBuilder) -> ConfigBuilder {
    move |config| {
        let config = config.param("sipcapture", "raw_moni_capture_on", 1);
        config.param("sipcapture", "raw_socket_listen", format!("192.0.2.1:{ports}").as_str())
    }
}

fn near(config: ConfigBuilder) -> ConfigBuilder {
    monitoring("5060")(config).param("sipcapture", "raw_interface", NEAR)
}

#[test]
fn mirrored_calls_get_the_rows_that_the_stock_module_gives_them() {
    for kernel_filter in [0, 1] {
        in_network(|network| {
            let set = |config| {
                let config = monitoring("5060-5070")(config).param("sipcapture", "raw_moni_bpf_on", kernel_filter);
                config.param("sipcapture", "raw_interface", NEAR).param("sipcapture", "promiscuous_on", 1)
            };
            let (stock, ours) = (Node::start(Module::Stock, set), Node::start(Module::Ours, set));
            let mut frames = call(1, CALLER, CALLEE);
            frames.extend(call(2, "203.0.113.10:40000", "198.51.100.20:5070"));
            frames.push(mirrored(&udp(CALLER, CALLEE, b"\r\n\r\n")));
            frames.push(mirrored(&udp(CALLER, CALLEE, &[b'x'; 31])));
            frames.push(mirrored(&udp(CALLER, CALLEE, &[0; 200])));
            frames.push(mirrored(&udp_with_options(CALLER, CALLEE, &invite(4))));
            frames.push(tagged(&[(0x8100, 7)], &udp(CALLER, CALLEE, &invite(5))));
            frames.push(tagged(&[(0x8100, 0)], &udp(CALLER, CALLEE, &invite(6))));
            frames.extend(call(7, CALLER, CALLEE));
            network.send(&frames);
            let wanted = 7 * 3 + 3;
            assert_eq!(comparable(&ours.await_rows(wanted)), comparable(&stock.await_rows(wanted)));
            assert_eq!(ours.statistic("raw_messages"), wanted as u64);
            assert_eq!((ours.statistic("raw_bad"), ours.statistic("raw_fragments")), (0, 0));
            let other_ports = mirrored(&udp("203.0.113.10:5071", "198.51.100.20:5059", &invite(3)));
            network.send(&vec![other_ports; 100]);
            network.send(&call(8, CALLER, CALLEE));
            ours.await_rows(wanted + 7);
            // Whatever else the kernel says on the cable may be among what is ignored.
            let expected = if kernel_filter == 1 { 3..100 } else { 103..200 };
            let ignored = ours.statistic("raw_ignored");
            assert!(expected.contains(&ignored), "{ignored} ignored");
        });
    }
}

#[test]
fn what_the_stock_module_cannot_read_is_captured_too() {
    for kernel_filter in [0, 1] {
        in_network(|network| {
            let node =
                Node::start(Module::Ours, |config| near(config).param("sipcapture", "raw_moni_bpf_on", kernel_filter));
            let padded = |number| [&mirrored(&udp(CALLER, CALLEE, &invite(number)))[..], &[0; 6]].concat();
            network.send(&[
                mirrored(&udp(CALLER6, CALLEE6, &invite(1))),
                tagged(&[(0x8100, 7)], &udp(CALLER6, CALLEE6, &invite(2))),
                tagged(&[(0x88a8, 7), (0x8100, 8)], &udp(CALLER, CALLEE, &invite(3))),
                tagged(&[(0x8100, 7), (0x8100, 8)], &udp(CALLER6, CALLEE6, &invite(4))),
                tagged(&[(0x8100, 7), (0x88a8, 8)], &udp(CALLER, CALLEE, &invite(5))),
                padded(6),
                mirrored(&udp(CALLER6, CALLEE6, &invite(7))),
            ]);
            let mut rows = node.await_rows(7);
            rows.sort_by_key(|row| text(row, "callid"));
            for (row, number) in rows.iter().zip(1..) {
                assert_eq!(text(row, "callid"), id(number));
                assert_eq!(row["msg"], Some(invite(number)));
                let v4 = matches!(number, 3 | 5 | 6);
                let (family, source) = if v4 { ("2", "203.0.113.10") } else { ("10", "2001:db8:a::10") };
                assert_eq!((&text(row, "family")[..], &text(row, "source_ip")[..]), (family, source), "call {number}");
                assert_eq!((text(row, "destination_port"), text(row, "proto")), ("5060".to_owned(), "1".to_owned()));
            }
        });
    }
}

#[test]
fn fragments_are_counted_and_packets_that_lie_are_counted_as_bad() {
    in_network(|network| {
        let node = Node::start(Module::Ours, near);
        let long = [&invite(1)[..], &[b'x'; 3000]].concat();
        let mut frames: Vec<_> =
            fragments(&udp(CALLER, CALLEE, &long), 1500).iter().map(|packet| mirrored(packet)).collect();
        assert_eq!(frames.len(), 3);
        // A UDP length beyond the packet's end, and an IP length beyond the frame's.
        for (at, length) in [(14 + 20 + 4, 5000_u16), (14 + 2, 1400)] {
            let mut lying = mirrored(&udp(CALLER, CALLEE, &invite(2)));
            lying[at..at + 2].copy_from_slice(&length.to_be_bytes());
            frames.push(lying);
        }
        frames.push(mirrored(&udp(CALLER, CALLEE, &invite(3))));
        network.send(&frames);
        assert_eq!(node.call_ids_until(&id(3)), [id(3)]);
        let counted = ["raw_fragments", "raw_bad", "raw_messages"].map(|name| node.statistic(name));
        // The kernel itself throws an IPv4 packet away that is longer than its frame, but only behind the packet
        // sockets.
        assert_eq!(counted, [3, 2, 1]);
    });
}

#[test]
fn a_message_that_the_parser_refuses_is_captured_all_the_same() {
    in_network(|network| {
        let node = Node::start(Module::Ours, near);
        let garbage = b"1234567890 this is no message of SIP at all, but it might have been\r\n\r\n";
        network.send(&[mirrored(&udp(CALLER, CALLEE, garbage)), mirrored(&udp(CALLER, CALLEE, &invite(1)))]);
        let rows = node.await_rows(2);
        assert_eq!(rows[0]["msg"].as_deref(), Some(&garbage[..]));
        assert_eq!(
            (text(&rows[0], "source_ip"), text(&rows[0], "destination_ip")),
            ("203.0.113.10".to_owned(), "198.51.100.20".to_owned())
        );
        assert_eq!((node.statistic("raw_refused"), node.statistic("hep_refused")), (1, 0));
        assert_eq!((text(&rows[0], "node"), text(&rows[1], "node")), ("homer01".to_owned(), "homer01".to_owned()));
    });
}

#[test]
fn what_the_parser_refuses_goes_to_the_table_for_bad_messages_without_hep_too() {
    in_network(|network| {
        let node = Node::start(Module::Ours, |config| near(config).param("sipcapture", "bad_table", "sip_bad_%Y"));
        let garbage = b"1234567890 this is no message of SIP at all, but it might have been\r\n\r\n";
        network.send(&[mirrored(&udp(CALLER, CALLEE, garbage)), mirrored(&udp(CALLER, CALLEE, &invite(1)))]);
        assert_eq!(node.call_ids_until(&id(1)), [id(1)]);
        let table = format!("sip_bad_{}", jiff::Timestamp::now().strftime("%Y"));
        within(PATIENCE, "it is in its own table", || count(node.file.url(), &table) == 1);
    });
}

#[test]
fn the_time_of_a_row_is_when_the_kernel_received_the_packet() {
    in_network(|network| {
        let node = Node::start(Module::Ours, near);
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("past 1970").as_micros();
        let reader = node.await_readers(1)[0];
        let before = now();
        signal(reader, Signal::STOP);
        network.send(&[mirrored(&udp(CALLER, CALLEE, &invite(1)))]);
        let sent = now();
        signal(reader, Signal::CONT);
        let time: u128 = text(&node.await_rows(1)[0], "micro_ts").parse().expect("a number");
        assert!((before..=sent).contains(&time), "{before} <= {time} <= {sent}");
    });
}

#[test]
fn several_processes_share_the_work_and_no_message_is_stored_twice() {
    in_network(|network| {
        let node = Node::start(Module::Ours, |config| near(config).param("sipcapture", "raw_sock_children", 3));
        let readers = node.await_readers(3);
        let frames: Vec<_> = (0..600).map(|number| mirrored(&udp(CALLER, CALLEE, &invite(number)))).collect();
        network.send(&frames);
        let mut ids: Vec<_> = node.await_rows(600).iter().map(|row| text(row, "callid")).collect();
        ids.sort();
        assert_eq!(ids, (0..600).map(id).collect::<Vec<_>>());
        assert_eq!((node.statistic("raw_messages"), node.statistic("raw_kernel_drops")), (600, 0));
        assert_eq!(node.await_readers(3), readers);
    });
}

#[test]
fn what_the_kernel_drops_while_the_readers_are_too_slow_is_counted() {
    in_network(|network| {
        network.quieten();
        let node = Node::start(Module::Ours, |config| near(config).param("sipcapture", "raw_sock_children", 2));
        let readers = node.await_readers(2);
        readers.iter().for_each(|reader| signal(*reader, Signal::STOP));
        let before = network.arrived();
        let long = [&invite(1)[..], &[b'x'; 600]].concat();
        network.send_paced(6000, &vec![mirrored(&udp(CALLER, CALLEE, &long)); 15_000]);
        // Whichever reader is told counts it; here the first one is not.
        signal(readers[1], Signal::CONT);
        within(PATIENCE, "each packet is taken, or counted as dropped", || {
            // The kernel tells what it has dropped with the packets behind.
            network.send(&[mirrored(&udp(CALLER, CALLEE, &invite(2)))]);
            let sent = network.arrived() - before;
            eventually(Duration::from_secs(1), || {
                let [taken, dropped] = ["raw_messages", "raw_kernel_drops"].map(|name| node.statistic(name));
                dropped > 0 && taken + dropped == sent
            })
        });
        signal(readers[0], Signal::CONT);
    });
}

#[test]
fn a_message_on_the_loopback_interface_is_seen_once_as_by_the_stock_module() {
    in_network(|_| {
        let set = |config| monitoring("5060-5070")(config);
        let (stock, ours) = (Node::start(Module::Stock, set), Node::start(Module::Ours, set));
        for (at, other) in [("127.0.0.1:5060", "127.0.0.1:5070"), ("127.0.0.2:5060", "127.0.0.2:5070")] {
            let (one, two) = (UdpSocket::bind(at).expect("a port"), UdpSocket::bind(other).expect("a port"));
            one.send_to(&invite(1), other).expect("a datagram leaves");
            two.send_to(&invite(2), at).expect("a datagram leaves");
        }
        let rows = [&stock, &ours].map(|node| comparable(&node.await_rows(4)));
        assert_eq!(rows[0], rows[1]);
    });
}

#[test]
fn what_the_machine_sends_over_a_network_is_not_seen_as_with_the_stock_module() {
    in_network(|network| {
        let (stock, ours) = (Node::start(Module::Stock, monitoring("5060")), Node::start(Module::Ours, near));
        let socket = UdpSocket::bind("192.0.2.1:5060").expect("a port");
        // Nobody answers for an address on the cable, so its place is told.
        ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev near0");
        socket.send_to(&invite(1), "192.0.2.9:40000").expect("a datagram leaves");
        network.send(&[mirrored(&udp(CALLER, CALLEE, &invite(2)))]);
        // The cable's other end is here too: what left at one interface has come in at the other, where the stock
        // module looks too.
        assert_eq!(ours.call_ids_until(&id(2)), [id(2)]);
        assert_eq!(stock.call_ids_until(&id(2)), [id(1), id(2)]);
        assert_eq!(ours.await_rows(1).len(), 1);
    });
}

#[test]
fn with_an_interface_named_no_other_is_looked_at_as_the_stock_module_does_all_the_same() {
    in_network(|network| {
        let (stock, node) = (Node::start(Module::Stock, near), Node::start(Module::Ours, near));
        let socket = UdpSocket::bind("127.0.0.1:5060").expect("a port");
        socket.send_to(&invite(1), "127.0.0.1:5070").expect("a datagram leaves");
        network.send(&[mirrored(&udp(CALLER, CALLEE, &invite(2)))]);
        assert_eq!(node.call_ids_until(&id(2)), [id(2)]);
        assert_eq!(stock.call_ids_until(&id(2)), [id(1), id(2)]);
    });
}

#[test]
fn the_interface_is_promiscuous_while_the_server_runs_and_no_longer() {
    in_network(|network| {
        let promiscuous = |config| near(config).param("sipcapture", "promiscuous_on", 1);
        assert_eq!(network.promiscuity(NEAR), 0);
        let mut node = Node::start(Module::Ours, promiscuous);
        assert_eq!(network.promiscuity(NEAR), 1);
        node.server.stop();
        assert_eq!(network.promiscuity(NEAR), 0);
        let node = Node::start(Module::Ours, promiscuous);
        assert_eq!(network.promiscuity(NEAR), 1);
        signal(node.server.pid(), Signal::KILL);
        drop(node);
        within(PATIENCE, "the interface is as before once all processes are gone", || network.promiscuity(NEAR) == 0);
        ip(&format!("link set {NEAR} promisc on"));
        let mut node = Node::start(Module::Ours, promiscuous);
        assert_eq!(network.promiscuity(NEAR), 2);
        node.server.stop();
        assert_eq!(network.promiscuity(NEAR), 1, "somebody else's wish stays");
    });
}

#[test]
fn the_switch_and_the_routes_decide_as_for_every_other_message() {
    in_network(|network| {
        let node = Node::start(Module::Ours, |config| {
            let request = r#"if ($si == "203.0.113.10" && $sp == 5060 && $Ri == "198.51.100.20" && $Rp == 5060 && $proto == "udp" && is_method("INVITE")) sip_capture(); exit;"#;
            near(config).route("request_route", request).route("onreply_route", "drop;")
        });
        let mut frames = call(1, CALLER, CALLEE);
        frames.extend(call(2, CALLEE, CALLER));
        frames.push(mirrored(&udp(CALLER, CALLEE, &invite(3))));
        network.send(&frames);
        assert_eq!(node.call_ids_until(&id(3)), [id(1), id(3)]);
        node.server.rpc(&["sipcapture.status", "off"]).expect("capture is switched off");
        network.send(&call(4, CALLER, CALLEE));
        let seen = || node.statistic("raw_messages") == 7 + 7 + 1 + 7;
        assert!(eventually(PATIENCE, seen), "{:?}", node.server.statistics());
        assert_eq!(node.await_rows(2).len(), 2);
    });
}

#[test]
fn an_interface_that_goes_down_and_comes_up_again_is_read_on() {
    in_network(|network| {
        let mut node = Node::start(Module::Ours, near);
        network.send(&[mirrored(&udp(CALLER, CALLEE, &invite(1)))]);
        node.await_rows(1);
        ip("link set near0 down");
        within(PATIENCE, "the server says that it cannot read", || {
            node.server.log().contains("a raw socket cannot be read")
        });
        ip("link set near0 up");
        within(PATIENCE, "the interface is up", || ip("link show near0").contains("LOWER_UP"));
        network.send(&[mirrored(&udp(CALLER, CALLEE, &invite(2)))]);
        node.await_rows(2);
        node.server.assert_serving();
    });
}
