//! What the header fields of one SIP message cost: an INVITE of 900 bytes that fills 20 columns.

mod messages;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sipcapture_core::sip::{Fields, HeaderNames, extract, first_line_kind};
use std::hint::black_box;

/// How many text columns `fields` fills.
fn filled(fields: &Fields<'_>) -> usize {
    let texts = [
        fields.method,
        fields.ruri,
        fields.ruri_user,
        fields.ruri_domain,
        fields.from_user,
        fields.from_domain,
        fields.from_tag,
        fields.to_user,
        fields.to_domain,
        fields.pid_user,
        fields.contact_user,
        fields.contact_ip,
        fields.callid,
        fields.via_1,
        fields.via_1_branch,
        fields.cseq,
        fields.content_type,
        fields.user_agent,
        fields.diversion,
        fields.custom[0],
    ];
    texts.iter().filter(|text| !text.is_empty()).count()
}

fn sip(criterion: &mut Criterion) {
    let invite = messages::invite();
    let names = HeaderNames {
        callid_aleg: vec![b"X-CID".to_vec()],
        custom: [Some(b"Subject".to_vec()), None, None],
        ..HeaderNames::default()
    };
    assert_eq!(filled(&extract(&invite, None, &names)), 20);

    let mut group = criterion.benchmark_group("sip");
    group.throughput(Throughput::Elements(1));
    group.bench_function("first_line_kind", |bencher| bencher.iter(|| first_line_kind(black_box(&invite))));
    group.bench_function("extract", |bencher| bencher.iter(|| extract(black_box(&invite), None, black_box(&names))));
    group.finish();
}

criterion_group!(benches, sip);
criterion_main!(benches);
