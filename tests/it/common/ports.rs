//! Ports that stay free: nobody is given one of these unless he asks for it by number.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Below the range from which kernels give ports to sockets that name none, so that a server that is away for a while
/// finds its port free when it comes back.
const PORTS: Range<u16> = 20_000..32_000;

/// A port of 127.0.0.1 that is free for UDP and TCP, another one each time.
pub fn free_port() -> u16 {
    // Each test process begins somewhere else.
    static NEXT: LazyLock<AtomicUsize> = LazyLock::new(|| {
        let random = RandomState::new().hash_one(std::process::id());
        AtomicUsize::new(random as usize % PORTS.len())
    });
    let is_free = |port: &u16| {
        let address = (Ipv4Addr::LOCALHOST, *port);
        UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
    };
    let mut ports = (0..PORTS.len()).map(|_| {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS.len();
        PORTS.start + u16::try_from(offset).expect("an offset within the range")
    });
    ports.find(is_free).expect("a port of the range is free")
}

/// The loopback address with a [`free_port`].
pub fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}
