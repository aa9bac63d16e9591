//! Commands that an operator sends to the running server, and their answers.

use crate::module::engine::dialect::{Command, CommandAction, Dialect, Fault, StatusAnswers, SwitchAnswers};
use crate::module::engine::overview::Overview;
use crate::queue::counters::{self, Group, Observer, Totals};
use crate::queue::lane::Lanes;
use std::ffi::CStr;

/// How an answer reaches the host.
pub trait Reply {
    /// The whole answer is one text.
    fn text(&mut self, text: &str);
    /// The command failed: what is wrong, and, unless it is empty, what would be right.
    fn fault(&mut self, code: i32, text: &str, detail: &str);
    /// Begins a group of fields; the outermost has no name.
    fn open(&mut self, name: &str);
    /// Ends it.
    fn close(&mut self);
    /// A field.
    fn number(&mut self, name: &str, value: u64);
    /// A field.
    fn word(&mut self, name: &str, text: &str);
}

impl Overview {
    /// Runs the command `name` of a module of `dialect`, by either of its names, with `argument` (empty for none);
    /// false when there is no such command.
    pub fn command(&self, dialect: &Dialect, name: &str, argument: &[u8], reply: &mut dyn Reply) -> bool {
        let mut commands = dialect.commands.iter();
        let is_name = |known: &CStr| known.to_bytes() == name.as_bytes();
        let is_it = |command: &&Command| is_name(command.name) || command.name_in_module.is_some_and(is_name);
        let Some(command) = commands.find(is_it) else { return false };
        let Some(lanes) = self.lanes() else {
            fault(reply, dialect.not_ready);
            return true;
        };
        match command.action {
            CommandAction::Status(answers) => status(answers, lanes, argument, reply),
            CommandAction::Stats => {
                let totals = lanes.totals();
                reply.open("");
                balance(dialect, lanes, &totals, reply);
                dialect.stats.iter().for_each(|groups| fields(dialect.observer, groups, &totals, reply));
                modes(self.modes(), &totals, reply);
                fields(dialect.observer, &[Group::Writer], &totals, reply);
                sinks(self.sinks(), lanes, reply);
                reply.close();
            }
            CommandAction::Switch(answers) => switch(answers, lanes, argument, reply),
        }
        true
    }
}

fn fault(reply: &mut dyn Reply, Fault { code, text, detail }: Fault) {
    reply.fault(code, text, detail);
}

fn position(lanes: &Lanes) -> &'static str {
    if lanes.capture_on() { "on" } else { "off" }
}

/// Answers the fields of `groups` in the table of counters, which are in one object, or at the top.
fn fields(observer: Observer, groups: &[Group], totals: &Totals, reply: &mut dyn Reply) {
    let object = groups.first().and_then(|group| group.object());
    if let Some(name) = object {
        reply.open(name);
    }
    for counter in counters::fields(observer, groups) {
        reply.number(counter.field(), counter.value(totals));
    }
    if object.is_some() {
        reply.close();
    }
}

/// `MODULE.status on|off|check`: words are recognised by their beginning, as in the stock modules.
fn status(answers: &StatusAnswers, lanes: &Lanes, argument: &[u8], reply: &mut dyn Reply) {
    if argument.is_empty() {
        return fault(reply, answers.lacks_argument);
    }
    let begins = |word: &str| argument.get(..word.len()).is_some_and(|a| a.eq_ignore_ascii_case(word.as_bytes()));
    if begins("on") {
        lanes.set_capture_on(true);
    } else if begins("off") {
        lanes.set_capture_on(false);
    } else if !begins("check") {
        return fault(reply, answers.bad_argument);
    }
    reply.text(answers.shown[usize::from(lanes.capture_on())]);
}

/// `sip_capture [on|off]`, `sip_trace [on|off]`: without an argument the answer is the switch's position.
fn switch(answers: &SwitchAnswers, lanes: &Lanes, argument: &[u8], reply: &mut dyn Reply) {
    if argument.eq_ignore_ascii_case(b"on") {
        lanes.set_capture_on(true);
    } else if argument.eq_ignore_ascii_case(b"off") {
        lanes.set_capture_on(false);
    } else if !argument.is_empty() {
        return fault(reply, answers.bad_argument);
    }
    match (answers.turned, answers.field) {
        (Some(turned), _) if !argument.is_empty() => reply.text(turned),
        (_, None) => reply.text(position(lanes)),
        (_, Some(field)) => {
            reply.open("");
            reply.word(field, position(lanes));
            reply.close();
        }
    }
}

/// The switch, and what became of all captures.
fn balance(dialect: &Dialect, lanes: &Lanes, totals: &Totals, reply: &mut dyn Reply) {
    let (captured_rate, stored_rate) = lanes.rates();
    reply.word(dialect.activity, position(lanes));
    for group in [Group::Balance, Group::Dropped, Group::Underway] {
        fields(dialect.observer, &[group], totals, reply);
    }
    reply.word("captured_per_second", &format!("{captured_rate:.1}"));
    reply.word("stored_per_second", &format!("{stored_rate:.1}"));
}

/// The requests and replies of each capture mode.
fn modes(names: &[String], totals: &Totals, reply: &mut dyn Reply) {
    for (number, (name, [requests, replies])) in names.iter().zip(totals.modes).enumerate() {
        reply.open(&format!("mode_{number}"));
        reply.word("name", name);
        reply.number("requests", requests);
        reply.number("replies", replies);
        reply.close();
    }
}

fn sinks(urls: &[String], lanes: &Lanes, reply: &mut dyn Reply) {
    for (writer, sink, state) in lanes.sink_states() {
        let number = writer * lanes.geometry().sinks + sink;
        reply.open(&format!("sink_{number}"));
        reply.word("url", urls.get(sink).map_or("", String::as_str));
        reply.word(
            "state",
            match state.up {
                None => "not tried",
                Some(true) => "up",
                Some(false) => "down",
            },
        );
        reply.number("spooled", state.spooled);
        reply.number("spool_bytes", state.spool_bytes);
        reply.number("errors", state.errors);
        if let Some(age) = state.last_error_age {
            reply.word("last_error", &state.last_error);
            reply.number("last_error_seconds_ago", age);
        }
        reply.close();
    }
}
