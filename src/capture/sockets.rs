//! The host's sockets that a line of its log could leave from, and their byte form in the trace of a record.
//!
//! ```text
//! size   field                                 (one after the other, as many as there are)
//!  1     transport: 1 UDP, 2 TCP, 3 TLS, 4 SCTP, 5 WebSocket, 6 WebSocket over TLS, 0 any
//!  1     bytes of the address, 4 or 16
//!  2     port, little-endian
//!  4|16  address
//! ```

use super::Transport;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Transports by their numbers.
const TRANSPORTS: [Transport; 7] = [
    Transport::UNKNOWN,
    Transport::Udp,
    Transport::Tcp,
    Transport::Tls,
    Transport::Sctp,
    Transport::Ws,
    Transport::Wss,
];
const FIXED: usize = 4;
/// Bytes of the longest one.
const LONGEST: usize = FIXED + 16;
/// Most that a line has: UDP, TCP, TLS and SCTP over both families.
const MOST: usize = 8;

/// Sockets in their byte form. [`Iterator`] over transport and address; it ends where the bytes make no sense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sockets<'a>(pub &'a [u8]);

impl Sockets<'_> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Iterator for Sockets<'_> {
    type Item = (Transport, SocketAddr);

    fn next(&mut self) -> Option<(Transport, SocketAddr)> {
        let (&[transport, length, low, high], rest) = self.0.split_first_chunk::<FIXED>()?;
        let (address, rest) = rest.split_at_checked(usize::from(length))?;
        let ip: IpAddr = match length {
            4 => Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).into(),
            16 => Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).into(),
            _ => return None,
        };
        self.0 = rest;
        let transport = TRANSPORTS.get(usize::from(transport)).copied().unwrap_or_default();
        Some((transport, SocketAddr::new(ip, u16::from_le_bytes([low, high]))))
    }
}

/// Writes sockets in their byte form, without a heap.
#[derive(Clone, Copy, Debug)]
pub struct SocketList {
    bytes: [u8; MOST * LONGEST],
    length: usize,
}

impl SocketList {
    /// None yet.
    pub fn new() -> SocketList {
        SocketList { bytes: [0; MOST * LONGEST], length: 0 }
    }

    /// Adds a socket; false when there is no room for more.
    pub fn push(&mut self, transport: Transport, address: SocketAddr) -> bool {
        let [low, high] = address.port().to_le_bytes();
        let transport = TRANSPORTS.iter().position(|known| *known == transport).unwrap_or(0) as u8;
        match address.ip() {
            IpAddr::V4(ip) => self.put(&[transport, 4, low, high], &ip.octets()),
            IpAddr::V6(ip) => self.put(&[transport, 16, low, high], &ip.octets()),
        }
    }

    fn put(&mut self, fixed: &[u8; FIXED], ip: &[u8]) -> bool {
        let (middle, end) = (self.length + FIXED, self.length + FIXED + ip.len());
        if end > self.bytes.len() {
            return false;
        }
        self.bytes[self.length..middle].copy_from_slice(fixed);
        self.bytes[middle..end].copy_from_slice(ip);
        self.length = end;
        true
    }

    /// What is written.
    pub fn get(&self) -> Sockets<'_> {
        Sockets(&self.bytes[..self.length])
    }
}

impl Default for SocketList {
    fn default() -> SocketList {
        SocketList::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_read_back_as_they_were_written() {
        let written = [
            (Transport::Udp, "192.0.2.1:5060"),
            (Transport::Tls, "[2001:db8::1]:5061"),
            (Transport::UNKNOWN, "0.0.0.0:65535"),
        ]
        .map(|(transport, address)| (transport, address.parse().unwrap()));
        let mut list = SocketList::new();
        assert!(list.get().is_empty());
        assert!(written.iter().all(|(transport, address)| list.push(*transport, *address)));
        assert_eq!(list.get().collect::<Vec<_>>(), written);
        assert_eq!(list.get().0[..8], [1, 4, 0xc4, 0x13, 192, 0, 2, 1]);
    }

    #[test]
    fn a_full_list_takes_no_more_and_keeps_what_it_has() {
        let address: SocketAddr = "[2001:db8::1]:5060".parse().unwrap();
        let mut list = SocketList::new();
        assert!((0..MOST).all(|_| list.push(Transport::Udp, address)));
        assert!(!list.push(Transport::Udp, "192.0.2.1:5060".parse().unwrap()));
        assert_eq!(list.get().count(), MOST);
    }

    #[test]
    fn what_makes_no_sense_ends_the_sockets() {
        let good = [1, 4, 0xc4, 0x13, 192, 0, 2, 1];
        for bad in [&[1, 4, 0, 0, 1, 2, 3][..], &[1, 5, 0, 0, 1, 2, 3, 4, 5], &[1, 0, 0, 0], &[1]] {
            assert_eq!(Sockets(&[&good, bad].concat()).count(), 1, "{bad:?}");
        }
    }
}
