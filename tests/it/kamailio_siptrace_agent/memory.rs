//! What traced transactions and dialogs are given, they give back: shared and private memory of the server before many
//! calls and after.

use super::collector::Collector;
use super::{PATIENCE, Proxy};
use crate::common::call::Call;
use crate::common::kamailio::{Kamailio, Module};
use crate::common::memory::{anonymous_bytes, private_in_use, shared_in_use};
use crate::common::wait::{eventually, within};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::ops::Range;
use std::thread::sleep;
use std::time::Duration;

/// Calls before the first measure: what is made once is made, and allocators have what they keep.
const WARM_UP: u32 = 300;
/// Bytes of shared memory, and of a process's own, that may be in use for something else at the moment of a measure.
const MARGIN: u64 = 2048;
/// The same of a process's heap: what an allocator keeps after a burst comes and goes.
const HEAP: u64 = 4 << 20;

/// A proxy whose calls are traced, most as dialogs, one in six as a transaction, and its two ends.
struct Traced {
    server: Kamailio,
    ends: [UdpSocket; 2],
    _collector: Collector,
}

/// Bytes in use.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Measure {
    shared: u64,
    private: BTreeMap<i32, u64>,
}

impl Traced {
    fn start() -> Traced {
        let collector = Collector::new();
        let script = format!(
            r#"$var(number) = $(ci{{s.select,0,@}}{{s.select,1,-}}{{s.int}});
    if ($var(number) mod 6 == 5) {{ sip_trace("{uri}", "corr-$ci", "t"); }} else {{ sip_trace("{uri}", "corr-$ci", "d"); }}
    if (is_method("INVITE")) {{ dlg_manage(); }}"#,
            uri = collector.uri()
        );
        let proxy = Proxy::of(Module::Ours, &collector).hep(3).param("trace_dialog_ack", 1).on_first(&script);
        let proxy =
            proxy.with(|config| config.param("tm", "wt_timer", 100).param("siptrace", "trace_dialog_spiral", 1));
        let ends = Call::ends();
        let server = proxy.start(ends[1].local_addr().expect("a bound socket"));
        Traced { server, ends, _collector: collector }
    }

    /// Calls that are answered, refused and cancelled in turn; a third of each kind.
    fn calls(&self, numbers: Range<u32>) {
        for number in numbers {
            let call = Call::new(&self.ends, self.server.address(), number);
            match number % 3 {
                0 => call.answer_and_end(),
                1 => call.refuse(),
                _ => call.cancel(),
            }
        }
    }

    fn measure(&self) -> Measure {
        Measure { shared: shared_in_use(&self.server), private: private_in_use(&self.server) }
    }

    /// What is in use once it changes no more: transactions and dialogs are kept for a while after their end.
    fn at_rest(&self) -> Measure {
        let mut last = self.measure();
        within(PATIENCE, "the memory of the calls so far is given back", || {
            sleep(Duration::from_secs(1));
            let now = self.measure();
            now == std::mem::replace(&mut last, now.clone())
        });
        last
    }

    /// Asserts that `calls` more calls leave nothing behind.
    fn assert_flat_after(&self, calls: u32) {
        self.calls(0..WARM_UP);
        let before = self.at_rest();
        let heaps = self.heaps();
        self.calls(WARM_UP..WARM_UP + calls);
        let is_flat = |after: &Measure| {
            let holds = |(pid, used): (&i32, &u64)| *used <= before.private[pid] + MARGIN;
            after.shared <= before.shared + MARGIN && after.private.iter().all(holds)
        };
        let flat = eventually(PATIENCE * 2, || is_flat(&self.measure()));
        assert!(flat, "before {calls} calls {before:?}, after them {:?}", self.measure());
        let statistics = self.server.statistics_of("siptrace");
        // At least INVITE and reply, each of them in and out.
        assert!(statistics["captured"] >= u64::from(calls) * 4, "{statistics:?}");
        for (pid, after) in self.heaps() {
            assert!(after <= heaps[&pid] + HEAP, "process {pid} grows from {} to {after} bytes", heaps[&pid]);
        }
        println!(
            "soak | {calls} traced calls: before {before:?}, after {:?}, heaps {heaps:?}, then {:?}",
            self.measure(),
            self.heaps()
        );
    }

    /// Bytes of heaps and stacks, by process.
    fn heaps(&self) -> BTreeMap<i32, u64> {
        self.server.group().into_iter().map(|pid| (pid, anonymous_bytes(pid))).collect()
    }
}

#[test]
fn dialogs_and_transactions_give_back_what_they_were_given() {
    Traced::start().assert_flat_after(600);
}

#[test]
#[ignore = "some minutes: `make soak` runs it"]
fn two_hundred_thousand_dialogs_and_their_transactions_leave_nothing_behind() {
    // Five of six are dialogs.
    Traced::start().assert_flat_after(240_000);
}
