//! How a collector is spoken to.

use crate::hep::Version;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes that are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Keeps `bytes`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Secret {
        Secret(bytes.into())
    }

    /// The bytes, for the packet that is to carry them.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("...")
    }
}

/// Which collectors are believed to be who they say they are, over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// Whether the certificate must be signed by one that is trusted, valid now, and one for the URI's host.
    pub verify: bool,
    /// Trusted certificates: a PEM file, or a directory of them. `None`: those that the system trusts.
    pub ca: Option<PathBuf>,
}

impl Default for TlsOptions {
    /// Verified against the system's store.
    fn default() -> TlsOptions {
        TlsOptions { verify: true, ca: None }
    }
}

/// How a collector is spoken to, whichever of its destinations it is.
#[derive(Clone, Debug)]
pub struct CollectorOptions {
    /// Version of packets that ask for none of their own.
    pub version: Version,
    /// Capture agent (HEP chunk 0x000c; the low 16 bits in version 2).
    pub capture_id: u32,
    /// Authentication key (HEP chunk 0x000e), version 3 only.
    pub auth_key: Option<Secret>,
    /// Name of the capture agent (HEP chunk 0x0013), version 3 only.
    pub node_name: Option<Vec<u8>>,
    /// Send payloads that zlib makes smaller as HEP chunk 0x0010; version 3 only.
    pub compress: bool,
    /// Source address; destinations of the other family cannot be reached then.
    pub bind: Option<IpAddr>,
    /// Trust in TLS collectors.
    pub tls: TlsOptions,
    /// How long resolving a name may take; as long again may connecting to its addresses take, TLS handshakes included.
    pub connect_timeout: Duration,
    /// How long a collector may take for a group of packets, 64 at most.
    pub io_timeout: Duration,
    /// How often to look whether a destination before the one in use is well again.
    pub probe_every: Duration,
}

impl Default for CollectorOptions {
    /// The stock module's version 1 and agent 1; 5 s to connect, 10 s to write, a look at better destinations every 10
    /// s.
    fn default() -> CollectorOptions {
        CollectorOptions {
            version: Version::V1,
            capture_id: 1,
            auth_key: None,
            node_name: None,
            compress: false,
            bind: None,
            tls: TlsOptions::default(),
            connect_timeout: Duration::from_secs(5),
            io_timeout: Duration::from_secs(10),
            probe_every: Duration::from_secs(10),
        }
    }
}
