//! HEP packets to collectors: those that parameters name, or whichever each packet names.

mod delivery;
mod outgoing;

use crate::capture::record::Head;
use crate::sink::hep::{CollectorOptions, Destination};
use crate::table::TableNames;
use crate::writer::batch::BatchKey;
use crate::writer::kind::{Delivery, Destinations, Opening, SinkKind};
use delivery::{CollectorSelection, PacketDelivery};
use std::borrow::Cow;
use std::fmt;

/// How packets are sent.
#[derive(Clone, Debug)]
pub struct CollectorPlan {
    /// How collectors are spoken to.
    pub options: CollectorOptions,
    /// Headers whose value is the correlation id of a message that has none; the first that is there counts.
    pub correlation_headers: Vec<Vec<u8>>,
}

/// The collector that parameters name, or several that stand in for each other: the first that works gets the packets.
#[derive(Clone, Debug)]
pub struct CollectorSink {
    /// In the order of preference.
    pub destinations: Vec<Destination>,
    /// How packets are sent.
    pub collectors: CollectorPlan,
}

/// The collectors that scripts name, one for each packet.
#[derive(Clone, Debug)]
pub struct NamedCollectorSink {
    /// How packets are sent.
    pub collectors: CollectorPlan,
}

impl fmt::Display for CollectorSink {
    /// The URIs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uris: Vec<String> = self.destinations.iter().map(Destination::to_string).collect();
        f.write_str(&uris.join(", "))
    }
}

impl fmt::Display for NamedCollectorSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("collectors named by the script")
    }
}

/// Packets of one collector, in the order of their times.
fn key<'a>(head: &Head<'a>) -> Result<BatchKey<'a>, String> {
    // The module that made the capture has checked the URI.
    let uri = str::from_utf8(head.table.unwrap_or_default()).map_err(|error| error.to_string())?;
    Ok(BatchKey { destination: Cow::Borrowed(uri), form: 0, by_time: true })
}

impl SinkKind for CollectorSink {
    fn key<'a>(&'a self, head: &Head<'a>, _: &'a mut TableNames) -> Result<BatchKey<'a>, String> {
        key(head)
    }

    fn keeps_order(&self) -> bool {
        true
    }

    fn destinations(&self) -> Destinations {
        Destinations::Together
    }

    fn open(&self, opening: Opening) -> Box<dyn Delivery> {
        open(&self.collectors, CollectorSelection::Fixed(&self.destinations), "the collector", opening)
    }
}

impl SinkKind for NamedCollectorSink {
    fn key<'a>(&'a self, head: &Head<'a>, _: &'a mut TableNames) -> Result<BatchKey<'a>, String> {
        key(head)
    }

    fn keeps_order(&self) -> bool {
        true
    }

    fn destinations(&self) -> Destinations {
        Destinations::Apart { prefix: "script".into() }
    }

    fn open(&self, opening: Opening) -> Box<dyn Delivery> {
        let selection = if opening.is_for_one { CollectorSelection::Named } else { CollectorSelection::AnyNamed };
        open(&self.collectors, selection, "a collector that the script names", opening)
    }
}

/// `name` is what the log calls the collector.
fn open(
    collectors: &CollectorPlan,
    selection: CollectorSelection<'_>,
    name: &'static str,
    opening: Opening,
) -> Box<dyn Delivery> {
    Box::new(PacketDelivery::new(collectors, selection, name, opening))
}
