//! What Wireshark makes of a pcap file.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// One packet: the values of each field that was asked for, in the order in which the packet has them.
#[derive(Clone, Debug)]
pub struct Dissected {
    values: HashMap<String, Vec<String>>,
}

impl Dissected {
    /// All values of a field; byte fields in hexadecimal digits.
    pub fn all(&self, field: &str) -> &[String] {
        self.values.get(field).unwrap_or_else(|| panic!("{field} was not asked for"))
    }

    /// The last value of a field, if it has any.
    pub fn last(&self, field: &str) -> Option<&str> {
        self.all(field).last().map(String::as_str)
    }

    /// The last value as a number.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.last(field).map(|text| text.parse().unwrap_or_else(|_| panic!("{field} is no number: {text}")))
    }
}

/// Dissects every packet of `pcap`; `options` go to tshark as they are.
pub fn dissect(pcap: &Path, options: &[&str], fields: &[&str]) -> Vec<Dissected> {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(pcap).args(options);
    command.args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let run = command.output().expect("tshark is installed");
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "tshark failed: {errors}");
    assert!(!errors.contains("Lua"), "tshark has trouble with Lua: {errors}");
    let text = String::from_utf8_lossy(&run.stdout);
    text.lines().map(|line| packet(line, fields)).collect()
}

fn packet(line: &str, fields: &[&str]) -> Dissected {
    let columns: Vec<&str> = line.split('\t').collect();
    assert_eq!(columns.len(), fields.len(), "one column a field: {line}");
    let values = |column: &str| column.split('|').filter(|value| !value.is_empty()).map(String::from).collect();
    Dissected {
        values: fields.iter().zip(columns).map(|(field, column)| (field.to_string(), values(column))).collect(),
    }
}
