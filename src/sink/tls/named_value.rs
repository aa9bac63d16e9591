//! Values with the names of what gave them, and the choice between the words that a value may be.

use std::ffi::OsString;

/// A value and the name of what gave it.
pub(super) struct NamedValue {
    /// Such as `PGSSLMODE of the environment`.
    pub name: String,
    /// What was given; a path may be any bytes.
    pub text: OsString,
}

impl NamedValue {
    /// The error for a value that will not do, with what is `allowed`.
    pub fn refuse(&self, allowed: impl std::fmt::Display) -> String {
        format!("{} `{}`: {allowed}", self.name, self.text.display())
    }
}

/// The choice that `word` names.
///
/// # Errors
/// The name, the value, and the names that are allowed.
pub(super) fn pick<T: Copy>(word: &NamedValue, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(name, _)| *name == word.text).map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        match names.split_last() {
            Some((only, [])) => word.refuse(format!("only {only} is to be had")),
            Some((last, first)) => word.refuse(format!("{} and {last} are allowed", first.join(", "))),
            None => word.refuse("nothing is allowed"),
        }
    })
}
