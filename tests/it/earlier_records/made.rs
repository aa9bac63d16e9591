//! What became of a spool or of dead letters, to be written down by one build and compared with another's.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Columns and values of one row, escaped.
pub type TextRow = BTreeMap<String, Option<String>>;

/// Rows by table, and packets by collector, each list in an order of its own: several tables share a moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Made {
    rows: BTreeMap<String, Vec<TextRow>>,
    packets: BTreeMap<String, Vec<String>>,
}

impl Made {
    /// Adds a table.
    pub fn add_rows(&mut self, table: &str, mut rows: Vec<TextRow>) {
        rows.sort();
        self.rows.insert(table.to_owned(), rows);
    }

    /// Adds a collector.
    pub fn add_packets(&mut self, collector: &str, mut packets: Vec<String>) {
        packets.sort();
        self.packets.insert(collector.to_owned(), packets);
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.rows.values().map(|rows| rows.len() as u64).sum()
    }

    /// Packets of all collectors.
    pub fn packets(&self) -> u64 {
        self.packets.values().map(|packets| packets.len() as u64).sum()
    }

    fn from_json(value: &Value) -> Made {
        let rows = serde_json::from_value(value["rows"].clone()).expect("rows by table");
        let packets = serde_json::from_value(value["packets"].clone()).expect("packets by collector");
        Made { rows, packets }
    }

    /// Asserts that `found` is the same; one difference at a time can be read.
    pub fn assert_eq(&self, found: &Made) {
        assert!(self.rows() > 0, "nothing is expected");
        assert_eq!(self.rows.keys().collect::<Vec<_>>(), found.rows.keys().collect::<Vec<_>>());
        for (table, rows) in &self.rows {
            assert_eq!(rows.len(), found.rows[table].len(), "{table}");
            for (expected, found) in rows.iter().zip(&found.rows[table]) {
                assert_eq!(expected, found, "{table}");
            }
        }
        assert_eq!(self.packets, found.packets);
    }
}

/// What a build made of its own files.
#[derive(Debug)]
pub struct Expected {
    /// Of a capture node's spool.
    pub sipcapture: Made,
    /// Of a capture agent's spool.
    pub siptrace: Made,
    /// Of the dead letters of both.
    pub letters: Made,
}

/// One directory of the corpus.
pub struct Fixture {
    /// Where it is.
    pub directory: PathBuf,
    /// What is expected of it.
    pub expected: Expected,
}

impl Fixture {
    /// Every one there is.
    pub fn all() -> Vec<Fixture> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let entries =
            fs::read_dir(&corpus).expect("the corpus is readable").map(|entry| entry.expect("an entry").path());
        let is_one = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("spool-"));
        let read = |directory: PathBuf| {
            let expected = fs::read(directory.join("expected.json")).expect("expected.json is readable");
            let expected: Value = serde_json::from_slice(&expected).expect("expected.json is one document");
            let [sipcapture, siptrace, letters] =
                ["sipcapture", "siptrace", "letters"].map(|part| Made::from_json(&expected[part]));
            let expected = Expected { sipcapture, siptrace, letters };
            Fixture { directory, expected }
        };
        let fixtures: Vec<Fixture> = entries.filter(is_one).map(read).collect();
        assert!(!fixtures.is_empty(), "there is no fixture in {}", corpus.display());
        fixtures
    }
}
