//! Homer's databases, its rotation, and its configuration of Kamailio, from the unpacked packages.

use crate::common::database::{MariaDb, Postgres};
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::release::say_skipped;
use crate::common::rows::{execute, select};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The login of Homer's SQL and configuration.
const LOGIN: &str = "homer_user:homer_password";
/// What Homer needs of Debian: its own packages, and the Perl modules of its rotation.
const PACKAGES: [&str; 6] =
    ["homer-api", "homer-api-mysql", "homer-api-postgresql", "libdbi-perl", "libdbd-mysql-perl", "libdbd-pg-perl"];
/// Tables without a day in their name.
pub const REPORTS: [&str; 3] = ["report_capture", "rtcp_capture", "logs_capture"];

/// Where a package is unpacked.
fn package(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("build/packages").join(name)
}

/// Whether the packages are missing, which is said.
pub fn has_no_homer() -> bool {
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
pub enum Server {
    MariaDb(MariaDb),
    Postgres(Postgres),
}

impl Server {
    /// Makes the databases as the package's own documentation says; of PostgreSQL in an order of its own, with a
    /// statement more for each.
    pub fn mariadb() -> Server {
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

    pub fn postgres() -> Server {
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

    pub fn url(&self, database: &str) -> String {
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
    pub fn rotate(&self) {
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
    pub fn config(&self, module: Module, more: &str) -> String {
        let text = read(&self.package().0.join("etc/homer/kamailio-homer.cfg"));
        let change = |text: String, from: &str, to: &str| {
            assert!(text.contains(from), "{from:?} is not in the configuration");
            text.replacen(from, to, 1)
        };
        let text = change(text, "!HOMER_LISTEN_IF!0.0.0.0!", "!HOMER_LISTEN_IF!LISTEN_ADDRESS!");
        let text = change(text, "!HOMER_LISTEN_PORT!9060!", "!HOMER_LISTEN_PORT!LISTEN_PORT!");
        let text = text.replace("@127.0.0.1/", &format!("@127.0.0.1:{}/", self.port()));
        // A database of places that the package does not bring; the configuration for MySQL is shipped without it.
        let text = match self {
            Server::Postgres(_) => change(text, "\n#!define WITH_HOMER_GEO", "\n##!define WITH_HOMER_GEO"),
            Server::MariaDb(_) => change(text, "\n##!define WITH_HOMER_GEO", "\n##!define WITH_HOMER_GEO"),
        };
        assert!(!text.contains("\"ctl.so\"") && !text.contains("\"kex.so\""), "it answers commands");
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
    pub fn node_of_ours(&self, spool: &Path) -> Kamailio {
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
        let timer = "name=ta;interval=60;";
        assert!(text.contains(timer) && text.contains(counters), "the timer is another");
        ConfigBuilder::whole(&text.replacen(timer, "name=ta;interval=1;", 1)).start()
    }

    /// Makes the column `msg` of PostgreSQL's report tables what it is in those of the days.
    pub fn let_reports_be_bytes(&self) {
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
    pub fn read_as_api(&self, table: &str) -> Option<Vec<String>> {
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
