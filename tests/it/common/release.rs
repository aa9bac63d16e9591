//! Which Kamailio the tests run against: some things are there, or are done otherwise, from one release on.

use super::kamailio::kamailio;
use std::io::{self, Write as _};
use std::process::Command;
use std::sync::LazyLock;
use std::thread;

/// A release as Kamailio numbers them: 6.1.4.
pub type Release = (u32, u32, u32);

/// The release of the Kamailio under test. One under development counts as the release that it is to become.
pub fn release() -> Release {
    static RELEASE: LazyLock<Release> = LazyLock::new(|| {
        let output = Command::new(kamailio()).arg("-v").output().expect("the kamailio program starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.lines().find_map(|line| line.strip_prefix("version: kamailio ")).unwrap_or_default();
        parse(version).unwrap_or_else(|| panic!("no version in {text}"))
    });
    *RELEASE
}

fn parse(version: &str) -> Option<Release> {
    let mut numbers = version.split(|letter: char| !letter.is_ascii_digit()).map(str::parse);
    let mut number = || numbers.next()?.ok();
    Some((number()?, number()?, number()?))
}

/// Whether a test that needs `what` has to be left out, because this Kamailio is older than the release that brought
/// it; says so then, in a line of its own.
pub fn is_before(since: Release, what: &str) -> bool {
    let here = release();
    if here >= since {
        return false;
    }
    let text = |(major, minor, patch): Release| format!("{major}.{minor}.{patch}");
    say_skipped(&format!("{what} needs Kamailio {}, and this is {}", text(since), text(here)));
    true
}

/// Says why the test that runs has to be left out, in a line of its own.
pub fn say_skipped(why: &str) {
    let test = thread::current().name().unwrap_or_default().to_owned();
    // Past what keeps the output of a test that passes; scripts/test.sh counts such lines.
    let line = format!("\nskipped: {test}: {why}\n");
    io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
}

#[test]
fn the_version_is_read_with_and_without_what_follows_the_numbers() {
    assert_eq!(parse("5.6.3 (x86_64/linux) "), Some((5, 6, 3)));
    assert_eq!(parse("6.2.0-dev1 (x86_64/linux) "), Some((6, 2, 0)));
    assert_eq!(parse("6.1"), None);
}
