//! What carries SIP. Which number a row has for it is the affair of the row's dialect
//! ([`TransportNumbers`](crate::table::TransportNumbers)).

/// What carried the observed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// SCTP.
    Sctp,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// Another one, by its IP protocol number (HEP chunk 0x0002); 0 when it is not known.
    Other(u8),
}

impl Transport {
    /// Nobody has told.
    pub const UNKNOWN: Transport = Transport::Other(0);

    /// The transport that a HEP packet's IP protocol number means: 17 UDP, 6 TCP, 22 TLS, 132 SCTP.
    pub fn from_ip_protocol(number: u8) -> Transport {
        match number {
            17 => Transport::Udp,
            6 => Transport::Tcp,
            22 => Transport::Tls,
            132 => Transport::Sctp,
            other => Transport::Other(other),
        }
    }
}

impl Default for Transport {
    fn default() -> Transport {
        Transport::UNKNOWN
    }
}
