//! The names that are known, and until when: see [`super`] for the rules. Lives in memory that all processes of the
//! server share, so everything here is a plain number, and all zero is a table without a name.

use crate::capture::Transport;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Names that are known at a time.
pub const MOST_NAMES: usize = 64;
/// Time after which a name that was found is looked up again.
const KEPT: Duration = Duration::from_secs(30);
/// Time after which a name that was not found is looked up again.
const KEPT_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Time after which a name that nobody uses is not looked up any more.
const UNUSED: Duration = Duration::from_secs(600);
/// Longest name, bytes: that of DNS, with the dot at its end.
pub(super) const LONGEST_NAME: usize = 254;

/// Transports by their numbers in a [`KnownName`], from 1; 0 for none.
const TRANSPORTS: [Transport; 6] =
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Sctp, Transport::Ws, Transport::Wss];

fn number_of(transport: Transport) -> u8 {
    TRANSPORTS.iter().zip(1..).find(|(known, _)| **known == transport).map_or(0, |(_, number)| number)
}

fn transport_of(number: u8) -> Transport {
    TRANSPORTS
        .iter()
        .zip(1..)
        .find(|(_, known)| *known == number)
        .map_or(Transport::UNKNOWN, |(transport, _)| *transport)
}

/// What is looked up: a name, and the port and transport that it is asked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameQuery<'a> {
    pub name: &'a str,
    /// 0: the answer tells.
    pub port: u16,
    /// [`Transport::UNKNOWN`]: the answer tells.
    pub transport: Transport,
}

/// A name, and what was found. One without a name is a free place.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct KnownName {
    /// Milliseconds of the monotonic clock when it was used last.
    used_ms: u64,
    /// Of all uses of names, the number of the last one.
    turn: u64,
    /// Milliseconds of the monotonic clock when it was looked up last; 0: never.
    tried_ms: u64,
    name: [u8; LONGEST_NAME],
    name_length: u16,
    port: u16,
    transport: u8,
    /// Whether the last look-up failed: 0 or 1.
    has_failed: u8,
    found_transport: u8,
    /// Bytes of `found_ip` in use: 4, 16, or 0 for no address. One from before stays while look-ups fail.
    found_length: u8,
    found_port: u16,
    found_ip: [u8; 16],
}

/// The names.
#[derive(Debug)]
#[repr(C)]
pub(super) struct NameTable {
    /// Uses of names so far.
    turns: u64,
    names: [KnownName; MOST_NAMES],
}

impl KnownName {
    const FREE: KnownName = KnownName {
        used_ms: 0,
        turn: 0,
        tried_ms: 0,
        name: [0; LONGEST_NAME],
        name_length: 0,
        port: 0,
        transport: 0,
        has_failed: 0,
        found_transport: 0,
        found_length: 0,
        found_port: 0,
        found_ip: [0; 16],
    };

    fn name(&self) -> &[u8] {
        self.name.get(..self.name_length.into()).unwrap_or_default()
    }

    fn is(&self, query: &NameQuery<'_>) -> bool {
        self.port == query.port && self.transport == number_of(query.transport) && self.name() == query.name.as_bytes()
    }

    /// Whether it is yet to be looked up for the first time.
    pub fn is_awaited(&self) -> bool {
        self.name_length > 0 && self.tried_ms == 0
    }

    /// The address that was found, and by which transport.
    pub fn found(&self) -> Option<(SocketAddr, Transport)> {
        let ip = match self.found_length {
            4 => IpAddr::V4(Ipv4Addr::from_octets(*self.found_ip.first_chunk()?)),
            16 => IpAddr::V6(Ipv6Addr::from_octets(self.found_ip)),
            _ => return None,
        };
        Some((SocketAddr::new(ip, self.found_port), transport_of(self.found_transport)))
    }

    /// What is to be looked up for it.
    pub fn query(&self) -> NameQuery<'_> {
        NameQuery {
            name: std::str::from_utf8(self.name()).unwrap_or_default(),
            port: self.port,
            transport: transport_of(self.transport),
        }
    }

    /// Whether the last look-up failed.
    pub fn has_failed(&self) -> bool {
        self.has_failed != 0
    }

    fn is_due(&self, now_ms: u64) -> bool {
        let kept = if self.has_failed() { KEPT_AFTER_FAILURE } else { KEPT };
        let has_passed = |since: u64, time: Duration| now_ms.saturating_sub(since) >= time.as_millis() as u64;
        self.name_length > 0
            && !has_passed(self.used_ms, UNUSED)
            && (self.tried_ms == 0 || has_passed(self.tried_ms, kept))
    }
}

impl NameTable {
    /// A table without a name.
    #[cfg(test)]
    pub const EMPTY: NameTable = NameTable { turns: 0, names: [KnownName::FREE; MOST_NAMES] };

    /// What stands in a place.
    #[cfg(test)]
    pub fn place(&self, index: usize) -> KnownName {
        self.names[index]
    }

    /// Forgets all names.
    pub fn clear(&mut self) {
        self.names = [KnownName::FREE; MOST_NAMES];
    }

    /// What is known of a name that is used now, be it nothing yet. One without a place gets that of the name that was
    /// used longest ago, of a name that has been looked up if there is one.
    pub fn use_name(&mut self, query: &NameQuery<'_>, now_ms: u64) -> &KnownName {
        let index = self.position(query).unwrap_or_else(|| self.claim(self.most_dispensable(), query));
        self.touch(index, now_ms)
    }

    /// The same for a name that a message waits for; `None` when it has no place, and could get none but that of
    /// another name that is yet to be looked up.
    pub fn await_name(&mut self, query: &NameQuery<'_>, now_ms: u64) -> Option<&KnownName> {
        let index = match self.position(query) {
            Some(index) => index,
            None => {
                let place = self.most_dispensable();
                if self.names[place].is_awaited() {
                    return None;
                }
                self.claim(place, query)
            }
        };
        Some(self.touch(index, now_ms))
    }

    /// The first name from place `first` on that is to be looked up now, with its place.
    pub fn due(&self, first: usize, now_ms: u64) -> Option<(usize, KnownName)> {
        let mut names = self.names.iter().enumerate().skip(first);
        names.find(|(_, known)| known.is_due(now_ms)).map(|(index, known)| (index, *known))
    }

    /// Takes what the look-up of `asked`, which was in place `index`, has found (without a transport: by the one that
    /// was asked for), unless another name has got that place meanwhile.
    pub fn answer(&mut self, index: usize, asked: &KnownName, found: Option<(SocketAddr, Transport)>, now_ms: u64) {
        let Some(known) = self.names.get_mut(index).filter(|known| known.is(&asked.query())) else { return };
        known.tried_ms = now_ms.max(1);
        known.has_failed = found.is_none().into();
        let Some((address, transport)) = found else { return };
        known.found_port = address.port();
        known.found_transport = if transport == Transport::UNKNOWN { known.transport } else { number_of(transport) };
        known.found_ip = [0; 16];
        known.found_length = match address.ip() {
            IpAddr::V4(ip) => {
                known.found_ip[..4].copy_from_slice(&ip.octets());
                4
            }
            IpAddr::V6(ip) => {
                known.found_ip = ip.octets();
                16
            }
        };
    }

    fn position(&self, query: &NameQuery<'_>) -> Option<usize> {
        self.names.iter().position(|known| known.is(query))
    }

    /// The place that makes room first: a free one, then that of the name that was used longest ago, and last those
    /// that are awaited.
    fn most_dispensable(&self) -> usize {
        let rank = |known: &KnownName| (known.is_awaited(), known.turn);
        let places = self.names.iter().enumerate().min_by_key(|(_, known)| rank(known));
        places.map_or(0, |(index, _)| index)
    }

    fn claim(&mut self, index: usize, query: &NameQuery<'_>) -> usize {
        let place = &mut self.names[index];
        *place = KnownName { port: query.port, transport: number_of(query.transport), ..KnownName::FREE };
        // `ForwardEndpoint` has no longer ones; a cut one is not found by its name, and does no harm.
        let name = query.name.as_bytes();
        let length = name.len().min(LONGEST_NAME);
        place.name[..length].copy_from_slice(&name[..length]);
        place.name_length = length as u16;
        index
    }

    fn touch(&mut self, index: usize, now_ms: u64) -> &KnownName {
        self.turns += 1;
        let known = &mut self.names[index];
        known.used_ms = now_ms;
        known.turn = self.turns;
        known
    }
}
