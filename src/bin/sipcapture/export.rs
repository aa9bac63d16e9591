//! `sipcapture export CALL-ID -o FILE`: the messages as packets, for Wireshark and similar programs.

use crate::message::{Endpoint, Message};
use crate::session::{CallSession, CommandResult, Error, Legs};
use clap::Args;
use serde_json::json;
use sipcapture_core::packet::{LinkType, file_header, record_header, udp_frame, udp_payload_limit};
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Which call, and where to.
#[derive(Args, Clone, Debug)]
pub struct ExportOptions {
    #[command(flatten)]
    legs: Legs,
    /// The pcap file to write; "-" is standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// What was written.
#[derive(Debug, Default, PartialEq, Eq)]
struct PcapSummary {
    /// Packets in the file.
    packets: usize,
    /// Of those, packets whose message was too long for one datagram and was cut.
    cut: usize,
}

/// Writes the file, and says what is in it.
pub fn run(session: &mut CallSession, options: &ExportOptions) -> CommandResult {
    let call = session.find(&options.legs, true)?;
    let to_stdout = options.output == Path::new("-");
    let name = if to_stdout { "standard output".to_owned() } else { options.output.display().to_string() };
    let (file, written) = pcap(&call.messages);
    if to_stdout {
        return session.print(file);
    }
    let failed = |error| Error::Write(name.clone(), error);
    let out = std::fs::File::create(&options.output).map_err(failed)?;
    let mut out = BufWriter::new(out);
    out.write_all(&file).and_then(|()| out.flush()).map_err(failed)?;
    if session.json {
        return session.document(json!({
            "call_id": call.call_id,
            "legs": call.legs,
            "file": name,
            "packets": written.packets,
            "cut": written.cut,
        }));
    }
    let cut =
        if written.cut > 0 { format!(", {} of them cut to one UDP datagram", written.cut) } else { String::new() };
    let packets = if written.packets == 1 { "1 packet".to_owned() } else { format!("{} packets", written.packets) };
    session.print(format!("{packets}{cut} in {name}\n"))
}

/// The bytes of a pcap file of IP packets. Whatever carried a message, it is written as one UDP datagram: a row has no
/// TCP sequence to rebuild, and no key to decrypt TLS.
fn pcap(messages: &[Message]) -> (Vec<u8>, PcapSummary) {
    let mut file = file_header(LinkType::Raw).to_vec();
    let mut written = PcapSummary::default();
    for message in messages {
        let (source, destination) = (address(&message.source), address(&message.destination));
        let limit = udp_payload_limit(source, destination);
        let payload = &message.payload[..message.payload.len().min(limit)];
        let missing = message.payload.len() - payload.len();
        // The payload is within the limit of its addresses, the one thing that a frame cannot be built for.
        let Ok(frame) = udp_frame(source, destination, payload) else { continue };
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        file.extend_from_slice(&record_header(message.micro_ts, length(frame.len()), length(frame.len() + missing)));
        file.extend_from_slice(&frame);
        written.packets += 1;
        written.cut += usize::from(missing > 0);
    }
    (file, written)
}

/// The address of one end; 0.0.0.0 where the row has none that can be read.
fn address(endpoint: &Endpoint) -> SocketAddr {
    let ip = endpoint.ip.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    SocketAddr::new(ip, endpoint.port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::request;

    #[test]
    fn a_message_longer_than_a_datagram_is_cut_and_counted() {
        let mut long = request(1_000_000, "INVITE", "1 INVITE");
        long.payload = vec![b'x'; 70_000];
        let (file, written) = pcap(&[long, request(2_000_000, "ACK", "1 ACK")]);
        assert_eq!(written, PcapSummary { packets: 2, cut: 1 });
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        assert_eq!((word(24), word(32), word(36)), (1, 65_535, 70_000 + 28));
    }

    #[test]
    fn an_address_that_cannot_be_read_does_not_stop_the_export() {
        let mut strange = request(0, "INVITE", "1 INVITE");
        strange.source.ip = "somewhere".into();
        assert_eq!(address(&strange.source).to_string(), "0.0.0.0:5060");
        assert_eq!(pcap(&[strange]).1.packets, 1);
    }
}
