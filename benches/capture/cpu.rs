//! Processor time that `sip_capture()` adds to a SIP worker, for each message.

use crate::bursts;
use crate::common::kamailio::Module;
use crate::common::rows::execute;
use crate::generator::Generator;
use crate::rate::{Setup, capture_node};
use crate::server::Database;
use crate::tables::fresh;

/// Calls of `sip_capture()` for each message: one alone is a small part of what receiving and parsing a message costs.
const CALLS: usize = 5;

/// What `sip_capture()` adds to the processor time of a worker, microseconds a message, with the database `running` or
/// stopped; `None` when the worker waits for the database instead of going on.
pub fn added_us(database: &Database, module: Module, running: bool) -> Option<f64> {
    execute(database.url(), &fresh(database.engine(), "sip_capture"));
    let node = capture_node(database, module, Setup { children: 1, writers: 1 });
    let without = node.clone().route("request_route", "exit;").route("onreply_route", "drop;").start();
    let calls = "sip_capture(); ".repeat(CALLS);
    let with = node.route("request_route", &(calls.clone() + "exit;")).route("onreply_route", &(calls + "drop;"));
    // A lane's pages are touched for the first time once in the life of a server: all bursts together are several lanes
    // of the default size.
    let with = if module == Module::Ours { with.set("queue_size", 4) } else { with }.start();
    let paused = (!running).then(|| database.pause());
    let added = bursts::added_us(&with, &without, |server| Generator::new(server.address(), "cpu"));
    drop(paused);
    if module == Module::Ours {
        assert_eq!(with.statistic("dropped"), 0, "a capture that is dropped costs less");
    }
    Some(added? / CALLS as f64)
}
