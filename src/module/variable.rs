//! What a pseudo-variable of a host's script answers. Of [`super::hep`] and of the modules that have variables of their
//! own.

/// What a field answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableValue<'a> {
    /// There is nothing that could be asked about, or it has no such field.
    Null,
    /// A number; -1 for what has no form of its own.
    Number(i64),
    /// A text, or bytes.
    Text(&'a [u8]),
    /// A text that stands for a number.
    Both(&'a [u8], i64),
}
