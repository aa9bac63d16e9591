//! What scripts call the transport of a message, and the protocol that its payload is of.

use super::unsigned;
use crate::capture::Transport;

/// Names of transports, and the IP protocol number that stands for each in a packet. HEP has none for WebSocket: 50 is
/// what senders write for it, with or without TLS.
const TRANSPORTS: [(&str, Transport, u8); 6] = [
    ("udp", Transport::Udp, 17),
    ("tcp", Transport::Tcp, 6),
    ("tls", Transport::Tls, 22),
    ("sctp", Transport::Sctp, 132),
    ("ws", Transport::Ws, 50),
    ("wss", Transport::Wss, 50),
];

/// What a script reads of a transport that has no name.
const UNKNOWN_TRANSPORT: &str = "unknown";

/// Payload types by their number, as scripts read them. 13 is the end of the stock module's list, and an empty text.
const PAYLOAD_TYPES: [&str; 14] = [
    "reserved",
    "SIP",
    "XMPP",
    "SDP",
    "RTP",
    "RTCP",
    "MGCP",
    "MEGACO(H.248)",
    "M2UA(SS7/SIGTRAN)",
    "M3UA(SS7/SIGTRAN)",
    "IAX",
    "H322",
    "H321",
    "",
];

/// The transport that a script calls `name`, in whatever case, and its IP protocol number.
pub(super) fn transport(name: &[u8]) -> Option<(Transport, u8)> {
    let found = TRANSPORTS.iter().find(|(known, _, _)| name.eq_ignore_ascii_case(known.as_bytes()));
    found.map(|(_, transport, ip_protocol)| (*transport, *ip_protocol))
}

/// What a script reads of a transport.
pub(super) fn transport_name(transport: Transport) -> &'static str {
    let found = TRANSPORTS.iter().find(|(_, known, _)| *known == transport);
    found.map_or(UNKNOWN_TRANSPORT, |(name, _, _)| name)
}

/// The payload type that a script writes: a name, in whatever case and without what stands in brackets behind it, as it
/// is read, or a number.
pub(super) fn payload_type(text: &[u8]) -> Option<u8> {
    let is_meant = |name: &str| {
        let short = name.split('(').next().unwrap_or_default();
        !name.is_empty() && [name, short].iter().any(|known| text.eq_ignore_ascii_case(known.as_bytes()))
    };
    let named = PAYLOAD_TYPES.iter().position(|name| is_meant(name));
    let number = named.and_then(|index| index.try_into().ok()).or_else(|| unsigned(text, 10, u8::MAX.into()))?;
    number.try_into().ok()
}

/// The name that a script reads of a payload type; `None` for those that are numbers to it.
pub(super) fn payload_type_name(number: u32) -> Option<&'static str> {
    PAYLOAD_TYPES.get(usize::try_from(number).ok()?).copied()
}
