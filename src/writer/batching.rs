//! From records to batches, as the sink that they are bound for says.

use super::batch::BatchSet;
use super::kind::SinkKind;
use crate::capture::record;
use crate::table::TableNames;
use std::cell::RefCell;

thread_local! {
    /// Names expanded lately: most captures of a second share theirs.
    static NAMES: RefCell<TableNames> = RefCell::new(TableNames::new());
}

/// Adds the byte form of a capture that is bound for a sink of this kind to `set`, and answers how many are in its
/// batch now; the reason when the sink cannot take it.
pub fn add_record(set: &mut BatchSet, bytes: &[u8], kind: &dyn SinkKind) -> Result<usize, String> {
    let head = record::head(bytes).map_err(|error| error.to_string())?;
    NAMES.with_borrow_mut(|names| Ok(set.add(bytes, &kind.key(&head, names)?)))
}
