//! What a server's processes hold.

use super::kamailio::Kamailio;
use std::collections::BTreeMap;
use std::fs;

/// Bytes that a process shares with no other.
pub fn private_bytes(pid: i32) -> u64 {
    rolled_up(pid, &["Private_Clean", "Private_Dirty", "Swap"])
}

/// Bytes of a process that are in no file and in no memory that is shared: heaps and stacks. Unlike [`private_bytes`]
/// they do not change when the kernel takes a page of shared memory from one of two processes.
pub fn anonymous_bytes(pid: i32) -> u64 {
    rolled_up(pid, &["Anonymous"])
}

fn rolled_up(pid: i32, fields: &[&str]) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the process runs");
    let kilobytes = |line: &str| -> Option<u64> {
        let (name, size) = line.split_once(':')?;
        fields.contains(&name).then(|| size.trim().trim_end_matches(" kB").parse().expect("a size in kB"))
    };
    rollup.lines().filter_map(kilobytes).sum::<u64>() * 1024
}

/// Bytes in use of the memory that all processes of a server share (`core.shmmem`).
pub fn shared_in_use(server: &Kamailio) -> u64 {
    let answer = server.rpc(&["core.shmmem"]).expect("core.shmmem is answered");
    let line = answer.lines().find_map(|line| line.trim().strip_prefix("used: ")?.parse().ok());
    line.unwrap_or_else(|| panic!("no memory in use in {answer}"))
}

/// Bytes in use of the server's own private memory, by process id (`pkg.stats`).
pub fn private_in_use(server: &Kamailio) -> BTreeMap<i32, u64> {
    let answer = server.rpc(&["pkg.stats"]).expect("pkg.stats is answered");
    let field = |line: &str, name: &str| -> Option<u64> { line.trim().strip_prefix(name)?.parse().ok() };
    let pids = answer.lines().filter_map(|line| field(line, "pid: "));
    let used = answer.lines().filter_map(|line| field(line, "used: "));
    let by_pid: BTreeMap<i32, u64> = pids.map(|pid| i32::try_from(pid).expect("a process id")).zip(used).collect();
    assert!(!by_pid.is_empty(), "no process in {answer}");
    by_pid
}
