//! Finds one header by its name, and the branches of all Vias.

use super::first_line;
use super::headers::{self, KnownHeader};
use super::scan::{self, HeaderCursor};
use super::via;

/// The value of the first header of `message` called `name`, in any case, long or compact, without the blanks around
/// it; `None` when there is none, or it is empty.
pub fn header<'a>(message: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut cursor = HeaderCursor::new(message, first_line::parse(message).headers);
    while cursor.peek().is_some_and(|first| first != b'\r' && first != b'\n') {
        let found = headers::name(&mut cursor);
        let start = cursor.at();
        headers::skip(&mut cursor);
        if found.is_some_and(|found| headers::are_one(found, name)) {
            let value = scan::trim(scan::trim_start(cursor.since(start)));
            if !value.is_empty() {
                return Some(value);
            }
        }
    }
    None
}

/// The branches of the Vias of `message`, the topmost first; empty for a Via that has none. It ends where a Via
/// breaks the grammar.
pub fn via_branches(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut cursor = HeaderCursor::new(message, first_line::parse(message).headers);
    let mut in_via = false;
    std::iter::from_fn(move || {
        while !in_via {
            cursor.peek().filter(|first| !matches!(first, b'\r' | b'\n'))?;
            in_via = headers::name(&mut cursor).and_then(KnownHeader::named) == Some(KnownHeader::Via);
            match in_via {
                true => cursor.skip_lws(),
                false => _ = headers::skip(&mut cursor),
            }
        }
        let (branch, is_last) = via::one(&mut cursor)?;
        in_via = !is_last;
        Some(branch)
    })
    .fuse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_by_either_of_its_names() {
        let message = b"INVITE sip:a SIP/2.0\r\ni: one\r\nSubject: two\r\n\r\n";
        assert_eq!(header(message, b"Call-ID"), Some(&b"one"[..]));
        assert_eq!(header(message, b"S"), Some(&b"two"[..]));
    }

    #[test]
    fn the_branches_of_all_vias_are_given_from_the_top() {
        let message = b"INVITE sip:a SIP/2.0\r\n\
                        Via: SIP/2.0/UDP c;branch=3, ,\r\n SIP/2.0/TCP b\r\nSubject: x, Via: y\r\n\
                        v:SIP/2.0/UDP a;branch=1\r\nVia: nonsense\r\nVia: SIP/2.0/UDP x;branch=0\r\n\r\n\
                        Via: SIP/2.0/UDP y;branch=9\r\n";
        assert_eq!(via_branches(message).collect::<Vec<_>>(), [&b"3"[..], b"", b"1"]);
        for end in 0..message.len() {
            assert!(via_branches(&message[..end]).count() <= 3);
        }
        assert_eq!(via_branches(b"INVITE sip:a SIP/2.0\r\n\r\nVia: SIP/2.0/UDP y;branch=9\r\n").count(), 0);
    }

    #[test]
    fn the_first_value_that_is_not_empty_is_found_in_any_case_and_not_in_the_body() {
        let message =
            b"INVITE sip:a SIP/2.0\r\nX-Cid: \r\nnonsense\r\nx-CID:  one \r\nX-Cid: two\r\n\r\nX-Body: three\r\n";
        assert_eq!(header(message, b"X-Cid"), Some(&b"one"[..]));
        assert_eq!(header(message, b"X-Body"), None);
        for end in 0..message.len() {
            let _ = header(&message[..end], b"X-Cid");
        }
    }
}
