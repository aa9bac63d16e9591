//! Capture modes: each has a database, one or more tables in it, and a rule by which a message finds its table.
//!
//! The settings make them; every process of the server looks tables up in its own copy. Rows of one call must come to
//! the table where an operator's dashboards look for them, so the hash is exactly the stock module's: CRC-32 as in
//! zlib, modulo the number of tables.

use crate::queue::counters::MODES;
use crate::sink::DatabaseUrl;
use crate::sip::{self, HashSource};
use std::time::{SystemTime, UNIX_EPOCH};

/// Name of the mode that `db_url`, `table_name`, `mt_mode` and `hash_source` make.
pub const DEFAULT: &str = "default";

/// How a message finds its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TableSelection {
    /// `rand`: any.
    #[default]
    Random,
    /// `round_robin`: the next, each process by itself.
    RoundRobin,
    /// `hash`: always the same for the same value.
    Hash(HashSource),
}

/// A mode as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Its name.
    pub name: String,
    /// Its database.
    pub url: DatabaseUrl,
    /// Its tables, strftime templates; at least one.
    pub tables: Vec<String>,
    /// How one of them is chosen.
    pub choice: TableSelection,
    /// Number of its database among the different ones of all modes.
    pub sink: u8,
}

/// All modes, the default one first, so that its database is sink 0.
#[derive(Clone, Debug, Default)]
pub struct Modes {
    modes: Vec<Mode>,
}

impl Modes {
    /// These modes, at most [`MODES`], with sinks given out: modes with the same URL, password included, share one.
    pub fn new(mut modes: Vec<Mode>) -> Modes {
        debug_assert!(modes.len() <= MODES);
        let mut urls: Vec<DatabaseUrl> = Vec::new();
        for mode in &mut modes {
            let known = urls.iter().position(|url| *url == mode.url);
            let sink = known.unwrap_or_else(|| {
                urls.push(mode.url.clone());
                urls.len() - 1
            });
            mode.sink = sink as u8;
        }
        Modes { modes }
    }

    /// Mode number `index`.
    pub fn get(&self, index: usize) -> Option<&Mode> {
        self.modes.get(index)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Mode> {
        self.modes.iter()
    }

    /// One mode of each sink, the sinks in order.
    pub fn sinks(&self) -> impl Iterator<Item = &Mode> {
        let first = |index: usize| self.modes[..index].iter().all(|mode| mode.sink != self.modes[index].sink);
        (0..self.modes.len()).filter(move |&index| first(index)).map(|index| &self.modes[index])
    }

    /// Number of the mode called `name`; an empty name means the default one.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        let name = if name.is_empty() { DEFAULT.as_bytes() } else { name };
        self.modes.iter().position(|mode| mode.name.as_bytes() == name)
    }

    /// The names, separated by commas.
    pub fn names(&self) -> String {
        self.modes.iter().map(|mode| mode.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// What one process remembers to choose tables by.
#[derive(Clone, Debug)]
pub struct TableSelector {
    random: u64,
    next: [usize; MODES],
}

impl Default for TableSelector {
    fn default() -> TableSelector {
        TableSelector::of_process(0)
    }
}

impl TableSelector {
    /// Of process number `process`: turns start at different tables in different processes.
    pub fn of_process(process: usize) -> TableSelector {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let seed = now ^ (process as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        TableSelector { random: seed | 1, next: [process; MODES] }
    }

    /// The table template of `mode`, number `index`, for `message`. `call_id` stands in for the message's own. `None`
    /// when the mode hashes a value that the message lacks.
    pub fn table<'m>(
        &mut self,
        mode: &'m Mode,
        index: usize,
        message: &[u8],
        call_id: Option<&[u8]>,
    ) -> Option<&'m str> {
        let tables = mode.tables.len();
        let chosen = match mode.choice {
            TableSelection::Random => (self.random_number() % tables as u64) as usize,
            TableSelection::RoundRobin => {
                let turn = self.next[index] % tables;
                self.next[index] = turn + 1;
                turn
            }
            TableSelection::Hash(source) => {
                let value = match (source, call_id) {
                    (HashSource::CallId, Some(call_id)) => call_id,
                    _ => sip::hash_source(message, source),
                };
                if value.is_empty() {
                    return None;
                }
                let value = if source == HashSource::CallId { first_word(value) } else { value };
                crc32fast::hash(value) as usize % tables
            }
        };
        Some(&mode.tables[chosen])
    }

    /// Marsaglia's xorshift: good enough to spread rows, and a few instructions.
    fn random_number(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }
}

/// What stands between the blanks before a value and the first blank in it; the C library's idea of a blank.
fn first_word(value: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let start = value.iter().position(|byte| !is_blank(byte)).unwrap_or(value.len());
    let word = &value[start..];
    &word[..word.iter().position(is_blank).unwrap_or(word.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(name: &str, url: &str, tables: usize, choice: TableSelection) -> Mode {
        let tables = (0..tables).map(|number| format!("t{number}")).collect();
        Mode { name: name.to_owned(), url: DatabaseUrl::parse(url).unwrap(), tables, choice, sink: 0 }
    }

    fn message(call_id: &str) -> Vec<u8> {
        format!(
            "INVITE sip:b@b SIP/2.0\r\nFrom: <sip:al@a>\r\nTo: <sip:b\u{e9}@b>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn modes_with_the_same_database_share_a_sink_and_a_password_makes_a_difference() {
        let urls = ["mysql://u:p@h/d", "sqlite:///x.db", "mysql://u:p@h/d", "mysql://u:q@h/d", "sqlite:///x.db"];
        let modes = Modes::new(urls.iter().map(|url| mode(url, url, 1, TableSelection::Random)).collect());
        assert_eq!(modes.iter().map(|mode| mode.sink).collect::<Vec<_>>(), [0, 1, 0, 2, 1]);
        assert_eq!(modes.sinks().map(|mode| mode.name.as_str()).collect::<Vec<_>>(), [urls[0], urls[1], urls[3]]);
    }

    #[test]
    fn a_mode_is_found_by_its_exact_name_and_none_means_the_default() {
        let named = |name| mode(name, "sqlite:///x.db", 1, TableSelection::Random);
        let modes = Modes::new(["default", "a", "A"].map(named).to_vec());
        assert_eq!((modes.find(b""), modes.find(b"default")), (Some(0), Some(0)));
        assert_eq!((modes.find(b"a"), modes.find(b"A"), modes.find(b"b")), (Some(1), Some(2), None));
        assert_eq!(modes.names(), "default, a, A");
    }

    #[test]
    fn a_hash_is_that_of_zlib_over_the_first_word_of_the_call_id() {
        // The check value of the CRC catalogue: CRC-32 of "123456789" is 0xcbf43926.
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        let mode = mode("m", "sqlite:///x.db", 7, TableSelection::Hash(HashSource::CallId));
        let expected = format!("t{}", 0xcbf4_3926_u32 % 7);
        let mut selector = TableSelector::of_process(3);
        for call_id in ["123456789", "123456789 x", "123456789\t", "\t 123456789"] {
            assert_eq!(selector.table(&mode, 1, &message(call_id), None), Some(expected.as_str()), "{call_id:?}");
        }
        assert_eq!(selector.table(&mode, 1, &message("masked"), Some(b" 123456789\x0bx")), Some(expected.as_str()));
        assert_eq!(selector.table(&mode, 1, &message(""), None), None);
        assert_eq!(selector.table(&mode, 1, b"no SIP", None), None);
    }

    #[test]
    fn a_hash_of_users_takes_bytes_above_127_as_they_are() {
        let mut selector = TableSelector::default();
        for (source, value) in [(HashSource::FromUser, &b"al"[..]), (HashSource::ToUser, "b\u{e9}".as_bytes())] {
            let mode = mode("m", "sqlite:///x.db", 5, TableSelection::Hash(source));
            let expected = format!("t{}", crc32fast::hash(value) % 5);
            assert_eq!(selector.table(&mode, 0, &message("x"), Some(b"y")), Some(expected.as_str()));
        }
    }

    #[test]
    fn turns_go_round_and_start_where_the_process_says() {
        let modes = [5, 3].map(|tables| mode("m", "sqlite:///x.db", tables, TableSelection::RoundRobin));
        let mut selector = TableSelector::of_process(7);
        let mut taken = |index: usize| selector.table(&modes[index], index, b"", None).unwrap().to_owned();
        assert_eq!([(); 5].map(|()| taken(0)), ["t2", "t3", "t4", "t0", "t1"]);
        assert_eq!([(); 4].map(|()| taken(1)), ["t1", "t2", "t0", "t1"]);
        assert_eq!(taken(0), "t2");
    }

    #[test]
    fn random_tables_are_all_used_about_evenly_in_every_process() {
        let mode = mode("m", "sqlite:///x.db", 4, TableSelection::Random);
        for process in 0..20 {
            let mut selector = TableSelector::of_process(process);
            let mut used = [0; 4];
            for _ in 0..4000 {
                let table = selector.table(&mode, 0, b"", None).unwrap();
                used[table[1..].parse::<usize>().unwrap()] += 1;
            }
            assert!(used.iter().all(|times| (800..1200).contains(times)), "{used:?} in process {process}");
        }
    }
}
