//! Pages of Prometheus that Kamailio's `xhttp_prom` makes of our statistics, read by Prometheus' own `promtool` and by
//! Prometheus, and the names that dashboards ask for by `kamcmd` beside them, against the stock module.

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::http;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::ports::free_address;
use crate::common::release::say_skipped;
use crate::common::rows::{SqliteFile, execute};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use crate::kamailio_parity::tables::Engine;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;
/// Modes whose statistics are no names of metrics, or would all have the same, and how those are shown.
const MODES: [(&str, &str); 9] = [
    ("archive", "archive"),
    ("a-b", "a_b_2"),
    ("a_b", "a_b"),
    ("a.b", "a_b_3"),
    ("2nd", "2nd"),
    ("z\u{fc}rich", "z_rich"),
    ("x[y]", "x_y_"),
    ("\u{20ac}", "_"),
    ("k:v{w}", "k_v_w_"),
];
/// How often a message is captured in mode number `n`: n + 1 times.
const CAPTURES: u64 = (MODES.len() * (MODES.len() + 1) / 2) as u64 + 1;

/// A program of Debian's package `prometheus`, which `scripts/setup.sh test` unpacks.
fn program(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/packages/prometheus/usr/bin").join(name);
    if !path.is_file() {
        say_skipped(&format!("no {name}"));
    }
    path.is_file().then_some(path)
}

/// Why `promtool` cannot read a page; that it would have metrics named or described otherwise is no reason.
fn refused(promtool: &Path, page: &str) -> Result<(), String> {
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool starts");
    let mut input = child.stdin.take().expect("a pipe");
    let page = page.to_owned();
    // Beside the reading of what it says, so that neither waits for the other.
    let writing = thread::spawn(move || input.write_all(page.as_bytes()));
    let output = child.wait_with_output().expect("promtool ends");
    let _ = writing.join().expect("the page is written, or promtool has seen enough");
    match output.status.code() {
        // 3 says that it has read the page, and has advice.
        Some(0 | 3) => Ok(()),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// The values on a page by the names of their metrics; none comes twice.
fn values(page: &str) -> BTreeMap<&str, u64> {
    let mut values = BTreeMap::new();
    for line in page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split(' ');
        let (name, value) = (words.next().expect("a name"), words.next().expect("a value"));
        let before = values.insert(name, value.parse().unwrap_or_else(|_| panic!("no number in {line}")));
        assert!(before.is_none(), "{name} is twice on\n{page}");
    }
    values
}

/// A server with all modes and with both modules, whose page shows `shown`, after a request was captured in each mode.
fn server(
    module: Module,
    file: &SqliteFile,
    shown: &str,
    set: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> Kamailio {
    execute(file.url(), &Engine::Sqlite.sip_table("sip_capture"));
    let mut config = ConfigBuilder::capture_module(module, file.url()).children(1).tcp();
    let mut route = String::from("sip_capture();");
    for (number, (mode, _)) in MODES.iter().enumerate() {
        let text = format!("{mode}=>db_url={};table_name=sip_capture;mt_mode=rand", file.url());
        config = config.param("sipcapture", "capture_mode", text.as_str());
        route.push_str(&format!(" sip_capture(\"\", \"{mode}\");").repeat(number + 1));
    }
    let pages = r#"
        if ($hu == "/metrics") prom_dispatch();
        else if ($hu == "/RPC") jsonrpc_dispatch();
        else xhttp_reply("200", "OK", "text/plain", "$stat(captured_requests[a-b]) $stat(captured_requests_a_b_2)");
    "#;
    for name in ["xhttp.so", "xhttp_prom.so", "jsonrpcs.so", "counters.so"] {
        config = config.load(name);
    }
    config = config.param("jsonrpcs", "transport", 1).param("xhttp_prom", "xhttp_prom_stats", shown);
    if module == Module::Ours {
        config = config.load_agent(module).param("siptrace", "db_url", file.url());
    }
    let routed = config.route("request_route", &format!("{route} exit;")).route("event_route[xhttp:request]", pages);
    let server = set(routed).start();
    let message = &answered_call("prometheus", 1)[0].text;
    let (source, destination) = ("192.0.2.10:5060".parse(), "198.51.100.20:5060".parse());
    let observed = Observed::sip(source.expect("an address"), destination.expect("an address"), NOON_US, message);
    HepSender::to(server.address()).send(&observed.v3());
    // The table is not looked at meanwhile: the stock module gives up at once when the file is locked.
    within(PATIENCE, "the message is captured in each mode", || {
        let statistics = server.statistics();
        let requests = statistics.iter().filter(|(name, _)| name.starts_with("captured_requests"));
        requests.map(|(_, count)| count).sum::<u64>() == CAPTURES
    });
    server
}

/// Both modules' own page and answers, with nothing set that one of them lacks.
fn plainly(module: Module, file: &SqliteFile, shown: &str) -> Kamailio {
    server(module, file, shown, |config| config)
}

/// The answer to `stats.fetch` of `what` over HTTP.
fn fetched_over_http(server: &Kamailio, what: &str) -> BTreeMap<String, String> {
    let body = format!(r#"{{"jsonrpc": "2.0", "method": "stats.fetch", "params": ["{what}"], "id": 1}}"#);
    let answer = http::post(server.address(), "/RPC", &body);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{answer}: {error}"));
    let fields = answer["result"].as_object().unwrap_or_else(|| panic!("no result in {answer}"));
    fields.iter().map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect()
}

#[test]
fn a_page_is_read_by_prometheus_whatever_capture_modes_are_called_and_the_stock_modules_is_not() {
    let Some(promtool) = program("promtool") else { return };
    let file = SqliteFile::new();
    let stock = plainly(Module::Stock, &file, "sipcapture:");
    let why = refused(&promtool, &http::get(stock.address(), "/metrics"));
    assert!(why.as_ref().is_err_and(|why| why.contains("parsing error")), "the check cannot fail: {why:?}");
    drop(stock);
    for shown in ["all", "sipcapture:"] {
        let file = SqliteFile::new();
        let server = plainly(Module::Ours, &file, shown);
        let page = http::get(server.address(), "/metrics");
        refused(&promtool, &page).unwrap_or_else(|why| panic!("{why} on\n{page}"));
        let values = values(&page);
        for (number, (_, plain)) in MODES.iter().enumerate() {
            let of = |what: &str| values[format!("kamailio_sipcapture_captured_{what}_{plain}").as_str()];
            assert_eq!((of("requests"), of("replies")), (number as u64 + 1, 0), "{plain} on\n{page}");
        }
        assert_eq!(values["kamailio_sipcapture_captured"], CAPTURES);
        assert_eq!(values.contains_key("kamailio_siptrace_captured"), shown == "all");
    }
}

/// Prometheus itself, in a private directory.
struct Prometheus {
    process: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Prometheus {
    /// One that scrapes these servers every second, each a job of its own.
    fn start(program: &Path, targets: &[(&str, SocketAddr)]) -> Prometheus {
        let (directory, address) = (TempDir::new().expect("a private directory"), free_address());
        let mut config = String::from("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n");
        for (job, target) in targets {
            config.push_str(&format!("- {{job_name: {job}, static_configs: [{{targets: ['{target}']}}]}}\n"));
        }
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, config).expect("the configuration is written");
        let log = fs::File::create(directory.path().join("log")).expect("the log is created");
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.current_dir(directory.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().expect("Prometheus starts");
        within(PATIENCE, "Prometheus is ready", || http::is_served(address, "/-/ready"));
        Prometheus { process, address, _directory: directory }
    }

    /// The value of a metric of a job, once there is one.
    fn value(&self, metric: &str, job: &str) -> Option<String> {
        let path = format!("/api/v1/query?query={metric}%7Bjob%3D%22{job}%22%7D");
        let answer: serde_json::Value = serde_json::from_str(&http::get(self.address, &path)).expect("JSON");
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn prometheus_scrapes_our_page_and_not_the_stock_modules() {
    let Some(program) = program("prometheus") else { return };
    let files = [SqliteFile::new(), SqliteFile::new()];
    let (stock, ours) = (plainly(Module::Stock, &files[0], "all"), plainly(Module::Ours, &files[1], "all"));
    let prometheus = Prometheus::start(&program, &[("stock", stock.address()), ("ours", ours.address())]);
    within(PATIENCE, "both pages are scraped", || {
        ["stock", "ours"].iter().all(|job| prometheus.value("up", job).is_some())
    });
    let up = |job| prometheus.value("up", job);
    assert_eq!((up("ours").as_deref(), up("stock").as_deref()), (Some("1"), Some("0")));
    for (number, (_, plain)) in MODES.iter().enumerate() {
        let metric = format!("kamailio_sipcapture_captured_requests_{plain}");
        assert_eq!(prometheus.value(&metric, "ours"), Some((number + 1).to_string()), "{metric}");
    }
}

#[test]
fn a_page_shows_one_statistic_of_a_mode_that_it_is_asked_for() {
    let Some(promtool) = program("promtool") else { return };
    let file = SqliteFile::new();
    let server = plainly(Module::Ours, &file, "captured_requests[a-b]");
    let page = http::get(server.address(), "/metrics");
    refused(&promtool, &page).unwrap_or_else(|why| panic!("{why} on\n{page}"));
    assert_eq!(values(&page), BTreeMap::from([("kamailio_sipcapture_captured_requests_a_b_2", 2)]));
}

#[test]
fn dashboards_find_and_list_the_stock_names_beside_a_page_that_prometheus_reads() {
    let (stock_file, our_file) = (SqliteFile::new(), SqliteFile::new());
    let stock = plainly(Module::Stock, &stock_file, "all");
    let ours = plainly(Module::Ours, &our_file, "all");
    let (listed, known) = (ours.statistics(), stock.statistics());
    let names: BTreeSet<_> = known.keys().collect();
    assert_eq!(names.len(), (MODES.len() + 1) * 2);
    for name in names {
        assert_eq!(listed.get(name), known.get(name), "{name}");
        for command in [&["stats.get_statistics", name][..], &["stats.fetch", name], &["cnt.get", "sipcapture", name]] {
            let answer = stock.rpc(command).expect("the stock module's statistic is answered");
            assert!(answer.contains(&known[name].to_string()), "{answer}");
            assert_eq!(ours.rpc(command), Ok(answer), "{command:?}");
        }
        let of_http = |server| fetched_over_http(server, name).into_values().collect::<Vec<_>>();
        assert_eq!(of_http(&ours), of_http(&stock), "{name} over HTTP");
    }
    let added: Vec<_> = listed.keys().filter(|name| name.contains("_a_b")).collect();
    assert!(added.is_empty(), "listed twice: {added:?}");
    let all = |server: &Kamailio| {
        let answer = server.rpc(&["stats.fetch", "all"]).expect("all statistics are answered");
        let ours = |line: &&str| line.contains("sipcapture.captured_re");
        answer.lines().filter(ours).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(all(&ours), all(&stock));
    // The names that a worker's page has do not keep a script in that worker from finding the stock ones.
    let said = |server: &Kamailio| http::get(server.address(), "/script");
    assert!(said(&ours).starts_with("2 "), "{}", said(&ours));
    assert_eq!(said(&ours), said(&stock));
}

#[test]
fn over_http_the_stock_names_are_listed_unless_the_page_has_them() {
    for (shown, plain) in [("", false), ("core:", false), ("all", true)] {
        let file = SqliteFile::new();
        let server = plainly(Module::Ours, &file, shown);
        let listed = fetched_over_http(&server, "sipcapture:");
        for (number, (mode, plain_mode)) in MODES.iter().enumerate() {
            let (stock, own) =
                (format!("sipcapture.captured_requests[{mode}]"), format!("sipcapture.captured_requests_{plain_mode}"));
            let (there, not_there) = if plain { (&own, &stock) } else { (&stock, &own) };
            assert_eq!(listed.get(there), Some(&(number + 1).to_string()), "{there} with {shown:?}: {listed:?}");
            assert!(!listed.contains_key(not_there), "{not_there} with {shown:?}");
        }
    }
}

#[test]
fn with_mode_statistics_plain_every_exporter_gets_plain_names_and_nobody_others() {
    let Some(promtool) = program("promtool") else { return };
    let file = SqliteFile::new();
    let server = server(Module::Ours, &file, "all", |config| config.param("sipcapture", "mode_statistics", "plain"));
    let listed = server.statistics();
    let (page, over_http) = (http::get(server.address(), "/metrics"), fetched_over_http(&server, "sipcapture:"));
    refused(&promtool, &page).unwrap_or_else(|why| panic!("{why} on\n{page}"));
    let values = values(&page);
    let is_metric = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    assert!(listed.keys().all(is_metric), "{listed:?}");
    for (number, (_, plain)) in MODES.iter().enumerate() {
        let (name, value) = (format!("captured_requests_{plain}"), number as u64 + 1);
        assert_eq!(listed[&name], value);
        assert_eq!(values[format!("kamailio_sipcapture_{name}").as_str()], value);
        assert_eq!(over_http[&format!("sipcapture.{name}")], value.to_string());
        assert_eq!(server.rpc(&["cnt.get", "sipcapture", &name]), Ok(value.to_string()));
    }
    assert_eq!(http::get(server.address(), "/script"), "<null> 2");
    let file = SqliteFile::new();
    let log = ConfigBuilder::capture_module(Module::Ours, file.url())
        .param("sipcapture", "mode_statistics", "both")
        .refused();
    let says =
        |line: &str| line.contains("mode_statistics") && line.contains("\"both\"") && line.contains("stock and plain");
    assert!(log.lines().any(says), "{log}");
}
