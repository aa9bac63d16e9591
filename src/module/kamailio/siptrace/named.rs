//! Destinations that scripts name, read once and known by their text as long as they are in use. Of
//! [`super::TraceAgent`] alone.

use super::TraceError;
use crate::module::engine::known_texts::KnownTexts;
use crate::sink::hep::{Destination, named_copy_uri};
use std::sync::Arc;

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
    collectors: KnownTexts<ScriptCollector>,
    copies: KnownTexts<Arc<str>>,
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
