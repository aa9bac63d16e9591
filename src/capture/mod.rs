//! A capture: one observed message with its addresses, its time and where it is bound for.
//!
//! Sources make captures, lanes carry them, the writer turns them into rows. Everything here borrows: a capture
//! points into the datagram or the lane that holds its bytes.

pub mod record;
mod sockets;
mod trace;
mod transport;

use std::net::SocketAddr;

pub use sockets::{SocketList, Sockets};
pub use trace::Trace;
pub use transport::Transport;

/// Custom fields that a capture can have values of its own for.
pub const CUSTOM_FIELDS: usize = 3;

/// Which row a capture becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// That of a SIP message.
    Sip,
    /// That of a report, an RTCP summary or a log line; the number is the `type` column.
    Report(u8),
    /// That of a traced message.
    Trace,
    /// No row: a HEP packet to a collector, which is made of the capture there.
    Packet,
    /// No row: the payload is a whole HEP packet, for a collector as it is.
    Relayed,
}

/// One observed message. Byte fields borrow from the datagram, the host's message buffer or a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture<'a> {
    /// Capture time, microseconds since the Unix epoch (HEP chunks 0x0009 and 0x000a, else the clock).
    pub time_us: i64,
    /// Where the message came from.
    pub source: SocketAddr,
    /// Where the message went to; the same family as `source`.
    pub destination: SocketAddr,
    /// What carried it.
    pub transport: Transport,
    /// Version of the HEP packet that it came in, 1 to 3; `None` when it came without, or nobody has told.
    pub hep_version: Option<u8>,
    /// Which row it becomes.
    pub kind: RowKind,
    /// Capture agent id (HEP chunk 0x000c), present when the packet carried its own time; shown behind the node name.
    pub agent_id: Option<u32>,
    /// Correlation id (HEP chunk 0x0011), when the packet had one.
    pub correlation_id: Option<&'a [u8]>,
    /// The request URI as the script has rewritten it, when it has.
    pub rewritten_uri: Option<&'a [u8]>,
    /// The Call-ID as it was before topology hiding masked it, when the host has told.
    pub call_id: Option<&'a [u8]>,
    /// Values of the custom fields that the script has given, in place of what headers of the message say.
    pub custom: [Option<&'a [u8]>; CUSTOM_FIELDS],
    /// Number of the sink that it is bound for, in the order of the writer's plan.
    pub sink: u8,
    /// Table name before expansion; `None` for the plan's first. Of a packet, whole or not, the SIP URI of a collector
    /// that the script named.
    pub table: Option<&'a [u8]>,
    /// What a capture agent adds; present when `kind` is [`RowKind::Trace`] or [`RowKind::Packet`].
    pub trace: Option<Trace<'a>>,
    /// The message, complete as it was received.
    pub payload: &'a [u8],
}

impl<'a> Capture<'a> {
    /// A SIP message without HEP metadata, bound for the first sink and its own table.
    pub fn sip(
        time_us: i64,
        source: SocketAddr,
        destination: SocketAddr,
        transport: Transport,
        payload: &'a [u8],
    ) -> Capture<'a> {
        Capture {
            time_us,
            source,
            destination,
            transport,
            hep_version: None,
            kind: RowKind::Sip,
            agent_id: None,
            correlation_id: None,
            rewritten_uri: None,
            call_id: None,
            custom: [None; CUSTOM_FIELDS],
            sink: 0,
            table: None,
            trace: None,
            payload,
        }
    }
}
