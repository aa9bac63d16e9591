//! The tables that scripts name.

use crate::log_limit::LogLimit;
use crate::module::engine::known_texts::KnownTexts;
use crate::table::{self, NameError};
use log::Level;

/// Knows which names are good.
#[derive(Debug, Default)]
pub struct ScriptTables {
    /// Names that the script used lately and that were found good.
    known: KnownTexts<()>,
    log: LogLimit,
}

impl ScriptTables {
    /// Checks the name of a table, empty for the one that a parameter names.
    pub fn check(&mut self, table: &[u8]) -> Result<(), NameError> {
        if table.is_empty() {
            return Ok(());
        }
        let checked = self.known.get_or_read(table, |_| table::name::expand(table, 0).map(drop)).copied();
        checked.inspect_err(|why| {
            // Names can be made from traffic: whoever sends it must not fill the log.
            self.log.log(Level::Error, format_args!("nothing is captured: {why}"));
        })
    }
}
