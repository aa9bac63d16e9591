//! Bytes and blanks: the cursor that the header readers share.

/// Whether `byte` is a space or a tab.
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Whether `byte` is a space, a tab or part of a line break.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `bytes` without white space at its start.
pub(super) fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

/// `bytes` without white space at either end.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1);
    trim_start(&bytes[..end])
}

/// The decimal number that `digits` spells, `None` when it is empty, holds anything else or exceeds 65535.
pub(super) fn port(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u16, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// A place in a header's body. It never moves past the end of the bytes.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor on `bytes` at offset `at`, at their end if `at` lies beyond.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at: at.min(bytes.len()) }
    }

    /// Offset from the start of the bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The byte under the cursor.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Moves over one byte.
    pub(super) fn step(&mut self) {
        self.at = (self.at + 1).min(self.bytes.len());
    }

    /// Moves over `byte` if it is under the cursor.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.step();
        }
        found
    }

    /// Moves to the first byte that `stop` accepts, or to the end, and gives what it passed.
    #[inline]
    pub(super) fn until(&mut self, stop: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| stop(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// What lies between offset `start` and the cursor.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Moves over spaces and tabs.
    pub(super) fn skip_blanks(&mut self) {
        self.until(|byte| !is_blank(byte));
    }

    /// Moves over spaces, tabs and folds (a line break with a blank behind it); stops at the break that ends the
    /// header.
    pub(super) fn skip_lws(&mut self) {
        loop {
            self.skip_blanks();
            let length = self.line_break();
            if length == 0 || !self.bytes.get(self.at + length).is_some_and(|&byte| is_blank(byte)) {
                return;
            }
            self.at += length + 1;
        }
    }

    /// As [`Cursor::skip_lws`], but a carriage return alone is no fold.
    pub(super) fn skip_lws_before_body(&mut self) {
        loop {
            self.skip_blanks();
            let fold = match &self.bytes[self.at..] {
                [b'\r', b'\n', blank, ..] if is_blank(*blank) => 3,
                [b'\n', blank, ..] if is_blank(*blank) => 2,
                _ => return,
            };
            self.at += fold;
        }
    }

    /// Whether the cursor, after [`Cursor::skip_lws`], stands where the header ends: at a line break, a NUL or the
    /// end of the bytes.
    pub(super) fn at_end_of_header(&self) -> bool {
        matches!(self.peek(), None | Some(b'\r' | b'\n' | 0))
    }

    /// Moves over the line break under the cursor, if there is one.
    pub(super) fn skip_line_break(&mut self) {
        self.at += self.line_break();
    }

    /// Length of the line break under the cursor: CR LF, LF, or a CR alone.
    fn line_break(&self) -> usize {
        match (self.peek(), self.bytes.get(self.at + 1)) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(b'\r' | b'\n'), _) => 1,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_trimmed_at_both_ends_only() {
        assert_eq!(trim(b" \t\r\n a b\r\n"), b"a b");
        assert_eq!(trim(b" \r\n"), b"");
    }

    #[test]
    fn a_port_is_decimal_and_fits_sixteen_bits() {
        assert_eq!(port(b"5060"), Some(5060));
        assert_eq!(port(b"65535"), Some(65535));
        assert_eq!(port(b"65536"), None);
        assert_eq!(port(b"50a"), None);
        assert_eq!(port(b""), None);
    }

    #[test]
    fn folds_are_skipped_and_the_end_of_the_header_is_not() {
        let mut cursor = Cursor::new(b" \r\n\t\n x\r\nTo:", 0);
        cursor.skip_lws();
        assert_eq!(cursor.peek(), Some(b'x'));
        cursor.step();
        cursor.skip_lws();
        assert!(cursor.at_end_of_header());
        cursor.skip_line_break();
        assert_eq!(cursor.peek(), Some(b'T'));
    }

    #[test]
    fn a_cursor_stays_within_its_bytes() {
        let mut cursor = Cursor::new(b"ab", 9);
        cursor.step();
        cursor.skip_line_break();
        assert_eq!(cursor.peek(), None);
        assert_eq!(cursor.at(), 2);
        assert_eq!(cursor.since(5), b"");
    }
}
