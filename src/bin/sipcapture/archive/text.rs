//! Reads the bytes of a message from a column of any type.

use super::sql::ColumnValue;
use sipcapture_core::sink::escape::unescape;
use sipcapture_core::table::SqlDialect;

/// Digits below which a text that looks hexadecimal is no message in hexadecimal: no SIP message is that short.
const LEAST_DIGITS: usize = 40;

/// The message in a `msg` cell. A binary column holds its bytes, and SQLite's text is bytes too. The text of the other
/// databases carries the sinks' escapes, or is what the stock module makes of a message in PostgreSQL: `\x` and
/// hexadecimal digits.
pub fn message_bytes(cell: ColumnValue, dialect: SqlDialect) -> Vec<u8> {
    match cell {
        ColumnValue::Null => Vec::new(),
        ColumnValue::Int(number) => number.to_string().into_bytes(),
        ColumnValue::Binary(bytes) => bytes,
        ColumnValue::Text(text) if dialect == SqlDialect::Sqlite => text,
        ColumnValue::Text(text) => from_hexadecimal(&text).unwrap_or_else(|| match std::str::from_utf8(&text) {
            Ok(escaped) => unescape(escaped).into_owned(),
            Err(_) => text,
        }),
    }
}

/// The bytes that PostgreSQL's text form of a bytea names; `None` when `text` is not one.
fn from_hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(b"\\x").filter(|digits| digits.len() >= LEAST_DIGITS && digits.len() % 2 == 0)?;
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    digits.chunks_exact(2).map(|pair| u8::try_from(nibble(pair[0])? * 16 + nibble(pair[1])?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> ColumnValue {
        ColumnValue::Text(bytes.to_vec())
    }

    #[test]
    fn the_stock_modules_hexadecimal_text_is_the_message_again() {
        let message = b"OPTIONS sip:a SIP/2.0\r\n\0\xff";
        let digits: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
        let stock = format!("\\x{digits}");
        assert_eq!(message_bytes(text(stock.as_bytes()), SqlDialect::Postgres), message);
        let torn = &stock.as_bytes()[..stock.len() - 1];
        assert_ne!(message_bytes(text(torn), SqlDialect::Postgres), message);
    }

    #[test]
    fn the_escapes_of_a_text_column_are_taken_back() {
        assert_eq!(message_bytes(text(b"a\\x00b\\x5cx41"), SqlDialect::Postgres), b"a\0b\\x41");
        assert_eq!(message_bytes(text(b"a\\xffb"), SqlDialect::Mysql), b"a\xffb");
    }

    #[test]
    fn what_holds_bytes_is_taken_as_it_is() {
        assert_eq!(message_bytes(ColumnValue::Binary(b"a\\x00".to_vec()), SqlDialect::Postgres), b"a\\x00");
        assert_eq!(message_bytes(text(b"a\\x00"), SqlDialect::Sqlite), b"a\\x00");
        assert_eq!(message_bytes(ColumnValue::Null, SqlDialect::Sqlite), b"");
    }
}
