//! Counts reports of ICMP, to tell whether anything listens where datagrams go to.

use std::time::{Duration, Instant};

/// After so many reports in a row the address counts as unreachable.
const REPORTS: u64 = 3;
/// A datagram of which nothing is reported for so long has arrived. Hosts hold reports back that are more than about
/// one a second, and other writers, who send there too, get a share of these.
const GRACE: Duration = Duration::from_secs(15);

/// Reports that a port is unreachable, for datagrams to one address.
#[derive(Debug, Default)]
pub(super) struct UnreachableReports {
    /// Reports since a datagram arrived.
    reports: u64,
    /// When the first datagram was sent that may still be reported.
    sent_since: Option<Instant>,
}

impl UnreachableReports {
    /// Notes that datagrams were sent, and how many reports came meanwhile. Answers whether the address counts as
    /// unreachable.
    pub fn note(&mut self, reports: u64, now: Instant) -> bool {
        if reports > 0 {
            self.reports += reports;
            self.sent_since = None;
        } else if self.sent_since.is_some_and(|since| now.duration_since(since) >= GRACE) {
            self.reports = 0;
        }
        self.sent_since.get_or_insert(now);
        self.reports >= REPORTS
    }
}
