//! The names and types of a module's parameters, which the host asks for before it reads its configuration.

use super::parameter::ParameterError;
use std::borrow::Cow;
use std::ffi::{CStr, CString};

/// How a parameter is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A text; of several the last counts.
    Text,
    /// A whole number; of several the last counts.
    Number,
    /// Texts, each of which counts.
    Texts,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: Cow<'static, CStr>,
    /// How it is set.
    pub kind: ParameterKind,
    /// Number of the parameter that it sets: its own, or that of the one whose other name it is.
    pub meant: usize,
}

/// The parameters of one module, in the order in which they are to be set.
#[derive(Debug)]
pub struct ParameterList {
    parameters: Vec<Parameter>,
}

impl ParameterList {
    /// No parameter yet.
    pub(super) fn new() -> ParameterList {
        ParameterList { parameters: Vec::new() }
    }

    /// The list with texts called `names` behind the others.
    pub(super) fn texts(self, names: &[&'static CStr]) -> ParameterList {
        self.with(ParameterKind::Text, names.iter().map(|name| Cow::Borrowed(*name)))
    }

    /// The list with numbers called `names` behind the others.
    pub(super) fn numbers(self, names: &[&'static CStr]) -> ParameterList {
        self.with(ParameterKind::Number, names.iter().map(|name| Cow::Borrowed(*name)))
    }

    /// The list with a text behind the others that may be set more than once.
    pub(super) fn repeated(self, name: &'static CStr) -> ParameterList {
        self.with(ParameterKind::Texts, [Cow::Borrowed(name)])
    }

    /// The list with the `*_column` parameters called `names` behind the others.
    pub(super) fn columns(self, names: impl Iterator<Item = &'static str>) -> ParameterList {
        self.with(ParameterKind::Text, names.map(terminated))
    }

    /// The list with `aliases`, each with the parameter that it stands for, right behind that and of its kind: what
    /// must come before the one must come before the other.
    pub(super) fn with_aliases(&self, aliases: &[(&'static str, &'static str)]) -> ParameterList {
        let mut all = ParameterList::new();
        for parameter in self.iter() {
            let meant = all.parameters.len();
            all.parameters.push(Parameter { meant, ..parameter.clone() });
            let is_meant = |meant: &str| parameter.name.to_bytes() == meant.as_bytes();
            let own = aliases.iter().filter(|(_, meant)| is_meant(meant));
            all.parameters.extend(own.map(|(alias, _)| Parameter {
                name: terminated(alias),
                kind: parameter.kind,
                meant,
            }));
        }
        all
    }

    fn with(mut self, kind: ParameterKind, names: impl IntoIterator<Item = Cow<'static, CStr>>) -> ParameterList {
        let first = self.parameters.len();
        self.parameters.extend((first..).zip(names).map(|(meant, name)| Parameter { name, kind, meant }));
        self
    }

    /// Parameter number `index`, from 0.
    pub fn at(&self, index: usize) -> Option<&Parameter> {
        self.parameters.get(index)
    }

    /// Each parameter.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter()
    }

    /// Whether `name` is set by a text; else the error that says that it is not.
    pub(super) fn expect_text(&self, name: &str) -> Result<(), ParameterError> {
        self.expect(name, "string", |kind| kind != ParameterKind::Number)
    }

    /// Whether `name` is set by a number; else the error that says that it is not.
    pub(super) fn expect_number(&self, name: &str) -> Result<(), ParameterError> {
        self.expect(name, "int", |kind| kind == ParameterKind::Number)
    }

    fn expect(&self, name: &str, kind: &'static str, fits: fn(ParameterKind) -> bool) -> Result<(), ParameterError> {
        let is_it = |known: &Parameter| known.name.to_bytes() == name.as_bytes() && fits(known.kind);
        if self.iter().any(is_it) { Ok(()) } else { Err(ParameterError::Unknown(name.to_owned(), kind)) }
    }
}

fn terminated(name: &str) -> Cow<'static, CStr> {
    Cow::Owned(CString::new(name).expect("the name of a parameter has no zero byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> ParameterList {
        ParameterList::new().texts(&[c"db_url"]).numbers(&[c"batch_size"]).repeated(c"capture_mode")
    }

    #[test]
    fn parameters_keep_the_order_in_which_they_are_to_be_set() {
        let list = list().columns(["date_column"].into_iter());
        let names: Vec<_> = list.iter().map(|parameter| parameter.name.to_str().unwrap()).collect();
        assert_eq!(names, ["db_url", "batch_size", "capture_mode", "date_column"]);
        assert_eq!(list.at(2).unwrap().kind, ParameterKind::Texts);
        assert_eq!(list.at(4), None);
    }

    #[test]
    fn an_alias_comes_right_behind_the_parameter_that_it_stands_for_and_is_of_its_kind() {
        let list = list().with_aliases(&[
            ("mode", "capture_mode"),
            ("rows", "batch_size"),
            ("url", "db_url"),
            ("db", "db_url"),
        ]);
        let listed: Vec<_> = list.iter().map(|parameter| (parameter.name.to_str().unwrap(), parameter.kind)).collect();
        let expected = [
            ("db_url", ParameterKind::Text),
            ("url", ParameterKind::Text),
            ("db", ParameterKind::Text),
            ("batch_size", ParameterKind::Number),
            ("rows", ParameterKind::Number),
            ("capture_mode", ParameterKind::Texts),
            ("mode", ParameterKind::Texts),
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn another_name_of_a_parameter_sets_that_one() {
        let list = list().with_aliases(&[("url", "db_url"), ("mode", "capture_mode")]);
        let numbers: Vec<_> = (0..6).map(|index| list.at(index).map(|parameter| parameter.meant)).collect();
        assert_eq!(numbers, [Some(0), Some(0), Some(2), Some(3), Some(3), None]);
    }

    #[test]
    fn a_name_of_the_other_type_is_as_unknown_as_none() {
        let list = list();
        assert!(list.expect_text("db_url").is_ok() && list.expect_text("capture_mode").is_ok());
        assert!(list.expect_number("batch_size").is_ok());
        for name in ["batch_size", "Db_Url", "nosuch", ""] {
            let error = list.expect_text(name).unwrap_err().to_string();
            assert_eq!(error, format!("parameter {name}: there is no such parameter of type string"));
        }
        let error = list.expect_number("db_url").unwrap_err().to_string();
        assert_eq!(error, "parameter db_url: there is no such parameter of type int");
    }
}
