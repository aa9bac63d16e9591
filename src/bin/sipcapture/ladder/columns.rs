//! Which hosts a flow has, and between which of them each message goes.
//!
//! A host is an IP address. An address gets a column for each of its ports only when one column would hide what
//! happened, which is when
//!
//! - a message goes from one of its ports to another (everything on one machine, a proxy beside its PBX), or
//! - it sends a request that opens a dialog from one port and is later sent one at another (caller and callee behind
//!   one NAT). A proxy with two ports does it the other way round and stays one column.
//!
//! The port from which a TCP, TLS or WebSocket connection was opened means nothing and changes with every connection:
//! it stands for the address that its owner names in Via, and where that is the same IP address it is drawn as the port
//! in Via.

use crate::message::{Endpoint, Message};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Default port of SIP, meant by a Via that names none.
const SIP_PORT: u16 = 5060;
/// Ports of one host that are listed at its head.
const PORTS_SHOWN: usize = 2;

/// A host of the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowHost {
    /// IP address, without brackets.
    pub ip: String,
    /// Its ports in this flow.
    pub ports: Vec<u16>,
}

impl FlowHost {
    /// The line under the address: `:5060`, `:5060 :5061`, `:5060 +3`.
    pub fn ports_text(&self) -> String {
        match self.ports.len() {
            0 => String::new(),
            count if count <= PORTS_SHOWN => self.ports.iter().map(|port| format!(":{port} ")).collect(),
            count => format!(":{} +{}", self.ports[0], count - 1),
        }
        .trim_end()
        .to_owned()
    }
}

/// The hosts of a flow, in the order in which they first take part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The hosts.
    pub hosts: Vec<FlowHost>,
    /// For each message, the indexes of the hosts that it goes from and to.
    pub ends: Vec<(usize, usize)>,
}

impl Columns {
    /// Arranges the hosts of `messages`, which come by time.
    pub fn of(messages: &[Message]) -> Columns {
        let aliases = Aliases::of(messages);
        let split = split_addresses(messages, &aliases);
        let mut columns = Columns::default();
        let mut ports: Vec<BTreeSet<u16>> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for message in messages {
            let mut column = |endpoint: &Endpoint| {
                let key = if split.contains(&endpoint.ip) { aliases.name(endpoint) } else { endpoint.ip.clone() };
                let index = *known.entry(key).or_insert_with(|| {
                    columns.hosts.push(FlowHost { ip: endpoint.ip.clone(), ports: Vec::new() });
                    ports.push(BTreeSet::new());
                    columns.hosts.len() - 1
                });
                ports[index].insert(aliases.port(endpoint));
                index
            };
            let ends = (column(&message.source), column(&message.destination));
            columns.ends.push(ends);
        }
        for (host, ports) in columns.hosts.iter_mut().zip(ports) {
            host.ports = ports.into_iter().collect();
        }
        columns
    }
}

/// The addresses that both ends of connections give for themselves in Via.
struct Aliases(HashMap<Endpoint, SentBy>);

/// The address in a Via.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SentBy {
    host: String,
    port: u16,
}

impl Aliases {
    /// The sender of a request wrote its first Via; a reply goes to whoever wrote it.
    fn of(messages: &[Message]) -> Aliases {
        let mut aliases = HashMap::new();
        for message in messages.iter().filter(|message| message.over_connection()) {
            let author = if message.request().is_some() { &message.source } else { &message.destination };
            if let Some(sent_by) = sent_by(&message.via) {
                aliases.entry(author.clone()).or_insert(sent_by);
            }
        }
        Aliases(aliases)
    }

    /// What tells this end from the other ends at its address.
    fn name(&self, endpoint: &Endpoint) -> String {
        match self.0.get(endpoint) {
            Some(sent_by) => format!("{} {} {}", endpoint.ip, sent_by.host, sent_by.port),
            None => format!("{} {} {}", endpoint.ip, endpoint.ip, endpoint.port),
        }
    }

    /// The port to show for this end.
    fn port(&self, endpoint: &Endpoint) -> u16 {
        match self.0.get(endpoint) {
            Some(sent_by) if sent_by.host == endpoint.ip => sent_by.port,
            _ => endpoint.port,
        }
    }
}

/// Reads `host[:port]` from `SIP/2.0/TCP host:port;branch=...`.
fn sent_by(via: &str) -> Option<SentBy> {
    let (_, rest) = via.trim_start().split_once([' ', '\t'])?;
    let address = rest.trim_start().split([';', ',', ' ', '\t']).next().filter(|address| !address.is_empty())?;
    let (host, port) = match address.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = port.map_or(Some(SIP_PORT), |port| port.parse().ok())?;
    Some(SentBy { host: host.to_ascii_lowercase(), port })
}

/// The addresses of which each port is a host of its own.
fn split_addresses(messages: &[Message], aliases: &Aliases) -> HashSet<String> {
    let mut split = HashSet::new();
    let mut opened_from: HashMap<&str, HashSet<String>> = HashMap::new();
    for message in messages {
        let (source, destination) = (&message.source, &message.destination);
        let (from, to) = (aliases.name(source), aliases.name(destination));
        if source.ip == destination.ip && from != to {
            split.insert(source.ip.clone());
        }
        if message.is_initial() {
            if opened_from.get(destination.ip.as_str()).is_some_and(|ends| !ends.contains(&to)) {
                split.insert(destination.ip.clone());
            }
            opened_from.entry(&source.ip).or_default().insert(from);
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{reply, request};

    fn heads(columns: &Columns) -> Vec<String> {
        columns.hosts.iter().map(|host| format!("{} {}", host.ip, host.ports_text())).collect()
    }

    fn invite(source: &str, destination: &str) -> Message {
        request(0, "INVITE", "1 INVITE").between(source, destination)
    }

    #[test]
    fn hosts_come_in_the_order_in_which_they_take_part() {
        let columns = Columns::of(&[
            invite("10.0.0.9:5060", "10.0.0.5:5060"),
            invite("10.0.0.5:5060", "10.0.0.1:5060"),
            reply(1, "180 Ringing", "1 INVITE").between("10.0.0.1:5060", "10.0.0.5:5060"),
        ]);
        assert_eq!(heads(&columns), ["10.0.0.9 :5060", "10.0.0.5 :5060", "10.0.0.1 :5060"]);
        assert_eq!(columns.ends, [(0, 1), (1, 2), (2, 1)]);
    }

    #[test]
    fn a_proxy_with_two_ports_is_one_host() {
        let columns =
            Columns::of(&[invite("10.0.0.9:5060", "10.0.0.5:5060"), invite("10.0.0.5:5080", "10.0.0.1:5060")]);
        assert_eq!(heads(&columns), ["10.0.0.9 :5060", "10.0.0.5 :5060 :5080", "10.0.0.1 :5060"]);
    }

    #[test]
    fn everything_on_one_machine_is_told_apart_by_ports() {
        let columns =
            Columns::of(&[invite("127.0.0.1:5061", "127.0.0.1:5060"), invite("127.0.0.1:5060", "127.0.0.1:5070")]);
        assert_eq!(heads(&columns), ["127.0.0.1 :5061", "127.0.0.1 :5060", "127.0.0.1 :5070"]);
        assert_eq!(columns.ends, [(0, 1), (1, 2)]);
    }

    #[test]
    fn caller_and_callee_behind_one_nat_are_two_hosts() {
        let columns =
            Columns::of(&[invite("203.0.113.9:40001", "10.0.0.5:5060"), invite("10.0.0.5:5060", "203.0.113.9:40002")]);
        assert_eq!(heads(&columns), ["203.0.113.9 :40001", "10.0.0.5 :5060", "203.0.113.9 :40002"]);
    }

    #[test]
    fn a_client_that_connects_again_and_again_is_one_host() {
        let client = |port: u16| {
            let source = format!("127.0.0.1:{port}");
            invite(&source, "127.0.0.1:5060").over_tcp("127.0.0.1:5061")
        };
        let columns = Columns::of(&[
            client(40_001),
            client(40_002),
            invite("127.0.0.1:5060", "127.0.0.1:5061").over_tcp("127.0.0.1:5060"),
            invite("127.0.0.1:45000", "127.0.0.1:5070").over_tcp("127.0.0.1"),
        ]);
        assert_eq!(heads(&columns), ["127.0.0.1 :5061", "127.0.0.1 :5060", "127.0.0.1 :5070"]);
        assert_eq!(columns.ends, [(0, 1), (0, 1), (1, 0), (1, 2)]);
    }

    #[test]
    fn a_via_that_names_no_port_means_5060() {
        let read = |via| sent_by(via).map(|sent_by| (sent_by.host, sent_by.port));
        assert_eq!(read("SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK"), Some(("10.0.0.1".into(), 5060)));
        assert_eq!(read("SIP/2.0/TLS  [2001:DB8::1]:5071;rport"), Some(("2001:db8::1".into(), 5071)));
        assert_eq!(read("SIP/2.0/WSS df7jal23ls0d.invalid;branch=x"), Some(("df7jal23ls0d.invalid".into(), 5060)));
        assert_eq!(read("SIP/2.0/UDP"), None);
        assert_eq!(read("SIP/2.0/UDP host:port"), None);
    }

    #[test]
    fn many_ports_of_one_host_are_counted() {
        let host = FlowHost { ip: "10.0.0.1".into(), ports: vec![5060, 5061, 5062, 5063] };
        assert_eq!(host.ports_text(), ":5060 +3");
    }
}
