//! The ends of a message's way: as the host knows them, and as rows and packets show them, `proto:ip:port`.
//!
//! The texts are those of the stock module, which does not write IPv6 addresses in one way: without brackets where it
//! has put the text together from an address (`udp:2001:db8::1:5060`), with brackets where the host has, as for its own
//! sockets.

use super::tracer::Tracer;
use crate::capture::Transport;
use crate::module::host_facts::Ipv6Style;
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Longest text, bytes; the stock module has no room for more.
const LONGEST: usize = 59;
/// What stands for an end that is not known, or has no text that is short enough.
pub const NOWHERE: &[u8] = b"any:255.255.255.255:5060";

/// One end of a message's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceEndpoint<'a> {
    /// Not known.
    #[default]
    Unknown,
    /// An address, of another host or of one of our own sockets.
    Address {
        /// What carries the message.
        transport: Transport,
        /// Address and port.
        address: SocketAddr,
        /// Whether the host listens there.
        is_socket: bool,
    },
    /// A socket of the host that is advertised by a name.
    Named {
        /// What carries the message.
        transport: Transport,
        /// A host name, or an address as the operator has written it.
        name: &'a [u8],
        /// Its port.
        port: u16,
    },
    /// What a script has written.
    Text(&'a [u8]),
}

/// An IP address as the host writes it.
struct ShownEndpoint(IpAddr, Ipv6Style);

impl fmt::Display for ShownEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IpAddr::V6(address) = self.0 else { return self.0.fmt(f) };
        let segments = address.segments();
        match self.1 {
            Ipv6Style::Short => match segments {
                // inet_ntop writes these with dots, and so does the host.
                [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
                    let [.., a, b, c, d] = address.octets();
                    write!(f, "::{}", Ipv4Addr::new(a, b, c, d))
                }
                _ => address.fmt(f),
            },
            Ipv6Style::Lower | Ipv6Style::Upper => {
                for (index, segment) in segments.into_iter().enumerate() {
                    let colon = if index > 0 { ":" } else { "" };
                    match self.1 {
                        Ipv6Style::Upper => write!(f, "{colon}{segment:X}")?,
                        _ => write!(f, "{colon}{segment:x}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// The name of a transport in such texts, and its number in Kamailio's core; what is not known is shown as UDP.
pub fn name_and_number(transport: Transport) -> (&'static str, u8) {
    match transport {
        Transport::Udp | Transport::Other(_) => ("udp", 1),
        Transport::Tcp => ("tcp", 2),
        Transport::Tls => ("tls", 3),
        Transport::Sctp => ("sctp", 4),
        Transport::Ws => ("ws", 5),
        Transport::Wss => ("wss", 6),
    }
}

/// Whether IPv6 addresses of a message stand in brackets: where the host has written them, which it does for its own
/// traffic and for what it is about to send.
pub fn has_brackets(tracer: Tracer, is_outgoing: bool) -> bool {
    match tracer {
        Tracer::Core => true,
        Tracer::Script => is_outgoing,
        Tracer::Follow | Tracer::Log | Tracer::Text => false,
    }
}

/// Room for a text.
#[derive(Clone, Copy, Debug)]
pub struct TextRoom {
    bytes: [u8; LONGEST],
    length: usize,
}

impl TextRoom {
    /// Empty.
    pub fn new() -> TextRoom {
        TextRoom { bytes: [0; LONGEST], length: 0 }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Write for TextRoom {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).ok_or(fmt::Error)
    }
}

impl TextRoom {
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.bytes.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }
}

impl<'a> TraceEndpoint<'a> {
    /// Its text, `proto:ip:port`, written into `room` unless it is there already.
    pub fn text<'r>(&self, brackets: bool, style: Ipv6Style, room: &'r mut TextRoom) -> &'r [u8]
    where
        'a: 'r,
    {
        room.length = 0;
        let written = match *self {
            TraceEndpoint::Unknown => None,
            TraceEndpoint::Text(text) => return text,
            TraceEndpoint::Address { transport, address, is_socket } => {
                let (ip, port) = (ShownEndpoint(address.ip(), style), address.port());
                let (transport, _) = name_and_number(transport);
                if address.is_ipv6() && (brackets || is_socket) {
                    write!(room, "{transport}:[{ip}]:{port}").ok()
                } else {
                    write!(room, "{transport}:{ip}:{port}").ok()
                }
            }
            TraceEndpoint::Named { name: b"", .. } => None,
            TraceEndpoint::Named { transport, name, port } => write!(room, "{}:", name_and_number(transport).0)
                .ok()
                .and_then(|()| room.push(name))
                .and_then(|()| write!(room, ":{port}").ok()),
        };
        if written.is_some() { room.text() } else { NOWHERE }
    }

    /// What carries the message; `None` when that is not known, or stands in a text.
    pub fn transport(&self) -> Option<Transport> {
        match *self {
            TraceEndpoint::Address { transport, .. } | TraceEndpoint::Named { transport, .. } => Some(transport),
            TraceEndpoint::Unknown | TraceEndpoint::Text(_) => None,
        }
    }

    /// Its port; likewise.
    pub fn port(&self) -> Option<u16> {
        match *self {
            TraceEndpoint::Address { address, .. } => Some(address.port()),
            TraceEndpoint::Named { port, .. } => Some(port),
            TraceEndpoint::Unknown | TraceEndpoint::Text(_) => None,
        }
    }

    /// Its host into `out`, an IPv6 address in brackets when `brackets` asks for them; false when it is not known.
    pub fn write_host(&self, brackets: bool, style: Ipv6Style, out: &mut Vec<u8>) -> bool {
        out.clear();
        match *self {
            TraceEndpoint::Address { address, .. } => {
                let shown = ShownEndpoint(address.ip(), style);
                let text = if brackets && address.is_ipv6() { format!("[{shown}]") } else { shown.to_string() };
                out.extend_from_slice(text.as_bytes());
            }
            TraceEndpoint::Named { name, .. } => {
                let bare = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]"));
                out.extend_from_slice(bare.filter(|_| !brackets).unwrap_or(name));
            }
            TraceEndpoint::Unknown | TraceEndpoint::Text(_) => return false,
        }
        true
    }

    /// Where this end is a listen socket, the address of it.
    pub fn socket(&self) -> Option<(Transport, SocketAddr)> {
        match *self {
            TraceEndpoint::Address { transport, address, .. } => Some((transport, address)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(transport: Transport, address: &str, is_socket: bool) -> TraceEndpoint<'static> {
        TraceEndpoint::Address { transport, address: address.parse().unwrap(), is_socket }
    }

    fn shown(endpoint: &TraceEndpoint<'_>, brackets: bool, style: Ipv6Style) -> String {
        String::from_utf8(endpoint.text(brackets, style, &mut TextRoom::new()).to_vec()).unwrap()
    }

    #[test]
    fn an_end_is_written_as_transport_address_and_port() {
        for (transport, name) in [
            (Transport::UNKNOWN, "udp"),
            (Transport::Udp, "udp"),
            (Transport::Tcp, "tcp"),
            (Transport::Tls, "tls"),
            (Transport::Sctp, "sctp"),
            (Transport::Ws, "ws"),
            (Transport::Wss, "wss"),
        ] {
            let end = at(transport, "192.0.2.1:5060", false);
            for brackets in [false, true] {
                assert_eq!(shown(&end, brackets, Ipv6Style::Short), format!("{name}:192.0.2.1:5060"));
            }
        }
        assert_eq!(shown(&TraceEndpoint::Unknown, true, Ipv6Style::Short).as_bytes(), NOWHERE);
        assert_eq!(shown(&TraceEndpoint::Text(b"anything at all"), true, Ipv6Style::Short), "anything at all");
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets_where_the_host_has_written_it() {
        let (other, own) =
            (at(Transport::Udp, "[2001:db8::1]:5060", false), at(Transport::Udp, "[2001:db8::1]:5060", true));
        assert_eq!(shown(&other, false, Ipv6Style::Short), "udp:2001:db8::1:5060");
        for (end, brackets) in [(other, true), (own, false), (own, true)] {
            assert_eq!(shown(&end, brackets, Ipv6Style::Short), "udp:[2001:db8::1]:5060");
        }
        for (tracer, coming, going) in [
            (Tracer::Core, true, true),
            (Tracer::Script, false, true),
            (Tracer::Follow, false, false),
            (Tracer::Log, false, false),
            (Tracer::Text, false, false),
        ] {
            assert_eq!((has_brackets(tracer, false), has_brackets(tracer, true)), (coming, going), "{tracer:?}");
        }
    }

    #[test]
    fn an_ipv6_address_is_written_in_the_hosts_style() {
        for (address, [short, lower, upper]) in [
            ("2001:db8::ab", ["2001:db8::ab", "2001:db8:0:0:0:0:0:ab", "2001:DB8:0:0:0:0:0:AB"]),
            ("::1", ["::1", "0:0:0:0:0:0:0:1", "0:0:0:0:0:0:0:1"]),
            ("::", ["::", "0:0:0:0:0:0:0:0", "0:0:0:0:0:0:0:0"]),
            ("::ffff:192.0.2.1", ["::ffff:192.0.2.1", "0:0:0:0:0:ffff:c000:201", "0:0:0:0:0:FFFF:C000:201"]),
            ("::c000:201", ["::192.0.2.1", "0:0:0:0:0:0:c000:201", "0:0:0:0:0:0:C000:201"]),
        ] {
            let address = SocketAddr::new(address.parse().unwrap(), 5060);
            let end = TraceEndpoint::Address { transport: Transport::Udp, address, is_socket: false };
            for (style, text) in [(Ipv6Style::Short, short), (Ipv6Style::Lower, lower), (Ipv6Style::Upper, upper)] {
                assert_eq!(shown(&end, false, style), format!("udp:{text}:5060"));
                assert_eq!(shown(&end, true, style), format!("udp:[{text}]:5060"));
            }
        }
    }

    #[test]
    fn a_socket_that_is_advertised_by_a_name_has_it_as_it_is_and_none_that_is_too_long() {
        let named = |name| TraceEndpoint::Named { transport: Transport::Tls, name, port: 5061 };
        assert_eq!(shown(&named(b"sip.example.org"), false, Ipv6Style::Short), "tls:sip.example.org:5061");
        assert_eq!(shown(&named(b"[2001:db8::1]"), false, Ipv6Style::Upper), "tls:[2001:db8::1]:5061");
        let (fits, is_too_long) = ([b'a'; 50], [b'a'; 51]);
        assert_eq!(shown(&named(&fits), false, Ipv6Style::Short).len(), LONGEST);
        for name in [&is_too_long[..], b""] {
            assert_eq!(shown(&named(name), false, Ipv6Style::Short).as_bytes(), NOWHERE);
        }
    }
}
