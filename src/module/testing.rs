//! What tests of modules share: a module that is ready, what it has queued and counted, and what it answers.

use super::engine::commands::Reply;
use super::{AnyModule, KillLimits, Module, ParameterError, ParameterKind, SetError};
use crate::queue::counters::Totals;
use crate::queue::lane::Consumer;
use std::collections::BTreeMap;

/// Brings `module`, whose parameters are set, to where it has one lane, which is this thread's own.
pub(in crate::module) fn make_ready(module: &mut dyn Module) {
    module.check((None, None), KillLimits::default()).unwrap();
    module.map_lanes(1, &mut |_| false).unwrap();
    module.attach(0).unwrap();
}

/// Sets every parameter that the module called `module` lists, as it is listed: it must know each.
pub(in crate::module) fn set_each_listed_parameter(module: &str) {
    let listed = AnyModule::parameters(module).unwrap();
    assert!(listed.iter().count() > 0);
    for parameter in listed.iter() {
        let (mut fresh, name) = (AnyModule::named(module).unwrap(), parameter.name.to_str().unwrap());
        let set = match parameter.kind {
            ParameterKind::Number => fresh.life_mut().set_number(name, 1),
            ParameterKind::Text | ParameterKind::Texts => fresh.life_mut().set_text(name, b"x"),
        };
        assert!(!matches!(set, Err(SetError::Parameter(ParameterError::Unknown(..)))), "{name}");
    }
}

/// What was put into its lane.
pub(in crate::module) fn queued(module: &dyn Module) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut consumer = Consumer::take(module.pipeline().lanes().unwrap(), 0).unwrap().unwrap();
    consumer.read(|bytes, _| {
        records.push(bytes.to_vec());
        true
    });
    records
}

/// What it has counted.
pub(in crate::module) fn totals(module: &dyn Module) -> Totals {
    module.pipeline().lanes().unwrap().totals()
}

/// The answer to a command: a text, a fault, or fields by their path, `group.field`.
#[derive(Debug, Default)]
pub(in crate::module) struct Answer {
    pub text: Option<String>,
    pub fault: Option<(i32, String, String)>,
    pub groups: Vec<String>,
    pub numbers: BTreeMap<String, u64>,
    pub words: BTreeMap<String, String>,
}

impl Answer {
    fn path(&self, name: &str) -> String {
        let groups = self.groups.iter().filter(|group| !group.is_empty());
        groups.map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
    }
}

impl Reply for Answer {
    fn text(&mut self, text: &str) {
        assert_eq!(self.text.replace(text.to_owned()), None, "one text is answered");
    }

    fn fault(&mut self, code: i32, text: &str, detail: &str) {
        let fault = (code, text.to_owned(), detail.to_owned());
        assert_eq!(self.fault.replace(fault), None, "one fault is answered");
    }

    fn open(&mut self, name: &str) {
        self.groups.push(name.to_owned());
    }

    fn close(&mut self) {
        self.groups.pop().expect("a group is open");
    }

    fn number(&mut self, name: &str, value: u64) {
        assert_eq!(self.numbers.insert(self.path(name), value), None, "{name} is answered twice");
    }

    fn word(&mut self, name: &str, text: &str) {
        self.words.insert(self.path(name), text.to_owned());
    }
}
