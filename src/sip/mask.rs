//! Secrets in messages, written over in place: whatever holds a message afterwards has its length and shape, and not its secrets.

use super::first_line;
use super::headers;
use super::scan::{self, Cursor};
use std::ops::Range;

/// What stands in for each byte of a secret.
const MASK: u8 = b'x';

/// What is a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    /// Headers, by name: of digest credentials the `response` is masked, of all else what follows the scheme, or, when there is one word alone,
    /// the value.
    pub headers: Vec<Vec<u8>>,
    /// Whether the bodies of MESSAGE requests are.
    pub message_bodies: bool,
}

impl Masks {
    /// Whether nothing is a secret.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && !self.message_bodies
    }

    /// Writes over the secrets of `message`, which may be cut short or no SIP at all.
    pub fn apply(&self, message: &mut [u8]) {
        let mut secrets: Vec<Range<usize>> = Vec::new();
        let mut cursor = Cursor::new(message, first_line::parse(message).headers);
        while cursor.peek().is_some_and(|first| first != b'\r' && first != b'\n') {
            let name = headers::name(&mut cursor);
            let start = cursor.at();
            headers::skip(&mut cursor);
            if name.is_some_and(|name| self.headers.iter().any(|known| known.eq_ignore_ascii_case(name))) {
                secrets.extend(
                    in_value(&message[start..cursor.at()]).map(|secret| secret.start + start..secret.end + start),
                );
            }
        }
        if self.message_bodies && message.starts_with(b"MESSAGE ") {
            cursor.skip_line_break();
            secrets.push(cursor.at()..message.len());
        }
        for secret in secrets {
            message[secret].iter_mut().filter(|byte| !matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = MASK);
        }
    }
}

/// Where the secret of a header's value is.
fn in_value(value: &[u8]) -> Option<Range<usize>> {
    let start = value.len() - scan::trim_start(value).len();
    let end = start + scan::trim(value).len();
    let text = value.get(start..end).filter(|text| !text.is_empty())?;
    let scheme = text.iter().position(|&byte| scan::is_space(byte)).unwrap_or(text.len());
    if scheme == text.len() {
        return Some(start..end);
    }
    if !text[..scheme].eq_ignore_ascii_case(b"Digest") {
        return Some(start + scheme + 1..end);
    }
    let response = parameter(text, scheme)?;
    Some(response.start + start..response.end + start)
}

/// Where the value of `response` is among the parameters of a digest that begin at `at`, quotes not counted.
fn parameter(text: &[u8], mut at: usize) -> Option<Range<usize>> {
    const NAME: &[u8] = b"response";
    loop {
        at += text[at..].iter().position(|byte| !scan::is_space(*byte) && *byte != b',')?;
        let name = text[at..].iter().position(|byte| *byte == b'=' || *byte == b',').map(|length| at..at + length)?;
        let wanted = scan::trim(&text[name.clone()]).eq_ignore_ascii_case(NAME);
        at = name.end;
        if text[at] == b',' {
            continue;
        }
        at += 1;
        at += text[at..].iter().position(|byte| !scan::is_space(*byte))?;
        let is_quoted = text[at] == b'"';
        let start = at + usize::from(is_quoted);
        let end = if is_quoted {
            quoted_end(text, start)
        } else {
            text[start..]
                .iter()
                .position(|byte| *byte == b',' || scan::is_space(*byte))
                .map_or(text.len(), |length| start + length)
        };
        if wanted {
            return Some(start..end);
        }
        at = (end + usize::from(is_quoted)).min(text.len());
    }
}

/// The offset of the quote that ends what begins at `start`; the end of the text without one.
fn quoted_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < text.len() && text[at] != b'"' {
        at += 1 + usize::from(text[at] == b'\\');
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(message: &str, headers: &[&str], message_bodies: bool) -> String {
        let headers = headers.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut bytes = message.as_bytes().to_vec();
        Masks { headers, message_bodies }.apply(&mut bytes);
        assert_eq!(bytes.len(), message.len());
        String::from_utf8(bytes).unwrap()
    }

    const BOTH: [&str; 2] = ["authorization", "Proxy-Authorization"];

    #[test]
    fn the_response_of_a_digest_is_masked_and_nothing_else_of_it() {
        for (value, expected) in [
            (
                r#"Digest username="a", realm="r, response=\"q", nonce="n", response="0123abcd", algorithm=MD5"#,
                r#"Digest username="a", realm="r, response=\"q", nonce="n", response="xxxxxxxx", algorithm=MD5"#,
            ),
            ("digest response=0123, uri=\"sip:a\"", "digest response=xxxx, uri=\"sip:a\""),
            ("Digest qop = auth , RESPONSE = \"0123\"", "Digest qop = auth , RESPONSE = \"xxxx\""),
            ("Digest a,response=\"01", "Digest a,response=\"xx"),
            ("Digest username=\"a\"", "Digest username=\"a\""),
            ("Digest", "xxxxxx"),
            ("Basic dTpw", "Basic xxxx"),
        ] {
            let message =
                |value: &str| format!("REGISTER sip:a SIP/2.0\r\nAUTHORIZATION: {value}\r\nTo: <sip:a>\r\n\r\n");
            assert_eq!(masked(&message(value), &BOTH, false), message(expected));
        }
    }

    #[test]
    fn every_header_of_the_list_is_masked_folded_lines_too() {
        let message = "INVITE sip:a SIP/2.0\r\nX-Token: abc\r\nProxy-Authorization: Digest a=b,\r\n response=\"12\"\r\n\
                       Proxy-Authorization: Bearer t\r\nX-Other: abc\r\n\r\nX-Token: body\r\n";
        let expected = "INVITE sip:a SIP/2.0\r\nX-Token: xxx\r\nProxy-Authorization: Digest a=b,\r\n response=\"xx\"\r\n\
                        Proxy-Authorization: Bearer x\r\nX-Other: abc\r\n\r\nX-Token: body\r\n";
        assert_eq!(masked(message, &["X-Token", "Proxy-Authorization"], true), expected);
    }

    #[test]
    fn bodies_of_message_requests_are_masked_line_by_line() {
        let message = "MESSAGE sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\nhello\r\nyou";
        assert_eq!(masked(message, &[], true), "MESSAGE sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\nxxxxx\r\nxxx");
        assert_eq!(masked(message, &[], false), message);
        let invite = message.replace("MESSAGE", "INVITE");
        assert_eq!(masked(&invite, &[], true), invite);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let message = "MESSAGE sip:a SIP/2.0\r\nAuthorization: Digest realm=\"a\\\", response=\"12\", x\r\n\r\nbody";
        for end in 0..message.len() {
            masked(&message[..end], &BOTH, true);
            masked(&message[end..], &BOTH, true);
        }
    }
}
