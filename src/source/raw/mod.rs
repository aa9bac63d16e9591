//! Raw sockets: SIP that was meant for others, taken from the network itself.
//!
//! Two ways, of which one is in use:
//!
//! - **Monitoring** sees what the machine's interfaces receive, a switch's mirror port above all, through packet
//!   sockets. They are of the "cooked" kind, which begins behind the link's header, so that the kind of link does not
//!   matter. A packet comes once, on its way in, also on the loopback interface; what the machine itself sends over a
//!   network does not come. What can hold no message has sockets of its own, with small buffers, which are read when no
//!   other has a packet.
//!   - With an interface named, the sockets are of all EtherTypes: the kernel serves them first, before a bridge takes
//!     a frame from its port.
//!   - For all interfaces, there is a socket for each EtherType that leads to IP: the kernel serves those when nobody
//!     has taken the frame to another interface, so that each packet comes once. Frames of all other EtherTypes, which
//!     are only counted, come from each interface.
//! - **Tunnelled** receives IP-in-IP packets that are sent to this machine: IP sockets of the protocols 4 (IPv4 inside)
//!   and 41 (IPv6 inside). The kernel puts fragments of the tunnel together.
//!
//! Sockets are opened by one process, with the privileges that this takes (CAP_NET_RAW), and read by any number of its
//! children: each packet goes to one of them.

// Packet sockets, classic BPF and control messages have no safe words: the calls are in `socket`, each with its reason.
#![allow(unsafe_code)]

mod filter;
mod program;
mod socket;

use crate::packet::{LEADING_TO_IP, PortRange, Start, ether_type};
use filter::{FilterPart, View};
use socket::{Socket, Starts};
use std::io;
use std::net::IpAddr;

/// What [`Socket::bind_to_link`] takes for every EtherType.
const EVERY_ETHER_TYPE: u16 = libc::ETH_P_ALL as u16;
/// Bytes that a socket may hold back while readers are busy, if the system lets it.
const RECEIVE_BUFFER: i32 = 8 << 20;
/// Bytes that the socket for frames which are only counted may hold back.
const SMALL_RECEIVE_BUFFER: i32 = 1 << 20;
/// Packets taken from one socket before the next one has its turn.
const TURN: u32 = 64;

/// What is captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// What interfaces receive; with ports, the kernel lets through only what comes from or goes to them.
    Monitoring(Option<PortRange>),
    /// IP-in-IP packets to this address of the machine; `None` for any IPv4 address of it.
    Tunnelled(Option<IpAddr>),
}

/// What to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPlan {
    /// What is captured.
    pub method: Method,
    /// The one interface that is looked at; `None` for all.
    pub interface: Option<String>,
    /// Whether that interface shall take what is meant for other machines.
    pub promiscuous: bool,
}

/// Why sockets are not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refuses a raw socket.
    #[error("no raw socket: {0}")]
    Socket(io::Error),
    /// The interface cannot be used.
    #[error("the interface: {0}")]
    Interface(io::Error),
    /// The address is not this machine's.
    #[error("the address: {0}")]
    Address(io::Error),
}

/// What [`RawSockets::receive`] has put into the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// What the bytes begin with.
    pub start: Start,
    /// How many there are.
    pub length: usize,
    /// Whether the packet was longer than the buffer.
    pub truncated: bool,
    /// When the kernel received it, microseconds since the Unix epoch.
    pub time_us: Option<i64>,
    /// Packets that the kernel dropped at this socket since one of the processes that read it was last told: readers
    /// were too slow.
    pub dropped: u32,
    /// Whether what comes from this socket, and was dropped there, is only counted and holds no message.
    pub is_only_counted: bool,
}

/// Open sockets.
#[derive(Debug)]
pub struct RawSockets {
    /// Those for messages first.
    sockets: Vec<Socket>,
    /// Keeps the interface promiscuous as long as a process has it open.
    _promiscuous: Option<Socket>,
    /// Why the kernel has refused the port filter.
    filter_error: Option<io::Error>,
    /// Why frames are not counted that no other socket gets.
    rest_error: Option<io::Error>,
    /// Which of the sockets may have a packet, a bit each.
    ready: u32,
    /// The one whose turn it is, and the packets taken from it.
    at: usize,
    taken: u32,
}

impl RawSockets {
    /// Opens what `plan` asks for; needs CAP_NET_RAW.
    ///
    /// # Errors
    /// See [`OpenError`]. A port filter that the kernel refuses is none, see [`RawSockets::filter_error`].
    pub fn open(plan: &RawPlan) -> Result<RawSockets, OpenError> {
        let interface = match &plan.interface {
            Some(name) => Some((name.as_str(), socket::interface_index(name).map_err(OpenError::Interface)?)),
            None => None,
        };
        let Monitors { mut sockets, counting, filter_error, rest_error } = match &plan.method {
            Method::Monitoring(ports) => Monitors::open(interface.map(|(_, index)| index), *ports)?,
            Method::Tunnelled(address) => {
                let ends = [libc::IPPROTO_IPIP, libc::IPPROTO_IPV6].into_iter();
                let ends = ends.map(|protocol| tunnel_end(protocol, *address, interface.map(|(name, _)| name)));
                Monitors { sockets: ends.collect::<Result<_, OpenError>>()?, ..Monitors::default() }
            }
        };
        sockets.extend(counting);
        let promiscuous = match interface.filter(|_| plan.promiscuous) {
            Some((_, index)) => Some(listen_to_all(index)?),
            None => None,
        };
        Ok(RawSockets { sockets, _promiscuous: promiscuous, filter_error, rest_error, ready: 0, at: 0, taken: 0 })
    }

    /// Why the kernel has refused the port filter, which is a loss of speed alone; `None` when it has not.
    pub fn filter_error(&self) -> Option<&io::Error> {
        self.filter_error.as_ref()
    }

    /// Why frames that cannot hold IP are not seen, and so not counted; `None` when they are.
    pub fn rest_error(&self) -> Option<&io::Error> {
        self.rest_error.as_ref()
    }

    /// Waits for a packet.
    ///
    /// # Errors
    /// What the system says, among it that the interface is down; calling again is right. Signals are no error.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        loop {
            if self.ready == 0 {
                let counting =
                    self.sockets.iter().rev().fold(0, |bits, it| bits << 1 | u32::from(it.is_only_counted()));
                self.ready = first(socket::wait(&self.sockets)?, counting);
            }
            for _ in 0..self.sockets.len() {
                let is_ready = self.ready & 1 << self.at != 0;
                if is_ready {
                    let received = self.sockets[self.at].receive(buffer);
                    self.taken += 1;
                    // Whoever has had a turn is asked again with all others.
                    if self.taken == TURN || !matches!(received, Ok(Some(_))) {
                        self.end_turn();
                    }
                    if let Some(received) = received? {
                        return Ok(received);
                    }
                } else {
                    self.end_turn();
                }
            }
        }
    }

    fn end_turn(&mut self) {
        self.ready &= !(1 << self.at);
        self.at = (self.at + 1) % self.sockets.len();
        self.taken = 0;
    }
}

/// Of the sockets with a packet, those that are read now: what is only counted waits while there is anything else.
fn first(ready: u32, counting: u32) -> u32 {
    if ready & !counting != 0 { ready & !counting } else { ready }
}

/// The packet sockets of [`Method::Monitoring`].
#[derive(Debug, Default)]
struct Monitors {
    sockets: Vec<Socket>,
    /// Those for what is only counted.
    counting: Vec<Socket>,
    filter_error: Option<io::Error>,
    rest_error: Option<io::Error>,
}

impl Monitors {
    fn open(interface: Option<i32>, ports: Option<PortRange>) -> Result<Monitors, OpenError> {
        let mut filter_error = None;
        if let Some(index) = interface {
            let monitors = Monitors::at_interface(index, ports)?;
            match monitors.filter_error.is_none() && monitors.rest_error.is_none() {
                true => return Ok(monitors),
                // Without their programs these sockets have each packet several times.
                false => filter_error = monitors.filter_error.filter(|_| ports.is_some()),
            }
        }
        let monitors = Monitors::by_type(interface, ports)?;
        Ok(Monitors { filter_error: monitors.filter_error.or(filter_error), ..monitors })
    }

    /// Those that see all that comes in at an interface.
    fn at_interface(index: i32, ports: Option<PortRange>) -> Result<Monitors, OpenError> {
        let mut monitors = Monitors::default();
        for (view, starts) in [(View::Untagged, Starts::AsTold), (View::Tagged, Starts::OfType(ether_type::VLAN))] {
            monitors.add(view, starts, ports, FilterPart::Read, index)?;
            monitors.add(view, starts, ports, FilterPart::Counted, index)?;
        }
        Ok(monitors)
    }

    /// Those that see each packet at the interface where it ends up.
    fn by_type(interface: Option<i32>, ports: Option<PortRange>) -> Result<Monitors, OpenError> {
        let (mut monitors, index) = (Monitors::default(), interface.unwrap_or(0));
        for ether_type in LEADING_TO_IP {
            let starts = match (ether_type, interface) {
                (ether_type::PPPOE_SESSION | ether_type::MPLS | ether_type::MPLS_MULTICAST, None) => {
                    Starts::OfTypeOrDelivered(ether_type)
                }
                _ => Starts::OfType(ether_type),
            };
            monitors.add(View::Of(ether_type), starts, ports, FilterPart::Read, index)?;
            if ports.is_some() && monitors.filter_error.is_none() {
                monitors.add(View::Of(ether_type), starts, ports, FilterPart::Counted, index)?;
            }
        }
        monitors.add(View::Untagged, Starts::AsTold, None, FilterPart::Counted, index)?;
        Ok(monitors)
    }

    /// Adds a socket, which receives nothing before all is set. Where the kernel refuses its program, which is noted,
    /// there is none, but for a socket of one EtherType whose packets are read: that one is there all the same.
    fn add(
        &mut self,
        view: View,
        starts: Starts,
        ports: Option<PortRange>,
        part: FilterPart,
        interface: i32,
    ) -> Result<(), OpenError> {
        let (bound_to, is_bound) = match view {
            View::Of(ether_type) => (ether_type, true),
            View::Tagged | View::Untagged => (EVERY_ETHER_TYPE, false),
        };
        let mut socket = packet_socket(starts)?;
        let (sockets, error, buffer) = match part {
            FilterPart::Read => (&mut self.sockets, &mut self.filter_error, RECEIVE_BUFFER),
            FilterPart::Counted => (&mut self.counting, &mut self.rest_error, SMALL_RECEIVE_BUFFER),
        };
        socket.prepare(buffer).map_err(OpenError::Socket)?;
        if part == FilterPart::Counted {
            socket.only_count();
        }
        // A socket of one EtherType sees only what comes in.
        if !is_bound {
            socket.ignore_outgoing();
        }
        if !(is_bound && ports.is_none())
            && let Err(refused) = socket.attach_filter(&filter::program(view, ports, part))
        {
            *error = Some(refused);
            if !(is_bound && part == FilterPart::Read) {
                return Ok(());
            }
        }
        socket.bind_to_link(bound_to, interface).map_err(OpenError::Interface)?;
        sockets.push(socket);
        Ok(())
    }
}

/// A packet socket that receives nothing yet.
fn packet_socket(starts: Starts) -> Result<Socket, OpenError> {
    Socket::open(libc::AF_PACKET, libc::SOCK_DGRAM, 0, starts).map_err(OpenError::Socket)
}

/// A socket for IP packets inside IP packets to this machine.
fn tunnel_end(protocol: i32, address: Option<IpAddr>, interface: Option<&str>) -> Result<Socket, OpenError> {
    let (family, start) = match address {
        // Of IPv6, the system hands over what is behind the header.
        Some(IpAddr::V6(_)) => (libc::AF_INET6, Start::Ip),
        _ => (libc::AF_INET, Start::Tunnel),
    };
    let socket = Socket::open(family, libc::SOCK_RAW, protocol, Starts::With(start)).map_err(OpenError::Socket)?;
    socket.prepare(RECEIVE_BUFFER).map_err(OpenError::Socket)?;
    if let Some(interface) = interface {
        socket.bind_to_device(interface).map_err(OpenError::Interface)?;
    }
    if let Some(address) = address {
        socket.bind_to_address(address).map_err(OpenError::Address)?;
    }
    Ok(socket)
}

/// A socket that receives nothing and keeps an interface promiscuous.
fn listen_to_all(interface: i32) -> Result<Socket, OpenError> {
    let socket = packet_socket(Starts::AsTold)?;
    socket.be_promiscuous(interface).map_err(OpenError::Interface)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
