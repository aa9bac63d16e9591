//! TLS to MySQL and MariaDB by the names of their clients: keys of the URL's query, then the lines of option files,
//! `-` and `_` alike.
//!
//! The client library that is used trusts a file of certificates alone, so what else is trusted is handed to it in a
//! file in memory.

use super::{
    ClientCertificate, ClientTls, NamedPath, Parameters, TlsFault, Verification, usable_certificates,
    version_3_identity,
};
use mysql::{ClientIdentity, SslOpts};
use pem::Pem;
use rustix::fs::{MemfdFlags, memfd_create};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The key that names trusted certificates.
const TRUST: &str = "ssl-ca";
/// Keys that are obeyed.
const KEYS: [&str; 8] =
    ["ssl-mode", TRUST, "ssl-capath", "ssl-cert", "ssl-key", "ssl-verify-server-cert", "ssl-enforce", "ssl"];
/// Keys that narrow down whom to trust, or name a secret, and cannot be obeyed.
const REFUSED: [(&str, &str); 6] = [
    ("ssl-crl", "lists of revoked certificates are not read"),
    ("ssl-crlpath", "lists of revoked certificates are not read"),
    ("ssl-fp", "fingerprints are not compared; ssl-ca can name the server's own certificate"),
    ("ssl-fp-list", "fingerprints are not compared; ssl-ca can name the server's own certificate"),
    ("ssl-fplist", "fingerprints are not compared; ssl-ca can name the server's own certificate"),
    ("ssl-passphrase", "encrypted keys are not read; `openssl pkey -in KEY -out NEW` writes one without its password"),
];
/// Keys that choose between ciphers and versions. All that are spoken are strong, so leaving them out makes nothing
/// weaker.
const NEEDLESS: [&str; 2] = ["ssl-cipher", "tls-version"];

/// Keys that option files may leave empty, which clients take for not given.
const EMPTY_IS_NONE: [&str; 8] =
    [TRUST, "ssl-capath", "ssl-cert", "ssl-key", "ssl-crl", "ssl-crlpath", "ssl-cipher", "tls-version"];

/// The key that is meant by a name, in a URL or an option file. MariaDB's library has names with `tls-` for the same.
pub(in crate::sink) fn key_of(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let name = match name.strip_prefix("tls-") {
        Some("version") | None => name,
        Some("verify-peer") => "ssl-verify-server-cert".to_owned(),
        Some(rest) => format!("ssl-{rest}"),
    };
    let keys = KEYS.into_iter().chain(REFUSED.map(|(key, _)| key)).chain(NEEDLESS);
    keys.into_iter().find(|key| *key == name)
}

/// The key and value of a line of an option file that has no `=`, or begins with `skip-`.
pub(in crate::sink) fn switch_of(name: &str) -> Option<(&'static str, &'static str)> {
    let skipped = name.strip_prefix("skip-").or_else(|| name.strip_prefix("skip_"));
    let key = key_of(skipped.unwrap_or(name))?;
    let is_switch = ["ssl", "ssl-verify-server-cert", "ssl-enforce"].contains(&key);
    is_switch.then_some((key, if skipped.is_some() { "0" } else { "1" }))
}

/// Takes a line of an option file: an empty one may take back those before it.
pub(in crate::sink) fn take_line(parameters: &mut Parameters, key: &'static str, text: String, file: &Path) {
    match text.is_empty() && EMPTY_IS_NONE.contains(&key) {
        true => parameters.take_back(key),
        false => parameters.complete(key, text, file),
    }
}

/// `ssl-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sink) enum MysqlMode {
    /// In clear.
    Disabled,
    /// With TLS if the server has it and the two come to terms, else in clear. This is the default.
    Preferred,
    /// With TLS.
    Required,
    /// With TLS, to a server whose certificate is trusted.
    VerifyCa,
    /// As [`MysqlMode::VerifyCa`], and its certificate is one for the host.
    VerifyIdentity,
}

const MODES: [(&str, MysqlMode); 5] = [
    ("DISABLED", MysqlMode::Disabled),
    ("PREFERRED", MysqlMode::Preferred),
    ("REQUIRED", MysqlMode::Required),
    ("VERIFY_CA", MysqlMode::VerifyCa),
    ("VERIFY_IDENTITY", MysqlMode::VerifyIdentity),
];

impl MysqlMode {
    /// Its name.
    pub fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// How to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sink) struct MysqlSettings {
    pub mode: MysqlMode,
    /// Whether `ssl-mode` says so, and not what other keys make of it.
    is_mode_named: bool,
    trust: Option<NamedPath>,
    identity: Option<ClientCertificate>,
}

/// What the client library is given, and the file in memory that it reads while it connects.
pub(in crate::sink) struct PreparedTls {
    pub options: SslOpts,
    _trusted: Option<File>,
}

impl MysqlSettings {
    /// What `parameters` ask for. Reads no file.
    ///
    /// # Errors
    /// The name of a key, its value, and what is allowed.
    pub fn resolve(parameters: &Parameters) -> Result<MysqlSettings, String> {
        parameters.refuse_misspelt(&KEYS)?;
        parameters.refuse_empty()?;
        for (key, why) in REFUSED {
            if parameters.get(key).is_some() {
                return Err(format!("{}: {why}; leave it out", parameters.name(key)));
            }
        }
        let path = |key: &str| {
            let path = PathBuf::from(parameters.get(key)?);
            Some(NamedPath { parameter: parameters.name(key), path, is_named: true })
        };
        let (certificates, key) = (path("ssl-cert"), path("ssl-key"));
        // Either may hold the other too.
        let identity = match (certificates.clone().or(key.clone()), key.or(certificates)) {
            (Some(certificates), Some(key)) => Some(ClientCertificate { certificates, key, is_private: false }),
            _ => None,
        };
        let trust = path(TRUST).or_else(|| path("ssl-capath"));
        let mode = mode(parameters, trust.is_some(), identity.is_some())?;
        Ok(MysqlSettings { mode, is_mode_named: parameters.get("ssl-mode").is_some(), trust, identity })
    }

    /// Whether TLS is asked for so plainly that a server that has a Unix socket too is reached over TCP.
    pub fn needs_tcp(&self) -> bool {
        self.is_mode_named && self.mode > MysqlMode::Preferred
    }

    /// Keys that were given and make no difference.
    pub fn needless(parameters: &Parameters) -> Vec<String> {
        NEEDLESS.iter().filter(|key| parameters.get(key).is_some()).map(|key| parameters.name(key)).collect()
    }

    fn verification(&self) -> Verification {
        match self.mode {
            MysqlMode::VerifyIdentity => Verification::ChainAndName,
            MysqlMode::VerifyCa => Verification::Chain,
            _ => Verification::None,
        }
    }

    /// What the client library takes; reads the files, so that what is wrong with them is told by their names.
    pub fn prepare(&self) -> Result<PreparedTls, TlsFault> {
        let verification = self.verification();
        let mut options = SslOpts::default()
            .with_danger_accept_invalid_certs(verification == Verification::None)
            .with_danger_skip_domain_validation(verification != Verification::ChainAndName);
        if let Some(shown) = &self.identity {
            version_3_identity(shown, &ring::default_provider())?;
            let (certificates, key) = (shown.certificates.path.clone(), shown.key.path.clone());
            options = options.with_client_identity(Some(ClientIdentity::new(certificates, key)));
        }
        let mut trusted = None;
        if verification != Verification::None {
            let certificates = usable_certificates(self.trust.as_ref(), TRUST)?;
            let (file, path) =
                in_memory(&certificates).map_err(|why| TlsFault::of_system(format!("trusted certificates: {why}")))?;
            options = options.with_root_cert_path(Some(path));
            trusted = Some(file);
        }
        Ok(PreparedTls { options, _trusted: trusted })
    }

    /// Reads the files, and those of trusted certificates too where nothing is to be looked at; sees whether the key
    /// fits.
    pub fn check(&self) -> Result<(), TlsFault> {
        self.prepare()?;
        self.tls().check()
    }

    /// How TLS is spoken, whoever speaks it.
    pub fn tls(&self) -> ClientTls {
        ClientTls {
            verification: self.verification(),
            trust: self.trust.clone(),
            trust_parameter: TRUST,
            identity: self.identity.clone(),
            versions: rustls::DEFAULT_VERSIONS,
            sends_name: true,
        }
    }

    /// How the mode and what is trusted are told in errors.
    pub fn describe(&self) -> String {
        let mode = self.mode.name();
        match &self.trust {
            _ if self.verification() == Verification::None => format!("ssl-mode {mode}"),
            Some(trust) => format!("ssl-mode {mode}, {} `{}`", trust.parameter, trust.path.display()),
            None => format!("ssl-mode {mode}, the system's certificates are trusted: ssl-ca can name others"),
        }
    }
}

/// `ssl-mode`, or what the other keys make of it: who names certificates to trust wants them looked at.
fn mode(parameters: &Parameters, trusts: bool, shows: bool) -> Result<MysqlMode, String> {
    if let Some(text) = parameters.get("ssl-mode") {
        let known = MODES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, mode)| *mode);
        return known.ok_or_else(|| {
            let names = MODES.map(|(name, _)| name).join(", ");
            format!("{} `{text}`: {names} are allowed", parameters.name("ssl-mode"))
        });
    }
    let switch = |key: &str| match parameters.get(key).map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("1" | "on" | "true" | "yes") => Ok(Some(true)),
        Some("0" | "off" | "false" | "no") => Ok(Some(false)),
        Some(text) => Err(format!("{} `{text}`: 0 and 1 are allowed", parameters.name(key))),
    };
    let (verified, enforced, ssl) = (switch("ssl-verify-server-cert")?, switch("ssl-enforce")?, switch("ssl")?);
    Ok(match (verified, trusts, enforced.unwrap_or_default() || shows, ssl) {
        (Some(true), ..) => MysqlMode::VerifyIdentity,
        (_, true, ..) => MysqlMode::VerifyCa,
        (_, _, true, _) | (.., Some(true)) => MysqlMode::Required,
        (.., Some(false)) => MysqlMode::Disabled,
        (.., None) => MysqlMode::Preferred,
    })
}

/// A file that holds `certificates`, as PEM, and the path by which this process can open it as long as it has it.
fn in_memory(certificates: &[CertificateDer<'_>]) -> Result<(File, PathBuf), String> {
    let descriptor = memfd_create("trusted-certificates", MemfdFlags::CLOEXEC).map_err(|error| error.to_string())?;
    let mut file = File::from(descriptor);
    let path = Path::new("/proc/self/fd").join(file.as_raw_fd().to_string());
    let blocks: Vec<Pem> =
        certificates.iter().map(|certificate| Pem::new("CERTIFICATE", certificate.to_vec())).collect();
    file.write_all(pem::encode_many(&blocks).as_bytes()).map_err(|error| error.to_string())?;
    match path.exists() {
        true => Ok((file, path)),
        false => Err("/proc must be mounted where the server runs".to_owned()),
    }
}
