//! Every input that the fuzz targets keep, through what they do with it: the corpus, which reaches all code that was
//! ever reached, and the inputs that once failed. `make fuzz` looks for new ones.

#[path = "../../fuzz/src/lib.rs"]
mod bodies;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// A target's name and what it does with an input.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 7] = [
    ("hep", bodies::hep::run),
    ("lane", bodies::lane::run),
    ("packet", bodies::packet::run),
    ("parameters", bodies::parameters::run),
    ("record", bodies::record::run),
    ("sip", bodies::sip::run),
    ("spool", bodies::spool::run),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a directory is read").path()).collect();
    files.sort();
    files
}

/// Runs `target` on every file of `inputs` and says which ones fail.
fn replay((name, run): Target, inputs: &[PathBuf]) {
    assert!(!inputs.is_empty(), "there are no inputs for {name}");
    let fails = |input: &&PathBuf| {
        let bytes = fs::read(input).expect("an input is read");
        catch_unwind(|| run(&bytes)).is_err()
    };
    let failed: Vec<&PathBuf> = inputs.iter().filter(fails).collect();
    assert!(failed.is_empty(), "{name}: {} of {} inputs fail: {failed:?}", failed.len(), inputs.len());
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let fuzz = root().join("fuzz");
    [files(&fuzz.join("corpus").join(name)), files(&fuzz.join("regressions").join(name))].concat()
}

#[test]
fn every_input_of_the_corpus_and_every_one_that_once_failed_passes() {
    for target in TARGETS {
        replay(target, &corpus(target.0));
    }
}

#[test]
fn the_awkward_messages_and_the_table_of_hep_packets_pass_as_fuzz_inputs() {
    let awkward = files(&root().join("tests/corpus/awkward"));
    replay(("sip", bodies::sip::run), &awkward);
    for row in super::hep_table::rows() {
        bodies::hep::run(&row.bytes);
    }
}

#[test]
fn every_fuzz_target_is_replayed_and_no_input_is_without_a_target() {
    let names = |directory: &str| -> Vec<String> {
        let stem = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
        files(&root().join("fuzz").join(directory)).iter().map(stem).collect()
    };
    let replayed: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("targets"), replayed);
    assert_eq!(names("corpus"), replayed);
    for directory in ["regressions", "dictionaries"] {
        assert!(names(directory).iter().all(|name| replayed.contains(name)), "{directory} without a target");
    }
}

#[test]
#[should_panic(expected = "1 of 1 inputs fail")]
fn an_input_that_fails_fails_the_replay() {
    let input = tempfile::NamedTempFile::new().expect("a private file");
    replay(("failing", |bytes| assert!(!bytes.is_empty())), &[input.path().to_owned()]);
}
