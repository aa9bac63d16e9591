//! Bytes as text: what a SIP message holds, in a column that takes only text, and the way back.
//!
//! A text column takes characters of its charset, PostgreSQL's no NUL. Everything else is written as escapes:
//!
//! ```text
//! \xHH      one byte, two lower-case hexadecimal digits
//! \x5c      a backslash, where what follows would make it read as an escape
//! ```
//!
//! An escape stands for each byte of a character that the charset lacks, for each byte that is no UTF-8, and for a
//! backslash that is followed by `x` and two lower-case hexadecimal digits. Everything else stands for itself, any
//! other backslash too: ordinary text is stored as it is. [`unescape`] is the exact inverse, whichever charset was
//! used, and in SQL a search for a value is a search for its escaped form.
//!
//! It is unambiguous because a backslash that stands for itself is never followed by `xHH` in the output: those three
//! characters always stand for themselves, so they would have followed it in the input.

use std::borrow::Cow;

/// The characters that a text column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// All of Unicode (utf8mb4, PostgreSQL's UTF8).
    Unicode,
    /// The basic multilingual plane (utf8mb3).
    Basic,
    /// ASCII and the printable half of ISO 8859-1, in which all the relatives of latin1 agree.
    Latin1,
    /// ASCII: any other charset.
    Ascii,
}

/// What a text column takes: which characters, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextWidth {
    /// Which characters.
    pub charset: Charset,
    /// Whether the NUL character is one of them.
    pub nul: bool,
    /// At most so many characters.
    pub characters: usize,
    /// At most so many bytes in the column's own encoding.
    pub bytes: usize,
}

impl TextWidth {
    /// A `text` column of PostgreSQL in a UTF8 database.
    pub const POSTGRES: TextWidth =
        TextWidth { charset: Charset::Unicode, nul: false, characters: usize::MAX, bytes: usize::MAX };

    /// A text column of MySQL in utf8mb4, as wide as needed.
    pub const MYSQL: TextWidth = TextWidth { nul: true, ..TextWidth::POSTGRES };

    fn takes(self, character: char) -> bool {
        match character {
            '\0' => self.nul,
            '\x01'..='\x7f' => true,
            '\u{a0}'..='\u{ff}' => self.charset != Charset::Ascii,
            '\u{80}'..='\u{ffff}' => matches!(self.charset, Charset::Unicode | Charset::Basic),
            _ => self.charset == Charset::Unicode,
        }
    }

    /// Bytes of a character in the column's encoding; for a charset that is not known, the most that any has.
    fn encoded_length(self, character: char) -> usize {
        match self.charset {
            Charset::Unicode | Charset::Basic => character.len_utf8(),
            Charset::Latin1 => 1,
            Charset::Ascii => 4,
        }
    }

    fn encoded_ascii(self, length: usize) -> usize {
        length.saturating_mul(self.encoded_length('0'))
    }
}

/// The text form of `bytes` for a column of any width, as [`TextWidth::POSTGRES`] and its like describe it.
pub fn escape(bytes: &[u8], width: TextWidth) -> Cow<'_, str> {
    let width = TextWidth { characters: usize::MAX, bytes: usize::MAX, ..width };
    let mut scratch = String::new();
    let (text, _) = fit(bytes, width, &mut scratch);
    // What needs no escape is a slice of `bytes`, and of the same length only then.
    match std::str::from_utf8(bytes) {
        Ok(same) if same == text => Cow::Borrowed(same),
        _ => Cow::Owned(scratch),
    }
}

/// The bytes that [`escape`] made `text` of.
pub fn unescape(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    let Some(first) = (0..bytes.len()).find(|&position| escaped_byte(&bytes[position..]).is_some()) else {
        return Cow::Borrowed(bytes);
    };
    let mut plain = bytes[..first].to_vec();
    let mut rest = &bytes[first..];
    while let Some(&byte) = rest.first() {
        let (byte, length) = escaped_byte(rest).map_or((byte, 1), |escaped| (escaped, 4));
        plain.push(byte);
        rest = &rest[length..];
    }
    Cow::Owned(plain)
}

/// The byte that the escape at the start of `text` stands for, if there is one.
fn escaped_byte(text: &[u8]) -> Option<u8> {
    let &[b'\\', b'x', high, low, ..] = text else { return None };
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    Some(digit(high)? << 4 | digit(low)?)
}

/// The text form of `bytes`, cut to `width` at a character or an escape, and whether it was cut.
///
/// `scratch` holds the result when it differs from `bytes`.
pub(super) fn fit<'a>(bytes: &'a [u8], width: TextWidth, scratch: &'a mut String) -> (&'a str, bool) {
    // One branchless pass that the compiler vectorises: nearly every value is plain ASCII.
    let special = bytes.iter().fold(false, |special, &byte| special | (byte >= 0x80) | (byte == b'\\') | (byte == 0));
    if !special {
        let (kept, cut) = if bytes.len() <= width.characters && width.encoded_ascii(bytes.len()) <= width.bytes {
            (bytes, false)
        } else {
            (&bytes[..width.characters.min(width.bytes / width.encoded_length('0'))], true)
        };
        if let Ok(text) = std::str::from_utf8(kept) {
            return (text, cut);
        }
    }
    scratch.clear();
    let cut = escape_into(bytes, width, scratch);
    (scratch.as_str(), cut)
}

/// Appends the text form of `bytes` as far as it fits; true if it was cut.
fn escape_into(bytes: &[u8], width: TextWidth, text: &mut String) -> bool {
    let (mut characters, mut length) = (width.characters, width.bytes);
    let mut take = |number: usize, encoded: usize| {
        let fits = number <= characters && encoded <= length;
        if fits {
            characters -= number;
            length -= encoded;
        }
        fits
    };
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        for (position, character) in valid.char_indices() {
            let ambiguous = character == '\\' && escaped_byte(&valid.as_bytes()[position..]).is_some();
            if width.takes(character) && !ambiguous {
                if !take(1, width.encoded_length(character)) {
                    return true;
                }
                text.push(character);
            } else {
                let encoded = 4 * character.len_utf8();
                if !take(encoded, width.encoded_ascii(encoded)) {
                    return true;
                }
                character.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_escape(text, byte));
            }
        }
        for &byte in chunk.invalid() {
            if !take(4, width.encoded_ascii(4)) {
                return true;
            }
            push_escape(text, byte);
        }
    }
    false
}

fn push_escape(text: &mut String, byte: u8) {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    text.push_str("\\x");
    text.push(digit(byte >> 4));
    text.push(digit(byte & 15));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHARSETS: [Charset; 4] = [Charset::Unicode, Charset::Basic, Charset::Latin1, Charset::Ascii];

    fn width(charset: Charset, nul: bool) -> TextWidth {
        TextWidth { charset, nul, ..TextWidth::POSTGRES }
    }

    #[test]
    fn plain_text_stands_for_itself() {
        for text in ["", "alice", "a\\b", "\\", "\\x", "\\xg0", "\\x4", "\\X41", "\\\\", "é日🙂", "a\r\n\tb\x7f"] {
            let escaped = escape(text.as_bytes(), TextWidth::POSTGRES);
            assert!(matches!(escaped, Cow::Borrowed(same) if same == text), "{text:?}: {escaped:?}");
            assert_eq!(unescape(text), text.as_bytes());
        }
    }

    #[test]
    fn what_a_column_does_not_take_is_escaped() {
        use Charset::{Ascii, Basic, Latin1, Unicode};
        for (bytes, charset, nul, expected) in [
            (&b"a\0b"[..], Unicode, false, "a\\x00b"),
            (b"a\0b", Unicode, true, "a\0b"),
            (b"a\xffb\xc3", Unicode, true, "a\\xffb\\xc3"),
            (b"\\x41", Unicode, true, "\\x5cx41"),
            (b"\\\\x41", Unicode, true, "\\\\x5cx41"),
            (b"\\\xff", Unicode, true, "\\\\xff"),
            (b"\\x\xff", Unicode, true, "\\x\\xff"),
            (b"\\x4\x00", Unicode, false, "\\x4\\x00"),
            ("\\x4é".as_bytes(), Ascii, true, "\\x4\\xc3\\xa9"),
            ("🙂日é".as_bytes(), Basic, true, "\\xf0\\x9f\\x99\\x82日é"),
            ("日é".as_bytes(), Latin1, true, "\\xe6\\x97\\xa5é"),
            ("\u{85}€é".as_bytes(), Latin1, true, "\\xc2\\x85\\xe2\\x82\\xacé"),
            ("é".as_bytes(), Ascii, true, "\\xc3\\xa9"),
        ] {
            let escaped = escape(bytes, width(charset, nul));
            assert_eq!(escaped, expected);
            assert_eq!(unescape(&escaped), bytes);
        }
    }

    #[test]
    fn a_value_is_cut_between_characters_and_between_escapes() {
        let narrow = |characters, bytes| TextWidth { characters, bytes, ..TextWidth::POSTGRES };
        for (bytes, width, expected, was_cut) in [
            (&b"abcdef"[..], narrow(6, 6), "abcdef", false),
            (b"abcdef", narrow(5, 9), "abcde", true),
            (b"abcdef", narrow(9, 4), "abcd", true),
            ("日日日".as_bytes(), narrow(3, 9), "日日日", false),
            ("日日日".as_bytes(), narrow(2, 9), "日日", true),
            ("日日日".as_bytes(), narrow(3, 8), "日日", true),
            (b"ab\xffcd", narrow(6, 99), "ab\\xff", true),
            (b"ab\xffcd", narrow(5, 99), "ab", true),
            (b"\\x41", narrow(3, 99), "", true),
            (b"a", narrow(0, 0), "", true),
            (b"", narrow(0, 0), "", false),
        ] {
            assert_eq!(fit(bytes, width, &mut String::new()), (expected, was_cut), "{bytes:?}");
        }
        let utf16 = TextWidth { charset: Charset::Ascii, ..narrow(9, 11) };
        assert_eq!(fit(b"abc", utf16, &mut String::new()), ("ab", true));
    }

    /// Bytes made of what escapes are made of, and of what needs them.
    fn awkward() -> impl Strategy<Value = Vec<u8>> {
        let pieces = ["\\", "x", "0", "a", "f", "g", "\0", "é", "日", "🙂"].map(|piece| piece.as_bytes().to_vec());
        let piece =
            prop_oneof![8 => proptest::sample::select(pieces.to_vec()), 1 => Just(vec![0xff]), 1 => Just(vec![0xc3])];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn unescape_undoes_escape(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                awkward(),
            ],
            charset in proptest::sample::select(CHARSETS.to_vec()),
            nul in any::<bool>(),
        ) {
            let width = width(charset, nul);
            let escaped = escape(&bytes, width);
            prop_assert!(escaped.chars().all(|character| width.takes(character)));
            prop_assert_eq!(&*unescape(&escaped), &bytes[..]);
        }

        #[test]
        fn a_cut_value_is_a_prefix(
            bytes in awkward(),
            characters in 0..30_usize,
        ) {
            let width = TextWidth { characters, ..TextWidth::POSTGRES };
            let mut scratch = String::new();
            let (text, cut) = fit(&bytes, width, &mut scratch);
            prop_assert!(text.chars().count() <= characters);
            prop_assert!(bytes.starts_with(&unescape(text)));
            prop_assert_eq!(cut, text != escape(&bytes, TextWidth::POSTGRES));
        }
    }
}
