//! Addresses that break the grammar and have a plain URI all the same: quotes without their partner, names in front of a URI without angle
//! brackets, brackets that are not closed. Called where [`name_addr`](super::name_addr) and [`contact`](super::contact) have given up.
//!
//! Such a header is not guessed at. Its URI must be one by itself ([`uri::parse`] judges), of the scheme sip, sips or tel, and it must be plain which
//! one is meant: as long as every quote has its partner, the first outside quotes, one in angle brackets before one without; where a quote
//! has none, nobody can say what it quotes, and there must be no other in brackets, or, where none is in brackets, no other at all. Anything else
//! stays empty.

use super::scan::{Class, find, trim_end, trim_start};
use super::uri::{self, Uri};

/// What ends a URI in angle brackets, or shows that its bracket is not closed.
const ENCLOSED_END: Class = Class::of(b"<>\r\n\0");
/// What ends a word with a URI that no angle brackets enclose.
const BARE_END: Class = Class::space_and(b"<>\"\0");
/// What ends the user of such a URI, or, where there is none, the URI.
const USER_END: Class = Class::of(b"@;");
/// What the header's own parameters begin with, and the next address.
const NEXT: Class = Class::of(b";,");
const NAME_END: Class = Class::space_and(b"=;,<>\"\0");
const VALUE_END: Class = Class::space_and(b";\0");

/// What can be read of an address that breaks the grammar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Address<'a> {
    pub(super) uri: Uri<'a>,
    /// Value of the last `tag` parameter behind the URI; without quotes where both are there.
    pub(super) tag: &'a [u8],
}

/// Whether a URI stands in angle brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Enclosed,
    Bare,
}

/// Reads the address in a header's whole body; `None` when it has no plain URI. Takes time in proportion to the body's length.
pub(super) fn address(body: &[u8]) -> Option<Address<'_>> {
    let quotes_match = quotes_match(body);
    let has_at = find(body, b'@').is_some();
    let mut places = Places { body, at: 0, form: Form::Enclosed, heeds_quotes: quotes_match, in_quotes: false, has_at };
    let first = places.next().or_else(|| {
        places = Places { at: 0, form: Form::Bare, in_quotes: false, ..places };
        places.next()
    });
    let (uri, behind) = first?;
    (quotes_match || places.next().is_none()).then(|| Address { uri, tag: tag(behind) })
}

/// Whether every quote that opens is closed.
fn quotes_match(body: &[u8]) -> bool {
    let mut in_quotes = false;
    let mut bytes = body.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\\' if in_quotes => _ = bytes.next(),
            _ => {}
        }
    }
    !in_quotes
}

/// Goes over the URIs of one form in a body; gives each with what follows it.
struct Places<'a> {
    body: &'a [u8],
    at: usize,
    form: Form,
    /// Whether what stands in quotes is passed over.
    heeds_quotes: bool,
    in_quotes: bool,
    /// Whether there is an `@` in the body.
    has_at: bool,
}

impl<'a> Iterator for Places<'a> {
    type Item = (Uri<'a>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(&byte) = self.body.get(self.at) {
            let start = self.at;
            self.at += 1;
            match byte {
                b'"' => self.in_quotes = self.heeds_quotes && !self.in_quotes,
                b'\\' if self.in_quotes => self.at += 1,
                _ => {}
            }
            let found = match self.form {
                _ if self.in_quotes => None,
                Form::Enclosed if byte == b'<' => enclosed(&self.body[start + 1..]),
                Form::Bare if begins_word(self.body, start) => bare(&self.body[start..], self.has_at),
                _ => None,
            };
            if let Some((uri, behind)) = found {
                self.at = self.body.len() - behind.len();
                return Some((uri, behind));
            }
        }
        None
    }
}

/// Whether a URI may begin at `at`: behind a blank, a quote or a bracket, or at the very start.
fn begins_word(body: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_none_or(|before| BARE_END.has(body[before]))
}

/// Reads `uri>`.
fn enclosed(text: &[u8]) -> Option<(Uri<'_>, &[u8])> {
    let text = trim_start(text);
    if !uri::is_of_party(text) {
        return None;
    }
    let (uri, behind) = text.split_at(ENCLOSED_END.length_before(text));
    Some((uri::parse(trim_end(uri))?, behind.strip_prefix(b">")?))
}

/// Reads a URI without brackets, which ends where the header's parameters begin. One without a user must stand in a body without an `@`: else
/// it may be the torn beginning of one with a user.
fn bare(text: &[u8], has_user_somewhere: bool) -> Option<(Uri<'_>, &[u8])> {
    if !uri::is_of_party(text) {
        return None;
    }
    let word = BARE_END.before(text);
    let user = USER_END.length_before(word);
    let host = if word.get(user) == Some(&b'@') { user } else { 0 };
    if host == 0 && has_user_somewhere {
        return None;
    }
    let (uri, behind) = text.split_at(host + NEXT.length_before(&word[host..]));
    Some((uri::parse(uri)?, behind))
}

/// The last tag among what stands behind the URI, whatever separates it from that.
fn tag(behind: &[u8]) -> &[u8] {
    let mut tag: &[u8] = b"";
    let mut rest = behind;
    while let Some(&byte) = rest.first() {
        let (name, after) = rest.split_at(NAME_END.length_before(rest));
        rest = match (byte, trim_start(after).strip_prefix(b"=")) {
            // Another address, whose parameters are its own.
            (b'<', _) => match find(rest, b'>') {
                Some(end) => &rest[end..],
                None => return tag,
            },
            (b'"', _) => value(rest).1,
            _ if name.is_empty() => &rest[1..],
            (_, None) => after,
            (_, Some(given)) => {
                let (value, behind) = value(trim_start(given));
                if name.eq_ignore_ascii_case(b"tag") {
                    tag = value;
                }
                behind
            }
        };
    }
    tag
}

/// A parameter's value, and what follows: a quoted string, or a word as it stands.
fn value(text: &[u8]) -> (&[u8], &[u8]) {
    if let Some(inside) = text.strip_prefix(b"\"") {
        let mut end = 0;
        while let Some(&byte) = inside.get(end) {
            match byte {
                b'"' => return (&inside[..end], &inside[end + 1..]),
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
    }
    text.split_at(VALUE_END.length_before(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(body: &str, user: &str, host: &str, tag: &str) {
        let read = address(body.as_bytes()).map(|read| (read.uri.user, read.uri.host, read.tag));
        assert_eq!(read, Some((user.as_bytes(), host.as_bytes(), tag.as_bytes())), "{body}");
    }

    #[track_caller]
    fn refuses(body: &str) {
        assert_eq!(address(body.as_bytes()), None, "{body}");
    }

    #[test]
    fn a_uri_in_angle_brackets_is_found_behind_whatever_a_name_is() {
        reads(r#"\"arik\" <sip:816666@example.net>;tag=6433ef9"#, "816666", "example.net", "6433ef9");
        reads(r#"""unknown"" <sip:4711@192.0.2.77>"#, "4711", "192.0.2.77", "");
        reads(r#""no end <sip:alice@a.example>;tag=1"#, "alice", "a.example", "1");
        reads(r#"Al"ice <sip:alice@a.example>;tag=1"#, "alice", "a.example", "1");
        reads(r#""A\" <sip:alice@a.example>;tag=1"#, "alice", "a.example", "1");
        reads("Doe, J. (home) <SIPS:alice@a.example:5061>;tag=1", "alice", "a.example", "1");
        reads("<<tel:+1-201;ext=2>>;tag=1", "+1-201", "", "1");
        reads(r#""<sip:name@x.example>" junk "x" <sip:alice@a.example>;tag=1"#, "alice", "a.example", "1");
        reads(r#""x" <sip:first@a.example> <sip:second@b.example;tag=no>;tag=1"#, "first", "a.example", "1");
    }

    #[test]
    fn a_uri_without_brackets_is_found_behind_a_name() {
        reads(r#""Anonymous" sip:anonymous@example.net;tag=1"#, "anonymous", "example.net", "1");
        reads("Alice tel:+49301234;tag=1", "+49301234", "", "1");
        reads(r#""A" sip:gw.example:5060;x=1;tag=2"#, "", "gw.example", "2");
        reads("<sip:alice@a.example;tag=1", "alice", "a.example", "1");
        reads(r#""A" <sip:alice@a.example ;tag=1"#, "alice", "a.example", "1");
        reads("sip:alice@a.example>;tag=1", "alice", "a.example", "1");
        reads("<sip:alice@a.example b>;tag=1", "alice", "a.example", "1");
        reads(r#""A" sip:alice@a.example, "B" sip:bob@b.example;tag=1"#, "alice", "a.example", "1");
    }

    #[test]
    fn the_tag_is_read_whatever_stands_before_it_and_in_it() {
        for (behind, tag) in [
            ("garbage;tag=1", "1"),
            ("tag=1", "1"),
            (";;tag=1", "1"),
            (" ; TAG = 1 ;x", "1"),
            (";x=1,2;tag=7", "7"),
            (",;tag=2", "2"),
            (";tag=a=b", "a=b"),
            (";tag=a,b\"c\\d", "a,b\"c\\d"),
            (";tag=\"x", "\"x"),
            (";tag=\"x;y\" z", "x;y"),
            (";x=\"a;tag=no\";tag=1 z", "1"),
            (";tag=1;tag=2 z", "2"),
            (";tag", ""),
            (";tag=", ""),
            (";tagged=1", ""),
            (" <sip:bob@b.example;tag=no", ""),
        ] {
            reads(&format!("<sip:alice@a.example;tag=in>{behind}"), "alice", "a.example", tag);
        }
    }

    #[test]
    fn a_header_without_a_plain_uri_stays_empty() {
        for body in [
            "",
            "Alice",
            "\"Alice\";tag=1",
            "<>;tag=1",
            "<sip:>;tag=1",
            "<http://a.example/>;tag=1",
            "<mailto:alice@a.example>;tag=1",
            "<alice@a.example>;tag=1",
            "<sip:alice@a.example:70000>;tag=1",
            "<sip:al\r\n ice@a.example>;tag=1",
            "\"A\" sip:al ice@a.example;tag=1",
            // In a name alone.
            "\"sip:alice@a.example\";tag=1",
            "\"A <sip:alice@a.example>\";tag=1",
            "mysip:alice@a.example x",
            // Where the quotes do not tell, two are one too many.
            "\"x <sip:alice@a.example> <sip:bob@b.example>;tag=1",
            "\"sip:alice@a.example sip:bob@b.example;tag=1",
            // Which of them the semicolon belongs to cannot be told.
            "\"A\" sip:alice;x=1@a.example;tag=1",
            "\"A\" sip:gw.example;tag=1@x",
        ] {
            refuses(body);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let read = address(b"\"\xfc <sip:j\xfcrgen@a.example>;tag=\xff").unwrap();
        assert_eq!((read.uri.user, read.tag), (&b"j\xfcrgen"[..], &b"\xff"[..]));
    }
}
