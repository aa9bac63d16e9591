//! Certificates and keys in PEM files.

use super::{ClientCertificate, NamedPath, TlsFault};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What names of trusted certificates may be.
const PEM_OR_DIRECTORY: &str = "a PEM file, or a directory of such, is needed";

/// The certificates of a file, or of the files of a directory; else those that the system trusts. Those that cannot be
/// used are left out, with a warning where they were named. `parameter` is what could name them.
pub(in crate::sink) fn usable_certificates(
    trust: Option<&NamedPath>,
    parameter: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let found = match trust.map(|trust| trust.path.as_path()) {
        Some(directory) if directory.is_dir() => load_certs_from_paths(None, Some(directory)),
        Some(file) => load_certs_from_paths(Some(file), None),
        None => load_native_certs(),
    };
    if let Some(trust) = trust
        && let Some(error) = found.errors.first()
    {
        let is_denied = is_denied(&trust.path);
        return Err(TlsFault::of(trust, format!("{error}; {PEM_OR_DIRECTORY}"), is_denied));
    }
    let count = found.certs.len();
    let is_usable =
        |certificate: &CertificateDer<'_>| RootCertStore::empty().add(certificate.clone().into_owned()).is_ok();
    let usable: Vec<_> = found.certs.into_iter().filter(|certificate| is_usable(certificate)).collect();
    match trust {
        Some(trust) if usable.is_empty() => {
            Err(TlsFault::of(trust, format!("no certificate is in it; {PEM_OR_DIRECTORY}"), false))
        }
        Some(trust) if usable.len() < count => {
            let unusable = count - usable.len();
            log::warn!("{} `{}`: {unusable} certificates cannot be used", trust.parameter, trust.path.display());
            Ok(usable)
        }
        None if usable.is_empty() => {
            let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            let why =
                format!("the system trusts no certificate, so {parameter} must name a file: {}", reasons.join(", "));
            Err(TlsFault::of_system(why))
        }
        _ => Ok(usable),
    }
}

/// Whether what is wrong with `path` is that this process may not read it.
fn is_denied(path: &Path) -> bool {
    fs::File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// A client's certificate chain and its key. Whether they belong together is seen where the certificate can be read:
/// what a server takes is for the server to say, and those of X.509 version 1 cannot be read here.
pub(in crate::sink) fn identity(
    identity: &ClientCertificate,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsFault> {
    let text = read(&identity.certificates)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = match certificates {
        Ok(certificates) if !certificates.is_empty() => certificates,
        Ok(_) => {
            return Err(TlsFault::of(&identity.certificates, "no certificate is in it; a PEM file is needed", false));
        }
        Err(error) => {
            return Err(TlsFault::of(&identity.certificates, format!("{error}; a PEM file is needed"), false));
        }
    };
    let key = provider.key_provider.load_private_key(key(&identity.key, identity.is_private)?).map_err(|error| {
        TlsFault::of(
            &identity.key,
            format!("{error}; RSA keys of 2048 to 4096 bits, P-256, P-384 and Ed25519 are read"),
            false,
        )
    })?;
    let certified = CertifiedKey::new(certificates, key);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(TlsFault::of(&identity.key, "it is no key for the certificate", false))
        }
        _ => Ok(certified),
    }
}

/// As [`identity`], for a client library that shows no certificate which it cannot read.
pub(in crate::sink) fn version_3_identity(
    shown: &ClientCertificate,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsFault> {
    let certified = identity(shown, provider)?;
    match certified.end_entity_cert().and_then(ParsedCertificate::try_from) {
        Ok(_) => Ok(certified),
        Err(error) => {
            let why = format!(
                "{error}; X.509 version 3 is needed, which `openssl x509 -req` makes with -extfile, or -copy_extensions copy"
            );
            Err(TlsFault::of(&shown.certificates, why, false))
        }
    }
}

fn key(named: &NamedPath, is_private: bool) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let text = read(named)?;
    let metadata = fs::metadata(&named.path).map_err(|error| TlsFault::of(named, error, false))?;
    // libpq's rule: of root's own keys, which certificate managers hand out by groups, the group may read.
    let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if is_private && metadata.mode() & others != 0 {
        let allowed = "others may read it; mode 0600, or 0640 where root owns it, is needed";
        return Err(TlsFault::of(named, allowed, false));
    }
    if text.windows(9).any(|word| word == b"ENCRYPTED") {
        let why =
            "it is encrypted, which cannot be read; `openssl pkey -in KEY -out NEW` writes it without its password";
        return Err(TlsFault::of(named, why, false));
    }
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| TlsFault::of(named, format!("{error}; a private key in a PEM file is needed"), false))
}

fn read(named: &NamedPath) -> Result<Vec<u8>, TlsFault> {
    fs::read(&named.path).map_err(|error| TlsFault::of(named, &error, error.kind() == ErrorKind::PermissionDenied))
}
