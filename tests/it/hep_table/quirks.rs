//! What real senders do. A number keeps the rows of one quirk together; the comment at each group says what it is.

use super::draft::{Draft, SECONDS, message};
use super::{Expect, MalformedRow};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use std::io::Write;

pub fn rows() -> Vec<MalformedRow> {
    [draft_of_2013(), vendors(), compressed(), lengths(), senders(), times(), reports(), payloads()].concat()
}

/// 1: the magic of old, and the two chunks that meant something else.
fn draft_of_2013() -> Vec<MalformedRow> {
    let draft = |name: &str| Draft::new(format!("quirk 1: {name}")).magic(b"EEP1");
    let no_text_id = |name: &str| draft(name).without(&[17]);
    vec![
        draft("magic EEP1").stored_with(|_| {}),
        Draft::new("quirk 1: magic EEP3").magic(b"EEP3").stored_with(|_| {}),
        no_text_id("numeric correlation id").and(16, &[0, 0, 0, 9]).stored_with(|stored| stored.correlation_id = None),
        no_text_id("SS7 type").and(17, &[0, 3]).stored_with(|stored| stored.correlation_id = None),
        draft("numeric correlation id and no payload").without(&[15]).and(16, &[0; 4]).counted("missing_payload"),
        {
            let zipped = draft("compressed payload");
            let payload = zlib(&message(&zipped.name));
            zipped.without(&[15]).and(16, &payload).stored_with(|_| {})
        },
    ]
}

/// 2: chunks of vendors, with the numbers of generic ones. 3: a generic chunk that no specification has, and a
/// correlation id behind the payload.
fn vendors() -> Vec<MalformedRow> {
    let mut every_type = Draft::new("quirk 2: vendor chunks with generic numbers");
    for vendor in 1..=8 {
        for kind in 1..=19 {
            every_type = every_type.and_of_vendor(vendor, kind, &[6]);
        }
    }
    let json = br#"{"sip":"leg-b"}"#;
    vec![
        every_type.stored_with(|_| {}),
        Draft::new("quirk 2: vendor chunk of type 0").and_of_vendor(3, 0, b"x").stored_with(|_| {}),
        Draft::new("quirk 3: generic chunk 0x65").and(0x65, json).stored_with(|_| {}),
        Draft::new("quirk 3: correlation id behind the payload").without(&[17]).and(17, b"leg-a").stored_with(|_| {}),
        Draft::new("quirk 3: JSON as xlog").set(11, &[86]).set(15, json).stored_with(|stored| {
            stored.payload_type = 86;
            stored.payload = json.to_vec();
        }),
    ]
}

/// 4: compressed payloads.
fn compressed() -> Vec<MalformedRow> {
    let mut rows = Vec::new();
    for (form, compress) in [("zlib", zlib as fn(&[u8]) -> Vec<u8>), ("gzip", gzip), ("raw deflate", deflate)] {
        let draft = Draft::new(format!("quirk 4: payload as {form}"));
        let payload = compress(&message(&draft.name));
        rows.push(draft.without(&[15]).and(16, &payload).stored_with(|_| {}));

        let draft = Draft::new(format!("quirk 4: payload as {form}, cut short"));
        let payload = compress(&message(&draft.name));
        let cut = &payload[..payload.len() - 9];
        rows.push(draft.without(&[15]).and(16, cut).counted("inflate_cut_short"));

        let bomb = compress(&vec![b'a'; 5_000_000]);
        let draft = Draft::new(format!("quirk 4: five megabytes as {form}"));
        rows.push(draft.without(&[15]).and(16, &bomb).counted("inflate_too_long"));
    }
    let draft = Draft::new("quirk 4: compressed payload that is none");
    rows.push(draft.without(&[15]).and(16, b"OPTIONS sip:bob@example.com").counted("inflate_damaged"));
    let draft = Draft::new("quirk 4: compressed payload of no bytes");
    rows.push(draft.without(&[15]).and(16, b"").counted("inflate_cut_short"));
    let both = Draft::new("quirk 4: plain and compressed payload");
    rows.push(both.and(16, &zlib(b"the other one")).stored_with(|_| {}));
    let frame = Draft::new("quirk 4: whole packet as gzip");
    rows.push(MalformedRow::new(frame.name.clone(), gzip(&frame.bytes()), Expect::NotHep));
    rows
}

/// 5: lengths that do not agree with the datagram's. 12: packets that follow one another.
fn lengths() -> Vec<MalformedRow> {
    let behind = |name: &str, tail: &[u8]| {
        let draft = Draft::new(name);
        let mut stored = draft.stored();
        stored.trailing = tail.len();
        MalformedRow::new(name, [draft.bytes(), tail.to_vec()].concat(), Expect::Stored(stored))
    };
    let second = Draft::new("second of two").bytes();
    let mut short = Draft::new("quirk 5: datagram one byte short").bytes();
    short.pop();
    vec![
        behind("quirk 5: one byte behind the packet", b"\0"),
        behind("quirk 5: CRLF behind the packet", b"\r\n"),
        behind("quirk 5: a chunk behind the packet", &[0, 0, 0, 2, 0, 7, 6]),
        MalformedRow::new("quirk 5: datagram one byte short", short, Expect::Counted("truncated")),
        behind("quirk 12: a second packet behind the first", &second),
    ]
}

/// 6: sngrep. 7: sipsorcery. 8: TLS and its kin. 9: Asterisk.
fn senders() -> Vec<MalformedRow> {
    let mut rows = Vec::new();
    let sngrep = Draft::new("quirk 6: agent id in the wrong half").set(12, &[0x07, 0xd1, 0, 0]);
    rows.push(sngrep.stored_with(|stored| stored.agent_id = Some(0x07d1_0000)));
    // What was on the sender's stack stands where the IPv6 source chunk should.
    for (stack, noise, reason) in
        [("of zeros", [0; 22], "bad_chunk_length"), ("of pointers", [0x7f; 22], "chunk_past_end")]
    {
        let draft = Draft::ip6(format!("quirk 6: source chunk {stack}"));
        let mut bytes = draft.bytes();
        let at = draft.offset(5);
        bytes[at..at + 22].copy_from_slice(&noise);
        rows.push(MalformedRow::new(draft.name, bytes, Expect::Counted(reason)));
    }

    let long = Draft::new("quirk 7: payload cut at 1460, lengths not").set(15, &[b'x'; 3000]);
    let mut bytes = long.bytes();
    bytes.truncate(1460);
    rows.push(MalformedRow::new(long.name, bytes, Expect::Counted("truncated")));
    let long = Draft::new("quirk 7: payload and total length cut, chunk length not").set(15, &[b'x'; 3000]);
    let mut bytes = long.bytes();
    bytes.truncate(1460);
    bytes[4..6].copy_from_slice(&1460u16.to_be_bytes());
    rows.push(MalformedRow::new(long.name, bytes, Expect::Counted("chunk_past_end")));

    for ip_protocol in [0, 6, 22, 41, 132, 255] {
        let draft = Draft::new(format!("quirk 8: IP protocol {ip_protocol}")).set(2, &[ip_protocol]);
        rows.push(draft.stored_with(|stored| stored.ip_protocol = ip_protocol));
    }
    let asterisk = Draft::new("quirk 9: Call-ID as correlation id");
    let call_id = super::draft::call_id(&asterisk.name).into_bytes();
    rows.push(asterisk.set(17, &call_id).stored_with(|stored| stored.correlation_id = Some(call_id)));
    rows
}

/// 10: times that cannot be.
fn times() -> Vec<MalformedRow> {
    let at = |name: &str, seconds: u32, microseconds: u32, time_us: Option<i64>| {
        Draft::new(format!("quirk 10: {name}"))
            .set(9, &seconds.to_be_bytes())
            .set(10, &microseconds.to_be_bytes())
            .stored_with(|stored| stored.time_us = time_us)
    };
    vec![
        at("no time", 0, 0, None),
        at("microseconds of no second", 0, 7, None),
        at("seconds since 1900", 3_908_988_800, 0, Some(3_908_988_800_000_000)),
        at("last second", u32::MAX, 999_999, Some(4_294_967_295_999_999)),
        at("more microseconds than a second has", SECONDS, 2_500_000, Some(1_700_000_002_500_000)),
    ]
}

/// 11: reports without a correlation id. 15: rtpengine, which numbers families in its own way.
fn reports() -> Vec<MalformedRow> {
    let report = br#"{"type":200,"ssrc":1}"#;
    let draft = |name: &str| Draft::new(name).set(11, &[5]).set(15, report);
    let no_id = draft("quirk 11: RTCP report without correlation id").without(&[17]);
    let rtpengine = draft("quirk 15: RTCP report of rtpengine").set(1, &[0]).without(&[14]);
    let log = Draft::new("log line").set(11, &[100]).set(15, b"a line");
    vec![
        MalformedRow::new(no_id.name.clone(), no_id.bytes(), Expect::NoRow("a report needs a correlation id")),
        rtpengine.stored_with(|stored| {
            stored.payload_type = 5;
            stored.payload = report.to_vec();
        }),
        log.stored_with(|stored| {
            stored.payload_type = 100;
            stored.payload = b"a line".to_vec();
        }),
    ]
}

/// 13: messages cut by the sender. 14: parts of messages.
fn payloads() -> Vec<MalformedRow> {
    let cut = Draft::new("quirk 13: body shorter than Content-Length");
    let text = String::from_utf8(message(&cut.name)).expect("a message in ASCII");
    let text = text.replace("Content-Length: 0", "Content-Length: 4000").into_bytes();
    let part = Draft::new("quirk 14: half of a message");
    let whole = message(&part.name);
    let cut_at = whole.windows(4).position(|bytes| bytes == b"CSeq").expect("a CSeq header") + 2;
    let half = whole[..cut_at].to_vec();
    vec![
        cut.set(15, &text).stored_with(|stored| stored.payload = text),
        part.set(15, &half).stored_with(|stored| stored.payload = half),
    ]
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all")
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all")
}
