//! Tells values that begin with a hyphen from options, before the command line parser sees them: a Call-ID or a user
//! may begin with one.
//!
//! Which words are options, and which of them take a value, is read from the parser's own description of the tool, so
//! that no option can be forgotten:
//!
//! - the word behind an option that takes a value is its value, unless it is exactly an option of the subcommand: then
//!   the value was left out (`--from=--json` means a user of that name);
//! - any other word that begins with a hyphen and is no option of the subcommand is its CALL-ID, if the subcommand
//!   takes one and no other word looks more like it. Beside a CALL-ID it stays what it looks like, an option that does
//!   not exist, which the parser refuses; so it does with a URL behind `=`, which is a mistyped `--db` and may hold a
//!   password;
//! - behind `--` nothing is an option.

use clap::{Arg, Command};
use std::ffi::{OsStr, OsString};

/// The words of a command line for `tool`, the first of them its name, with each such value joined to its option
/// (`--from=-x`) or moved behind `--`. `tool` must have been built.
pub fn separate(tool: &Command, words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter().peekable();
    let mut out: Vec<OsString> = words.next().into_iter().collect();
    let mut command = tool;
    // Where words stand in `out` that may be the CALL-ID.
    let mut free: Vec<usize> = Vec::new();
    while let Some(word) = words.next() {
        if word == "--" {
            let behind: Vec<OsString> = words.collect();
            if !behind.is_empty() {
                out.push(word);
                out.extend(behind);
                return out;
            }
            break;
        }
        match option(command, &word) {
            Some(OptionValue::Value(name)) => match words.next_if(|next| !is_exact(command, next)) {
                Some(value) if is_hyphenated(&value) => out.push(join(name, &value)),
                value => out.extend([Some(word), value].into_iter().flatten()),
            },
            Some(OptionValue::Nothing) => out.push(word),
            None => {
                match command.find_subcommand(&word) {
                    Some(subcommand) => command = subcommand,
                    None if std::ptr::eq(command, tool) => {}
                    None if has_url_as_value(&word) => {}
                    None => free.push(out.len()),
                }
                out.push(word);
            }
        }
    }
    if let Some(at) = call_id(&out, &free)
        && command.get_positionals().count() == 1
    {
        let call_id = out.remove(at);
        out.extend(["--".into(), call_id]);
    }
    out
}

/// Which of the words at `free` is the CALL-ID, where it is one that begins with a hyphen: the only one, or the only
/// one that begins with no more than one.
fn call_id(words: &[OsString], free: &[usize]) -> Option<usize> {
    let hyphens = |at: &&usize| words[**at].as_encoded_bytes().iter().take_while(|byte| **byte == b'-').count();
    let mut shorter = free.iter().filter(|at| hyphens(at) < 2);
    let only = match free {
        [only] => Some(only),
        _ => shorter.next().filter(|_| shorter.next().is_none()),
    };
    only.filter(|at| is_hyphenated(&words[**at])).copied()
}

/// What an option does with the word behind it.
enum OptionValue<'a> {
    /// It is a switch, or its value is in the same word.
    Nothing,
    /// The word is its value, unless it is an option; the long name of the option.
    Value(&'a str),
}

/// The option of `command` that `word` is, whether or not its value is in the same word.
fn option<'a>(command: &'a Command, word: &OsStr) -> Option<OptionValue<'a>> {
    let named = |is_it: &dyn Fn(&Arg) -> bool| command.get_arguments().find(|arg| !arg.is_positional() && is_it(arg));
    let taken = |arg: &'a Arg| match arg.get_long().filter(|_| arg.get_action().takes_values()) {
        Some(name) => OptionValue::Value(name),
        None => OptionValue::Nothing,
    };
    let text = word.to_string_lossy();
    if let Some(long) = text.strip_prefix("--") {
        let name = long.split_once('=').map_or(long, |(name, _)| name);
        let arg = named(&|arg| arg.get_long() == Some(name))?;
        return Some(if name == long { taken(arg) } else { OptionValue::Nothing });
    }
    // Letters may stand together, and the value of the last one behind it.
    let mut letters = text.strip_prefix('-')?.chars();
    loop {
        let letter = letters.next()?;
        let arg = named(&|arg| arg.get_short() == Some(letter))?;
        match (letters.as_str().is_empty(), arg.get_action().takes_values()) {
            (true, _) => return Some(taken(arg)),
            (false, true) => return Some(OptionValue::Nothing),
            (false, false) => {}
        }
    }
}

/// Whether `word` is an option's own name, alone or with a value behind `=`: `--db`, `--db=x`, `-n`, and not `-n5`.
fn is_exact(command: &Command, word: &OsStr) -> bool {
    let is_short = |text: &str| text.chars().count() == 2;
    let text = word.to_string_lossy();
    text == "--" || ((text.starts_with("--") || is_short(&text)) && option(command, word).is_some())
}

/// Whether `word` begins with a hyphen and is not one alone, which stands for standard output.
fn is_hyphenated(word: &OsStr) -> bool {
    word.len() > 1 && word.as_encoded_bytes().starts_with(b"-")
}

/// Whether `word` looks like an option with a URL behind `=`.
fn has_url_as_value(word: &OsStr) -> bool {
    let text = word.to_string_lossy();
    is_hyphenated(word) && text.split_once('=').is_some_and(|(_, value)| value.contains("://"))
}

/// `--name=value`
fn join(name: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(format!("--{name}="));
    word.push(value);
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cli;
    use crate::redaction::redacted;
    use clap::error::ErrorKind;
    use clap::{ArgMatches, CommandFactory};

    fn tool() -> Command {
        let mut tool = Cli::command();
        tool.build();
        tool
    }

    fn parse(words: &[&str]) -> Result<ArgMatches, clap::Error> {
        let words = ["sipcapture"].iter().chain(words).map(OsString::from);
        Cli::command().try_get_matches_from(separate(&tool(), words))
    }

    /// The raw value of `id` in the subcommand that `words` call.
    fn value(words: &[&str], id: &str) -> String {
        let matches = parse(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let (_, matches) = matches.subcommand().expect("a subcommand");
        let values = matches.get_raw(id).unwrap_or_else(|| panic!("{words:?}: nothing for {id}"));
        values.map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    /// A command line on which the subcommand has all that it requires but the argument `id`.
    fn others(command: &Command, id: &str) -> Vec<String> {
        let mut words = vec![command.get_name().to_owned()];
        for arg in command.get_arguments().filter(|arg| arg.is_required_set() && arg.get_id() != id) {
            words.extend(arg.get_long().map(|name| format!("--{name}")));
            words.push("value".to_owned());
        }
        words
    }

    const VALUES: [&str; 6] = ["-x", "-qmkXFnQa-mIIi34zo8znQ..", "--x@y", "---", "-1", "-n5"];

    #[test]
    fn every_option_of_every_subcommand_takes_a_value_that_begins_with_a_hyphen() {
        let tool = tool();
        let mut taken = 0;
        for command in tool.get_subcommands().filter(|command| command.get_name() != "help") {
            let options = command.get_arguments().filter(|arg| !arg.is_positional() && arg.get_action().takes_values());
            for option in options {
                let names = option.get_long().map(|name| format!("--{name}")).into_iter();
                for name in names.chain(option.get_short().map(|letter| format!("-{letter}"))) {
                    for given in VALUES {
                        let mut words = others(command, option.get_id().as_str());
                        words.extend([name.clone(), given.to_owned()]);
                        let words: Vec<&str> = words.iter().map(String::as_str).collect();
                        match parse(&words) {
                            Ok(_) => assert_eq!(value(&words, option.get_id().as_str()), given, "{words:?}"),
                            // A number, a column or a word of a list: the value has reached the option, which says what
                            // would be right.
                            Err(error) => {
                                let kinds = [ErrorKind::ValueValidation, ErrorKind::InvalidValue];
                                let text = error.to_string();
                                assert!(
                                    kinds.contains(&error.kind()) && text.contains(&format!("'{given}'")),
                                    "{words:?}: {text}"
                                );
                            }
                        }
                        taken += 1;
                    }
                }
            }
        }
        assert!(taken > 200, "{taken} command lines");
    }

    #[test]
    fn every_call_id_may_begin_with_a_hyphen_wherever_it_stands() {
        let tool = tool();
        let mut commands = 0;
        for command in tool.get_subcommands() {
            let Some(positional) = command.get_positionals().next().filter(|_| command.get_name() != "help") else {
                continue;
            };
            commands += 1;
            let id = positional.get_id().as_str();
            let words = others(command, id);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let name = words[0];
            for given in VALUES {
                for line in [
                    [&words[..], &[given]].concat(),
                    [&words[..], &[given, "--json", "--db", "x"]].concat(),
                    [&words[..], &["--json", "--db", "x", given]].concat(),
                    [&[name, given, "--one-leg"], &words[1..]].concat(),
                    [&["--db", "-y", name, "--db=-z", given], &words[1..]].concat(),
                    [&words[..], &["--", given]].concat(),
                ] {
                    assert_eq!(value(&line, id), given, "{line:?}");
                }
                assert!(
                    parse(&[&words[..], &[given, "--json"]].concat()).unwrap().subcommand().unwrap().1.get_flag("json")
                );
            }
            for given in ["--json", "-h", "--", "--db=x"] {
                assert_eq!(value(&[&words[..], &["--", given]].concat(), id), given);
            }
        }
        assert_eq!(commands, 3);
    }

    #[test]
    fn an_option_that_does_not_exist_is_an_error_beside_a_call_id() {
        for words in [
            &["flow", "call@x", "--jsno"][..],
            &["flow", "--jsno", "call@x"],
            &["flow", "-x", "--jsno"],
            &["flow", "call@x", "-x"],
            &["flow", "call@x", "--dbb", "x"],
            &["export", "call@x", "-o", "x", "--outptu", "y"],
            &["calls", "--form", "alice"],
            &["calls", "-x"],
            &["spool", "--dri", "x"],
            &["--jsno", "flow"],
            &["-x", "flow", "call@x"],
        ] {
            let error = parse(words).expect_err("an error");
            assert_eq!(error.kind(), ErrorKind::UnknownArgument, "{words:?}: {error}");
        }
        for call_id in ["call@x", "-x"] {
            let error = parse(&["flow", call_id, "--jsno"]).unwrap_err().to_string();
            assert!(error.contains("unexpected argument '--jsno'") && error.contains("'--json'"), "{error}");
        }
    }

    #[test]
    fn a_url_is_neither_taken_for_a_call_id_by_a_mistyped_option_nor_shown() {
        for words in [
            &["flow", "--dbb=postgres://u:secret@h/x"][..],
            &["flow", "--DB=postgres://u:secret@h/x"],
            &["show", "-db=mysql://u:secret@h/x"],
            &["export", "-o", "f", "--dbb=postgres://h/x?password=secret"],
            &["flow", "call@x", "postgres://u:secret@h/x"],
            &["calls", "postgres://u:secret@h/x"],
            &["calls", "--limit=postgres://u:secret@h/x"],
            &["calls", "-npostgres://u:secret@h/x"],
            &["postgres://u:secret@h/x"],
        ] {
            let error = parse(words).expect_err("an error");
            assert_eq!(error.exit_code(), 2, "{words:?}");
            let given: Vec<OsString> = words.iter().map(OsString::from).collect();
            let shown = redacted(&error.render().to_string(), &given);
            assert!(shown.starts_with("error: ") && !shown.contains("secret"), "{words:?}: {shown}");
        }
        assert_eq!(value(&["flow", "--", "--dbb=postgres://h/x"], "call_id"), "--dbb=postgres://h/x");
    }

    #[test]
    fn an_option_in_the_place_of_a_value_is_an_option() {
        for words in [
            &["calls", "--from", "--json"][..],
            &["calls", "--from", "-n", "5"],
            &["calls", "--from", "--to=x"],
            &["--db", "--json", "calls"],
            &["calls", "--from", "--"],
        ] {
            let error = parse(words).expect_err("an error");
            assert_eq!(error.kind(), ErrorKind::InvalidValue, "{words:?}: {error}");
            assert!(error.to_string().contains("a value is required"), "{error}");
        }
        assert_eq!(value(&["calls", "--from=--json"], "from"), "--json");
        assert_eq!(value(&["calls", "-n5", "--call-id", "x"], "limit"), "5");
        assert_eq!(value(&["export", "-ofile", "call@x"], "output"), "file");
        assert_eq!(value(&["export", "-o", "-", "-x"], "output"), "-");
        assert_eq!(parse(&["flow", "-h"]).unwrap_err().kind(), ErrorKind::DisplayHelp);
        assert_eq!(parse(&["help", "flow"]).unwrap_err().kind(), ErrorKind::DisplayHelp);
        assert_eq!(parse(&["flow", "-x", "--"]).unwrap().subcommand_name(), Some("flow"));
    }
}
