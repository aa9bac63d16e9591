//! Raw sockets: SIP that was meant for others, taken from the network itself.
//!
//! Two ways, of which one is in use:
//!
//! - **Monitoring** sees what the machine's interfaces receive, a switch's mirror port above all: packet sockets, one for each EtherType that leads
//!   to IP, and one that gets the beginning of every other frame, so that it is counted. They are of the "cooked" kind, which begins behind the link's
//!   header, so that the kind of link does not matter. As in every program that asks for an EtherType, a packet comes
//!   once, on its way in, also on the loopback interface; what the machine itself sends over a network does not come.
//! - **Tunnelled** receives IP-in-IP packets that are sent to this machine: IP sockets of the protocols 4 (IPv4 inside) and 41 (IPv6 inside). The
//!   kernel puts fragments of the tunnel together.
//!
//! Sockets are opened by one process, with the privileges that this takes (CAP_NET_RAW), and read by any number of its children: each packet
//! goes to one of them.

// Packet sockets, classic BPF and control messages have no safe words: the calls are in `socket`, each with its reason.
#![allow(unsafe_code)]

mod filter;
mod program;
mod socket;

use crate::packet::{LEADING_TO_IP, PortRange, Start, ether_type};
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
    /// Packets that the kernel dropped at this socket since it was last asked here: readers were too slow.
    pub dropped: u32,
}

/// Open sockets.
#[derive(Debug)]
pub struct RawSockets {
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
        let (mut filter_error, mut rest_error) = (None, None);
        let sockets = match &plan.method {
            Method::Monitoring(ports) => {
                let index = interface.map(|(_, index)| index);
                let mut sockets = Vec::with_capacity(LEADING_TO_IP.len() + 1);
                for ether_type in LEADING_TO_IP {
                    let program = ports.map(|ports| filter::of_ports(ether_type, ports));
                    let (socket, error) = monitor(ether_type, index, program.as_deref())?;
                    filter_error = error.or(filter_error);
                    sockets.push(socket);
                }
                match monitor_the_rest(index)? {
                    Ok(socket) => sockets.push(socket),
                    Err(error) => rest_error = Some(error),
                }
                sockets
            }
            Method::Tunnelled(address) => [libc::IPPROTO_IPIP, libc::IPPROTO_IPV6]
                .iter()
                .map(|&protocol| tunnel_end(protocol, *address, interface.map(|(name, _)| name)))
                .collect::<Result<_, OpenError>>()?,
        };
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
                self.ready = socket::wait(&self.sockets)?;
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

/// A packet socket that receives nothing yet.
fn packet_socket(starts: Starts) -> Result<Socket, OpenError> {
    Socket::open(libc::AF_PACKET, libc::SOCK_DGRAM, 0, starts).map_err(OpenError::Socket)
}

/// A packet socket for packets of one EtherType, and why it has no filter though it should. It receives nothing before all is set.
fn monitor(
    ether_type: u16,
    interface: Option<i32>,
    program: Option<&[libc::sock_filter]>,
) -> Result<(Socket, Option<io::Error>), OpenError> {
    let starts = match (ether_type, interface) {
        (ether_type::PPPOE_SESSION, None) => Starts::WithSession,
        _ => Starts::With(Start::EtherType(ether_type)),
    };
    let socket = packet_socket(starts)?;
    socket.prepare(RECEIVE_BUFFER).map_err(OpenError::Socket)?;
    let filter_error = program.and_then(|program| socket.attach_filter(program).err());
    socket.bind_to_link(ether_type, interface.unwrap_or(0)).map_err(OpenError::Interface)?;
    Ok((socket, filter_error))
}

/// A packet socket for the beginnings of the packets that no [`monitor`] is there for. Without its filter it would get all others too, so
/// there is none then.
fn monitor_the_rest(interface: Option<i32>) -> Result<io::Result<Socket>, OpenError> {
    let socket = packet_socket(Starts::AsTold)?;
    socket.prepare(SMALL_RECEIVE_BUFFER).map_err(OpenError::Socket)?;
    socket.ignore_outgoing();
    if let Err(error) = socket.attach_filter(&filter::of_the_rest()) {
        return Ok(Err(error));
    }
    socket.bind_to_link(EVERY_ETHER_TYPE, interface.unwrap_or(0)).map_err(OpenError::Interface)?;
    Ok(Ok(socket))
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
