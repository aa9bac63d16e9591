//! What all links of a collector share: the options, and the TLS configuration that is made of them when it is first needed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};

use super::{CollectorOptions, TlsOptions};

/// What all links of a collector share.
pub(super) struct Setup {
    pub options: CollectorOptions,
    /// Whether there are several destinations, of which one stands in for another.
    pub has_stand_ins: bool,
    tls: Mutex<Option<Arc<ClientConfig>>>,
}

impl Setup {
    pub fn new(options: CollectorOptions, has_stand_ins: bool) -> Setup {
        Setup { options, has_stand_ins, tls: Mutex::new(None) }
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
    /// What is wrong with `ca`, or without one with the system's store, and what is needed.
    pub fn check(&self) -> Result<(), String> {
        if self.verify { roots(self.ca.as_deref()).map(drop) } else { Ok(()) }
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
    let roots = roots(options.ca.as_deref()).map_err(|reason| match &options.ca {
        Some(ca) => format!("tls_ca `{}`: {reason}", ca.display()),
        None => reason,
    })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The certificates of a file, or of the files of a directory; else those that the system trusts.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let found = match ca {
        Some(directory) if directory.is_dir() => load_certs_from_paths(None, Some(directory)),
        Some(file) => load_certs_from_paths(Some(file), None),
        None => load_native_certs(),
    };
    if ca.is_some()
        && let Some(error) = found.errors.first()
    {
        return Err(format!("{error}; a PEM file, or a directory of such, is needed"));
    }
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    match ca {
        Some(_) if roots.is_empty() => {
            Err("no certificate is in it; a PEM file, or a directory of such, is needed".to_owned())
        }
        Some(ca) if unusable > 0 => {
            log::warn!("tls_ca `{}`: {unusable} certificates cannot be used", ca.display());
            Ok(roots)
        }
        None if roots.is_empty() => {
            let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            Err(format!("the system trusts no certificate, so tls_ca must name a file: {}", reasons.join(", ")))
        }
        _ => Ok(roots),
    }
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
