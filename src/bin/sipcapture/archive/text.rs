//! The bytes of a message, out of whatever column they were put in.

use super::sql::Cell;

/// The message in a `msg` cell. A binary column holds its bytes; a text column holds its text, or what the stock module
/// made of it in PostgreSQL: `\x` and hexadecimal digits.
pub fn message_bytes(cell: Cell) -> Vec<u8> {
    match cell {
        Cell::Null => Vec::new(),
        Cell::Int(number) => number.to_string().into_bytes(),
        Cell::Binary(bytes) => bytes,
        Cell::Text(text) => from_hexadecimal(&text).unwrap_or(text),
    }
}

/// The bytes that PostgreSQL's text form of a bytea names; `None` when `text` is not one.
fn from_hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(b"\\x").filter(|digits| !digits.is_empty() && digits.len() % 2 == 0)?;
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    digits.chunks_exact(2).map(|pair| u8::try_from(nibble(pair[0])? * 16 + nibble(pair[1])?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stock_modules_hexadecimal_text_is_the_message_again() {
        assert_eq!(message_bytes(Cell::Text(b"\\x53495000ff".to_vec())), b"SIP\0\xff");
        assert_eq!(message_bytes(Cell::Text(b"\\x5349500".to_vec())), b"\\x5349500");
        assert_eq!(message_bytes(Cell::Text(b"\\x53 is not hex".to_vec())), b"\\x53 is not hex");
    }

    #[test]
    fn a_binary_column_is_taken_as_it_is() {
        assert_eq!(message_bytes(Cell::Binary(b"\\x5349".to_vec())), b"\\x5349");
    }
}
