//! X-OIP: where a call came from before it reached the server that sent it on.

use super::scan::{is_space, trim};

/// Host and port of an X-OIP body; port 0 when it names none. An IPv6 address loses its brackets; one without brackets
/// is all host.
pub(super) fn parse(body: &[u8]) -> (&[u8], u16) {
    let body = trim(body);
    if let Some(inside) = body.strip_prefix(b"[")
        && let Some(end) = inside.iter().position(|&byte| byte == b']')
    {
        let port = trim(&inside[end + 1..]).strip_prefix(b":").map_or(0, leading_port);
        return (&inside[..end], port);
    }
    let mut colons = body.iter().enumerate().filter(|&(_, &byte)| byte == b':').map(|(at, _)| at);
    match (colons.next(), colons.next()) {
        (Some(colon), None) => (trim(&body[..colon]), leading_port(&body[colon + 1..])),
        _ => (body, 0),
    }
}

/// The number that `bytes` start with, 0 if none or if it is no port.
fn leading_port(bytes: &[u8]) -> u16 {
    let blanks = bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len());
    let digits = &bytes[blanks..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    super::scan::port(&digits[..end]).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_told_apart() {
        assert_eq!(parse(b"192.0.2.1:5060"), (&b"192.0.2.1"[..], 5060));
        assert_eq!(parse(b"192.0.2.1 : 5060;x"), (&b"192.0.2.1"[..], 5060));
        assert_eq!(parse(b"192.0.2.1"), (&b"192.0.2.1"[..], 0));
        assert_eq!(parse(b"192.0.2.1:"), (&b"192.0.2.1"[..], 0));
        assert_eq!(parse(b"192.0.2.1:99999"), (&b"192.0.2.1"[..], 0));
        assert_eq!(parse(b""), (&b""[..], 0));
    }

    #[test]
    fn an_ipv6_address_stands_without_brackets() {
        assert_eq!(parse(b"[2001:db8::1]:5062"), (&b"2001:db8::1"[..], 5062));
        assert_eq!(parse(b"[2001:db8::1]"), (&b"2001:db8::1"[..], 0));
        assert_eq!(parse(b"2001:db8::1"), (&b"2001:db8::1"[..], 0));
        assert_eq!(parse(b"[2001:db8::1"), (&b"[2001:db8::1"[..], 0));
    }
}
