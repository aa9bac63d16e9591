//! Where a collector listens: the SIP URIs that the stock module takes for `duplicate_uri`. A port that is not named is
//! 5060, as there, over TLS too; `sips:`, which the stock module sends in clear, is TLS here, on port 5061. Where whole
//! HEP packets are passed on, it is HEP's own port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use thiserror::Error;

/// The ports of URIs that name none: of `sip:`, of `sips:`.
type DefaultPorts = [u16; 2];
/// SIP's.
const SIP_PORTS: DefaultPorts = [5060, 5061];
/// HEP's, over whatever transport.
const HEP_PORTS: DefaultPorts = [9060, 9060];
/// Longest name that DNS has.
const LONGEST_NAME: usize = 253;

/// How packets travel to a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CollectorTransport {
    /// One packet a datagram.
    Udp,
    /// Packets back to back in a TCP stream.
    Tcp,
    /// The same inside TLS.
    Tls,
}

/// The host of a URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CollectorHost {
    Address(IpAddr),
    /// In lower case.
    Name(String),
}

impl fmt::Display for CollectorHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Hosts' parsers of URIs know no dots in brackets.
            CollectorHost::Address(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
                let [.., high, low] = address.segments();
                write!(f, "[::ffff:{high:x}:{low:x}]")
            }
            CollectorHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            CollectorHost::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            CollectorHost::Name(name) => f.write_str(name),
        }
    }
}

/// Where a collector listens. [`Display`](fmt::Display) gives `sip:HOST:PORT[;transport=tcp|tls]`, so that two URIs of
/// one collector read alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    host: CollectorHost,
    port: u16,
    transport: CollectorTransport,
}

/// How plain copies travel, which the host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UriTransport {
    /// As packets may.
    By(CollectorTransport),
    /// SCTP, which only the host speaks.
    Sctp,
    /// WebSocket, likewise.
    Ws,
    /// WebSocket in TLS, likewise.
    Wss,
}

impl UriTransport {
    /// The transport that a URI means by `name`, whatever its case.
    pub fn parse(name: &str) -> Option<UriTransport> {
        let ways = [CollectorTransport::Udp, CollectorTransport::Tcp, CollectorTransport::Tls]
            .map(UriTransport::By)
            .into_iter();
        ways.chain([UriTransport::Sctp, UriTransport::Ws, UriTransport::Wss])
            .find(|way| name.eq_ignore_ascii_case(way.name()))
    }

    fn name(self) -> &'static str {
        match self {
            UriTransport::By(CollectorTransport::Udp) => "udp",
            UriTransport::By(CollectorTransport::Tcp) => "tcp",
            UriTransport::By(CollectorTransport::Tls) => "tls",
            UriTransport::Sctp => "sctp",
            UriTransport::Ws => "ws",
            UriTransport::Wss => "wss",
        }
    }
}

impl fmt::Display for UriTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is not the URI of a collector.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DestinationError {
    /// Neither `sip:` nor `sips:` in front.
    #[error("`{0}` is no SIP URI: write sip:HOST[:PORT][;transport=udp|tcp|tls] or sips:HOST[:PORT]")]
    Scheme(String),
    /// No host, or one that is neither a name nor an address.
    #[error("`{uri}` has the host `{host}`, where a name, an IPv4 address, or an IPv6 address in brackets is allowed")]
    Host {
        /// The URI.
        uri: String,
        /// What stands where the host should be.
        host: String,
    },
    /// No number that a port can have.
    #[error("`{uri}` has the port `{port}`, where 1 to 65535 is allowed")]
    Port {
        /// The URI.
        uri: String,
        /// What stands where the port should be.
        port: String,
    },
    /// A transport that HEP has no use for here.
    #[error("`{uri}` has the transport `{transport}`, where {allowed} is allowed")]
    Transport {
        /// The URI.
        uri: String,
        /// What the URI asks for.
        transport: String,
        /// What it may ask for.
        allowed: &'static str,
    },
}

impl Destination {
    /// Reads `sip:HOST[:PORT][;transport=udp|tcp|tls]` or `sips:HOST[:PORT]` (TLS). A user part, other parameters and
    /// headers are passed over. UDP and port 5060, for `sips:` 5061, where the URI is silent.
    ///
    /// # Errors
    /// [`DestinationError`], whose text shows the URI without its user part, which may hold a password.
    pub fn parse(uri: &str) -> Result<Destination, DestinationError> {
        Destination::parse_with(uri, SIP_PORTS)
    }

    /// The same for whom a port that is not named is HEP's, 9060, also of `sips:`.
    ///
    /// # Errors
    /// As there.
    pub fn parse_hep(uri: &str) -> Result<Destination, DestinationError> {
        Destination::parse_with(uri, HEP_PORTS)
    }

    fn parse_with(uri: &str, ports: DefaultPorts) -> Result<Destination, DestinationError> {
        let (host, port, transport) = parse_place(uri, ports, "udp, tcp or tls", |way| match way {
            UriTransport::By(transport) => Some(transport),
            _ => None,
        })?;
        Ok(Destination { host, port, transport })
    }

    /// How packets travel there.
    pub fn transport(&self) -> CollectorTransport {
        self.transport
    }

    /// The port that the URI names, or its default.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether `other` is the same collector by another spelling of its port.
    pub fn is_same(&self, other: &Destination) -> bool {
        (&self.host, self.port(), self.transport) == (&other.host, other.port(), other.transport)
    }

    pub(super) fn host(&self) -> &CollectorHost {
        &self.host
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(uri: &str) -> Result<Destination, DestinationError> {
        Destination::parse(uri)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sip:{}:{}", self.host, self.port)?;
        match self.transport {
            CollectorTransport::Udp => Ok(()),
            transport => write!(f, ";transport={}", UriTransport::By(transport)),
        }
    }
}

/// The URI that plain copies for `uri` go to: `sip:HOST:PORT;transport=udp|tcp|tls|sctp`, in which nothing is left to
/// the host's defaults. What [`Destination::parse`] takes, and `;transport=sctp`.
///
/// # Errors
/// As there.
pub fn copy_uri(uri: &str) -> Result<String, DestinationError> {
    let is_taken = |way: &UriTransport| !matches!(way, UriTransport::Ws | UriTransport::Wss);
    let (host, port, way) = parse_place(uri, SIP_PORTS, "udp, tcp, tls or sctp", |way| Some(way).filter(is_taken))?;
    Ok(format!("sip:{host}:{port};transport={way}"))
}

/// The same for a URI that a script names: `ws` and `wss` pass too, since only the host knows what it has connections
/// for.
///
/// # Errors
/// As there.
pub fn named_copy_uri(uri: &str) -> Result<String, DestinationError> {
    let (host, port, way) = parse_place(uri, SIP_PORTS, "udp, tcp, tls, sctp, ws or wss", Some)?;
    Ok(format!("sip:{host}:{port};transport={way}"))
}

/// Host, port and transport of a URI, the last as `fit` takes it; `transports` is what an error says of what it takes.
fn parse_place<T>(
    uri: &str,
    [plain_port, secure_port]: DefaultPorts,
    transports: &'static str,
    fit: impl Fn(UriTransport) -> Option<T>,
) -> Result<(CollectorHost, u16, T), DestinationError> {
    let uri = SipUri::parse(uri)?;
    let port = match uri.port {
        None if uri.is_secure => secure_port,
        None => plain_port,
        Some(port) => read_port(port)
            .ok_or_else(|| DestinationError::Port { uri: without_user(uri.text), port: port.to_owned() })?,
    };
    let way =
        read_transport(uri.transport, uri.is_secure).and_then(fit).ok_or_else(|| DestinationError::Transport {
            uri: without_user(uri.text),
            transport: uri.transport.unwrap_or_default().to_owned(),
            allowed: if uri.is_secure { "tls, or none," } else { transports },
        })?;
    Ok((uri.host, port, way))
}

/// A SIP URI as it stands: what it leaves unsaid is `None`. User part, headers and parameters but the transport are
/// passed over.
pub(crate) struct SipUri<'a> {
    /// The URI.
    text: &'a str,
    /// Whether it is a `sips:` URI.
    pub is_secure: bool,
    pub host: CollectorHost,
    /// What stands behind the colon, be it nothing, or no port.
    pub port: Option<&'a str>,
    /// What stands where the last parameter `transport` has its value, be it nothing, or no transport.
    pub transport: Option<&'a str>,
}

impl SipUri<'_> {
    /// Reads `sip:` or `sips:` and a host; blanks around it are passed over.
    ///
    /// # Errors
    /// [`DestinationError::Scheme`] and [`DestinationError::Host`], without the user part.
    pub fn parse(uri: &str) -> Result<SipUri<'_>, DestinationError> {
        let text = uri.trim();
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        let is_secure = scheme.eq_ignore_ascii_case("sips");
        if !is_secure && !scheme.eq_ignore_ascii_case("sip") {
            return Err(DestinationError::Scheme(without_user(text)));
        }
        // The user part may hold `;` and `?`, so it goes first.
        let rest = rest.rsplit_once('@').map_or(rest, |(_, behind)| behind);
        let (rest, _headers) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, parameters) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = split_port(place);
        let host = read_host(host).ok_or_else(|| DestinationError::Host {
            uri: without_user(text),
            host: host.unwrap_or(place).to_owned(),
        })?;
        Ok(SipUri { text, is_secure, host, port, transport: named_transport(parameters) })
    }
}

/// `uri` as it may be shown: its scheme, and what stands behind its last `@`. The user part may hold a password.
pub(crate) fn without_user(uri: &str) -> String {
    let Some((before, place)) = uri.rsplit_once('@') else { return uri.to_owned() };
    match before.split_once(':') {
        Some((scheme, _)) if !scheme.contains('@') => format!("{scheme}:{place}"),
        _ => place.to_owned(),
    }
}

/// `HOST[:PORT]` in two; no host when a bracket is not closed, or something else than a port follows it.
fn split_port(place: &str) -> (Option<&str>, Option<&str>) {
    if !place.starts_with('[') {
        return place.split_once(':').map_or((Some(place), None), |(host, port)| (Some(host), Some(port)));
    }
    match place.split_once(']') {
        Some((_, "")) => (Some(place), None),
        Some((address, behind)) => match behind.strip_prefix(':') {
            Some(port) => (place.get(..address.len() + 1), Some(port)),
            None => (None, None),
        },
        None => (None, None),
    }
}

fn read_host(host: Option<&str>) -> Option<CollectorHost> {
    let host = host?;
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
            .map(|address| CollectorHost::Address(address.into()));
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(CollectorHost::Address(address));
    }
    let is_name = !host.is_empty()
        && host.len() <= LONGEST_NAME
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        // All digits and dots: an address that is none.
        && host.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_name.then(|| CollectorHost::Name(host.to_ascii_lowercase()))
}

fn read_port(port: &str) -> Option<u16> {
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    port.parse().ok().filter(|port| *port != 0)
}

/// The value of the last parameter `transport`.
fn named_transport(parameters: &str) -> Option<&str> {
    parameters.split(';').rev().find_map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.trim().eq_ignore_ascii_case("transport").then(|| value.trim())
    })
}

/// The transport that is named, or else the scheme's own, if it is one.
fn read_transport(named: Option<&str>, is_secure: bool) -> Option<UriTransport> {
    let Some(named) = named else {
        return Some(UriTransport::By(if is_secure { CollectorTransport::Tls } else { CollectorTransport::Udp }));
    };
    match UriTransport::parse(named)? {
        // With sips the parameter names what TLS runs over.
        UriTransport::By(CollectorTransport::Tls | CollectorTransport::Tcp) if is_secure => {
            Some(UriTransport::By(CollectorTransport::Tls))
        }
        UriTransport::Wss => Some(UriTransport::Wss),
        _ if is_secure => None,
        way => Some(way),
    }
}
