//! What names and values mean, without a server.

use super::libpq::{self, Environment};
use super::mysql;
use super::{Parameters, Verification};
use crate::sink::{DatabaseUrl, check};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn postgres(query: &str, variables: &[(&str, &str)], home: Option<&Path>) -> Result<libpq::LibpqSettings, String> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(|text| (*text).into());
    let environment = Environment { variable: &variable, home: home.map(Path::to_owned) };
    libpq::LibpqSettings::resolve(&Parameters::parse(query, libpq::key_of), &environment, false)
}

#[test]
fn the_url_comes_before_the_environment_and_that_before_the_default() {
    use libpq::LibpqMode::{Allow, Disable, Prefer, Require, VerifyFull};
    for (query, variables, mode) in [
        ("", &[][..], Prefer),
        ("sslmode=disable", &[("PGSSLMODE", "require")], Disable),
        ("", &[("PGSSLMODE", "allow")], Allow),
        ("", &[("PGSSLROOTCERT", ""), ("PGSSLCRL", ""), ("PGREQUIRESSL", "")], Prefer),
        ("", &[("PGREQUIRESSL", "1")], Require),
        ("", &[("PGREQUIRESSL", "0")], Prefer),
        ("", &[("PGREQUIRESSL", "1"), ("PGSSLMODE", "disable")], Disable),
        ("ssl=true", &[("PGSSLMODE", "disable")], Require),
        ("ssl=true&sslmode=disable", &[], Disable),
        ("sslrootcert=system", &[], VerifyFull),
    ] {
        let settings = postgres(query, variables, None).unwrap();
        assert_eq!(settings.mode, mode, "{query} {variables:?}");
    }
}

#[test]
fn require_looks_at_certificates_where_trusted_ones_are_there() {
    let home = tempfile::tempdir().unwrap();
    let looked_at = |query: &str| postgres(query, &[], Some(home.path())).unwrap().tls.verification;
    for (query, expected) in [
        ("sslmode=prefer&sslrootcert=/ca.pem", Verification::None),
        ("sslmode=require", Verification::None),
        ("sslmode=require&sslrootcert=/ca.pem", Verification::Chain),
        ("sslmode=verify-ca", Verification::Chain),
        ("sslmode=verify-full", Verification::ChainAndName),
    ] {
        assert_eq!(looked_at(query), expected, "{query}");
    }
    let usual = home.path().join(".postgresql");
    fs::create_dir(&usual).unwrap();
    fs::write(usual.join("root.crt"), "").unwrap();
    assert_eq!(looked_at("sslmode=require"), Verification::Chain);
    assert_eq!(looked_at("sslmode=prefer"), Verification::None);
    // Lists of revoked certificates are not read: who has one must know.
    fs::write(usual.join("root.crl"), "").unwrap();
    for (query, variables) in [
        ("sslmode=verify-ca", &[][..]),
        ("sslmode=require", &[]),
        ("sslmode=require&sslrootcert=/ca.pem", &[]),
        ("sslrootcert=system", &[]),
        ("", &[("PGSSLMODE", "verify-full")]),
    ] {
        let error = postgres(query, variables, Some(home.path())).unwrap_err();
        assert!(error.contains("root.crl"), "{query}: {error}");
    }
    for query in ["sslmode=prefer", "sslmode=prefer&sslrootcert=/ca.pem", "sslmode=disable"] {
        assert!(postgres(query, &[], Some(home.path())).is_ok(), "{query}");
    }
    fs::remove_file(usual.join("root.crt")).unwrap();
    assert!(postgres("sslmode=require", &[], Some(home.path())).is_ok());
}

#[test]
fn in_clear_no_variable_is_refused_that_is_for_tls_alone() {
    let variables = [
        ("PGSSLCRL", "/x"),
        ("PGSSLCRLDIR", "/x"),
        ("PGSSLCERTMODE", "require"),
        ("PGSSLNEGOTIATION", "direct"),
        ("PGSSLSNI", "2"),
        ("PGSSLMINPROTOCOLVERSION", "3"),
        ("PGSSLCERT", "/none"),
    ];
    for set in variables {
        let variable = |name: &str| (name == set.0).then(|| set.1.into());
        let environment = Environment { variable: &variable, home: None };
        let resolve = |query: &str, is_local| {
            libpq::LibpqSettings::resolve(&Parameters::parse(query, libpq::key_of), &environment, is_local)
        };
        assert!(resolve("sslmode=disable", false).is_ok(), "{set:?}");
        assert_eq!(resolve("", true).map(|settings| settings.mode).unwrap(), libpq::LibpqMode::Disable, "{set:?}");
        if set.0 != "PGSSLCERT" {
            assert!(resolve("", false).unwrap_err().starts_with(set.0), "{set:?}");
        }
    }
    // Nor is a key for which there is no certificate, as with libpq.
    assert!(postgres("", &[("PGSSLKEY", "/none")], None).unwrap().check().is_ok());
    // libpq refuses these wherever it connects to.
    for (query, variables, word) in [
        ("", &[("PGSSLROOTCERT", "system"), ("PGSSLMODE", "require")][..], "verify-full"),
        ("sslmode=disable", &[("PGSSLROOTCERT", "system")], "verify-full"),
        ("sslmode=disable", &[("PGCHANNELBINDING", "xyz")], "PGCHANNELBINDING"),
        ("sslmode=disable", &[("PGCHANNELBINDING", "")], "PGCHANNELBINDING"),
        ("sslmode=disable", &[("PGGSSENCMODE", "require")], "PGGSSENCMODE"),
    ] {
        let variable = |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, text)| (*text).into());
        let environment = Environment { variable: &variable, home: None };
        for is_local in [false, true] {
            let parameters = Parameters::parse(query, libpq::key_of);
            let error = libpq::LibpqSettings::resolve(&parameters, &environment, is_local).unwrap_err();
            assert!(error.contains(word), "{query} {variables:?}: {error}");
        }
    }
    // What the URL itself says is wrong wherever it is.
    assert!(postgres("sslmode=disable&sslcrl=/x", &[], None).is_err());
}

#[test]
fn a_key_of_tls_that_is_misspelt_is_an_error_that_names_the_right_one() {
    for (url, words) in [
        ("mysql://u@h/d?sslmode=verify-full", &["sslmode is no key", "ssl-mode is meant"][..]),
        ("mysql://u@h/d?SSLCA=/x", &["SSLCA is no key", "ssl-ca is meant"]),
        ("mysql://u@h/d?sslrootcert=/x", &["sslrootcert is no key", "ssl-mode, ssl-ca, ssl-capath, ssl-cert, ssl-key"]),
        ("mysql://u@h/d?useSSL=true", &["useSSL is no key", "ssl-mode, ssl-ca"]),
        ("mysql://u@h/d?tls=true", &["tls is no key", "ssl-mode, ssl-ca"]),
        ("postgres://u@h/d?ssl-mode=verify-full", &["ssl-mode is no key", "sslmode is meant"]),
        ("postgres://u@h/d?sslRootCert=/x", &["sslRootCert is no key", "sslrootcert is meant"]),
        ("postgres://u@h/d?SSL=true", &["SSL is no key", "ssl is meant"]),
        ("postgres://u@h/d?channelbinding=require", &["channel_binding is meant"]),
        ("postgres://u@h/d?requiressl=1", &["requiressl is no key", "sslmode, sslrootcert"]),
        ("postgres://u@h/d?tls_verify=1", &["tls_verify is no key", "sslmode, sslrootcert"]),
        ("postgres://u@h/d?require_auth=scram-sha-256", &["require_auth", "not read"]),
        ("postgres://u@h/d?requirepeer=postgres", &["requirepeer", "not read"]),
        ("postgres://u@h/d?hostaddr=192.0.2.1", &["hostaddr", "not read"]),
        ("postgres://u@h/d?service=x", &["service", "not read"]),
    ] {
        let error = DatabaseUrl::parse(url).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{url}: {word:?} is not in {error}");
        }
    }
    for url in ["postgres://u@h/d?application_name=x&connect_timeout=1", "mysql://u@h/d?charset=utf8"] {
        assert!(DatabaseUrl::parse(url).is_ok(), "{url}");
    }
}

#[test]
fn an_empty_value_is_an_error_and_never_the_default() {
    for url in [
        "postgres://u@h/d?sslmode=",
        "postgres://u@h/d?sslmode=verify-full&sslrootcert=",
        "postgres://u@h/d?sslcrl",
        "postgres://u@h/d?ssl",
        "mysql://u@h/d?ssl-mode=",
        "mysql://u@h/d?ssl-ca=",
        "mysql://u@h/d?tls_cert=",
        "mysql://u@h/d?ssl-verify-server-cert",
    ] {
        let error = DatabaseUrl::parse(url).unwrap_err().to_string();
        assert!(error.contains("ssl") && error.contains("it is empty; give it a value"), "{url}: {error}");
    }
    for variable in ["PGSSLMODE", "PGCHANNELBINDING", "PGGSSENCMODE"] {
        let error = postgres("", &[(variable, "")], None).unwrap_err();
        assert!(error.contains(&format!("{variable} of the environment ``")), "{error}");
    }
    for key in ["ssl-mode", "ssl", "ssl-verify-server-cert", "ssl-enforce", "ssl-passphrase"] {
        let error = mysql::MysqlSettings::resolve(&of_lines("", &[(key, "")])).unwrap_err();
        assert!(error.contains(&format!("{key} (of /etc/my.cnf): it is empty")), "{error}");
    }
}

/// What an option file adds to a URL's query.
fn of_lines(query: &str, lines: &[(&'static str, &str)]) -> Parameters {
    let mut parameters = Parameters::parse(query, mysql::key_of);
    for (key, text) in lines {
        mysql::take_line(&mut parameters, key, (*text).to_owned(), Path::new("/etc/my.cnf"));
    }
    parameters
}

#[test]
fn an_empty_line_of_an_option_file_takes_back_those_before_it_and_nothing_of_the_url() {
    for key in ["ssl-ca", "ssl-capath", "ssl-cert", "ssl-key", "ssl-crl", "ssl-crlpath", "ssl-cipher", "tls-version"] {
        for lines in [&[(key, "")][..], &[(key, "/x"), (key, "")]] {
            let parameters = of_lines("", lines);
            let settings = mysql::MysqlSettings::resolve(&parameters).unwrap();
            assert_eq!(settings.mode, mysql::MysqlMode::Preferred, "{lines:?}");
            assert!(mysql::MysqlSettings::needless(&parameters).is_empty(), "{lines:?}");
        }
        assert_eq!(of_lines("", &[(key, ""), (key, "/x")]).get(key), Some("/x"));
        assert_eq!(of_lines(&format!("{key}=/url"), &[(key, "/x"), (key, "")]).get(key), Some("/url"));
    }
}

#[test]
fn a_variable_that_is_no_utf_8_is_obeyed_as_a_path_and_refused_as_a_word() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"/\xff.pem");
    let with = |set: &str| {
        let variable = |name: &str| (name == set).then(|| odd.to_owned());
        libpq::LibpqSettings::resolve(&Parameters::default(), &Environment { variable: &variable, home: None }, false)
    };
    assert_eq!(with("PGSSLROOTCERT").unwrap().tls.trust.unwrap().path, odd);
    assert_eq!(with("PGSSLCERT").unwrap().tls.identity.unwrap().certificates.path, odd);
    for variable in ["PGSSLMODE", "PGSSLCRL", "PGSSLSNI", "PGSSLMINPROTOCOLVERSION"] {
        let error = with(variable).unwrap_err();
        assert!(error.starts_with(&format!("{variable} of the environment `")), "{error}");
    }
}

#[test]
fn a_directory_that_is_none_has_no_usual_files() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for mode in ["prefer", "require", "verify-full"] {
        let tls = postgres(&format!("sslmode={mode}"), &[], Some(file.path())).unwrap().tls;
        assert_eq!((tls.trust, tls.identity), (None, None), "{mode}");
    }
}

#[test]
fn trusting_the_system_and_no_name_is_told() {
    use mysql::MysqlSettings;
    for (query, is_weak) in [
        ("sslmode=verify-ca", true),
        ("sslmode=verify-full", false),
        ("sslmode=require", false),
        ("sslmode=verify-ca&sslrootcert=/ca.pem", false),
    ] {
        assert_eq!(postgres(query, &[], None).unwrap().tls.weakness().is_some(), is_weak, "{query}");
    }
    for (query, is_weak) in
        [("ssl-mode=VERIFY_CA", true), ("ssl-mode=VERIFY_IDENTITY", false), ("", false), ("ssl-ca=/ca.pem", false)]
    {
        let settings = MysqlSettings::resolve(&Parameters::parse(query, mysql::key_of)).unwrap();
        assert_eq!(settings.tls().weakness().is_some(), is_weak, "{query}");
    }
}

#[test]
fn a_wrong_value_is_told_with_its_name_and_what_is_allowed_and_never_with_a_password() {
    for (url, words) in [
        (
            "postgres://u:geheim@h/d?sslmode=Require",
            &["sslmode `Require`", "disable, allow, prefer", "verify-full"][..],
        ),
        ("postgres://u:geheim@h/d?ssl=1", &["ssl `1`", "true"]),
        ("postgres://u:geheim@h/d?sslpassword=geheim", &["sslpassword", "not read"]),
        ("postgres://u:geheim@h/d?sslcrl=/x", &["sslcrl `/x`", "not read"]),
        ("postgres://u:geheim@h/d?sslcrldir=/x", &["sslcrldir `/x`", "not read"]),
        ("postgres://u:geheim@h/d?sslnegotiation=direct", &["sslnegotiation `direct`", "postgres"]),
        ("postgres://u:geheim@h/d?channel_binding=yes", &["channel_binding `yes`", "prefer, disable and require"]),
        ("postgres://u:geheim@h/d?gssencmode=require", &["gssencmode `require`", "prefer and disable"]),
        ("postgres://u:geheim@h/d?sslcertmode=require", &["sslcertmode `require`", "allow and disable"]),
        ("postgres://u:geheim@h/d?sslsni=2", &["sslsni `2`", "1 and 0"]),
        ("postgres://u:geheim@h/d?ssl_min_protocol_version=3", &["ssl_min_protocol_version `3`", "TLSv1.3"]),
        ("postgres://u:geheim@h/d?ssl_max_protocol_version=TLSv1.1", &["neither TLSv1.2 nor TLSv1.3"]),
        ("postgres://u:geheim@h/d?sslrootcert=system&sslmode=require", &["sslmode require", "verify-full"]),
        ("mysql://u:geheim@h/d?ssl-mode=on", &["ssl-mode `on`", "DISABLED, PREFERRED, REQUIRED, VERIFY_CA"]),
        ("mysql://u:geheim@h/d?ssl=maybe", &["ssl `maybe`", "0 and 1"]),
        ("mysql://u:geheim@h/d?ssl-crl=/x", &["ssl-crl", "not read"]),
        ("mysql://u:geheim@h/d?ssl-passphrase=geheim", &["ssl-passphrase", "not read"]),
    ] {
        let error = DatabaseUrl::parse(url).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{url}: {word:?} is not in {error}");
        }
        assert!(!error.contains("geheim"), "{error}");
        // Its form is good.
        assert!(!error.contains("sqlite:"), "{error}");
    }
}

#[test]
fn a_certificate_whose_key_is_not_named_has_the_usual_one() {
    assert!(DatabaseUrl::parse("postgres://u@h/d?sslcert=/etc/client.pem").is_ok());
    let home = tempfile::tempdir().unwrap();
    let shown = postgres("sslcert=/c.pem", &[("PGSSLKEY", "/k.pem")], Some(home.path())).unwrap().tls.identity.unwrap();
    assert_eq!((shown.certificates.path.to_str(), shown.key.path.to_str()), (Some("/c.pem"), Some("/k.pem")));
    let shown = postgres("sslcert=/c.pem", &[], Some(home.path())).unwrap().tls.identity.unwrap();
    assert_eq!(shown.key.path, home.path().join(".postgresql/postgresql.key"));
    assert_eq!(postgres("", &[], Some(home.path())).unwrap().tls.identity, None);
}

#[test]
fn keys_of_mysql_mean_what_its_clients_make_of_them() {
    use mysql::MysqlMode::{Disabled, Preferred, Required, VerifyCa, VerifyIdentity};
    for (query, mode) in [
        ("", Preferred),
        ("ssl-mode=verify_ca", VerifyCa),
        ("SSL_MODE=Required", Required),
        ("ssl-ca=/ca.pem", VerifyCa),
        ("ssl-capath=/certs", VerifyCa),
        ("tls-ca=/ca.pem", VerifyCa),
        ("ssl-ca=/ca.pem&ssl-verify-server-cert=1", VerifyIdentity),
        ("tls_verify_peer=on", VerifyIdentity),
        ("ssl-ca=/ca.pem&ssl-mode=REQUIRED", Required),
        ("ssl-cert=/c.pem", Required),
        ("ssl-enforce=1", Required),
        ("ssl=1", Required),
        ("ssl=0", Disabled),
        ("ssl=0&ssl-ca=/ca.pem", VerifyCa),
        ("ssl=0&ssl-cert=/c.pem", Required),
        ("ssl=0&ssl-enforce=1", Required),
        ("ssl=0&ssl-verify-server-cert=1", VerifyIdentity),
        ("ssl-cipher=AES", Preferred),
    ] {
        let settings = mysql::MysqlSettings::resolve(&Parameters::parse(query, mysql::key_of)).unwrap();
        assert_eq!(settings.mode, mode, "{query}");
    }
    assert_eq!(mysql::switch_of("skip-ssl"), Some(("ssl", "0")));
    assert_eq!(mysql::switch_of("ssl_verify_server_cert"), Some(("ssl-verify-server-cert", "1")));
    assert_eq!(mysql::switch_of("ssl-ca"), None);
    assert_eq!(mysql::switch_of("quick"), None);
}

#[test]
fn files_that_are_named_and_of_no_use_are_told_before_anybody_connects() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    fs::write(path("empty"), "nothing").unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(path("cert"), certificate.pem()).unwrap();
    fs::write(path("key"), key.serialize_pem()).unwrap();
    fs::write(path("other"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    fs::write(path("locked"), "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
        .unwrap();
    for name in ["key", "other", "locked"] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    for (name, kind) in [("weak", &["rsa:1024"][..]), ("curve", &["ec", "-pkeyopt", "ec_paramgen_curve:P-521"])] {
        let (key, certificate) = (path(name), path(&format!("{name}-cert")));
        let made = std::process::Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-subj", "/CN=x", "-keyout", &key, "-out", &certificate, "-newkey"])
            .args(kind)
            .output();
        assert!(made.unwrap().status.success(), "{kind:?}");
    }
    let checked = |url: String| check(&DatabaseUrl::parse(&url).unwrap(), "db_url");
    for (query, word) in [
        (format!("sslmode=verify-ca&sslrootcert={}", path("none")), "No such file"),
        (format!("sslrootcert={}", path("none")), "No such file"),
        (format!("sslmode=verify-ca&sslrootcert={}", path("empty")), "no certificate is in it"),
        (format!("sslcert={}&sslkey={}", path("none"), path("key")), "No such file"),
        (format!("sslcert={}&sslkey={}", path("cert"), path("none")), "No such file"),
        (format!("sslcert={}&sslkey={}", path("empty"), path("key")), "no certificate is in it"),
        (format!("sslkey={}", path("none")), "sslcert names one"),
        (format!("sslmode=require&sslkey={}", path("key")), "sslcert names one"),
        (format!("sslcert={}&sslkey={}", path("cert"), path("cert")), "others may read it"),
        (format!("sslcert={}&sslkey={}", path("cert"), path("locked")), "it is encrypted"),
        (format!("sslcert={}&sslkey={}", path("cert"), path("other")), "no key for the certificate"),
        (
            format!("sslcert={}&sslkey={}", path("weak-cert"), path("weak")),
            "RSA keys of 2048 to 4096 bits, P-256, P-384",
        ),
        (
            format!("sslcert={}&sslkey={}", path("curve-cert"), path("curve")),
            "RSA keys of 2048 to 4096 bits, P-256, P-384",
        ),
    ] {
        let why = checked(format!("postgres://u:geheim@h/d?{query}")).unwrap_err();
        assert!(why.starts_with("ssl") && why.contains(word), "{query}: {why}");
        // In clear nobody needs them.
        let in_clear = query.replace("sslmode=verify-ca&", "").replace("sslmode=require&", "");
        assert_eq!(checked(format!("postgres://u@h/d?{in_clear}&sslmode=disable")), Ok(()));
        assert_eq!(checked(format!("postgres://u@/d?{in_clear}")), Ok(()));
    }
    for (query, word) in [
        (format!("ssl-ca={}", path("none")), "No such file"),
        (format!("ssl-mode=REQUIRED&ssl-ca={}", path("none")), "No such file"),
        (format!("ssl-cert={}&ssl-key={}", path("cert"), path("locked")), "it is encrypted"),
        (format!("ssl-cert={}&ssl-key={}", path("cert"), path("other")), "no key for the certificate"),
        (format!("ssl-cert={}&ssl-key={}", path("curve-cert"), path("curve")), "P-256, P-384 and Ed25519 are read"),
    ] {
        let why = checked(format!("mysql://u:geheim@h/d?{query}")).unwrap_err();
        assert!(why.starts_with("ssl-") && why.contains(word), "{query}: {why}");
    }
    assert_eq!(checked(format!("mysql://u@h/d?ssl-mode=DISABLED&ssl-ca={}", path("none"))), Ok(()));
    assert_eq!(checked(format!("postgres://u@h/d?sslcertmode=disable&sslkey={}", path("none"))), Ok(()));
    let (cert, key) = (path("cert"), path("key"));
    let good = format!("sslmode=verify-full&sslrootcert={cert}&sslcert={cert}&sslkey={key}");
    assert_eq!(checked(format!("postgres://u@h/d?{good}")), Ok(()));
    assert_eq!(checked(format!("mysql://u@h/d?ssl-ca={cert}&ssl-cert={cert}&ssl-key={key}")), Ok(()));
    // A key that is not known is no error.
    assert_eq!(checked("postgres://u@h/d?application_name=x&sslmode=disable".to_owned()), Ok(()));
}
