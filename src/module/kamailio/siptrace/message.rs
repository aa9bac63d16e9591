//! A traced message as the host hands it over, and what comes of it.

use super::endpoint::TraceEndpoint;
use super::tracer::Tracer;
use crate::module::engine::overview::Overview;
use crate::module::engine::state::StateError;
use crate::queue::lane::PushError;
use crate::sink::hep::DestinationError;
use crate::table::NameError;

/// One message as the host hands it over.
#[derive(Clone, Copy, Debug)]
pub struct TracedMessage<'a> {
    /// Who traces it.
    pub tracer: Tracer,
    /// The message as on the wire, or the line of a log.
    pub body: &'a [u8],
    /// Its Call-ID.
    pub call_id: &'a [u8],
    /// Whether the server sends it.
    pub is_outgoing: bool,
    /// Request method, of a reply that of its CSeq.
    pub method: &'a [u8],
    /// Reply code; empty for a request.
    pub status: &'a [u8],
    /// Tag of the From header.
    pub from_tag: &'a [u8],
    /// Tag of the To header.
    pub to_tag: &'a [u8],
    /// Where it comes from.
    pub from: TraceEndpoint<'a>,
    /// Where it goes to.
    pub to: TraceEndpoint<'a>,
    /// Of a log line: the host's sockets that it could leave from.
    pub sockets: &'a [TraceEndpoint<'a>],
    /// The collector that the script names, a SIP URI; `None` when it named none, empty when it left it empty.
    pub destination: Option<&'a [u8]>,
    /// The correlation id that the script names; `None` when it named none, empty when it left it empty.
    pub correlation_id: Option<&'a [u8]>,
    /// The table that the script names; empty for none.
    pub table: &'a [u8],
    /// Users that it is traced for, beside everybody.
    pub users: &'a [&'a [u8]],
    /// Microseconds since the Unix epoch; `None` for now.
    pub time_us: Option<i64>,
}

/// Why a message never came to [`TraceAgent::trace`](super::TraceAgent::trace).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// It lacks From, To, Call-ID or CSeq.
    #[error("it lacks From, To, Call-ID or CSeq, or one of them cannot be read")]
    Malformed,
    /// This process has no lane, and cannot get one.
    #[error("this process has no queue, and cannot get one: it was not made by the server's own means")]
    NoLane,
}

impl Loss {
    /// Counts and says, from whichever thread, that the host could not hand a message over.
    ///
    /// # Errors
    /// The lanes are not mapped yet.
    pub fn count(self, overview: &Overview) -> Result<(), StateError> {
        let lanes = overview.mapped()?;
        match self {
            Loss::Malformed => lanes.count_refused(),
            Loss::NoLane => lanes.count_without_lane(),
        }
        super::say(overview, &self);
        Ok(())
    }
}

/// Copies that the host is to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Where to: SIP URIs.
    pub uris: Vec<String>,
    /// The message, with the X-Siptrace headers if they are asked for and a script is behind it.
    pub body: Vec<u8>,
}

/// Why a message was not traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Tracing is switched off, and no user is traced.
    #[error("tracing is off")]
    Off,
    /// Neither the script nor `duplicate_uri` says where to.
    #[error("there is no collector: set duplicate_uri, or name one in the script")]
    NoDestination,
    /// The script's destination will not do.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The script's table name will not do.
    #[error(transparent)]
    Table(#[from] NameError),
    /// A line of a log belongs to no message, and the script names no correlation id.
    #[error("hlog(): the message has no Call-ID to correlate the line by")]
    NoCallId,
    /// A message that the script has made up lacks its text or an address.
    #[error("sip_trace_msg(): message and addresses (proto:ip:port) must not be empty")]
    NoText,
    /// `xheaders_read` is on, and the message lacks the headers.
    #[error("the message has no X-Siptrace headers, or not all of them")]
    NoXHeaders,
    /// `xheaders_write` is on, and the headers cannot be added.
    #[error("the message has no end of headers, or the X-Siptrace headers are too long")]
    XHeaders,
    /// The lane refused it.
    #[error(transparent)]
    Push(#[from] PushError),
    /// This process has no lane.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What came of a message.
#[derive(Debug)]
pub struct Traced {
    /// The plain copies that the host is to send, whatever the answer.
    pub copies: Option<Copies>,
    /// What the script is told: of the rows where there are to be any, as the stock module has it, and else the first
    /// error.
    pub answer: Result<(), TraceError>,
}

/// What becomes of the rows, packets and copies of one message, which know nothing of each other.
#[derive(Debug, Default)]
pub(super) struct TraceErrors {
    /// The first error of a row.
    pub of_rows: Option<TraceError>,
    /// The first error of anything else.
    pub of_others: Option<TraceError>,
}

impl TraceErrors {
    pub fn note_row(&mut self, error: TraceError) {
        self.of_rows.get_or_insert(error);
    }

    pub fn note(&mut self, error: TraceError) {
        self.of_others.get_or_insert(error);
    }

    /// With rows, a packet or copy that did not go is not the script's affair, but headers that could not be written
    /// are.
    pub fn answer(self, has_rows: bool) -> Result<(), TraceError> {
        let of_others = self.of_others.filter(|error| !has_rows || matches!(error, TraceError::XHeaders));
        self.of_rows.or(of_others).map_or(Ok(()), Err)
    }
}
