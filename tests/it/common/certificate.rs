//! Keys and certificates for TLS.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Makes a key and a certificate for the loopback address; the answers are their files.
pub fn certificate(directory: &Path) -> (String, String) {
    certificate_of(directory, &["rsa:2048"])
}

/// As [`certificate`], with a key of another kind, in the words of `openssl req -newkey`.
pub fn certificate_of(directory: &Path, kind: &[&str]) -> (String, String) {
    let [key, certificate] = ["key.pem", "cert.pem"].map(|name| directory.join(name).display().to_string());
    openssl(
        &[
            &["req", "-x509", "-newkey"][..],
            kind,
            &["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", &key, "-out", &certificate],
        ]
        .concat(),
    );
    (key, certificate)
}

fn openssl(arguments: &[&str]) {
    let made = Command::new("openssl").args(arguments).stderr(Stdio::null()).status();
    assert!(made.expect("openssl runs").success(), "{arguments:?}");
}

/// Someone who signs certificates, and a directory of what was signed.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

/// A certificate and its key, PEM files; nobody but the user may read the key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Authority {
    /// With a key of its own.
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two authorities are told apart by their names.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("Authority {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let key_text = key.serialize_pem();
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let directory = TempDir::new().expect("a private directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("servers may look in");
        fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("the certificate is written");
        fs::write(directory.path().join("ca-key.pem"), key_text).expect("the key is written");
        Authority { issuer, directory }
    }

    /// The file of its own certificate.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate for a server or client of this name or address.
    pub fn issue(&self, name: &str) -> Issued {
        self.issue_until(name, 2096)
    }

    /// One that was good until the end of 2020.
    pub fn issue_expired(&self, name: &str) -> Issued {
        self.issue_until(name, 2021)
    }

    /// One of X.509 version 1, which has no alternative names.
    pub fn issue_version_1(&self, name: &str) -> Issued {
        self.issue_by_openssl(name, &["rsa:2048"], &[])
    }

    /// One for the loopback address, with a key of this kind in the words of `openssl req -newkey`, signed with this
    /// digest.
    pub fn issue_of(&self, kind: &[&str], digest: &str) -> Issued {
        let names = ["-addext", "subjectAltName=IP:127.0.0.1"];
        self.issue_by_openssl("127.0.0.1", &[kind, &names].concat(), &["-copy_extensions", "copy", digest])
    }

    fn issue_by_openssl(&self, name: &str, kind: &[&str], signing: &[&str]) -> Issued {
        let path = |what: &str| self.directory.path().join(format!("{name}-openssl-{what}.pem"));
        let issued = Issued { certificate: path("certificate"), key: path("key") };
        let signer = self.directory.path().join("ca-key.pem");
        let files = [&issued.certificate, &issued.key, &path("request"), &self.file(), &signer];
        let [certificate, key, request, authority, signer] = files.map(|path| path.display().to_string());
        let subject = format!("/CN={name}");
        let asked = ["-nodes", "-subj", &subject, "-keyout", &key, "-out", &request];
        openssl(&[&["req", "-newkey"], kind, &asked].concat());
        let signed = ["-in", &request, "-CA", &authority, "-CAkey", &signer, "-days", "2", "-out", &certificate];
        openssl(&[&["x509", "-req"], signing, &signed].concat());
        fs::set_permissions(&issued.key, fs::Permissions::from_mode(0o600)).expect("the key is kept");
        issued
    }

    fn issue_until(&self, name: &str, year: i32) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name or address");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("it is signed");
        let path = |kind: &str| self.directory.path().join(format!("{name}-{year}-{kind}.pem"));
        let issued = Issued { certificate: path("certificate"), key: path("key") };
        fs::write(&issued.certificate, certificate.pem()).expect("the certificate is written");
        fs::write(&issued.key, key.serialize_pem()).expect("the key is written");
        fs::set_permissions(&issued.key, fs::Permissions::from_mode(0o600)).expect("the key is kept");
        issued
    }
}
