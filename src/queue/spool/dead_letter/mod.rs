//! Dead letters: what a database has refused for good, with its reason, kept until an operator sends it again.
//!
//! The writer appends through [`DeadLetters`]; the operator's tool lists the files, reads them, and takes entries away
//! through [`Taken`]. Both may be at work in one directory at once, and so may several writers.
//!
//! # On disk
//! ```text
//! dead-letter/
//!   00001767225600000000-4711.letters         when it was begun, microseconds since the Unix epoch, and the writer's
//!                                             process id
//!   00001767225600000000-4711.letters.new     the file, written again without the entries that were taken away
//!
//! file     as a segment of the spool, see there, with its own magic; ids start at 1
//! record    0   8  time of the refusal, microseconds since the Unix epoch     (integers little-endian)
//!           8   2  length of the sink's URL
//!          10   2  length of the table's name
//!          12   2  length of the reason
//!          14   2  reserved, 0
//!          16      URL without password | table | reason | capture as the spool has it
//! ```
//!
//! # Rules
//! * A writer only ever appends to a file that it has made itself, and begins a new one after [`FILE_BYTES`] and
//!   whenever it starts. So two writers share no file, and a torn end is never written behind.
//! * Whoever touches a file holds its flock: the writer for the moment of one append, the tool from before it reads
//!   until it has taken the entries away. The kernel ends the lock of whoever dies.
//! * The writer never waits: a file that the tool has locked, or has removed or replaced meanwhile, is left behind and
//!   a new one begun. So the tool may take any file at any time, the one in use included, and finds in it whatever had
//!   been appended.
//! * The tool sends entries first and takes them away after that, all that were sent at once: a file of which nothing
//!   is left is removed, otherwise what is left is written to a new file that then takes the name in one step. A tool
//!   that dies before has changed nothing, and its entries are sent once more.
//! * All files together stay within the limit in bytes; beyond it a letter is refused. Each writer counts what it
//!   appends, and looks at the directory again after every 256 KiB, or sixteenth of the limit, and before it refuses,
//!   but then at most once a second; several writers may pass the limit by so much each.
//! * Appends reach the disk when the kernel likes, at the latest with [`DeadLetters::sync`] and at the end of a file.

mod entry;
mod read;
mod take;
mod write;

pub use entry::{Entry, EntryError};
pub use read::{Entries, LetterFile, ReadError, list, read_file};
pub use take::Taken;
pub use write::DeadLetters;

use super::frame::Magic;

/// Size at which a file is left and the next one begun, bytes.
pub const FILE_BYTES: u64 = 16 << 20;

const MAGIC: Magic = *b"SIPCDLT\n";
const SUFFIX: &str = ".letters";
