//! Bytes and blanks: the search for bytes and the cursor that the header readers share.

/// A set of bytes.
pub(super) struct Class([bool; 256]);

impl Class {
    /// The bytes that `bytes` lists.
    pub(super) const fn of(bytes: &[u8]) -> Self {
        Self::none().and(bytes)
    }

    /// Space, tab, carriage return, line feed, and the bytes that `bytes` lists.
    pub(super) const fn space_and(bytes: &[u8]) -> Self {
        Self::of(b" \t\r\n").and(bytes)
    }

    /// Every byte that is not in this set.
    pub(super) const fn complement(mut self) -> Self {
        let mut index = 0;
        while index < 256 {
            self.0[index] = !self.0[index];
            index += 1;
        }
        self
    }

    /// Whether `byte` is in the set.
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    /// Length of what stands in `bytes` before the first byte of the set; all of it if none does.
    pub(super) fn length_before(&self, bytes: &[u8]) -> usize {
        bytes.iter().position(|&byte| self.has(byte)).unwrap_or(bytes.len())
    }

    /// What stands in `bytes` before the first byte of the set; all of it if none does.
    pub(super) fn before<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[..self.length_before(bytes)]
    }

    const fn none() -> Self {
        Self([false; 256])
    }

    const fn and(mut self, bytes: &[u8]) -> Self {
        let mut index = 0;
        while index < bytes.len() {
            self.0[bytes[index] as usize] = true;
            index += 1;
        }
        self
    }
}

/// Offset of the first `byte` in `bytes`, looked for eight bytes at a time.
pub(super) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH_BITS: u64 = ONES << 7;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        // A byte of `difference` is zero where `byte` stands; only such a byte, and bytes above it, borrow a high bit.
        let difference = u64::from_le_bytes(*chunk) ^ (ONES * u64::from(byte));
        let found = difference.wrapping_sub(ONES) & !difference & HIGH_BITS;
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|&other| other == byte).map(|at| bytes.len() - rest.len() + at)
}

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

/// `bytes` without white space at its end.
pub(super) fn trim_end(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1)]
}

/// `bytes` without white space at either end.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    trim_start(trim_end(bytes))
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
pub(super) struct HeaderCursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> HeaderCursor<'a> {
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

    /// Moves to the first byte that is in `stop`, or to the end, and gives what it passed.
    #[inline]
    pub(super) fn until(&mut self, stop: &Class) -> &'a [u8] {
        let passed = stop.before(&self.bytes[self.at..]);
        self.at += passed.len();
        passed
    }

    /// Moves behind the first `byte`; to the end, giving false, if there is none.
    pub(super) fn skip_past(&mut self, byte: u8) -> bool {
        let found = find(&self.bytes[self.at..], byte);
        self.at = found.map_or(self.bytes.len(), |length| self.at + length + 1);
        found.is_some()
    }

    /// What lies between offset `start` and the cursor.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Moves over spaces and tabs.
    pub(super) fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    /// Moves over spaces, tabs and folds (a line break with a blank behind it); stops at the break that ends the
    /// header.
    #[inline]
    pub(super) fn skip_lws(&mut self) {
        if self.peek().is_some_and(is_space) {
            self.skip_spaces_and_folds();
        }
    }

    fn skip_spaces_and_folds(&mut self) {
        loop {
            self.skip_blanks();
            let length = self.line_break();
            if length == 0 || !self.bytes.get(self.at + length).is_some_and(|&byte| is_blank(byte)) {
                return;
            }
            self.at += length + 1;
        }
    }

    /// As [`HeaderCursor::skip_lws`], but a carriage return alone is no fold.
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

    /// Whether the cursor, after [`HeaderCursor::skip_lws`], stands where the header ends: at a line break, a NUL or
    /// the end of the bytes.
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
    fn a_byte_is_found_wherever_it_stands() {
        for length in 0..40 {
            for at in 0..length {
                // Neighbours that differ in one bit, and bytes behind that must not count.
                let mut bytes = vec![b'\n' + 1; length];
                bytes[at..].fill(b'\n');
                assert_eq!(find(&bytes, b'\n'), Some(at));
                assert_eq!(find(&bytes, 0x8a), None);
            }
        }
    }

    #[test]
    fn a_class_holds_what_it_lists() {
        const STOP: Class = Class::space_and(b";\xff");
        assert_eq!(STOP.before(b"ab c;"), b"ab");
        assert_eq!(STOP.before(b"abc\xff"), b"abc");
        assert_eq!(STOP.before(b"abc"), b"abc");
        assert_eq!(Class::of(b"a").complement().before(b"aab"), b"aa");
    }

    #[test]
    fn folds_are_skipped_and_the_end_of_the_header_is_not() {
        let mut cursor = HeaderCursor::new(b" \r\n\t\n x\r\nTo:", 0);
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
        let mut cursor = HeaderCursor::new(b"ab", 9);
        cursor.step();
        cursor.skip_line_break();
        assert_eq!(cursor.peek(), None);
        assert_eq!(cursor.at(), 2);
        assert_eq!(cursor.since(5), b"");
    }
}
