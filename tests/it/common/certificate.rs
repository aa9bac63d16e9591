//! Keys and certificates for TLS.

use std::path::Path;
use std::process::{Command, Stdio};

/// Makes a key and a certificate for the loopback address; the answers are their files.
pub fn certificate(directory: &Path) -> (String, String) {
    let [key, certificate] = ["key.pem", "cert.pem"].map(|name| directory.join(name).display().to_string());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"])
        .args(["-keyout", &key, "-out", &certificate])
        .stderr(Stdio::null())
        .status();
    assert!(made.expect("openssl runs").success());
    (key, certificate)
}
