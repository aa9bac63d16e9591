//! Why a packet is not read.

use thiserror::Error;

/// Why a packet holds no datagram that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoDatagram {
    /// It is IP that carries neither UDP nor another packet.
    #[error("IP without UDP")]
    Protocol,
    /// It is IP that carries another packet: one of [`TUNNELS`](super::TUNNELS).
    #[error("a tunnel")]
    Tunnel,
    /// It is ARP or RARP.
    #[error("ARP")]
    Arp,
    /// It is PPPoE discovery, or PPP that is not plain IP: mostly the negotiation of a session.
    #[error("PPP without IP")]
    Ppp,
    /// It has MPLS labels, and no IP below them.
    #[error("MPLS without IP")]
    Mpls,
    /// It is an 802.3 frame, without IP in SNAP: mostly spanning tree.
    #[error("LLC without IP")]
    Llc,
    /// It has another EtherType.
    #[error("another EtherType")]
    EtherType,
    /// It is a frame of an interface whose link type is unlike Ethernet.
    #[error("another link type")]
    LinkType,
    /// It is one fragment of a UDP datagram.
    #[error("a fragment of a datagram")]
    Fragment,
    /// It is shorter than its headers say.
    #[error("cut short")]
    Truncated,
    /// Its headers contradict one another.
    #[error("headers that contradict one another")]
    Malformed,
}
