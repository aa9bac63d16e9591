//! A collector of packets, and what the tests see of them.

use crate::common::call::receive;
use sipcapture_core::hep::{self, Payload};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// One packet, addresses under the names of their owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Where the message came from.
    pub from: String,
    /// Where it went.
    pub to: String,
    /// Its first line.
    pub first_line: String,
    /// Method of its CSeq.
    pub method: String,
    /// Version of the packet; 0 for a plain copy.
    pub version: u8,
    /// Payload type.
    pub payload_type: u8,
    /// Capture agent.
    pub agent: Option<u32>,
    /// Correlation id.
    pub correlation: Option<String>,
}

impl Traced {
    /// The message in short: `INVITE`, or `200 INVITE`.
    pub fn what(&self) -> String {
        match self.first_line.strip_prefix("SIP/2.0 ") {
            Some(rest) => format!("{} {}", &rest[..3], self.method),
            None => self.method.clone(),
        }
    }

    /// The message in short, and its way.
    pub fn way(&self) -> String {
        let direction = if self.to == "proxy" { "in" } else { "out" };
        format!("{} {direction}", self.what())
    }
}

/// A UDP socket that packets are sent to.
#[derive(Debug)]
pub struct Collector(UdpSocket);

impl Collector {
    /// On a free port.
    pub fn new() -> Collector {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        Collector(socket)
    }

    /// Its address as a SIP URI.
    pub fn uri(&self) -> String {
        format!("sip:{}", self.0.local_addr().expect("a bound socket"))
    }

    /// Everything that comes before the line that ends the test's traffic, without what that traffic's own end is.
    pub fn until_end(&self, owners: &[(SocketAddr, &str)]) -> Vec<Traced> {
        let mut all = Vec::new();
        loop {
            let one = self.next(owners);
            if one.payload_type == 100 && one.first_line == "the end" {
                return all;
            }
            if one.method != "OPTIONS" {
                all.push(one);
            }
        }
    }

    /// The next packet, or plain copy.
    pub fn next(&self, owners: &[(SocketAddr, &str)]) -> Traced {
        let mut buffer = vec![0; 65_535];
        let (len, _) = receive(&self.0, &mut buffer).expect("a packet comes");
        let named = |address: SocketAddr| {
            owners
                .iter()
                .find(|(known, _)| *known == address)
                .map_or(address.to_string(), |(_, name)| (*name).to_owned())
        };
        let bytes = &buffer[..len];
        if !hep::looks_like_hep(bytes) {
            let nobody = String::new();
            return Traced {
                from: nobody.clone(),
                to: nobody,
                version: 0,
                payload_type: 0,
                agent: None,
                correlation: None,
                ..message(bytes, owners)
            };
        }
        let packet = hep::decode(bytes).expect("the packet is well formed");
        let Payload::Plain(payload) = packet.payload else { panic!("nobody has asked for compression") };
        Traced {
            from: named(packet.source),
            to: named(packet.destination),
            version: packet.version.number(),
            payload_type: packet.payload_type,
            agent: packet.agent_id,
            correlation: packet.correlation_id.map(|id| String::from_utf8_lossy(id).into_owned()),
            ..message(payload, owners)
        }
    }
}

fn message(payload: &[u8], owners: &[(SocketAddr, &str)]) -> Traced {
    let text = String::from_utf8_lossy(payload);
    let first_line = text.lines().next().unwrap_or_default().to_owned();
    let cseq = text.lines().find_map(|line| line.strip_prefix("CSeq: "));
    Traced {
        from: String::new(),
        to: String::new(),
        first_line: owners.iter().fold(first_line, |line, (known, name)| line.replace(&known.to_string(), name)),
        method: cseq.and_then(|cseq| cseq.split(' ').nth(1)).unwrap_or_default().to_owned(),
        version: 0,
        payload_type: 0,
        agent: None,
        correlation: None,
    }
}
