//! The script function `float2int()`: reports carry fractions as text, and scripts compute with whole numbers.

/// The whole number of `value` times `factor`, each read as far as it is a number (leading blanks, sign, digits; a
/// fraction and an exponent in `value`), 0 where it is none. What does not fit is the nearest that does; a product of 0
/// becomes -1, since 0 would end the script.
pub fn float2int(value: &[u8], factor: &[u8]) -> i32 {
    let value: f64 = longest(value, is_fraction).parse().unwrap_or(0.0);
    let factor = longest(factor, |text| text.parse::<i64>().is_ok()).parse::<i64>().unwrap_or(0);
    match (value * factor as f64) as i32 {
        0 => -1,
        product => product,
    }
}

/// Whether `text` is a decimal number, and not one of the words that also parse as one.
fn is_fraction(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_ascii_alphabetic() && !matches!(letter, 'e' | 'E'))
        && text.parse::<f64>().is_ok()
}

/// The longest beginning of `text`, blanks left out, that `is_number` accepts; empty for none.
fn longest(text: &[u8], is_number: impl Fn(&str) -> bool) -> &str {
    let text = text.trim_ascii_start();
    let end = text.iter().take(64).position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let text = std::str::from_utf8(&text[..end.unwrap_or(text.len().min(64))]).unwrap_or("");
    (1..=text.len()).rev().map(|length| &text[..length]).find(|start| is_number(start)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        for (value, factor, product) in [
            ("4.2", "10", 42),
            (" -1.5x", "100%", -150),
            ("3", "1000", 3000),
            (".5", "2", 1),
            ("1e2", "2", 200),
            ("2e", "3", 6),
            ("", "5", -1),
            ("inf", "5", -1),
            ("nan", "5", -1),
            ("4.2", "x", -1),
            ("4.2", "1.9", 4),
            ("9e9", "9", i32::MAX),
            ("-9e9", "9", i32::MIN),
        ] {
            assert_eq!(float2int(value.as_bytes(), factor.as_bytes()), product, "{value:?} * {factor:?}");
        }
        assert_eq!(float2int(b"\xff", &[b'1'; 10_000]), -1);
    }
}
