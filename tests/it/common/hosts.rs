//! Names that one server alone knows: a file of hosts in place of the system's. Made by root alone.

use rustix::process::getuid;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A file of hosts, and nothing else that names are looked for in.
#[derive(Debug)]
pub struct Hosts {
    directory: TempDir,
}

impl Hosts {
    /// Names and their addresses.
    pub fn with(names: &[(&str, &str)]) -> Hosts {
        assert!(getuid().is_root(), "this test mounts a file of hosts of its own, which only root may: run it as root");
        let hosts = Hosts { directory: tempfile::tempdir().expect("a private directory") };
        fs::write(hosts.path("nsswitch.conf"), "hosts: files\n").expect("a file is written");
        hosts.set(names);
        hosts
    }

    /// Other names and addresses, while the server runs.
    pub fn set(&self, names: &[(&str, &str)]) {
        let lines: String = names.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
        // The mount is of the file itself, so it is not replaced by another.
        fs::write(self.path("hosts"), lines).expect("the file of hosts is written");
    }

    /// Words to start a server through, so that it sees these files.
    pub fn command(&self) -> Vec<String> {
        let mount = "mount --bind \"$0/hosts\" /etc/hosts && mount --bind \"$0/nsswitch.conf\" /etc/nsswitch.conf";
        let script = format!("{mount} && exec \"$@\"");
        let directory = self.directory.path().display().to_string();
        let mut words = ["unshare", "--mount", "--", "sh", "-c"].map(str::to_owned).to_vec();
        words.extend([script, directory]);
        words
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
