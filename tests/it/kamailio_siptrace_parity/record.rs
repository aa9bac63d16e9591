//! What was traced of one message, as named values: a packet, a plain copy, or a row.

use super::message::Message;
use std::fmt;

/// Where a trace has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The collector of `duplicate_uri`.
    Duplicate,
    /// The collector that the script names.
    Named,
    /// The table.
    Table,
    /// The table that an AVP names.
    OtherTable,
    /// The module's statistics.
    Statistics,
}

/// One packet, copy or row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it was found.
    pub place: Place,
    /// Call-ID, without its domain.
    pub call: String,
    /// First line, CSeq and what else tells it from others.
    pub title: String,
    /// From where to where the message went.
    pub way: String,
    /// When it was traced, in a form that sorts; empty when it does not say.
    pub time: String,
    /// Everything in it, in its order.
    pub fields: Vec<(String, String)>,
}

impl Record {
    /// A record of this message, which has no values yet.
    pub fn new(place: Place, message: &str) -> Record {
        let message = Message::new(message.to_owned());
        let header = |name: &str| message.headers(name).first().map(|value| (*value).to_owned()).unwrap_or_default();
        let call = header("Call-ID").split('@').next().unwrap_or_default().to_owned();
        let title = format!("{} | {}", message.first_line(), header("CSeq"));
        Record { place, call, title, way: String::new(), time: String::new(), fields: Vec::new() }
    }

    /// Adds a value behind those there.
    pub fn add(&mut self, name: &str, value: String) {
        self.fields.push((name.to_owned(), value));
    }

    /// A value; empty when there is none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Whether it is of a message, and not a count.
    pub fn is_traced(&self) -> bool {
        self.place != Place::Statistics
    }

    /// Whether it is a plain copy.
    pub fn is_copy(&self) -> bool {
        !self.field("sender").is_empty()
    }

    /// What pairs it with a record of the other run: all but the place within a collector or a table.
    pub fn key(&self) -> (bool, &str, &str, &str, &str, &str) {
        let user = (self.field("traced_user"), self.field("direction"));
        (self.place >= Place::Table, &self.call, &self.title, &self.way, user.0, user.1)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { place, call, title, way, .. } = self;
        write!(f, "{place:?} {call}: {title} | {way}")?;
        for name in ["0:0x0011", "traced_user", "direction"] {
            if !self.field(name).is_empty() {
                write!(f, " | {name} {}", self.field(name))?;
            }
        }
        Ok(())
    }
}
