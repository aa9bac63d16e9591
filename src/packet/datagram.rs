//! Finds the UDP datagram inside a packet from a network, by its headers. It keeps no state and does not allocate.

use super::link::{ether_type, ip_behind};
use super::no_datagram::NoDatagram;
use etherparse::{IpNumber, IpPayloadSlice, IpSlice, LaxIpSlice, LenSource, UdpSlice, err::LenError};
use std::net::{IpAddr, SocketAddr};

/// Length in bytes of the shortest payload that is taken for a SIP message. Shorter ones are keep-alives for address
/// translation.
const SHORTEST_MESSAGE: usize = 32;
/// IP protocols that carry whole packets: IP in IP, IPv6 in IP, GRE, ESP, the older IP in IP, EtherIP, L2TP, MPLS in
/// IP.
pub const TUNNELS: [u8; 8] = [4, 41, 47, 50, 94, 97, 115, 137];

/// What the bytes of a captured packet begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// What follows this EtherType: an IP header, or the rest of a VLAN tag and what is tagged, and so on. Below
    /// 0x0600: LLC.
    EtherType(u16),
    /// As [`Start::EtherType`], of a PPPoE session or an MPLS path that ends at this machine. The machine gets the same
    /// IP packet once more without that header.
    Delivered(u16),
    /// A frame of an interface whose link type is unlike Ethernet, and that is not IP.
    ForeignLink,
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

impl From<LenError> for NoDatagram {
    fn from(error: LenError) -> NoDatagram {
        if error.len_source == LenSource::Slice { NoDatagram::Truncated } else { NoDatagram::Malformed }
    }
}

impl<'a> Datagram<'a> {
    /// Reads one packet. What follows behind the lengths that the headers give (an Ethernet frame's padding) is left
    /// out. Check sums are not verified: packets that never left the machine have none.
    ///
    /// # Errors
    /// See [`NoDatagram`].
    pub fn read(start: Start, packet: &'a [u8]) -> Result<Datagram<'a>, NoDatagram> {
        let (ip, datagram) = match start {
            Start::EtherType(number) => ip_with(&[IpNumber::UDP], ip_behind(number, packet)?)?,
            Start::Delivered(ether_type::PPPOE_SESSION) => return Err(NoDatagram::Ppp),
            Start::Delivered(_) => return Err(NoDatagram::Mpls),
            Start::ForeignLink => return Err(NoDatagram::LinkType),
            Start::Ip => ip_with(&[IpNumber::UDP], packet)?,
            Start::Tunnel => {
                let (_, inside) = ip_with(&[IpNumber::IPV4, IpNumber::IPV6], packet)?;
                ip_with(&[IpNumber::UDP], inside)?
            }
        };
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

/// An IP packet that carries one of `wanted`, complete.
fn ip_with<'a>(wanted: &[IpNumber], packet: &'a [u8]) -> Result<(IpSlice<'a>, &'a [u8]), NoDatagram> {
    use etherparse::err::ip::SliceError;
    let ip = IpSlice::from_slice(packet).map_err(|error| match error {
        SliceError::Len(_) if let Some(reason) = beyond_its_length(packet, wanted) => reason,
        SliceError::Len(error) => match (error.into(), LaxIpSlice::from_slice(packet)) {
            // The beginning is enough to recognise what is not wanted.
            (NoDatagram::Truncated, Ok((beginning, None))) => {
                unwanted(beginning.payload().ip_number, wanted).unwrap_or(NoDatagram::Truncated)
            }
            (reason, _) => reason,
        },
        SliceError::IpHeaders(_) => NoDatagram::Malformed,
    })?;
    let IpPayloadSlice { ip_number, fragmented, payload, .. } = *ip.payload();
    match unwanted(ip_number, wanted) {
        Some(reason) => Err(reason),
        None if fragmented => Err(NoDatagram::Fragment),
        None => Ok((ip, payload)),
    }
}

/// Why an IPv4 packet is none that carries one of `wanted`, if it is longer than its length can say: then Linux, which
/// puts such packets together of what a network card has received (BIG TCP), says 0.
fn beyond_its_length(packet: &[u8], wanted: &[IpNumber]) -> Option<NoDatagram> {
    match packet {
        [version, _, 0, 0, _, _, _, _, _, number, ..] if version >> 4 == 4 => unwanted(IpNumber(*number), wanted),
        _ => None,
    }
}

/// Why the payload of an IP packet is none of `wanted`; `None` when it is.
fn unwanted(number: IpNumber, wanted: &[IpNumber]) -> Option<NoDatagram> {
    match number {
        number if wanted.contains(&number) => None,
        number if TUNNELS.contains(&number.0) => Some(NoDatagram::Tunnel),
        _ => Some(NoDatagram::Protocol),
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
