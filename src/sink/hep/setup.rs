//! What all links of a collector share: the options, and the TLS configuration that is made of them when it is first needed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::names::LookUp;
use super::{CollectorOptions, TlsOptions};

/// What all links of a collector share.
pub(super) struct Setup {
    pub options: CollectorOptions,
    pub look_up: LookUp,
    tls: Mutex<Option<Arc<ClientConfig>>>,
}

impl Setup {
    pub fn new(options: CollectorOptions, look_up: LookUp) -> Setup {
        Setup { options, look_up, tls: Mutex::new(None) }
    }

    /// The TLS configuration. One that cannot be made is tried again the next time: the file may come.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        let mut made = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        match &*made {
            Some(config) => Ok(Arc::clone(config)),
            None => Ok(Arc::clone(made.insert(Arc::new(client_config(&self.options.tls)?)))),
        }
    }
}

impl TlsOptions {
    /// Whether connections can be made with these options: reads the certificates that are to be trusted.
    ///
    /// # Errors
    /// What is wrong with `tls_ca`, or with the system's store.
    pub fn check(&self) -> Result<(), String> {
        client_config(self).map(drop)
    }
}

fn client_config(options: &TlsOptions) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    if !options.verify {
        let anyone = Arc::new(Anyone { provider });
        return Ok(builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth());
    }
    let roots = match &options.ca {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The certificates of a file, or of the files of a directory.
fn roots_of(path: &Path) -> Result<RootCertStore, String> {
    let (file, directory) = if path.is_dir() { (None, Some(path)) } else { (Some(path), None) };
    let found = rustls_native_certs::load_certs_from_paths(file, directory);
    if let Some(error) = found.errors.first() {
        return Err(format!("tls_ca `{}` cannot be read: {error}", path.display()));
    }
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    if unusable > 0 {
        log::warn!("tls_ca `{}`: {unusable} certificates cannot be used", path.display());
    }
    if roots.is_empty() {
        return Err(format!("tls_ca `{}` holds no certificate: a file in PEM form is needed", path.display()));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    Err(format!("the system trusts no certificate, so tls_ca must name a file: {}", reasons.join(", ")))
}

/// Accepts every certificate, also those that cannot be read: for `tls_verify=0`.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
