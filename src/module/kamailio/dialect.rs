//! What Kamailio's modules do otherwise than those of other hosts.

use crate::module::engine::default_places::EMBEDDED_URL;
use crate::module::engine::dialect::{Answers, Dialect};
use crate::queue::counters::Observer;

const ANSWERS: Answers = Answers {
    not_ready: (500, "Internal error"),
    status_lacks_argument: (500, "Not enough parameters (on, off or check)"),
    status_argument: (500, "Bad parameter (on, off or check)"),
    switch_argument: (500, "Bad parameter (on or off)"),
    status: ["Disabled", "Enabled"],
    switch: ["off", "on"],
};

/// Of `sipcapture`.
pub(in crate::module) static SIPCAPTURE: Dialect = Dialect {
    activity: "capture",
    switch_command: "sip_capture",
    spool_name: "spool",
    default_url: EMBEDDED_URL,
    database_parameters: "db_url and capture_mode",
    aliases: &[],
    observer: Observer::Node,
    answers: ANSWERS,
};

/// Of `siptrace`.
pub(in crate::module) static SIPTRACE: Dialect = Dialect {
    activity: "trace",
    switch_command: "sip_trace",
    // A capture node beside it has a spool of its own.
    spool_name: "siptrace-spool",
    default_url: EMBEDDED_URL,
    database_parameters: "db_url",
    aliases: &[],
    observer: Observer::Agent,
    answers: ANSWERS,
};
