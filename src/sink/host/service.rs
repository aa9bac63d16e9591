//! The host database process's work: reads requests, has the host's driver insert them, and answers.

use super::frame::{self, DriverAnswer, FrameReceived, Inbox, Request};
use rustix::net::{RecvFlags, SendFlags};
use std::os::fd::AsFd;

/// The host's driver for one database, used by one thread.
pub trait HostDatabase {
    /// A request is begun (`true`) or answered (`false`). Whoever hangs between the two should be ended.
    fn working(&mut self, begun: bool);

    /// Connects.
    fn connect(&mut self) -> bool;

    /// Inserts one row; false when the driver would not.
    fn insert(&mut self, row: &Request<'_>) -> bool;

    /// Whether the table is there and has the row's columns; `None` when this driver cannot tell.
    fn has_table(&mut self, row: &Request<'_>) -> Option<bool>;

    /// Closes the connection.
    fn close(&mut self);
}

/// Serves requests until the other end of `socket` is closed by all that have it.
pub fn serve(socket: impl AsFd, database: &mut dyn HostDatabase) {
    let mut inbox = Inbox::new();
    let mut connected = false;
    loop {
        match inbox.receive(&socket, RecvFlags::empty()) {
            Ok(FrameReceived::Whole(number)) => {
                let (outcome, text) = match frame::decode_request(inbox.body()) {
                    Some(request) => {
                        database.working(true);
                        let outcome = insert(database, &mut connected, &request);
                        database.working(false);
                        outcome
                    }
                    None => (DriverAnswer::Refused, "the request cannot be read, which is a fault of this module"),
                };
                let answer = frame::encode_answer(outcome, text);
                if frame::send(&socket, number, &answer, SendFlags::empty()).is_err() {
                    break;
                }
            }
            Ok(FrameReceived::Part | FrameReceived::Nothing) => {}
            Ok(FrameReceived::Closed) | Err(_) => break,
        }
    }
    if connected {
        database.close();
    }
}

/// Inserts a row. A driver says no more than that it failed: whether the database is away shows when it does not
/// connect again, and whether the table is missing when it cannot be looked at.
fn insert(database: &mut dyn HostDatabase, connected: &mut bool, row: &Request<'_>) -> (DriverAnswer, &'static str) {
    const AWAY: (DriverAnswer, &str) = (DriverAnswer::Unavailable, "the host's driver does not connect");
    let fresh = !*connected;
    *connected = *connected || database.connect();
    if !*connected {
        return AWAY;
    }
    if database.insert(row) {
        return (DriverAnswer::Stored, "");
    }
    if !fresh {
        database.close();
        *connected = database.connect();
        if !*connected {
            return AWAY;
        }
        if database.insert(row) {
            return (DriverAnswer::Stored, "");
        }
    }
    match database.has_table(row) {
        Some(false) => (DriverAnswer::TableUnusable, "it is missing, lacks columns, or may not be read"),
        Some(true) | None => {
            (DriverAnswer::Refused, "the host's driver refuses the row, its own lines in the log say why")
        }
    }
}
