//! Tells HEP from other datagrams. This is asked of every datagram that reaches the server, so it takes only a few
//! comparisons.

use super::Version;
use super::chunk::is_magic;
use super::family::family_of;

/// Header lengths that versions 1 and 2 are specified to write: with IPv4 and with IPv6 addresses.
const HEADER_LENGTHS: [u8; 2] = [16, 40];
/// IP protocols under SIP: TCP, UDP, TLS (as 22), SCTP.
const IP_PROTOCOLS: [u8; 4] = [6, 17, 22, 132];
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const STUN_HEADER_LENGTH: usize = 20;

/// Whether `datagram` is meant to be HEP, well-formed or not. Such a datagram must be decoded or counted, since nothing
/// else can read it. SIP, keep-alives, STUN, DNS and RTP are not HEP.
///
/// Version 3 is recognised by its magic. Versions 1 and 2 have only a version byte; behind it, two of these three must
/// hold: a header length of 16 or 40, a known address family, an IP protocol that carries SIP.
pub fn looks_like_hep(datagram: &[u8]) -> bool {
    let Some(opening) = datagram.first_chunk::<4>() else { return false };
    if is_magic(opening) {
        return true;
    }
    let &[version, header_length, family, ip_protocol] = opening;
    if version != 1 && version != 2 {
        return false;
    }
    let length_known = HEADER_LENGTHS.contains(&header_length);
    let family_known = family_of(family).is_some();
    let protocol_known = IP_PROTOCOLS.contains(&ip_protocol);
    let signs = u8::from(length_known) + u8::from(family_known) + u8::from(protocol_known);
    // No STUN message type ends in 0x10 or 0x28, so a right header length settles it.
    signs >= 2 && (length_known || version == 2 || !is_stun(datagram))
}

/// The version that [`decode`](super::decode) reads `packet` as; `None` when it looks like none.
pub fn version_of(packet: &[u8]) -> Option<Version> {
    match packet {
        [1, ..] => Some(Version::V1),
        [2, ..] => Some(Version::V2),
        _ => packet.first_chunk::<4>().filter(|magic| is_magic(magic)).map(|_| Version::V3),
    }
}

/// STUN responses begin with 0x01. They contain their own length, and the newer ones a magic cookie.
fn is_stun(datagram: &[u8]) -> bool {
    let Some(&[_, _, high, low, cookie @ ..]) = datagram.first_chunk::<8>() else { return false };
    cookie == STUN_COOKIE || usize::from(u16::from_be_bytes([high, low])) + STUN_HEADER_LENGTH == datagram.len()
}
