//! What all links of a collector share: the options, and the TLS configuration that is made of them when it is first
//! needed.

use super::options::{CollectorOptions, TlsOptions};
use crate::sink::tls::{ClientTls, NamedPath, Verification, usable_certificates};
use rustls::ClientConfig;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The parameter that names trusted certificates.
const PARAMETER: &str = "tls_ca";

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
    /// What is wrong with `ca`, or without one with the system's store, and what is needed. The path is left out: the
    /// caller names it.
    pub fn check(&self) -> Result<(), String> {
        if !self.verify {
            return Ok(());
        }
        let checked = usable_certificates(self.ca.as_deref().map(named).as_ref(), PARAMETER);
        checked.map(drop).map_err(|fault| fault.reason)
    }
}

/// What `tls_ca` names.
fn named(ca: &Path) -> NamedPath {
    NamedPath { parameter: PARAMETER.to_owned(), path: ca.to_owned(), is_named: true }
}

fn client_config(options: &TlsOptions) -> Result<ClientConfig, String> {
    let tls = ClientTls {
        verification: if options.verify { Verification::ChainAndName } else { Verification::None },
        trust: options.ca.as_deref().map(named),
        trust_parameter: PARAMETER,
        identity: None,
        versions: rustls::DEFAULT_VERSIONS,
        sends_name: true,
    };
    tls.config().map_err(|fault| fault.to_string())
}
