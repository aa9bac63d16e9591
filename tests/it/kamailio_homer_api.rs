//! Debian's Homer 5, as its packages ship it: configuration, SQL and rotation scripts of `homer-api`, unpacked and not installed, before the
//! stock module and ours.

use crate::common::database::{MariaDb, Postgres};
use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::release::say_skipped;
use crate::common::rows::{StoredRow, count, execute, select};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use crate::kamailio_homer5::traffic;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// The login of Homer's SQL and configuration.
const LOGIN: &str = "homer_user:homer_password";
/// What Homer needs of Debian: its own packages, and the Perl modules of its rotation.
const PACKAGES: [&str; 6] =
    ["homer-api", "homer-api-mysql", "homer-api-postgresql", "libdbi-perl", "libdbd-mysql-perl", "libdbd-pg-perl"];
/// Tables without a day in their name.
const REPORTS: [&str; 3] = ["report_capture", "rtcp_capture", "logs_capture"];

/// Where a package is unpacked.
fn package(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("build/packages").join(name)
}

/// Whether the packages are missing, which is said.
fn has_no_homer() -> bool {
    let is_missing = PACKAGES.iter().any(|name| !package(name).join(".unpacked").is_file());
    if is_missing {
        say_skipped("no Debian homer-api");
    }
    is_missing
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}

/// A database server with Homer's databases.
enum Server {
    MariaDb(MariaDb),
    Postgres(Postgres),
}

impl Server {
    /// Makes the databases as the package's own documentation says; of PostgreSQL in an order of its own, with a statement more for each.
    fn mariadb() -> Server {
        // Homer's login is for `localhost`, its configuration asks for 127.0.0.1.
        let server = MariaDb::start_with(&["--skip-name-resolve=0"]);
        let sql = package("homer-api").join("usr/share/homer/sql");
        for (file, database) in [
            ("homer_databases", "mysql"),
            ("homer_user", "mysql"),
            ("schema_data", "homer_data"),
            ("schema_configuration", "homer_configuration"),
            ("schema_statistic", "homer_statistic"),
        ] {
            let script = std::fs::File::open(sql.join(file).with_extension("sql")).expect("the script is there");
            let socket = format!("--socket={}", server.socket().display());
            run(Command::new("mariadb").args(["--no-defaults", "-u", "root", &socket, database]).stdin(script));
        }
        Server::MariaDb(server)
    }

    fn postgres() -> Server {
        let server = Postgres::start();
        let directory = package("homer-api").join("usr/share/homer/sql/postgres");
        for file in ["homer_databases", "homer_user"] {
            for line in read(&directory.join(file).with_extension("sql")).lines().filter(|line| !line.starts_with('#'))
            {
                execute(&server.url_of("postgres"), line);
            }
        }
        let schemas = ["configuration", "data", "statistic"].map(|name| {
            let url = server.url_of(&format!("homer_{name}")).replacen(&login_of(&server.url()), LOGIN, 1);
            (name, url, read(&directory.join(format!("schema_{name}.sql"))))
        });
        let refusal = |url: &str, sql: &str| {
            let mut client = postgres::Client::connect(url, postgres::NoTls).expect("Homer's login is there");
            let refusal = client.batch_execute(sql).expect_err("one step is missing");
            refusal.as_db_error().expect("PostgreSQL's own words").message().to_owned()
        };
        for (name, url, sql) in &schemas {
            let why = refusal(url, sql);
            assert!(why.contains("permission denied for schema public"), "{name}: {why}");
            execute(&server.url(), &format!("ALTER DATABASE homer_{name} OWNER TO homer_user"));
            if *name == "configuration" {
                let why = refusal(url, sql);
                assert!(why.contains("function gen_salt(unknown) does not exist"), "{why}");
                execute(&server.url_of("homer_configuration"), "CREATE EXTENSION pgcrypto");
            }
            execute(url, sql);
        }
        Server::Postgres(server)
    }

    fn url(&self, database: &str) -> String {
        let url = match self {
            Server::MariaDb(server) => server.url_of(database),
            Server::Postgres(server) => server.url_of(database),
        };
        url.replacen(&login_of(&url), LOGIN, 1)
    }

    fn port(&self) -> String {
        let url = self.url("homer_data");
        let (_, rest) = url.rsplit_once(':').expect("a port");
        rest.split('/').next().unwrap_or_default().to_owned()
    }

    /// The package that is for this database, and its name in it.
    fn package(&self) -> (PathBuf, &'static str) {
        match self {
            Server::MariaDb(_) => (package("homer-api-mysql"), "mysql"),
            Server::Postgres(_) => (package("homer-api-postgresql"), "pgsql"),
        }
    }

    /// Runs Homer's rotation, which makes the tables of the days.
    fn rotate(&self) {
        let (tree, name) = self.package();
        let directory = TempDir::new().expect("a private directory");
        let settings = read(&tree.join("etc/homer/rotation.ini")).replace("host=localhost", "host=127.0.0.1");
        let settings = settings.lines().map(|line| match line.trim().starts_with("port=") {
            true => format!("    port={}\n", self.port()),
            false => format!("{line}\n"),
        });
        let place = directory.path().join("rotation.ini");
        std::fs::write(&place, settings.collect::<String>()).expect("the settings are written");
        let modules = PACKAGES.iter().filter(|name| name.ends_with("-perl")).map(|name| {
            let versions = package(name).join("usr/lib").join(format!("{}-linux-gnu/perl5", std::env::consts::ARCH));
            let version = std::fs::read_dir(versions).expect("Perl modules").next().expect("of one version");
            version.expect("a directory").path().display().to_string()
        });
        let modules = modules.collect::<Vec<_>>().join(":");
        let script = tree.join(format!("usr/lib/homer/libexec/homer_{name}_rotate.pl"));
        run(Command::new("perl").arg(script).arg(&place).env("PERL5LIB", modules));
    }

    /// Homer's configuration with the module under test. `more` are the lines that are added for ours.
    fn config(&self, module: Module, more: &str) -> String {
        let text = read(&self.package().0.join("etc/homer/kamailio-homer.cfg"));
        let change = |text: String, from: &str, to: &str| {
            assert!(text.contains(from), "{from:?} is not in the configuration");
            text.replacen(from, to, 1)
        };
        let text = change(text, "!HOMER_LISTEN_IF!0.0.0.0!", "!HOMER_LISTEN_IF!LISTEN_ADDRESS!");
        let text = change(text, "!HOMER_LISTEN_PORT!9060!", "!HOMER_LISTEN_PORT!LISTEN_PORT!");
        let text = text.replace("@127.0.0.1/", &format!("@127.0.0.1:{}/", self.port()));
        // A database of places that the package does not bring; the configuration for MySQL is shipped without it.
        let text = text.replace("\n#!define WITH_HOMER_GEO", "\n##!define WITH_HOMER_GEO");
        // One worker, so that both modules see all in the same order.
        let text = change(text, "\nchildren=5\n", "\nchildren=1\nmaxbuffer=8388608\n");
        let text = change(text, "\nlog_stderror=no\n", "\nlog_stderror=yes\n");
        match module {
            Module::Stock => text,
            Module::Ours => {
                let load = format!("loadmodule \"{}\"", module.path_of("sipcapture"));
                let text = change(text, "loadmodule \"sipcapture.so\"", &load);
                let capture_on = "modparam(\"sipcapture\", \"capture_on\", 1)\n";
                change(text, capture_on, &format!("{capture_on}{more}"))
            }
        }
    }

    /// A node of ours as the documentation shows it.
    fn node_of_ours(&self, spool: &Path) -> Kamailio {
        let more = format!(
            "modparam(\"sipcapture\", \"bad_table\", \"sip_capture_rest_%Y%m%d\")\n\
             modparam(\"sipcapture\", \"spool_dir\", \"{}\")\n",
            spool.display()
        );
        let text = self.config(Module::Ours, &more);
        // The counters in the log, each time that Homer's own timer runs; here that is not once a minute.
        let counters = "xlog(\"L_NOTICE\", \"captures: $stat(captured) captured, $stat(stored) stored, $stat(spooled) spooled, \
                        $stat(queued) queued, $stat(dead_lettered) refused, $stat(dropped) lost\\n\");";
        let text = text.replacen("route[TIMER_STATS] {\n", &format!("route[TIMER_STATS] {{\n    {counters}\n"), 1);
        ConfigBuilder::whole(&text.replacen("name=ta;interval=60;", "name=ta;interval=1;", 1)).start()
    }

    /// Makes the column `msg` of PostgreSQL's report tables what it is in those of the days.
    fn let_reports_be_bytes(&self) {
        for table in REPORTS.iter().filter(|_| matches!(self, Server::Postgres(_))) {
            let change = "ALTER msg DROP DEFAULT, ALTER msg TYPE bytea USING msg::bytea, ALTER msg SET DEFAULT ''";
            execute(&self.url("homer_data"), &format!("ALTER TABLE {table} {change}"));
        }
    }

    /// The expression by which Homer's API reads `msg`, as its own code has it.
    fn expression_of_api(&self) -> &'static str {
        let (tree, name) = self.package();
        let code = read(&tree.join(format!("usr/share/homer/web/api/Database/Layer/{name}.php")));
        let expression = match self {
            Server::MariaDb(_) => "msg",
            Server::Postgres(_) => "convert_from(msg::bytea, 'UTF8'::name) AS msg",
        };
        assert!(
            code.contains(&format!("$layerHelper['values'][] = \"{expression}\";")),
            "{name}.php reads it otherwise"
        );
        expression
    }

    /// What the API gets to read of `table`; `None` when the database refuses, or it is no text that JSON can hold.
    fn read_as_api(&self, table: &str) -> Option<Vec<String>> {
        let sql = format!("SELECT {} FROM {table} ORDER BY micro_ts", self.expression_of_api());
        let rows = select(&self.url("homer_data"), &sql).ok()?;
        rows.into_iter().map(|row| String::from_utf8(row["msg"].clone()?).ok()).collect()
    }
}

/// `user:password` of a URL.
fn login_of(url: &str) -> String {
    let (_, rest) = url.split_once("://").expect("a scheme");
    rest.split('@').next().unwrap_or_default().to_owned()
}

/// Tables of the days that the rotation has made, and those of reports.
fn tables() -> Vec<String> {
    let days = [0, 1].map(|more| Timestamp::now() + jiff::SignedDuration::from_hours(24 * more));
    let days = days.map(|day| day.strftime("%Y%m%d").to_string());
    let of_days = ["call", "registration", "rest"]
        .into_iter()
        .flat_map(|kind| days.iter().map(move |day| format!("sip_capture_{kind}_{day}")).collect::<Vec<_>>());
    of_days.chain(REPORTS.map(str::to_owned)).collect()
}

/// All rows, by kind of table: whether the clock's midnight came in between is nobody's merit.
fn rows(server: &Server) -> BTreeMap<String, Vec<StoredRow>> {
    let mut all: BTreeMap<String, Vec<StoredRow>> = BTreeMap::new();
    for table in tables() {
        let sql = format!("SELECT * FROM {table} ORDER BY micro_ts, source_port");
        let rows = select(&server.url("homer_data"), &sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let kind = table.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        // Of the stock module a report's column of text holds the digits of its bytes: what counts is what the API reads there.
        let is_other_form = matches!(server, Server::Postgres(_)) && REPORTS.contains(&table.as_str());
        all.entry(kind).or_default().extend(rows.into_iter().map(|mut row| {
            row.remove("id");
            if is_other_form {
                row.remove("msg");
            }
            row
        }));
    }
    all
}

/// What the API reads in every table, by kind.
fn read_by_api(server: &Server) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for table in tables() {
        let read = server.read_as_api(&table).unwrap_or_else(|| panic!("the API cannot read {table}"));
        all.entry(table.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).or_default().extend(read);
    }
    all
}

fn stores_alike(start: fn() -> Server) {
    if has_no_homer() {
        return;
    }
    let packets: Vec<_> = traffic().iter().map(Observed::v3).collect();
    let left = [Module::Stock, Module::Ours].map(|module| {
        let server = start();
        server.rotate();
        if module == Module::Ours {
            server.let_reports_be_bytes();
        }
        let spool = TempDir::new().expect("a private directory");
        let mut node = match module {
            Module::Stock => ConfigBuilder::whole(&server.config(module, "")).start(),
            Module::Ours => server.node_of_ours(&spool.path().join("spool")),
        };
        HepSender::to(node.address()).send_paced(200, &packets);
        within(PATIENCE, &format!("{module:?}: every packet is stored"), || {
            tables().iter().map(|table| count(&server.url("homer_data"), table)).sum::<u64>() == packets.len() as u64
        });
        if module == Module::Ours {
            node.assert_balance();
        }
        node.assert_serving();
        node.stop();
        (rows(&server), read_by_api(&server))
    });
    let [(stock, stock_read), (ours, ours_read)] = left;
    for (kind, rows) in &stock {
        assert!(!rows.is_empty(), "{kind} has no rows");
        assert_eq!(&ours[kind], rows, "{kind}");
    }
    assert_eq!(ours_read, stock_read);
}

#[test]
fn every_row_of_the_stock_module_on_mariadb_is_stored_alike() {
    stores_alike(Server::mariadb);
}

#[test]
fn every_row_of_the_stock_module_on_postgresql_is_stored_alike() {
    stores_alike(Server::postgres);
}

/// A message now, for the table of calls of this day.
fn call_now(number: u64) -> Vec<u8> {
    let now = Timestamp::now().as_microsecond() as u64;
    let message = answered_call("homer-api", number)[0].text.clone();
    Observed::sip("192.0.2.10:5060".parse().unwrap(), "198.51.100.20:5060".parse().unwrap(), now, &message).v3()
}

fn outlives_a_dropped_table(start: fn() -> Server) {
    if has_no_homer() {
        return;
    }
    let server = start();
    server.rotate();
    let spool = TempDir::new().expect("a private directory");
    let mut node = server.node_of_ours(&spool.path().join("spool"));
    let url = server.url("homer_data");
    let sender = HepSender::to(node.address());
    let calls =
        || -> u64 { tables().iter().filter(|table| table.contains("_call_")).map(|table| count(&url, table)).sum() };
    sender.send_paced(500, (0..300).map(call_now));
    within(PATIENCE, "calls are stored", || calls() == 300);
    let bad = Observed::sip(
        "192.0.2.10:5060".parse().unwrap(),
        "198.51.100.20:5060".parse().unwrap(),
        Timestamp::now().as_microsecond() as u64,
        b"no SIP at all\r\n\r\n",
    );
    sender.send(&bad.v3());
    within(PATIENCE, "what the parser refuses is stored beside the rest", || {
        tables().iter().filter(|table| table.contains("_rest_")).map(|table| count(&url, table)).sum::<u64>() == 1
    });
    let today = Timestamp::now().strftime("sip_capture_call_%Y%m%d").to_string();
    let cascade = if matches!(server, Server::Postgres(_)) { " CASCADE" } else { "" };
    execute(&url, &format!("DROP TABLE {today}{cascade}"));
    sender.send_paced(500, (300..900).map(call_now));
    within(PATIENCE, "what comes without the table waits", || {
        let statistics = node.statistics();
        (statistics["spooled"], statistics["queued"]) == (600, 0)
    });
    node.assert_balance();
    within(PATIENCE, "the log shows the counters", || {
        node.log().contains("captures: 901 captured, 301 stored, 600 spooled, 0 queued, 0 refused, 0 lost")
    });
    // Other tables are fed meanwhile.
    sender.send(&bad.v3());
    within(PATIENCE, "the other table is fed", || node.statistic("stored") == 302);
    server.rotate();
    sender.send_paced(500, (900..1000).map(call_now));
    within(PATIENCE, "all that came since is stored", || calls() == 700);
    let statistics = node.statistics();
    assert_eq!(
        (statistics["spooled"], statistics["dropped"], statistics["dead_lettered"]),
        (0, 0, 0),
        "{statistics:?}"
    );
    node.assert_balance();
    node.assert_serving();
}

#[test]
fn a_day_table_of_mariadb_that_is_dropped_under_traffic_costs_nothing_that_comes_after() {
    outlives_a_dropped_table(Server::mariadb);
}

#[test]
fn a_day_table_of_postgresql_that_is_dropped_under_traffic_costs_nothing_that_comes_after() {
    outlives_a_dropped_table(Server::postgres);
}

/// Tables that `create_tables` makes, and what Homer's API reads in them.
fn is_not_for_the_api(start: fn() -> Server, message: &[u8]) {
    if has_no_homer() {
        return;
    }
    let server = start();
    let url = server.url("homer_data");
    let spool = TempDir::new().expect("a private directory");
    let node = ConfigBuilder::capture_node(Module::Ours, &url).set("create_tables", 1);
    let node =
        node.set("spool_dir", &spool.path().join("spool").display().to_string()).set("table_name", "made").start();
    let sender = HepSender::to(node.address());
    sender.send(&call_now(1));
    within(PATIENCE, "a plain message is stored", || count(&url, "made") == 1);
    let plain = server.read_as_api("made").expect("the API reads a plain message");
    assert_eq!(plain[0].as_bytes(), answered_call("homer-api", 1)[0].text);
    let now = Timestamp::now().as_microsecond() as u64;
    let (from, to) = ("192.0.2.10:5060".parse().unwrap(), "198.51.100.20:5060".parse().unwrap());
    let call = String::from_utf8_lossy(&answered_call("homer-api", 2)[0].text).into_owned();
    let at = call.find("Max-Forwards").expect("a header");
    let odd = [&call.as_bytes()[..at], b"X-Note: ", message, b"\r\n", &call.as_bytes()[at..]].concat();
    sender.send(&Observed::sip(from, to, now, &odd).v3());
    within(PATIENCE, "the other one is stored", || count(&url, "made") == 2);
    assert_eq!(server.read_as_api("made"), None, "the API reads it");
}

#[test]
fn homers_api_cannot_read_a_backslash_in_a_table_that_create_tables_makes_in_postgresql() {
    is_not_for_the_api(Server::postgres, b"a \\ and \\q");
}

#[test]
fn homers_api_cannot_read_latin_1_in_a_table_that_create_tables_makes_in_mariadb() {
    is_not_for_the_api(Server::mariadb, b"J\xfcrgen");
}
