//! The first line: request or reply, its parts, and where the headers begin.

use super::FirstLine;
use super::scan::{Class, HeaderCursor, find, is_space};

const VERSION: &[u8] = b"SIP/2.0";
const SPACE: Class = Class::space_and(b"");
const LINE_BREAK: Class = Class::of(b"\r\n");

/// Length in bytes of the shortest message that is read, without the blanks and empty lines before it.
const SHORTEST: usize = 17;

/// A message's first line.
#[derive(Clone, Copy, Default)]
pub(super) struct Line<'a> {
    pub(super) kind: FirstLine,
    /// Whether the line is of SIP 2.0; a request can be of another protocol.
    pub(super) is_sip: bool,
    /// Method of a request, status code of a reply.
    pub(super) method: &'a [u8],
    /// URI of a request.
    pub(super) uri: &'a [u8],
    /// Reason phrase of a reply.
    pub(super) reason: &'a [u8],
    /// Offset of the first header in the message.
    pub(super) headers: usize,
}

/// Reads the first line of `message`. Empty lines, blanks and NULs before it are skipped.
pub(super) fn parse(message: &[u8]) -> Line<'_> {
    let start = start(message);
    let line = if message.len() - start < SHORTEST {
        None
    } else if is_version(&message[start..]) && message.get(start + VERSION.len()) == Some(&b' ') {
        reply(message, start)
    } else {
        request(message, start)
    };
    line.unwrap_or_else(|| Line { headers: after_line(message, start), ..Line::default() })
}

/// Offset of the first line: that of the first byte of `message` that is no blank, line break or NUL.
pub(super) fn start(message: &[u8]) -> usize {
    message.iter().position(|&byte| !is_space(byte) && byte != 0).unwrap_or(message.len())
}

/// The first word of the first line, whatever the rest of the line is.
pub(super) fn first_word(message: &[u8]) -> &[u8] {
    SPACE.before(&message[start(message)..])
}

fn is_version(bytes: &[u8]) -> bool {
    bytes.get(..VERSION.len()).is_some_and(|version| version.eq_ignore_ascii_case(VERSION))
}

fn request(message: &[u8], start: usize) -> Option<Line<'_>> {
    let mut cursor = HeaderCursor::new(message, start);
    let method = cursor.until(&SPACE);
    if method.is_empty() || !cursor.eat(b' ') {
        return None;
    }
    let uri = cursor.until(&SPACE);
    let version = word_after_blanks(&mut cursor)?;
    cursor.skip_blanks();
    if version.is_empty() || !matches!(cursor.peek(), Some(b'\r' | b'\n')) {
        return None;
    }
    let headers = after_line_with_more(message, cursor.at())?;
    Some(Line { kind: FirstLine::Request, is_sip: is_version(version), method, uri, reason: b"", headers })
}

fn reply(message: &[u8], start: usize) -> Option<Line<'_>> {
    let mut cursor = HeaderCursor::new(message, start + VERSION.len() + 1);
    let status = cursor.until(&SPACE);
    if status.len() != 3 || !status.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let blanks = cursor.at();
    cursor.skip_blanks();
    if cursor.at() == blanks {
        return None;
    }
    let reason = cursor.until(&LINE_BREAK);
    let headers = after_line_with_more(message, cursor.at())?;
    Some(Line { kind: FirstLine::Reply, is_sip: true, method: status, uri: b"", reason, headers })
}

/// The word behind at least one blank.
fn word_after_blanks<'a>(cursor: &mut HeaderCursor<'a>) -> Option<&'a [u8]> {
    let blanks = cursor.at();
    cursor.skip_blanks();
    (cursor.at() > blanks).then(|| cursor.until(&SPACE))
}

/// Offset behind the line that holds offset `at`; `None` when no line feed ends it.
fn after_line_with_more(message: &[u8], at: usize) -> Option<usize> {
    let next = after_line(message, at);
    (next < message.len()).then_some(next)
}

/// Offset behind the line that holds offset `at`, and behind a carriage return that follows. A line feed or carriage
/// return that is the message's last byte is left for the headers to end at.
fn after_line(message: &[u8], at: usize) -> usize {
    let Some(length) = find(&message[at..], b'\n') else {
        return message.len();
    };
    let last = message.len() - 1;
    let next = (at + length + 1).min(last);
    if message[next] == b'\r' { (next + 1).min(last) } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_has_method_uri_and_version() {
        let message = b"\r\n \0INVITE sip:bob@b.example SIP/2.0\r\nVia: x\r\n";
        let line = parse(message);
        assert_eq!(line.kind, FirstLine::Request);
        assert!(line.is_sip);
        assert_eq!(line.method, b"INVITE");
        assert_eq!(line.uri, b"sip:bob@b.example");
        assert_eq!(&message[line.headers..], b"Via: x\r\n");
    }

    #[test]
    fn blanks_around_the_version_are_allowed_and_a_second_blank_after_the_method_is_not() {
        assert_eq!(parse(b"INVITE sip:b@b \t SIP/2.0 \t\r\nVia: x\r\n").kind, FirstLine::Request);
        assert_eq!(parse(b"INVITE  sip:b@b SIP/2.0\r\nVia: x\r\n").kind, FirstLine::Invalid);
        assert_eq!(parse(b"INVITE\tsip:b@b SIP/2.0\r\nVia: x\r\n").kind, FirstLine::Invalid);
    }

    #[test]
    fn a_status_line_has_three_digits_and_a_reason_that_may_be_empty() {
        let line = parse(b"sip/2.0 183  Session  Progress \r\nVia: x\r\n");
        assert_eq!(line.kind, FirstLine::Reply);
        assert_eq!((line.method, line.reason), (&b"183"[..], &b"Session  Progress "[..]));
        assert_eq!(parse(b"SIP/2.0 200 \r\nVia: x\r\n").reason, b"");
        assert_eq!(parse(b"SIP/2.0 200\r\nVia: xxxx\r\n").kind, FirstLine::Invalid);
        assert_eq!(parse(b"SIP/2.0 20 OK\r\nVia: x\r\n").kind, FirstLine::Invalid);
        assert_eq!(parse(b"SIP/2.0 2x0 OK\r\nVia: x\r\n").kind, FirstLine::Invalid);
    }

    #[test]
    fn a_request_of_another_protocol_is_told_apart() {
        let line = parse(b"GET /index.html HTTP/1.1\r\nHost: x\r\n");
        assert_eq!(line.kind, FirstLine::Request);
        assert!(!line.is_sip);
    }

    #[test]
    fn a_line_without_a_line_feed_or_too_short_is_invalid() {
        assert_eq!(parse(b"INVITE sip:b@b SIP/2.0").kind, FirstLine::Invalid);
        assert_eq!(parse(b"A sip:b SIP/2.0\n").kind, FirstLine::Invalid);
        assert_eq!(parse(b"\r\n\r\n").kind, FirstLine::Invalid);
        assert_eq!(parse(b"").kind, FirstLine::Invalid);
    }
}
