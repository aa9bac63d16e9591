//! By which names and numbers scripts call chunks, and where a host keeps each.

use super::decimal_or_hexadecimal;
use crate::hep::kind;
use std::fmt;

/// Chunks that have a name. A text that begins with one, in whatever case, is that chunk.
const NAMES: [(&str, u16); 11] = [
    ("proto_family", kind::FAMILY),
    ("proto_id", kind::IP_PROTOCOL),
    ("src_ip", kind::SOURCE_IP4),
    ("dst_ip", kind::DESTINATION_IP4),
    ("src_port", kind::SOURCE_PORT),
    ("dst_port", kind::DESTINATION_PORT),
    ("timestamp", kind::SECONDS),
    ("timestamp_us", kind::MICROSECONDS),
    ("proto_type", kind::PAYLOAD_TYPE),
    ("captagent_id", kind::AGENT_ID),
    ("payload", kind::PAYLOAD),
];

/// Of these two one begins with the other, so that the whole text must be the name.
const WHOLE: [u16; 2] = [kind::SECONDS, kind::MICROSECONDS];

/// A chunk that a script has named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkId(u16);

/// In which form the host keeps what a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkForm {
    /// A number.
    Number,
    /// What carried the message, which hosts keep by a number of their own.
    Transport,
    /// Bytes.
    Bytes,
}

impl ChunkId {
    /// The chunk of a number; 0 is none.
    pub fn from_number(number: u16) -> Option<ChunkId> {
        (number > 0).then_some(ChunkId(number))
    }

    /// The chunk that `text` names, or has the number of: decimal, or `0x` and hexadecimal digits; `None` for none.
    pub(super) fn of_text(text: &[u8]) -> Option<ChunkId> {
        match text.first() {
            Some(b'0'..=b'9') => decimal_or_hexadecimal(text, u16::MAX.into())
                .and_then(|number| ChunkId::from_number(number.try_into().ok()?)),
            _ => named(text),
        }
    }

    /// Its number: the chunk's type in the packet.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The field that holds it, by the lowest number among the chunks that it is for; 0 for a chunk of the list.
    pub fn field(self) -> u16 {
        match self.0 {
            kind::SOURCE_IP4 | kind::SOURCE_IP6 => kind::SOURCE_IP4,
            kind::DESTINATION_IP4 | kind::DESTINATION_IP6 => kind::DESTINATION_IP4,
            kind::PAYLOAD | kind::COMPRESSED_PAYLOAD => kind::PAYLOAD,
            kind::KEEP_ALIVE | kind::AUTH_KEY => 0,
            number if number < kind::PAYLOAD => number,
            _ => 0,
        }
    }

    /// In which form its field has it.
    pub fn form(self) -> ChunkForm {
        match self.field() {
            kind::IP_PROTOCOL => ChunkForm::Transport,
            0 | kind::SOURCE_IP4 | kind::DESTINATION_IP4 | kind::PAYLOAD => ChunkForm::Bytes,
            _ => ChunkForm::Number,
        }
    }

    /// Whether scripts may set it. They may read and delete every chunk.
    pub fn may_be_set(self) -> bool {
        !matches!(self.0, kind::FAMILY | kind::SECONDS | kind::MICROSECONDS)
    }
}

/// `chunk src_port (7)`, or `chunk 17`.
impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field();
        match NAMES.iter().find(|(_, kind)| *kind == field) {
            Some((name, _)) => write!(f, "chunk {name} ({})", self.0),
            None => write!(f, "chunk {}", self.0),
        }
    }
}

fn named(text: &[u8]) -> Option<ChunkId> {
    let names = |name: &str, kind: u16| match text.split_at_checked(name.len()) {
        Some((beginning, rest)) => {
            beginning.eq_ignore_ascii_case(name.as_bytes()) && (rest.is_empty() || !WHOLE.contains(&kind))
        }
        None => false,
    };
    NAMES.iter().find(|(name, kind)| names(name, *kind)).map(|(_, kind)| ChunkId(*kind))
}
