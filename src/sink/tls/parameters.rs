//! What the query of a database URL says: `?key=value&key=value` behind the database.
//!
//! Values may be percent-encoded, as libpq and MySQL's clients take them; an `@` must be (`%40`), since the last `@` of
//! a URL that has a `/` behind it ends the login. The last of several values of a key counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a URL says beside login, server and database, by the names of its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    values: BTreeMap<&'static str, Given>,
    /// Keys that no driver of ours reads. Their values are not kept: they may be secrets.
    unknown: Vec<String>,
    /// Keys of the host's own.
    ignored: &'static [&'static str],
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    text: String,
    /// The option file that it comes from; `None`: the URL.
    file: Option<PathBuf>,
}

impl Parameters {
    /// Reads `query`, what follows the `?`; `key_of` answers the key that is meant by a name.
    pub(in crate::sink) fn parse(query: &str, key_of: impl Fn(&str) -> Option<&'static str>) -> Parameters {
        let mut parameters = Parameters::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            match key_of(name) {
                Some(key) => {
                    parameters.values.insert(key, Given { text: decode(text), file: None });
                }
                None if parameters.unknown.iter().any(|unknown| unknown == name) => {}
                None => parameters.unknown.push(name.to_owned()),
            }
        }
        parameters
    }

    /// The same, where `keys` are the host's own, which no driver of ours reads.
    pub(in crate::sink) fn ignoring(self, keys: &'static [&'static str]) -> Parameters {
        Parameters { ignored: keys, ..self }
    }

    /// What `key` was given; nothing when it is empty.
    pub(in crate::sink) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|value| value.text.as_str()).filter(|text| !text.is_empty())
    }

    /// Refuses a key without a value: what was meant is not known, and the default may be less secure.
    pub(in crate::sink) fn refuse_empty(&self) -> Result<(), String> {
        let empty = self.values.iter().find(|(_, value)| value.text.is_empty());
        empty.map_or(Ok(()), |(key, _)| {
            Err(format!("{}: it is empty; give it a value, or leave it out", self.name(key)))
        })
    }

    /// Refuses names that are none of `keys` and can only have been meant to make a connection safer.
    pub(in crate::sink) fn refuse_misspelt(&self, keys: &[&str]) -> Result<(), String> {
        let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '_'], "");
        for name in self.unknown.iter().filter(|name| !self.ignored.contains(&name.as_str())) {
            let plain_name = plain(name);
            if let Some(key) = keys.iter().find(|key| plain(key) == plain_name) {
                return Err(format!("{name} is no key of this database; {key} is meant"));
            }
            if ["ssl", "tls"].iter().any(|word| plain_name.contains(word)) {
                return Err(format!("{name} is no key of this database; its keys of TLS are {}", keys.join(", ")));
            }
        }
        Ok(())
    }

    /// The name of `key` for errors, with the file that gives it a value.
    pub(in crate::sink) fn name(&self, key: &str) -> String {
        match self.values.get(key).and_then(|value| value.file.as_ref()) {
            Some(file) => format!("{key} (of {})", file.display()),
            None => key.to_owned(),
        }
    }

    /// Takes `text` for `key` from an option file, where the URL does not give it a value. Of several lines the last
    /// one counts.
    pub(in crate::sink) fn complete(&mut self, key: &'static str, text: String, file: &Path) {
        if self.values.get(key).is_none_or(|value| value.file.is_some()) {
            self.values.insert(key, Given { text, file: Some(file.to_owned()) });
        }
    }

    /// Forgets what option files have given `key`.
    pub(in crate::sink) fn take_back(&mut self, key: &str) {
        if self.values.get(key).is_some_and(|value| value.file.is_some()) {
            self.values.remove(key);
        }
    }

    /// Keys that are ignored.
    pub(in crate::sink) fn unknown(&self) -> &[String] {
        &self.unknown
    }
}

/// `%41` as `A`; what is no such triple stays as it is, and so does what is no UTF-8.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits
            .filter(|digits| *first == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(name: &str) -> Option<&'static str> {
        ["a", "b"].into_iter().find(|key| *key == name)
    }

    #[test]
    fn the_last_value_of_a_key_counts_and_other_keys_are_kept_by_name_alone() {
        let parameters = Parameters::parse("a=1&&b=x%2Fy%4&c=geheim&a=2&c&d=%", key_of);
        assert_eq!((parameters.get("a"), parameters.get("b")), (Some("2"), Some("x/y%4")));
        assert_eq!(parameters.unknown(), ["c", "d"]);
        assert!(!format!("{parameters:?}").contains("geheim"));
        let odd = Parameters::parse("a=%ff%41&b", key_of);
        assert_eq!((odd.get("a"), odd.get("b")), (Some("%ff%41"), None));
    }

    #[test]
    fn the_url_comes_before_option_files_and_a_later_line_before_an_earlier_one() {
        let mut parameters = Parameters::parse("a=url", key_of);
        let file = Path::new("/etc/my.cnf");
        for text in ["first", "last"] {
            parameters.complete("a", text.to_owned(), file);
            parameters.complete("b", text.to_owned(), file);
        }
        assert_eq!((parameters.get("a"), parameters.get("b")), (Some("url"), Some("last")));
        assert_eq!((parameters.name("a"), parameters.name("b")), ("a".to_owned(), "b (of /etc/my.cnf)".to_owned()));
    }
}
