//! One header, looked for by its name.

use super::first_line;
use super::headers;
use super::scan::{self, Cursor};

/// The value of the first header of `message` called `name`, in any case, long or compact, without the blanks around it; `None` when there is
/// none, or it is empty.
pub fn header<'a>(message: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut cursor = Cursor::new(message, first_line::parse(message).headers);
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
