//! HEP packets built byte by byte, apart from the project's own encoder: a mistake there must not hide itself here.

use std::net::{IpAddr, SocketAddr};

/// IP protocol numbers as capture agents write them.
pub const UDP: u8 = 17;
/// TCP.
pub const TCP: u8 = 6;
/// TLS, as Kamailio and sofia-sip send it.
pub const TLS: u8 = 22;

/// One observed message, ready to be put into a packet of any version.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Where the message came from.
    pub source: SocketAddr,
    /// Where it went; the same family.
    pub destination: SocketAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Capture time, microseconds since the Unix epoch (not in version 1).
    pub time_us: u64,
    /// Capture agent id (not in version 1; 16 bits in version 2).
    pub agent: u32,
    /// Payload type (version 3 only).
    pub payload_type: u8,
    /// Correlation id (version 3 only).
    pub correlation: Option<Vec<u8>>,
    /// The message.
    pub payload: Vec<u8>,
}

impl Observed {
    /// A SIP message over UDP from agent 2001, without a correlation id.
    pub fn sip(source: SocketAddr, destination: SocketAddr, time_us: u64, payload: &[u8]) -> Observed {
        let payload = payload.to_vec();
        let (agent, payload_type, correlation) = (2001, 1, None);
        Observed { source, destination, protocol: UDP, time_us, agent, payload_type, correlation, payload }
    }

    /// The version 1 packet.
    pub fn v1(&self) -> Vec<u8> {
        self.fixed(1)
    }

    /// The version 2 packet, times and agent id in little-endian order as agents on common machines write them.
    pub fn v2(&self) -> Vec<u8> {
        self.fixed(2)
    }

    fn fixed(&self, version: u8) -> Vec<u8> {
        let addresses = [address_bytes(self.source.ip()), address_bytes(self.destination.ip())].concat();
        let header_length = u8::try_from(8 + addresses.len()).expect("40 bytes at most");
        let mut packet = vec![version, header_length, family(self.source.ip()), self.protocol];
        packet.extend(self.source.port().to_be_bytes());
        packet.extend(self.destination.port().to_be_bytes());
        packet.extend(addresses);
        if version == 2 {
            packet.extend(seconds(self.time_us).to_le_bytes());
            packet.extend(micros(self.time_us).to_le_bytes());
            packet.extend(u16::try_from(self.agent).expect("version 2 has 16 bits for the agent").to_le_bytes());
            packet.extend([0, 0]);
        }
        packet.extend(&self.payload);
        packet
    }

    /// The version 3 packet, chunks in the order of Kamailio's own sender.
    pub fn v3(&self) -> Vec<u8> {
        let chunks = Chunks::new().chunk(1, &[family(self.source.ip())]).chunk(2, &[self.protocol]);
        let (first, second) = if self.source.is_ipv4() { (3, 4) } else { (5, 6) };
        let chunks = chunks.chunk(first, &address_bytes(self.source.ip()));
        let chunks = chunks.chunk(second, &address_bytes(self.destination.ip()));
        let chunks =
            chunks.chunk(7, &self.source.port().to_be_bytes()).chunk(8, &self.destination.port().to_be_bytes());
        let chunks = chunks.chunk(9, &seconds(self.time_us).to_be_bytes());
        let chunks = chunks.chunk(10, &micros(self.time_us).to_be_bytes());
        let chunks = chunks.chunk(11, &[self.payload_type]).chunk(12, &self.agent.to_be_bytes());
        let chunks = match &self.correlation {
            Some(id) => chunks.chunk(17, id),
            None => chunks,
        };
        chunks.chunk(15, &self.payload).packet()
    }
}

/// A version 3 packet under construction, for shapes that no [`Observed`] has.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    bytes: Vec<u8>,
}

impl Chunks {
    /// No chunk yet.
    pub fn new() -> Chunks {
        Chunks::default()
    }

    /// Adds a chunk of the generic vendor.
    pub fn chunk(mut self, kind: u16, value: &[u8]) -> Chunks {
        let length = u16::try_from(value.len() + 6).expect("a chunk fits 64 KiB");
        self.bytes.extend([[0, 0], kind.to_be_bytes(), length.to_be_bytes()].concat());
        self.bytes.extend(value);
        self
    }

    /// The packet with its right length.
    pub fn packet(self) -> Vec<u8> {
        let length = u16::try_from(self.bytes.len() + 6).expect("a packet fits 64 KiB");
        [b"HEP3", &length.to_be_bytes()[..], &self.bytes].concat()
    }
}

/// The address family as Linux numbers it, which is what agents on Linux send.
fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn seconds(time_us: u64) -> u32 {
    u32::try_from(time_us / 1_000_000).expect("a time before 2106")
}

fn micros(time_us: u64) -> u32 {
    u32::try_from(time_us % 1_000_000).expect("below a million")
}
