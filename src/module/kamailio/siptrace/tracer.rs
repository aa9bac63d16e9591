//! Who traces a message.

/// Who traces a message, which decides what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracer {
    /// The script: `sip_trace()`, and messages of transactions and dialogs for which the switch counts as much as for
    /// it.
    Script,
    /// The transaction that `sip_trace()` has marked: what has begun is traced to its end, whatever the switch says
    /// meanwhile.
    Follow,
    /// The host's core, for everything that it receives and sends (`trace_mode`).
    Core,
    /// `hlog()`: a line of text.
    Log,
    /// `sip_trace_msg()`: a message that the script has made up.
    Text,
}

impl Tracer {
    /// Whether a script is behind it.
    pub(super) fn is_script(self) -> bool {
        matches!(self, Tracer::Script | Tracer::Follow)
    }
}
