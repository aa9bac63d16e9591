//! Names of the directories of spools; see [`spools`](super::spools) for what is in them.

/// How directory names begin of what waits for one table, in the directory of its sink.
pub const TABLE: &str = "table-";
/// Longest part of a URL in a directory's name, bytes.
const NAME_LENGTH: usize = 80;

/// How the directory names begin of the spools of destinations that are apart, of the sink with this `prefix`.
pub fn beginning_of_apart(prefix: &str) -> String {
    format!("{prefix}-")
}

/// The directory name of the spools of one of them.
pub fn name_of_apart(prefix: &str, destination: &str) -> String {
    beginning_of_apart(prefix) + &name_of(destination)
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
