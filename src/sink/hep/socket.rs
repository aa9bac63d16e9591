//! Sockets to collectors: made without blocking, with the options that each transport needs.

use super::deadline::{Deadline, wait};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Bytes that the kernel is asked to keep for datagrams not yet sent; it may give less.
const UDP_SEND_BUFFER: usize = 1 << 20;
/// Bytes that the kernel may keep of a stream: without a bound it takes megabytes for a collector that reads nothing,
/// which are lost when that one ends.
const TCP_SEND_BUFFER: usize = 192 * 1024;
/// How long a silent connection lasts before the kernel asks whether the peer is there.
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TRIES: u32 = 3;
/// A socket whose datagrams go to `address`. Datagrams over the path's MTU leave in fragments instead of being refused.
pub(super) fn udp(address: SocketAddr, local: Option<IpAddr>) -> io::Result<UdpSocket> {
    let socket = bound(address, local, SocketType::DGRAM)?;
    match address {
        SocketAddr::V4(_) => sockopt::set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DONT)?,
        SocketAddr::V6(_) => sockopt::set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::DONT)?,
    }
    keep_at_most(&socket, UDP_SEND_BUFFER);
    connect(&socket, &address)?;
    Ok(UdpSocket::from(socket))
}

/// A connection to `address`, non-blocking. The kernel gives it up when nothing is acknowledged, or nothing taken, for
/// `given_up_after`.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when the deadline has passed, else what the kernel says.
pub(super) fn tcp(
    address: SocketAddr,
    local: Option<IpAddr>,
    deadline: Deadline,
    given_up_after: Duration,
) -> io::Result<TcpStream> {
    let socket = bound(address, local, SocketType::STREAM)?;
    keep_at_most(&socket, TCP_SEND_BUFFER);
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&socket, KEEP_ALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(&socket, KEEP_ALIVE_TRIES)?;
    let milliseconds = u32::try_from(given_up_after.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&socket, milliseconds)?;
    match connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => {
            if wait(&socket, PollFlags::OUT, deadline)?.is_empty() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to the connection"));
            }
            sockopt::socket_error(&socket)??;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from(socket))
}

fn keep_at_most(socket: &OwnedFd, bytes: usize) {
    if let Err(error) = sockopt::set_socket_send_buffer_size(socket, bytes) {
        log::debug!("the send buffer keeps its size: {error}");
    }
}

fn bound(address: SocketAddr, local: Option<IpAddr>, kind: SocketType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if let Some(local) = local {
        if local.is_ipv4() != address.is_ipv4() {
            return Err(io::Error::other(format!("not of the family of the source address {local}")));
        }
        bind(&socket, &SocketAddr::new(local, 0))?;
    }
    Ok(socket)
}
