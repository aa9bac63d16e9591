//! The texts that configure capture modes: `NAME=>db_url=URL;table_name=a|b;mt_mode=hash;hash_source=call_id`, and
//! lists of tables.
//!
//! A value ends at the next `;`, or stands in quotes. Blanks around names, values and `|` do not matter, nor do a `;`
//! at the end and empty items of a list; parameters come in any order, the last of several counts.

use crate::module::engine::modes::{Mode, TableSelection};
use crate::module::kamailio::dialect::SIPCAPTURE;
use crate::sink::DatabaseUrl;
use crate::sink::url::Driver;
use crate::sip::HashSource;
use crate::table;

/// What [`parse`] reads, for whoever wrote something else.
pub(in crate::module) const FORM: &str =
    "NAME=>db_url=URL;table_name=TABLE|TABLE;mt_mode=MODE;hash_source=SOURCE is allowed";
/// See [`mt_mode`].
pub(in crate::module) const MT_MODES: &str = "rand, round_robin and hash are allowed";
/// See [`hash_source`].
pub(in crate::module) const HASH_SOURCES: &str = "call_id, from_user and to_user are allowed";

/// Reads one mode whose database is for `driver`; the error says what is wrong, without passwords.
pub(in crate::module) fn parse(text: &str, driver: Driver) -> Result<Mode, String> {
    let (name, mut rest) = text.split_once("=>").ok_or("it has no \"NAME=>\"")?;
    let name = name.trim();
    let is_name = |character: char| !character.is_whitespace() && !character.is_control() && character != '=';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(format!("{name:?} is no name of a mode: one word without \"=\" is"));
    }
    let (mut url, mut tables, mut chosen, mut source) = (None, None, None, HashSource::default());
    while let Some((parameter, value)) = next(&mut rest)? {
        match parameter {
            "db_url" | "table_name" | "mt_mode" | "hash_source" if value.is_empty() => {}
            "db_url" => {
                let parsed = DatabaseUrl::parse_for(value, driver, &SIPCAPTURE.url_forms);
                url = Some(parsed.map_err(|error| format!("db_url {:?}: {}", error.url, error.fault))?);
            }
            "table_name" => tables = Some(table_list(value)?),
            "mt_mode" => {
                let choice = mt_mode(value, HashSource::default());
                chosen = Some(choice.ok_or_else(|| format!("mt_mode {value:?} is not known: {MT_MODES}"))?);
            }
            "hash_source" => {
                let known = hash_source(value);
                source = known.ok_or_else(|| format!("hash_source {value:?} is not known: {HASH_SOURCES}"))?;
            }
            // Not named in the log: it can be the rest of a password that should have stood in quotes.
            _ => log::warn!("parameter capture_mode: mode {name}: what is not known is ignored: {FORM}"),
        }
    }
    let missing = [("db_url", url.is_none()), ("table_name", tables.is_none()), ("mt_mode", chosen.is_none())];
    match (url, tables, chosen) {
        (Some(url), Some(tables), Some(chosen)) => {
            let choice = if let TableSelection::Hash(_) = chosen { TableSelection::Hash(source) } else { chosen };
            Ok(Mode { name: name.to_owned(), url, tables, choice, sink: 0 })
        }
        _ => {
            let names: Vec<_> = missing.iter().filter(|(_, is_missing)| *is_missing).map(|(name, _)| *name).collect();
            Err(format!("mode {name} lacks {}", names.join(", ")))
        }
    }
}

/// Reads the list of tables `text`: names or strftime templates, separated by `|`.
pub(in crate::module) fn table_list(text: &str) -> Result<Vec<String>, String> {
    let tables: Vec<_> = text.split('|').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let checked = match tables.is_empty() {
        true => table::name::expand(b"", 0).map(drop),
        false => tables.iter().try_for_each(|name| table::name::expand(name.as_bytes(), 0).map(drop)),
    };
    checked.map(|()| tables).map_err(|error| error.to_string())
}

/// The rule called `text`; `source` is what it hashes, if it does.
pub(in crate::module) fn mt_mode(text: &str, source: HashSource) -> Option<TableSelection> {
    match text {
        "rand" => Some(TableSelection::Random),
        "round_robin" => Some(TableSelection::RoundRobin),
        "hash" => Some(TableSelection::Hash(source)),
        _ => None,
    }
}

/// The source called `text`, in any case.
pub(in crate::module) fn hash_source(text: &str) -> Option<HashSource> {
    let known = [("call_id", HashSource::CallId), ("from_user", HashSource::FromUser), ("to_user", HashSource::ToUser)];
    known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, source)| source)
}

/// Takes the next `name=value` off `rest`; `None` at its end.
fn next<'a>(rest: &mut &'a str) -> Result<Option<(&'a str, &'a str)>, String> {
    let text = rest.trim_start_matches(|character: char| character == ';' || character.is_whitespace());
    if text.is_empty() {
        return Ok(None);
    }
    let Some(end) = text.find(['=', ';']).filter(|&end| text.as_bytes()[end] == b'=') else {
        let name = text.split(';').next().unwrap_or(text);
        *rest = &text[name.len()..];
        return Ok(Some((name.trim(), "")));
    };
    let (name, value) = (text[..end].trim(), text[end + 1..].trim_start());
    if let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let (quoted, behind) =
            value[1..].split_once(quote).ok_or_else(|| format!("the value of {name} has no closing quote"))?;
        *rest = behind.trim_start();
        if !rest.is_empty() && !rest.starts_with(';') {
            return Err(format!("the quoted value of {name} is not followed by \";\""));
        }
        return Ok(Some((name, quoted)));
    }
    let (value, behind) = value.split_at(value.find(';').unwrap_or(value.len()));
    *rest = behind;
    Ok(Some((name, value.trim_end())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Mode, String> {
        super::parse(text, Driver::Auto)
    }

    fn tables(text: &str) -> Vec<String> {
        table_list(text).unwrap()
    }

    #[test]
    fn a_mode_is_read_whatever_its_blanks_its_order_and_its_end() {
        let plain = parse("m=>db_url=mysql://u:p@h/d;table_name=a|b_%Y;mt_mode=hash;hash_source=to_user").unwrap();
        assert_eq!((plain.name.as_str(), plain.choice), ("m", TableSelection::Hash(HashSource::ToUser)));
        assert_eq!((plain.url.to_string().as_str(), plain.tables.join(",").as_str()), ("mysql://u:xxxx@h/d", "a,b_%Y"));
        for same in [
            "m=>db_url=mysql://u:p@h/d;table_name=a|b_%Y;mt_mode=hash;hash_source=to_user;",
            " m =>\n hash_source=TO_USER ; mt_mode = hash ;; table_name = | a || b_%Y | ; db_url = mysql://u:p@h/d ; ",
            "m=>db_url=\"mysql://u:p@h/d\";table_name='a | b_%Y' ;mt_mode=rand;mt_mode=hash;hash_source=to_user;other=1;flag",
        ] {
            assert_eq!(parse(same), Ok(plain.clone()), "{same}");
        }
    }

    #[test]
    fn a_hash_without_a_source_is_of_the_call_id_and_others_need_none() {
        let choice = |rest: &str| parse(&format!("m=>db_url=sqlite:///x.db;table_name=a;{rest}")).unwrap().choice;
        assert_eq!(choice("mt_mode=hash"), TableSelection::Hash(HashSource::CallId));
        assert_eq!(choice("hash_source=from_user;mt_mode=rand"), TableSelection::Random);
        assert_eq!(choice("mt_mode=round_robin;hash_source=from_user"), TableSelection::RoundRobin);
    }

    #[test]
    fn passwords_may_hold_anything_but_what_ends_a_value() {
        let url = |value: &str| {
            let mode = parse(&format!("m=>db_url={value};table_name=a;mt_mode=rand")).unwrap();
            match mode.url {
                DatabaseUrl::Mysql(server) => server.password.unwrap().expose().to_owned(),
                other => panic!("{other}"),
            }
        };
        assert_eq!(url("mysql://u:p,a=b 'c\"|%@h/d"), "p,a=b 'c\"|%");
        assert_eq!(url("'mysql://u:p;q@h/d'"), "p;q");
    }

    #[test]
    fn what_is_no_mode_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "NAME=>"),
            ("m", "NAME=>"),
            ("m=db_url=sqlite:///x.db", "NAME=>"),
            ("=>db_url=sqlite:///x.db", "no name"),
            ("a b=>db_url=sqlite:///x.db", "no name"),
            ("m=>", "lacks db_url, table_name, mt_mode"),
            ("m=>db_url=sqlite:///x.db;mt_mode=rand", "lacks table_name"),
            ("m=>db_url=;table_name=a;mt_mode=rand", "lacks db_url"),
            ("m=>db_url=sqlite:///x.db;table_name=a", "lacks mt_mode"),
            ("m=>db_url=my-sql://u:geheim@h/d;table_name=a;mt_mode=rand", "no name of a database module"),
            ("m=>db_url=mysql://u:geheim;table_name=a;mt_mode=rand", "db_url"),
            ("m=>db_url=sqlite:///x.db;table_name=a b;mt_mode=rand", "letters, digits"),
            ("m=>db_url=sqlite:///x.db;table_name=|;mt_mode=rand", "letters, digits"),
            ("m=>db_url=sqlite:///x.db;table_name=a;mt_mode=random", "rand, round_robin and hash"),
            ("m=>db_url=sqlite:///x.db;table_name=a;mt_mode=hash;hash_source=ruri", "call_id, from_user and to_user"),
            ("m=>db_url='sqlite:///x.db;table_name=a;mt_mode=rand", "closing quote"),
            ("m=>db_url='sqlite:///x.db'x;table_name=a;mt_mode=rand", "followed by"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn a_list_of_tables_may_have_blanks_and_empty_items() {
        assert_eq!(tables("a"), ["a"]);
        assert_eq!(tables(" a |b_%Y%m%d| |c|"), ["a", "b_%Y%m%d", "c"]);
        for bad in ["", " | ", "a b", "a|b;c", "a|%!"] {
            assert!(table_list(bad).unwrap_err().contains("letters, digits"), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([a-z=>;|'\" é]|=>|db_url=|sqlite:///x|table_name=|mt_mode=rand){0,20}") {
            let _ = parse(&text);
        }
    }
}
