//! Names that one server alone knows: a file of hosts in place of the system's. Made by root alone.

use rustix::process::getuid;
use std::fs;
use std::net::IpAddr;
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

    /// The same, and what is in no file is asked of the name server at this address.
    pub fn with_name_server(names: &[(&str, &str)], server: IpAddr) -> Hosts {
        let hosts = Hosts::with(names);
        fs::write(hosts.path("nsswitch.conf"), "hosts: files dns\n").expect("a file is written");
        fs::write(hosts.path("resolv.conf"), format!("nameserver {server}\n")).expect("a file is written");
        hosts
    }

    /// The same, and a name server that does not answer is waited for as long as the system can wait.
    pub fn waiting_long(self) -> Hosts {
        let file = self.path("resolv.conf");
        let text = fs::read_to_string(&file).expect("there is a name server");
        fs::write(file, format!("{text}options timeout:30 attempts:5\n")).expect("a file is written");
        self
    }

    /// Other names and addresses, while the server runs.
    pub fn set(&self, names: &[(&str, &str)]) {
        let lines: String = names.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
        // The mount is of the file itself, so it is not replaced by another.
        fs::write(self.path("hosts"), lines).expect("the file of hosts is written");
    }

    /// Words to start a server through, so that it sees these files.
    pub fn command(&self) -> Vec<String> {
        let files = ["hosts", "nsswitch.conf", "resolv.conf"].into_iter().filter(|name| self.path(name).is_file());
        let mounts: String = files.map(|name| format!("mount --bind \"$0/{name}\" /etc/{name} && ")).collect();
        let script = format!("{mounts}exec \"$@\"");
        let directory = self.directory.path().display().to_string();
        let mut words = ["unshare", "--mount", "--", "sh", "-c"].map(str::to_owned).to_vec();
        words.extend([script, directory]);
        words
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
