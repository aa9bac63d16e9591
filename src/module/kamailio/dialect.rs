//! What Kamailio's modules do otherwise than those of other hosts.

use crate::module::engine::default_places::EMBEDDED_URL;
use crate::module::engine::dialect::{Command, CommandAction, Dialect, Fault, StatusAnswers, SwitchAnswers};
use crate::module::engine::forward::{ForwardRules, LookUp};
use crate::module::kamailio::refusal;
use crate::module::kamailio::rows::ROWS;
use crate::module::kamailio::sipcapture::mode_counters::NOT_EXPORTED;
use crate::queue::counters::{Group, Observer};
use crate::sink::url::UrlForms;

const NOT_READY: Fault = Fault::new(500, "Internal error");

static STATUS: StatusAnswers = StatusAnswers {
    lacks_argument: Fault::new(500, "Not enough parameters (on, off or check)"),
    bad_argument: Fault::new(500, "Bad parameter (on, off or check)"),
    shown: ["Disabled", "Enabled"],
};

static SWITCH: SwitchAnswers =
    SwitchAnswers { bad_argument: Fault::new(500, "Bad parameter (on or off)"), field: None, turned: None };

/// Of `sipcapture`.
pub(in crate::module) static SIPCAPTURE: Dialect = Dialect {
    activity: "capture",
    commands: &[
        Command {
            name: c"sipcapture.status",
            name_in_module: None,
            action: CommandAction::Status(&STATUS),
            takes_argument: true,
            description: c"Get status or turn on/off sipcapture.",
        },
        Command {
            name: c"sip_capture",
            name_in_module: None,
            action: CommandAction::Switch(&SWITCH),
            takes_argument: true,
            description: c"Show whether capture is on, or switch it: on, off.",
        },
        Command {
            name: c"sipcapture.stats",
            name_in_module: None,
            action: CommandAction::Stats,
            takes_argument: false,
            description: c"Show every counter, lag, rates and the state of the database.",
        },
    ],
    spool_name: "spool",
    default_url: EMBEDDED_URL,
    url_forms: UrlForms::PLAIN,
    database_parameters: "db_url and capture_mode",
    aliases: &[],
    rows: ROWS,
    stats: &[&[Group::Sip], &[Group::Hep], &[Group::Raw, Group::RawIgnored]],
    observer: Observer::Node,
    not_ready: NOT_READY,
    not_exported: Some(NOT_EXPORTED),
    refusal: refusal::of_sipcapture,
    // `sip_capture_forward()` looks names up by the rules of SIP. It answers the script when one is not known yet.
    forward: ForwardRules { look_up: LookUp::ByService, holds: false },
};

/// Of `siptrace`.
pub(in crate::module) static SIPTRACE: Dialect = Dialect {
    activity: "trace",
    commands: &[
        Command {
            name: c"siptrace.status",
            name_in_module: None,
            action: CommandAction::Status(&STATUS),
            takes_argument: true,
            description: c"Get status or turn on/off siptrace. Parameters: on, off or check.",
        },
        Command {
            name: c"sip_trace",
            name_in_module: None,
            action: CommandAction::Switch(&SWITCH),
            takes_argument: true,
            description: c"Show whether tracing is on, or switch it: on, off.",
        },
        Command {
            name: c"siptrace.stats",
            name_in_module: None,
            action: CommandAction::Stats,
            takes_argument: false,
            description: c"Show every counter, lag, rates and the state of database and collectors.",
        },
    ],
    // A capture node beside it has a spool of its own.
    spool_name: "siptrace-spool",
    default_url: EMBEDDED_URL,
    url_forms: UrlForms::PLAIN,
    database_parameters: "db_url",
    aliases: &[("force_send_sock", "send_sock_addr")],
    rows: ROWS,
    stats: &[&[Group::Trace]],
    observer: Observer::Agent,
    not_ready: NOT_READY,
    not_exported: None,
    refusal: refusal::of_siptrace,
    // Plain copies go to the port that their URI names or its default, as those of the stock module do. No script
    // learns what becomes of them, so they wait for their name.
    forward: ForwardRules { look_up: LookUp::ByAddress, holds: true },
};
