//! What the modules of hosts do otherwise than each other, as data.

use crate::module::engine::forward::ForwardRules;
use crate::module::engine::host_refusal::RefusalText;
use crate::queue::counters::{Group, Observer};
use crate::sink::url::UrlForms;
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
    /// What it writes otherwise than others in URLs of databases.
    pub url_forms: UrlForms,
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
    /// The fault that every command answers before there are lanes.
    pub not_ready: Fault,
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
    /// How they call it behind the module's name, on servers that put that before it.
    pub name_in_module: Option<&'static CStr>,
    /// What it does.
    pub action: CommandAction,
    /// Whether it takes an argument.
    pub takes_argument: bool,
    /// What operators are told of it.
    pub description: &'static CStr,
}

/// What a command does, and what it answers.
#[derive(Clone, Copy, Debug)]
pub enum CommandAction {
    /// Turns the switch, or shows it: `on`, `off` or `check`.
    Status(&'static StatusAnswers),
    /// Shows the switch, or turns it: `on` or `off`.
    Switch(&'static SwitchAnswers),
    /// Shows all figures.
    Stats,
}

/// What a command answers that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number.
    pub code: i32,
    /// What is wrong.
    pub text: &'static str,
    /// What would be right, where the host says that apart; else empty.
    pub detail: &'static str,
}

impl Fault {
    /// A fault that says all in one text.
    pub const fn new(code: i32, text: &'static str) -> Fault {
        Fault { code, text, detail: "" }
    }
}

/// What [`CommandAction::Status`] answers.
#[derive(Debug)]
pub struct StatusAnswers {
    /// Without an argument.
    pub lacks_argument: Fault,
    /// With an argument that is not known.
    pub bad_argument: Fault,
    /// The switch: off and on.
    pub shown: [&'static str; 2],
}

/// What [`CommandAction::Switch`] answers.
#[derive(Debug)]
pub struct SwitchAnswers {
    /// With an argument that is not known.
    pub bad_argument: Fault,
    /// The field that shows the switch; `None` where the answer is its position alone.
    pub field: Option<&'static str>,
    /// What is answered once the switch is turned; `None` for its position.
    pub turned: Option<&'static str>,
}

impl Dialect {
    /// The alias called `name` and the parameter that it stands for; `None` when `name` is no alias.
    pub fn alias(&self, name: &str) -> Option<(&'static str, &'static str)> {
        self.aliases.iter().find(|(alias, _)| *alias == name).copied()
    }
}
