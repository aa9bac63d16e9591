//! Where a SIP URI leads, by the rules of the module that sends there. Called by [`super::Forward`] alone.

use super::names::NameQuery;
use crate::capture::Transport;
use crate::sink::hep::{CollectorHost, CollectorTransport, SipUri, UriTransport};

const PORT: u16 = 5060;
/// The same over TLS.
const SECURE_PORT: u16 = 5061;

/// How a name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// By NAPTR and SRV where the URI names neither port nor transport, as RFC 3263 has it.
    ByService,
    /// By A and AAAA alone. Where the URI is silent, the port is 5060, that of a `sips:` URI 5061, and the transport
    /// UDP.
    ByAddress,
}

/// Where a URI leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForwardEndpoint {
    pub host: CollectorHost,
    /// 0: the look-up is to tell.
    pub port: u16,
    /// [`Transport::UNKNOWN`]: the look-up is to tell.
    pub transport: Transport,
}

impl ForwardEndpoint {
    /// Reads `sip:HOST[:PORT][;transport=udp|tcp|tls|sctp|ws|wss]` or `sips:HOST[:PORT]`. A user part, other parameters
    /// and headers are passed over, as are port 0, a colon without a port, and a transport that nobody knows. A `sips:`
    /// URI is for TLS: one that asks for anything else than `tls`, `wss`, or `tcp` (which TLS runs over) is none.
    /// `None` when `uri` is none.
    pub fn parse(uri: &[u8], look_up: LookUp) -> Option<ForwardEndpoint> {
        let text = String::from_utf8_lossy(uri);
        let uri = SipUri::parse(&text).ok()?;
        let transport = uri.transport.and_then(UriTransport::parse).map_or(Transport::UNKNOWN, transport_of);
        let transport = if uri.is_secure { secure(transport)? } else { transport };
        let port = port(uri.port)?;
        let (port, transport) = match look_up {
            LookUp::ByService => (port, transport),
            LookUp::ByAddress => (if port != 0 { port } else { default_port(uri.is_secure) }, or_udp(transport)),
        };
        Some(ForwardEndpoint { host: uri.host, port, transport })
    }

    /// What is to be looked up; `None` where the host is an address.
    pub fn query(&self) -> Option<NameQuery<'_>> {
        match &self.host {
            CollectorHost::Name(name) => Some(NameQuery { name, port: self.port, transport: self.transport }),
            CollectorHost::Address(_) => None,
        }
    }

    /// The port to send to when no look-up tells one.
    pub fn port_or_default(&self) -> u16 {
        if self.port != 0 { self.port } else { default_port(self.transport == Transport::Tls) }
    }
}

/// The transport to send by when neither URI nor look-up has told one.
pub(super) fn or_udp(transport: Transport) -> Transport {
    if transport == Transport::UNKNOWN { Transport::Udp } else { transport }
}

fn default_port(is_secure: bool) -> u16 {
    if is_secure { SECURE_PORT } else { PORT }
}

/// The port that stands behind the colon; 0 for none, `None` for what cannot be a port.
fn port(text: Option<&str>) -> Option<u16> {
    let text = text.unwrap_or_default();
    if text.is_empty() {
        return Some(0);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn transport_of(way: UriTransport) -> Transport {
    match way {
        UriTransport::By(CollectorTransport::Udp) => Transport::Udp,
        UriTransport::By(CollectorTransport::Tcp) => Transport::Tcp,
        UriTransport::By(CollectorTransport::Tls) => Transport::Tls,
        UriTransport::Sctp => Transport::Sctp,
        UriTransport::Ws => Transport::Ws,
        UriTransport::Wss => Transport::Wss,
    }
}

/// The transport of a `sips:` URI that names this one.
fn secure(named: Transport) -> Option<Transport> {
    match named {
        Transport::UNKNOWN | Transport::Tcp | Transport::Tls => Some(Transport::Tls),
        Transport::Wss => Some(Transport::Wss),
        _ => None,
    }
}
