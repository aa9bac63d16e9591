//! Addresses that break the grammar but have a plain URI: a quote without its partner, a name before a URI without
//! angle brackets, or a bracket that is not closed. Called when [`name_addr`](super::name_addr) and
//! [`contact`](super::contact) cannot read an address, or find something else than a URI.
//!
//! Nothing is guessed. The URI must be valid by itself ([`uri::parse`] decides), of the scheme sip, sips or tel, and
//! there must be no doubt which URI is meant:
//!
//! - A URI without brackets at the very beginning is taken.
//! - Else, if every quote has its partner, the first URI outside quotes is taken; one in angle brackets goes before one
//!   without.
//! - Else it is unknown what the unpaired quote encloses. Then there must be only one URI in brackets or, if none is in
//!   brackets, only one URI.
//!
//! If that URI cannot be read, is of another scheme, or has no brackets and is followed by a blank and a word, which
//! may be its end, no other URI is tried, and the field stays empty.

use super::scan::{Class, find, trim, trim_start};
use super::uri::{self, Uri};

/// What ends a URI in angle brackets, or shows that its bracket is not closed.
const ENCLOSED_END: Class = Class::of(b"<>\r\n\0");
/// What a scheme cannot hold.
const SCHEME_END: Class = Class::of(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-.").complement();
/// What ends a word with a URI that no angle brackets enclose.
const BARE_END: Class = Class::space_and(b"<>\"\0");
/// What ends the user of such a URI, or, where there is none, the URI.
const USER_END: Class = Class::of(b"@;");
/// What the header's own parameters begin with, and the next address.
const NEXT: Class = Class::of(b";,");
/// What may follow such a URI and the blanks behind it.
const BEHIND: Class = Class::of(b";,>\"");
const NAME_END: Class = Class::space_and(b"=;,<>\"\0");
const VALUE_END: Class = Class::space_and(b";\0");

/// What can be read of an address that breaks the grammar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LenientAddress<'a> {
    pub(super) uri: Uri<'a>,
    behind: &'a [u8],
}

impl<'a> LenientAddress<'a> {
    /// Value of the last `tag` parameter behind the URI; without quotes where both are there. Takes time in
    /// proportion to the body's length.
    pub(super) fn tag(&self) -> &'a [u8] {
        tag(self.behind)
    }
}

/// The URI that the grammar gives, or, where that is none, the plain one in the header's `body`.
pub(super) fn uri<'a>(by_grammar: Option<&'a [u8]>, body: &'a [u8]) -> Option<Uri<'a>> {
    by_grammar.and_then(uri::parse).or_else(|| address(body).map(|address| address.uri))
}

/// Whether a URI stands in angle brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Enclosed,
    Bare,
}

/// Reads the address in a header's whole body; `None` when it has no plain URI. Takes time in proportion to the
/// body's length.
pub(super) fn address(body: &[u8]) -> Option<LenientAddress<'_>> {
    let has_at = find(body, b'@').is_some();
    if let Some((Some(uri), behind)) = bare(trim_start(body), has_at)
        && trim_start(behind).first().is_none_or(|&next| NEXT.has(next))
    {
        return Some(LenientAddress { uri, behind });
    }
    let quotes_match = quotes_match(body);
    let mut places =
        UriScan { body, at: 0, form: Form::Enclosed, heeds_quotes: quotes_match, in_quotes: false, has_at };
    let first = places.next().or_else(|| {
        places = UriScan { at: 0, form: Form::Bare, in_quotes: false, ..places };
        places.next()
    });
    let (uri, behind) = first?;
    (quotes_match || places.next().is_none()).then_some(LenientAddress { uri: uri?, behind })
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

/// Goes over the URIs of one form in a body; gives each with what follows it, `None` for one that is not of a party
/// or cannot be read.
struct UriScan<'a> {
    body: &'a [u8],
    at: usize,
    form: Form,
    /// Whether what stands in quotes is passed over.
    heeds_quotes: bool,
    in_quotes: bool,
    /// Whether there is an `@` in the body.
    has_at: bool,
}

impl<'a> Iterator for UriScan<'a> {
    type Item = (Option<Uri<'a>>, &'a [u8]);

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

/// Reads `uri>`, or `uri words>` where the URI has a user.
fn enclosed(text: &[u8]) -> Option<(Option<Uri<'_>>, &[u8])> {
    let (inside, behind) = text.split_at(ENCLOSED_END.length_before(text));
    let behind = behind.strip_prefix(b">")?;
    let inside = trim(inside);
    if !uri::is_of_party(inside) {
        return has_scheme(inside).then_some((None, behind));
    }
    let whole = uri::parse(inside).filter(|uri| BARE_END.length_before(uri.host) == uri.host.len());
    let word = || Some(BARE_END.before(inside)).filter(|word| find(word, b'@').is_some());
    // A port there may be cut off.
    let cut = || uri::parse(word()?).filter(|uri| uri.port == 0);
    Some((whole.or_else(cut), behind))
}

/// Whether `text` begins as a URI does.
fn has_scheme(text: &[u8]) -> bool {
    let name = SCHEME_END.length_before(text);
    name > 0 && text.get(name) == Some(&b':')
}

/// Reads a URI without brackets, which ends where the header's parameters begin. One without a user must stand in a
/// body without an `@`: else it may be the beginning of a URI with a user that is cut off. The same holds for one with
/// a word after the blank that ends it.
fn bare(text: &[u8], has_user_somewhere: bool) -> Option<(Option<Uri<'_>>, &[u8])> {
    if !uri::is_of_party(text) {
        return None;
    }
    let word = BARE_END.before(text);
    let user = USER_END.length_before(word);
    let host = if word.get(user) == Some(&b'@') { user } else { 0 };
    let (uri, behind) = text.split_at(host + NEXT.length_before(&word[host..]));
    let is_whole = trim_start(behind).first().is_none_or(|&next| BEHIND.has(next));
    let is_plain = is_whole && (host > 0 || !has_user_somewhere);
    Some((uri::parse(uri).filter(|_| is_plain), behind))
}

/// The last tag among what stands behind the URI, whatever separates it from that.
fn tag(behind: &[u8]) -> &[u8] {
    let mut tag: &[u8] = b"";
    let mut values = Values::default();
    let mut rest = behind;
    while let Some(&byte) = rest.first() {
        let (name, after) = rest.split_at(NAME_END.length_before(rest));
        rest = match byte {
            // Another address, whose parameters are its own.
            b'<' => match find(rest, b'>') {
                Some(end) => &rest[end..],
                None => return tag,
            },
            b'"' => values.read(rest).1,
            _ if name.is_empty() => &rest[1..],
            _ => match skip_blanks(after).strip_prefix(b"=") {
                None => after,
                Some(given) => {
                    let (value, behind) = values.read(skip_blanks(given));
                    if name.eq_ignore_ascii_case(b"tag") {
                        tag = value;
                    }
                    behind
                }
            },
        };
    }
    tag
}

/// Reads the values of parameters, one behind the other.
#[derive(Default)]
struct Values {
    /// Whether a quote was found that has no partner. Then none behind it has one: a backslash before each of them
    /// takes it along.
    has_open_quote: bool,
}

impl Values {
    /// A value, and what follows: a quoted string, or a word as it stands.
    fn read<'a>(&mut self, text: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        if let Some(inside) = text.strip_prefix(b"\"")
            && !self.has_open_quote
        {
            let mut end = 0;
            while let Some(&byte) = inside.get(end) {
                looked_at(1);
                match byte {
                    b'"' => return (&inside[..end], &inside[end + 1..]),
                    b'\\' => end += 2,
                    _ => end += 1,
                }
            }
            self.has_open_quote = true;
        }
        let word = VALUE_END.length_before(text);
        looked_at(word);
        text.split_at(word)
    }
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let rest = trim_start(text);
    looked_at(text.len() - rest.len());
    rest
}

/// Counts the bytes that are looked at, for a test.
#[cfg(test)]
fn looked_at(bytes: usize) {
    tests::LOOKED_AT.set(tests::LOOKED_AT.get() + bytes);
}

#[cfg(not(test))]
fn looked_at(_: usize) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{HashSource, HeaderNames, extract, hash_source};

    thread_local! {
        pub(super) static LOOKED_AT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[track_caller]
    fn reads(body: &str, user: &str, host: &str, tag: &str) {
        let read = address(body.as_bytes()).map(|read| (read.uri.user, read.uri.host, read.tag()));
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
        reads("<sip:alice@a.example \r\n", "alice", "a.example", "");
        reads("<sip:alice@a.example b>;tag=1", "alice", "a.example", "1");
        reads("tel:+49301234 \"x\";tag=1", "+49301234", "", "1");
        // The first address, whatever follows it.
        reads("sip:alice@a.example;tag=1 <sip:bob@b.example>", "alice", "a.example", "1");
        reads(" sip:alice@a.example;x=\"y <sip:bob@b.example>;tag=1", "alice", "a.example", "1");
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
            // The word after the blank may be the end of the URI.
            "tel:+49 30 1234;tag=1",
            "\"A\" tel:+49 30 1234;tag=1",
            "\"A\" sip:gw example.net;tag=1",
            "\"A\" sip:alice@a.exa mple;tag=1",
            "\"A\" sip:alice@a.example:50 60;tag=1",
            "<sip:a.example b>;tag=1",
            "<sip:alice@a.example:50 60>;tag=1",
            "sip:alice@a.example <http://b.example/>;tag=1",
            // In a name alone.
            "\"sip:alice@a.example\";tag=1",
            "\"A <sip:alice@a.example>\";tag=1",
            "mysip:alice@a.example x",
            // In a parameter of another URI.
            "<http://a.example/>;x=<sip:bob@b.example>",
            "\"A\" <mailto:alice@a.example> sip:bob@b.example",
            "<sip:alice@a.example:70000>;x=<sip:bob@b.example>;tag=1",
            "\"A\" sip:alice@a.example:70000;x=\"sip:bob@b.example\" sip:carol@c.example",
            // With an unpaired quote, two URIs are ambiguous.
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
    fn the_work_for_a_tag_is_in_proportion_to_the_length_of_the_body() {
        for part in [r#" \""#, r#"\";"#, r#";x="\" "#, " ", ";x ", "<", ";tag=\"", "\\", "=\"\" "] {
            let body = format!("<sip:a@b> \"{}", part.repeat(65_536 / part.len()));
            LOOKED_AT.set(0);
            let _ = tag(&body.as_bytes()[9..]);
            assert!(LOOKED_AT.get() <= 4 * body.len(), "{part:?}: {} of {}", LOOKED_AT.get(), body.len());
        }
    }

    #[test]
    fn what_a_mode_shards_by_and_the_identity_are_read_without_a_look_at_tags() {
        let body = format!("\"x\" sip:alice@a.example;x{}", " \\\"".repeat(20_000));
        let message = format!("INVITE sip:b@b SIP/2.0\r\nFrom: {body}\r\nTo: {body}\r\n\r\n");
        LOOKED_AT.set(0);
        for source in [HashSource::FromUser, HashSource::ToUser] {
            assert_eq!(hash_source(message.as_bytes(), source), b"alice");
        }
        let message = format!("INVITE sip:b@b SIP/2.0\r\nP-Asserted-Identity: {body}\r\nContact: {body}\r\n\r\n");
        assert_eq!(extract(message.as_bytes(), None, &HeaderNames::default()).pid_user, b"alice");
        assert_eq!(LOOKED_AT.get(), 0);
    }

    #[test]
    fn a_quote_without_a_partner_hides_no_tag() {
        reads(r#"<sip:a@b> \" \";tag=1;x="\";tag=2 \""#, "a", "b", "2");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let read = address(b"\"\xfc <sip:j\xfcrgen@a.example>;tag=\xff").unwrap();
        assert_eq!((read.uri.user, read.tag()), (&b"j\xfcrgen"[..], &b"\xff"[..]));
    }
}
