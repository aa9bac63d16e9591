//! The commands that the documentation shows, each run as it stands there, with the answer that stands there: `kamctl`,
//! `kamcmd` and `curl` against a server with the documented configuration, and the stock modules beside it for those
//! commands that they have.

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::release::release;
use crate::common::rows::{SqliteFile, execute};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use crate::kamailio_parity::tables::Engine;
use crate::kamailio_siptrace_agent::make_tables;
use serde_json::Value;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;
/// What the documentation's configuration and commands say, where the test has places of its own.
const HTTP: &str = "127.0.0.1:5060";
const FIFO: &str = "/run/kamailio/kamailio_rpc.fifo";
const SOCKET: &str = "/run/kamailio/kamailio_rpc.sock";
const REPLIES: &str = "\"/tmp/\"";
/// Commands that the stock modules do not have.
const OWN: [&str; 4] = ["sip_capture", "sipcapture.stats", "sip_trace", "siptrace.stats"];

/// A command of the documentation, and what it answers.
#[derive(Clone, Debug)]
struct Shown {
    command: String,
    answer: String,
}

impl Shown {
    /// Whether the stock module has the command.
    fn is_stock(&self) -> bool {
        !self.command.split([' ', '"']).any(|word| OWN.contains(&word))
    }
}

fn page(module: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("doc").join(format!("{module}.md"));
    fs::read_to_string(path).expect("the documentation is readable")
}

/// The lines of the page's block of code that begins with `first`, without their indentation.
fn block(module: &str, first: &str) -> Vec<String> {
    let page = page(module);
    let lines = page.lines().skip_while(|line| line.strip_prefix("    ").is_none_or(|line| !line.starts_with(first)));
    let lines: Vec<_> = lines.map_while(|line| line.strip_prefix("    ")).map(str::to_owned).collect();
    assert!(!lines.is_empty(), "doc/{module}.md has no block that begins with {first}");
    lines
}

fn shown(module: &str, first: &str) -> Vec<Shown> {
    let shown = |line: String| {
        let (command, answer) = line.rsplit_once(" # ").unwrap_or_else(|| panic!("no answer in {line}"));
        Shown { command: command.trim_end().to_owned(), answer: answer.to_owned() }
    };
    block(module, first).into_iter().map(shown).collect()
}

/// A server with the documented configuration, and a home whose owner's `kamctl` and `kamcmd` talk to it.
struct Commanded {
    server: Kamailio,
    home: TempDir,
    /// Open while the stock module's processes open theirs, see [`make_tables`].
    _table: Option<rusqlite::Connection>,
    _file: SqliteFile,
}

impl Commanded {
    fn home() -> TempDir {
        let home = TempDir::new().expect("a private directory");
        fs::create_dir(home.path().join("tmp")).expect("a directory for answers");
        let settings = format!("RPCFIFOPATH={0}/rpc.fifo\nCHROOT_DIR={0}\n", home.path().display());
        fs::write(home.path().join(".kamctlrc"), settings).expect("the settings of kamctl are written");
        home
    }

    /// The documented configuration, added to `config`.
    fn configured(mut config: ConfigBuilder, home: &Path) -> ConfigBuilder {
        let at = |name: &str| home.join(name).display().to_string();
        let mut text = String::new();
        for line in block("sipcapture", "listen=tcp:127.0.0.1:5060") {
            let line = line
                .replace(FIFO, &at("rpc.fifo"))
                .replace(SOCKET, &at("rpc.sock"))
                .replace(REPLIES, &format!("\"{}\"", at("tmp/")));
            match line.strip_prefix("loadmodule \"").and_then(|rest| rest.strip_suffix('"')) {
                // The harness has these; a module that is loaded twice is none the worse.
                Some("kex.so" | "ctl.so" | "pv.so" | "sl.so") => {}
                Some(module) => config = config.load(module),
                None if line.starts_with("listen=") || line.starts_with("tcp_accept_no_cl=") => {}
                None => text.extend([line.as_str(), "\n"]),
            }
        }
        config.tcp().line(&text)
    }

    /// A capture node that has captured a request in the mode `default`, and one in the mode `archive`.
    fn node(module: Module) -> Commanded {
        Commanded::node_with(module, |config| config)
    }

    /// The same, and what `set` adds.
    fn node_with(module: Module, set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Commanded {
        let (home, file) = (Commanded::home(), SqliteFile::new());
        execute(file.url(), &Engine::Sqlite.sip_table("sip_capture"));
        let mode = format!("archive=>db_url={};table_name=sip_capture;mt_mode=rand", file.url());
        let config = ConfigBuilder::capture_module(module, file.url()).param("sipcapture", "capture_mode", &mode);
        let config = config.route("request_route", r#"sip_capture(); sip_capture("", "archive"); exit;"#);
        let server = set(Commanded::configured(config.children(1), home.path())).start();
        let (source, destination) = ("192.0.2.10:5060".parse(), "198.51.100.20:5060".parse());
        let (source, destination) = (source.expect("an address"), destination.expect("an address"));
        let message = &answered_call("commands", 1)[0].text;
        HepSender::to(server.address()).send(&Observed::sip(source, destination, NOON_US, message).v3());
        let counted = || server.statistic("captured_requests[archive]") == 1;
        within(PATIENCE, "the message is captured in both modes", counted);
        Commanded { server, home, _table: None, _file: file }
    }

    /// A capture agent that has traced a request.
    fn agent(module: Module) -> Commanded {
        let (home, file) = (Commanded::home(), SqliteFile::new());
        let table = make_tables(&file);
        let mut config = ConfigBuilder::new().children(1);
        if module == Module::Stock {
            config = config.load("db_sqlite.so");
        }
        let config = config.load_agent(module).param("siptrace", "db_url", file.url()).param("siptrace", "trace_on", 1);
        let config = config.route("request_route", "sip_trace(); exit;");
        let server = Commanded::configured(config, home.path()).start();
        HepSender::to(server.address()).send(&answered_call("commands", 1)[0].text);
        let counted = || server.statistics_of("siptrace")["traced_requests"] == 1;
        within(PATIENCE, "the message is traced", counted);
        Commanded { server, home, _table: Some(table), _file: file }
    }

    /// What a documented command prints.
    fn run(&self, command: &str) -> String {
        let output = self.output(command);
        assert!(output.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// As [`Commanded::run`], whatever comes of it. On a machine that is so busy that kamctl's reader is not there
    /// within 0.3 s, the server answers nobody, and kamctl waits for ever: then it is asked again.
    fn output(&self, command: &str) -> Output {
        let mut text = command.replace(HTTP, &self.server.address().to_string());
        if let Some(words) = text.strip_prefix("kamcmd ") {
            text = format!("kamcmd -s unix:{} {words}", self.server.command_socket().display());
        }
        let tries = if text.starts_with("kamctl ") { 3 } else { 1 };
        let ended = (0..tries).find_map(|_| {
            let mut command = Command::new("timeout");
            command.args(["20", "sh", "-c", &text]).env("HOME", self.home.path());
            let output = command.output().expect("a shell runs");
            // What timeout(1) ends with when it has ended the command.
            (output.status.code() != Some(124)).then_some(output)
        });
        ended.unwrap_or_else(|| panic!("{command} does not end"))
    }

    /// The same over the datagram socket: what answers the JSON object of a documented `curl`.
    fn send(&self, command: &str) -> String {
        let object = command.split('\'').nth(1).unwrap_or_else(|| panic!("no object in {command}"));
        let own = self.home.path().join("client.sock");
        let _ = fs::remove_file(&own);
        let socket = UnixDatagram::bind(&own).expect("a socket in a private directory");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        socket.send_to(object.as_bytes(), self.home.path().join("rpc.sock")).expect("the server has its socket");
        let mut answer = vec![0; 65536];
        let length = socket.recv(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }
}

/// What was answered, item by item: a text, the items of a list, or the fields of an object as `name: value`.
fn items(printed: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let Ok(answer) = serde_json::from_str::<Value>(printed) else {
        // kamcmd has a form of its own: a line an item, fields indented, braces around them.
        let lines = printed.lines().map(|line| line.trim().to_owned());
        return lines.filter(|line| line != "{" && line != "}").collect();
    };
    let answered = if answer["error"].is_object() { &answer["error"]["message"] } else { &answer["result"] };
    match answered {
        Value::Array(list) => list.iter().map(text).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect(),
        other => vec![text(other)],
    }
}

fn assert_answers(printed: &str, shown: &Shown) {
    let items = items(printed);
    match shown.answer.strip_prefix("among others: ") {
        Some(item) => assert!(items.iter().any(|found| found == item), "{shown:?}: {printed}"),
        None => assert_eq!(items, [shown.answer.as_str()], "{shown:?}: {printed}"),
    }
}

/// Runs each command against both; answers with how many the stock module has.
fn compare(shown: &[Shown], ours: &Commanded, stock: &Commanded) -> usize {
    let mut known = 0;
    for shown in shown {
        assert_answers(&ours.run(&shown.command), shown);
        if shown.is_stock() {
            assert_answers(&stock.run(&shown.command), shown);
            known += 1;
        }
        if shown.command.starts_with("curl ") {
            assert_answers(&ours.send(&shown.command), shown);
        }
    }
    known
}

#[test]
fn every_command_that_the_documentation_of_sipcapture_shows_answers_as_shown_there_and_as_the_stock_module() {
    let (ours, stock) = (Commanded::node(Module::Ours), Commanded::node(Module::Stock));
    let shown = shown("sipcapture", "kamctl rpc sip_capture ");
    let known = compare(&shown, &ours, &stock);
    assert!(known > 10 && known < shown.len(), "{known} of {}", shown.len());
    for tool in ["kamctl rpc ", "kamctl stats", "kamcmd ", "curl "] {
        assert!(shown.iter().any(|shown| shown.command.starts_with(tool)), "none by {tool}");
    }
}

#[test]
fn every_command_that_the_documentation_of_siptrace_shows_answers_as_shown_there_and_as_the_stock_module() {
    let (ours, stock) = (Commanded::agent(Module::Ours), Commanded::agent(Module::Stock));
    let shown = shown("siptrace", "kamctl rpc sip_trace ");
    let known = compare(&shown, &ours, &stock);
    assert!(known > 8 && known < shown.len(), "{known} of {}", shown.len());
}

#[test]
fn every_statistic_of_the_stock_module_is_listed_by_kamctl_with_the_same_value() {
    for (made, group) in [(Commanded::node as fn(Module) -> Commanded, "sipcapture"), (Commanded::agent, "siptrace")] {
        let listed = |module| items(&made(module).run(&format!("kamctl stats {group}")));
        let (ours, stock) = (listed(Module::Ours), listed(Module::Stock));
        assert!(stock.len() >= 2, "{stock:?}");
        let missing: Vec<_> = stock.iter().filter(|line| !ours.contains(line)).collect();
        assert!(missing.is_empty(), "{missing:?} of {ours:?}");
    }
}

#[test]
fn what_older_documentation_says_is_refused_by_kamctl_of_today_and_its_present_form_is_shown_and_run() {
    let run: Vec<_> = shown("sipcapture", "kamctl rpc sip_capture ").into_iter().map(|shown| shown.command).collect();
    let commands = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let page = page("sipcapture");
    let table = page.lines().skip_while(|line| *line != "| older documentation | now |").skip(2);
    let node = Commanded::node(Module::Ours);
    let (mut refused, mut present) = (0, 0);
    for row in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let now = if cells[2] == "unchanged" { cells[1] } else { cells[2] };
        for command in commands(now).iter().filter(|command| command.starts_with("kam")) {
            assert!(run.contains(command), "{command} is not among those that are run");
            present += 1;
        }
        for command in commands(cells[1]).iter().filter(|command| command.starts_with("kamctl fifo ")) {
            let output = node.output(command);
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(!output.status.success() && printed.contains("Existing commands:"), "{command}: {printed}");
            assert_eq!(node.run("kamcmd sip_capture"), "on", "{command}");
            refused += 1;
        }
    }
    assert_eq!((refused, present), (4, 6), "the table has other commands than were thought of here");
}

#[test]
fn with_a_page_of_prometheus_the_stock_names_are_listed_by_kamctl_and_over_the_socket() {
    let node = Commanded::node_with(Module::Ours, |config| {
        config.load("xhttp_prom.so").param("xhttp_prom", "xhttp_prom_stats", "all")
    });
    let mut over_http = shown("sipcapture", "kamctl rpc sip_capture ").into_iter().map(|shown| shown.command);
    let fetch = over_http.find(|command| command.contains("stats.fetch") && command.starts_with("curl "));
    let fetch = fetch.expect("the documentation asks for the group over HTTP");
    let stock = |items: Vec<String>| items.iter().any(|item| item.contains("captured_requests[archive]"));
    assert!(stock(items(&node.run("kamctl stats sipcapture"))));
    assert!(stock(items(&node.send(&fetch))));
    assert!(!stock(items(&node.run(&fetch))), "over HTTP the page's names are listed, and the check cannot fail");
}

#[test]
fn what_kamctl_makes_of_one_name_with_brackets_is_the_same_with_both_modules() {
    let printed = [Module::Ours, Module::Stock].map(|module| {
        let printed = Commanded::node(module).run("kamctl rpc stats.get_statistics 'captured_requests[archive]'");
        // The id is that of kamctl's process.
        printed.lines().filter(|line| !line.contains("\"id\":")).map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(printed[0], printed[1]);
    if release() < (5, 7, 0) {
        let text = printed[0].join("\n");
        assert!(text.contains("\"sipcapture:captured_requests,") && !text.contains("archive"), "{text}");
    }
}
