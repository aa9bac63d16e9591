//! What a capturing thread waits for until the sink, the spool or the dead letters have it.

use super::*;
use crate::queue::lane::CommitWait;
use rustix::event::{PollFd, PollFlags, poll};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

impl Bench {
    fn wait(&self) -> CommitWait<'_> {
        self.producer.commit_wait().unwrap()
    }

    /// Pushes `count` captures and begins to wait for the last of them.
    fn push_and_wait(&mut self, count: usize) -> u64 {
        self.push(0..count, "one");
        self.wait().begin();
        self.wait().position()
    }

    /// Sleeps until the position is passed, and on nothing but the descriptor.
    fn sleep_until_passed(&self, position: u64) {
        let wait = self.wait();
        let limit = rustix::fs::Timespec { tv_sec: 30, tv_nsec: 0 };
        while !wait.has_passed(position) {
            let descriptor = wait.descriptor();
            let woken = poll(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)], Some(&limit)).unwrap();
            assert_eq!(woken, 1, "nobody wakes the waiting thread: {:?}", self.lanes.totals());
            wait.clear();
        }
        wait.end();
    }
}

#[test]
fn a_wait_lasts_until_the_sink_has_taken_what_was_queued() {
    let mut bench = Bench { has_spool: false, ..Bench::new() };
    let sink = bench.sinks[0].clone();
    let held_back = sink.memory();
    bench.while_running(|bench| {
        let position = bench.push_and_wait(70);
        bench.until("it is read, and offered to the sink", |_| sink.asked.load(Ordering::Relaxed) > 0);
        assert!(!bench.wait().has_passed(position));
        drop(held_back);
        bench.sleep_until_passed(position);
        assert_eq!(came(&bench.memory(), "one"), numbers(0..70));
    });
}

#[test]
fn a_wait_ends_when_the_spool_has_what_was_queued() {
    let mut bench = Bench::new();
    bench.memory().is_away = true;
    bench.while_running(|bench| {
        let position = bench.push_and_wait(70);
        bench.sleep_until_passed(position);
        let totals = bench.lanes.totals();
        assert_eq!((totals.spooled(), totals.committed(Committed::Stored), totals.queued()), (70, 0, 0));
    });
}

#[test]
fn a_wait_ends_when_the_dead_letters_have_what_was_queued() {
    let mut bench = Bench::new();
    bench.memory().refuses = numbers(0..70);
    bench.while_running(|bench| {
        let position = bench.push_and_wait(70);
        bench.sleep_until_passed(position);
        let totals = bench.lanes.totals();
        assert_eq!((totals.committed(Committed::DeadLettered), totals.committed(Committed::Stored)), (70, 0));
    });
}

#[test]
fn a_wait_outlives_the_writer_that_dies_meanwhile() {
    let mut bench = Bench { has_spool: false, ..Bench::new() };
    let sink = bench.sinks[0].clone();
    let held_back = sink.memory();
    let position = bench.push_and_wait(70);
    let (writer, _) = bench.writer();
    let killed = catch_unwind(AssertUnwindSafe(|| {
        writer.run(&mut || {
            // A panic's text would only be noise.
            if sink.asked.load(Ordering::Relaxed) > 0 {
                resume_unwind(Box::new("killed"));
            }
        })
    }));
    assert!(killed.is_err() && !bench.wait().has_passed(position));
    drop(held_back);
    bench.while_running(|bench| {
        bench.sleep_until_passed(position);
        let memory = bench.memory();
        assert!(numbers(0..70).iter().all(|payload| memory.captures.iter().any(|(_, came)| came == payload)));
    });
}
