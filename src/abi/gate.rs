//! The state behind a handle, which one thread of each process may change, and nobody at the same time as another.

use crate::queue::lane::{ThreadIdentity, process_tag};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a call does not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GateError {
    /// The state is another thread's, or another thread is in a call with it.
    OtherThread,
    /// This very thread is in a call with it: the host was called back, and calls again.
    Reentered,
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The thread that the state belongs to.
    Owner,
    /// Any thread, while no other is in.
    Anyone,
}

/// A value and the thread that it belongs to: the one that made it, and then the one that [`Gate::hand_over`] gave it
/// to. In a process that is forked, the first thread that comes in, and where the owner has ended, the next one.
pub(super) struct Gate<T> {
    /// The thread that is in, as [`ThreadIdentity::word`]; 0 for none. A forked process inherits it: where a thread was
    /// in that it lacks, the value may be changed in part, and nobody gets in again.
    inside: AtomicU64,
    /// The owner, as [`ThreadIdentity::word`]. Written by who is in; so are the next two.
    owner: AtomicU64,
    /// The process that `owner` is a thread of, see [`process_tag`].
    process: AtomicU64,
    /// The process in which the value was handed over, 0 for none: its owner keeps it while it runs.
    handed_over: AtomicU64,
    value: UnsafeCell<T>,
}

/// Opens the gate again when the call is over, be it by a panic.
struct Inside<'a>(&'a AtomicU64);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

impl<T> Gate<T> {
    /// A value that belongs to the thread that calls.
    pub fn new(value: T) -> Gate<T> {
        Gate {
            inside: AtomicU64::new(0),
            owner: AtomicU64::new(ThreadIdentity::current().word()),
            process: AtomicU64::new(process_tag()),
            handed_over: AtomicU64::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Runs `body` with the value, unless somebody is in or `entry` does not let this thread in.
    pub fn enter<R>(&self, entry: Entry, body: impl FnOnce(&mut T) -> R) -> Result<R, GateError> {
        let thread = ThreadIdentity::current();
        let is_let_in = || entry == Entry::Anyone || self.belongs_to(thread) || self.is_orphaned();
        self.alone(thread, is_let_in, |value| {
            if entry == Entry::Owner {
                self.give_to(thread);
            }
            body(value)
        })
    }

    /// Runs `body` as [`Gate::enter`], for any thread while the value was not handed over to another one that still
    /// runs. When `body` answers `Ok`, the value belongs to this thread from then on.
    pub fn hand_over<R, E>(&self, body: impl FnOnce(&mut T) -> Result<R, E>) -> Result<Result<R, E>, GateError> {
        let thread = ThreadIdentity::current();
        let is_let_in = || {
            self.belongs_to(thread) || self.handed_over.load(Ordering::Relaxed) != process_tag() || self.is_orphaned()
        };
        self.alone(thread, is_let_in, |value| {
            let done = body(value);
            if done.is_ok() {
                self.give_to(thread);
                self.handed_over.store(process_tag(), Ordering::Relaxed);
            }
            done
        })
    }

    fn belongs_to(&self, thread: ThreadIdentity) -> bool {
        self.owner.load(Ordering::Relaxed) == thread.word()
    }

    /// Whether the owner is a thread of another process, or has ended.
    fn is_orphaned(&self) -> bool {
        self.process.load(Ordering::Relaxed) != process_tag()
            || ThreadIdentity::from_word(self.owner.load(Ordering::Relaxed)).is_none_or(ThreadIdentity::has_ended)
    }

    fn give_to(&self, thread: ThreadIdentity) {
        if !self.belongs_to(thread) {
            self.owner.store(thread.word(), Ordering::Relaxed);
        }
        if self.process.load(Ordering::Relaxed) != process_tag() {
            self.process.store(process_tag(), Ordering::Relaxed);
        }
    }

    /// Runs `body` when `is_let_in` answers true: before this thread comes in, so that one that is refused is in
    /// nobody's way, and then again, when nobody else can change what the answer depends on.
    fn alone<R>(
        &self,
        thread: ThreadIdentity,
        is_let_in: impl Fn() -> bool,
        body: impl FnOnce(&mut T) -> R,
    ) -> Result<R, GateError> {
        let inside = self.inside.load(Ordering::Relaxed);
        if inside == thread.word() {
            return Err(GateError::Reentered);
        }
        let came_in = || self.inside.compare_exchange(0, thread.word(), Ordering::Acquire, Ordering::Relaxed).is_ok();
        if !is_let_in() || !came_in() {
            return Err(GateError::OtherThread);
        }
        let _inside = Inside(&self.inside);
        if !is_let_in() {
            return Err(GateError::OtherThread);
        }
        // SAFETY: whoever has exchanged the 0 in `inside` is the only one with a reference until it is 0 again, which
        // is after `body`.
        Ok(body(unsafe { &mut *self.value.get() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::{Barrier, mpsc};

    /// A gate that threads of a test share.
    struct Shared(Gate<u64>);

    // SAFETY: a gate lets in one thread at a time, and the value is a number.
    unsafe impl Sync for Shared {}

    fn elsewhere<R: Send>(body: impl FnOnce() -> R + Send) -> R {
        std::thread::scope(|scope| scope.spawn(body).join().unwrap())
    }

    fn add(gate: &Shared, entry: Entry) -> Result<u64, GateError> {
        gate.0.enter(entry, |value| {
            *value += 1;
            *value
        })
    }

    #[test]
    fn the_thread_that_made_it_gets_in_and_others_where_anyone_may() {
        let gate = Shared(Gate::new(0));
        assert_eq!(add(&gate, Entry::Owner), Ok(1));
        assert_eq!(elsewhere(|| add(&gate, Entry::Owner)), Err(GateError::OtherThread));
        assert_eq!(elsewhere(|| add(&gate, Entry::Anyone)), Ok(2));
        assert_eq!(add(&gate, Entry::Owner), Ok(3));
    }

    #[test]
    fn nobody_gets_in_while_somebody_is_in_nor_the_same_thread_twice() {
        let gate = Shared(Gate::new(0));
        let inner = gate.0.enter(Entry::Owner, |_| {
            (elsewhere(|| add(&gate, Entry::Anyone)), add(&gate, Entry::Owner), add(&gate, Entry::Anyone))
        });
        assert_eq!(inner, Ok((Err(GateError::OtherThread), Err(GateError::Reentered), Err(GateError::Reentered))));
        assert_eq!(add(&gate, Entry::Owner), Ok(1));
    }

    #[test]
    fn a_panic_leaves_the_gate_open() {
        let gate = Shared(Gate::new(0));
        let panicking = AssertUnwindSafe(|| gate.0.enter(Entry::Owner, |_| -> () { panic!("inside") }));
        assert!(catch_unwind(panicking).is_err());
        assert_eq!(add(&gate, Entry::Owner), Ok(1));
    }

    #[test]
    fn what_is_handed_over_belongs_to_the_new_thread_until_it_ends() {
        let gate = Shared(Gate::new(0));
        let (owns, wait) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let gate = &gate;
            scope.spawn(move || {
                assert_eq!(gate.0.hand_over(|_| Err::<(), _>("no lane")), Ok(Err("no lane")));
                assert_eq!(add(gate, Entry::Owner), Err(GateError::OtherThread), "it was not handed over");
                assert_eq!(gate.0.hand_over(|_| Ok::<_, ()>(())), Ok(Ok(())));
                assert_eq!(gate.0.hand_over(|_| Ok::<_, ()>(())), Ok(Ok(())), "it is the owner's again and again");
                owns.send(()).unwrap();
                let _ = ended.recv();
            });
            wait.recv().unwrap();
            assert_eq!(add(gate, Entry::Owner), Err(GateError::OtherThread));
            assert_eq!(gate.0.hand_over(|_| Ok::<_, ()>(())), Err(GateError::OtherThread), "its owner keeps it");
            drop(end);
        });
        while add(&gate, Entry::Owner).is_err() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn who_is_refused_is_not_in_the_way_of_the_owner() {
        let gate = Shared(Gate::new(0));
        assert_eq!(gate.0.hand_over(|_| Ok::<_, ()>(())), Ok(Ok(())));
        let stop = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let refused = scope.spawn(|| {
                let mut refused = 0;
                while stop.load(Ordering::Relaxed) == 0 {
                    assert_eq!(add(&gate, Entry::Owner), Err(GateError::OtherThread));
                    assert_eq!(gate.0.hand_over(|_| Ok::<_, ()>(())), Err(GateError::OtherThread));
                    refused += 1;
                }
                refused
            });
            let entered: Vec<_> = (1..=20_000).map(|_| add(&gate, Entry::Owner)).collect();
            stop.store(1, Ordering::Relaxed);
            assert!(entered.into_iter().eq((1..=20_000).map(Ok)));
            let _: u64 = refused.join().unwrap();
        });
    }

    #[test]
    fn of_threads_that_come_at_once_none_sees_what_another_is_doing() {
        let gate = Shared(Gate::new(0));
        let (start, entered) = (Barrier::new(4), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let (gate, start, entered) = (&gate, &start, &entered);
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..20_000 {
                        // Read and written apart: two that are in at once would lose one.
                        let done = gate.0.enter(Entry::Anyone, |value| {
                            let seen = *value;
                            std::hint::spin_loop();
                            *value = seen + 1;
                        });
                        entered.fetch_add(u64::from(done.is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(gate.0.enter(Entry::Owner, |value| *value), Ok(entered.load(Ordering::Relaxed)));
    }
}
