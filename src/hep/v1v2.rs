//! Decodes versions 1 and 2.
//!
//! ```text
//! offset  bytes   field
//! 0       1       version: 1 or 2
//! 1       1       header length, 16 or 40; not trusted, since sngrep writes another value there
//! 2       1       address family
//! 3       1       IP protocol: 6 TCP, 17 UDP, 22 TLS, 132 SCTP
//! 4       2       source port, big endian
//! 6       2       destination port, big endian
//! 8       4 | 16  source address
//!         4 | 16  destination address
//! version 2 only: a C structure of 12 bytes in the sender's byte order, little endian on every sender seen
//!         4       seconds since the Unix epoch
//!         4       microseconds
//!         2       capture agent id
//!         2       padding, of no meaning
//! then the payload, to the end of the datagram
//! ```

use super::family::{Family, family_of};
use super::{DecodeError, PAYLOAD_SIP, Packet, Payload, Version, time_us};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes in front of the addresses.
pub(super) const FIXED_LENGTH: usize = 8;
/// Bytes of the time structure of version 2.
pub(super) const TIME_LENGTH: usize = 12;

/// A datagram that is read from its front.
struct ByteReader<'a> {
    left: &'a [u8],
    position: usize,
}

impl<'a> ByteReader<'a> {
    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        let Some((taken, left)) = self.left.split_first_chunk::<N>() else {
            return Err(DecodeError::Truncated {
                needed: self.position + N,
                received: self.position + self.left.len(),
            });
        };
        self.left = left;
        self.position += N;
        Ok(taken)
    }
}

/// Decodes a datagram of version 1 or 2.
pub(super) fn decode(datagram: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    let mut reader = ByteReader { left: datagram, position: 0 };
    let &[_, _, family, ip_protocol, source_high, source_low, destination_high, destination_low] =
        reader.take::<FIXED_LENGTH>()?;
    let (source, destination) = match family_of(family).ok_or(DecodeError::UnknownFamily(family))? {
        Family::V4 => {
            (IpAddr::V4(Ipv4Addr::from(*reader.take::<4>()?)), IpAddr::V4(Ipv4Addr::from(*reader.take::<4>()?)))
        }
        Family::V6 => {
            (IpAddr::V6(Ipv6Addr::from(*reader.take::<16>()?)), IpAddr::V6(Ipv6Addr::from(*reader.take::<16>()?)))
        }
    };
    let mut time = None;
    let mut agent_id = None;
    if version == Version::V2 {
        let &[s0, s1, s2, s3, u0, u1, u2, u3, id0, id1, _, _] = reader.take::<TIME_LENGTH>()?;
        time = time_us(u32::from_le_bytes([s0, s1, s2, s3]), u32::from_le_bytes([u0, u1, u2, u3]));
        agent_id = Some(u32::from(u16::from_le_bytes([id0, id1])));
    }
    Ok(Packet {
        version,
        source: SocketAddr::new(source, u16::from_be_bytes([source_high, source_low])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([destination_high, destination_low])),
        ip_protocol,
        payload_type: PAYLOAD_SIP,
        time_us: time,
        agent_id,
        correlation_id: None,
        auth_key: None,
        payload: Payload::Plain(reader.left),
        trailing: 0,
    })
}
