//! Names of the directories of spools; see [`spools`](super::spools) for what is in them.

/// How directory names of collectors begin that scripts name.
pub const NAMED: &str = "script-";
/// How directory names begin of what waits for one table, in the directory of its sink.
pub const TABLE: &str = "table-";
/// Longest part of a URL in a directory's name, bytes.
const NAME_LENGTH: usize = 80;

/// The directory name of the spools of a collector that scripts name.
pub fn name_of_named(uri: &str) -> String {
    format!("{NAMED}{}", name_of(uri))
}

/// The directory name of the spools of what waits for `table` of the sink whose spools' directory is called `sink`.
pub fn name_of_table(sink: &str, table: &str) -> String {
    format!("{sink}/{TABLE}{}", name_of(table))
}

/// A name made from a URL: what can be read of it, and a check sum that keeps names apart.
pub fn name_of(url: &str) -> String {
    let readable = url.chars().take(NAME_LENGTH).map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' });
    format!("{}-{:08x}", readable.collect::<String>(), crc32fast::hash(url.as_bytes()))
}
