//! The headers of a message, one after the other: names, and where a body ends.

use super::scan::{Class, HeaderCursor, is_blank};

/// The headers that this module reads by meaning, long or compact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownHeader {
    Authorization,
    CallId,
    Contact,
    ContentLength,
    ContentType,
    CSeq,
    Diversion,
    From,
    MaxForwards,
    PAssertedIdentity,
    PPreferredIdentity,
    ProxyAuthorization,
    RemotePartyId,
    RetryAfter,
    To,
    UserAgent,
    Via,
}

impl KnownHeader {
    /// The header called `name`, in any case.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let is = |full: &[u8]| name.eq_ignore_ascii_case(full);
        let first = name.first()?.to_ascii_lowercase();
        match (name.len(), first) {
            (1, b'v') => Some(Self::Via),
            (1, b'f') => Some(Self::From),
            (1, b't') => Some(Self::To),
            (1, b'i') => Some(Self::CallId),
            (1, b'm') => Some(Self::Contact),
            (1, b'c') => Some(Self::ContentType),
            (1, b'l') => Some(Self::ContentLength),
            (2, b't') if is(b"To") => Some(Self::To),
            (3, b'v') if is(b"Via") => Some(Self::Via),
            (4, b'f') if is(b"From") => Some(Self::From),
            (4, b'c') if is(b"CSeq") => Some(Self::CSeq),
            (7, b'c') if is(b"Call-ID") => Some(Self::CallId),
            (7, b'c') if is(b"Contact") => Some(Self::Contact),
            (9, b'd') if is(b"Diversion") => Some(Self::Diversion),
            (10, b'u') if is(b"User-Agent") => Some(Self::UserAgent),
            (11, b'r') if is(b"Retry-After") => Some(Self::RetryAfter),
            (12, b'm') if is(b"Max-Forwards") => Some(Self::MaxForwards),
            (12, b'c') if is(b"Content-Type") => Some(Self::ContentType),
            (13, b'a') if is(b"Authorization") => Some(Self::Authorization),
            (14, b'c') if is(b"Content-Length") => Some(Self::ContentLength),
            (15, b'r') if is(b"Remote-Party-ID") => Some(Self::RemotePartyId),
            (19, b'p') if is(b"Proxy-Authorization") => Some(Self::ProxyAuthorization),
            (19, b'p') if is(b"P-Asserted-Identity") => Some(Self::PAssertedIdentity),
            (20, b'p') if is(b"P-Preferred-Identity") => Some(Self::PPreferredIdentity),
            _ => None,
        }
    }
}

/// The compact forms that are registered, and what each is short for.
const COMPACT: [(u8, &[u8]); 20] = [
    (b'a', b"Accept-Contact"),
    (b'b', b"Referred-By"),
    (b'c', b"Content-Type"),
    (b'd', b"Request-Disposition"),
    (b'e', b"Content-Encoding"),
    (b'f', b"From"),
    (b'i', b"Call-ID"),
    (b'j', b"Reject-Contact"),
    (b'k', b"Supported"),
    (b'l', b"Content-Length"),
    (b'm', b"Contact"),
    (b'n', b"Identity-Info"),
    (b'o', b"Event"),
    (b'r', b"Refer-To"),
    (b's', b"Subject"),
    (b't', b"To"),
    (b'u', b"Allow-Events"),
    (b'v', b"Via"),
    (b'x', b"Session-Expires"),
    (b'y', b"Identity"),
];

/// Whether two names are of one header, in any case, long or compact.
pub(super) fn are_one(name: &[u8], other: &[u8]) -> bool {
    long_form(name).eq_ignore_ascii_case(long_form(other))
}

fn long_form(name: &[u8]) -> &[u8] {
    let &[letter] = name else { return name };
    let found = COMPACT.iter().find(|(compact, _)| *compact == letter.to_ascii_lowercase());
    found.map_or(name, |(_, long)| long)
}

/// What ends a header's name: whatever an RFC 3261 `token` cannot hold.
pub(super) const NAME_END: Class =
    Class::of(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-.!%*_+`'~").complement();

/// Reads the header name at `cursor` and moves to where its body begins, behind the colon and the blanks after it.
/// `None` when there is no name with a colon.
pub(super) fn name<'a>(cursor: &mut HeaderCursor<'a>) -> Option<&'a [u8]> {
    let name = cursor.until(&NAME_END);
    if name.is_empty() {
        return None;
    }
    cursor.skip_blanks();
    if !cursor.eat(b':') {
        return None;
    }
    cursor.skip_lws_before_body();
    Some(name)
}

/// Moves to the end of the header at `cursor`: behind the first line feed that no blank follows. Gives false when the
/// message ends before.
pub(super) fn skip(cursor: &mut HeaderCursor<'_>) -> bool {
    loop {
        if !cursor.skip_past(b'\n') {
            return false;
        }
        if !cursor.peek().is_some_and(is_blank) {
            return true;
        }
    }
}

/// A header's body as it is stored: folds inside stay, the line break behind it goes.
pub(super) fn body(raw: &[u8]) -> &[u8] {
    let end = raw.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | 0)).map_or(0, |last| last + 1);
    &raw[..end]
}

/// Whether `body` is a sequence number and a method.
pub(super) fn is_cseq(body: &[u8]) -> bool {
    body.split(|&byte| super::scan::is_space(byte)).filter(|word| !word.is_empty()).count() == 2
}

/// Whether `body` is a length in decimal digits that a signed 32-bit number holds.
pub(super) fn is_content_length(body: &[u8]) -> bool {
    let digits = super::scan::trim(body);
    let length = digits.iter().try_fold(0u32, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    !digits.is_empty() && length.is_some_and(|length| length < 2_147_483_640)
}

/// Whether `body` starts with seconds of one to ten digits; a comment or parameters may follow.
pub(super) fn is_retry_after(body: &[u8]) -> bool {
    let digits = body.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(body.len());
    let next = body.get(digits).copied().unwrap_or(b'\n');
    (1..=10).contains(&digits) && matches!(next, b' ' | b'\t' | b';' | b'(' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_in_compact_form() {
        assert_eq!(KnownHeader::named(b"cAlL-iD"), Some(KnownHeader::CallId));
        assert_eq!(KnownHeader::named(b"I"), Some(KnownHeader::CallId));
        assert_eq!(KnownHeader::named(b"M"), Some(KnownHeader::Contact));
        assert_eq!(KnownHeader::named(b"p-asserted-IDENTITY"), Some(KnownHeader::PAssertedIdentity));
        assert_eq!(KnownHeader::named(b"Subject"), None);
        assert_eq!(KnownHeader::named(b"s"), None);
        assert_eq!(KnownHeader::named(b""), None);
    }

    #[test]
    fn a_compact_form_and_its_long_form_name_one_header() {
        for (letter, long) in COMPACT {
            let upper = [letter.to_ascii_uppercase()];
            assert!(are_one(&[letter], long) && are_one(long, &upper) && are_one(&[letter], &upper));
            let is_mine = |(other, name): &(u8, &[u8])| *other == letter || !are_one(name, &[letter]);
            assert!(COMPACT.iter().all(is_mine), "{}", long.escape_ascii());
        }
        assert!(are_one(b"SUBJECT", b"s") && are_one(b"X-Leg", b"x-leg"));
        assert!(!are_one(b"q", b"Subject") && !are_one(b"Sub", b"s") && !are_one(b"", b"s"));
    }

    #[test]
    fn a_name_may_have_blanks_before_the_colon_and_folds_after_it() {
        let mut cursor = HeaderCursor::new(b"Subject \t:\r\n  lunch\r\n", 0);
        assert_eq!(name(&mut cursor), Some(&b"Subject"[..]));
        assert_eq!(cursor.peek(), Some(b'l'));
        assert_eq!(name(&mut HeaderCursor::new(b"No colon here\r\n", 0)), None);
        assert_eq!(name(&mut HeaderCursor::new(b": x\r\n", 0)), None);
        assert_eq!(name(&mut HeaderCursor::new(b"Na\xc3me: x\r\n", 0)), None);
    }

    #[test]
    fn a_header_ends_where_the_next_line_has_no_blank() {
        let mut cursor = HeaderCursor::new(b"a\r\n b\n\tc\r\nTo: x", 0);
        assert!(skip(&mut cursor));
        assert_eq!(body(cursor.since(0)), b"a\r\n b\n\tc");
        assert_eq!(cursor.peek(), Some(b'T'));
        assert!(!skip(&mut cursor));
    }

    #[test]
    fn a_body_keeps_its_trailing_blanks_and_loses_the_line_break() {
        assert_eq!(body(b"a \t\r\n"), b"a \t");
        assert_eq!(body(b"\r\n"), b"");
    }

    #[test]
    fn a_cseq_is_two_words() {
        assert!(is_cseq(b"1 INVITE"));
        assert!(is_cseq(b"1\r\n INVITE  "));
        assert!(!is_cseq(b"1"));
        assert!(!is_cseq(b"1 INVITE x"));
        assert!(!is_cseq(b""));
    }

    #[test]
    fn a_content_length_is_a_number() {
        assert!(is_content_length(b"0"));
        assert!(is_content_length(b"000123 "));
        assert!(!is_content_length(b""));
        assert!(!is_content_length(b"-1"));
        assert!(!is_content_length(b"12;x"));
        assert!(!is_content_length(b"99999999999999999999"));
    }

    #[test]
    fn a_retry_after_starts_with_seconds() {
        assert!(is_retry_after(b"120"));
        assert!(is_retry_after(b"120 (lunch)"));
        assert!(is_retry_after(b"120;duration=3600"));
        assert!(!is_retry_after(b"soon"));
        assert!(!is_retry_after(b"12345678901"));
        assert!(!is_retry_after(b""));
    }
}
