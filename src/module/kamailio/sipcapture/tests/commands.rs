//! Answers to commands, without a host.

use super::*;
use crate::module::testing::Answer;
use crate::queue::counters::{COMMITTED, Cell, Observer, Produced, TABLE};

/// The counters of producers that a capture node shows.
fn produced() -> Vec<Produced> {
    let shown = TABLE.iter().filter(|counter| counter.description(Observer::Node).is_some());
    let cells = shown.filter_map(|counter| counter.cell);
    cells.filter_map(|cell| if let Cell::Produced(counter) = cell { Some(counter) } else { None }).collect()
}

/// Where `sipcapture.stats` has the counter `name` of the statistics.
fn path(name: &str) -> String {
    let grouped = [("dropped_", "dropped_by_reason"), ("hep_", "hep"), ("raw_", "raw"), ("writer_", "writer")];
    for (prefix, group) in grouped {
        if let Some(rest) = name.strip_prefix(prefix) {
            return format!("{group}.{rest}");
        }
    }
    match name {
        "captured_requests" => "mode_0.requests".to_owned(),
        "captured_replies" => "mode_0.replies".to_owned(),
        "captured_requests[archive]" => "mode_1.requests".to_owned(),
        "captured_replies[archive]" => "mode_1.replies".to_owned(),
        "hash_refused" | "refused_malformed" | "malformed" | "truncated" => format!("sip.{name}"),
        "batches" | "queue_bytes" => format!("writer.{name}"),
        "sink_errors" => "sink_0.errors".to_owned(),
        _ => name.to_owned(),
    }
}

#[test]
fn every_statistic_is_in_the_answer_of_stats_with_the_same_value() {
    let node = node(|settings| {
        let archive = b"archive=>db_url=mysql://u:p@127.0.0.1/d;table_name=a;mt_mode=rand";
        settings.set_text("capture_mode", archive).unwrap();
    });
    let lanes = node.pipeline().lanes().unwrap().clone();
    // Each counter gets a value of its own, so that none can stand for another.
    let producer = node.pipeline().queue.producer().unwrap();
    for (number, counter) in produced().into_iter().enumerate() {
        (0..=number).for_each(|_| producer.count(counter));
    }
    for (count, (mode, is_reply)) in [(0, false), (0, true), (1, false), (1, true)].into_iter().enumerate() {
        (0..100 + count).for_each(|_| producer.count_sip(mode, is_reply));
    }
    let committed: Vec<u64> = (0..COMMITTED as u64).map(|number| 1 << (30 - number)).collect();
    Consumer::take(&lanes, 0).unwrap().unwrap().commit_counters(&committed.try_into().unwrap());
    (0..3).for_each(|_| lanes.count_writer_restart());
    (0..4).for_each(|_| lanes.sink_is_down(0, 0, "gone"));

    let totals = lanes.totals();
    let mut answer = Answer::default();
    assert!(node.pipeline().overview().command(node.dialect(), "sipcapture.stats", b"", &mut answer));
    assert!(answer.groups.is_empty());
    let mut counters = 0;
    for counter in (0..).map_while(|index| node.pipeline().overview().counter_at(node.dialect(), index)) {
        let name = counter.name.to_str().unwrap();
        assert_eq!(answer.numbers.get(&path(name)), Some(&counter.value(&totals)), "{name}");
        counters += 1;
    }
    assert!(counters > produced().len() + COMMITTED);
    assert_eq!(["mode_0.name", "mode_1.name"].map(|path| answer.words[path].as_str()), ["default", "archive"]);
    assert_eq!(answer.numbers["sip.requests"], 100 + 102);
}
