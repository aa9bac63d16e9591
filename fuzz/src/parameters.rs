//! Module parameters, database URLs and table names, as an operator may write them.

use sipcapture_core::module::{CaptureSettings, OpensipsCaptureSettings, ParameterError, TraceSettings};
use sipcapture_core::sink::DatabaseUrl;
use sipcapture_core::sink::escape::{TextWidth, escape, unescape};
use sipcapture_core::table::name::{self, MAX_LENGTH, TableNames};
use sipcapture_core::writer::WriterPlan;

/// Takes `bytes` for lines `parameter=value`, and all of them for a URL and for a table name.
pub fn run(bytes: &[u8]) {
    let mut settings = CaptureSettings::default();
    set_all(bytes, |name, value, number| {
        [settings.set_text(name, value), number.map_or(Ok(()), |number| settings.set_number(name, number))]
    });
    let plan = settings.plan();
    assert!((1..=10_000).contains(&plan.batch_size) && !plan.flush_interval.is_zero());
    every_mode_has_a_table(&settings, &plan);
    assert!(settings.common.lane_bytes >= 1 << 20 && (1..=16).contains(&settings.common.writers));
    traces(bytes);
    captures_elsewhere(bytes);

    expands_to_a_table_name(bytes);
    assert_eq!(unescape(&escape(bytes, TextWidth::POSTGRES)), bytes);
    assert_eq!(unescape(&escape(bytes, TextWidth::MYSQL)), bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        shows_no_password(text);
    }
}

/// Sets each line `parameter=value` of `bytes` as a text and, where it is one, as a number; what is refused must name
/// its parameter.
fn set_all(bytes: &[u8], mut set: impl FnMut(&str, &[u8], Option<i64>) -> [Result<(), ParameterError>; 2]) {
    for line in bytes.split(|&byte| byte == b'\n') {
        let at = line.iter().position(|&byte| byte == b'=').unwrap_or(line.len());
        let Ok(name) = std::str::from_utf8(&line[..at]) else { continue };
        let value = line.get(at + 1..).unwrap_or_default();
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        for error in set(name, value, number).into_iter().filter_map(Result::err) {
            assert!(error.to_string().contains(name), "an error names its parameter: {error}");
        }
    }
}

/// Whatever a capture agent accepts makes a plan in which every collector has a sink.
fn traces(bytes: &[u8]) {
    let mut settings = TraceSettings::default();
    set_all(bytes, |name, value, number| {
        [settings.set_text(name, value), number.map_or(Ok(()), |number| settings.set_number(name, number))]
    });
    let plan = settings.plan();
    assert_eq!(settings.named_sink(), plan.sinks.len() - 1);
    for collector in &settings.collectors {
        let sink = settings.sink_of(collector).unwrap_or(settings.named_sink());
        let uris = plan.sinks[sink].to_string();
        assert!(sink == settings.named_sink() || uris.split(", ").any(|uri| uri == collector.to_string()), "{uris}");
    }
}

/// Whatever the capture node of another host accepts makes a plan with a database, tables for it, and collectors.
fn captures_elsewhere(bytes: &[u8]) {
    let mut settings = OpensipsCaptureSettings::default();
    set_all(bytes, |name, value, number| {
        [settings.set_text(name, value), number.map_or(Ok(()), |number| settings.set_number(name, number))]
    });
    assert_eq!(settings.plan().sinks.len(), 2);
    for table in [&settings.table, &settings.report_table] {
        assert!(name::expand(table.as_bytes(), 0).is_ok(), "{table} was accepted");
    }
}

/// Whatever was accepted makes modes that captures can go by.
fn every_mode_has_a_table(settings: &CaptureSettings, plan: &WriterPlan) {
    let modes = settings.modes();
    assert_eq!(modes.find(b""), Some(0));
    let databases = settings.row_sinks();
    assert_eq!((modes.sinks().count(), databases.len()), (plan.sinks.len(), plan.sinks.len()));
    for mode in modes.iter() {
        assert!(!mode.name.is_empty() && !mode.tables.is_empty());
        assert!(databases.get(usize::from(mode.sink)).is_some_and(|sink| sink.url == mode.url));
        for table in &mode.tables {
            assert!(name::expand(table.as_bytes(), 0).is_ok(), "{table} was accepted");
        }
        let found = modes.find(mode.name.as_bytes()).and_then(|index| modes.get(index));
        assert!(found.is_some_and(|found| found.name == mode.name));
    }
}

fn expands_to_a_table_name(template: &[u8]) {
    // A long one is refused for its length, or after it was expanded for its length: no news after the first.
    let template = &template[..template.len().min(3 * MAX_LENGTH)];
    let mut names = TableNames::new();
    for time_us in [0, 1_700_000_000_000_000, -1, i64::MIN, i64::MAX] {
        let expanded = name::expand(template, time_us);
        if let Ok(name) = &expanded {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            assert!((1..=MAX_LENGTH).contains(&name.len()) && name.bytes().all(allowed), "{name}");
        }
        assert_eq!(names.expand(template, time_us).map(str::to_owned), expanded);
        assert_eq!(names.expand(template, time_us).map(str::to_owned), expanded);
    }
}

/// Neither a URL nor the refusal of one shows what stands where a password does.
fn shows_no_password(text: &str) {
    const PASSWORD: &str = "geheim";
    if text.contains(PASSWORD) {
        return;
    }
    let _ = DatabaseUrl::parse(text);
    for parameter in [
        format!("db_url=mysql://u:{PASSWORD}{text}"),
        format!("capture_mode=m=>db_url=mysql://u:{PASSWORD}{text}"),
        format!("capture_mode=m=>table_name=t;mt_mode=rand;db_url=mysql://u:{PASSWORD}{text}"),
    ] {
        let (name, value) = parameter.split_once('=').expect("one stands above");
        if let Err(error) = CaptureSettings::default().set_text(name, value.as_bytes()) {
            assert!(!error.to_string().contains(PASSWORD), "{error}");
        }
    }
    for scheme in ["mysql", "postgres"] {
        let mut settings = OpensipsCaptureSettings::default();
        let shown = match settings.set_text("db_url", format!("{scheme}://u:{PASSWORD}{text}").as_bytes()) {
            Ok(()) => format!("{} {:?}", settings.common.db_url, settings.common.db_url),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
    for scheme in ["mysql", "postgres", "postgresql", "sqlite", "oracle"] {
        let shown = match DatabaseUrl::parse(&format!("{scheme}://u:{PASSWORD}{text}")) {
            Ok(DatabaseUrl::Sqlite(_)) => continue,
            Ok(url) => format!("{url} {url:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
}
