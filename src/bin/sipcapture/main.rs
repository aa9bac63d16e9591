//! The operator's tool: shows the rows that the modules wrote, and handles what they could not write.
//!
//! One file a subcommand ([`calls`], [`flow`], [`show`], [`export`], [`schema`]); they ask [`archive`] for messages and
//! print through [`terminal`]. [`order`] sorts them, [`ladder`] draws and [`call`] judges, all without I/O.
//! [`dead_letters`], [`replay`] and [`spool`] look after the files of a server's spool; [`letters`] is what they share.
//! [`arguments`] tells values from options, [`redaction`] hides passwords in errors.

mod archive;
mod arguments;
mod call;
mod calls;
mod dead_letters;
mod export;
mod flow;
mod ladder;
mod letters;
mod listing;
mod message;
mod moment;
mod order;
mod redaction;
mod replay;
mod schema;
mod session;
mod show;
mod spool;
mod terminal;
mod text_width;
mod warnings;

use crate::archive::Archive;
use crate::moment::Clock;
use crate::redaction::redacted;
use crate::session::{CallSession, CommandResult, Legs, Output};
use crate::terminal::{ColorChoice, Terminal};
use clap::{CommandFactory, Parser, Subcommand};
use sipcapture_core::module::EMBEDDED_URL;
use sipcapture_core::table::{ColumnNames, sip_layout};
use std::ffi::OsString;
use std::process::ExitCode;

/// Names the database where --db does not; keeps a password out of the process list.
const DATABASE_VARIABLE: &str = "SIPCAPTURE_DB";

/// Show the SIP calls that the sipcapture modules have stored
#[derive(Parser, Debug)]
#[command(name = "sipcapture", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    options: Global,
    #[command(subcommand)]
    command: ToolCommand,
}

const AFTER_HELP: &str = "\
Examples:
  sipcapture calls --since 1h --from alice
  sipcapture flow 3c26700b@10.0.0.1
  sipcapture show 3c26700b@10.0.0.1 | less
  sipcapture export 3c26700b@10.0.0.1 -o call.pcap
  sipcapture --db postgres://homer@db1/homer_data calls --to '+49*'

Exit code: 0 when the answer was printed, 1 when there is no such call, 2 when anything went wrong.";

const URL_FORMS: &str = "\
sqlite:////PATH, postgres://USER:PASSWORD@HOST/NAME or
mysql://USER:PASSWORD@HOST/NAME; a path alone is an SQLite file.";

fn db_help() -> String {
    let path = EMBEDDED_URL.trim_start_matches("sqlite:///");
    format!("Database to read [default: ${DATABASE_VARIABLE}, else the SQLite file\n{path}]")
}

#[derive(clap::Args, Debug)]
struct Global {
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Database",
        help = db_help(),
        long_help = format!("{}\n\n{URL_FORMS}", db_help())
    )]
    db: Option<String>,
    /// Table to read; repeatable [default: all whose name starts with
    /// sip_capture]
    ///
    /// "*" and strftime conversions stand for anything: sip_capture_call_%Y%m%d.
    #[arg(long = "table", global = true, value_name = "NAME", help_heading = "Database", verbatim_doc_comment)]
    tables: Vec<String>,
    /// Column that you call otherwise, as callid=call_id; repeatable
    #[arg(
        long = "column",
        global = true,
        value_name = "DEFAULT=NAME",
        help_heading = "Database",
        value_parser = renamed_column
    )]
    columns: Vec<(String, String)>,
    /// Print one JSON document
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Times in UTC instead of local time
    #[arg(long, global = true, help_heading = "Output")]
    utc: bool,
    /// Width of the output [default: $COLUMNS, else the terminal's]
    #[arg(long, global = true, value_name = "COLUMNS", help_heading = "Output")]
    width: Option<usize>,
    /// Colour: auto (on a terminal without NO_COLOR), always or never
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Output",
        hide_possible_values = true
    )]
    color: ColorChoice,
    /// Draw with ASCII characters, as where the locale is not UTF-8
    #[arg(long, global = true, help_heading = "Output")]
    ascii: bool,
}

#[derive(Subcommand, Debug)]
enum ToolCommand {
    /// List the newest calls
    ///
    /// A call is a Call-ID with an INVITE that has no To tag. STATUS is the final
    /// reply to that INVITE, or the last one before it; TALK the time from the
    /// answer to the BYE.
    #[command(verbatim_doc_comment)]
    Calls(calls::CallsOptions),
    /// Draw a call as a ladder: a column for each host, a line for each message
    ///
    /// A host is an IP address. It has a column for each port where messages go
    /// from one of its ports to another, or where caller and callee share it.
    /// Dashed lines are retransmissions. Legs that share a correlation id stand
    /// in one ladder, with the number of the leg beside the time.
    #[command(verbatim_doc_comment)]
    Flow(Legs),
    /// Print the messages of a call in full
    ///
    /// On a terminal, bytes that could steer it are written as \xNN; a file or a
    /// pipe gets them as they are. Lines end in LF.
    #[command(verbatim_doc_comment)]
    Show(Legs),
    /// Write the messages of a call into a pcap file
    ///
    /// Each message is one UDP datagram between the addresses of its row, also
    /// when it came over TCP or TLS.
    #[command(verbatim_doc_comment)]
    Export(export::ExportOptions),
    /// Print the SQL that creates the table (needs no database)
    ///
    /// --table names the table, --column a column that shall have another name.
    #[command(verbatim_doc_comment)]
    Schema(schema::SchemaOptions),
    /// List what databases refused: the dead letters
    ///
    /// A letter is a capture that a database refused for good, with the reason. The
    /// server may go on meanwhile.
    #[command(verbatim_doc_comment)]
    DeadLetters(dead_letters::DeadLettersOptions),
    /// Send dead letters to their tables again
    ///
    /// Letters that --db refused are sent to it again, each to its table or to that
    /// of --table (strftime conversions are those of the capture's time). What is
    /// stored is taken away, the rest stays. The server may go on meanwhile.
    ///
    /// Exit code: 0 when all that was sent is stored, 1 when letters were refused
    /// again or cannot be read, 2 when the database was away or anything else went
    /// wrong; nothing is lost then.
    #[command(verbatim_doc_comment)]
    ReplayDeadLetters(replay::ReplayOptions),
    /// Show what waits on the disk for databases that were away: the spool
    ///
    /// A line for each writer process of each database, with the times of the first
    /// and the last capture. The server may go on meanwhile, and sends them by
    /// itself.
    #[command(verbatim_doc_comment)]
    Spool(spool::SpoolArguments),
}

/// Reads `callid=call_id`.
fn renamed_column(text: &str) -> Result<(String, String), String> {
    let layout = sip_layout(&ColumnNames::default());
    let mut fields = layout.columns.iter().map(|column| column.key).chain(["id"]);
    match text.split_once('=') {
        Some((field, name)) if !name.is_empty() => match fields.any(|known| known == field) {
            true => Ok((field.to_owned(), name.to_owned())),
            false => Err(format!("\"{field}\" is no column; `sipcapture schema` shows their default names")),
        },
        _ => Err("give a column's default name, an equals sign and your name for it: callid=call_id".to_owned()),
    }
}

fn run(cli: Cli) -> CommandResult {
    let options = cli.options;
    if let ToolCommand::Schema(schema) = &cli.command {
        return schema::run(schema, &options.tables, &options.columns, options.json);
    }
    let output = Output {
        terminal: Terminal::detect(options.width, options.color, options.ascii),
        clock: Clock::new(options.utc),
        json: options.json,
    };
    let from_environment = || std::env::var(DATABASE_VARIABLE).ok().filter(|url| !url.is_empty());
    let url = options.db.or_else(from_environment).unwrap_or_else(|| EMBEDDED_URL.to_owned());
    match &cli.command {
        ToolCommand::DeadLetters(letters) => return dead_letters::run(&output, letters),
        ToolCommand::ReplayDeadLetters(replay) => {
            return replay::run(&output, replay, &url, &options.tables, &options.columns);
        }
        ToolCommand::Spool(spool) => return spool::run(&output, spool),
        _ => {}
    }
    let archive = Archive::open(&url, &options.tables, &options.columns)?;
    let mut session = CallSession { archive, output };
    match &cli.command {
        ToolCommand::Calls(options) => calls::run(&mut session, options),
        ToolCommand::Flow(legs) => flow::run(&mut session, legs),
        ToolCommand::Show(legs) => show::run(&mut session, legs),
        ToolCommand::Export(options) => export::run(&mut session, options),
        ToolCommand::Schema(_)
        | ToolCommand::DeadLetters(_)
        | ToolCommand::ReplayDeadLetters(_)
        | ToolCommand::Spool(_) => Ok(()),
    }
}

fn main() -> ExitCode {
    let mut tool = Cli::command();
    tool.build();
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(arguments::separate(&tool, words.iter().cloned())) {
        Ok(cli) => cli,
        Err(answer) => {
            let text = answer.render().to_string();
            let shown = redacted(&text, &words);
            if shown == text || !answer.use_stderr() {
                answer.exit();
            }
            eprint!("{shown}");
            return ExitCode::from(2);
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sipcapture: {}", redacted(&error.to_string(), &words));
            ExitCode::from(error.exit_code())
        }
    }
}
