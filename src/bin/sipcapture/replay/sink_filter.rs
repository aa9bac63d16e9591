//! Selects letters by the database that refused them: by default the one to which they are sent now.

use sipcapture_core::sink::DatabaseUrl;
use sipcapture_core::sink::url::{Server, ServerHost};
use std::path::Path;

/// Chooses letters by the database that refused them.
#[derive(Clone, Debug)]
pub enum SinkFilter {
    /// Letters of any database.
    All,
    /// Letters of one of these.
    Of(Vec<DatabaseUrl>),
}

impl SinkFilter {
    /// Whether letters of the database with this URL, as a letter has it, are meant.
    pub fn takes(&self, sink: &str) -> bool {
        match self {
            SinkFilter::All => true,
            SinkFilter::Of(wanted) => {
                let sink = DatabaseUrl::parse(sink);
                sink.is_ok_and(|sink| wanted.iter().any(|wanted| is_same(wanted, &sink)))
            }
        }
    }
}

/// Whether two URLs lead to the same database, as far as they show it. The login says nothing about that.
fn is_same(one: &DatabaseUrl, other: &DatabaseUrl) -> bool {
    if let (Some(one), Some(other)) = (one.sqlite_path(), other.sqlite_path()) {
        return is_same_file(one, other);
    }
    match (one, other) {
        (DatabaseUrl::Mysql(one), DatabaseUrl::Mysql(other)) => is_same_server(one, other, 3306),
        (DatabaseUrl::Postgres(one), DatabaseUrl::Postgres(other)) => is_same_server(one, other, 5432),
        _ => one.to_string() == other.to_string(),
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    one == other || real(one).is_some_and(|one| real(other) == Some(one))
}

fn is_same_server(one: &Server, other: &Server, default_port: u16) -> bool {
    let host = |host: &ServerHost| match host {
        ServerHost::Name(name) => ServerHost::Name(name.to_ascii_lowercase()),
        other => other.clone(),
    };
    host(&one.host) == host(&other.host)
        && one.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
        && one.option_group == other.option_group
        && one.database == other.database
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(wanted: &str, sink: &str) -> bool {
        SinkFilter::Of(vec![DatabaseUrl::parse(wanted).unwrap()]).takes(sink)
    }

    #[test]
    fn a_database_is_known_again_whatever_the_login_is() {
        for (wanted, sink) in [
            ("postgres://admin:secret@DB1/homer", "postgres://kamailio:xxxx@db1/homer"),
            ("postgresql://db1:5432/homer", "postgres://kamailio:xxxx@db1/homer"),
            ("mysql://root@/run/mysqld/mysqld.sock/homer", "mysql://k:xxxx@/run/mysqld/mysqld.sock/homer"),
            ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
            // As a server shows it whose own driver serves the database.
            ("postgres://admin:secret@db1/homer", "postgres://...@db1/homer"),
            ("unixodbc://admin:secret@localhost/dsn", "unixodbc://...@localhost/dsn"),
            ("text:///var/lib/x", "text:///var/lib/x"),
        ] {
            assert!(takes(wanted, sink), "{wanted} {sink}");
        }
        for (wanted, sink) in [
            ("postgres://db1/homer", "postgres://db2/homer"),
            ("postgres://db1/homer", "postgres://db1/homer2"),
            ("postgres://db1:5433/homer", "postgres://db1/homer"),
            ("postgres://db1/homer", "mysql://db1/homer"),
            ("sqlite:////var/lib/x.db", "sqlite:////var/lib/y.db"),
            ("sqlite:////var/lib/x.db", "no URL"),
        ] {
            assert!(!takes(wanted, sink), "{wanted} {sink}");
            assert!(SinkFilter::All.takes(sink));
        }
    }

    #[test]
    fn a_file_is_known_again_by_another_path() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.db");
        std::fs::write(&file, "").unwrap();
        let roundabout = directory.path().join(".").join("x.db");
        assert!(takes(&format!("sqlite:///{}", roundabout.display()), &format!("sqlite:///{}", file.display())));
    }
}
