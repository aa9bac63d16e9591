//! What stops the start, and with which words.

use super::frames::{CALLEE, CALLER, id, invite, mirrored, udp};
use super::{Node, PATIENCE};
use crate::common::kamailio::{ConfigBuilder, Module, Param};
use crate::common::network::{NEAR, in_network};
use crate::common::rows::SqliteFile;
use crate::common::wait::within;
use std::fs::metadata;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

/// The user that owns nothing.
const NOBODY: u32 = 65_534;

fn refused(parameters: &[(&str, Param)]) -> String {
    let file = SqliteFile::new();
    let config = ConfigBuilder::capture_node(Module::Ours, file.url());
    parameters.iter().fold(config, |config, (name, value)| config.set(name, value.clone())).refused()
}

fn says(log: &str, parts: &[&str]) {
    let says = |line: &&str| line.contains("ERROR") && parts.iter().all(|part| line.contains(part));
    assert!(log.lines().any(|line| says(&line)), "no error says {parts:?}:\n{log}");
}

#[test]
fn parameters_that_do_not_go_together_stop_the_start() {
    let on = Param::Number(1);
    let listen = |text: &str| ("raw_socket_listen", Param::from(text));
    let moni = ("raw_moni_capture_on", on.clone());
    let ipip = ("raw_ipip_capture_on", on.clone());
    let log = refused(&[moni.clone(), ipip.clone(), listen("127.0.0.1:5060")]);
    says(&log, &["raw_ipip_capture_on", "raw_moni_capture_on", "only one"]);
    says(&refused(&[moni.clone(), listen("127.0.0.1")]), &["raw_socket_listen", "127.0.0.1", "needs a port"]);
    says(&refused(std::slice::from_ref(&moni)), &["raw_socket_listen", "needs a port"]);
    let log = refused(&[moni.clone(), listen("127.0.0.1:5060"), ("promiscuous_on", on.clone())]);
    says(&log, &["promiscuous_on", "\"1\"", "raw_interface"]);
    let log = refused(&[ipip.clone(), listen("localhost:5060")]);
    says(&log, &["raw_socket_listen", "localhost:5060", "IP:port-port"]);
    says(&refused(&[("raw_sock_children", Param::Number(0))]), &["raw_sock_children", "\"0\"", "1 to 64"]);
}

#[test]
fn an_interface_or_an_address_that_is_not_there_stops_the_start() {
    in_network(|_| {
        let on = Param::Number(1);
        for switch in ["raw_moni_capture_on", "raw_ipip_capture_on"] {
            let listen = ("raw_socket_listen", Param::from("127.0.0.1:5060"));
            let log = refused(&[(switch, on.clone()), listen, ("raw_interface", Param::from("nosuch0"))]);
            says(&log, &["raw_interface", "nosuch0", "No such device", "ip link"]);
        }
        let log = refused(&[("raw_ipip_capture_on", on), ("raw_socket_listen", Param::from("203.0.113.1"))]);
        says(&log, &["raw_socket_listen", "203.0.113.1", "ip address"]);
    });
}

#[test]
fn without_the_privilege_the_start_is_stopped_with_a_hint() {
    in_network(|_| {
        // What a process may not have, root among its children has not either.
        rustix::thread::remove_capability_from_bounding_set(rustix::thread::CapabilitySet::NET_RAW)
            .expect("root may give up a capability");
        for (switch, listen) in [("raw_moni_capture_on", "127.0.0.1:5060"), ("raw_ipip_capture_on", "127.0.0.1")] {
            let log = refused(&[(switch, Param::Number(1)), ("raw_socket_listen", Param::from(listen))]);
            says(&log, &[switch, "Operation not permitted", "root", "CAP_NET_RAW"]);
        }
    });
}

#[test]
fn with_both_switches_off_the_other_parameters_mean_nothing() {
    let node = Node::start(Module::Ours, |config| {
        let config = config.param("sipcapture", "raw_socket_listen", "nonsense");
        config.param("sipcapture", "promiscuous_on", 1).param("sipcapture", "raw_sock_children", 7)
    });
    // Readers are started behind the writer.
    within(PATIENCE, "the writer runs", || node.server.processes().iter().any(|(_, what)| what == "sipcapture writer"));
    assert_eq!(node.await_readers(0), [0; 0]);
}

#[test]
fn the_kernels_filter_has_no_meaning_for_tunnels_and_that_is_said() {
    in_network(|_| {
        let node = Node::start(Module::Ours, |config| {
            let config = config.param("sipcapture", "raw_ipip_capture_on", 1);
            config.param("sipcapture", "raw_moni_bpf_on", 1)
        });
        assert!(node.server.log().contains("raw_moni_bpf_on has no meaning with raw_ipip_capture_on"));
    });
}

#[test]
fn sockets_are_opened_before_the_server_gives_up_its_privileges() {
    in_network(|network| {
        let file = SqliteFile::new();
        let path = Path::new(file.url().trim_start_matches("sqlite://"));
        chown(path.parent().expect("a directory"), Some(NOBODY), None).expect("root may give its directory away");
        let server = ConfigBuilder::capture_node(Module::Ours, file.url())
            .run_as(NOBODY)
            .param("sipcapture", "raw_moni_capture_on", 1)
            .param("sipcapture", "raw_socket_listen", "192.0.2.1:5060")
            .param("sipcapture", "raw_interface", NEAR)
            .param("sipcapture", "promiscuous_on", 1)
            .start();
        let node = Node { server, file, _open: None };
        let reader = node.await_readers(1)[0];
        assert_eq!(metadata(format!("/proc/{reader}")).expect("the reader is there").uid(), NOBODY);
        network.send(&[mirrored(&udp(CALLER, CALLEE, &invite(1)))]);
        assert_eq!(node.call_ids_until(&id(1)), [id(1)]);
    });
}
