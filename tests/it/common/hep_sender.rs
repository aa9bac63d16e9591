//! Sends packets to a capture node, at a pace.

use std::net::{SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Most packets that are sent back to back.
const BURST: u32 = 20;

/// A capture agent's socket.
#[derive(Debug)]
pub struct HepSender {
    socket: UdpSocket,
    /// Where packets go when the socket is not connected.
    peer: Option<SocketAddr>,
}

impl HepSender {
    /// A sender to the node at `address`.
    pub fn to(address: SocketAddr) -> HepSender {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(address).expect("a loopback address connects");
        HepSender { socket, peer: None }
    }

    /// A sender that does not hear whether there is a node at `address`: it sends on when the node has gone.
    pub fn unconnected(address: SocketAddr) -> HepSender {
        HepSender { socket: UdpSocket::bind("127.0.0.1:0").expect("a free port"), peer: Some(address) }
    }

    /// Sends one packet now.
    pub fn send(&self, packet: &[u8]) {
        let sent = match self.peer {
            None => self.socket.send(packet),
            Some(peer) => self.socket.send_to(packet, peer),
        };
        sent.expect("loopback takes a datagram");
    }

    /// Sends all packets evenly spread, `rate` a second; the answer is how many were sent.
    ///
    /// A sender that the machine has held up catches up with [`BURST`] packets and forgets the rest of its delay: more
    /// at once could be too many for the receiver's socket.
    pub fn send_paced<P: AsRef<[u8]>>(&self, rate: u32, packets: impl IntoIterator<Item = P>) -> u64 {
        let gap = Duration::from_secs(1) / rate;
        let mut due = Instant::now();
        let mut sent = 0;
        for packet in packets {
            let now = Instant::now();
            match due.checked_duration_since(now) {
                Some(ahead) if !ahead.is_zero() => sleep(ahead.max(Duration::from_millis(1))),
                _ if now - due > gap * BURST => due = now - gap * BURST,
                _ => {}
            }
            self.send(packet.as_ref());
            due += gap;
            sent += 1;
        }
        sent
    }
}
