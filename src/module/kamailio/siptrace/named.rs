//! What scripts name, destinations and tables, read once and known by its text as long as it is in use. Of
//! [`super::TraceAgent`] alone.

use super::TraceError;
use crate::sink::hep::{Destination, named_copy_uri};
use std::sync::Arc;

/// Texts that are known at a time; a further one starts again.
const MOST: usize = 64;

/// What texts of scripts were read as.
#[derive(Debug)]
pub struct Known<T> {
    all: Vec<(Vec<u8>, T)>,
}

impl<T> Default for Known<T> {
    fn default() -> Known<T> {
        Known { all: Vec::new() }
    }
}

impl<T> Known<T> {
    /// What `text` was read as, or is now.
    pub fn get_or_read<E>(&mut self, text: &[u8], read: impl FnOnce(&str) -> Result<T, E>) -> Result<&T, E> {
        let position = match self.all.iter().position(|(known, _)| known == text) {
            Some(position) => position,
            None => {
                let value = read(&String::from_utf8_lossy(text))?;
                if self.all.len() == MOST {
                    self.all.clear();
                }
                self.all.push((text.to_vec(), value));
                self.all.len() - 1
            }
        };
        Ok(&self.all[position].1)
    }
}

/// A collector.
#[derive(Clone, Debug)]
pub struct ScriptCollector {
    /// Number of its sink.
    pub sink: usize,
    /// Its URI in the one spelling that it has, without user, password and what else is of no use; `None` where
    /// parameters name it too.
    pub uri: Option<Arc<str>>,
}

/// Where a script wants packets and copies of a message.
#[derive(Clone, Debug, Default)]
pub struct NamedDestinations {
    /// Packets; `None` where it leaves that to parameters, or there are to be none.
    pub collector: Option<ScriptCollector>,
    /// Plain copies, a URI likewise.
    pub copy: Option<Arc<str>>,
}

/// Destinations that scripts used lately and that were found good.
#[derive(Debug, Default)]
pub struct KnownDestinations {
    collectors: Known<ScriptCollector>,
    copies: Known<Arc<str>>,
}

impl KnownDestinations {
    /// The collector that `uri` names; `sink_of` tells its sink, and whether parameters name it.
    pub fn collector(
        &mut self,
        uri: &[u8],
        sink_of: impl FnOnce(&Destination) -> (usize, bool),
    ) -> Result<ScriptCollector, TraceError> {
        let read = |uri: &str| -> Result<ScriptCollector, TraceError> {
            let destination = Destination::parse(uri)?;
            let (sink, is_shared) = sink_of(&destination);
            Ok(ScriptCollector { sink, uri: (!is_shared).then(|| destination.to_string().into()) })
        };
        self.collectors.get_or_read(uri, read).cloned()
    }

    /// Where copies for `uri` go.
    pub fn copy(&mut self, uri: &[u8]) -> Result<Arc<str>, TraceError> {
        self.copies.get_or_read(uri, |uri| Ok(named_copy_uri(uri)?.into())).cloned()
    }
}
