//! P-Asserted-Identity and P-Preferred-Identity (RFC 3325): several headers, each with several addresses.

use super::lenient;
use super::name_addr::{self, Comma};
use super::scan::{HeaderCursor, trim_end};
use super::uri::{self, Uri};

/// The P-Asserted-Identity or P-Preferred-Identity headers of a message.
#[derive(Default)]
pub(super) struct Identity<'a> {
    /// How many have been read.
    count: usize,
    /// The first address in the first of them.
    first: Option<Uri<'a>>,
    /// Whether one of them breaks the grammar. If so, none of them counts while another header can give the identity.
    broken: bool,
    /// The first URI that can be read in any of them, the plain one of a header that breaks the grammar too.
    readable: Option<Uri<'a>>,
}

impl<'a> Identity<'a> {
    /// Reads the body of one of them.
    pub(super) fn read(&mut self, body: &'a [u8]) {
        let first = first_identity(body);
        self.broken |= first.is_none();
        let uri = first.map(trim_end).and_then(uri::parse);
        if self.count == 0 {
            self.first = uri;
        }
        if self.readable.is_none() {
            self.readable = uri.or_else(|| lenient::uri(None, body));
        }
        self.count += 1;
    }

    /// As [`Identity::read`], but the third header and those behind it are ignored.
    pub(super) fn read_of_two(&mut self, body: &'a [u8]) {
        if self.count < 2 {
            self.read(body);
        }
    }

    /// The first URI, `None` in it for one that cannot be read, if there are headers and all of them keep to the
    /// grammar.
    pub(super) fn uri(&self) -> Option<Option<Uri<'a>>> {
        (self.count > 0 && !self.broken).then_some(self.first)
    }

    /// The first URI that can be read, for use when the grammar gives none.
    pub(super) fn readable_uri(&self) -> Option<Uri<'a>> {
        self.readable
    }
}

/// How many addresses of one identity header are looked at.
const IDENTITIES: usize = 10;

/// URI of the first address in an identity header; `None` when one of its addresses breaks the grammar.
fn first_identity(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = HeaderCursor::new(body, 0);
    let first = name_addr::parse(&mut cursor, Comma::Separates)?.uri;
    for _ in 1..IDENTITIES {
        if !cursor.eat(b',') {
            break;
        }
        cursor.skip_lws();
        name_addr::parse(&mut cursor, Comma::Separates)?;
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_of_a_header_counts() {
        assert_eq!(first_identity(b"\"A, B\" <sip:a@b>,\r\n <tel:+1>"), Some(&b"sip:a@b"[..]));
        assert_eq!(first_identity(b"sip:a@b"), Some(&b"sip:a@b"[..]));
    }

    #[test]
    fn one_unreadable_address_spoils_the_header_and_one_header_spoils_all() {
        assert_eq!(first_identity(b"<sip:a@b>,"), None);
        assert_eq!(first_identity(b"<sip:a@b>, <broken"), None);
        let mut identity = Identity::default();
        identity.read(b"<sip:a@b>");
        assert_eq!(identity.uri().flatten().map(|uri| uri.user), Some(&b"a"[..]));
        identity.read(b"<broken");
        assert_eq!(identity.uri(), None);
        assert_eq!(identity.readable_uri().map(|uri| uri.user), Some(&b"a"[..]));
    }

    #[test]
    fn addresses_after_the_tenth_are_not_looked_at() {
        let ten = ["<sip:a@b>"; 10].join(",");
        assert!(first_identity(format!("{ten},<broken").as_bytes()).is_some());
        assert!(first_identity(format!("{}<broken", &ten[..10]).as_bytes()).is_none());
    }

    #[test]
    fn only_two_preferred_identities_are_looked_at() {
        let mut identity = Identity::default();
        for body in [&b"<sip:a@b>"[..], b"<sip:c@d>", b"<broken"] {
            identity.read_of_two(body);
        }
        assert_eq!(identity.uri().flatten().map(|uri| uri.user), Some(&b"a"[..]));
    }
}
