//! What an error of the core is to the host: its [`sc_status`], and a line in the log where the caller needs one.

use super::contract::sc_status;
use crate::hep::EncodeError;
use crate::log_limit::SharedLogLimit;
use crate::module::{
    CaptureError, ChunkError, MapError, ParameterError, RawError, RelayError, SetError, StateError, TraceError,
};
use crate::queue::lane::PushError;
use std::sync::LazyLock;

impl From<ParameterError> for sc_status {
    fn from(error: ParameterError) -> sc_status {
        log::error!("{error}");
        match error {
            ParameterError::Unknown(..) => sc_status::SC_ERR_UNKNOWN_NAME,
            ParameterError::Value { .. } | ParameterError::Driver { .. } => sc_status::SC_ERR_INVALID_VALUE,
            ParameterError::Path { .. } | ParameterError::Spool { .. } => sc_status::SC_ERR_IO,
        }
    }
}

impl From<SetError> for sc_status {
    fn from(error: SetError) -> sc_status {
        match error {
            SetError::State(error) => error.into(),
            SetError::Parameter(error) => error.into(),
        }
    }
}

impl From<StateError> for sc_status {
    fn from(error: StateError) -> sc_status {
        log::error!("{error}");
        sc_status::SC_ERR_WRONG_STATE
    }
}

impl From<MapError> for sc_status {
    fn from(error: MapError) -> sc_status {
        match error {
            MapError::State(error) => error.into(),
            MapError::Parameter(error) => error.into(),
            MapError::Ended(_) => {
                log::info!("{error}");
                sc_status::SC_ERR_IO
            }
            MapError::Io(_) => {
                log::error!("{error}");
                sc_status::SC_ERR_IO
            }
        }
    }
}

impl From<RawError> for sc_status {
    fn from(error: RawError) -> sc_status {
        match error {
            RawError::State(error) => error.into(),
            RawError::Refused { .. } => {
                log::error!("{error}");
                sc_status::SC_ERR_IO
            }
        }
    }
}

impl From<CaptureError> for sc_status {
    fn from(error: CaptureError) -> sc_status {
        match error {
            CaptureError::Off => sc_status::SC_ERR_CAPTURE_OFF,
            CaptureError::Push(PushError::Full) => sc_status::SC_ERR_QUEUE_FULL,
            CaptureError::Push(PushError::TooLarge) => sc_status::SC_ERR_TOO_LARGE,
            CaptureError::State(error) => error.into(),
            CaptureError::Table(_)
            | CaptureError::Mode(_)
            | CaptureError::NoSip
            | CaptureError::ReportType(_)
            | CaptureError::Unmaskable(_) => sc_status::SC_ERR_INVALID_VALUE,
            CaptureError::Malformed | CaptureError::NoHashSource => sc_status::SC_ERR_REFUSED,
        }
    }
}

impl From<RelayError> for sc_status {
    fn from(error: RelayError) -> sc_status {
        match error {
            RelayError::Push(PushError::Full) => sc_status::SC_ERR_QUEUE_FULL,
            RelayError::Push(PushError::TooLarge) => sc_status::SC_ERR_TOO_LARGE,
            RelayError::State(error) => error.into(),
            RelayError::Destination(_)
            | RelayError::Stream { .. }
            | RelayError::Packet(_)
            | RelayError::Unmaskable(_) => sc_status::SC_ERR_INVALID_VALUE,
        }
    }
}

impl From<EncodeError> for sc_status {
    fn from(error: EncodeError) -> sc_status {
        match error {
            EncodeError::TooLong(_) => sc_status::SC_ERR_TOO_LARGE,
            EncodeError::NotBegun => sc_status::SC_ERR_WRONG_STATE,
            EncodeError::CompressedNeedsV3
            | EncodeError::TypeNeedsV3(_)
            | EncodeError::ChunkNeedsV3(_)
            | EncodeError::TimeOutOfRange(_) => sc_status::SC_ERR_INVALID_VALUE,
        }
    }
}

impl From<TraceError> for sc_status {
    fn from(error: TraceError) -> sc_status {
        match error {
            TraceError::Off => sc_status::SC_ERR_CAPTURE_OFF,
            TraceError::Push(PushError::Full) => sc_status::SC_ERR_QUEUE_FULL,
            TraceError::Push(PushError::TooLarge) => sc_status::SC_ERR_TOO_LARGE,
            // The host may help itself, and need not be told each time.
            TraceError::State(_) => sc_status::SC_ERR_WRONG_STATE,
            TraceError::NoDestination => sc_status::SC_ERR_NO_COLLECTOR,
            TraceError::Destination(_) | TraceError::NoCallId | TraceError::NoText => sc_status::SC_ERR_INVALID_VALUE,
            TraceError::Table(_) => sc_status::SC_ERR_NO_TABLE,
            TraceError::NoXHeaders | TraceError::XHeaders => sc_status::SC_ERR_REFUSED,
        }
    }
}

/// Logged at a limited rate for the whole process: scripts make such a mistake with each message.
impl From<ChunkError<'_>> for sc_status {
    fn from(error: ChunkError<'_>) -> sc_status {
        static LIMIT: LazyLock<SharedLogLimit> = LazyLock::new(SharedLogLimit::default);
        LIMIT.log(log::Level::Error, format_args!("{error}"));
        match error {
            ChunkError::Unknown(_) | ChunkError::NotOuter(_) => sc_status::SC_ERR_UNKNOWN_NAME,
            _ => sc_status::SC_ERR_INVALID_VALUE,
        }
    }
}
