//! TLS to PostgreSQL and MariaDB: what servers ask for, what they show, and what a URL asks for.

use super::*;
use crate::common::certificate::{Authority, Issued, certificate_of};
use crate::common::database::PASSWORD;
use sipcapture_core::sink::SinkError::Unavailable;
use std::path::Path;

/// Kinds of keys, in the words of `openssl req -newkey`, that servers sign with and that this client cannot verify.
const UNVERIFIABLE: [&[&str]; 3] = [&["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], &["ed448"], &["rsa-pss"]];

/// A certificate of a server that has signed it itself with a key of this kind.
fn of_kind(directory: &TempDir, kind: &[&str]) -> Issued {
    let (key, certificate) = certificate_of(directory.path(), kind);
    Issued { certificate: certificate.into(), key: key.into() }
}

mod faults;
mod mariadb;
mod postgres;

fn sink_of(url: &str) -> Box<dyn Sink> {
    open(url, &SinkOptions { create_tables: true, ..SinkOptions::default() })
}

/// Writes a row through a new sink for `url`, which stays open.
fn store(url: &str) -> Result<Box<dyn Sink>, String> {
    let mut sink = sink_of(url);
    match write(&mut *sink, "sip_capture", &[texts(&[("callid", b"c1")])]) {
        Ok(_) => Ok(sink),
        Err(Unavailable(why)) => {
            assert!(!why.contains(PASSWORD), "{why}");
            Err(why)
        }
        Err(other) => panic!("{url}: {other}"),
    }
}

/// Asserts that nothing can be written to `url`, for a reason that has all of `words`.
fn assert_refused(url: &str, words: &[&str]) {
    let why = store(url).err().unwrap_or_else(|| panic!("{url} takes a row"));
    for word in words {
        assert!(why.contains(word), "{url}: {word:?} is not in {why}");
    }
}

/// `?name=path`, and more.
fn query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("?{}", pairs.join("&"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the tests is a text")
}

/// Asserts of each URL whether it is taken, with TLS, or refused for its certificate with these words.
fn assert_looked_at<const N: usize>(
    is_encrypted: impl Fn(&str) -> bool,
    outcomes: [(String, Result<(), &str>, String); N],
) {
    for (url, outcome, place) in outcomes {
        match outcome {
            Ok(()) => assert!(is_encrypted(&url), "{url}"),
            Err(word) => assert_refused(&url, &["certificate", word, &place]),
        }
    }
}
