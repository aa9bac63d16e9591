//! What the host alone can find out: that it cannot do what a parameter asks of it.

use log::Level;

/// What a module says to that: the level, and what is wrong with the value of that parameter. `None` when this cannot
/// be said of it.
pub type RefusalText = fn(name: &str, value: &str, why: HostRefusal) -> Option<(Level, String)>;

/// Why the host cannot do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostRefusal {
    /// There is no script engine.
    NoEngine,
    /// The event route is not there.
    NoRoute,
    /// It is empty.
    EmptyRoute,
    /// Another module has taken the events.
    EventTaken,
    /// A module is not loaded.
    NoModule,
    /// The value is no AVP.
    NoAvp,
    /// The value is no URI.
    NoUri,
    /// There is no such listen socket.
    NoSocket,
}
