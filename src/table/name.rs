//! Table names: a template, as the configuration or the script gives it, becomes the name of a table.
//!
//! strftime conversions are expanded in UTC of the capture's time, `%%` is a percent sign. The result must be made of
//! letters, digits, `_`, `.` and `-`; a dot stands between a schema and its table.

use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

/// The longest table name, in bytes.
pub const MAX_LENGTH: usize = 128;

/// How many templates are remembered. A configuration has a handful; a script may make them up from its traffic.
const CACHED: usize = 32;

/// Why a template gives no table name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "table name {name:?}: {fault}; a table name is made of letters, digits, '_', '.' (between a schema and its table) \
     and '-', at most {MAX_LENGTH} bytes, after its strftime conversions"
)]
pub struct NameError {
    /// The name or template, as far as it is fit to print.
    pub name: String,
    /// What is wrong with it.
    pub fault: String,
}

impl NameError {
    fn new(name: &[u8], fault: impl Into<String>) -> NameError {
        let shown = &name[..name.len().min(MAX_LENGTH)];
        NameError { name: String::from_utf8_lossy(shown).into_owned(), fault: fault.into() }
    }
}

/// Checks a name that is already expanded.
pub fn check(name: &str) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if name.is_empty() {
        return Err(NameError::new(name.as_bytes(), "it is empty"));
    }
    if name.len() > MAX_LENGTH {
        return Err(NameError::new(name.as_bytes(), format!("it has {} bytes", name.len())));
    }
    if let Some(character) = name.chars().find(|character| !character.is_ascii() || !allowed(*character as u8)) {
        return Err(NameError::new(name.as_bytes(), format!("it contains {character:?}")));
    }
    if name.split('.').any(str::is_empty) {
        return Err(NameError::new(name.as_bytes(), "a dot has nothing on one side"));
    }
    Ok(())
}

/// Expands `template` at `time_us`, microseconds since the Unix epoch, and checks the result.
pub fn expand(template: &[u8], time_us: i64) -> Result<String, NameError> {
    let text = std::str::from_utf8(template).map_err(|_| NameError::new(template, "it is not UTF-8"))?;
    let name = if text.contains('%') {
        let moment = Timestamp::from_microsecond(time_us)
            .map_err(|_| NameError::new(template, format!("no calendar has the time {time_us} us")))?;
        BrokenDownTime::from(&moment.to_zoned_datetime(TimeZone::UTC))
            .to_string(text)
            .map_err(|error| NameError::new(template, error.to_string()))?
    } else {
        text.to_owned()
    };
    check(&name)?;
    Ok(name)
}

struct Expanded {
    template: Vec<u8>,
    /// The second that `name` holds for; `None` for a template without conversions, which holds always.
    second: Option<i64>,
    name: Result<String, NameError>,
}

/// Expands templates and remembers the results: a template costs an expansion at most once a second of capture time.
#[derive(Default)]
pub struct TableNames {
    expanded: Vec<Expanded>,
}

impl TableNames {
    /// Nothing remembered yet.
    pub fn new() -> TableNames {
        TableNames::default()
    }

    /// The table name that `template` means at `time_us`, microseconds since the Unix epoch.
    pub fn expand(&mut self, template: &[u8], time_us: i64) -> Result<&str, NameError> {
        let second = time_us.div_euclid(1_000_000);
        let position = match self.expanded.iter().position(|expanded| expanded.template == template) {
            Some(position) => {
                let expanded = &mut self.expanded[position];
                if expanded.second.is_some_and(|held| held != second) {
                    expanded.second = Some(second);
                    expanded.name = expand(template, time_us);
                }
                position
            }
            None => {
                if self.expanded.len() == CACHED {
                    self.expanded.remove(0);
                }
                let second = template.contains(&b'%').then_some(second);
                let name = expand(template, time_us);
                self.expanded.push(Expanded { template: template.to_vec(), second, name });
                self.expanded.len() - 1
            }
        };
        self.expanded[position].name.as_deref().map_err(NameError::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14 22:13:20 UTC.
    const MOMENT: i64 = 1_700_000_000_000_000;
    const DAY: i64 = 86_400_000_000;

    #[test]
    fn conversions_are_expanded_in_utc() {
        for (template, expected) in [
            ("sip_capture", "sip_capture"),
            ("sip_%Y%m%d", "sip_20231114"),
            ("sip_%Y-%m-%d_%H.%M", "sip_2023-11-14_22.13"),
            ("homer_data.t%j", "homer_data.t318"),
            ("w_%G_%V", "w_2023_46"),
            ("e_%s", "e_1700000000"),
        ] {
            assert_eq!(expand(template.as_bytes(), MOMENT).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn names_change_at_midnight_utc() {
        let mut names = TableNames::new();
        let midnight = MOMENT - MOMENT % DAY + DAY;
        assert_eq!(names.expand(b"t_%d", midnight - 1), Ok("t_14"));
        assert_eq!(names.expand(b"t_%d", midnight), Ok("t_15"));
        assert_eq!(names.expand(b"t_%d", midnight - 1), Ok("t_14"));
        assert_eq!(names.expand(b"t", midnight), Ok("t"));
        assert_eq!(names.expand(b"t", midnight - 1), Ok("t"));
    }

    #[test]
    fn more_templates_than_are_remembered_still_expand() {
        let mut names = TableNames::new();
        for round in 0..3 {
            for number in 0..2 * CACHED {
                let template = format!("t{number}_%S");
                let expected = format!("t{number}_2{round}");
                assert_eq!(names.expand(template.as_bytes(), MOMENT + round * 1_000_000), Ok(expected.as_str()));
            }
        }
        assert_eq!(names.expanded.len(), CACHED);
    }

    #[test]
    fn a_percent_sign_survives_the_expansion_and_fails_the_check() {
        let error = expand(b"a%%b", MOMENT).unwrap_err();
        assert_eq!(error.name, "a%b");
        assert!(error.fault.contains("'%'"), "{error}");
    }

    #[test]
    fn what_is_no_table_name_is_refused_with_what_is_allowed() {
        let long = "x".repeat(MAX_LENGTH + 1);
        for template in ["", "a b", "a;b", "a\"b", "a`b", "tä", "%D", "%c", "%!", "t%", ".t", "t.", "a..b", &long] {
            let error = expand(template.as_bytes(), MOMENT).unwrap_err().to_string();
            assert!(error.contains("letters, digits, '_'"), "{template}: {error}");
        }
        assert!(expand(b"t\xff", MOMENT).is_err());
        assert!(expand(b"t_%Y", i64::MAX).is_err());
        assert!(expand("x".repeat(MAX_LENGTH).as_bytes(), MOMENT).is_ok());
    }

    #[test]
    fn a_refused_template_is_refused_again() {
        let mut names = TableNames::new();
        let error = names.expand(b"a b", MOMENT).unwrap_err();
        assert_eq!(names.expand(b"a b", MOMENT), Err(error));
    }
}
