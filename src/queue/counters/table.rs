//! The table of all counters.

use super::{Cell, Counter, Group, Shown};
use std::ffi::CStr;

/// A C string made of a literal.
macro_rules! c_text {
    ($text:literal) => {
        match CStr::from_bytes_with_nul(concat!($text, "\0").as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("a text of the table holds a zero byte"),
        }
    };
}

/// How an observer shows a counter: its own description, if it has one, comes after the table's.
macro_rules! shown {
    ($text:literal) => {
        Shown::Nowhere
    };
    ($text:literal shown) => {
        Shown::AsStatistic(c_text!($text))
    };
    ($text:literal shown field) => {
        Shown::InCommand
    };
    ($text:literal shown $own:literal) => {
        Shown::AsStatistic(c_text!($own))
    };
}

/// What is there, or nothing.
macro_rules! option {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

/// Makes [`Produced`], [`Committed`] and [`TABLE`] of lines
///
/// ```text
/// "name" "description" [in GROUP]: [produced NAME] [committed NAME] [reads VALUE]
///     [, node [field]] [, agent [field] ["description"]];
/// ```
///
/// `produced` and `committed` give a counter its place in shared memory; what `reads` answers is shown in place of what
/// stands there. The observers that a line names show it as a statistic, an agent perhaps with a description of its
/// own; with `field` the command `stats` alone shows it.
macro_rules! counters {
    ($(
        $name:literal $text:literal $(in $group:ident)? :
        $(produced $produced:ident)? $(committed $committed:ident)? $(reads $reading:expr)?
        $(, node $($node:ident)?)? $(, agent $($agent:ident)? $($agent_text:literal)?)? ;
    )*) => {
        /// Counters of the threads that push into lanes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Produced {
            $($(
                #[doc = concat!("`", $name, "`: ", $text, ".")]
                $produced,
            )?)*
        }

        /// Counters that a writer commits together with its progress.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Committed {
            $($(
                #[doc = concat!("`", $name, "`: ", $text, ".")]
                $committed,
            )?)*
        }

        /// Number of [`Produced`] counters.
        pub const PRODUCED: usize = [$($(Produced::$produced,)?)*].len();

        /// Number of [`Committed`] counters.
        pub const COMMITTED: usize = [$($(Committed::$committed,)?)*].len();

        /// All counters, in the order in which operators see them.
        pub static TABLE: &[Counter] = &[$(
            Counter {
                name: c_text!($name),
                group: option!($(Group::$group)?),
                cell: option!($(Cell::Produced(Produced::$produced))? $(Cell::Committed(Committed::$committed))?),
                reading: option!($($reading)?),
                shown: [
                    shown!($text $(shown $($node)?)?),
                    shown!($text $(shown $($agent)? $($agent_text)?)?),
                ],
            },
        )*];
    };
}

#[rustfmt::skip]
counters! {
    "captured_requests" "SIP requests accepted by sip_capture()": reads |t| t.modes[0][0], node;
    "captured_replies" "SIP replies accepted by sip_capture()": reads |t| t.modes[0][1], node;

    "captured" "captures made, whatever became of them" in Balance: reads |t| t.captured(), node,
        agent "rows and packets made of traced messages, whatever became of them";
    "stored" "rows stored in the database" in Balance: committed Stored, node, agent "rows stored and packets sent";
    "spooled" "captures in the spool" in Balance: reads |t| t.spooled(), node, agent;
    "queued" "captures waiting to be stored" in Balance: reads |t| t.queued(), node,
        agent "rows and packets waiting to be stored or sent";
    "dead_lettered" "captures that the database refused, put to the dead letters" in Balance: committed DeadLettered, node,
        agent "rows and packets that their sink refused, put to the dead letters";
    "dropped" "captures lost, for any reason" in Balance: reads |t| t.dropped(), node, agent;

    "dropped_no_lane" "messages lost because their process has no queue" in Dropped: reads |t| t.without_lane, agent;
    "dropped_queue_full" "captures lost because a lane was full" in Dropped: produced DroppedFull, node, agent;
    "dropped_too_large" "captures lost because they exceed 262144 bytes" in Dropped: produced DroppedTooLarge, node, agent;
    "dropped_spool_full" "captures lost because the spool had no room or could not be written" in Dropped: committed SpoolFull, node, agent;
    "dropped_spool_corrupt" "captures lost because the spool could not be read back" in Dropped: committed SpoolCorrupt, node, agent;
    "dropped_unavailable" "captures lost because the tries that parameters allow were over, and there is no spool" in Dropped:
        committed Unavailable, node,
        agent "rows and packets lost because the tries that parameters allow were over, and there is no spool";
    "dropped_rejected" "captures lost because the database refused them" in Dropped:
        committed Rejected reads |t| t.committed(Committed::Rejected) + t.produced(Produced::DroppedUnaddressed), node,
        agent "rows and packets lost because their sink refused them, or their table's name will not do";
    // Shown as a part of dropped_rejected.
    "dropped_unaddressed" "rows for a table that cannot be, as the script named it" in Dropped: produced DroppedUnaddressed;
    "dropped_shutdown" "captures lost because the shutdown's time was over" in Dropped: committed Shutdown, node, agent;
    "dropped_corrupt" "captures lost to corrupt queue memory" in Dropped: committed Corrupt, node, agent;

    "recovered" "captures that an earlier run left in the spool" in Underway: committed Recovered, node, agent;
    "lag_ms" "milliseconds that the oldest unstored capture has waited" in Underway: reads |t| t.lag_ms, node,
        agent "milliseconds that the oldest row or packet has waited";
    // Shown as the difference of the two, which is what a spool holds.
    "spooled_in" "captures put into a spool, and those that an earlier run had left in one": committed Spooled;
    "spooled_out" "captures of a spool that are done with": committed Unspooled;

    "requests" "SIP requests accepted in any capture mode" in Sip: reads |t| t.requests(), node field;
    "replies" "SIP replies accepted in any capture mode" in Sip: reads |t| t.replies(), node field;
    "hash_refused" "SIP messages refused because they lack what the table is chosen by" in Sip: produced HashRefused, node;
    "refused_malformed" "malformed SIP messages refused, as capture_bad_msgs=0 asks" in Sip: produced RefusedMalformed, node;
    "malformed" "stored SIP messages with unreadable parts" in Sip: committed Malformed, node;
    "truncated" "values cut to their column's width" in Sip: committed Truncated, node, agent;

    "hep_packets" "HEP packets received" in Hep: produced HepPackets, node;
    "hep_bad" "HEP packets that could not be used" in Hep: produced HepBad, node;
    "hep_trailing" "HEP packets longer than they said" in Hep: produced HepTrailing, node;
    "hep_other_type" "HEP packets of a payload type without a table of its own" in Hep: produced HepOtherType, node;
    "hep_compressed" "HEP packets with a compressed payload" in Hep: produced HepCompressed, node;
    "hep_refused" "SIP payloads that the SIP parser of the server refused" in Hep: produced HepRefused, node;
    "hep_not_allowed" "HEP packets of senders that hep_allow does not name" in Hep: produced HepNotAllowed, node;
    "hep_unauthorised" "HEP packets without the key of hep_auth_key" in Hep: produced HepUnauthorised, node;

    "raw_packets" "packets that raw sockets have handed over" in Raw: produced RawPackets, node;
    "raw_messages" "messages taken from raw sockets" in Raw: produced RawMessages, node;
    "raw_bad" "packets from raw sockets that were cut short or contradictory" in Raw: produced RawBad, node;
    "raw_fragments" "fragments of UDP datagrams from raw sockets" in Raw: produced RawFragments, node;
    "raw_ignored" "packets from raw sockets that are no SIP of the ports asked for" in Raw: reads |t| t.raw_ignored(), node;
    "raw_ignored_ports" "datagrams from raw sockets of other ports" in RawIgnored: produced RawOtherPorts, node;
    "raw_ignored_payload" "datagrams from raw sockets of the ports asked for that are no SIP by their looks" in RawIgnored:
        produced RawNoSip, node;
    "raw_ignored_protocol" "IP packets from raw sockets without UDP" in RawIgnored: produced RawNoUdp, node;
    "raw_ignored_tunnel" "IP packets from raw sockets that carry another packet" in RawIgnored: produced RawTunnels, node;
    "raw_ignored_arp" "ARP and RARP from raw sockets" in RawIgnored: produced RawArp, node;
    "raw_ignored_ppp" "PPPoE discovery, and PPP without plain IP, from raw sockets" in RawIgnored: produced RawPpp, node;
    "raw_ignored_mpls" "MPLS without IP from raw sockets" in RawIgnored: produced RawMpls, node;
    "raw_ignored_llc" "802.3 frames without IP from raw sockets" in RawIgnored: produced RawLlc, node;
    "raw_ignored_ether_type" "frames of other EtherTypes from raw sockets" in RawIgnored: produced RawEtherTypes, node;
    "raw_ignored_link_type" "frames of interfaces that are nothing like Ethernet, from raw sockets" in RawIgnored:
        produced RawLinkTypes, node;
    "raw_refused" "SIP payloads from raw sockets that the SIP parser of the server refused" in Raw: produced RawRefused, node;
    "raw_kernel_drops" "packets that the kernel dropped at the raw sockets, messages perhaps" in Raw: produced RawKernelDrops, node;
    "raw_kernel_drops_ignored" "packets that the kernel dropped at the raw sockets before they were counted as ignored or bad" in Raw:
        produced RawKernelDropsIgnored, node;

    "traced_requests" "SIP requests traced for everybody into the database" in Trace: produced TracedRequests, agent;
    "traced_replies" "SIP replies traced for everybody into the database" in Trace: produced TracedReplies, agent;
    "port_unreachable" "reports that packets over UDP did not reach anybody" in Trace: committed PortUnreachable, agent;
    "refused" "messages not traced, or not to the full, for what they lack or where they were to go" in Trace: reads |t| t.refused, agent;
    "copies_failed" "plain copies that could not be sent" in Trace: produced CopiesFailed, agent;

    "processes" "writer processes" in Writer: reads |t| t.writers, node field, agent field;
    "writer_restarts" "writer processes that died and were started again" in Writer: reads |t| t.writer_restarts, node, agent;
    "batches" "batches written" in Writer: committed Batches, node, agent "batches stored or sent";
    "lanes" "lanes, one for each process that may capture" in Writer: reads |t| t.lanes, node field, agent field;
    "lane_bytes" "bytes of shared memory that a lane holds at most" in Writer: reads |t| t.lane_bytes, node field, agent field;
    "queue_bytes" "bytes of shared memory that all lanes hold at most" in Writer: reads |t| t.lanes * t.lane_bytes, node, agent;
    // The command shows them of each sink.
    "sink_errors" "writes that found the database away": reads |t| t.sink_errors, node,
        agent "writes that found a database or collector away";
}
