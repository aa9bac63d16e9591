//! The `date` column of the parity test: both servers run in a zone that is nowhere near UTC, so that local time and
//! UTC are told apart on every machine.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The zone of both servers: west of Greenwich, with daylight saving time when the traffic was captured.
pub const ZONE: &str = "America/New_York";

/// Whether `date` is `YYYY-MM-DD HH:MM:SS` of the second of `time_us`, microseconds since the epoch, in the zone.
pub fn is_local_time(date: Option<&[u8]>, time_us: i64) -> bool {
    let zone = TimeZone::get(ZONE).unwrap_or_else(|error| panic!("install tzdata: {error}"));
    let local = Timestamp::from_microsecond(time_us).expect("a time that jiff knows").to_zoned_datetime(zone);
    date == Some(local.strftime("%Y-%m-%d %H:%M:%S").to_string().as_bytes())
}

/// Whether `date` is the julian day number that the stock SQLite driver gives the second of `time_us`: of UTC and half
/// a second early. A tolerance of 10 ms is for the roundings of a double.
pub fn is_julian_day(date: Option<&[u8]>, time_us: i64) -> bool {
    let day = date.and_then(|text| std::str::from_utf8(text).ok()?.parse::<f64>().ok());
    let seconds = i32::try_from(time_us.div_euclid(1_000_000)).expect("a time before 2038");
    // 2440587.5 is the julian day number of the Unix epoch.
    day.is_some_and(|day| (day - ((f64::from(seconds) - 0.5) / 86_400.0 + 2_440_587.5)).abs() < 0.01 / 86_400.0)
}

#[test]
fn a_second_more_or_less_is_another_date() {
    // 2025-06-15 12:00:00 UTC is 08:00:00 in New York.
    let time_us = 1_749_988_800_999_999;
    assert!(is_local_time(Some(b"2025-06-15 08:00:00"), time_us) && is_julian_day(Some(b"2460841.999994213"), time_us));
    for date in ["2025-06-15 08:00:01", "2025-06-15 07:59:59", "2025-06-15 12:00:00"] {
        assert!(!is_local_time(Some(date.as_bytes()), time_us), "{date}");
    }
    for date in ["2460842.000005787", "2460841.999982639", "2460841.833327546", "2460842.0"] {
        assert!(!is_julian_day(Some(date.as_bytes()), time_us), "{date}");
    }
    assert!(!is_local_time(None, time_us) && !is_julian_day(None, time_us));
}
