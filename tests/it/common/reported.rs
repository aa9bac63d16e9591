//! HEP packets that users have reported, as the corpus keeps them: one a line in hexadecimal digits, `#` begins a
//! comment.

use std::path::Path;

/// The packets of `tests/corpus/reported/NAME.hex`, in the order of the file.
pub fn reported(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/corpus/reported/{name}.hex"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits");
    lines.map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect()
}
