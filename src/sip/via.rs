//! Via: the branch of the topmost one, and where the header ends.

use super::scan::{Class, HeaderCursor, is_space};

const PROTOCOL_END: Class = Class::space_and(b"/");
/// What ends a host or a port.
const SENT_BY_END: Class = Class::space_and(b":;,()[]\0");
const IPV6_END: Class = Class::space_and(b"][;,()\0");
const NAME_END: Class = Class::space_and(b"=;,\0");
const VALUE_END: Class = Class::space_and(b";,=\"\0");
const QUOTED_END: Class = Class::of(b"\"\r\n\0");
const COMMENT_END: Class = Class::of(b"()\r\n\0");

/// Reads a Via header's body at `cursor`, moves behind its line break, and gives the branch of the first of its Vias
/// (empty if that has none). `None` when any Via in it breaks the grammar.
pub(super) fn parse<'a>(cursor: &mut HeaderCursor<'a>) -> Option<&'a [u8]> {
    let mut branch = None;
    cursor.skip_lws();
    loop {
        let (own, is_last) = one(cursor)?;
        let branch = *branch.get_or_insert(own);
        if is_last {
            return Some(branch);
        }
    }
}

/// Reads one Via of a header at `cursor`, and moves to the next one in it or, behind the last one, behind the line
/// break. Gives its branch and whether it was the last one.
pub(super) fn one<'a>(cursor: &mut HeaderCursor<'a>) -> Option<(&'a [u8], bool)> {
    sent_protocol(cursor)?;
    sent_by(cursor)?;
    let branch = params(cursor)?;
    cursor.skip_lws();
    if !cursor.eat(b',') {
        cursor.skip_line_break();
        return Some((branch, true));
    }
    loop {
        cursor.skip_lws();
        if !cursor.eat(b',') {
            return Some((branch, false));
        }
    }
}

/// `SIP / 2.0 / transport`
fn sent_protocol(cursor: &mut HeaderCursor<'_>) -> Option<()> {
    let start = cursor.at();
    cursor.until(&PROTOCOL_END);
    if !cursor.since(start).eq_ignore_ascii_case(b"SIP") {
        return None;
    }
    slash(cursor)?;
    if cursor.until(&PROTOCOL_END) != b"2.0" {
        return None;
    }
    slash(cursor)?;
    let transport = cursor.until(&PROTOCOL_END);
    (!transport.is_empty() && cursor.peek().is_some_and(is_space)).then_some(())
}

fn slash(cursor: &mut HeaderCursor<'_>) -> Option<()> {
    cursor.skip_lws();
    if !cursor.eat(b'/') {
        return None;
    }
    cursor.skip_lws();
    Some(())
}

/// `host [: port]`
fn sent_by(cursor: &mut HeaderCursor<'_>) -> Option<()> {
    cursor.skip_lws();
    if cursor.eat(b'[') {
        cursor.until(&IPV6_END);
        if !cursor.eat(b']') {
            return None;
        }
    } else if cursor.until(&SENT_BY_END).is_empty() {
        return None;
    }
    cursor.skip_lws();
    if cursor.eat(b':') {
        cursor.skip_lws();
        let port = cursor.until(&SENT_BY_END);
        if !(1..=5).contains(&port.len()) || !port.iter().all(u8::is_ascii_digit) {
            return None;
        }
        cursor.skip_lws();
    }
    Some(())
}

/// The parameters and comments behind the host; gives the last branch among them.
fn params<'a>(cursor: &mut HeaderCursor<'a>) -> Option<&'a [u8]> {
    let mut branch: &[u8] = b"";
    let mut commented = false;
    loop {
        cursor.skip_lws();
        match cursor.peek() {
            Some(b';') if !commented => {
                cursor.step();
                if let Some(value) = param(cursor)? {
                    branch = value;
                }
            }
            Some(b'(') => {
                comment(cursor)?;
                commented = true;
            }
            None | Some(b'\r' | b'\n' | b',') => return Some(branch),
            Some(_) => return None,
        }
    }
}

/// Reads `name[=value]`; gives the value if it is the branch.
fn param<'a>(cursor: &mut HeaderCursor<'a>) -> Option<Option<&'a [u8]>> {
    cursor.skip_lws();
    if cursor.peek().is_some_and(|byte| matches!(byte, b':' | b'(' | b')' | b'[' | b']' | 0)) {
        return None;
    }
    let name = cursor.until(&NAME_END);
    if name.is_empty() {
        return None;
    }
    let is = |full: &[u8]| name.eq_ignore_ascii_case(full);
    let (needs_value, takes_none) =
        (is(b"branch") || is(b"maddr") || is(b"ttl") || is(b"received") || is(b"i"), is(b"alias") || is(b"hidden"));
    let blank = cursor.peek().is_some_and(is_space);
    cursor.skip_lws();
    let value = if cursor.eat(b'=') {
        if takes_none {
            return None;
        }
        value(cursor, needs_value)?
    } else if needs_value && !(blank && cursor.peek() == Some(b';')) {
        return None;
    } else {
        b""
    };
    Some(is(b"branch").then_some(value))
}

/// Reads a value behind the `=`: a word or a quoted string, in which a backslash is a byte like any other. Where no
/// value is `needed`, it may be missing or its closing quote may.
fn value<'a>(cursor: &mut HeaderCursor<'a>, needed: bool) -> Option<&'a [u8]> {
    cursor.skip_lws();
    if cursor.eat(b'"') {
        return quoted(cursor).or((!needed && cursor.at_end_of_header()).then_some(b""));
    }
    let word = cursor.until(&VALUE_END);
    let readable = match cursor.peek() {
        Some(b'=' | b'"' | 0) => false,
        Some(b',') => !word.is_empty(),
        Some(b'\r' | b'\n') | None => !word.is_empty() || !needed,
        Some(_) => true,
    };
    readable.then_some(word)
}

/// Reads a string up to its closing quote, over folds.
fn quoted<'a>(cursor: &mut HeaderCursor<'a>) -> Option<&'a [u8]> {
    let start = cursor.at();
    loop {
        cursor.until(&QUOTED_END);
        let inside = cursor.since(start);
        if cursor.eat(b'"') {
            return Some(inside);
        }
        fold(cursor)?;
    }
}

/// Moves over a fold; `None` where the header ends instead.
fn fold(cursor: &mut HeaderCursor<'_>) -> Option<()> {
    let line_end = cursor.at();
    cursor.skip_lws();
    (cursor.at() > line_end).then_some(())
}

/// Moves over a comment in parentheses, which may hold others.
fn comment(cursor: &mut HeaderCursor<'_>) -> Option<()> {
    let mut depth = 0usize;
    loop {
        cursor.until(&COMMENT_END);
        match cursor.peek()? {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {
                fold(cursor)?;
                continue;
            }
        }
        cursor.step();
        if depth == 0 {
            return Some(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(body: &str) -> Option<&[u8]> {
        parse(&mut HeaderCursor::new(body.as_bytes(), 0))
    }

    #[track_caller]
    fn reads(body: &str, expected: &str) {
        assert_eq!(branch(body), Some(expected.as_bytes()), "{body}");
    }

    #[test]
    fn the_branch_is_the_first_vias() {
        reads("SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n", "z9hG4bK1");
        reads("SIP/2.0/UDP a.example:5060;rport;branch=z9hG4bK1, SIP/2.0/TCP b;branch=z9hG4bK2\r\n", "z9hG4bK1");
        reads("SIP/2.0/UDP a, SIP/2.0/UDP b;branch=2\r\n", "");
        reads("SIP/2.0/UDP a\r\n", "");
    }

    #[test]
    fn blanks_and_folds_may_stand_between_all_parts() {
        reads("sip / 2.0 / udp\r\n a.example : 5060 ;\r\n branch = z9 ; x\r\n", "z9");
    }

    #[test]
    fn ipv6_hosts_comments_and_quoted_values_are_read() {
        reads("SIP/2.0/TLS [2001:db8::1]:5061;branch=b (a (nested) comment)\r\n", "b");
        reads("SIP/2.0/WSS a;x=\"y;branch=z\";branch=\"q\"\r\n", "q");
        reads("SIP/2.0/DTLS-UDP a;branch=b;alias;keep\r\n", "b");
        reads("SIP/2.0/UDP a;branch=\"1\r\n 2\"\r\n", "1\r\n 2");
    }

    #[test]
    fn the_cursor_ends_behind_the_header() {
        let mut cursor = HeaderCursor::new(b"SIP/2.0/UDP a;branch=1\r\n\t;x\r\nTo: b\r\n", 0);
        assert_eq!(parse(&mut cursor), Some(&b"1"[..]));
        assert_eq!(cursor.peek(), Some(b'T'));
    }

    #[test]
    fn a_via_that_breaks_the_grammar_is_refused() {
        for body in [
            "",
            "\r\n",
            "SIP/2.0/UDP\r\n",
            "SIP/2.0/UDP \r\n",
            "SIP/3.0/UDP a\r\n",
            "HTTP/2.0/UDP a\r\n",
            "SIP/2.0/UDP a:x\r\n",
            "SIP/2.0/UDP a:\r\n",
            "SIP/2.0/UDP a;\r\n",
            "SIP/2.0/UDP a;;branch=1\r\n",
            "SIP/2.0/UDP a;branch\r\n",
            "SIP/2.0/UDP a;branch;x\r\n",
            "SIP/2.0/UDP a;branch=\r\n",
            "SIP/2.0/UDP a;branch=1=2\r\n",
            "SIP/2.0/UDP a;alias=1\r\n",
            "SIP/2.0/UDP a b\r\n",
            "SIP/2.0/UDP [::1\r\n",
            "SIP/2.0/UDP a,\r\n",
            "SIP/2.0/UDP a (\r\n",
            "SIP/2.0/UDP a;branch=\"\r\n",
            "SIP/2.0 UDP a\r\n",
        ] {
            assert_eq!(branch(body), None, "{body}");
        }
    }
}
