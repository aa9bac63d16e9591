//! Messages from raw sockets: which are taken, and what captures made from them inherit.

use crate::capture::Transport;
use crate::log_limit::LogLimit;
use crate::module::engine::capture_queue::{CaptureQueue, now_us};
use crate::module::engine::state::StateError;
use crate::module::engine::used_aliases::UsedAliases;
use crate::module::hep::context::HepContext;
use crate::module::hep::intake::HepPacket;
use crate::module::parameter::{ParameterError, refuse};
use crate::module::raw::settings::RawSettings;
use crate::packet::{Datagram, NoDatagram, PortRange};
use crate::queue::counters::Produced;
use crate::queue::lane::Producer;
use crate::source::raw::{Method, OpenError, RawSockets, Received};
use log::Level;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes of the longest packet, and of a VLAN tag and a tunnel's header before it.
const LONGEST_PACKET: usize = 65_535 + 256;
/// A rest between attempts to read that fail.
const REST: Duration = Duration::from_millis(100);
const NEEDS: &str = "start the server as root, or with CAP_NET_RAW (as in AmbientCapabilities=CAP_NET_RAW of systemd)";

/// Why raw capture does not start.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// Called out of order.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system refuses what a parameter asks for.
    #[error(transparent)]
    Refused(#[from] ParameterError),
}

/// Sockets and buffer of raw capture.
#[derive(Debug, Default)]
pub struct RawInput {
    sockets: Option<RawSockets>,
    ports: Option<PortRange>,
    /// The packet at hand, and a byte behind it: hosts' parsers are used to a terminated buffer.
    buffer: Vec<u8>,
    bad_log: LogLimit,
    error_log: LogLimit,
}

/// A message within the buffer.
struct Found {
    start: usize,
    end: usize,
    source: SocketAddr,
    destination: SocketAddr,
    time_us: Option<i64>,
}

impl RawInput {
    /// Opens the raw sockets, with the privileges that the server still has; the answer is how many processes must read
    /// from them, 0 when raw capture is off. An error calls a parameter as `aliases` has it.
    pub fn open(&mut self, settings: &RawSettings, aliases: &UsedAliases) -> Result<usize, RawError> {
        let Ok(Some(capture)) = settings.capture() else { return Ok(0) };
        let refused = |error| aliases.named(refused(settings, &capture.plan.method, error));
        let sockets = RawSockets::open(&capture.plan).map_err(refused)?;
        if let Some(error) = sockets.filter_error() {
            log::warn!(
                "parameter raw_moni_bpf_on: the kernel does not take the port filter ({error}); ports are filtered here"
            );
        }
        if let Some(error) = sockets.rest_error() {
            log::warn!(
                "raw_moni_capture_on: frames that cannot hold IP are not counted, for the kernel does not take their filter ({error})"
            );
        }
        if settings.kernel_filter && matches!(capture.plan.method, Method::Tunnelled(_)) {
            log::warn!("parameter raw_moni_bpf_on has no meaning with raw_ipip_capture_on: ports are filtered here");
        }
        self.sockets = Some(sockets);
        self.ports = capture.ports;
        Ok(settings.children)
    }

    /// Waits for the next message. It is the one at hand in `context` until [`HepContext::end`], which must follow.
    /// What is answered holds all that a capture of it needs, so that another process can make one.
    pub fn receive(&mut self, queue: &CaptureQueue, context: &mut HepContext) -> Result<HepPacket<'_>, StateError> {
        context.end();
        let found = loop {
            if let Some(found) = self.next(queue)? {
                break found;
            }
        };
        context.route_raw(found.time_us, found.source, found.destination);
        Ok(HepPacket {
            version: 0,
            transport: Transport::Udp,
            source: found.source,
            destination: found.destination,
            // Whoever it is handed to has only a later time.
            time_us: Some(found.time_us.unwrap_or_else(now_us)),
            payload: &self.buffer[found.start..found.end],
        })
    }

    /// Waits for one packet, and looks whether it is a message that is wanted.
    fn next(&mut self, queue: &CaptureQueue) -> Result<Option<Found>, StateError> {
        let RawInput { sockets, ports, buffer, bad_log, error_log } = self;
        let producer = queue.producer()?;
        let sockets = sockets.as_mut().ok_or(StateError::NoRawSocket)?;
        buffer.resize(LONGEST_PACKET + 1, 0);
        let received = match sockets.receive(&mut buffer[..LONGEST_PACKET]) {
            Ok(received) => received,
            Err(error) => {
                error_log.log(Level::Error, format_args!("a raw socket cannot be read, trying again: {error}"));
                std::thread::sleep(REST);
                return Ok(None);
            }
        };
        let drops = match received.is_only_counted {
            true => Produced::RawKernelDropsIgnored,
            false => Produced::RawKernelDrops,
        };
        (0..received.dropped).for_each(|_| producer.count(drops));
        let packet = &buffer[..received.length];
        let datagram = match sorted(producer, &received, packet, *ports) {
            Ok(datagram) => datagram,
            Err(reason) => {
                if let Reason::NoDatagram(error @ (NoDatagram::Truncated | NoDatagram::Malformed)) = reason {
                    bad_log.log(Level::Warn, format_args!("bad packet at the raw socket: {error}"));
                }
                return Ok(None);
            }
        };
        let start = datagram.payload.as_ptr().addr() - packet.as_ptr().addr();
        let end = start + datagram.payload.len();
        let (source, destination) = (datagram.source, datagram.destination);
        buffer[end] = 0;
        Ok(Some(Found { start, end, source, destination, time_us: received.time_us }))
    }
}

fn refused(settings: &RawSettings, method: &Method, error: OpenError) -> ParameterError {
    let switch = match method {
        Method::Monitoring(_) => "raw_moni_capture_on",
        Method::Tunnelled(_) => "raw_ipip_capture_on",
    };
    let (name, value, why) = match error {
        OpenError::Socket(error) if is_forbidden(&error) => {
            (switch, "1".to_owned(), format!("a raw socket cannot be opened: {error}; {NEEDS}"))
        }
        OpenError::Socket(error) => (switch, "1".to_owned(), format!("a raw socket cannot be opened: {error}")),
        OpenError::Interface(error) => {
            let why = format!("{error}; the name of an interface that is there is allowed (ip link shows them)");
            ("raw_interface", settings.interface.clone(), why)
        }
        OpenError::Address(error) => {
            let why = format!("{error}; an address of this machine is allowed (ip address shows them)");
            ("raw_socket_listen", settings.listen.clone(), why)
        }
    };
    refuse(name, value, why)
}

/// Why a packet is not taken for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// It holds no datagram.
    NoDatagram(NoDatagram),
    /// It neither comes from nor goes to one of the ports.
    OtherPorts,
    /// It is no SIP by its looks.
    NoSip,
}

impl Reason {
    /// Each has a counter, and each packet that is not taken has one reason.
    fn counter(self) -> Produced {
        match self {
            Reason::OtherPorts => Produced::RawOtherPorts,
            Reason::NoSip => Produced::RawNoSip,
            Reason::NoDatagram(NoDatagram::Truncated | NoDatagram::Malformed) => Produced::RawBad,
            Reason::NoDatagram(NoDatagram::Fragment) => Produced::RawFragments,
            Reason::NoDatagram(NoDatagram::Protocol) => Produced::RawNoUdp,
            Reason::NoDatagram(NoDatagram::Tunnel) => Produced::RawTunnels,
            Reason::NoDatagram(NoDatagram::Arp) => Produced::RawArp,
            Reason::NoDatagram(NoDatagram::Ppp) => Produced::RawPpp,
            Reason::NoDatagram(NoDatagram::Mpls) => Produced::RawMpls,
            Reason::NoDatagram(NoDatagram::Llc) => Produced::RawLlc,
            Reason::NoDatagram(NoDatagram::EtherType) => Produced::RawEtherTypes,
            Reason::NoDatagram(NoDatagram::LinkType) => Produced::RawLinkTypes,
        }
    }
}

/// The datagram in a packet that is to be taken for a message. Each packet is counted, and once more for what becomes
/// of it.
fn sorted<'a>(
    producer: &Producer,
    received: &Received,
    packet: &'a [u8],
    ports: Option<PortRange>,
) -> Result<Datagram<'a>, Reason> {
    producer.count(Produced::RawPackets);
    let wanted = wanted(received, packet, ports);
    producer.count(wanted.as_ref().map_or_else(|reason| reason.counter(), |_| Produced::RawMessages));
    wanted
}

/// The datagram in a packet, if it is to be taken for a message.
fn wanted<'a>(received: &Received, packet: &'a [u8], ports: Option<PortRange>) -> Result<Datagram<'a>, Reason> {
    let datagram = match Datagram::read(received.start, packet) {
        Ok(_) if received.truncated => return Err(Reason::NoDatagram(NoDatagram::Truncated)),
        read => read.map_err(Reason::NoDatagram)?,
    };
    if ports.is_some_and(|ports| !ports.takes(&datagram)) {
        return Err(Reason::OtherPorts);
    }
    if datagram.may_be_sip() { Ok(datagram) } else { Err(Reason::NoSip) }
}

fn is_forbidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

#[cfg(test)]
mod tests;
