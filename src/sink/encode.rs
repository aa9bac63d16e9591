//! A value as a column takes it: cut to the column's width, brought into its range, in a form that its type reads.
//!
//! For databases that are spoken to in text. Integers outside the column's range become the nearest that it has: a port
//! in a column that is too small for it is no reason to lose the message, and `micro_ts` and `msg` keep what was cut.

use super::escape::{TextWidth, fit};
use super::local_time::LocalTime;
use super::table_schema::{ColumnTarget, ColumnType};
use crate::table::Value;

/// A day, so that no time zone moves a moment out of the range.
const DAY_US: i64 = 86_400_000_000;
/// What a 32-bit TIMESTAMP holds in any time zone.
const TIMESTAMP_RANGE: (i64, i64) = (DAY_US, 0x7fff_ffff * 1_000_000 - DAY_US);

/// How a database writes values down.
pub(super) trait Notation {
    /// An integer.
    fn integer(&mut self, number: i64);
    /// Characters that the column takes.
    fn text(&mut self, text: &str);
    /// Bytes for a column of bytes.
    fn binary(&mut self, bytes: &[u8]);
}

/// Fits values to columns; keeps what it needs for that from one value to the next.
pub(super) struct ColumnEncoder {
    scratch: String,
    local_time: LocalTime,
}

impl ColumnEncoder {
    pub fn new() -> ColumnEncoder {
        ColumnEncoder { scratch: String::new(), local_time: LocalTime::new() }
    }

    /// Writes `value` for the column of `target`; true if it had to be cut.
    pub fn write(&mut self, value: Value<'_>, target: &ColumnTarget, notation: &mut impl Notation) -> bool {
        match (value, target.column.kind) {
            (Value::Bytes(bytes), ColumnType::Binary(width)) => {
                notation.binary(&bytes[..bytes.len().min(width)]);
                bytes.len() > width
            }
            (Value::Bytes(bytes), kind) => {
                let width = if let ColumnType::Text(width) = kind { width } else { TextWidth::POSTGRES };
                let (text, cut) = fit(bytes, width, &mut self.scratch);
                notation.text(text);
                cut
            }
            (Value::Int(number), ColumnType::Int(least, most)) => {
                notation.integer(number.clamp(least, most));
                number < least || number > most
            }
            (Value::Int(number), _) => {
                notation.integer(number);
                false
            }
            (Value::Time(time_us), ColumnType::Moment) => {
                notation.text(self.local_time.text_with_offset(time_us));
                false
            }
            (Value::Time(time_us), ColumnType::Timestamp) => {
                let (least, most) = TIMESTAMP_RANGE;
                notation.text(self.local_time.text(time_us.clamp(least, most)));
                time_us < least || time_us > most
            }
            (Value::Time(time_us), _) => {
                notation.text(self.local_time.text(time_us));
                false
            }
        }
    }
}

/// Appends `text` to `out`, with `replacement(byte)` in place of each byte that has one.
pub(super) fn push_replacing(out: &mut Vec<u8>, text: &[u8], replacement: impl Fn(u8) -> Option<&'static [u8]>) {
    let mut plain_from = 0;
    for (position, &byte) in text.iter().enumerate() {
        if let Some(replaced) = replacement(byte) {
            out.extend_from_slice(&text[plain_from..position]);
            out.extend_from_slice(replaced);
            plain_from = position + 1;
        }
    }
    out.extend_from_slice(&text[plain_from..]);
}

/// Appends a decimal number.
pub(super) fn push_integer(out: &mut Vec<u8>, number: i64) {
    // 20 characters: the longest i64.
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        start -= 1;
        digits[start] = b'-';
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends two lower-case hexadecimal digits a byte.
pub(super) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 * bytes.len());
    out.extend(bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::table_schema::SchemaColumn;

    #[derive(Default)]
    struct Noted(Vec<String>);

    impl Notation for Noted {
        fn integer(&mut self, number: i64) {
            self.0.push(format!("i{number}"));
        }
        fn text(&mut self, text: &str) {
            self.0.push(format!("t{text}"));
        }
        fn binary(&mut self, bytes: &[u8]) {
            self.0.push(format!("b{}", bytes.escape_ascii()));
        }
    }

    fn written(value: Value<'_>, kind: ColumnType) -> (String, bool) {
        let target = ColumnTarget { value: 0, message: false, column: SchemaColumn { name: String::new(), kind } };
        let mut noted = Noted::default();
        let cut = ColumnEncoder::new().write(value, &target, &mut noted);
        (noted.0.concat(), cut)
    }

    #[test]
    fn values_are_fitted_to_their_columns() {
        let three = ColumnType::Text(TextWidth { characters: 3, ..TextWidth::MYSQL });
        for (value, kind, expected, cut) in [
            (Value::Int(-5), ColumnType::Int(-128, 127), "i-5", false),
            (Value::Int(5060), ColumnType::Int(-128, 127), "i127", true),
            (Value::Int(-1), ColumnType::Int(0, 255), "i0", true),
            (Value::Int(5060), three, "i5060", false),
            (Value::Bytes(b"ab\xff"), ColumnType::Binary(3), "bab\\xff", false),
            (Value::Bytes(b"ab\xff"), ColumnType::Binary(2), "bab", true),
            (Value::Bytes(b"abcd"), three, "tabc", true),
            (Value::Bytes(b"a\0"), ColumnType::Other, "ta\\x00", false),
        ] {
            assert_eq!(written(value, kind), (expected.to_owned(), cut));
        }
    }

    #[test]
    fn a_moment_outside_the_range_of_a_timestamp_is_brought_into_it() {
        assert!(written(Value::Time(1_700_000_000_000_000), ColumnType::Timestamp).0.starts_with("t2023-11-1"));
        for (second, year) in [(0, "t1970-01-0"), (4_294_967_295, "t2038-01-1")] {
            let (text, cut) = written(Value::Time(second * 1_000_000), ColumnType::Timestamp);
            assert!(text.starts_with(year) && cut, "{text}");
        }
        assert!(written(Value::Time(4_294_967_295_000_000), ColumnType::Time).0.starts_with("t2106-02-0"));
    }

    #[test]
    fn numbers_are_written_in_decimal_and_bytes_in_hexadecimal() {
        for number in [0, 7, -1, 10, 5060, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            push_integer(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
        let mut out = b"x".to_vec();
        push_hex(&mut out, b"\x00\x9f\xff");
        assert_eq!(out, b"x009fff");
    }
}
