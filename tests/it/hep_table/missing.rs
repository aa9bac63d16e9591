//! Each chunk missing, empty or repeated.

use super::draft::{Draft, SECONDS};
use super::{Expect, MalformedRow};

pub fn rows() -> Vec<MalformedRow> {
    let without = |kind: u16| Draft::new(format!("chunk {kind} missing")).without(&[kind]);
    let ip6_without = |kind: u16| Draft::ip6(format!("chunk {kind} missing")).without(&[kind]);
    let whole_second = i64::from(SECONDS) * 1_000_000;
    let mut rows = vec![
        without(1).stored_with(|_| {}),
        without(2).counted("missing_ip_protocol"),
        without(3).counted("missing_source"),
        without(4).counted("missing_destination"),
        ip6_without(5).counted("missing_source"),
        ip6_without(6).counted("missing_destination"),
        without(7).stored_with(|stored| stored.source.set_port(0)),
        without(8).stored_with(|stored| stored.destination.set_port(0)),
        without(9).stored_with(|stored| stored.time_us = None),
        without(10).stored_with(|stored| stored.time_us = Some(whole_second)),
        without(11).counted("missing_payload_type"),
        without(12).stored_with(|stored| stored.agent_id = None),
        without(14).stored_with(|_| {}),
        without(15).counted("missing_payload"),
        without(17).stored_with(|stored| stored.correlation_id = None),
        Draft::new("only what a row needs").without(&[1, 7, 8, 9, 10, 12, 14, 17]).stored_with(|stored| {
            stored.source.set_port(0);
            stored.destination.set_port(0);
            stored.time_us = None;
            stored.agent_id = None;
            stored.correlation_id = None;
        }),
        Draft::new("empty key").set(14, b"").stored_with(|_| {}),
        Draft::new("empty correlation id").set(17, b"").stored_with(|stored| stored.correlation_id = None),
        Draft::new("chunk of type 0").and(0, b"").counted("null_chunk"),
        Draft::new("chunk of type 0 with a body").and(0, b"body").counted("null_chunk"),
    ];
    let empty = Draft::new("empty payload").set(15, b"");
    rows.push(MalformedRow::new("empty payload", empty.bytes(), Expect::NoRow("there is no message")));
    for kind in [1, 2, 3, 4, 7, 8, 9, 10, 11, 12] {
        rows.push(Draft::new(format!("chunk {kind} empty")).set(kind, b"").counted("bad_chunk_body"));
    }
    for kind in [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 14, 15, 17] {
        let mut draft = Draft::new(format!("chunk {kind} twice, the first one wrong"));
        let right = draft.chunks.iter().find(|chunk| chunk.1 == kind).expect("a chunk of this type").2.clone();
        draft.chunks.insert(0, (0, kind, vec![0x5a; right.len()]));
        rows.push(draft.stored_with(|_| {}));
    }
    rows
}
