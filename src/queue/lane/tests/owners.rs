//! Who may push into a lane: threads, processes, those that have ended and those that follow them.

use super::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// How far the last push of an owner has come when it ends.
#[derive(Clone, Copy, Debug)]
enum LastPush {
    Published,
    Written,
    Counted,
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    ReadAndCommit(usize),
    /// Another thread has the lane, pushes so many captures and ends.
    OwnerEnds(usize, LastPush),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let last = prop_oneof![Just(LastPush::Published), Just(LastPush::Written), Just(LastPush::Counted)];
    let step = prop_oneof![
        4 => (0usize..60_000).prop_map(Step::Push),
        3 => (1usize..8).prop_map(Step::ReadAndCommit),
        2 => (0usize..4, last).prop_map(|(pushes, last)| Step::OwnerEnds(pushes, last)),
    ];
    prop::collection::vec(step, 1..60)
}

/// Takes lane 0 as soon as the kernel has forgotten the owner: a thread is joined a moment before.
pub(super) fn take_over(lanes: &Arc<Lanes>) -> Producer {
    loop {
        if let Some(producer) = Producer::attach(lanes, 0) {
            return producer;
        }
        std::thread::yield_now();
    }
}

/// A queue of payloads, and how many of them the lane has refused.
#[derive(Default)]
struct Model {
    queued: VecDeque<Vec<u8>>,
    made: u8,
    accepted: u64,
    full: u64,
}

impl Model {
    fn push(&mut self, producer: &mut Producer, len: usize) {
        self.made = self.made.wrapping_add(1);
        let payload = vec![self.made; len];
        match producer.push(&capture(&payload)) {
            Ok(()) => {
                self.accepted += 1;
                self.queued.push_back(payload);
            }
            Err(error) => {
                assert_eq!(error, PushError::Full.into());
                self.full += 1;
            }
        }
    }

    /// What the lane counts when an owner ends in the middle of a push.
    fn push_unpublished(&mut self, lanes: &Lanes, producer: &mut Producer, is_counted: bool) {
        producer.push_unpublished(&capture(&[b'x'; 30_000]), is_counted);
        self.full = lanes.totals().produced(Produced::DroppedFull);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// However often the owner of a lane ends, and wherever in a push: what was published comes out once and in order,
    /// what was not is neither seen nor counted.
    #[test]
    fn a_lane_taken_over_keeps_what_was_published_and_nothing_else(steps in steps()) {
        let lanes = lanes(1, 1);
        let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
        let mut producer = take_over(&lanes);
        let mut model = Model::default();
        let mut stored_before = 0;
        for step in steps {
            match step {
                Step::Push(len) => model.push(&mut producer, len),
                Step::ReadAndCommit(most) => {
                    let mut read = 0;
                    consumer.read(|bytes, _| {
                        assert_eq!(Some(record::decode(bytes).unwrap().payload), model.queued.pop_front().as_deref());
                        read += 1;
                        read < most
                    });
                    let progress = consumer.progress();
                    consumer.commit(&progress, &stored(read as u64));
                    stored_before += read as u64;
                }
                Step::OwnerEnds(pushes, last) => {
                    drop(producer);
                    std::thread::scope(|scope| {
                        scope.spawn(|| {
                            let mut owner = Producer::attach(&lanes, 0).unwrap();
                            (0..pushes).for_each(|_| model.push(&mut owner, 20_000));
                            match last {
                                LastPush::Published => {}
                                LastPush::Written => model.push_unpublished(&lanes, &mut owner, false),
                                LastPush::Counted => model.push_unpublished(&lanes, &mut owner, true),
                            }
                            // It ends without giving the lane back.
                            std::mem::forget(owner);
                        });
                    });
                    let (accepted, full) = (model.accepted, model.full);
                    prop_assert_eq!(lanes.totals().captured(), accepted + full, "before anybody takes the lane over");
                    producer = take_over(&lanes);
                }
            }
            let totals = lanes.totals();
            prop_assert_eq!(totals.captured(), model.accepted + model.full);
            prop_assert_eq!(totals.captured(), stored_before + totals.dropped() + totals.queued());
            prop_assert_eq!(consumer.rest().records, model.queued.len() as u64);
        }
    }
}

#[test]
fn of_two_threads_that_claim_an_orphaned_lane_one_gets_it() {
    for _ in 0..50 {
        let lanes = lanes(1, 1);
        let orphan = Arc::clone(&lanes);
        std::thread::spawn(move || std::mem::forget(Producer::attach(&orphan, 0).unwrap())).join().unwrap();
        let (start, end, winners) = (Barrier::new(4), Barrier::new(4), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    let mut won = None;
                    while winners.load(Ordering::Relaxed) == 0 && won.is_none() {
                        won = Producer::attach(&lanes, 0);
                        winners.fetch_add(usize::from(won.is_some()), Ordering::Relaxed);
                    }
                    // Nobody gives it back before all have tried.
                    let late = won.is_none().then(|| Producer::attach(&lanes, 0)).flatten();
                    winners.fetch_add(usize::from(late.is_some()), Ordering::Relaxed);
                    end.wait();
                });
            }
        });
        assert_eq!(winners.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn a_lane_that_is_given_back_is_free_and_a_thread_gets_any_free_one() {
    let lanes = lanes(3, 1);
    let first = Producer::attach_any(&lanes).unwrap();
    let second = Producer::attach_any(&lanes).unwrap();
    let third = Producer::attach_any(&lanes).unwrap();
    assert_eq!([first.lane(), second.lane(), third.lane()], [0, 1, 2]);
    assert!(Producer::attach_any(&lanes).is_none());
    drop(second);
    assert_eq!(Producer::attach_any(&lanes).unwrap().lane(), 1);
    let orphan = Arc::clone(&lanes);
    std::thread::spawn(move || std::mem::forget(Producer::attach(&orphan, 1).unwrap())).join().unwrap();
    let taken = std::iter::repeat_with(|| Producer::attach_any(&lanes)).find_map(|producer| producer).unwrap();
    assert_eq!(taken.lane(), 1);
}

#[test]
fn a_producer_that_is_handed_to_another_thread_belongs_to_that_one_from_its_first_push() {
    let lanes = lanes(1, 1);
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    producer.push(&capture(b"here")).unwrap();
    let (pushed, wait) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        producer.push(&capture(b"there")).unwrap();
        pushed.send(()).unwrap();
        let _ = ended.recv();
        std::mem::forget(producer);
    });
    wait.recv().unwrap();
    assert!(Producer::attach(&lanes, 0).is_none());
    drop(end);
    thread.join().unwrap();
    take_over(&lanes).push(&capture(b"here again")).unwrap();
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    assert_eq!(read_all(&mut consumer), [&b"here"[..], b"there", b"here again"]);
}

#[test]
fn whose_lane_was_taken_over_cannot_push_any_more() {
    let lanes = lanes(1, 1);
    let attach = Arc::clone(&lanes);
    let mut late = std::thread::spawn(move || Producer::attach(&attach, 0).unwrap()).join().unwrap();
    let mut owner = take_over(&lanes);
    assert_eq!(late.push(&capture(b"x")), Err(NotQueued::NotOwner));
    assert!(!late.adopt() && !late.belongs_here());
    drop(late);
    assert!(Producer::attach(&lanes, 0).is_none(), "it gives nothing back that is not its own");
    owner.push(&capture(b"y")).unwrap();
    assert_eq!(lanes.totals().captured(), 1);
}

/// Runs `body` in a forked process, which ends with status 0 when it answers true.
pub(super) fn fork(body: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child allocates, which glibc prepares for at a fork, takes no lock of another thread's and leaves by
    // `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false);
            // SAFETY: `_exit` has no preconditions.
            unsafe { libc::_exit(i32::from(!good)) }
        }
        id => {
            assert!(id > 0, "{}", std::io::Error::last_os_error());
            id
        }
    }
}

/// Kills a child, which stays in the kernel's table until it is asked after.
pub(super) fn kill(id: i32) {
    // SAFETY: the child is this test's own, and touches no memory of this process.
    assert_eq!(unsafe { libc::kill(id, libc::SIGKILL) }, 0);
}

pub(super) fn status_of(id: i32) -> i32 {
    let mut status = -1;
    // SAFETY: `status` is valid for writes.
    assert_eq!(unsafe { libc::waitpid(id, &mut status, 0) }, id);
    status
}

#[test]
fn a_forked_process_that_inherits_a_producer_cannot_push_and_takes_nothing_away_with_it() {
    let lanes = lanes(2, 1);
    let mut inherited = Producer::attach(&lanes, 0);
    let child = fork(|| {
        let mut producer = inherited.take().unwrap();
        let refused = producer.push(&capture(b"x")) == Err(NotQueued::NotOwner) && !producer.is_own();
        drop(producer);
        let own = Producer::attach_any(&lanes).map(|mut own| (own.lane(), own.push(&capture(b"child's"))));
        refused && Producer::attach(&lanes, 0).is_none() && own == Some((1, Ok(())))
    });
    assert_eq!(status_of(child), 0);
    inherited.unwrap().push(&capture(b"parent's")).unwrap();
    assert_eq!(lanes.totals().captured(), 2);
}

/// Numbers what it pushes by what the lane has had before, until it is killed.
fn push_until_killed(lanes: &Arc<Lanes>) -> bool {
    let mut producer = take_over(lanes);
    loop {
        let number = lanes.totals().pushed;
        let payload = number.to_le_bytes().repeat(1 + number as usize % 300);
        while producer.push(&capture(&payload)).is_err() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_process_killed_while_it_pushes_leaves_whole_records_in_a_lane_that_the_next_one_takes() {
    let lanes = lanes(1, 1);
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    let mut expected = 0;
    let mut read_some = |consumer: &mut Consumer| {
        let (read, corrupt) = consumer.read(|bytes, _| {
            let number = u64::to_le_bytes(expected).repeat(1 + expected as usize % 300);
            assert_eq!(record::decode(bytes).unwrap().payload, number);
            expected += 1;
            true
        });
        let progress = consumer.progress();
        consumer.commit(&progress, &stored(read));
        assert_eq!(corrupt, 0);
        expected
    };
    let mut children = Vec::new();
    for round in 0..25 {
        let before = lanes.totals().pushed;
        let child = fork(|| push_until_killed(&lanes));
        // Each is killed at another moment, once it has begun.
        while lanes.totals().pushed < before + 1 + 37 * round {
            read_some(&mut consumer);
        }
        kill(child);
        // The parent has not asked after those killed before: their lane is free all the same.
        children.push(child);
    }
    children.into_iter().for_each(|child| assert_eq!(libc::WTERMSIG(status_of(child)), libc::SIGKILL));
    let read = read_some(&mut consumer);
    let totals = lanes.totals();
    assert_eq!((totals.pushed, totals.queued(), consumer.rest()), (read, 0, Rest::default()));
    assert_eq!(totals.captured(), totals.committed(Committed::Stored) + totals.dropped());
    assert!(Producer::attach(&lanes, 0).is_some());
}

#[test]
fn of_processes_that_claim_the_lane_of_a_killed_one_one_gets_it() {
    let lanes = lanes(2, 1);
    let killed = fork(|| push_until_killed(&lanes));
    while lanes.totals().pushed == 0 {
        std::thread::yield_now();
    }
    // The mutual start: all children spin on the switch.
    lanes.set_capture_on(false);
    let claimants: Vec<i32> = (0..4)
        .map(|_| {
            fork(|| {
                while !lanes.capture_on() {
                    std::hint::spin_loop();
                }
                let claimed = Producer::attach(&lanes, 0);
                lanes.count_refused();
                while lanes.totals().refused < 4 {
                    std::thread::yield_now();
                }
                claimed.is_some()
            })
        })
        .collect();
    kill(killed);
    assert_eq!(libc::WTERMSIG(status_of(killed)), libc::SIGKILL);
    lanes.set_capture_on(true);
    let winners = claimants.into_iter().filter(|&child| status_of(child) == 0).count();
    assert_eq!(winners, 1);
}

#[test]
fn a_producer_may_be_sent_to_another_thread_and_not_be_shared_with_one() {
    fn sent<T: Send>() {}
    trait IfSync<A> {
        fn is_not_sync() {}
    }
    struct Any;
    struct Shared;
    impl<T> IfSync<Any> for T {}
    impl<T: Sync> IfSync<Shared> for T {}
    sent::<Producer>();
    // Two implementations would fit a type that is Sync, and this would not compile.
    <Producer as IfSync<_>>::is_not_sync();
}

#[test]
fn a_region_of_another_version_is_not_read() {
    let lanes = lanes(1, 1);
    lanes.header().version.fetch_add(1, Ordering::Relaxed);
    assert_eq!(Consumer::take(&lanes, 0).unwrap_err().to_string(), "lanes of version 3 cannot be read, only 2");
}
