//! Errors of parameters, and the ranges of their values.

use crate::sink::host::DriverFault;
use crate::sink::url::redact;
use crate::table;
use std::ops::RangeInclusive;

/// What URLs may be, for errors.
pub(in crate::module) const URLS: &str = "sqlite:////path/to/file, mysql://user:password@host:port/database and \
                               postgres://user:password@host:port/database are allowed, and what the server's own database \
                               modules take";

/// A parameter that stops the start.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// The module has no such parameter of that type.
    #[error("parameter {0}: there is no such parameter of type {1}")]
    Unknown(String, &'static str),
    /// The value will not do.
    #[error("parameter {name}: the value {value:?} is not allowed: {allowed}")]
    Value {
        /// The parameter.
        name: String,
        /// Its value, without passwords.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// The spool's place cannot be used.
    #[error(
        "parameter {name}: the directory {path} cannot be used: {why}; name one that the server may write to, or \"\" for none"
    )]
    Spool {
        /// The parameter that names the directory.
        name: &'static str,
        /// The directory.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Nobody serves the database.
    #[error(
        "parameter {name}: {url} is served by the server's own module {module}, {fault}: loadmodule \"{module}.so\" before this one; \
         with db_driver at auto {URLS}"
    )]
    Driver {
        /// The parameter that names the database.
        name: &'static str,
        /// The URL, without its password.
        url: String,
        /// The module that would serve it.
        module: String,
        /// What is wrong with the module.
        fault: DriverFault,
    },
    /// The embedded database's place cannot be used.
    #[error(
        "parameter {name}: the SQLite file {path} cannot be written: {why}; name a file in a directory that the server may write to"
    )]
    Path {
        /// The parameter that names the file.
        name: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
}

impl ParameterError {
    /// The parameter that it is about.
    fn name(&self) -> &str {
        match self {
            ParameterError::Unknown(name, _) | ParameterError::Value { name, .. } => name,
            ParameterError::Spool { name, .. }
            | ParameterError::Driver { name, .. }
            | ParameterError::Path { name, .. } => name,
        }
    }

    /// The same error of a parameter that the operator knows as `alias`, where it is about `meant`.
    pub(in crate::module) fn of_alias(mut self, (alias, meant): (&'static str, &'static str)) -> ParameterError {
        if self.name() != meant {
            return self;
        }
        match &mut self {
            ParameterError::Unknown(name, _) | ParameterError::Value { name, .. } => *name = alias.to_owned(),
            ParameterError::Spool { name, .. }
            | ParameterError::Driver { name, .. }
            | ParameterError::Path { name, .. } => *name = alias,
        }
        self
    }
}

/// The value of text parameter `name`.
pub(in crate::module) fn utf8<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, ParameterError> {
    std::str::from_utf8(value)
        .map_err(|_| refuse(name, redact(&String::from_utf8_lossy(value)), "text in UTF-8 is allowed"))
}

/// Gives a column the name `text`, by its parameter `name`; `set` is false for one that it does not know.
pub(in crate::module) fn set_column(
    name: &str,
    text: &str,
    set: impl FnOnce(&str, &str) -> bool,
) -> Result<(), ParameterError> {
    table::name::check(text).map_err(|error| refuse(name, text, error))?;
    if set(name, text) { Ok(()) } else { Err(ParameterError::Unknown(name.to_owned(), "string")) }
}

pub(in crate::module) fn ranged(
    name: &str,
    value: i64,
    range: RangeInclusive<i64>,
    allowed: &str,
) -> Result<i64, ParameterError> {
    if range.contains(&value) { Ok(value) } else { Err(refuse(name, value.to_string(), allowed)) }
}

pub(in crate::module) fn refuse(name: &str, value: impl Into<String>, allowed: impl ToString) -> ParameterError {
    ParameterError::Value { name: name.to_owned(), value: value.into(), allowed: allowed.to_string() }
}
