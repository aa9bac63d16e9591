//! URIs of the schemes sip, sips, tel and urn: user, host and port.

use super::scan::{Class, find, port};

/// What parameters and headers begin with.
const TAIL: Class = Class::of(b";?");
/// What a user part may hold only in certain places, and a host without a user not at all.
const MARKS: Class = Class::of(b":;?[]");
const IPV6_END: Class = Class::of(b"][&@;?");
const HOST_END: Class = Class::of(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-_").complement();

/// The parts of a URI that become columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Uri<'a> {
    /// User part, without the password; the number of a `tel` URI.
    pub(super) user: &'a [u8],
    /// Host part, an IPv6 address in its brackets; empty in a `tel` URI.
    pub(super) host: &'a [u8],
    /// Port, 0 for none.
    pub(super) port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Sip,
    Tel,
    Urn,
}

/// Reads `uri`; `None` when it is of another scheme or breaks the grammar.
///
/// Hosts with an underscore are read too: they are outside the grammar and common.
pub(super) fn parse(uri: &[u8]) -> Option<Uri<'_>> {
    let (scheme, rest) = scheme(uri)?;
    if matches!(rest.first()?, b':' | b']') {
        return None;
    }
    // The first byte belongs to the user or the host whatever it is.
    let (mut parsed, tail) = match find(&rest[1..], b'@') {
        Some(before) => with_user(&rest[..before + 1], &rest[before + 2..])?,
        None if rest[0] == b'[' => host_and_port(rest)?,
        None => without_user(scheme, rest)?,
    };
    if !is_tail(tail) {
        return None;
    }
    match scheme {
        Scheme::Tel => parsed = Uri { user: parsed.host, host: b"", port: parsed.port },
        // As in RFC 3261, a semicolon in the user is part of it. Of a telephone number the columns have the number
        // without its parameters (extension, number portability), as the stock module stores it: a number then has one
        // form whichever hop and scheme wrote it, and tables that a mode chooses by user keep their calls.
        // doc/sipcapture.md says so.
        Scheme::Sip if is_phone(tail) => parsed.user = before(parsed.user, b';'),
        Scheme::Sip | Scheme::Urn => {}
    }
    (!parsed.host.starts_with(b"@")).then_some(parsed)
}

/// Whether `text` begins with the scheme of a URI that names a party: sip, sips or tel.
pub(super) fn is_of_party(text: &[u8]) -> bool {
    matches!(scheme(text), Some((Scheme::Sip | Scheme::Tel, _)))
}

/// The scheme, and what follows its colon.
fn scheme(uri: &[u8]) -> Option<(Scheme, &[u8])> {
    let (name, rest) = uri.split_at_checked(4)?;
    let is = |full: &[u8]| name.eq_ignore_ascii_case(full);
    if is(b"sip:") {
        Some((Scheme::Sip, rest))
    } else if is(b"sips") {
        Some((Scheme::Sip, rest.strip_prefix(b":")?))
    } else if is(b"tel:") {
        Some((Scheme::Tel, rest))
    } else if is(b"urn:") {
        Some((Scheme::Urn, rest))
    } else {
        None
    }
}

/// Reads `user[:password]` and what stands behind the `@`; gives the parts and the parameters and headers.
fn with_user<'a>(userinfo: &'a [u8], rest: &'a [u8]) -> Option<(Uri<'a>, &'a [u8])> {
    let mut user = userinfo;
    if MARKS.length_before(userinfo) < userinfo.len() {
        user = before(userinfo, b':');
        let password = userinfo.get(user.len() + 1..).unwrap_or_default();
        let has_bracket = |bytes: &[u8]| bytes.contains(&b'[') || bytes.contains(&b']');
        if has_bracket(TAIL.before(userinfo))
            || password.contains(&b':')
            || TAIL.length_before(password) < password.len()
        {
            return None;
        }
    }
    let (parsed, tail) = host_and_port(rest)?;
    Some((Uri { user, ..parsed }, tail))
}

/// Reads `host[:port]` where the host must look like one.
fn host_and_port(rest: &[u8]) -> Option<(Uri<'_>, &[u8])> {
    let length = if rest.first() == Some(&b'[') {
        let inside = IPV6_END.length_before(&rest[1..]);
        (rest.get(inside + 1) == Some(&b']')).then_some(inside + 2)?
    } else {
        rest.first()?.is_ascii_alphanumeric().then(|| HOST_END.length_before(rest))?
    };
    let (host, rest) = rest.split_at(length);
    let (port, tail) = match rest.split_first() {
        Some((b':', rest)) => optional_port(rest)?,
        None | Some((b';' | b'?', _)) => (0, rest),
        Some(_) => return None,
    };
    Some((Uri { user: b"", host, port }, tail))
}

/// Reads `host[:port]` of a URI that names no user; whatever is not a delimiter is taken for the host. A `urn` has a
/// namespace and a name there.
fn without_user(scheme: Scheme, rest: &[u8]) -> Option<(Uri<'_>, &[u8])> {
    let inside = MARKS.length_before(&rest[1..]);
    let (host, rest) = rest.split_at(inside + 1);
    match rest.split_first() {
        None | Some((b';' | b'?', _)) => Some((Uri { user: b"", host, port: 0 }, rest)),
        Some((b':', rest)) => match optional_port(rest) {
            Some((port, tail)) => Some((Uri { user: b"", host, port }, tail)),
            None if scheme == Scheme::Urn && MARKS.length_before(rest) == rest.len() => {
                Some((Uri { user: host, host: rest, port: 0 }, b""))
            }
            None => None,
        },
        Some(_) => None,
    }
}

/// Reads a port of up to five digits, possibly none.
fn optional_port(rest: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, tail) = rest.split_at(TAIL.length_before(rest));
    match digits.len() {
        0 => Some((0, tail)),
        1..=5 => Some((port(digits)?, tail)),
        _ => None,
    }
}

/// Whether `tail` can be parameters and headers: no second `@`, no parameter behind the first header.
fn is_tail(tail: &[u8]) -> bool {
    let headers = &tail[before(tail, b'?').len()..];
    !tail.contains(&b'@') && !headers.contains(&b';')
}

/// Whether the parameters say `user=phone`. The last `user` that has a value counts.
fn is_phone(tail: &[u8]) -> bool {
    let params = before(tail, b'?');
    let user = params.split(|&byte| byte == b';').rev().find_map(|param| {
        let (name, value) = param.split_at_checked(5)?;
        (name.eq_ignore_ascii_case(b"user=") && !value.is_empty() && value[0] != b':').then_some(value)
    });
    user == Some(b"phone")
}

/// What comes before the first `byte`; all of `bytes` if it is not there.
fn before(bytes: &[u8], byte: u8) -> &[u8] {
    &bytes[..find(bytes, byte).unwrap_or(bytes.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(uri: &str, user: &str, host: &str, port: u16) {
        let expected = Uri { user: user.as_bytes(), host: host.as_bytes(), port };
        assert_eq!(parse(uri.as_bytes()), Some(expected), "{uri}");
    }

    #[track_caller]
    fn refuses(uri: &str) {
        assert_eq!(parse(uri.as_bytes()), None, "{uri}");
    }

    #[test]
    fn a_sip_uri_has_user_host_and_port() {
        reads("sip:alice@a.example", "alice", "a.example", 0);
        reads("SIPS:alice@a.example:5061;transport=tcp?subject=x", "alice", "a.example", 5061);
        reads("sip:a.example", "", "a.example", 0);
        reads("sip:a.example:5060;lr", "", "a.example", 5060);
        reads("sip:alice@my_host", "alice", "my_host", 0);
    }

    #[test]
    fn an_ipv6_host_keeps_its_brackets() {
        reads("sip:alice@[2001:db8::1]:5070;lr", "alice", "[2001:db8::1]", 5070);
        reads("sip:[::1]", "", "[::1]", 0);
        refuses("sip:alice@[2001:db8::1");
        refuses("sip:alice@[2001:db8::1]x");
    }

    #[test]
    fn a_password_is_no_part_of_the_user() {
        reads("sip:alice:secret@a.example", "alice", "a.example", 0);
        reads("sip:alice:1234@a.example", "alice", "a.example", 0);
        refuses("sip:alice:sec:ret@a.example");
    }

    #[test]
    fn the_user_may_hold_parameter_and_header_marks() {
        reads("sip:+1;phone-context=x.example@gw.example", "+1;phone-context=x.example", "gw.example", 0);
        reads("sip:what?ever@a.example", "what?ever", "a.example", 0);
        reads("sip:a;b:pw@a.example", "a;b", "a.example", 0);
        refuses("sip:a:5060;b@a.example");
    }

    #[test]
    fn user_phone_cuts_the_number_parameters_off() {
        reads("sip:+1;ext=2@gw.example;user=phone", "+1", "gw.example", 0);
        reads("sip:+1;ext=2@gw.example;USER=phone;lr", "+1", "gw.example", 0);
        reads("sip:+1;ext=2@gw.example;user=PHONE", "+1;ext=2", "gw.example", 0);
        reads("sip:+1;ext=2@gw.example;user=phone;user=ip", "+1;ext=2", "gw.example", 0);
        reads("sip:+1;ext=2@gw.example?user=phone", "+1;ext=2", "gw.example", 0);
    }

    #[test]
    fn a_tel_uri_is_all_user() {
        reads("tel:+1-201-555-0123", "+1-201-555-0123", "", 0);
        reads("tel:7042;phone-context=example.com", "7042", "", 0);
    }

    #[test]
    fn a_urn_has_a_namespace_and_a_name() {
        reads("urn:service:sos", "service", "sos", 0);
        reads("urn:sos", "", "sos", 0);
        refuses("urn:service:sos:police");
    }

    #[test]
    fn what_is_no_sip_uri_is_refused() {
        for uri in [
            "",
            "sip:",
            "sip",
            "http://a.example/",
            "mailto:a@b",
            "sip:@a.example",
            "sip::5060",
            "sip:]a",
            "sip:alice@",
            "sip:alice@-a",
            "sip:alice@a b",
            "sip:alice@a.example:99999",
            "sip:alice@a.example:x",
            "sip:alice@a.example;x@y",
            "sip:alice@a.example?x=1;y",
            "sip:a@b@c",
            "sip:alice@a.example:005060",
        ] {
            refuses(uri);
        }
    }
}
