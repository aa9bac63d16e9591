//! What became of frames that were to leave, whatever the transport.

/// What became of some frames.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// How many of the first left as a whole, or are in `too_long`.
    pub whole: usize,
    /// Frames that are too long for a datagram; in order.
    pub too_long: Vec<usize>,
    /// Datagrams that were reported to have reached nobody.
    pub port_unreachable: u64,
    /// Whether such reports say that nobody listens: then there is a failure too.
    pub is_unreachable: bool,
    /// Why the frames behind `whole` did not leave. The link is of no use any more, unless it is kept.
    pub failure: Option<String>,
    /// Whether the link is to be used again though it takes nothing now.
    pub is_kept: bool,
}
