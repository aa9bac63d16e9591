//! `raw_ipip_capture_on`: IP-in-IP packets that are sent to the machine.

use super::frames::{
    CALLEE, CALLEE6, CALLER, CALLER6, fragments, id, invite, to_near, tunnelled, udp, udp_with_options,
};
use super::{Node, assert_raw_balance, comparable};
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::network::{NEAR, NEAR_IP4, NEAR_IP6, in_network, ip};
use crate::common::rows::text;
use crate::common::sip::answered_call;

const MIRROR: &str = "192.0.2.77";
const MIRROR6: &str = "2001:db8::77";

fn tunnel(listen: &'static str) -> impl Fn(ConfigBuilder) -> ConfigBuilder {
    move |config| {
        let config = config.param("sipcapture", "raw_ipip_capture_on", 1);
        if listen.is_empty() { config } else { config.param("sipcapture", "raw_socket_listen", listen) }
    }
}

fn of_call(number: u64, caller: &str, callee: &str) -> Vec<Vec<u8>> {
    let frame = |message: crate::common::sip::CallMessage| {
        let (from, to) = if message.from_caller { (caller, callee) } else { (callee, caller) };
        to_near(&tunnelled(MIRROR, NEAR_IP4, &udp(from, to, &message.text), false))
    };
    answered_call("raw", number).into_iter().map(frame).collect()
}

#[test]
fn tunnelled_calls_get_the_rows_that_the_stock_module_gives_them() {
    for (listen, ports) in [
        ("", false),
        ("192.0.2.1", false),
        ("192.0.2.1:0", false),
        ("192.0.2.1:5060", true),
        ("192.0.2.1:5060-5070", true),
    ] {
        in_network(|network| {
            let set = |config| tunnel(listen)(config).param("sipcapture", "raw_interface", NEAR);
            let (stock, ours) = (Node::start(Module::Stock, set), Node::start(Module::Ours, set));
            let mut frames = of_call(1, CALLER, CALLEE);
            frames.extend(of_call(2, "203.0.113.10:5075", "198.51.100.20:5080"));
            frames.push(to_near(&tunnelled(MIRROR, NEAR_IP4, &udp_with_options(CALLER, CALLEE, &invite(3)), false)));
            frames.push(to_near(&tunnelled(MIRROR, NEAR_IP4, &udp(CALLER, CALLEE, b"\r\n\r\n"), false)));
            frames.extend(of_call(4, CALLER, CALLEE));
            network.send(&frames);
            let wanted = if ports { 15 } else { 22 };
            assert_eq!(comparable(&ours.await_rows(wanted)), comparable(&stock.await_rows(wanted)), "{listen}");
            assert_eq!(ours.statistic("raw_ignored"), 23 - wanted as u64);
            assert_eq!(ours.statistic("raw_packets"), 23);
            assert_raw_balance(&ours.raw_statistics());
        });
    }
}

#[test]
fn a_tunnel_with_options_in_its_header_one_in_fragments_and_one_of_ipv6_are_read() {
    in_network(|network| {
        let node = Node::start(Module::Ours, tunnel("192.0.2.1"));
        let long = [&invite(3)[..], &[b'x'; 2000]].concat();
        let whole = tunnelled(MIRROR, NEAR_IP4, &udp(CALLER, CALLEE, &long), false);
        let mut frames = vec![
            to_near(&tunnelled(MIRROR, NEAR_IP4, &udp(CALLER, CALLEE, &invite(1)), true)),
            to_near(&tunnelled(MIRROR, NEAR_IP4, &udp(CALLER6, CALLEE6, &invite(2)), false)),
        ];
        frames.extend(fragments(&whole, 1500).iter().map(|packet| to_near(packet)));
        // Fragments inside the tunnel are another matter.
        let inside = fragments(&udp(CALLER, CALLEE, &long), 1400);
        frames.extend(inside.iter().map(|packet| to_near(&tunnelled(MIRROR, NEAR_IP4, packet, false))));
        network.send(&frames);
        let mut rows = node.await_rows(3);
        rows.sort_by_key(|row| text(row, "callid"));
        let seen: Vec<_> = rows.iter().map(|row| (text(row, "callid"), text(row, "source_ip"))).collect();
        let (v4, v6) = ("203.0.113.10".to_owned(), "2001:db8:a::10".to_owned());
        assert_eq!(seen, [(id(1), v4.clone()), (id(2), v6), (id(3), v4)]);
        assert_eq!(rows[2]["msg"], Some(long));
        assert_eq!(node.statistic("raw_fragments"), inside.len() as u64);
        assert_raw_balance(&node.raw_statistics());
    });
}

#[test]
fn tunnels_over_ipv6_are_read_when_an_ipv6_address_is_listened_on() {
    in_network(|network| {
        let node = Node::start(Module::Ours, tunnel("[2001:db8::1]:5060"));
        network.send(&[
            to_near(&tunnelled(MIRROR6, NEAR_IP6, &udp(CALLER, CALLEE, &invite(1)), false)),
            to_near(&tunnelled(MIRROR6, NEAR_IP6, &udp("203.0.113.10:5061", "198.51.100.20:5061", &invite(2)), false)),
            to_near(&tunnelled(MIRROR6, NEAR_IP6, &udp(CALLER6, CALLEE6, &invite(3)), false)),
        ]);
        assert_eq!(node.await_rows(2).iter().map(|row| text(row, "callid")).collect::<Vec<_>>(), [id(1), id(3)]);
    });
}

#[test]
fn only_tunnels_to_the_address_listened_on_are_read() {
    in_network(|network| {
        ip("address add 192.0.2.2/24 dev near0");
        let node = Node::start(Module::Ours, tunnel("192.0.2.2"));
        let to = |address, number| to_near(&tunnelled(MIRROR, address, &udp(CALLER, CALLEE, &invite(number)), false));
        network.send(&[to(NEAR_IP4, 1), to("192.0.2.2", 2)]);
        assert_eq!(node.call_ids_until(&id(2)), [id(2)]);
    });
}
