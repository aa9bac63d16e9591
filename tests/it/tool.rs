//! The operator's tool, as a real process on databases that the sinks have filled.

mod answers;
mod ladder;
mod recording;
mod reported;
pub mod running;
mod servers;
mod sources;
