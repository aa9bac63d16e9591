//! The differences from the stock module that are meant: what differs, where, and what is there instead.
//!
//! The list is checked both ways. A difference that no entry covers fails the test, and so does an entry that covers
//! nothing in a setup that it is said to show in.

use super::comparison::{Unequal, What};
use super::message::DOMAIN;
use super::record::{Place, Record};
use super::setups::{Form, Setup};
use super::table::NULL;
use crate::common::release::release;

/// One difference that is meant.
pub struct Difference {
    /// Why it is meant.
    pub reason: &'static str,
    /// The setups in which it shows, each of which must show it.
    pub shows: fn(&Setup) -> bool,
    /// What exactly is there in place of what the stock module does.
    pub holds: fn(&Unequal<'_>) -> bool,
}

/// Chunk names as records have them.
const CORRELATION: &str = "0:0x0011";
const AGENT: &str = "0:0x000c";

/// All differences that are meant.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "the correlation id is on every message of a traced transaction or dialog, and not on the first alone",
        shows: |setup| setup.form == Form::Hep(3) && setup.follows() && setup.on_request.contains("id of $ci"),
        holds: |unequal| {
            let (Some(stock), Some(ours)) = (unequal.stock, unequal.ours) else { return false };
            let mut names = chunks(stock);
            let behind_agent = names.iter().position(|name| *name == AGENT).map(|at| at + 1);
            behind_agent.into_iter().for_each(|at| names.insert(at, CORRELATION));
            unequal.what == What::Field(CORRELATION.to_owned())
                && names == chunks(ours)
                && ours.field(CORRELATION) == format!("id of {}@{DOMAIN}", ours.call)
        },
    },
    Difference {
        reason: "stateless replies go where the argument of sip_trace() says, not to duplicate_uri",
        shows: |setup| setup.traces_stateless_replies() && setup.names_collector() && setup.has_default_copies(),
        holds: |unequal| {
            let (Some(stock), Some(ours)) = (unequal.stock, unequal.ours) else { return false };
            let moved = (stock.place, ours.place) == (Place::Duplicate, Place::Named);
            unequal.what == What::Place && moved && is_stateless_reply(ours)
        },
    },
    Difference {
        reason: "a CANCEL goes where the argument of sip_trace() for its INVITE says, not to duplicate_uri",
        shows: |setup| {
            setup.follows()
                && setup.names_collector()
                && setup.has_default_copies()
                && (setup.is_on() || setup.has_users())
        },
        holds: |unequal| {
            let (Some(stock), Some(ours)) = (unequal.stock, unequal.ours) else { return false };
            let moved = (stock.place, ours.place) == (Place::Duplicate, Place::Named);
            unequal.what == What::Place && moved && ours.title.starts_with("CANCEL sip:callee@parity.example ")
        },
    },
    Difference {
        reason: "stateless replies and CANCELs are copied to the collector that sip_trace() names, also beside rows",
        shows: |setup| setup.follows() && setup.names_collector() && !setup.has_default_copies(),
        holds: |unequal| {
            let is_such = |ours: &Record| {
                ours.place == Place::Named && (is_stateless_reply(ours) || ours.title.starts_with("CANCEL "))
            };
            unequal.what == What::Missing && unequal.stock.is_none() && unequal.ours.is_some_and(is_such)
        },
    },
    Difference {
        reason: "a packet between address families is sent, the IPv4 side as an IPv4-mapped IPv6 address",
        shows: |setup| setup.form != Form::Plain && setup.has("trace_local_ip") && setup.names_collector(),
        holds: |unequal| {
            let mapped = |ours: &Record| ours.place < Place::Table && ours.way.contains("::ffff:192.0.2.77:5077");
            unequal.what == What::Missing && unequal.stock.is_none() && unequal.ours.is_some_and(mapped)
        },
    },
    Difference {
        reason: "columns get '' and never NULL; the stock module hands SQLite null pointers for what is empty",
        shows: |setup| {
            let has_rows = (setup.rows && setup.on_request.contains("sip_trace")) || setup.mode & 2 != 0;
            has_rows && (setup.is_on() || setup.has_users())
        },
        holds: |unequal| {
            let (Some(stock), Some(ours)) = (unequal.stock, unequal.ours) else { return false };
            let What::Field(column) = &unequal.what else { return false };
            stock.place >= Place::Table && stock.field(column) == NULL && ours.field(column).is_empty()
        },
    },
    Difference {
        reason: "trace_dialog_ack, which only later releases of the stock module have, traces the ACKs of a dialog",
        shows: |setup| setup.traces_dialogs() && !setup.ours.is_empty() && release() < (5, 7, 0),
        holds: |unequal| {
            let is_ack = unequal.ours.is_some_and(|ours| ours.title.starts_with("ACK "));
            let is_counted = unequal.what == What::Field("traced_requests".to_owned());
            is_counted || (unequal.what == What::Missing && unequal.stock.is_none() && is_ack)
        },
    },
];

fn chunks(record: &Record) -> Vec<&str> {
    record.fields.iter().map(|(name, _)| name.as_str()).collect()
}

/// Of calls that the proxy answers without a transaction.
fn is_stateless_reply(record: &Record) -> bool {
    record.title.starts_with("SIP/2.0 ")
        && ["registered", "registered-tcp", "options-to-proxy", "stateless"].contains(&&*record.call)
}
