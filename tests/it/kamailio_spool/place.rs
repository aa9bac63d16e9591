//! Places that fail on demand: a network that swallows packets, a disk that is full, a directory that nobody may write
//! to. All are made by root alone.

use crate::common::database::Site;
use rustix::fs::statvfs;
use rustix::process::getuid;
use std::hash::{BuildHasher as _, RandomState};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Nobody's hardware address: what is sent there is thrown away.
const NOBODY: &str = "02:00:00:00:00:01";

/// Runs a command; why not, if it fails.
fn try_run(words: &[&str]) -> Result<(), String> {
    let output = Command::new(words[0]).args(&words[1..]).output().map_err(|error| format!("{words:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{words:?}: {said}")) }
}

fn run(words: &[&str]) {
    try_run(words).unwrap_or_else(|why| panic!("{why}"));
}

/// Panics where the test cannot do what it is about to do.
fn assert_root() {
    assert!(getuid().is_root(), "this test makes a network or a disk of its own, which only root may: run it as root");
}

/// A network namespace behind a pair of virtual interfaces, for a server that is to become unreachable.
#[derive(Debug)]
pub struct FarNetwork {
    name: String,
    near: Ipv4Addr,
    far: Ipv4Addr,
}

impl FarNetwork {
    /// Makes it, with addresses from the range for benchmarks (198.18.0.0/15).
    pub fn make() -> FarNetwork {
        let random = RandomState::new().hash_one(std::process::id()).to_be_bytes();
        let name = format!("far{:02x}{:02x}{:02x}{:02x}", random[0], random[1], random[2], random[3]);
        let subnet = random[5] & 0xfc;
        let address = |host| Ipv4Addr::new(198, 18 | (random[3] & 1), random[4], subnet + host);
        let network = FarNetwork { name, near: address(1), far: address(2) };
        network.build();
        network
    }

    fn build(&self) {
        assert_root();
        let (name, near, far) = (self.name.as_str(), format!("{}/30", self.near), format!("{}/30", self.far));
        run(&["ip", "netns", "add", name]);
        run(&["ip", "link", "add", name, "type", "veth", "peer", "name", "far", "netns", name]);
        run(&["ip", "address", "add", &near, "dev", name]);
        run(&["ip", "link", "set", name, "up"]);
        run(&["ip", "-n", name, "address", "add", &far, "dev", "far"]);
        run(&["ip", "-n", name, "link", "set", "lo", "up"]);
        run(&["ip", "-n", name, "link", "set", "far", "up"]);
    }

    /// Where a server is started to be on the far side.
    pub fn site(&self) -> Site {
        let command = ["ip", "netns", "exec", &self.name].map(str::to_owned).to_vec();
        Site { command, address: self.far }
    }

    /// Swallows every packet, in both directions; connections stay as they are and hear nothing.
    pub fn swallow(&self) {
        let (name, near, far) = (self.name.as_str(), self.near.to_string(), self.far.to_string());
        run(&["ip", "neighbour", "replace", &far, "lladdr", NOBODY, "nud", "permanent", "dev", name]);
        run(&["ip", "-n", name, "neighbour", "replace", &near, "lladdr", NOBODY, "nud", "permanent", "dev", "far"]);
    }

    /// Lets packets pass again.
    pub fn pass(&self) {
        let (name, near, far) = (self.name.as_str(), self.near.to_string(), self.far.to_string());
        run(&["ip", "neighbour", "del", &far, "dev", name]);
        run(&["ip", "-n", name, "neighbour", "del", &near, "dev", "far"]);
    }
}

impl Drop for FarNetwork {
    fn drop(&mut self) {
        // One or the other may not have come about.
        let _ = try_run(&["ip", "link", "del", &self.name]);
        let _ = try_run(&["ip", "netns", "del", &self.name]);
    }
}

/// Bytes of a [`SmallDisk`] that has room.
const ROOM: u64 = 2 << 30;
/// What a disk's size is a multiple of.
const PAGE: u64 = 4096;

/// A disk that can be made as small as what is on it.
#[derive(Debug)]
pub struct SmallDisk {
    place: TempDir,
}

impl SmallDisk {
    /// Makes one with room.
    pub fn make() -> SmallDisk {
        let disk = SmallDisk { place: tempfile::tempdir().expect("a private directory") };
        let options = format!("size={ROOM},mode=0777");
        assert_root();
        run(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs", &disk.path().display().to_string()]);
        disk
    }

    /// Its root directory.
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// Leaves room for so many more bytes, about.
    pub fn leave(&self, bytes: u64) {
        // Somebody may write to it between the look and the act.
        let shrunk = (0..100).any(|_| {
            let state = statvfs(self.path()).expect("a file system has a size");
            let used = (state.f_blocks - state.f_bfree) * state.f_frsize;
            self.resize(used + bytes / PAGE * PAGE).is_ok()
        });
        assert!(shrunk, "{} cannot be made smaller", self.path().display());
    }

    /// Gives it room.
    pub fn make_room(&self) {
        self.resize(ROOM).unwrap_or_else(|why| panic!("{why}"));
    }

    fn resize(&self, bytes: u64) -> Result<(), String> {
        let options = format!("remount,size={}", bytes.max(PAGE));
        try_run(&["mount", "-o", &options, &self.path().display().to_string()])
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = try_run(&["umount", "--lazy", &self.path().display().to_string()]);
    }
}

/// A directory seen through a mount that allows no writing.
#[derive(Debug)]
pub struct ReadOnly {
    place: TempDir,
}

impl ReadOnly {
    /// Makes one.
    pub fn make() -> ReadOnly {
        let directory = ReadOnly { place: tempfile::tempdir().expect("a private directory") };
        let path = directory.path().display().to_string();
        assert_root();
        run(&["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", &path]);
        directory
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.place.path()
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = try_run(&["umount", "--lazy", &self.path().display().to_string()]);
    }
}
