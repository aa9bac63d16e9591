//! PostgreSQL: libpq's `sslmode` and what goes with it.

use super::*;
use crate::common::tls_database::{SERVER, TlsPostgres};
use crate::common::wait::within;
use std::time::Duration;

/// Whether the connection of a sink to `database` by `url` is encrypted.
fn is_encrypted(server: &TlsPostgres, database: &str, url: &str) -> bool {
    let sink = store(url).unwrap_or_else(|why| panic!("{url}: {why}"));
    let encrypted = server.encrypted(database, "sipcapture");
    drop(sink);
    assert_eq!(encrypted.len(), 1, "{url}");
    let gone = || server.encrypted(database, "sipcapture").is_empty();
    within(Duration::from_secs(10), "the connection ends", gone);
    encrypted[0]
}

#[test]
fn a_server_that_offers_tls_gets_it_unless_the_mode_says_otherwise() {
    let server = TlsPostgres::start();
    for (mode, encrypted) in [
        ("", true),
        ("?sslmode=prefer", true),
        ("?sslmode=require", true),
        ("?ssl=true", true),
        ("?sslmode=require&channel_binding=require", true),
        ("?sslmode=require&channel_binding=require&ssl_max_protocol_version=TLSv1.2", true),
        ("?sslmode=require&channel_binding=require&ssl_min_protocol_version=TLSv1.3", true),
        ("?sslmode=allow", false),
        ("?sslmode=disable", false),
    ] {
        assert_eq!(is_encrypted(&server, "sipcapture", &server.url("sipcapture", mode)), encrypted, "{mode:?}");
    }
    // A login in clear cannot be bound to a session of TLS.
    assert_refused(&server.url("sipcapture", "?sslmode=disable&channel_binding=require"), &["channel binding"]);
}

#[test]
fn a_server_that_demands_tls_gets_it_in_every_mode_but_disable() {
    let server = TlsPostgres::start();
    for mode in ["", "?sslmode=allow", "?sslmode=prefer", "?sslmode=require"] {
        assert!(is_encrypted(&server, "only_tls", &server.url("only_tls", mode)), "{mode:?}");
    }
    assert_refused(&server.url("only_tls", "?sslmode=disable"), &["pg_hba.conf", "28000"]);
}

#[test]
fn a_server_that_refuses_tls_at_the_login_is_reached_in_clear_where_that_is_allowed() {
    let server = TlsPostgres::start();
    for mode in ["", "?sslmode=prefer", "?sslmode=allow", "?sslmode=disable"] {
        assert!(!is_encrypted(&server, "only_clear", &server.url("only_clear", mode)), "{mode:?}");
    }
    assert_refused(&server.url("only_clear", "?sslmode=require"), &["pg_hba.conf", "28000"]);
}

#[test]
fn a_server_that_has_no_room_for_a_client_is_not_tried_in_clear() {
    let server = TlsPostgres::start();
    for sql in ["ALTER DATABASE only_tls CONNECTION LIMIT 0", &format!("CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")]
    {
        rows::execute(&server.local_url("postgres"), sql);
    }
    let why = store(&server.url("only_tls", "").replacen("sipcapture:", "guest:", 1)).err().expect("there is no room");
    assert!(why.contains("53300") && !why.contains("in clear"), "{why}");
}

#[test]
fn a_server_without_tls_is_reached_in_clear_where_that_is_allowed() {
    let server = Postgres::shared();
    for mode in ["", "?sslmode=prefer", "?sslmode=allow", "?sslmode=disable"] {
        store(&format!("{}{mode}", server.url())).unwrap_or_else(|why| panic!("{mode:?}: {why}"));
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("{}?sslmode={mode}", server.url());
        assert_refused(&url, &["server does not support TLS", &format!("sslmode {mode}")]);
    }
}

#[test]
fn over_a_unix_socket_no_mode_asks_for_tls() {
    let server = TlsPostgres::start();
    for mode in ["", "?sslmode=require", "?sslmode=verify-full"] {
        assert!(!is_encrypted(&server, "only_tls", &format!("{}{mode}", server.local_url("only_tls"))), "{mode:?}");
    }
}

#[test]
fn a_wrong_password_is_told_once_in_every_mode() {
    let server = TlsPostgres::start();
    for mode in ["", "?sslmode=allow", "?sslmode=require", "?sslmode=disable"] {
        let url = server.url("sipcapture", mode).replace(PASSWORD, "falsch");
        let why = store(&url).err().expect("the password is wrong");
        assert_eq!(why.matches("password authentication failed").count(), 1, "{why}");
    }
}

/// Each mode that may look at certificates, with `trusted`: whether it takes the server's, and else with which word.
fn assert_trusted(server: &TlsPostgres, trusted: &Path, by_chain: Result<(), &str>, by_name: Result<(), &str>) {
    let outcomes = [("prefer", Ok(())), ("require", by_chain), ("verify-ca", by_chain), ("verify-full", by_name)].map(
        |(mode, outcome)| {
            let url = server.url("only_tls", &query(&[("sslmode", mode), ("sslrootcert", text(trusted))]));
            (url, outcome, format!("sslmode {mode}, sslrootcert `{}`", text(trusted)))
        },
    );
    assert_looked_at(|url| is_encrypted(server, "only_tls", url), outcomes);
}

#[test]
fn certificates_are_looked_at_as_the_mode_asks() {
    let mut server = TlsPostgres::start();
    let (known, stranger) = (server.authority().file(), Authority::new());
    assert_trusted(&server, &known, Ok(()), Ok(()));
    assert_trusted(&server, &stranger.file(), Err("UnknownIssuer"), Err("UnknownIssuer"));
    // Without trusted certificates nothing is looked at, as with libpq.
    assert!(is_encrypted(&server, "only_tls", &server.url("only_tls", "?sslmode=require")));
    // The system trusts none of these.
    for mode in ["?sslmode=verify-ca", "?sslmode=verify-full", "?sslrootcert=system"] {
        assert_refused(&server.url("only_tls", mode), &["UnknownIssuer", "the system's certificates are trusted"]);
    }
    let expired = server.authority().issue_expired(SERVER);
    server.present(&expired);
    assert_trusted(&server, &known, Err("expired"), Err("expired"));
    let other = server.authority().issue("other.test");
    server.present(&other);
    assert_trusted(&server, &known, Ok(()), Err("other.test"));
}

#[test]
fn a_certificate_that_has_signed_itself_is_trusted_when_it_is_named() {
    let mut server = TlsPostgres::start();
    let directory = TempDir::new().expect("a private directory");
    let (key, certificate) = crate::common::certificate::certificate(directory.path());
    server.present(&Issued { certificate: certificate.clone().into(), key: key.into() });
    let url = |mode, trusted: &str| server.url("only_tls", &query(&[("sslmode", mode), ("sslrootcert", trusted)]));
    assert!(is_encrypted(&server, "only_tls", &url("verify-ca", &certificate)));
    // It has a common name alone, which nothing is compared with.
    assert_refused(&url("verify-full", &certificate), &["not valid for name"]);
    assert_refused(&url("verify-ca", text(&Authority::new().file())), &["certificate"]);
}

#[test]
fn a_key_that_cannot_be_verified_with_is_no_reason_to_go_on_in_clear() {
    let mut server = TlsPostgres::start();
    let directory = TempDir::new().expect("a private directory");
    for kind in UNVERIFIABLE {
        server.present(&of_kind(&directory, kind));
        for mode in ["", "?sslmode=require"] {
            assert!(is_encrypted(&server, "sipcapture", &server.url("sipcapture", mode)), "{kind:?} {mode:?}");
        }
        let trusted = directory.path().join("cert.pem");
        let url = server.url("sipcapture", &query(&[("sslmode", "verify-ca"), ("sslrootcert", text(&trusted))]));
        assert_refused(&url, &["sslmode verify-ca"]);
    }
}

#[test]
fn a_certificate_of_the_client_is_shown_where_it_is_demanded() {
    let server = TlsPostgres::start();
    let client = server.authority().issue("sipcapture");
    let shown = query(&[("sslcert", text(&client.certificate)), ("sslkey", text(&client.key))]);
    assert!(is_encrypted(&server, "with_certificate", &server.url("with_certificate", &shown)));
    for mode in ["?sslmode=require", &format!("{shown}&sslcertmode=disable&sslmode=require")] {
        assert_refused(&server.url("with_certificate", mode), &["requires a valid client certificate"]);
    }
    let stranger = Authority::new().issue("sipcapture");
    let (certificate, key) = (text(&stranger.certificate), text(&stranger.key));
    let shown = query(&[("sslmode", "require"), ("sslcert", certificate), ("sslkey", key)]);
    assert!(store(&server.url("with_certificate", &shown)).is_err());
}

#[test]
fn a_certificate_of_version_1_is_shown_and_one_of_the_server_is_taken_where_nothing_is_looked_at() {
    let mut server = TlsPostgres::start();
    let client = server.authority().issue_version_1("sipcapture");
    let shown = query(&[("sslcert", text(&client.certificate)), ("sslkey", text(&client.key))]);
    assert!(is_encrypted(&server, "with_certificate", &server.url("with_certificate", &shown)));
    let (own, known) = (server.authority().issue_version_1(SERVER), server.authority().file());
    server.present(&own);
    for mode in ["", "?sslmode=require"] {
        assert!(is_encrypted(&server, "sipcapture", &server.url("sipcapture", mode)), "{mode:?}");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = server.url("sipcapture", &query(&[("sslmode", mode), ("sslrootcert", text(&known))]));
        assert_refused(&url, &["UnsupportedCertVersion", &format!("sslmode {mode}")]);
    }
}

#[test]
fn what_the_url_leaves_open_comes_from_the_environment_and_the_users_directory() {
    let server = TlsPostgres::start();
    let home = TempDir::new().expect("a private directory");
    let tool = |variables: &[(&str, &str)], query: &str| {
        let url = server.url("only_tls", query);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sipcapture"));
        command.args(["calls", "--db", &url]).envs(variables.iter().copied()).env("HOME", home.path());
        let output = command.output().expect("the tool starts");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let no_table = "no table";
    let answer = tool(&[], "");
    assert!(answer.contains(no_table), "{answer}");
    assert!(tool(&[("PGSSLMODE", "disable")], "").contains("pg_hba.conf"));
    assert!(tool(&[("PGSSLMODE", "disable")], "?sslmode=require").contains(no_table));
    let wrong = tool(&[("PGSSLMODE", "Require")], "");
    assert!(!wrong.contains("sqlite:"), "{wrong}");
    assert!(wrong.contains("PGSSLMODE of the environment `Require`") && wrong.contains("verify-full"), "{wrong}");
    let stranger = Authority::new();
    let trusting = |path: &Path| tool(&[("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", text(path))], "");
    assert!(trusting(&server.authority().file()).contains(no_table));
    assert!(trusting(&stranger.file()).contains("PGSSLROOTCERT of the environment"));
    // The file that libpq looks for makes `require` look at certificates.
    let usual = home.path().join(".postgresql");
    std::fs::create_dir(&usual).expect("a directory is made");
    for (authority, expected) in [(server.authority(), no_table), (&stranger, "UnknownIssuer")] {
        std::fs::copy(authority.file(), usual.join("root.crt")).expect("the certificate is copied");
        let answer = tool(&[], "?sslmode=require");
        assert!(answer.contains(expected), "{answer}");
    }
    // A certificate without its key: nothing that was asked for, and `prefer` can do without.
    std::fs::copy(server.authority().file(), usual.join("postgresql.crt")).expect("a file is copied");
    std::fs::remove_file(usual.join("root.crt")).expect("a file goes");
    let answer = tool(&[], "?sslmode=require");
    assert!(answer.contains("sslkey `") && answer.contains("postgresql.key"), "{answer}");
    let answer = tool(&[], "");
    assert!(answer.contains("pg_hba.conf") && answer.contains("postgresql.key"), "{answer}");
}

#[test]
fn usual_files_that_this_process_may_not_see_count_as_libpq_counts_them() {
    use std::os::unix::process::CommandExt as _;
    if !rustix::process::getuid().is_root() {
        return;
    }
    let server = TlsPostgres::start();
    let home = TempDir::new().expect("a private directory");
    let tool_home = home.path().join("root");
    std::fs::create_dir_all(tool_home.join(".postgresql")).expect("a directory is made");
    std::fs::copy(Authority::new().file(), tool_home.join(".postgresql/root.crt")).expect("the certificate is copied");
    for (directory, mode) in [(home.path(), 0o755), (tool_home.as_path(), 0o700)] {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(directory, permissions).expect("the directory is closed");
    }
    let program = home.path().join("sipcapture");
    std::fs::copy(env!("CARGO_BIN_EXE_sipcapture"), &program).expect("others may run it");
    let tool = |query: &str, variables: &[(&str, &Path)]| {
        let mut command = std::process::Command::new(&program);
        command.args(["calls", "--db", &server.url("only_tls", query)]).current_dir("/").uid(65_534).gid(65_534);
        command.env("HOME", &tool_home).envs(variables.iter().copied());
        String::from_utf8_lossy(&command.output().expect("the tool starts").stderr).into_owned()
    };
    for mode in ["require", "verify-ca", "verify-full"] {
        let mut psql = std::process::Command::new("psql");
        psql.args(["-c", "SELECT 1", &server.url("only_tls", &format!("?sslmode={mode}"))]).current_dir("/");
        let output = psql.uid(65_534).gid(65_534).env("HOME", &tool_home).output().expect("psql runs");
        assert!(!output.status.success(), "psql with {mode}");
    }
    // The system's authorities must not stand in for the file, and it is they who have signed the server's certificate.
    let trusted = home.path().join("system.pem");
    std::fs::copy(server.authority().file(), &trusted).expect("the certificate is copied");
    for mode in ["verify-ca", "verify-full"] {
        let answer = tool(&format!("?sslmode={mode}"), &[("SSL_CERT_FILE", &trusted)]);
        assert!(answer.contains("root.crt`") && answer.contains("Permission denied"), "{mode}: {answer}");
    }
    // Nobody asked for a certificate of the client, and TLS without it is better than none.
    let answer = tool("", &[]);
    assert!(answer.contains("no table"), "{answer}");
    let client = server.authority().issue("sipcapture");
    let named = query(&[("sslcert", text(&client.certificate)), ("sslkey", text(&client.key))]);
    let answer = tool(&named, &[]);
    assert!(answer.contains("sslkey `") && answer.contains("Permission denied"), "{answer}");
    assert!(answer.contains("in clear: ") && answer.contains("pg_hba.conf"), "{answer}");
    let answer = tool("?sslmode=require", &[]);
    assert!(answer.contains("postgresql.crt`") && answer.contains("Permission denied"), "{answer}");
}

#[test]
fn the_systems_certificates_are_trusted_where_none_are_named() {
    let server = TlsPostgres::start();
    let tool = |query: &str, trusted: &Path| {
        let url = server.url("only_tls", query);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sipcapture"));
        command.args(["calls", "--db", &url]).env("HOME", "/nonexistent").env("SSL_CERT_FILE", trusted);
        String::from_utf8_lossy(&command.output().expect("the tool starts").stderr).into_owned()
    };
    let stranger = Authority::new();
    for query in ["?sslmode=verify-ca", "?sslmode=verify-full", "?sslrootcert=system"] {
        let answer = tool(query, &server.authority().file());
        assert!(answer.contains("no table"), "{query}: {answer}");
        // Anybody can have a certificate that the system trusts.
        assert_eq!(answer.contains("the server's name is not looked at"), query.ends_with("verify-ca"), "{answer}");
        assert!(tool(query, &stranger.file()).contains("UnknownIssuer"), "{query}");
    }
}

/// Whether `psql` has an encrypted connection by `url`; `None` when it has none at all.
fn of_psql(url: &str) -> Option<bool> {
    let mut psql = std::process::Command::new("psql");
    psql.args(["--no-psqlrc", "-At", "-c", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", url]);
    let output = psql.env("HOME", "/nonexistent").env("PGCONNECT_TIMEOUT", "10").output().expect("psql runs");
    output.status.success().then(|| output.stdout.starts_with(b"t"))
}

#[test]
fn every_mode_comes_to_what_libpq_makes_of_it() {
    let mut server = TlsPostgres::start();
    let unknown = Authority::new();
    let (known, stranger) = (server.authority().file(), unknown.file());
    let names = [SERVER, "other.test"].map(|name| server.authority().issue(name));
    let modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
    for issued in &names {
        server.present(issued);
        for (database, mode) in
            ["sipcapture", "only_tls", "only_clear"].iter().flat_map(|of| modes.map(|mode| (of, mode)))
        {
            for trusted in [None, Some(&known), Some(&stranger)] {
                let mut pairs = vec![("sslmode", mode)];
                pairs.extend(trusted.map(|path| ("sslrootcert", text(path))));
                let url = server.url(database, &query(&pairs));
                let ours = store(&url).ok().map(|sink| {
                    let encrypted = server.encrypted(database, "sipcapture").contains(&true);
                    drop(sink);
                    let gone = || server.encrypted(database, "sipcapture").is_empty();
                    within(Duration::from_secs(10), "the connection ends", gone);
                    encrypted
                });
                match (of_psql(&url), mode, *database) {
                    // libpq does look at certificates then, and goes on in clear.
                    (Some(false), "prefer", "sipcapture") | (None, "prefer" | "allow", "only_tls")
                        if trusted == Some(&stranger) =>
                    {
                        assert_eq!(ours, Some(true), "{url}");
                    }
                    (theirs, ..) => assert_eq!(ours, theirs, "{url}"),
                }
            }
        }
    }
}
