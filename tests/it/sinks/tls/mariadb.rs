//! MariaDB: `ssl-mode` and what goes with it.

use super::*;
use crate::common::database::{DATABASE, Site, USER};
use crate::common::hosts::Hosts;
use crate::common::network::{NEAR_IP4, in_network};
use crate::common::relay::{Behaviour, Relay};
use crate::common::tls_database::{SERVER, ServerFiles, TlsMariaDb};

/// Whether the connection of a sink by `url` is encrypted: the server counts handshakes.
fn is_encrypted(server: &TlsMariaDb, url: &str) -> bool {
    let before = server.handshakes();
    store(url).unwrap_or_else(|why| panic!("{url}: {why}"));
    server.handshakes() > before
}

#[test]
fn a_server_that_offers_tls_gets_it_unless_the_mode_says_otherwise() {
    let server = TlsMariaDb::start();
    for (mode, encrypted) in [
        ("", true),
        ("?ssl-mode=PREFERRED", true),
        ("?ssl_mode=required", true),
        ("?ssl=1", true),
        ("?ssl-mode=DISABLED", false),
        ("?ssl=0", false),
    ] {
        assert_eq!(is_encrypted(&server, &server.url("sipcapture", mode)), encrypted, "{mode:?}");
    }
}

#[test]
fn a_login_that_demands_tls_gets_it_in_every_mode_but_disabled() {
    let server = TlsMariaDb::start();
    for mode in ["", "?ssl-mode=PREFERRED", "?ssl-mode=REQUIRED"] {
        assert!(is_encrypted(&server, &server.url("only_tls", mode)), "{mode:?}");
    }
    assert_refused(&server.url("only_tls", "?ssl-mode=DISABLED"), &["Access denied"]);
}

#[test]
fn a_server_without_tls_is_reached_in_clear_where_that_is_allowed() {
    let server = MariaDb::start_with(&["--skip-ssl"]);
    for mode in ["", "?ssl-mode=PREFERRED", "?ssl-mode=DISABLED"] {
        store(&format!("{}{mode}", server.url())).unwrap_or_else(|why| panic!("{mode:?}: {why}"));
    }
    for mode in ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"] {
        assert_refused(&format!("{}?ssl-mode={mode}", server.url()), &["TLS", &format!("ssl-mode {mode}")]);
    }
}

/// A server that shuts a host out after five connections without a login, by an address that it counts them for.
fn in_network_with_strict_server(options: &[&str], body: impl FnOnce(&MariaDb) + Send) {
    in_network(|_| {
        let hosts = Hosts::with(&[("near.test", NEAR_IP4)]);
        let site = Site { command: hosts.command(), address: NEAR_IP4.parse().expect("an address") };
        let strict = ["--skip-name-resolve=0", "--max-connect-errors=5"];
        body(&MariaDb::start_at(&site, "UTC", &[options, &strict].concat()));
    });
}

#[test]
fn a_server_without_tls_that_refuses_logins_does_not_come_to_block_the_host() {
    in_network_with_strict_server(&["--skip-ssl"], |server| {
        let wrong = server.url().replace(PASSWORD, "wrong");
        for (mode, word) in [("", "Access denied"), ("?ssl-mode=REQUIRED", "ssl-mode REQUIRED")] {
            for _ in 0..12 {
                assert_refused(&format!("{wrong}{mode}"), &[word]);
            }
        }
        store(&server.url()).expect("the host is not blocked");
    });
}

#[test]
fn handshakes_that_fail_do_not_come_to_block_the_host() {
    let files = ServerFiles::new();
    in_network_with_strict_server(&files.mariadb_options().each_ref().map(String::as_str), |server| {
        let stranger = Authority::new();
        let url = format!("{}?ssl-ca={}", server.url(), text(&stranger.file()));
        for _ in 0..12 {
            assert_refused(&url, &["UnknownIssuer"]);
        }
        store(&server.url()).expect("the host is not blocked");
    });
}

#[test]
fn a_server_whose_tls_nobody_speaks_any_more_is_reached_in_clear_where_that_is_allowed() {
    let server = TlsMariaDb::start_with(&["--tls-version=TLSv1.1", "--ssl-cipher=DEFAULT:@SECLEVEL=0"]);
    assert!(!is_encrypted(&server, &server.url("sipcapture", "")));
    assert_refused(&server.url("sipcapture", "?ssl-mode=REQUIRED"), &["ssl-mode REQUIRED"]);
}

#[test]
fn a_connection_that_is_cut_is_not_tried_in_clear() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("mysql://u@{}/d", listener.local_addr().expect("an address"));
    let (sender, accepted) = std::sync::mpsc::channel();
    std::thread::spawn(move || listener.incoming().for_each(|client| drop(sender.send(client.map(drop)))));
    let why = store(&url).err().expect("there is no server");
    assert!(!why.contains("in clear"), "{why}");
    assert_eq!(accepted.try_iter().count(), 1);
    let server = TlsMariaDb::start();
    let relay = Relay::start(server.address());
    relay.behave(Behaviour::CutAfter(64));
    let why = store(&server.url_at(relay.port(), "sipcapture", "")).err().expect("it is cut in the handshake");
    assert!(!why.contains("in clear"), "{why}");
    assert_eq!(relay.struck(), 1);
}

/// Each mode that may look at certificates, with `trusted`: whether it takes the server's, and else with which word.
fn assert_trusted(server: &TlsMariaDb, trusted: &Path, by_chain: Result<(), &str>, by_name: Result<(), &str>) {
    let outcomes =
        [("REQUIRED", Ok(())), ("VERIFY_CA", by_chain), ("VERIFY_IDENTITY", by_name)].map(|(mode, outcome)| {
            let url = server.url("only_tls", &query(&[("ssl-mode", mode), ("ssl-ca", text(trusted))]));
            (url, outcome, format!("ssl-mode {mode}, ssl-ca `{}`", text(trusted)))
        });
    assert_looked_at(|url| is_encrypted(server, url), outcomes);
}

#[test]
fn certificates_are_looked_at_as_the_mode_asks() {
    let mut server = TlsMariaDb::start();
    let (known, stranger) = (server.authority().file(), Authority::new());
    assert_trusted(&server, &known, Ok(()), Ok(()));
    assert_trusted(&server, &stranger.file(), Err("UnknownIssuer"), Err("UnknownIssuer"));
    // Who names certificates wants them looked at.
    assert!(is_encrypted(&server, &server.url("only_tls", &query(&[("ssl-ca", text(&known))]))));
    let directory = TempDir::new().expect("a private directory");
    std::fs::copy(&known, directory.path().join("ca.pem")).expect("the certificate is copied");
    assert!(is_encrypted(&server, &server.url("only_tls", &query(&[("ssl-capath", text(directory.path()))]))));
    assert_refused(&server.url("only_tls", &query(&[("ssl-ca", text(&stranger.file()))])), &["UnknownIssuer"]);
    // The system trusts none of these.
    for mode in ["?ssl-mode=VERIFY_CA", "?ssl-mode=VERIFY_IDENTITY", "?ssl-verify-server-cert=1"] {
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
fn a_key_that_cannot_be_verified_with_is_no_reason_to_go_on_in_clear() {
    let mut server = TlsMariaDb::start();
    let directory = TempDir::new().expect("a private directory");
    for kind in UNVERIFIABLE {
        server.present(&of_kind(&directory, kind));
        for mode in ["", "?ssl-mode=REQUIRED"] {
            assert!(is_encrypted(&server, &server.url("sipcapture", mode)), "{kind:?} {mode:?}");
        }
    }
}

#[test]
fn keys_and_signatures_that_are_weak_or_cannot_be_verified_are_refused_where_certificates_are_looked_at() {
    let mut server = TlsMariaDb::start_with(&["--ssl-cipher=DEFAULT:@SECLEVEL=0"]);
    let known = server.authority().file();
    let kinds = UNVERIFIABLE.map(|kind| (kind, "-sha256", false));
    let sound = (&["rsa:2048"][..], "-sha256", true);
    let weak = [(&["rsa:1024"][..], "-sha256", false), (&["rsa:2048"], "-sha1", false)];
    for (kind, digest, is_taken) in kinds.into_iter().chain(weak).chain([sound]) {
        let issued = server.authority().issue_of(kind, digest);
        server.present(&issued);
        assert!(is_encrypted(&server, &server.url("sipcapture", "")), "{kind:?} {digest}");
        let url = server.url("sipcapture", &query(&[("ssl-mode", "VERIFY_CA"), ("ssl-ca", text(&known))]));
        match is_taken {
            true => assert!(is_encrypted(&server, &url), "{kind:?} {digest}"),
            false => assert_refused(&url, &["ssl-mode VERIFY_CA"]),
        }
    }
}

#[test]
fn a_certificate_of_the_client_is_shown_where_it_is_demanded() {
    let server = TlsMariaDb::start();
    let client = server.authority().issue("sipcapture");
    let shown = query(&[("ssl-cert", text(&client.certificate)), ("ssl-key", text(&client.key))]);
    assert!(is_encrypted(&server, &server.url("with_certificate", &shown)));
    assert_refused(&server.url("with_certificate", "?ssl-mode=REQUIRED"), &["Access denied"]);
}

#[test]
fn a_certificate_of_version_1_is_refused_by_its_name_and_one_of_the_server_is_taken_where_nothing_is_looked_at() {
    let mut server = TlsMariaDb::start();
    let client = server.authority().issue_version_1("sipcapture");
    let url = server
        .url("with_certificate", &query(&[("ssl-cert", text(&client.certificate)), ("ssl-key", text(&client.key))]));
    let named = format!("ssl-cert `{}`", text(&client.certificate));
    let words = [named.as_str(), "UnsupportedCertVersion", "-extfile"];
    assert_refused(&url, &words);
    let parsed = sipcapture_core::sink::DatabaseUrl::parse(&url).expect("a URL");
    let why = sipcapture_core::sink::check(&parsed, "db_url").expect_err("it is seen before anybody connects");
    assert!(words.iter().all(|word| why.contains(word)), "{why}");
    let own = server.authority().issue_version_1(SERVER);
    server.present(&own);
    for mode in ["", "?ssl-mode=REQUIRED"] {
        assert!(is_encrypted(&server, &server.url("sipcapture", mode)), "{mode:?}");
    }
    let known = server.authority().file();
    assert_refused(&server.url("sipcapture", &query(&[("ssl-ca", text(&known))])), &["UnsupportedCertVersion"]);
}

#[test]
fn lines_of_the_option_file_ask_for_tls_as_keys_of_the_url_do() {
    let server = TlsMariaDb::start();
    let home = TempDir::new().expect("a private directory");
    let tool = |lines: &str, query: &str| {
        let file = home.path().join(".my.cnf");
        let login = format!("[node]\nuser=only_tls\npassword={PASSWORD}\n{lines}\n");
        std::fs::write(&file, login).expect("it is written");
        let url = format!("mysql://[node]{SERVER}:{}/sipcapture{query}", server.address().port());
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sipcapture"));
        let output = command.args(["calls", "--db", &url]).env("HOME", home.path()).output().expect("the tool starts");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let no_table = "no table";
    let answer = tool("", "");
    assert!(answer.contains(no_table), "{answer}");
    assert!(tool("skip-ssl", "").contains("Access denied"));
    assert!(tool("skip-ssl", "?ssl-mode=REQUIRED").contains(no_table));
    let known = server.authority().file();
    assert!(tool(&format!("ssl_ca={}\nssl-verify-server-cert", text(&known)), "").contains(no_table));
    let stranger = Authority::new();
    let refused = tool(&format!("ssl-ca = {}", text(&stranger.file())), "");
    assert!(refused.contains("UnknownIssuer") && refused.contains("ssl-ca (of "), "{refused}");
    // Groups are read together, and certificates that are named are looked at.
    let refused = tool(&format!("skip-ssl\n[client]\nssl-ca={}", text(&stranger.file())), "");
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    // An empty line takes back those before it, as for MariaDB's own client.
    assert!(tool(&format!("ssl-ca={}\nssl-ca=\nssl-key=", text(&stranger.file())), "").contains(no_table));
    let refused = tool("ssl-mode=", "");
    assert!(refused.contains("ssl-mode (of ") && refused.contains("it is empty"), "{refused}");
    let refused = tool("ssl-crl=/etc/revoked.pem", "");
    assert!(refused.contains("ssl-crl (of ") && refused.contains("are not read"), "{refused}");
}

#[test]
fn localhost_is_left_for_tcp_by_an_ssl_mode_alone() {
    let server = MariaDb::start();
    let home = TempDir::new().expect("a private directory");
    let authority = Authority::new();
    let tool = |line: &str, query: &str| {
        let login = format!("[client]\nuser={USER}\npassword={PASSWORD}\n{line}\n");
        std::fs::write(home.path().join(".my.cnf"), login).expect("it is written");
        // A host of its own, with the usual socket and nothing behind TCP.
        let script =
            "mount -t tmpfs none /run && mkdir /run/mysqld && ln -s \"$0\" /run/mysqld/mysqld.sock && exec \"$@\"";
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "--net", "--", "sh", "-c", script]).arg(server.socket());
        command.args([
            env!("CARGO_BIN_EXE_sipcapture"),
            "calls",
            "--db",
            &format!("mysql://[g]localhost/{DATABASE}{query}"),
        ]);
        let output = command.env("HOME", home.path()).output().expect("unshare starts");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let trust = format!("ssl-ca={}", text(&authority.file()));
    for (line, query) in
        [("", ""), (&trust, ""), ("ssl", ""), ("", "?ssl-verify-server-cert=1"), ("ssl-mode=PREFERRED", "")]
    {
        let answer = tool(line, query);
        assert!(answer.contains("no table"), "{line} {query}: {answer}");
    }
    for (line, query) in [("ssl-mode=REQUIRED", ""), (&trust, "?ssl-mode=VERIFY_CA")] {
        let answer = tool(line, query);
        assert!(!answer.contains("no table") && answer.contains(":3306"), "{line} {query}: {answer}");
    }
}

#[test]
fn the_systems_certificates_are_trusted_where_none_are_named() {
    let server = TlsMariaDb::start();
    let tool = |query: &str, trusted: &Path| {
        let url = server.url("only_tls", query);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sipcapture"));
        command.args(["calls", "--db", &url]).env("SSL_CERT_FILE", trusted);
        String::from_utf8_lossy(&command.output().expect("the tool starts").stderr).into_owned()
    };
    let stranger = Authority::new();
    for query in ["?ssl-mode=VERIFY_CA", "?ssl-mode=VERIFY_IDENTITY"] {
        let answer = tool(query, &server.authority().file());
        assert!(answer.contains("no table"), "{query}: {answer}");
        assert_eq!(answer.contains("the server's name is not looked at"), query.ends_with("VERIFY_CA"), "{answer}");
        assert!(tool(query, &stranger.file()).contains("UnknownIssuer"), "{query}");
    }
}

#[test]
fn the_client_library_is_compiled_with_no_certificates_that_it_trusts_by_itself() {
    for name in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let lock = std::fs::read_to_string(path).expect("the lock file");
        let packages: Vec<&str> = lock.split("[[package]]").collect();
        let lists: Vec<_> = packages.iter().filter(|package| package.contains("name = \"webpki-roots\"")).collect();
        // The list that stands in for the public one comes from this very tree.
        assert_eq!(lists.len(), 1, "{name}");
        assert!(!lists[0].contains("source ="), "{name}: {}", lists[0]);
        // It stands in for that of this library alone: any other would be left without certificates.
        let dependents: Vec<_> = packages.iter().filter(|package| package.contains("\n \"webpki-roots")).collect();
        assert!(matches!(dependents[..], [only] if only.contains("name = \"mysql\"")), "{name}: {dependents:?}");
    }
}
