//! The X-Siptrace headers of the stock module: written into a copy of a message, and read from one that carries them.
//!
//! ```text
//! X-Siptrace-Fromip: udp:192.0.2.1:5060        in this order, each on a line of its own,
//! X-Siptrace-Toip: udp:192.0.2.2:5060          the last headers of the message
//! X-Siptrace-Time: 1700000000 123456
//! X-Siptrace-Method: INVITE
//! X-Siptrace-Dir: in
//! ```
//! They are looked for before the empty line alone: a body may quote such headers. Other headers may stand around them.

use super::first_line;

/// All five lines stay below this, bytes.
pub const LIMIT: usize = 512;
/// Longest value but that of the direction, bytes.
const VALUE: usize = 50;
const NAMES: [&str; 5] =
    ["X-Siptrace-Fromip: ", "X-Siptrace-Toip: ", "X-Siptrace-Time: ", "X-Siptrace-Method: ", "X-Siptrace-Dir: "];

/// What the headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XHeaders<'a> {
    /// Where the message came from: `proto:ip:port`.
    pub from: &'a [u8],
    /// Where it went to.
    pub to: &'a [u8],
    /// When, microseconds since the Unix epoch; 0 when unknown.
    pub time_us: i64,
    /// Its method; of a reply that of its CSeq; empty when unknown.
    pub method: &'a [u8],
    /// Whether the server that wrote them had sent it.
    pub is_outgoing: bool,
}

/// A copy of `message` with the headers; `None` when it has no empty line, or they would be too long.
pub fn insert(message: &[u8], headers: &XHeaders<'_>) -> Option<Vec<u8>> {
    let end = head_end(message)?;
    let time = format!("{} {}", headers.time_us.div_euclid(1_000_000), headers.time_us.rem_euclid(1_000_000));
    let direction: &[u8] = if headers.is_outgoing { b"out" } else { b"in" };
    let mut copy = Vec::with_capacity(message.len() + LIMIT);
    copy.extend_from_slice(&message[..end]);
    let values = [headers.from, headers.to, time.as_bytes(), headers.method, direction];
    for (name, value) in NAMES.into_iter().zip(values) {
        copy.extend_from_slice(name.as_bytes());
        copy.extend_from_slice(value);
        copy.extend_from_slice(b"\r\n");
    }
    if copy.len() - end >= LIMIT {
        return None;
    }
    copy.extend_from_slice(&message[end..]);
    Some(copy)
}

/// The headers of `message`, and the message without them in two pieces; `None` when it lacks one of them, one but the
/// method is empty, or it has no empty line.
pub fn split(message: &[u8]) -> Option<(XHeaders<'_>, [&[u8]; 2])> {
    let head = &message[..head_end(message)?];
    let begin = find(head, b"\r\nX-Siptrace-Fromip: ")? + 2;
    let mut rest = &head[begin..];
    let mut value = |name: &str, longest: usize| {
        let behind = rest.strip_prefix(name.as_bytes())?;
        let end = find(&behind[..behind.len().min(longest + 2)], b"\r\n")?;
        rest = &behind[end + 2..];
        Some(&behind[..end])
    };
    let from = value(NAMES[0], VALUE)?;
    let to = value(NAMES[1], VALUE)?;
    let (seconds, micros) = std::str::from_utf8(value(NAMES[2], VALUE)?).ok()?.split_once(' ')?;
    let time_us = seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros.parse().ok()?)?;
    let method = value(NAMES[3], VALUE)?;
    let direction = value(NAMES[4], 3)?;
    if from.is_empty() || to.is_empty() || direction.is_empty() {
        return None;
    }
    let behind = &message[head.len() - rest.len()..];
    Some((XHeaders { from, to, time_us, method, is_outgoing: direction == b"out" }, [&message[..begin], behind]))
}

/// Offset of the empty line that ends the headers.
fn head_end(message: &[u8]) -> Option<usize> {
    // Empty lines may stand before a message too; a keep-alive is nothing else.
    let start = Some(first_line::start(message)).filter(|start| *start < message.len()).unwrap_or(0);
    Some(start + find(&message[start..], b"\r\n\r\n")? + 2)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\nbody\r\n\r\n";

    fn headers() -> XHeaders<'static> {
        XHeaders {
            from: b"udp:192.0.2.1:5060",
            to: b"tls:[2001:db8::1]:5061",
            time_us: 1_700_000_000_000_042,
            method: b"OPTIONS",
            is_outgoing: true,
        }
    }

    #[test]
    fn headers_stand_before_the_empty_line_in_the_stock_order() {
        let copy = insert(MESSAGE, &headers()).unwrap();
        let expected = "OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\nX-Siptrace-Fromip: udp:192.0.2.1:5060\r\n\
                        X-Siptrace-Toip: tls:[2001:db8::1]:5061\r\nX-Siptrace-Time: 1700000000 42\r\n\
                        X-Siptrace-Method: OPTIONS\r\nX-Siptrace-Dir: out\r\n\r\nbody\r\n\r\n";
        assert_eq!(String::from_utf8(copy).unwrap(), expected);
    }

    #[test]
    fn what_is_written_reads_back_and_leaves_the_message_as_it_was() {
        let copy = insert(MESSAGE, &headers()).unwrap();
        let (read, rest) = split(&copy).unwrap();
        assert_eq!(read, headers());
        assert_eq!(rest.concat(), MESSAGE);
    }

    #[test]
    fn headers_that_a_body_quotes_are_none_of_the_message() {
        let quoted = insert(b"SIP/2.0 200 OK\r\nCall-ID: 2\r\n\r\n", &headers()).unwrap();
        let notify = [MESSAGE, b"\r\n", &quoted].concat();
        assert_eq!(split(&notify), None);
        // Its own are found all the same, and the body stays whole.
        let copy = insert(&notify, &XHeaders { is_outgoing: false, ..headers() }).unwrap();
        let (read, rest) = split(&copy).unwrap();
        assert!(!read.is_outgoing);
        assert_eq!(rest.concat(), notify);
    }

    #[test]
    fn empty_lines_before_a_message_do_not_end_its_headers() {
        let message = [b"\r\n\r\n", MESSAGE].concat();
        let copy = insert(&message, &headers()).unwrap();
        assert!(copy.starts_with(b"\r\n\r\nOPTIONS "), "{}", copy.escape_ascii());
        let (read, rest) = split(&copy).unwrap();
        assert_eq!((read, rest.concat()), (headers(), message));
    }

    #[test]
    fn a_method_may_be_empty_as_in_copies_of_all_that_a_server_receives() {
        let copy = insert(MESSAGE, &XHeaders { method: b"", ..headers() }).unwrap();
        let (read, rest) = split(&copy).unwrap();
        assert_eq!((read.method, read.is_outgoing, rest.concat()), (&b""[..], true, MESSAGE.to_vec()));
    }

    #[test]
    fn headers_behind_the_last_one_stay() {
        let text = String::from_utf8(insert(MESSAGE, &headers()).unwrap()).unwrap();
        let more = text.replacen("Dir: out\r\n", "Dir: out\r\nRoute: <sip:b>\r\n", 1);
        let expected = String::from_utf8(MESSAGE.to_vec()).unwrap().replacen("1\r\n", "1\r\nRoute: <sip:b>\r\n", 1);
        assert_eq!(split(more.as_bytes()).unwrap().1.concat(), expected.into_bytes());
    }

    #[test]
    fn what_does_not_fit_or_lacks_its_place_is_none() {
        let long = vec![b'x'; LIMIT];
        assert_eq!(insert(MESSAGE, &XHeaders { method: &long, ..headers() }), None);
        assert_eq!(insert(b"OPTIONS sip:a SIP/2.0\r\n", &headers()), None);
    }

    #[test]
    fn a_missing_cut_or_disordered_header_is_none_and_no_panic() {
        let copy = insert(MESSAGE, &headers()).unwrap();
        let end = find(&copy, b"\r\n\r\n").unwrap();
        for cut in 0..end + 4 {
            assert_eq!(split(&copy[..cut]), None, "{cut}");
        }
        let text = String::from_utf8(copy).unwrap();
        for (name, other) in [
            ("Toip", "Xoip"),
            ("Time: 1700000000 42", "Time: 1700000000"),
            ("Time: 1", "Time: a"),
            ("Method", "Dir"),
            ("udp:192.0.2.1:5060", ""),
            ("tls:[2001:db8::1]:5061", ""),
            ("Dir: out", "Dir: "),
        ] {
            assert_eq!(split(text.replacen(name, other, 1).as_bytes()), None, "{name}");
        }
    }
}
