//! TLS to collectors and databases: whom a client trusts, and who it says that it is.
//!
//! ```text
//! a URL's query ─► parameters ─┬─► libpq  what PostgreSQL's names mean ─┐
//! option files ────────────────┴─► mysql  what MySQL's names mean ──────┼─► ClientTls ─► files, verify ─► rustls
//! tls_ca, tls_verify ───────────────────────────────────────────────────┘
//! ```
//!
//! The sinks call this room; it reads the files that parameters name and opens no connection. [`stream`] puts a session
//! into a connection of the PostgreSQL client; the MySQL client does that itself, and HEP links in [`hep`](super::hep).

mod downgrade;
mod end_point;
mod files;
pub(super) mod libpq;
pub(super) mod mysql;
mod named_value;
pub(super) mod parameters;
pub(super) mod stream;
#[cfg(test)]
mod tests;
mod verify;

use rustls::crypto::ring;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, SupportedProtocolVersion};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) use downgrade::say_downgrade;
pub(super) use files::{identity, usable_certificates, version_3_identity};
pub use parameters::Parameters;

/// How far a server's certificate is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verification {
    /// Any certificate will do.
    None,
    /// It must be signed by one that is trusted, and valid now.
    Chain,
    /// As [`Verification::Chain`], and it must be one for the server's name or address.
    ChainAndName,
}

/// A file or directory, and the parameter that names it, for errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedPath {
    /// Such as `sslrootcert`.
    pub parameter: String,
    /// The file or directory.
    pub path: PathBuf,
    /// Whether an operator named it; otherwise it is where the client library looks by default.
    pub is_named: bool,
}

/// A client's certificate chain and its key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientCertificate {
    pub certificates: NamedPath,
    pub key: NamedPath,
    /// Whether a key that others may read is refused, as libpq does.
    pub is_private: bool,
}

/// Why files are of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{subject}{reason}")]
pub(super) struct TlsFault {
    /// The parameter and its value, with a colon behind; empty where no parameter is at fault.
    pub subject: String,
    /// What is wrong, and what would be right.
    pub reason: String,
    /// Whether an operator's word is wrong for certain: the file was named, and it is more than that this process may
    /// not read it.
    pub is_certain: bool,
}

impl TlsFault {
    /// A fault of this machine's, or of nobody's in particular.
    pub fn of_system(reason: String) -> TlsFault {
        TlsFault { subject: String::new(), reason, is_certain: false }
    }

    /// A value that will not do.
    pub fn of_values(reason: String) -> TlsFault {
        TlsFault { subject: String::new(), reason, is_certain: true }
    }

    fn of(named: &NamedPath, reason: impl std::fmt::Display, is_denied: bool) -> TlsFault {
        let NamedPath { parameter, path, is_named } = named;
        let subject = format!("{parameter} `{}`: ", path.display());
        TlsFault { subject, reason: reason.to_string(), is_certain: *is_named && !is_denied }
    }
}

/// What the system or a session says of a connection that has broken, in words for an operator.
pub(super) fn describe_broken(error: &std::io::Error) -> String {
    // rustls tells of a peer that closes without saying so (close_notify), which a page explains to programmers.
    if error.kind() == ErrorKind::UnexpectedEof {
        "the server has cut the connection".to_owned()
    } else {
        error.to_string()
    }
}

/// How a client speaks TLS.
#[derive(Clone, Debug)]
pub(super) struct ClientTls {
    /// How far certificates are looked at.
    pub verification: Verification,
    /// Trusted certificates: a PEM file, or a directory of them. `None`: those that the system trusts.
    pub trust: Option<NamedPath>,
    /// What could name them, for errors.
    pub trust_parameter: &'static str,
    /// What the client shows when it is asked.
    pub identity: Option<ClientCertificate>,
    /// Versions of the protocol.
    pub versions: &'static [&'static SupportedProtocolVersion],
    /// Whether the server is told by which name it was called.
    pub sends_name: bool,
}

impl ClientTls {
    /// Reads the files, and those of trusted certificates too where nothing is to be looked at.
    pub fn check(&self) -> Result<(), TlsFault> {
        self.config()?;
        self.trust.as_ref().map_or(Ok(()), |trust| usable_certificates(Some(trust), self.trust_parameter).map(drop))
    }

    /// What an operator should know of that is no error: nobody looks at the server's name, and anybody can have a
    /// certificate that the system trusts.
    pub fn weakness(&self) -> Option<String> {
        let is_weak = self.verification == Verification::Chain && self.trust.is_none();
        is_weak.then(|| {
            let name = self.trust_parameter;
            format!(
                "the server's name is not looked at, and its certificate may be any that the system trusts: name the server's \
                 authority by {name}, or ask for its name"
            )
        })
    }

    /// The configuration that rustls takes; reads the files.
    pub fn config(&self) -> Result<ClientConfig, TlsFault> {
        let internal = |error: rustls::Error| TlsFault::of_system(format!("TLS: {error}"));
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions)
            .map_err(internal)?;
        let verifier = match self.verification {
            Verification::None => verify::anyone(Arc::clone(&provider)),
            Verification::Chain | Verification::ChainAndName => {
                let certificates = usable_certificates(self.trust.as_ref(), self.trust_parameter)?;
                let by_name = self.verification == Verification::ChainAndName;
                verify::trusting(certificates, by_name, Arc::clone(&provider)).map_err(TlsFault::of_system)?
            }
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity(shown, &provider)?)))
            }
        };
        config.enable_sni = self.sends_name;
        Ok(config)
    }
}
