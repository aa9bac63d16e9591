//! Address chunks and the family that they mean.

use super::MalformedRow;
use super::draft::{DESTINATION_IP4, DESTINATION_IP6, Draft, SOURCE_IP4, SOURCE_IP6};

pub fn rows() -> Vec<MalformedRow> {
    let mut rows = Vec::new();
    for family in [0, 1, 10, 23, 28, 30, 255] {
        rows.push(Draft::new(format!("IPv4 as family {family}")).set(1, &[family]).stored_with(|_| {}));
    }
    for family in [0, 1, 2, 23, 24, 26, 28, 30, 255] {
        let draft = Draft::ip6(format!("IPv6 as family {family}")).set(1, &[family]);
        let stored = draft.stored_ip6();
        rows.push(draft.stored_as(stored));
    }

    let both = |name: &str| Draft::new(name).and(5, &SOURCE_IP6).and(6, &DESTINATION_IP6);
    rows.push(both("both pairs, family 2").stored_with(|_| {}));
    for (name, family) in [("both pairs, family 10", 10), ("both pairs, family 28", 28), ("both pairs, family 99", 99)]
    {
        let draft = both(name).set(1, &[family]);
        let stored = draft.stored_ip6();
        rows.push(draft.stored_as(stored));
    }
    let draft = both("both pairs, no family").without(&[1]);
    let stored = draft.stored_ip6();
    rows.push(draft.stored_as(stored));
    let ip4_last = Draft::ip6("both pairs, no family, IPv4 last").without(&[1]);
    rows.push(ip4_last.and(3, &SOURCE_IP4).and(4, &DESTINATION_IP4).stored_with(|_| {}));

    rows.push(Draft::new("an IPv6 source beside an IPv4 pair").and(5, &SOURCE_IP6).stored_with(|_| {}));
    let draft = Draft::ip6("an IPv4 destination beside an IPv6 pair").and(4, &DESTINATION_IP4);
    let stored = draft.stored_ip6();
    rows.push(draft.stored_as(stored));

    let mixed = Draft::new("IPv4 source and IPv6 destination").without(&[4]).and(6, &DESTINATION_IP6);
    rows.push(mixed.counted("family_mismatch"));
    let mixed = Draft::new("IPv6 source and IPv4 destination").without(&[3]).and(5, &SOURCE_IP6);
    rows.push(mixed.counted("family_mismatch"));
    let sources = Draft::new("two sources and no destination").without(&[4]).and(5, &SOURCE_IP6);
    rows.push(sources.counted("missing_destination"));
    rows.push(Draft::new("no address at all").without(&[3, 4]).counted("missing_source"));
    rows.push(Draft::new("IPv6 address in an IPv4 chunk").set(3, &SOURCE_IP6).counted("bad_chunk_body"));
    rows.push(Draft::ip6("IPv4 address in an IPv6 chunk").set(5, &SOURCE_IP4).counted("bad_chunk_body"));
    rows
}
