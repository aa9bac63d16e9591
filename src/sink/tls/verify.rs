//! Verifiers of servers' certificates, for what rustls does not offer: any certificate passes, or any name does.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// Every scheme by which servers sign a handshake, those that nothing here verifies included.
const EVERY_SCHEME: [SignatureScheme; 19] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::ED448,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    // rsa_pss_pss_sha256, rsa_pss_pss_sha384 and rsa_pss_pss_sha512: keys that are for RSASSA-PSS alone.
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080a),
    SignatureScheme::Unknown(0x080b),
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::ML_DSA_44,
    SignatureScheme::ML_DSA_65,
    SignatureScheme::ML_DSA_87,
];

/// Accepts every certificate, also those that cannot be read.
pub(super) fn anyone(provider: Arc<CryptoProvider>) -> Arc<dyn ServerCertVerifier> {
    Arc::new(Verifier { provider, trusting: None })
}

/// Accepts certificates that `trusted` ones have signed, and those of `trusted` themselves; `by_name` for the
/// server's name alone.
pub(super) fn trusting(
    trusted: Vec<CertificateDer<'static>>,
    by_name: bool,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| format!("TLS: {error}"))?;
    Ok(Arc::new(Verifier { provider, trusting: Some(Trusting { chain, trusted, by_name }) }))
}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None`: nothing is looked at.
    trusting: Option<Trusting>,
}

#[derive(Debug)]
struct Trusting {
    chain: Arc<WebPkiServerVerifier>,
    /// A server's certificate may be one of these: many have signed themselves.
    trusted: Vec<CertificateDer<'static>>,
    by_name: bool,
}

impl Trusting {
    /// What the verifier has said of the chain and then the name, and what is made of it.
    fn judge(
        &self,
        outcome: Result<ServerCertVerified, Error>,
        end_entity: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        match outcome {
            // The chain is looked at before the name.
            Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) if !self.by_name => {}
            // A certificate that has signed itself is mostly one of an authority too. Its dates have been looked at
            // by then.
            Err(Error::InvalidCertificate(error)) if is_authority(&error) && self.trusted.contains(end_entity) => {
                if self.by_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
            }
            outcome => return outcome,
        }
        Ok(ServerCertVerified::assertion())
    }
}

/// Whether a certificate was refused for being one of an authority; rustls has no name of its own for that.
fn is_authority(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusting) = &self.trusting else { return Ok(ServerCertVerified::assertion()) };
        let outcome = trusting.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        trusting.judge(outcome, end_entity, server_name)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let unseen = Ok(HandshakeSignatureValid::assertion());
        self.trusting.as_ref().map_or(unseen, |trusting| trusting.chain.verify_tls12_signature(message, cert, dss))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let unseen = Ok(HandshakeSignatureValid::assertion());
        self.trusting.as_ref().map_or(unseen, |trusting| trusting.chain.verify_tls13_signature(message, cert, dss))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self.trusting {
            Some(_) => self.provider.signature_verification_algorithms.supported_schemes(),
            // No signature is looked at, so a server may sign with any key that it has.
            None => EVERY_SCHEME.to_vec(),
        }
    }
}
