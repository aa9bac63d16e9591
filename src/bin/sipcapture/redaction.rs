//! Removes passwords from errors about the command line: a URL can stand in place of another value.

use std::borrow::Cow;
use std::ffi::OsString;

/// What begins the options of a URL.
const OPTIONS: [char; 2] = ['?', ';'];

/// An error's text in which no URL shows a password. `words` are those of the command line: they tell where a password
/// ends that holds white space or a quote.
pub fn redacted(text: &str, words: &[OsString]) -> String {
    let mut text = text.to_owned();
    for word in words.iter().map(|word| word.to_string_lossy()) {
        for form in [word.to_string(), word.escape_debug().to_string()] {
            let Some((_, rest)) = form.split_once("://") else { continue };
            text = match rest.rsplit_once('@') {
                Some((login, _)) if login.contains(OPTIONS) => text.replace(&format!("://{rest}"), "://..."),
                Some((login, _)) if has_password(login) => text.replace(&format!("://{login}@"), "://...@"),
                _ => text,
            };
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once("://") {
        let end = behind.find(|sign: char| sign.is_whitespace() || "\"'`".contains(sign)).unwrap_or(behind.len());
        let url = behind[..end].trim_end_matches([':', ',', ';', '.', ')', ']']);
        out.extend([before, "://", &without_password(url)]);
        rest = &behind[url.len()..];
    }
    out + rest
}

/// What follows `://` of a URL, without its login if that has a password, and without its options.
fn without_password(url: &str) -> Cow<'_, str> {
    let (login, place) = url.rsplit_once('@').map_or(("", url), |(login, _)| (login, &url[login.len()..]));
    let is_path = url.starts_with('/');
    match place.find(OPTIONS) {
        // Whether the sign is part of the password or the `@` is one of an option cannot be told.
        _ if login.contains(OPTIONS) => Cow::Borrowed("..."),
        _ if has_password(login) => Cow::Owned(format!("...{}", place.split(OPTIONS).next().unwrap_or_default())),
        Some(end) => Cow::Owned(format!("{}...", &url[..=login.len() + end])),
        // A login without a host.
        None if login.is_empty() && !is_path && url.contains(':') => Cow::Borrowed("..."),
        None => Cow::Borrowed(url),
    }
}

/// Whether a login has a password; what stands for one in the tool's own texts is none.
fn has_password(login: &str) -> bool {
    login.split_once(':').is_some_and(|(_, password)| !["xxxx", "password", "PASSWORD"].contains(&password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_in_a_text_is_shown_without_its_password() {
        for (text, shown) in [
            ("--dbb=postgres://u:secret@h/x", "--dbb=postgres://...@h/x"),
            ("\"mysql://u:secret@h/x\" and 'postgres://v:secret@i'.", "\"mysql://...@h/x\" and 'postgres://...@i'."),
            ("postgres://u:s@ecret@h/x?password=secret: why", "postgres://...@h/x: why"),
            ("postgres://u:sec?ret@h/x: why", "postgres://...: why"),
            ("postgres://h/x?password=se@cret: why", "postgres://...: why"),
            ("postgres://u@h/x?password=secret, why", "postgres://u@h/x?..., why"),
            ("postgres://h;password=secret", "postgres://h;..."),
            ("mysql://u:secret", "mysql://..."),
        ] {
            assert_eq!(redacted(text, &[]), shown);
        }
        for text in [
            "3c26700b@10.0.0.1",
            "cannot open postgres://u:xxxx@h:5432/x: no",
            "sqlite:////path/a:b.db: no",
            "sqlite:////path/to/file, mysql://user:password@host:port/database and postgres://user@host/name",
        ] {
            assert_eq!(redacted(text, &[]), text);
        }
        for word in ["postgres://h/x?password=sec @ret", "postgres://u:a@h:1/x?password=sec' @ret"] {
            assert_eq!(redacted(&format!("{word:?}: no"), &[word.into()]), "\"postgres://...\": no");
        }
        for word in ["postgres://u:sec ret@h/x", "postgres://u:sec\"ret@h/x", "--column=postgres://u:sec'ret@h/x=y"] {
            for text in [format!("{word}: no"), format!("{word:?}: no")] {
                let shown = redacted(&text, &[word.into()]);
                assert!(shown.contains("postgres://...@h/x") && !shown.contains("ret"), "{shown}");
            }
        }
    }
}
