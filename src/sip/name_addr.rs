//! `"Display" <uri>;tag=x` and `uri;tag=x`: the form of From, To and the identity headers.

use super::scan::{Class, HeaderCursor};

const QUOTED_END: Class = Class::of(b"\"\\\r\n\0");
const ENCLOSED_END: Class = Class::space_and(b"><\"\\\0");
const WORD_END: Class = Class::space_and(b"<>\"\\;\0");
const LISTED_WORD_END: Class = Class::space_and(b"<>\"\\;,\0");
const NAME_END: Class = Class::space_and(b"=;,\"\\\0");
const VALUE_END: Class = Class::space_and(b";,\"\\=\0");
/// As [`VALUE_END`], but a comma is part of the value.
const TAG_END: Class = Class::space_and(b";\"\\=\0");

/// An address as a header gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NameAddr<'a> {
    /// The URI, without angle brackets.
    pub(super) uri: &'a [u8],
    /// Value of the last `tag` parameter, without quotes.
    pub(super) tag: &'a [u8],
}

/// What a comma outside quotes and angle brackets means in a header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Comma {
    /// The next address follows.
    Separates,
    /// It has no meaning, and may stand in a tag only.
    Ordinary,
}

/// Reads the address at `cursor` and moves behind it: to the comma or to where the header ends.
pub(super) fn parse<'a>(cursor: &mut HeaderCursor<'a>, comma: Comma) -> Option<NameAddr<'a>> {
    cursor.skip_blanks();
    let uri = match cursor.peek()? {
        b'<' => enclosed(cursor)?,
        b'"' => {
            quoted(cursor)?;
            cursor.skip_lws();
            enclosed(cursor)?
        }
        _ => token(cursor, comma)?,
    };
    let tag = params(cursor, comma)?;
    Some(NameAddr { uri, tag })
}

/// Moves over a quoted string and gives what is inside; a backslash takes the next byte along.
fn quoted<'a>(cursor: &mut HeaderCursor<'a>) -> Option<&'a [u8]> {
    cursor.step();
    let start = cursor.at();
    loop {
        cursor.until(&QUOTED_END);
        match cursor.peek()? {
            b'"' => {
                let inside = cursor.since(start);
                cursor.step();
                return Some(inside);
            }
            b'\\' => {
                cursor.step();
                cursor.step();
            }
            _ => return None,
        }
    }
}

/// Reads `<uri>`.
fn enclosed<'a>(cursor: &mut HeaderCursor<'a>) -> Option<&'a [u8]> {
    if !cursor.eat(b'<') {
        return None;
    }
    cursor.skip_blanks();
    if cursor.peek() == Some(b';') {
        return None;
    }
    let uri = cursor.until(&ENCLOSED_END);
    cursor.skip_blanks();
    (!uri.is_empty() && cursor.eat(b'>')).then_some(uri)
}

/// Reads what starts with a word: a URI without brackets, or a display name of words and then `<uri>`.
fn token<'a>(cursor: &mut HeaderCursor<'a>, comma: Comma) -> Option<&'a [u8]> {
    let separates = comma == Comma::Separates;
    let word_end = if separates { &LISTED_WORD_END } else { &WORD_END };
    let start = cursor.at();
    let word = cursor.until(word_end);
    if word.is_empty() {
        return None;
    }
    cursor.skip_lws();
    match cursor.peek() {
        // Blanks up to the very end of the bytes count as part of the URI, and make it unreadable.
        None => return Some(cursor.since(start)),
        Some(b'\r' | b'\n' | 0 | b';') => return Some(word),
        Some(b',') if separates => return Some(word),
        _ => {}
    }
    while !cursor.at_end_of_header() && cursor.peek() != Some(b'<') {
        let next = cursor.until(word_end);
        if next.is_empty() {
            return None;
        }
        cursor.skip_lws();
    }
    enclosed(cursor)
}

/// Reads the parameters behind an address and gives the tag.
fn params<'a>(cursor: &mut HeaderCursor<'a>, comma: Comma) -> Option<&'a [u8]> {
    let mut tag: &[u8] = b"";
    loop {
        cursor.skip_lws();
        if cursor.at_end_of_header() || (comma == Comma::Separates && cursor.peek() == Some(b',')) {
            return Some(tag);
        }
        if !cursor.eat(b';') {
            return None;
        }
        let (name, value) = param(cursor, comma)?;
        if name.eq_ignore_ascii_case(b"tag") {
            tag = value;
        }
    }
}

/// Reads `name[=value]`.
fn param<'a>(cursor: &mut HeaderCursor<'a>, comma: Comma) -> Option<(&'a [u8], &'a [u8])> {
    cursor.skip_lws();
    let name = cursor.until(&NAME_END);
    if name.is_empty() {
        return None;
    }
    cursor.skip_lws();
    if !cursor.eat(b'=') {
        return Some((name, b""));
    }
    cursor.skip_lws();
    // Some agents put commas into tags.
    let comma_in_value = comma == Comma::Ordinary && name.eq_ignore_ascii_case(b"tag");
    while comma_in_value && cursor.eat(b',') {
        cursor.skip_lws();
    }
    if cursor.peek() == Some(b'"') {
        return Some((name, quoted(cursor)?));
    }
    Some((name, cursor.until(if comma_in_value { &TAG_END } else { &VALUE_END })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(body: &str, uri: &str, tag: &str) {
        let read = parse(&mut HeaderCursor::new(body.as_bytes(), 0), Comma::Ordinary);
        assert_eq!(read, Some(NameAddr { uri: uri.as_bytes(), tag: tag.as_bytes() }), "{body}");
    }

    #[track_caller]
    fn refuses(body: &str) {
        assert_eq!(parse(&mut HeaderCursor::new(body.as_bytes(), 0), Comma::Ordinary), None, "{body}");
    }

    #[test]
    fn display_names_are_skipped_quoted_or_not() {
        reads("<sip:a@b>;tag=1\r\n", "sip:a@b", "1");
        reads("Alice <sip:a@b>\r\n", "sip:a@b", "");
        reads("Alice van Dyke <sip:a@b>\r\n", "sip:a@b", "");
        reads("\"A \\\" <x> \\\\\" <sip:a@b> ; tag = 2 \r\n", "sip:a@b", "2");
        reads("\"A\"\r\n <sip:a@b>\r\n", "sip:a@b", "");
        refuses("\"A\" sip:a@b\r\n");
        refuses("\"A <sip:a@b>\r\n");
        refuses("Al\"ice\" <sip:a@b>\r\n");
    }

    #[test]
    fn parameters_of_a_bare_uri_are_the_headers() {
        reads("sip:a@b;tag=1\r\n", "sip:a@b", "1");
        reads("sip:a@b ;x;tag=1\r\n", "sip:a@b", "1");
        reads("<sip:a@b;tag=in>;tag=out\r\n", "sip:a@b;tag=in", "out");
        reads("sip:a@b  \r\n", "sip:a@b", "");
    }

    #[test]
    fn the_last_tag_counts_and_quotes_go() {
        reads("<sip:a@b>;tag=1;TAG=2\r\n", "sip:a@b", "2");
        reads("<sip:a@b>;tag=\"q;\\\"t\"\r\n", "sip:a@b", "q;\\\"t");
        reads("<sip:a@b>;tag=1;tag\r\n", "sip:a@b", "");
        reads("<sip:a@b>;tagged=1;tag=\r\n", "sip:a@b", "");
        reads("<sip:a@b>;tag=1,2\r\n", "sip:a@b", "1,2");
        reads("<sip:a@b>;\r\n tag=1\r\n", "sip:a@b", "1");
    }

    #[test]
    fn an_address_that_breaks_the_grammar_is_refused() {
        for body in [
            "",
            "\r\n",
            "<>\r\n",
            "<sip:a@b\r\n",
            "<sip:a@b c>\r\n",
            "<sip:a@b>x\r\n",
            "<sip:a@b>;\r\n",
            "<sip:a@b>;;tag=1\r\n",
            "<sip:a@b>;tag=a=b\r\n",
            "<sip:a@b>;x=1,2\r\n",
            "<sip:a@b>, <sip:c@d>\r\n",
            ";tag=1\r\n",
            "a b\r\n",
            "<sip:a@b>;\"x\"=1\r\n",
            "<sip:a@b>;tag=\"x\r\n",
        ] {
            refuses(body);
        }
    }

    #[test]
    fn a_comma_ends_an_address_where_it_separates() {
        let mut cursor = HeaderCursor::new(b"\"A, B\" <sip:a,b@c>;x=1, tel:+1", 0);
        assert_eq!(parse(&mut cursor, Comma::Separates).map(|read| read.uri), Some(&b"sip:a,b@c"[..]));
        assert!(cursor.eat(b','));
        assert_eq!(parse(&mut cursor, Comma::Separates).map(|read| read.uri), Some(&b"tel:+1"[..]));
        assert_eq!(cursor.peek(), None);
    }
}
