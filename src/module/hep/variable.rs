//! The pseudo-variable `$hep(...)`: which fields of a HEP packet a script can ask for, and what they answer. Called by
//! `context`, which remembers the packet at hand.
//!
//! A field asked for **by number** (`0x00b`, `00011`) answers as in the stock module: the first chunk of that type and
//! the generic vendor, as number or text; a chunk that is not there is an empty text; a type without a known form, and
//! a packet that cannot be read up to the chunk, are -1. **By name** it answers what the chunk says whatever its type,
//! and null for what is not there or cannot be read. Versions 1 and 2 answer the fields of their header in the same
//! way.

use crate::hep::{self, Chunks, DecodeError, Payload, Version, kind};
use crate::module::variable::VariableValue;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What [`parse`] knows, for the error that names it.
pub const ALLOWED: &std::ffi::CStr = c"version, a chunk type as 0xNNN or as up to 5 decimal digits, src_ip, dst_ip, src_port, dst_port, \
    family, proto, time_sec, time_usec, type, capture_id, keepalive, auth_key, payload, compressed_payload, correlation_id, vlan_id, \
    node_name, src_mac, dst_mac, ether_type, tcp_flags, ip_tos, mos, r_factor, geo_location, jitter, transaction_type, \
    payload_json_keys, tags, tag_type, event_type or group_id";

const NAMES: [(&str, u16); 32] = [
    ("family", kind::FAMILY),
    ("proto", kind::IP_PROTOCOL),
    ("src_ip", kind::SOURCE_IP4),
    ("dst_ip", kind::DESTINATION_IP4),
    ("src_port", kind::SOURCE_PORT),
    ("dst_port", kind::DESTINATION_PORT),
    ("time_sec", kind::SECONDS),
    ("time_usec", kind::MICROSECONDS),
    ("type", kind::PAYLOAD_TYPE),
    ("capture_id", kind::AGENT_ID),
    ("keepalive", kind::KEEP_ALIVE),
    ("auth_key", kind::AUTH_KEY),
    ("payload", kind::PAYLOAD),
    ("compressed_payload", kind::COMPRESSED_PAYLOAD),
    ("correlation_id", kind::CORRELATION_ID),
    ("vlan_id", kind::VLAN_ID),
    ("node_name", kind::NODE_NAME),
    ("src_mac", kind::SOURCE_MAC),
    ("dst_mac", kind::DESTINATION_MAC),
    ("ether_type", kind::ETHER_TYPE),
    ("tcp_flags", kind::TCP_FLAGS),
    ("ip_tos", kind::IP_TOS),
    ("mos", kind::MOS),
    ("r_factor", kind::R_FACTOR),
    ("geo_location", kind::GEO_LOCATION),
    ("jitter", kind::JITTER),
    ("transaction_type", kind::TRANSACTION_TYPE),
    ("payload_json_keys", kind::PAYLOAD_JSON_KEYS),
    ("tags", kind::TAGS),
    ("tag_type", kind::TAG_TYPE),
    ("event_type", kind::EVENT_TYPE),
    ("group_id", kind::GROUP_ID),
];

/// A field that a script asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HepVariable {
    /// The version of the packet.
    Version,
    /// A chunk by its number; types beyond 65535 are allowed and never there.
    Numbered(u32),
    /// A field by its name, known by its chunk; addresses by that of IPv4.
    Named(u16),
}

/// Set in the number of a field by name.
const NAMED: u32 = 1 << 24;

impl HepVariable {
    /// Its number, for the host to keep.
    pub fn code(self) -> u32 {
        match self {
            HepVariable::Version => 0,
            HepVariable::Numbered(kind) => kind,
            HepVariable::Named(kind) => NAMED | u32::from(kind),
        }
    }

    /// The field of a number that [`HepVariable::code`] gave.
    pub fn from_code(code: u32) -> HepVariable {
        match (code, code & NAMED) {
            (0, _) => HepVariable::Version,
            (_, 0) => HepVariable::Numbered(code),
            _ => HepVariable::Named(code as u16),
        }
    }

    /// The field that `name` means; `None` when there is no such.
    pub fn parse(name: &[u8]) -> Option<HepVariable> {
        let name = std::str::from_utf8(name).ok()?;
        if name == "version" {
            return Some(HepVariable::Version);
        }
        if let Some((_, kind)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Some(HepVariable::Named(*kind));
        }
        let hexadecimal = name.strip_prefix("0x").or_else(|| name.strip_prefix("0X"));
        let (digits, radix, most) = hexadecimal.map_or((name, 10, 5), |digits| (digits, 16, 4));
        let all_digits = digits.chars().all(|digit| digit.is_digit(radix));
        let number = (all_digits && digits.len() <= most).then(|| u32::from_str_radix(digits, radix).ok())??;
        (number > 0).then_some(HepVariable::Numbered(number))
    }
}

/// Texts of addresses. One place for each chunk that holds one, so that two of them can be compared.
#[derive(Debug, Default)]
pub(in crate::module) struct AddressTexts([String; 6]);

/// A field as the packet has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field<'a> {
    Number(u32),
    Ip(IpAddr),
    Mac([u8; 6]),
    Bytes(&'a [u8]),
}

impl AddressTexts {
    fn show<'a>(&'a mut self, kind: u16, field: Field<'a>) -> VariableValue<'a> {
        let place = match kind {
            kind::SOURCE_IP4..=kind::DESTINATION_IP6 => kind - kind::SOURCE_IP4,
            kind::SOURCE_MAC => 4,
            _ => 5,
        };
        let text = &mut self.0[usize::from(place)];
        // A String takes every write.
        let _ = match field {
            Field::Number(number) => return VariableValue::Number(number.into()),
            Field::Bytes(bytes) => return VariableValue::Text(bytes),
            Field::Ip(address) => {
                text.clear();
                write!(text, "{address}")
            }
            Field::Mac([a, b, c, d, e, f]) => {
                text.clear();
                write!(text, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
            }
        };
        VariableValue::Text(text.as_bytes())
    }
}

/// What `variable` answers for `packet`, a whole HEP packet; empty for none at hand. `inflated` is its payload when
/// that is compressed and has been inflated.
pub(in crate::module) fn value<'a>(
    variable: HepVariable,
    packet: &'a [u8],
    inflated: Option<&'a [u8]>,
    texts: &'a mut AddressTexts,
) -> VariableValue<'a> {
    let Some(version) = hep::version_of(packet) else { return VariableValue::Null };
    match variable {
        HepVariable::Version => VariableValue::Number(version.number().into()),
        HepVariable::Numbered(number) => {
            let Ok(kind) = u16::try_from(number) else { return VariableValue::Text(b"") };
            match numbered(version, packet, kind) {
                Ok(Some(field)) => texts.show(kind, field),
                Ok(None) => VariableValue::Text(b""),
                Err(_) => VariableValue::Number(-1),
            }
        }
        HepVariable::Named(kind::PAYLOAD) if inflated.is_some() => VariableValue::Text(inflated.unwrap_or_default()),
        HepVariable::Named(kind) => {
            named(version, packet, kind).map_or(VariableValue::Null, |(kind, field)| texts.show(kind, field))
        }
    }
}

/// A number field of a packet, also of one that cannot be decoded as a whole.
pub(in crate::module) fn number(packet: &[u8], kind: u16) -> Option<u32> {
    match named(hep::version_of(packet)?, packet, kind)?.1 {
        Field::Number(number) => Some(number),
        _ => None,
    }
}

/// A byte field of a packet, likewise.
pub(in crate::module) fn bytes(packet: &[u8], kind: u16) -> Option<&[u8]> {
    match named(hep::version_of(packet)?, packet, kind)?.1 {
        Field::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// Answers by number: `Ok(None)` for a chunk that is not there, `Err` for what has no form of its own or cannot be
/// read.
fn numbered(version: Version, packet: &[u8], kind: u16) -> Result<Option<Field<'_>>, Unreadable> {
    if version != Version::V3 {
        let field = header_field(packet, kind)?;
        return Ok(field.filter(|field| match field {
            Field::Ip(address) => matches!(kind, kind::SOURCE_IP4 | kind::DESTINATION_IP4) == address.is_ipv4(),
            _ => true,
        }));
    }
    for chunk in Chunks::new(packet)? {
        let chunk = chunk?;
        if chunk.vendor == 0 && chunk.kind == kind {
            return match kind {
                kind::FAMILY..=kind::PAYLOAD | kind::CORRELATION_ID => {
                    field(kind, chunk.body).map(Some).ok_or(Unreadable)
                }
                _ => Err(Unreadable),
            };
        }
    }
    Ok(None)
}

/// Answers by name, with the type of the chunk that gave the answer.
fn named(version: Version, packet: &[u8], kind: u16) -> Option<(u16, Field<'_>)> {
    if version != Version::V3 {
        return header_field(packet, kind).ok()?.map(|field| (kind, field));
    }
    match kind {
        kind::SOURCE_IP4 | kind::DESTINATION_IP4 => address(packet, kind),
        _ => first(packet, kind).map(|field| (kind, field)),
    }
}

/// The address that captures of this packet get; of a packet that cannot be decoded, that of the first address chunk.
fn address(packet: &[u8], kind4: u16) -> Option<(u16, Field<'_>)> {
    let kind6 = kind4 + (kind::SOURCE_IP6 - kind::SOURCE_IP4);
    match hep::decode(packet) {
        Ok(decoded) => {
            let socket = if kind4 == kind::SOURCE_IP4 { decoded.source } else { decoded.destination };
            Some((if socket.is_ipv4() { kind4 } else { kind6 }, Field::Ip(socket.ip())))
        }
        Err(_) => [kind4, kind6].into_iter().find_map(|kind| Some((kind, first(packet, kind)?))),
    }
}

/// The first readable chunk of a type.
fn first(packet: &[u8], kind: u16) -> Option<Field<'_>> {
    let chunks = Chunks::new(packet).ok()?;
    let draft = chunks.is_eep1();
    let mut fitting = chunks.flatten().filter(|chunk| chunk.vendor == 0 && chunk.kind == kind);
    fitting.find_map(|chunk| match (kind, chunk.body.len()) {
        // The draft of 2013 has numbers there.
        (kind::COMPRESSED_PAYLOAD, 4) | (kind::CORRELATION_ID, 2) if draft => None,
        _ => field(kind, chunk.body),
    })
}

/// The body of a chunk in the form of its type; `None` when its size is not that of the type.
fn field(kind: u16, body: &[u8]) -> Option<Field<'_>> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    let sized = |size: usize| (body.len() == size).then(|| Field::Number(number(body)));
    match kind {
        kind::FAMILY | kind::IP_PROTOCOL | kind::PAYLOAD_TYPE | kind::TCP_FLAGS | kind::IP_TOS => sized(1),
        kind::SOURCE_PORT | kind::DESTINATION_PORT | kind::KEEP_ALIVE | kind::VLAN_ID | kind::ETHER_TYPE => sized(2),
        kind::MOS | kind::R_FACTOR | kind::TAG_TYPE | kind::EVENT_TYPE => sized(2),
        kind::SECONDS | kind::MICROSECONDS | kind::AGENT_ID | kind::JITTER => sized(4),
        kind::SOURCE_IP4 | kind::DESTINATION_IP4 => {
            Some(Field::Ip(Ipv4Addr::from(<[u8; 4]>::try_from(body).ok()?).into()))
        }
        kind::SOURCE_IP6 | kind::DESTINATION_IP6 => {
            Some(Field::Ip(Ipv6Addr::from(<[u8; 16]>::try_from(body).ok()?).into()))
        }
        // 64 bits in the specification, of which an address fills the lower 48.
        kind::SOURCE_MAC | kind::DESTINATION_MAC => {
            let &[.., a, b, c, d, e, f] = body else { return None };
            matches!(body.len(), 6 | 8).then_some(Field::Mac([a, b, c, d, e, f]))
        }
        _ => Some(Field::Bytes(body)),
    }
}

/// The field of a version 1 or 2 header that stands for a chunk; addresses of either family for both chunks.
fn header_field(packet: &[u8], kind: u16) -> Result<Option<Field<'_>>, DecodeError> {
    let decoded = hep::decode(packet)?;
    let payload = match decoded.payload {
        Payload::Plain(bytes) | Payload::Compressed(bytes) => bytes,
    };
    // The reader of versions 1 and 2 needs these bytes before it answers.
    let family = packet.get(2).copied().unwrap_or_default();
    let seconds = |time_us: i64| u32::try_from(time_us / 1_000_000).unwrap_or_default();
    let micros = |time_us: i64| u32::try_from(time_us % 1_000_000).unwrap_or_default();
    Ok(match kind {
        kind::FAMILY => Some(Field::Number(family.into())),
        kind::IP_PROTOCOL => Some(Field::Number(decoded.ip_protocol.into())),
        kind::SOURCE_IP4 | kind::SOURCE_IP6 => Some(Field::Ip(decoded.source.ip())),
        kind::DESTINATION_IP4 | kind::DESTINATION_IP6 => Some(Field::Ip(decoded.destination.ip())),
        kind::SOURCE_PORT => Some(Field::Number(decoded.source.port().into())),
        kind::DESTINATION_PORT => Some(Field::Number(decoded.destination.port().into())),
        kind::SECONDS => decoded.time_us.map(|time_us| Field::Number(seconds(time_us))),
        kind::MICROSECONDS => decoded.time_us.map(|time_us| Field::Number(micros(time_us))),
        kind::PAYLOAD_TYPE => Some(Field::Number(decoded.payload_type.into())),
        kind::AGENT_ID => decoded.agent_id.map(Field::Number),
        kind::PAYLOAD => Some(Field::Bytes(payload)),
        _ => None,
    })
}

/// A chunk that is there and cannot be told, or a packet that cannot be read up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unreadable;

impl From<DecodeError> for Unreadable {
    fn from(_: DecodeError) -> Unreadable {
        Unreadable
    }
}

#[cfg(test)]
mod tests;
