//! Commands that an operator sends to the running server, and their answers.

use crate::module::engine::dialect::Dialect;
use crate::queue::lane::{Committed, Lanes, Produced, Totals};
use crate::writer::WriterPlan;

/// How an answer reaches the host.
pub trait Reply {
    /// The whole answer is one text.
    fn text(&mut self, text: &str);
    /// The command failed.
    fn fault(&mut self, code: i32, text: &str);
    /// Begins a group of fields; the outermost has no name.
    fn open(&mut self, name: &str);
    /// Ends it.
    fn close(&mut self);
    /// A field.
    fn number(&mut self, name: &str, value: u64);
    /// A field.
    fn word(&mut self, name: &str, text: &str);
}

/// Runs the command `name` with `argument` (empty for none); false when there is no such command. `own_stats` adds to the answer of `stats`
/// what the module has of its own.
pub(in crate::module) fn run(
    dialect: &Dialect,
    lanes: Option<&Lanes>,
    plan: impl FnOnce() -> WriterPlan,
    (name, argument): (&str, &[u8]),
    reply: &mut dyn Reply,
    own_stats: impl FnOnce(&Totals, &mut dyn Reply),
) -> bool {
    if !["status", "stats", dialect.switch_command].contains(&name) {
        return false;
    }
    let Some(lanes) = lanes else {
        fault(reply, dialect.answers.not_ready);
        return true;
    };
    match name {
        "status" => status(dialect, lanes, argument, reply),
        "stats" => {
            let totals = lanes.totals();
            reply.open("");
            balance(dialect, lanes, &totals, reply);
            own_stats(&totals, reply);
            writer_figures(lanes, &totals, reply);
            sinks(&plan(), lanes, reply);
            reply.close();
        }
        _ => switch(dialect, lanes, argument, reply),
    }
    true
}

fn fault(reply: &mut dyn Reply, (code, text): (i32, &str)) {
    reply.fault(code, text);
}

/// What became of SIP messages.
pub(in crate::module) fn sip_group(totals: &Totals, reply: &mut dyn Reply) {
    group(
        reply,
        "sip",
        &[
            ("requests", totals.requests()),
            ("replies", totals.replies()),
            ("hash_refused", totals.produced(Produced::HashRefused)),
            ("refused_malformed", totals.produced(Produced::RefusedMalformed)),
            ("malformed", totals.committed(Committed::Malformed)),
            ("truncated", totals.committed(Committed::Truncated)),
        ],
    );
}

/// HEP packets.
pub(in crate::module) fn hep_group(totals: &Totals, reply: &mut dyn Reply) {
    group(
        reply,
        "hep",
        &[
            ("packets", totals.produced(Produced::HepPackets)),
            ("bad", totals.produced(Produced::HepBad)),
            ("trailing", totals.produced(Produced::HepTrailing)),
            ("other_type", totals.produced(Produced::HepOtherType)),
            ("compressed", totals.produced(Produced::HepCompressed)),
            ("refused", totals.produced(Produced::HepRefused)),
            ("not_allowed", totals.produced(Produced::HepNotAllowed)),
            ("unauthorised", totals.produced(Produced::HepUnauthorised)),
        ],
    );
}

/// Packets of raw sockets.
pub(in crate::module) fn raw_group(totals: &Totals, reply: &mut dyn Reply) {
    group(
        reply,
        "raw",
        &[
            ("packets", totals.produced(Produced::RawPackets)),
            ("messages", totals.produced(Produced::RawMessages)),
            ("bad", totals.produced(Produced::RawBad)),
            ("fragments", totals.produced(Produced::RawFragments)),
            ("ignored", totals.raw_ignored()),
            ("ignored_ports", totals.produced(Produced::RawOtherPorts)),
            ("ignored_payload", totals.produced(Produced::RawNoSip)),
            ("ignored_protocol", totals.produced(Produced::RawNoUdp)),
            ("ignored_tunnel", totals.produced(Produced::RawTunnels)),
            ("ignored_arp", totals.produced(Produced::RawArp)),
            ("ignored_ppp", totals.produced(Produced::RawPpp)),
            ("ignored_mpls", totals.produced(Produced::RawMpls)),
            ("ignored_llc", totals.produced(Produced::RawLlc)),
            ("ignored_ether_type", totals.produced(Produced::RawEtherTypes)),
            ("ignored_link_type", totals.produced(Produced::RawLinkTypes)),
            ("refused", totals.produced(Produced::RawRefused)),
            ("kernel_drops", totals.produced(Produced::RawKernelDrops)),
            ("kernel_drops_ignored", totals.produced(Produced::RawKernelDropsIgnored)),
        ],
    );
}

/// `MODULE.status on|off|check`: words are recognised by their beginning, as in the stock modules.
fn status(dialect: &Dialect, lanes: &Lanes, argument: &[u8], reply: &mut dyn Reply) {
    if argument.is_empty() {
        return fault(reply, dialect.answers.status_lacks_argument);
    }
    let begins = |word: &str| argument.get(..word.len()).is_some_and(|a| a.eq_ignore_ascii_case(word.as_bytes()));
    if begins("on") {
        lanes.set_capture_on(true);
    } else if begins("off") {
        lanes.set_capture_on(false);
    } else if !begins("check") {
        return fault(reply, dialect.answers.status_argument);
    }
    reply.text(dialect.answers.status[usize::from(lanes.capture_on())]);
}

/// `sip_capture [on|off]`, `sip_trace [on|off]`: without an argument the answer is the switch's position.
fn switch(dialect: &Dialect, lanes: &Lanes, argument: &[u8], reply: &mut dyn Reply) {
    if argument.eq_ignore_ascii_case(b"on") {
        lanes.set_capture_on(true);
    } else if argument.eq_ignore_ascii_case(b"off") {
        lanes.set_capture_on(false);
    } else if !argument.is_empty() {
        return fault(reply, dialect.answers.switch_argument);
    }
    reply.text(dialect.answers.switch[usize::from(lanes.capture_on())]);
}

/// The switch, and what became of all captures.
fn balance(dialect: &Dialect, lanes: &Lanes, totals: &Totals, reply: &mut dyn Reply) {
    let (captured_rate, stored_rate) = lanes.rates();
    reply.word(dialect.activity, if lanes.capture_on() { "on" } else { "off" });
    reply.number("captured", totals.captured());
    reply.number("stored", totals.committed(Committed::Stored));
    reply.number("spooled", totals.spooled());
    reply.number("queued", totals.queued());
    reply.number("dead_lettered", totals.committed(Committed::DeadLettered));
    reply.number("dropped", totals.dropped());
    let without_lane = dialect.counts_without_lane.then_some(("no_lane", totals.without_lane));
    let rejected = totals.committed(Committed::Rejected) + totals.produced(Produced::DroppedUnaddressed);
    let reasons: Vec<_> = without_lane
        .into_iter()
        .chain([
            ("queue_full", totals.produced(Produced::DroppedFull)),
            ("too_large", totals.produced(Produced::DroppedTooLarge)),
            ("spool_full", totals.committed(Committed::SpoolFull)),
            ("spool_corrupt", totals.committed(Committed::SpoolCorrupt)),
            ("unavailable", totals.committed(Committed::Unavailable)),
            ("rejected", rejected),
            ("shutdown", totals.committed(Committed::Shutdown)),
            ("corrupt", totals.committed(Committed::Corrupt)),
        ])
        .collect();
    group(reply, "dropped_by_reason", &reasons);
    reply.number("recovered", totals.committed(Committed::Recovered));
    reply.number("lag_ms", lanes.lag_ms());
    reply.word("captured_per_second", &format!("{captured_rate:.1}"));
    reply.word("stored_per_second", &format!("{stored_rate:.1}"));
}

fn writer_figures(lanes: &Lanes, totals: &Totals, reply: &mut dyn Reply) {
    let geometry = lanes.geometry();
    reply.open("writer");
    reply.number("processes", geometry.writers as u64);
    reply.number("restarts", lanes.writer_restarts());
    reply.number("batches", totals.committed(Committed::Batches));
    reply.number("lanes", geometry.lanes as u64);
    reply.number("lane_bytes", geometry.lane_bytes as u64);
    reply.number("queue_bytes", (geometry.lanes * geometry.lane_bytes) as u64);
    reply.close();
}

fn sinks(plan: &WriterPlan, lanes: &Lanes, reply: &mut dyn Reply) {
    let urls: Vec<String> = plan.sinks.iter().map(|sink| sink.target.to_string()).collect();
    for (writer, sink, state) in lanes.sink_states() {
        let number = writer * lanes.geometry().sinks + sink;
        reply.open(&format!("sink_{number}"));
        reply.word("url", urls.get(sink).map_or("", String::as_str));
        reply.word(
            "state",
            match state.up {
                None => "not tried",
                Some(true) => "up",
                Some(false) => "down",
            },
        );
        reply.number("spooled", state.spooled);
        reply.number("spool_bytes", state.spool_bytes);
        reply.number("errors", state.errors);
        if let Some(age) = state.last_error_age {
            reply.word("last_error", &state.last_error);
            reply.number("last_error_seconds_ago", age);
        }
        reply.close();
    }
}

fn group(reply: &mut dyn Reply, name: &str, fields: &[(&str, u64)]) {
    reply.open(name);
    fields.iter().for_each(|(name, value)| reply.number(name, *value));
    reply.close();
}
