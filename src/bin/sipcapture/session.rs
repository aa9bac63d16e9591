//! What every subcommand works with: the archive, the terminal, the clock, and how an answer is given.

use crate::archive::{Archive, ArchiveError, CallNotFound};
use crate::message::Message;
use crate::moment::Clock;
use crate::terminal::{Terminal, print, printable};
use clap::Args;
use serde_json::Value;

/// What a subcommand ends with.
pub type CommandResult = Result<(), Error>;

/// Why a subcommand could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Database(#[from] ArchiveError),
    /// No row has this Call-ID.
    #[error("no call with Call-ID {0:?}{hint}", hint = option_hint(.0))]
    NoSuchCall(String),
    /// A shortened Call-ID is the beginning of several.
    #[error("{0:?} is the beginning of several Call-IDs: {1}")]
    Ambiguous(String, String),
    /// An argument that the command line parser could not judge.
    #[error("{0}")]
    Argument(String),
    /// A file, or standard output.
    #[error("cannot write {0}: {1}")]
    Write(String, std::io::Error),
    /// A file or a directory that is not of a database.
    #[error("cannot read {0}")]
    Read(String),
    /// Letters that stay: refused once more, or unreadable.
    #[error("{0}")]
    Refused(String),
    /// The database was away before all was sent.
    #[error("{0}")]
    Away(String),
}

/// What is said of a Call-ID that is not found and may be a mistyped option.
fn option_hint(call_id: &str) -> &'static str {
    match call_id.starts_with('-') {
        true => "; if it was meant as an option: this subcommand has none of that name, see its --help",
        false => "",
    }
}

impl Error {
    /// The tool's exit code: 1 for a call that is not there and for a letter that is refused, 2 for all that went
    /// wrong.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::NoSuchCall(_) | Error::Ambiguous(..) | Error::Refused(_) => 1,
            _ => 2,
        }
    }
}

/// Which call, and how much of it.
#[derive(Args, Clone, Debug)]
pub struct Legs {
    /// Call-ID; the beginning of one and "*" or "…" behind it do, too
    #[arg(value_name = "CALL-ID")]
    pub call_id: String,
    /// Only this Call-ID, not the legs that share its correlation id
    #[arg(long)]
    pub one_leg: bool,
}

/// A call that was found.
#[derive(Debug)]
pub struct FoundCall {
    /// The Call-ID that was asked for.
    pub call_id: String,
    /// Call-IDs of all legs, in the order in which they began.
    pub legs: Vec<String>,
    /// Messages of all legs by time, at least one.
    pub messages: Vec<Message>,
}

/// How a subcommand answers.
pub struct Output {
    /// Standard output.
    pub terminal: Terminal,
    /// The zone of the times.
    pub clock: Clock,
    /// Whether the answer is a JSON document.
    pub json: bool,
}

impl Output {
    /// Prints text.
    pub fn print(&self, text: impl AsRef<[u8]>) -> CommandResult {
        print(text).map_err(|error| Error::Write("standard output".into(), error))
    }

    /// Prints a JSON document.
    pub fn document(&self, value: Value) -> CommandResult {
        self.print(format!("{value:#}\n"))
    }
}

/// What every subcommand works with that looks for calls.
pub struct CallSession {
    /// The rows.
    pub archive: Archive,
    /// How it answers.
    pub output: Output,
}

impl std::ops::Deref for CallSession {
    type Target = Output;

    fn deref(&self) -> &Output {
        &self.output
    }
}

impl CallSession {
    /// The call that `legs` names; `whole` also fetches the messages themselves.
    pub fn find(&mut self, legs: &Legs, whole: bool) -> Result<FoundCall, Error> {
        let call_id = match self.archive.resolve(&legs.call_id)? {
            Ok(call_id) => call_id,
            Err(CallNotFound::None) => return Err(Error::NoSuchCall(legs.call_id.clone())),
            Err(CallNotFound::Several(found)) => {
                return Err(Error::Ambiguous(legs.call_id.clone(), printable(&found.join(" "))));
            }
        };
        let wanted = if legs.one_leg { vec![call_id.clone()] } else { self.archive.legs(&call_id)? };
        let messages = self.archive.messages(&wanted, whole)?;
        let mut legs: Vec<String> = Vec::new();
        for message in &messages {
            if !legs.contains(&message.call_id) {
                legs.push(message.call_id.clone());
            }
        }
        Ok(FoundCall { call_id, legs, messages })
    }
}
