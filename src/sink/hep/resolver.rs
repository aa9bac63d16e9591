//! The system's resolver: SRV records (RFC 2782) by questions to its name servers, addresses by `getaddrinfo`, so that /etc/hosts and
//! nsswitch.conf are heeded.
//!
//! It waits as long as it takes; [`names`](super::names) calls it on a thread of its own.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::base::iana::Rcode;
use domain::base::{Message, Name, Question as DnsQuestion, RelativeName, ToName};
use domain::resolv::lookup::srv::lookup_srv;
use domain::resolv::stub::conf::{ResolvConf, ResolvOptions};
use domain::resolv::stub::{Answer, StubResolver};

/// How often a question for SRV records is asked; a datagram may be lost.
const TRIES: usize = 2;
/// How long a try may take: both end before a collector's `connect_timeout`, so that what /etc/hosts knows is heard in time.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most targets whose addresses are looked up; RFC 2782 puts no bound on a zone's records.
const TARGETS: usize = 16;

/// What a collector's name is looked up for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The name.
    pub host: String,
    /// The port of its addresses, where no SRV record tells.
    pub port: u16,
    /// Service and protocol whose SRV records come before the name's own addresses; `None` for a URI that names a port.
    pub service: Option<&'static str>,
}

/// Where a collector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// In the order in which they are to be tried.
    pub addresses: Vec<SocketAddr>,
    /// Whether the name servers have said whether there are SRV records, or need not. If not, these are the name's own addresses.
    pub is_sure: bool,
}

/// Answers a question.
pub(super) type LookUp = Arc<dyn Fn(&Question) -> io::Result<Found> + Send + Sync>;

/// The system's resolver.
pub(super) fn system() -> LookUp {
    // The file is read anew each time: the network that a machine is in may change.
    let addresses = |host: &str, port: u16| (host, port).to_socket_addrs().map(Iterator::collect);
    look_up_with(ResolvConf::default, addresses, PATIENCE)
}

/// A resolver that asks the name servers of `servers` for SRV records, each try for `patience` at most, and `addresses` for the addresses of a host.
pub(super) fn look_up_with(
    servers: impl Fn() -> ResolvConf + Send + Sync + 'static,
    addresses: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    patience: Duration,
) -> LookUp {
    Arc::new(move |Question { host, port, service }| {
        let Some(service) = service else { return Ok(Found { addresses: addresses(host, *port)?, is_sure: true }) };
        match targets(service, host, servers(), patience) {
            Ok(Targets::None) => Ok(Found { addresses: addresses(host, *port)?, is_sure: true }),
            Ok(Targets::NoService) => Err(io::Error::other(format!("its zone says that it has no {service}"))),
            Ok(Targets::Some(targets)) => Ok(Found { addresses: all_addresses(&targets, &addresses)?, is_sure: true }),
            Err(reason) => {
                log::debug!("no answer for the SRV records {service}.{host}: {reason}");
                Ok(Found { addresses: addresses(host, *port)?, is_sure: false })
            }
        }
    })
}

/// The addresses of targets in their order, without those that have none.
///
/// # Errors
/// The first reason, if none has any.
fn all_addresses(
    targets: &[(String, u16)],
    addresses: &impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>>,
) -> io::Result<Vec<SocketAddr>> {
    let (mut all, mut first_error) = (Vec::new(), None);
    for (host, port) in targets.iter().take(TARGETS) {
        match addresses(host, *port) {
            Ok(found) => all.extend(found),
            Err(error) => {
                first_error.get_or_insert_with(|| io::Error::new(error.kind(), format!("its target {host}: {error}")));
            }
        }
    }
    match first_error {
        Some(error) if all.is_empty() => Err(error),
        _ => Ok(all),
    }
}

/// What a zone says of a service.
enum Targets {
    /// No SRV record.
    None,
    /// One with the target `.`: the service is decidedly not there.
    NoService,
    /// Hosts and ports in the order of RFC 2782.
    Some(Vec<(String, u16)>),
}

/// Asks for the SRV records of a service; a name with few dots is completed as resolv.conf has it.
///
/// # Errors
/// Nobody has answered in time, or not to the question.
fn targets(service: &str, host: &str, conf: ResolvConf, patience: Duration) -> io::Result<Targets> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let names = names(host, &conf.options)?;
        let service: RelativeName<Vec<u8>> = service.parse().map_err(io::Error::other)?;
        let mut outcome = Err(io::Error::from(io::ErrorKind::TimedOut));
        for _ in 0..TRIES {
            let resolver = Resolver(StubResolver::from_conf(conf.clone()));
            let asked = async {
                for name in &names {
                    match of_name(&resolver, &service, name).await? {
                        Targets::None => {}
                        found => return Ok(found),
                    }
                }
                Ok(Targets::None)
            };
            match tokio::time::timeout(patience, asked).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(error)) => outcome = Err(error),
                Err(_) => {}
            }
        }
        outcome
    })
}

/// The full names that `host` may stand for.
fn names(host: &str, options: &ResolvOptions) -> io::Result<Vec<Name<Vec<u8>>>> {
    let full: Name<Vec<u8>> = host.parse().map_err(io::Error::other)?;
    let mut names = Vec::new();
    let dots = host.bytes().filter(|byte| *byte == b'.').count();
    if dots < options.ndots && !host.ends_with('.') {
        let part: RelativeName<Vec<u8>> = host.parse().map_err(io::Error::other)?;
        let with = |suffix| Some(part.clone().chain(suffix).ok()?.to_name());
        names.extend(options.search.as_slice().iter().filter_map(with));
    }
    if !names.contains(&full) {
        names.push(full);
    }
    Ok(names)
}

async fn of_name(resolver: &Resolver, service: &RelativeName<Vec<u8>>, name: &Name<Vec<u8>>) -> io::Result<Targets> {
    // Where there is no record, the library answers with the name itself and the port that it is given, which no record can mean.
    const NO_PORT: u16 = 0;
    let Some(found) = lookup_srv(resolver, service, name, NO_PORT).await.map_err(io::Error::other)? else {
        return Ok(Targets::NoService);
    };
    let mut targets = Vec::new();
    for record in found.into_srvs() {
        if record.port() != NO_PORT && !record.target().is_root() {
            targets.push((record.target().to_string(), record.port()));
        }
    }
    Ok(if targets.is_empty() { Targets::None } else { Targets::Some(targets) })
}

/// The library's resolver; but one whose server fails has not said that there is no record.
struct Resolver(StubResolver);

impl domain::resolv::Resolver for Resolver {
    type Octets = <StubResolver as domain::resolv::Resolver>::Octets;
    type Answer = Answer;
    type Query<'a> = Pin<Box<dyn Future<Output = io::Result<Answer>> + Send + 'a>>;

    fn query<'a, N: ToName, Q: Into<DnsQuestion<N>>>(&'a self, question: Q) -> Self::Query<'a> {
        let asked = domain::resolv::Resolver::query(&self.0, question);
        Box::pin(async {
            let answer = asked.await?;
            let message: &Message<Self::Octets> = answer.as_ref();
            match message.header().rcode() {
                Rcode::NOERROR | Rcode::NXDOMAIN => Ok(answer),
                code => Err(io::Error::other(format!("the name server answers {code}"))),
            }
        })
    }
}
