//! The thread that delivers what is for one sink: it hands batches to the sink's [`Delivery`], and says what became of
//! each.

use super::batch::BatchSet;
use super::delivered::Delivered;
use super::kind::Delivery;
use crate::queue::lane::Lanes;
use crossbeam_channel::Sender;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// One batch set to deliver.
#[derive(Debug)]
pub struct Job {
    /// Number of the worker whose job it is.
    pub worker: usize,
    /// Its number among the jobs of that worker.
    pub number: u64,
    /// What to deliver.
    pub set: Arc<BatchSet>,
    /// Whether to try a sink that was away a moment ago; otherwise such a batch set comes back at once.
    pub probe: bool,
}

/// The way to a delivery thread, which several workers may share.
#[derive(Clone, Debug)]
pub struct DeliveryThread {
    /// Where its jobs go.
    pub jobs: Sender<Job>,
    /// The thread.
    pub handle: Arc<JoinHandle<()>>,
}

impl DeliveryThread {
    /// Starts the thread of worker `worker` of writer `writer`, which delivers with `delivery`; it ends when every
    /// sender of its jobs is dropped.
    pub fn start(
        mut delivery: Box<dyn Delivery>,
        (writer, worker): (usize, usize),
        lanes: Arc<Lanes>,
        results: Sender<Delivered>,
    ) -> io::Result<DeliveryThread> {
        // The windows on the way, and one chunk of the replay, bound what waits here: with a spool, nothing is sent
        // behind a batch set that was given up. A bound on jobs would let the drain wait, and with it the end.
        let (jobs, inbox) = crossbeam_channel::unbounded::<Job>();
        let body = move || {
            for job in inbox {
                let delivered = deliver(&mut *delivery, &job);
                drop(job);
                if results.send(delivered).is_err() {
                    return;
                }
                lanes.wake(writer);
            }
        };
        let handle = std::thread::Builder::new().name(format!("sink {worker}")).spawn(body)?;
        Ok(DeliveryThread { jobs, handle: Arc::new(handle) })
    }
}

fn deliver(delivery: &mut dyn Delivery, job: &Job) -> Delivered {
    let mut delivered = Delivered::new(job.worker, job.number, delivery.turns_away() && !job.probe);
    let mut first = 0;
    for batch in job.set.batches() {
        let numbers = first..first + batch.len();
        first = numbers.end;
        if delivered.away {
            delivered.left.push(numbers);
        } else {
            delivered.add(numbers.start, delivery.deliver(batch));
        }
    }
    delivered
}
