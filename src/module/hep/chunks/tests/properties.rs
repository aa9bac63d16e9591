//! What holds whatever scripts and packets say.

use super::super::{
    ChunkArguments, ChunkContent, ChunkFunction, ChunkId, OuterField, OuterPacket, ROOM, check_argument, decode,
    encode, one_family,
};
use super::{arguments, shown};
use crate::capture::Transport;
use crate::hep::{Chunks, kind};
use proptest::prelude::*;

const TYPES: [&str; 8] = ["", "uint8", "uint16", "uint32", "inet4-addr", "inet6-addr", "utf8-string", "octet-string"];

const FUNCTIONS: [ChunkFunction; 3] = [ChunkFunction::Set, ChunkFunction::Get, ChunkFunction::Delete];

/// Texts as scripts may write them: names, numbers, types, and anything.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(&TYPES[..]).prop_map(|name| name.as_bytes().to_vec()),
        prop::sample::select(&["src_ip", "payload", "proto_id", "timestamp", "udp", "sip", "::1", "127.0.0.1"][..])
            .prop_map(|name| name.as_bytes().to_vec()),
        any::<u32>().prop_map(|number| number.to_string().into_bytes()),
        any::<u32>().prop_map(|number| format!("{number:#x}").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..80),
    ]
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        texts in prop::array::uniform4(prop::option::of(text())),
        own_vendor: u16,
        index in 0..6usize,
    ) {
        let given = texts.each_ref().map(Option::as_deref);
        for function in FUNCTIONS {
            let sorted = ChunkArguments::of(function, given);
            let mut buffer = [0; ROOM];
            match encode(&sorted, own_vendor, &mut buffer) {
                Ok(encoded) => prop_assert!(encoded.id.may_be_set()),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
            for text in given.into_iter().flatten() {
                let _ = check_argument(function, index, text).map_err(|error| error.to_string());
                let _ = OuterField::parse(text).map_err(|error| error.to_string());
            }
        }
    }

    #[test]
    fn no_content_makes_it_panic(
        number in 1..=u16::MAX,
        low in 1..40u16,
        value: u32,
        protocol: u8,
        body in prop::collection::vec(any::<u8>(), 0..40),
        value_type in text(),
    ) {
        for number in [number, low] {
            let id = ChunkId::from_number(number).expect("not 0");
            let transport = ChunkContent::Transport(Transport::from_ip_protocol(protocol));
            for content in [ChunkContent::Number(value), transport, ChunkContent::Bytes(&body)] {
                for value_type in TYPES.map(str::as_bytes).into_iter().chain([&value_type[..]]) {
                    let mut buffer = [0; ROOM];
                    let _ = decode(id, value_type, content, &mut buffer).map(shown).map_err(|error| error.to_string());
                }
            }
        }
    }

    #[test]
    fn no_field_of_an_outer_packet_makes_it_panic(
        code: u32,
        source: Option<std::net::SocketAddr>,
        destination: Option<std::net::SocketAddr>,
        transport in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let packet = OuterPacket { source, destination, transport: &transport };
        for code in (0..9).chain([code]) {
            let mut buffer = [0; ROOM];
            shown(OuterField::from_code(code).value(&packet, &mut buffer));
        }
    }

    /// A number that a script sets is the number that it reads, or is refused because it does not fit.
    #[test]
    fn a_number_survives_or_is_refused(
        value: u64,
        shift in 0..64u32,
        size in prop::sample::select(&[1usize, 2, 4][..]),
    ) {
        let (value, value_type) = (value >> shift, format!("uint{}", 8 * size));
        let text = value.to_string();
        let (mut stored, mut buffer) = ([0; ROOM], [0; ROOM]);
        match encode(&arguments("31", text.as_bytes(), &value_type, ""), 3, &mut stored) {
            Ok(encoded) => {
                prop_assert_eq!(encoded.body.len(), size);
                let read = decode(encoded.id, value_type.as_bytes(), encoded.content, &mut buffer);
                prop_assert_eq!(shown(read.expect("its own type")), format!("\"{text}\" {text}"));
            }
            Err(_) => prop_assert!(value > u64::from(u32::MAX >> (32 - 8 * size))),
        }
    }

    #[test]
    fn an_address_survives(address: std::net::IpAddr, is_source: bool) {
        let text = address.to_string();
        let (mut stored, mut buffer) = ([0; ROOM], [0; ROOM]);
        let chunk = if is_source { "src_ip" } else { "dst_ip" };
        let encoded = encode(&arguments(chunk, text.as_bytes(), "", ""), 3, &mut stored).expect("an address");
        let first = if is_source { kind::SOURCE_IP4 } else { kind::DESTINATION_IP4 };
        prop_assert_eq!(encoded.id.number(), if address.is_ipv4() { first } else { first + 2 });
        let value = decode(encoded.id, b"", encoded.content, &mut buffer).expect("an address");
        prop_assert_eq!(shown(value), format!("\"{text}\""));
    }

    /// Whatever is set, a packet with that chunk alone can be read, and has it.
    #[test]
    fn every_chunk_that_is_set_fits_a_packet(
        number in 1..=u16::MAX,
        low in 1..20u16,
        value in text(),
        long in 0..66_000usize,
        value_type in prop::sample::select(&TYPES[..]),
        vendor: u16,
    ) {
        let long = vec![b'x'; long];
        for (chunk, value) in [(number, &value), (low, &value), (number, &long), (15, &long)] {
            let (chunk, vendor) = (chunk.to_string(), vendor.to_string());
            let mut buffer = [0; ROOM];
            let Ok(encoded) = encode(&arguments(&chunk, value, value_type, &vendor), 3, &mut buffer) else { continue };
            let fields = [encoded.vendor, encoded.id.number(), u16::try_from(encoded.body.len() + 6).expect("it fits")];
            let total = u16::try_from(encoded.body.len() + 12).expect("it fits");
            let mut packet = [&b"HEP3"[..], &total.to_be_bytes()].concat();
            packet.extend(fields.iter().flat_map(|field| field.to_be_bytes()));
            packet.extend(encoded.body);
            let chunks: Vec<_> = Chunks::new(&packet).expect("a packet").map(|chunk| chunk.expect("a chunk")).collect();
            prop_assert_eq!(chunks.len(), 1);
            prop_assert_eq!((chunks[0].vendor, chunks[0].kind), (encoded.vendor, encoded.id.number()));
            prop_assert_eq!(chunks[0].body, encoded.body);
        }
    }

    #[test]
    fn one_family_is_enough_for_both_and_asking_again_changes_nothing(
        ends in prop::array::uniform2(any::<Option<std::net::IpAddr>>()),
    ) {
        let (addresses, family) = one_family(ends);
        prop_assert_eq!(one_family(addresses), (addresses, family));
        for (given, address) in ends.into_iter().zip(addresses) {
            prop_assert_eq!(given.map(|given| given.to_canonical()), address.map(|address| address.to_canonical()));
            prop_assert!(address.is_none_or(|address| address.is_ipv4() == (family == 2)));
        }
    }
}
