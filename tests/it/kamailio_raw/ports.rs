//! `raw_socket_listen`: the ports of monitoring, with the stock module beside ours. Those of tunnels are in `tunnels`.

use super::frames::{CALLEE6, CALLER6, id, invite, mirrored, udp};
use super::{Node, comparable};
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::network::{NEAR, in_network};
use crate::common::rows::SqliteFile;

fn monitoring(config: ConfigBuilder, listen: &str, kernel_filter: i64) -> ConfigBuilder {
    let config = config.param("sipcapture", "raw_moni_capture_on", 1).param("sipcapture", "raw_interface", NEAR);
    config.param("sipcapture", "raw_socket_listen", listen).param("sipcapture", "raw_moni_bpf_on", kernel_filter)
}

#[test]
fn without_a_port_or_with_port_0_monitoring_does_not_start_as_with_the_stock_module() {
    in_network(|_| {
        for listen in ["", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:0-5060"] {
            for module in [Module::Stock, Module::Ours] {
                let file = SqliteFile::new();
                let log = monitoring(ConfigBuilder::capture_node(module, file.url()), listen, 0).refused();
                if module == Module::Ours {
                    let says = ["raw_socket_listen", &format!("{listen:?}"), "needs a port", "1-65535 is every port"];
                    assert!(log.lines().any(|line| says.iter().all(|part| line.contains(part))), "{listen}: {log}");
                }
            }
        }
        for listen in ["192.0.2.1:5061-5060", "192.0.2.1:sip", "192.0.2.1:70000", "example.org:5060", "192.0.2.1:-1"] {
            let file = SqliteFile::new();
            let log = monitoring(ConfigBuilder::capture_node(Module::Ours, file.url()), listen, 0).refused();
            assert!(log.contains("raw_socket_listen") && log.contains(listen), "{listen}: {log}");
        }
    });
}

#[test]
fn a_port_is_that_port_and_a_range_reaches_from_its_first_port_to_its_last() {
    // A message between each port and one that is in no range.
    const FAR: u16 = 40_000;
    const PORTS: [u16; 7] = [1, 5059, 5060, 5061, 5079, 5080, 5081];
    for (listen, wanted) in [
        ("192.0.2.1:5060", vec![5060]),
        ("192.0.2.1:5060-5060", vec![5060]),
        ("192.0.2.1:5060-5080", vec![5060, 5061, 5079, 5080]),
        ("192.0.2.1:1-65535", PORTS.to_vec()),
    ] {
        for kernel_filter in [0, 1] {
            in_network(|network| {
                let node = |module| Node::start(module, |config| monitoring(config, listen, kernel_filter));
                let (stock, ours) = (node(Module::Stock), node(Module::Ours));
                let ways = PORTS.map(|port| [("203.0.113.10", port, FAR), ("203.0.113.11", FAR, port)]);
                let frames = ways.concat().into_iter().map(|(caller, from, to)| {
                    let message = invite(u64::from(from.min(to)));
                    mirrored(&udp(&format!("{caller}:{from}"), &format!("198.51.100.20:{to}"), &message))
                });
                network.send(&frames.collect::<Vec<_>>());
                let rows = [&ours, &stock].map(|node| comparable(&node.await_rows(2 * wanted.len())));
                assert_eq!(rows[0], rows[1], "{listen} {kernel_filter}");
                let seen = ours.call_ids_until(&id(u64::from(wanted[0])));
                let expected: Vec<String> = wanted.iter().flat_map(|port| vec![id(u64::from(*port)); 2]).collect();
                assert_eq!(seen, expected, "{listen}");
            });
        }
    }
}

#[test]
fn an_ipv6_address_is_put_in_brackets_before_its_ports() {
    in_network(|network| {
        let node = Node::start(Module::Ours, |config| monitoring(config, "[2001:db8::1]:5060-5061", 1));
        network.send(&[
            mirrored(&udp("[2001:db8:a::10]:5062", "[2001:db8:b::20]:5063", &invite(1))),
            mirrored(&udp(CALLER6, CALLEE6, &invite(2))),
        ]);
        assert_eq!(node.call_ids_until(&id(2)), [id(2)]);
    });
}
