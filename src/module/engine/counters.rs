//! Counters by name, as statistics of the host.

use crate::queue::lane::{Committed, Lanes, Produced, Totals};
use std::borrow::Cow;
use std::ffi::{CStr, CString};

/// One counter of a module.
#[derive(Debug)]
pub struct Counter {
    /// Name within the module's group.
    pub name: Cow<'static, CStr>,
    /// What it counts.
    pub description: Cow<'static, CStr>,
    /// Its name where exporters show it, if `name` is none that they take.
    pub exported_name: Option<CString>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Of(fn(&Lanes, &Totals) -> u64),
    /// SIP requests (0) or replies (1) of a mode.
    Mode(usize, usize),
}

impl Counter {
    /// The SIP requests (`kind` 0) or replies (1) that `sip_capture()` accepted in mode number `mode`.
    pub(in crate::module) fn of_mode(
        mode: usize,
        kind: usize,
        name: CString,
        exported_name: Option<CString>,
        description: CString,
    ) -> Counter {
        let (name, description) = (Cow::Owned(name), Cow::Owned(description));
        Counter { name, description, exported_name, value: Value::Mode(mode, kind) }
    }

    /// Its value now.
    pub fn value(&self, lanes: &Lanes, totals: &Totals) -> u64 {
        match self.value {
            Value::Of(value) => value(lanes, totals),
            Value::Mode(mode, kind) => totals.modes[mode][kind],
        }
    }
}

/// The counters that every capture node has.
pub(in crate::module) fn common() -> &'static [Counter] {
    COUNTERS
}

/// The counters of a capture agent.
pub(in crate::module) fn of_traces() -> &'static [Counter] {
    TRACES
}

macro_rules! counters {
    ($($name:literal, $description:literal, $value:expr;)*) => {
        &[$(Counter {
            name: Cow::Borrowed($name),
            description: Cow::Borrowed($description),
            exported_name: None,
            value: Value::Of($value),
        }),*]
    };
}

static COUNTERS: &[Counter] = counters! {
    c"captured_requests", c"SIP requests accepted by sip_capture()", |_, t| t.modes[0][0];
    c"captured_replies", c"SIP replies accepted by sip_capture()", |_, t| t.modes[0][1];
    c"captured", c"captures made, whatever became of them", |_, t| t.captured();
    c"stored", c"rows stored in the database", |_, t| t.committed(Committed::Stored);
    c"spooled", c"captures in the spool", |_, t| t.spooled();
    c"dead_lettered", c"captures that the database refused, put to the dead letters", |_, t| t.committed(Committed::DeadLettered);
    c"recovered", c"captures that an earlier run left in the spool", |_, t| t.committed(Committed::Recovered);
    c"queued", c"captures waiting to be stored", |_, t| t.queued();
    c"dropped", c"captures lost, for any reason", |_, t| t.dropped();
    c"dropped_queue_full", c"captures lost because a lane was full", |_, t| t.produced(Produced::DroppedFull);
    c"dropped_too_large", c"captures lost because they exceed 262144 bytes", |_, t| t.produced(Produced::DroppedTooLarge);
    c"dropped_spool_full", c"captures lost because the spool had no room or could not be written", |_, t| t.committed(Committed::SpoolFull);
    c"dropped_spool_corrupt", c"captures lost because the spool could not be read back", |_, t| t.committed(Committed::SpoolCorrupt);
    c"dropped_unavailable", c"captures lost because the tries that parameters allow were over, and there is no spool", |_, t| t.committed(Committed::Unavailable);
    c"dropped_rejected", c"captures lost because the database refused them", |_, t| t.committed(Committed::Rejected);
    c"dropped_shutdown", c"captures lost because the shutdown's time was over", |_, t| t.committed(Committed::Shutdown);
    c"dropped_corrupt", c"captures lost to corrupt queue memory", |_, t| t.committed(Committed::Corrupt);
    c"truncated", c"values cut to their column's width", |_, t| t.committed(Committed::Truncated);
    c"malformed", c"stored SIP messages with unreadable parts", |_, t| t.committed(Committed::Malformed);
    c"batches", c"batches written", |_, t| t.committed(Committed::Batches);
    c"hep_packets", c"HEP packets received", |_, t| t.produced(Produced::HepPackets);
    c"hep_bad", c"HEP packets that could not be used", |_, t| t.produced(Produced::HepBad);
    c"hep_trailing", c"HEP packets longer than they said", |_, t| t.produced(Produced::HepTrailing);
    c"hep_other_type", c"HEP packets of a payload type without a table of its own", |_, t| t.produced(Produced::HepOtherType);
    c"hep_compressed", c"HEP packets with a compressed payload", |_, t| t.produced(Produced::HepCompressed);
    c"hep_refused", c"SIP payloads that the SIP parser of the server refused", |_, t| t.produced(Produced::HepRefused);
    c"hash_refused", c"SIP messages refused because they lack what the table is chosen by", |_, t| t.produced(Produced::HashRefused);
    c"refused_malformed", c"malformed SIP messages refused, as capture_bad_msgs=0 asks", |_, t| t.produced(Produced::RefusedMalformed);
    c"hep_not_allowed", c"HEP packets of senders that hep_allow does not name", |_, t| t.produced(Produced::HepNotAllowed);
    c"hep_unauthorised", c"HEP packets without the key of hep_auth_key", |_, t| t.produced(Produced::HepUnauthorised);
    c"raw_packets", c"packets that raw sockets have handed over", |_, t| t.produced(Produced::RawPackets);
    c"raw_messages", c"messages taken from raw sockets", |_, t| t.produced(Produced::RawMessages);
    c"raw_bad", c"packets from raw sockets that were cut short or contradictory", |_, t| t.produced(Produced::RawBad);
    c"raw_fragments", c"fragments of UDP datagrams from raw sockets", |_, t| t.produced(Produced::RawFragments);
    c"raw_ignored", c"packets from raw sockets that are no SIP of the ports asked for", |_, t| t.raw_ignored();
    c"raw_ignored_ports", c"datagrams from raw sockets of other ports", |_, t| t.produced(Produced::RawOtherPorts);
    c"raw_ignored_payload", c"datagrams from raw sockets of the ports asked for that are no SIP by their looks", |_, t| t.produced(Produced::RawNoSip);
    c"raw_ignored_protocol", c"IP packets from raw sockets without UDP", |_, t| t.produced(Produced::RawNoUdp);
    c"raw_ignored_tunnel", c"IP packets from raw sockets that carry another packet", |_, t| t.produced(Produced::RawTunnels);
    c"raw_ignored_arp", c"ARP and RARP from raw sockets", |_, t| t.produced(Produced::RawArp);
    c"raw_ignored_ppp", c"PPPoE discovery, and PPP without plain IP, from raw sockets", |_, t| t.produced(Produced::RawPpp);
    c"raw_ignored_mpls", c"MPLS without IP from raw sockets", |_, t| t.produced(Produced::RawMpls);
    c"raw_ignored_llc", c"802.3 frames without IP from raw sockets", |_, t| t.produced(Produced::RawLlc);
    c"raw_ignored_ether_type", c"frames of other EtherTypes from raw sockets", |_, t| t.produced(Produced::RawEtherTypes);
    c"raw_ignored_link_type", c"frames of interfaces that are nothing like Ethernet, from raw sockets", |_, t| t.produced(Produced::RawLinkTypes);
    c"raw_refused", c"SIP payloads from raw sockets that the SIP parser of the server refused", |_, t| t.produced(Produced::RawRefused);
    c"raw_kernel_drops", c"packets that the kernel dropped at the raw sockets, messages perhaps", |_, t| t.produced(Produced::RawKernelDrops);
    c"raw_kernel_drops_ignored", c"packets that the kernel dropped at the raw sockets before they were counted as ignored or bad", |_, t| t.produced(Produced::RawKernelDropsIgnored);
    c"sink_errors", c"writes that found the database away", |l, _| l.sink_states().map(|(.., state)| state.errors).sum();
    c"writer_restarts", c"writer processes that died and were started again", |l, _| l.writer_restarts();
    c"lag_ms", c"milliseconds that the oldest unstored capture has waited", |l, _| l.lag_ms();
    c"queue_bytes", c"bytes of shared memory that all lanes hold at most", |l, _| (l.geometry().lanes * l.geometry().lane_bytes) as u64;
};

static TRACES: &[Counter] = counters! {
    c"traced_requests", c"SIP requests traced for everybody into the database", |_, t| t.produced(Produced::TracedRequests);
    c"traced_replies", c"SIP replies traced for everybody into the database", |_, t| t.produced(Produced::TracedReplies);
    c"captured", c"rows and packets made of traced messages, whatever became of them", |_, t| t.captured();
    c"stored", c"rows stored and packets sent", |_, t| t.committed(Committed::Stored);
    c"spooled", c"captures in the spool", |_, t| t.spooled();
    c"dead_lettered", c"rows and packets that their sink refused, put to the dead letters", |_, t| t.committed(Committed::DeadLettered);
    c"recovered", c"captures that an earlier run left in the spool", |_, t| t.committed(Committed::Recovered);
    c"queued", c"rows and packets waiting to be stored or sent", |_, t| t.queued();
    c"dropped", c"captures lost, for any reason", |_, t| t.dropped();
    c"dropped_queue_full", c"captures lost because a lane was full", |_, t| t.produced(Produced::DroppedFull);
    c"dropped_too_large", c"captures lost because they exceed 262144 bytes", |_, t| t.produced(Produced::DroppedTooLarge);
    c"dropped_spool_full", c"captures lost because the spool had no room or could not be written", |_, t| t.committed(Committed::SpoolFull);
    c"dropped_spool_corrupt", c"captures lost because the spool could not be read back", |_, t| t.committed(Committed::SpoolCorrupt);
    c"dropped_unavailable", c"rows and packets lost because the tries that parameters allow were over, and there is no spool", |_, t| t.committed(Committed::Unavailable);
    c"dropped_rejected", c"rows and packets lost because their sink refused them, or their table's name will not do", |_, t| t.committed(Committed::Rejected) + t.produced(Produced::DroppedUnaddressed);
    c"dropped_no_lane", c"messages lost because their process has no queue", |_, t| t.without_lane;
    c"dropped_shutdown", c"captures lost because the shutdown's time was over", |_, t| t.committed(Committed::Shutdown);
    c"dropped_corrupt", c"captures lost to corrupt queue memory", |_, t| t.committed(Committed::Corrupt);
    c"truncated", c"values cut to their column's width", |_, t| t.committed(Committed::Truncated);
    c"batches", c"batches stored or sent", |_, t| t.committed(Committed::Batches);
    c"sink_errors", c"writes that found a database or collector away", |l, _| l.sink_states().map(|(.., state)| state.errors).sum();
    c"writer_restarts", c"writer processes that died and were started again", |l, _| l.writer_restarts();
    c"lag_ms", c"milliseconds that the oldest row or packet has waited", |l, _| l.lag_ms();
    c"queue_bytes", c"bytes of shared memory that all lanes hold at most", |l, _| (l.geometry().lanes * l.geometry().lane_bytes) as u64;
    c"refused", c"messages not traced, or not to the full, for what they lack or where they were to go", |_, t| t.refused;
    c"port_unreachable", c"reports that packets over UDP did not reach anybody", |_, t| t.committed(Committed::PortUnreachable);
    c"copies_failed", c"plain copies that could not be sent", |_, t| t.produced(Produced::CopiesFailed);
};
