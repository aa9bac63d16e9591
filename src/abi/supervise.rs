//! The supervisor of a writer: hosts end when one of their children dies, so the child that they know only watches, and
//! the writer is its child, started again whenever it dies. Host database processes are its children too: with one
//! thread, it can fork at any time.

use super::handle::Core;
use super::host_database::HostProcesses;
use super::host_log;
use super::process::{self, Ended, Fork};
use crate::queue::lane::Lanes;
use crate::writer::Ending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// First and longest wait before a dead writer is started again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A writer that lived this long, or got something done, died of something new.
const HEALTHY: Duration = Duration::from_secs(30);

/// Runs until the server ends, whatever goes wrong meanwhile: the server would end with it.
pub(super) fn supervise(core: &mut Core, lanes: &Lanes, writer: usize) {
    let server = process::parent_id();
    process::hold_signals();
    let mut ending = !process::end_with_parent(server);
    let mut back_off = BACK_OFF.0;
    let mut databases = HostProcesses::start(core);
    // Whether nobody has ended with the lanes in order.
    let mut is_owed = true;
    while !ending {
        let (started, finished) = (Instant::now(), lanes.finished_by(writer));
        (ending, is_owed) = match start_writer(core, lanes, writer) {
            Ok(child) => watch(child, core, lanes, server, &mut databases),
            Err(error) => {
                log::error!("the writer process cannot be started, trying again: {error}");
                (false, true)
            }
        };
        if !ending {
            lanes.count_writer_restart();
            let was_well = started.elapsed() > HEALTHY || lanes.finished_by(writer) > finished;
            back_off = if was_well { BACK_OFF.0 } else { (back_off * 2).min(BACK_OFF.1) };
            ending = sleep_or_end(back_off, &mut databases);
        }
    }
    // What a dead writer leaves is the main process's to store. When that is dead too, nobody else is left.
    if is_owed && process::parent_id() != server {
        lanes.begin_shutdown(time_to_end(core, server));
        match start_writer(core, lanes, writer) {
            Ok(child) => {
                // It waits for the writer: this process lets no signal through before it has its handlers.
                process::send_signal(child, libc::SIGTERM);
                watch(child, core, lanes, server, &mut databases);
            }
            Err(error) => log::error!("the last writer process cannot be started: {error}"),
        }
    }
    databases.end();
}

/// How long a writer may take that ends with `server`: nobody kills one whose server has gone, and nobody stores what
/// it leaves.
fn time_to_end(core: &Core, server: i32) -> Duration {
    let timeout = core.module().common().shutdown_timeout;
    if process::parent_id() == server { timeout.writers() } else { timeout.main_process() }
}

/// Waits for the writer to end. Answers whether the server ends, and whether the writer failed.
fn watch(child: i32, core: &Core, lanes: &Lanes, server: i32, databases: &mut HostProcesses) -> (bool, bool) {
    let mut ending = false;
    loop {
        databases.tend();
        match process::next_signal(databases.idle_time()) {
            Some(libc::SIGTERM) => {
                ending = true;
                lanes.begin_shutdown(time_to_end(core, server));
                process::send_signal(child, libc::SIGTERM);
            }
            Some(libc::SIGCHLD) | None => {
                let (how, in_order) = match process::has_ended(child) {
                    Ended::Running => continue,
                    Ended::With(how, in_order) => (how, in_order),
                    Ended::Crashed(how) => (how, false),
                };
                if !ending || !in_order {
                    log::error!("the writer process {child} ended {how}");
                }
                return (ending, !in_order);
            }
            Some(_) => {}
        }
    }
}

/// Waits before a restart; true when the server ends meanwhile.
fn sleep_or_end(duration: Duration, databases: &mut HostProcesses) -> bool {
    let until = Instant::now() + duration;
    while Instant::now() < until {
        let left = until.saturating_duration_since(Instant::now());
        if process::next_signal(left.min(databases.idle_time())) == Some(libc::SIGTERM) {
            return true;
        }
        databases.tend();
    }
    false
}

fn start_writer(core: &mut Core, lanes: &Lanes, writer: usize) -> io::Result<i32> {
    let supervisor = process::id();
    match process::fork()? {
        Fork::Parent(child) => Ok(child),
        Fork::Child => {
            // Nothing may unwind into the host's code from here: this process has no use for it.
            let code = catch_unwind(AssertUnwindSafe(|| be_writer(core, lanes, writer, supervisor)));
            process::exit(code.unwrap_or(70));
        }
    }
}

fn be_writer(core: &mut Core, lanes: &Lanes, writer: usize, supervisor: i32) -> i32 {
    let stop = process::writer_signals();
    if !process::end_with_parent(supervisor) {
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    process::close_others(core.pipeline().kept_open());
    process::set_name(c"sipcapture");
    let give_up = Instant::now() + Duration::from_secs(5);
    let shutdown_timeout = core.module().common().shutdown_timeout.main_process();
    let mut on_turn = || {
        host_log::flush();
        // A server does not survive its supervisor: nobody else may be left to store what still comes.
        if process::parent_id() != supervisor {
            lanes.begin_shutdown(shutdown_timeout);
        }
    };
    loop {
        // The delivery thread inherits a full mask: signals are the main thread's.
        let started = process::without_signals(|| core.pipeline().start_writer(writer, core.plan(), stop.clone()));
        match started.and_then(|writer| writer.map(|writer| writer.run(&mut on_turn)).transpose()) {
            Ok(Some(Ending::Drained)) => return 0,
            Ok(Some(Ending::TimeOver(left))) => {
                // With the server alive, its main process or another writer has them; without, this line is the last
                // word.
                log::error!("{left} captures are not stored: the database did not take them within shutdown_timeout");
                return 0;
            }
            Ok(None) if Instant::now() < give_up => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                log::error!("writer {writer} is held by another process");
                return 75;
            }
            Err(error) => {
                log::error!("{error}");
                host_log::flush();
                return 70;
            }
        }
    }
}
