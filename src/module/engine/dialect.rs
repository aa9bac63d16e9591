//! What the modules of hosts do otherwise than each other, as data.

use crate::module::engine::forward::ForwardRules;
use crate::module::engine::host_refusal::RefusalText;
use crate::queue::counters::{Group, Observer};
use crate::table::RowDialect;
use std::ffi::CStr;

/// A module's own way where others have theirs. Each module of each host has one value.
#[derive(Debug)]
pub struct Dialect {
    /// What the switch turns on, as the answer of `stats` calls it.
    pub activity: &'static str,
    /// What operators can ask of the module.
    pub commands: &'static [Command],
    /// Name of the spool that no parameter names: modules beside each other have different ones.
    pub spool_name: &'static str,
    /// The database of an empty `db_url`.
    pub default_url: &'static str,
    /// The parameters that name databases, which `db_driver` must come before.
    pub database_parameters: &'static str,
    /// Other names of parameters, each with the one that it stands for.
    pub aliases: &'static [(&'static str, &'static str)],
    /// What its rows look like.
    pub rows: RowDialect,
    /// What its answer of `stats` has of its own, an object a line.
    pub stats: &'static [&'static [Group]],
    /// Which counters it shows, and how it describes them.
    pub observer: Observer,
    /// What commands answer.
    pub answers: Answers,
    /// What is said when an exporter cannot be given the names that it takes; `None` where it takes all.
    pub not_exported: Option<&'static str>,
    /// What is said when the host cannot do what a parameter asks.
    pub refusal: RefusalText,
    /// How names are looked up that the host sends to, and whether messages wait for that.
    pub forward: ForwardRules,
}

/// A command.
#[derive(Debug)]
pub struct Command {
    /// How operators call it.
    pub name: &'static CStr,
    /// What it does.
    pub action: CommandAction,
    /// Whether it takes an argument.
    pub takes_argument: bool,
    /// What operators are told of it.
    pub description: &'static CStr,
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandAction {
    /// Turns the switch, or shows it: `on`, `off` or `check`.
    Status,
    /// Shows the switch, or turns it: `on` or `off`.
    Switch,
    /// Shows all figures.
    Stats,
}

/// What commands answer where there are no figures. Faults have a code.
#[derive(Debug)]
pub struct Answers {
    /// To every command before there are lanes.
    pub not_ready: (i32, &'static str),
    /// To `status` without an argument.
    pub status_lacks_argument: (i32, &'static str),
    /// To `status` with an argument that it does not know.
    pub status_argument: (i32, &'static str),
    /// To the switch's command with an argument that it does not know.
    pub switch_argument: (i32, &'static str),
    /// The switch as `status` shows it: off and on.
    pub status: [&'static str; 2],
    /// The switch as its own command shows it: off and on.
    pub switch: [&'static str; 2],
}

impl Dialect {
    /// The alias called `name` and the parameter that it stands for; `None` when `name` is no alias.
    pub fn alias(&self, name: &str) -> Option<(&'static str, &'static str)> {
        self.aliases.iter().find(|(alias, _)| *alias == name).copied()
    }
}
