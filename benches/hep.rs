//! What one message costs in the codecs: HEP version 3 in and out, and the header fields, for an INVITE of 900 bytes.

mod messages;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sipcapture_core::hep::{Packet, Payload, Version, decode, encode, inflate, looks_like_hep};
use sipcapture_core::sip::{HeaderNames, extract};
use std::hint::black_box;

fn packet(payload: Payload<'_>) -> Packet<'_> {
    Packet {
        version: Version::V3,
        source: "192.0.2.1:5060".parse().expect("an address"),
        destination: "198.51.100.2:5070".parse().expect("an address"),
        ip_protocol: 17,
        payload_type: 1,
        time_us: Some(1_700_000_000_123_456),
        agent_id: Some(2001),
        correlation_id: Some(b"3848276298220188511@atlanta.example.com"),
        auth_key: None,
        payload,
        trailing: 0,
    }
}

fn encoded(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut datagram = Vec::new();
    encode(packet, version, &mut datagram).expect("a packet that fits");
    datagram
}

fn codecs(criterion: &mut Criterion) {
    let invite = messages::invite();
    let packet = packet(Payload::Plain(&invite));
    let v3 = encoded(&packet, Version::V3);
    let v2 = encoded(&packet, Version::V2);
    let names = HeaderNames::default();

    let mut group = criterion.benchmark_group("hep");
    group.throughput(Throughput::Elements(1));
    group.bench_function("looks_like_hep", |bencher| bencher.iter(|| looks_like_hep(black_box(&v3))));
    group.bench_function("decode_v3", |bencher| bencher.iter(|| decode(black_box(&v3)).is_ok()));
    group.bench_function("decode_v2", |bencher| bencher.iter(|| decode(black_box(&v2)).is_ok()));
    let mut out = Vec::with_capacity(2048);
    group.bench_function("encode_v3", |bencher| {
        bencher.iter(|| {
            out.clear();
            encode(black_box(&packet), Version::V3, &mut out).is_ok()
        });
    });
    group.bench_function("decode_v3_and_extract", |bencher| {
        bencher.iter(|| match decode(black_box(&v3)).map(|packet| packet.payload) {
            Ok(Payload::Plain(message)) => extract(message, None, &names).callid.len(),
            _ => unreachable!("the packet is good and plain"),
        });
    });
    group.finish();
}

fn inflating(criterion: &mut Criterion) {
    let invite = messages::invite();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, &invite).expect("a Vec takes all");
    let compressed = encoder.finish().expect("a Vec takes all");
    let mut out = Vec::new();
    criterion
        .bench_function("hep/inflate", |bencher| bencher.iter(|| inflate(black_box(&compressed), &mut out).is_ok()));
}

criterion_group!(benches, codecs, inflating);
criterion_main!(benches);
