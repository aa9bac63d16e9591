//! Runs the tool and catches what it says.

use super::recording::{Recorded, store};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What a run ended with.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The tool with nothing of this process's environment that it looks at.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipcapture"));
    for name in ["SIPCAPTURE_DB", "COLUMNS", "NO_COLOR", "LC_ALL", "LC_CTYPE"] {
        command.env_remove(name);
    }
    command.env("LANG", "C.UTF-8").env("TZ", "UTC").args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Run {
    let output = command.output().expect("the tool starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the tool writes UTF-8");
    Run { code: output.status.code().expect("the tool exits"), out: text(output.stdout), err: text(output.stderr) }
}

/// An SQLite file with captures, and the tool to read it.
pub struct Stored {
    directory: TempDir,
}

impl Stored {
    /// With these messages in the table `sip_capture`.
    pub fn new(messages: &[Recorded]) -> Stored {
        let stored = Stored::empty();
        stored.add("sip_capture", messages);
        stored
    }

    /// Without a file.
    pub fn empty() -> Stored {
        Stored { directory: TempDir::new().expect("a private directory") }
    }

    /// Adds messages to a table.
    pub fn add(&self, table: &str, messages: &[Recorded]) {
        store(&self.url(), table, messages);
    }

    pub fn url(&self) -> String {
        format!("sqlite:///{}", self.file().display())
    }

    pub fn file(&self) -> PathBuf {
        self.directory.path().join("captures.db")
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The tool on this file, ready to be told more.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.arg("--db").arg(self.url());
        command
    }

    /// Runs the tool on this file.
    pub fn run(&self, arguments: &[&str]) -> Run {
        run(&mut self.command(arguments))
    }

    /// What the tool prints, which must succeed.
    pub fn print(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{arguments:?}");
        run.out
    }

    /// The JSON document that the tool prints, which must succeed.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        serde_json::from_str(&self.print(&arguments)).expect("one JSON document")
    }
}
