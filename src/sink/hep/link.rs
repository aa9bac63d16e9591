//! An open way to a collector, whatever its transport.

use super::deadline::Deadline;
use super::destination::{CollectorTransport, Destination};
use super::encoder::{Ends, Frames};
use super::names::CollectorNames;
use super::passed::Passed;
use super::setup::Setup;
use super::stream::Stream;
use super::udp::Datagrams;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// An open way to a collector.
pub(super) enum Link {
    Udp(Datagrams),
    Stream(Box<Stream>),
}

/// How a way is opened that needs no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkProbe {
    /// Without a probe: the packets themselves will bring reports if nothing listens.
    Unprobed,
    /// After datagrams that say nothing, some time after this moment, when packets were last sent: one that is reported
    /// opens no way. That takes [`Datagrams::probe`] its time, and is not for those who have packets to send.
    Probed(Option<Instant>),
}

impl Link {
    /// Opens a way to `destination`: its addresses are tried in turn, within `connect_timeout` together; as long
    /// again it may take to learn them. Probing takes longer.
    ///
    /// # Errors
    /// The reason for each address.
    pub fn open(
        destination: &Destination,
        names: &mut CollectorNames,
        setup: &Arc<Setup>,
        opening: LinkProbe,
    ) -> Result<Link, String> {
        let options = &setup.options;
        let addresses = names.addresses(options.connect_timeout)?;
        let deadline = Deadline::after(options.connect_timeout);
        let mut reasons = Vec::new();
        for (tried, address) in addresses.iter().enumerate() {
            let share = deadline.share(addresses.len() - tried);
            match Link::open_one(destination, *address, share, setup, opening) {
                Ok(link) => return Ok(link),
                Err(reason) => reasons.push(format!("{address}: {reason}")),
            }
        }
        names.suspect();
        Err(reasons.join(", "))
    }

    fn open_one(
        destination: &Destination,
        address: SocketAddr,
        deadline: Deadline,
        setup: &Setup,
        opening: LinkProbe,
    ) -> Result<Link, String> {
        match destination.transport() {
            CollectorTransport::Udp => {
                let datagrams = Datagrams::open(address, setup.options.bind, setup.has_stand_ins);
                let probe = |datagrams: &Datagrams| match opening {
                    LinkProbe::Unprobed => Ok(()),
                    LinkProbe::Probed(sent_at) => datagrams.probe(sent_at),
                };
                let opened = datagrams.and_then(|datagrams| probe(&datagrams).map(|()| datagrams));
                opened.map(Link::Udp).map_err(|error| error.to_string())
            }
            CollectorTransport::Tcp | CollectorTransport::Tls => {
                Ok(Link::Stream(Box::new(Stream::open(destination, address, deadline, setup)?)))
            }
        }
    }

    /// Whether the way still leads to the collector, as far as can be told without sending: a stream is open, and the
    /// address is still one of the destination's.
    pub fn is_current(&mut self, names: &mut CollectorNames) -> bool {
        let peer = self.ends().peer;
        if let Link::Stream(stream) = self
            && let Err(reason) = stream.listen()
        {
            log::debug!("connection to {peer}: {reason}");
            return false;
        }
        names.still_has(peer)
    }

    pub fn ends(&self) -> Ends {
        match self {
            Link::Udp(datagrams) => datagrams.ends(),
            Link::Stream(stream) => stream.ends(),
        }
    }

    /// Sends `frames` in their order, each within `io_timeout`.
    pub fn send(&mut self, frames: &Frames, setup: &Setup) -> Passed {
        match self {
            Link::Udp(datagrams) => datagrams.send(frames, setup.options.io_timeout),
            Link::Stream(stream) => stream.send(frames, setup.options.io_timeout),
        }
    }
}
