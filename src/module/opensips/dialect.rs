//! What OpenSIPS' modules do otherwise than those of other hosts.

use crate::module::engine::default_places::EMBEDDED_URL;
use crate::module::engine::dialect::{Command, CommandAction, Dialect, Fault, SwitchAnswers};
use crate::module::engine::forward::{ForwardRules, LookUp};
use crate::module::opensips::refusal;
use crate::module::opensips::rows::ROWS;
use crate::queue::counters::{Group, Observer};
use crate::sink::url::UrlForms;

static SWITCH: SwitchAnswers = SwitchAnswers {
    bad_argument: Fault { code: 500, text: "Bad parameter value", detail: "capture_mode should be 'on' or 'off'" },
    field: Some("SIP capturing"),
    turned: Some("OK"),
};

/// Of `sipcapture`.
pub(in crate::module) static SIPCAPTURE: Dialect = Dialect {
    activity: "capture",
    // From release 4.0 on commands stand behind the name of their module.
    commands: &[
        Command {
            name: c"sip_capture",
            name_in_module: Some(c"capture"),
            action: CommandAction::Switch(&SWITCH),
            takes_argument: true,
            description: c"Show whether capture is on, or switch it: on, off.",
        },
        Command {
            name: c"sip_capture_stats",
            name_in_module: Some(c"stats"),
            action: CommandAction::Stats,
            takes_argument: false,
            description: c"Show every counter, lag, rates and the state of the database.",
        },
    ],
    // A capture node of another server may stand beside it.
    spool_name: "opensips-spool",
    default_url: EMBEDDED_URL,
    url_forms: UrlForms {
        sqlite_is_absolute: true,
        first_at_ends_login: true,
        has_unix_hosts: true,
        ignored_keys: &["tls_domain"],
    },
    database_parameters: "db_url",
    // The first is what the stock module takes, the second what its documentation says.
    aliases: &[("promiscious_on", "promiscuous_on")],
    rows: ROWS,
    stats: &[&[Group::Sip], &[Group::Hep], &[Group::Raw, Group::RawIgnored]],
    observer: Observer::Node,
    not_ready: Fault::new(500, "Internal error"),
    not_exported: None,
    refusal: refusal::of_sipcapture,
    // Nothing of it goes to SIP URIs from the host's own sockets.
    forward: ForwardRules { look_up: LookUp::ByAddress, holds: false },
};
