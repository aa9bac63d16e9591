//! The stock module's texts for an end of a message's way: `proto:ip:port`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use thiserror::Error;

/// IP protocol numbers (HEP chunk 0x0002) by the names of transports. TLS, WS and WSS go out as 22 (IDP), as the stock
/// module sends them.
const PROTOCOLS: [(&str, u8); 7] =
    [("udp", 17), ("tcp", 6), ("tls", 22), ("ws", 22), ("wss", 22), ("sctp", 132), ("any", 17)];

/// Why a text is not `proto:ip:port`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no address of a message: write PROTO:IP:PORT, where PROTO is udp, tcp, tls, ws, wss, sctp or any")]
pub struct AddressError(String);

/// Reads `proto:ip:port`, as `udp:192.0.2.1:5060`, `tls:[2001:db8::1]:5061` or `tcp:2001:db8::1:5060`: an IPv6 address
/// may stand without brackets, and then what follows the last colon is the port. The port may be absent: 0. The
/// protocol is the IP protocol number as HEP has it: udp and any 17, tcp 6, sctp 132, tls, ws and wss 22.
///
/// # Errors
/// [`AddressError`] shows the text.
pub fn parse_address(text: &str) -> Result<(u8, SocketAddr), AddressError> {
    read(text).ok_or_else(|| AddressError(text.to_owned()))
}

/// Reads both ends of a message's way; the IP protocol is the one that `to` names.
///
/// # Errors
/// [`AddressError`] shows the text that is none.
pub fn parse_endpoints(from: &str, to: &str) -> Result<(u8, SocketAddr, SocketAddr), AddressError> {
    let (_, source) = parse_address(from)?;
    let (ip_protocol, destination) = parse_address(to)?;
    Ok((ip_protocol, source, destination))
}

fn read(text: &str) -> Option<(u8, SocketAddr)> {
    let (name, place) = text.split_once(':')?;
    let &(_, ip_protocol) = PROTOCOLS.iter().find(|(known, _)| *known == name)?;
    Some((ip_protocol, read_place(place)?))
}

fn read_place(place: &str) -> Option<SocketAddr> {
    if let Some(bracketed) = place.strip_prefix('[') {
        let (address, behind) = bracketed.split_once(']')?;
        let port = if behind.is_empty() { 0 } else { read_port(behind.strip_prefix(':')?)? };
        return Some(SocketAddr::new(address.parse::<Ipv6Addr>().ok()?.into(), port));
    }
    let with_port = place
        .rsplit_once(':')
        .and_then(|(address, port)| Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, read_port(port)?)));
    with_port.or_else(|| Some(SocketAddr::new(place.parse::<IpAddr>().ok()?, 0)))
}

fn read_port(port: &str) -> Option<u16> {
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    port.parse().ok()
}
