//! A HEP packet that a host hands over in pieces, since it keeps none but what it has decoded.

use crate::hep::{Chunk, EncodeError, PacketBuilder, PacketHead, Payload};
use crate::log_limit::LogLimit;
use log::Level;

/// A [`PacketBuilder`] that logs, at a limited rate, what cannot be written: scripts make packets larger, or give them
/// what their version has no place for.
#[derive(Debug, Default)]
pub struct PacketWriter {
    builder: PacketBuilder,
    log: LogLimit,
}

impl PacketWriter {
    /// As [`PacketBuilder::begin`].
    ///
    /// # Errors
    /// As there, and logged.
    pub fn begin(&mut self, head: &PacketHead) -> Result<(), EncodeError> {
        let begun = self.builder.begin(head);
        begun.inspect_err(|error| say(&mut self.log, *error))
    }

    /// As [`PacketBuilder::add`].
    ///
    /// # Errors
    /// As there, and logged.
    pub fn add(&mut self, chunk: &Chunk<'_>) -> Result<(), EncodeError> {
        let added = self.builder.add(chunk);
        added.inspect_err(|error| say(&mut self.log, *error))
    }

    /// As [`PacketBuilder::finish`].
    ///
    /// # Errors
    /// As there, and logged.
    pub fn finish(&mut self, payload: Payload<'_>) -> Result<&[u8], EncodeError> {
        let PacketWriter { builder, log } = self;
        builder.finish(payload).inspect_err(|error| say(log, *error))
    }
}

fn say(log: &mut LogLimit, error: EncodeError) {
    // Whoever began no packet was told why when it could not be begun, or gone on with.
    if error != EncodeError::NotBegun {
        log.log(Level::Error, format_args!("a HEP packet cannot be written: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hep::Version;
    use crate::logged;

    #[test]
    fn what_cannot_be_written_is_one_line_in_a_while() {
        let mut writer = PacketWriter::default();
        let endpoint = "192.0.2.1:5060".parse().unwrap();
        let head = PacketHead {
            version: Version::V3,
            source: endpoint,
            destination: endpoint,
            ip_protocol: 17,
            payload_type: 1,
            time_us: 0,
            agent_id: 0,
        };
        logged::listen();
        for _ in 0..3 {
            writer.begin(&head).unwrap();
            writer.add(&Chunk { vendor: 3, kind: 999, body: &[0; 65_000] }).unwrap();
            assert_eq!(writer.finish(Payload::Plain(&[0; 1000])), Err(EncodeError::TooLong(66_105)));
            assert_eq!(writer.finish(Payload::Plain(b"")), Err(EncodeError::NotBegun));
        }
        let line = "a HEP packet cannot be written: a HEP packet of 66105 bytes, where 65535 is the most (0 more since \
                    the last such line)";
        assert_eq!(logged::lines(), [(Level::Error, line.to_owned())]);
    }
}
