//! From a packet as a network carries it to the UDP datagram inside, by headers alone: no state, no allocation.

use etherparse::{EtherType, IpNumber, IpPayloadSlice, IpSlice, LenSource, SingleVlanSlice, UdpSlice, err::LenError};
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// VLAN tags that a frame may carry one inside the other: a provider's and a customer's, and some to spare.
const DEEPEST_VLAN: usize = 4;
/// Bytes of the shortest payload that is taken for a SIP message; what is shorter keeps an address translation open.
const SHORTEST_MESSAGE: usize = 32;

/// What the bytes of a captured packet begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// What follows this EtherType: an IP header, or the rest of a VLAN tag and what is tagged.
    EtherType(u16),
    /// An IP header, version 4 or 6.
    Ip,
    /// The IP header of a tunnel that carries an IP packet (IP protocol 4 or 41).
    Tunnel,
}

/// A UDP datagram with its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Address and port that it came from.
    pub source: SocketAddr,
    /// Address and port that it went to; of the same family.
    pub destination: SocketAddr,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Why a packet holds no datagram that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoDatagram {
    /// It carries something else than UDP over IP.
    #[error("no UDP over IP")]
    Other,
    /// It is one fragment of a UDP datagram.
    #[error("a fragment of a datagram")]
    Fragment,
    /// It ends before its headers say so.
    #[error("cut short")]
    Truncated,
    /// Its headers contradict one another.
    #[error("headers that contradict one another")]
    Malformed,
}

impl From<LenError> for NoDatagram {
    fn from(error: LenError) -> NoDatagram {
        if error.len_source == LenSource::Slice { NoDatagram::Truncated } else { NoDatagram::Malformed }
    }
}

impl<'a> Datagram<'a> {
    /// Reads one packet. What follows behind the lengths that the headers give (an Ethernet frame's padding) is left out. Check sums
    /// are not looked at: for packets that never left the machine nobody has made them.
    ///
    /// # Errors
    /// See [`NoDatagram`].
    pub fn read(start: Start, packet: &'a [u8]) -> Result<Datagram<'a>, NoDatagram> {
        let ip = match start {
            Start::EtherType(number) => read_ip(untagged(EtherType(number), packet)?)?,
            Start::Ip => read_ip(packet)?,
            Start::Tunnel => {
                let tunnel = read_ip(packet)?;
                let inside = whole(tunnel.payload(), &[IpNumber::IPV4, IpNumber::IPV6])?;
                read_ip(inside)?
            }
        };
        let datagram = whole(ip.payload(), &[IpNumber::UDP])?;
        // Inside a complete IP packet a length that does not fit is a contradiction.
        let udp = UdpSlice::from_slice(datagram).map_err(|_| NoDatagram::Malformed)?;
        if udp.length() == 0 {
            return Err(NoDatagram::Malformed);
        }
        let endpoint = |ip: IpAddr, port| SocketAddr::new(ip, port);
        Ok(Datagram {
            source: endpoint(ip.source_addr(), udp.source_port()),
            destination: endpoint(ip.destination_addr(), udp.destination_port()),
            payload: udp.payload(),
        })
    }

    /// Whether this can be a SIP message: at least 32 bytes, of which the first is an ASCII letter or digit.
    pub fn may_be_sip(&self) -> bool {
        self.payload.len() >= SHORTEST_MESSAGE && self.payload[0].is_ascii_alphanumeric()
    }
}

/// What is inside all VLAN tags, if that is IP.
fn untagged(mut ether_type: EtherType, mut rest: &[u8]) -> Result<&[u8], NoDatagram> {
    for _ in 0..=DEEPEST_VLAN {
        match ether_type {
            EtherType::IPV4 | EtherType::IPV6 => return Ok(rest),
            EtherType::VLAN_TAGGED_FRAME | EtherType::PROVIDER_BRIDGING | EtherType::VLAN_DOUBLE_TAGGED_FRAME => {
                let tag = SingleVlanSlice::from_slice(rest)?;
                ether_type = tag.ether_type();
                rest = tag.payload_slice();
            }
            _ => return Err(NoDatagram::Other),
        }
    }
    Err(NoDatagram::Malformed)
}

fn read_ip(packet: &[u8]) -> Result<IpSlice<'_>, NoDatagram> {
    use etherparse::err::ip::SliceError;
    IpSlice::from_slice(packet).map_err(|error| match error {
        SliceError::Len(error) => error.into(),
        SliceError::IpHeaders(_) => NoDatagram::Malformed,
    })
}

/// The payload of an IP packet that carries one of `wanted`, and all of it.
fn whole<'a>(payload: &IpPayloadSlice<'a>, wanted: &[IpNumber]) -> Result<&'a [u8], NoDatagram> {
    match payload {
        payload if !wanted.contains(&payload.ip_number) => Err(NoDatagram::Other),
        payload if payload.fragmented => Err(NoDatagram::Fragment),
        payload => Ok(payload.payload),
    }
}

/// Ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest; not below `first`.
    pub last: u16,
}

impl PortRange {
    /// Whether a datagram came from or went to one of these ports.
    pub fn takes(&self, datagram: &Datagram<'_>) -> bool {
        let ports = self.first..=self.last;
        ports.contains(&datagram.source.port()) || ports.contains(&datagram.destination.port())
    }
}

#[cfg(test)]
mod tests;
