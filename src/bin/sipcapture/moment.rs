//! Times: what an operator types after `--since` and `--until`, and how a capture's time is shown.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// Shows and reads times in one zone.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// The system's zone (TZ, /etc/localtime), or UTC.
    pub fn new(utc: bool) -> Clock {
        Clock { zone: if utc { TimeZone::UTC } else { TimeZone::system() } }
    }

    fn zoned(&self, micro_ts: i64) -> ZonedDateTime {
        Timestamp::from_microsecond(micro_ts).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(self.zone.clone())
    }

    /// `2026-11-21`.
    pub fn date(&self, micro_ts: i64) -> String {
        self.zoned(micro_ts).strftime("%Y-%m-%d").to_string()
    }

    /// `2026-11-21 08:52:06`.
    pub fn date_time(&self, micro_ts: i64) -> String {
        self.zoned(micro_ts).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `2026-11-21 08:52:06.123456 CET`.
    pub fn exact(&self, micro_ts: i64) -> String {
        self.zoned(micro_ts).strftime("%Y-%m-%d %H:%M:%S%.6f %Z").to_string()
    }

    /// `Sat 2026-11-21 08:52:06 CET`.
    pub fn heading(&self, micro_ts: i64) -> String {
        self.zoned(micro_ts).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
    }

    /// `08:52:06.123`.
    pub fn milliseconds(&self, micro_ts: i64) -> String {
        self.zoned(micro_ts).strftime("%H:%M:%S%.3f").to_string()
    }

    /// Reads a moment, in microseconds since the Unix epoch: a span back from `now` (`90s`, `15m`, `2h`, `7d`), a time
    /// of today (`08:30`), a date, a date and time, or an RFC 3339 timestamp with its offset.
    pub fn parse(&self, text: &str, now: i64) -> Result<i64, String> {
        let text = text.trim();
        if let Some(moment) = span_back(text, now) {
            return Ok(moment);
        }
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Ok(timestamp.as_microsecond());
        }
        let time_alone = !text.contains('-');
        let local = if let Some(time) = text.parse::<Time>().ok().filter(|_| time_alone) {
            self.zoned(now).date().to_datetime(time)
        } else if let Ok(date_time) = text.parse::<DateTime>() {
            date_time
        } else if let Ok(date) = text.parse::<Date>() {
            date.at(0, 0, 0, 0)
        } else {
            return Err(format!(
                "\"{text}\" is not a time: give 15m, 2h or 7d (ago), 08:30 (today), 2026-11-21, \
                 \"2026-11-21 08:30\" or 2026-11-21T08:30:00Z"
            ));
        };
        let zoned =
            local.to_zoned_datetime(self.zone.clone()).map_err(|error| format!("\"{text}\" is not a time: {error}"))?;
        Ok(zoned.timestamp().as_microsecond())
    }
}

/// `now` less a span such as `15m`; `None` when `text` is something else.
fn span_back(text: &str, now: i64) -> Option<i64> {
    let digits = text.strip_suffix(['s', 'm', 'h', 'd', 'w'])?;
    let count: i64 = digits.parse().ok().filter(|&count| count >= 0)?;
    let seconds = match text.as_bytes()[digits.len()] {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => 604_800,
    };
    Some(now.saturating_sub(count.saturating_mul(seconds * 1_000_000)))
}

/// The current time, microseconds since the Unix epoch.
pub fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

/// RFC 3339 in UTC with microseconds, as JSON documents carry it.
pub fn rfc3339(micro_ts: i64) -> String {
    Timestamp::from_microsecond(micro_ts)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string()
}

/// UTC's wall clock at this moment, shifted by `hours`: `2026-11-21 08:52:06`, as databases compare it with a date.
pub fn utc_wall_clock(micro_ts: i64, hours: i64) -> String {
    Clock::new(true).date_time(micro_ts.saturating_add(hours * 3_600_000_000))
}

/// Time since the message before, at most seven characters: `+0.012`, `+12.345`, `+2m05s`, `+1h02m`.
pub fn delta(microseconds: i64) -> String {
    let seconds = microseconds / 1_000_000;
    match seconds {
        ..100 => format!("+{}.{:03}", seconds, microseconds / 1_000 % 1_000),
        100..6_000 => format!("+{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("+{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// How long somebody talked: `0:07`, `12:34`, `1:02:03`.
pub fn talk_time(microseconds: i64) -> String {
    let seconds = microseconds / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 08:52:06.123456 UTC.
    const NOW: i64 = 1_795_251_126_123_456;

    #[test]
    fn a_moment_is_shown_in_the_clocks_zone() {
        let clock = Clock::new(true);
        assert_eq!(clock.exact(NOW), "2026-11-21 08:52:06.123456 UTC");
        assert_eq!(clock.milliseconds(NOW), "08:52:06.123");
        assert_eq!(clock.heading(NOW), "Sat 2026-11-21 08:52:06 UTC");
        assert_eq!(rfc3339(NOW), "2026-11-21T08:52:06.123456Z");
        let berlin = Clock { zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap() };
        assert_eq!(berlin.date_time(NOW), "2026-11-21 09:52:06");
    }

    #[test]
    fn every_documented_way_to_name_a_moment_is_read() {
        let clock = Clock::new(true);
        let read = |text| clock.parse(text, NOW).map(rfc3339);
        assert_eq!(read("90s").unwrap(), "2026-11-21T08:50:36.123456Z");
        assert_eq!(read("15m").unwrap(), "2026-11-21T08:37:06.123456Z");
        assert_eq!(read("2h").unwrap(), "2026-11-21T06:52:06.123456Z");
        assert_eq!(read("7d").unwrap(), "2026-11-14T08:52:06.123456Z");
        assert_eq!(read("08:30").unwrap(), "2026-11-21T08:30:00.000000Z");
        assert_eq!(read("08:30:15").unwrap(), "2026-11-21T08:30:15.000000Z");
        assert_eq!(read("2026-11-20").unwrap(), "2026-11-20T00:00:00.000000Z");
        assert_eq!(read("2026-11-20 23:59").unwrap(), "2026-11-20T23:59:00.000000Z");
        assert_eq!(read("2026-11-20T23:59:58.5").unwrap(), "2026-11-20T23:59:58.500000Z");
        assert_eq!(read("2026-11-20T23:59:58+01:00").unwrap(), "2026-11-20T22:59:58.000000Z");
    }

    #[test]
    fn what_is_no_moment_is_refused_with_what_would_be_right() {
        let error = Clock::new(true).parse("yesterday", NOW).unwrap_err();
        assert!(error.contains("\"yesterday\"") && error.contains("15m"), "{error}");
        assert!(Clock::new(true).parse("-5m", NOW).is_err());
        assert!(Clock::new(true).parse("2026-02-30", NOW).is_err());
    }

    #[test]
    fn deltas_take_at_most_seven_characters() {
        assert_eq!(delta(0), "+0.000");
        assert_eq!(delta(12_345), "+0.012");
        assert_eq!(delta(12_345_678), "+12.345");
        assert_eq!(delta(125_000_000), "+2m05s");
        assert_eq!(delta(5_999_000_000), "+99m59s");
        assert_eq!(delta(3_720_000_000 * 2), "+2h04m");
    }

    #[test]
    fn talk_time_reads_like_a_phone_shows_it() {
        assert_eq!(talk_time(7_900_000), "0:07");
        assert_eq!(talk_time(754_000_000), "12:34");
        assert_eq!(talk_time(3_723_000_000), "1:02:03");
    }
}
