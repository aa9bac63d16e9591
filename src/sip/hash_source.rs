//! Reads one field alone, by which a capture mode chooses a table.

use super::headers::{self, KnownHeader};
use super::name_addr::{self, Comma, NameAddr};
use super::scan::HeaderCursor;
use super::{first_line, lenient, via};

/// The field that a hash is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashSource {
    /// Call-ID.
    #[default]
    CallId,
    /// User part of the From URI.
    FromUser,
    /// User part of the To URI.
    ToUser,
}

impl HashSource {
    fn header(self) -> KnownHeader {
        match self {
            HashSource::CallId => KnownHeader::CallId,
            HashSource::FromUser => KnownHeader::From,
            HashSource::ToUser => KnownHeader::To,
        }
    }
}

/// The value that [`extract`](super::extract) gives for this field of `message`, without reading what follows it; empty
/// when it is absent or cannot be read.
pub fn hash_source(message: &[u8], source: HashSource) -> &[u8] {
    let wanted = source.header();
    let mut cursor = HeaderCursor::new(message, first_line::parse(message).headers);
    let mut to_is_read = false;
    while cursor.peek().is_some_and(|first| first != b'\r' && first != b'\n') {
        let Some(name) = headers::name(&mut cursor) else {
            headers::skip(&mut cursor);
            continue;
        };
        let known = KnownHeader::named(name);
        let start = cursor.at();
        // The grammar of these two says where they end, as in `collect`.
        let end = match known {
            Some(KnownHeader::Via) => behind(cursor, |ahead| via::parse(ahead).is_some()),
            Some(KnownHeader::To) if wanted == KnownHeader::To => return user_of_to(&mut cursor),
            Some(KnownHeader::To) if !to_is_read => {
                to_is_read = true;
                behind(cursor, |ahead| {
                    let is_read = name_addr::parse(ahead, Comma::Ordinary).is_some();
                    ahead.skip_line_break();
                    is_read
                })
            }
            _ => None,
        };
        match end {
            Some(end) => cursor = end,
            None => _ = headers::skip(&mut cursor),
        }
        if known == Some(wanted) {
            let raw = cursor.since(start);
            return match source {
                HashSource::CallId => headers::body(raw),
                HashSource::FromUser | HashSource::ToUser => {
                    user(name_addr::parse(&mut HeaderCursor::new(raw, 0), Comma::Ordinary), headers::body(raw))
                }
            };
        }
    }
    b""
}

/// Where `cursor` is after `read`, if that succeeds.
fn behind<'a>(
    mut cursor: HeaderCursor<'a>,
    read: impl FnOnce(&mut HeaderCursor<'a>) -> bool,
) -> Option<HeaderCursor<'a>> {
    read(&mut cursor).then_some(cursor)
}

/// The user part of the To at `cursor`, where the header's body begins.
fn user_of_to<'a>(cursor: &mut HeaderCursor<'a>) -> &'a [u8] {
    let start = cursor.at();
    let mut ahead = *cursor;
    let address = name_addr::parse(&mut ahead, Comma::Ordinary);
    match address {
        Some(_) => *cursor = ahead,
        None => _ = headers::skip(cursor),
    }
    user(address, headers::body(cursor.since(start)))
}

fn user<'a>(address: Option<NameAddr<'a>>, body: &'a [u8]) -> &'a [u8] {
    lenient::uri(address.map(|address| address.uri), body).unwrap_or_default().user
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{HeaderNames, extract};
    use proptest::prelude::*;

    #[track_caller]
    fn agrees_with_extract(message: &[u8]) {
        let fields = extract(message, None, &HeaderNames::default());
        let shown = message.escape_ascii();
        assert_eq!(hash_source(message, HashSource::CallId), fields.callid, "Call-ID of {shown}");
        assert_eq!(hash_source(message, HashSource::FromUser), fields.from_user, "From user of {shown}");
        assert_eq!(hash_source(message, HashSource::ToUser), fields.to_user, "To user of {shown}");
    }

    #[test]
    fn every_message_of_the_corpus_has_the_fields_that_its_row_has() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/awkward");
        let entries = std::fs::read_dir(folder).unwrap();
        let messages: Vec<_> = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
        assert!(messages.len() > 150);
        for message in &messages {
            agrees_with_extract(message);
            for cut in 0..message.len().min(700) {
                agrees_with_extract(&message[..cut]);
            }
        }
    }

    /// Lines that a message is made of, good and bad.
    fn line() -> impl Strategy<Value = String> {
        let body = "[ \t]{0,2}[a-z0-9:;=,@<>\"\\\\ .-]{0,30}";
        let name =
            prop::sample::select(vec!["Call-ID", "i", "From", "f", "To", "t", "Via", "v", "Subject", "bad line", ""]);
        let address = prop::sample::select(vec![
            "",
            "<sip:a@b>;tag=1",
            "\"x\" <tel:+1>",
            "SIP/2.0/UDP h;branch=1",
            "sip:c@d",
            "x;y <sip:e@f>;tag=1",
        ]);
        let end = prop::sample::select(vec!["\r\n", "\n", "\r\n ", "\n\t", "\r", "\0\r\n"]);
        (name, prop::sample::select(vec![":", " :", ""]), address, body, end)
            .prop_map(|(name, colon, address, body, end)| format!("{name}{colon}{address}{body}{end}"))
    }

    proptest! {
        #[test]
        fn whatever_lines_a_message_has_its_fields_are_those_of_its_row(
            lines in prop::collection::vec(line(), 0..8),
            reply: bool,
        ) {
            let first = if reply { "SIP/2.0 200 OK\r\n" } else { "INVITE sip:a@b SIP/2.0\r\n" };
            agrees_with_extract(format!("{first}{}", lines.concat()).as_bytes());
        }

        #[test]
        fn arbitrary_bytes_have_the_fields_of_their_row(message in prop::collection::vec(any::<u8>(), 0..200)) {
            agrees_with_extract(&message);
        }
    }
}
