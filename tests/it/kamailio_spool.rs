//! Faults with a spool: what a database cannot take waits on the disk, through outages, deaths and restarts, while
//! 2,000 messages a second come in. Each test prints what was sent, stored, lost and doubled.
//!
//! Faults last a few seconds, or as many as `SIPCAPTURE_FAULT_SECONDS` says; `make faults` runs them at full length.

mod back_off;
mod database;
mod deaths;
mod directory;
mod disks;
mod modes;
mod outages;
mod place;
mod soak;
mod tables;
mod tls;
pub mod traffic;
pub mod trial;
