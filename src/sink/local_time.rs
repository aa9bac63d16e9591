//! The text of a date column: local time of this machine, to the second, as the SIP servers' own drivers write it.
//!
//! The text is that of localtime(3): in the hour that the end of daylight saving time repeats, two moments have the
//! same text. `micro_ts` tells them apart; a column that knows time zones gets the offset too and keeps the moment.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write;

/// Writes moments as local time; remembers the last second, because a batch has many rows a second.
#[derive(Debug)]
pub(super) struct LocalTime {
    zone: TimeZone,
    second: Option<i64>,
    text: String,
    with_offset: String,
}

impl LocalTime {
    /// In the time zone of this machine: `TZ`, else the system's.
    pub fn new() -> LocalTime {
        LocalTime::in_zone(TimeZone::system())
    }

    fn in_zone(zone: TimeZone) -> LocalTime {
        LocalTime { zone, second: None, text: String::new(), with_offset: String::new() }
    }

    /// `YYYY-MM-DD HH:MM:SS` of `time_us`, microseconds since the Unix epoch; what no calendar has is brought into its
    /// range.
    pub fn text(&mut self, time_us: i64) -> &str {
        self.render(time_us);
        &self.text
    }

    /// As [`text`](Self::text), and the offset from UTC behind it: `2024-01-31 12:00:00+01:00:00`.
    pub fn text_with_offset(&mut self, time_us: i64) -> &str {
        self.render(time_us);
        &self.with_offset
    }

    fn render(&mut self, time_us: i64) {
        let second = time_us.div_euclid(1_000_000);
        if self.second == Some(second) {
            return;
        }
        let moment = Timestamp::from_second(second).unwrap_or(if second < 0 { Timestamp::MIN } else { Timestamp::MAX });
        let local = moment.to_zoned_datetime(self.zone.clone());
        self.second = Some(second);
        self.text.clear();
        self.with_offset.clear();
        let offset = local.offset().seconds();
        let (sign, ahead) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
        let (year, month, day) = (local.year(), local.month(), local.day());
        let (hour, minute, second) = (local.hour(), local.minute(), local.second());
        let (text, with_offset) = (&mut self.text, &mut self.with_offset);
        write!(text, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
            .and_then(|()| {
                let (hours, minutes, seconds) = (ahead / 3600, ahead / 60 % 60, ahead % 60);
                write!(with_offset, "{text}{sign}{hours:02}:{minutes:02}:{seconds:02}")
            })
            .expect("a string takes any write");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> LocalTime {
        LocalTime::in_zone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap())
    }

    #[test]
    fn a_moment_is_written_as_local_time() {
        let mut time = berlin();
        assert_eq!(time.text(1_700_000_000_999_999), "2023-11-14 23:13:20");
        assert_eq!(time.text(1_700_000_001_000_000), "2023-11-14 23:13:21");
        assert_eq!(time.text(1_690_000_000_000_000), "2023-07-22 06:26:40");
        assert_eq!(time.text(-1), "1970-01-01 00:59:59");
    }

    #[test]
    fn the_repeated_hour_has_one_text_and_two_offsets() {
        let mut time = berlin();
        let end_of_summer = 1_698_541_200_000_000;
        assert_eq!(time.text_with_offset(end_of_summer - 1), "2023-10-29 02:59:59+02:00:00");
        assert_eq!(time.text_with_offset(end_of_summer), "2023-10-29 02:00:00+01:00:00");
        assert_eq!(time.text_with_offset(end_of_summer + 3_599_000_000), "2023-10-29 02:59:59+01:00:00");
    }

    #[test]
    fn moments_that_no_calendar_has_are_brought_into_its_range() {
        let mut time = LocalTime::in_zone(TimeZone::UTC);
        assert!(time.text(i64::MAX).starts_with("9999-12-30 "));
        assert!(time.text(i64::MIN).starts_with("-009999-01-0") || time.text(i64::MIN).starts_with("-9999-01-0"));
    }
}
