//! Calls of a load generator, many at once: the messages of each call are traced in the same order by both modules.

use super::collectors::{self, Collectors, Received};
use super::comparison::{compare, listing};
use super::differences::DIFFERENCES;
use super::judge;
use super::message::Message;
use super::names::Names;
use super::phones::{Fence, Phones};
use super::proxy::Proxy;
use super::record::{Place, Record};
use super::setups::{Form, Setup};
use super::table::Database;
use crate::common::kamailio::Module;
use crate::common::ports::free_address;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

const CALLS: usize = 20;

/// The called side, which does not outlive the test.
struct Callee(Child);

impl Drop for Callee {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sipp(local: SocketAddr, directory: &Path) -> Command {
    let mut command = Command::new("sipp");
    command.args(["-nostdin", "-i", &local.ip().to_string(), "-p", &local.port().to_string()]);
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Plays the calls and answers what was traced of them.
fn run(setup: &Setup, module: Module, caller: SocketAddr, phones: &Phones) -> Vec<Record> {
    let collectors = Collectors::new(Ipv4Addr::LOCALHOST);
    let database = Database::new();
    let since = SystemTime::now();
    let proxy = Proxy::start(setup, module, phones, &collectors, database.url());
    let directory = tempfile::tempdir().expect("a private directory");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/kamailio_siptrace_parity");
    let mut called = sipp(phones.sipp, directory.path());
    let called = called.arg("-sf").arg(folder.join("uas.xml")).stdout(Stdio::null()).stderr(Stdio::null());
    let called = Callee(called.spawn().expect("sipp starts"));
    let mut calling = sipp(caller, directory.path());
    calling.arg("-sf").arg(folder.join("uac.xml")).args(["-cid_str", "sipp-%u@parity.example"]);
    calling
        .args(["-m", &CALLS.to_string(), "-r", "40", "-timeout", "15", "-trace_err", "-error_file", "errors"])
        .arg(proxy.address().to_string());
    let calling = calling.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sipp starts");
    let pids = [calling.id(), called.0.id()];
    let output = calling.wait_with_output().expect("sipp ends");
    let errors = std::fs::read_to_string(directory.path().join("errors")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{errors}", String::from_utf8_lossy(&output.stdout));
    let names = RefCell::new(Names::default());
    Fence::new(phones, &proxy.addresses(), &names).pass();
    proxy.settle();
    let mut names = names.into_inner();
    names.port(proxy.address().port(), "proxy");
    pids.into_iter().for_each(|pid| names.process(pid));
    let datagrams = collectors.take();
    let mut messages: Vec<Message> = datagrams.iter().map(Received::message).collect();
    messages.sort_by_key(|message| message.header("Call-ID").to_owned());
    messages.iter().for_each(|message| names.learn(message.text()));
    let mut records = collectors::records(&datagrams, &names, since);
    records.extend(database.rows(&names));
    records
}

fn assert_same_calls(setup: &Setup) {
    let (phones, caller) = (Phones::new(), free_address());
    let [stock, ours] = [Module::Stock, Module::Ours].map(|module| run(setup, module, caller, &phones));
    let [calls, of_ours] = [&stock, &ours].map(|run| run.iter().map(|record| record.call.as_str()).collect());
    let calls: BTreeSet<&str> = calls;
    assert_eq!(calls.len(), CALLS, "{calls:?}");
    assert_eq!(calls, of_ours);
    for call in calls {
        let [stock, ours] = [&stock, &ours].map(|run| {
            let of_call = run.iter().filter(|record| record.call == call && record.place != Place::Statistics);
            of_call.cloned().collect::<Vec<Record>>()
        });
        let unequal = compare(&stock, &ours);
        let (unexcused, _) = judge(setup, &unequal, DIFFERENCES);
        assert!(unexcused.is_empty(), "{}\n{}", unexcused[0], listing(&unexcused, &stock, &ours));
    }
}

#[test]
fn transactions_of_many_calls_at_once() {
    assert_same_calls(&Setup::transactions(Form::Hep(3), true));
}

#[test]
fn dialogs_of_many_calls_at_once() {
    assert_same_calls(&Setup::dialogs(Form::Hep(3), true));
}
