//! URLs in the plain forms and in those of hosts that write them otherwise, and that no password shows.

use super::*;

fn server(url: &str) -> Server {
    match DatabaseUrl::parse(url) {
        Ok(DatabaseUrl::Mysql(server) | DatabaseUrl::Postgres(server)) => server,
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn three_slashes_are_a_relative_sqlite_file_and_four_an_absolute_one() {
    for (url, path) in [
        ("sqlite:////var/lib/x.db", "/var/lib/x.db"),
        ("sqlite:///x.db", "x.db"),
        ("sqlite:///dir/x.db?cache=shared", "dir/x.db"),
    ] {
        let parsed = DatabaseUrl::parse(url).unwrap();
        assert_eq!(parsed, DatabaseUrl::Sqlite(path.into()));
        assert_eq!(DatabaseUrl::parse(&parsed.to_string()), Ok(parsed));
    }
}

#[test]
fn the_parts_of_a_server_url_are_found() {
    let name = |name: &str| ServerHost::Name(name.to_owned());
    let socket = |path: &str| ServerHost::Socket(path.into());
    for (url, user, password, host, port, database) in [
        ("mysql://u:p@h:3307/d", "u", Some("p"), name("h"), Some(3307), "d"),
        (
            "mysql://kamailio:kamailiorw@localhost/kamailio",
            "kamailio",
            Some("kamailiorw"),
            name("localhost"),
            None,
            "kamailio",
        ),
        ("mysql://h/d", "", None, name("h"), None, "d"),
        ("mysql://h:1/d@x", "", None, name("h"), Some(1), "d@x"),
        ("mysql://u@h/d", "u", None, name("h"), None, "d"),
        ("mysql://u@d.example:p@h/d", "u@d.example", Some("p"), name("h"), None, "d"),
        ("mysql://u:p@s:s/%41@h/d", "u", Some("p@s:s/%41"), name("h"), None, "d"),
        ("mysql://u:@h/d?ssl=1", "u", Some(""), name("h"), None, "d"),
        ("mysql://u:a?b@h/d?ssl=1", "u", Some("a?b"), name("h"), None, "d"),
        ("mysql://u:p@[::1]:3306/d", "u", Some("p"), name("::1"), Some(3306), "d"),
        ("mysql://u:p@/run/mysqld/mysqld.sock/d", "u", Some("p"), socket("/run/mysqld/mysqld.sock"), None, "d"),
        ("mysql://u:p@%2Frun%2Fmysqld.sock/d", "u", Some("p"), socket("/run/mysqld.sock"), None, "d"),
        ("postgres://u@/d", "u", None, ServerHost::Default, None, "d"),
        ("postgresql://u@:5433/d", "u", None, ServerHost::Default, Some(5433), "d"),
        ("postgres://u@/var/run/pg:5433/d", "u", None, socket("/var/run/pg"), Some(5433), "d"),
        ("postgres://u@[/var/run/pg]:5433/d", "u", None, socket("/var/run/pg"), Some(5433), "d"),
    ] {
        let parsed = server(url);
        assert_eq!(parsed.user, user, "{url}");
        assert_eq!(parsed.password.as_ref().map(Password::expose), password, "{url}");
        assert_eq!(parsed.host, host, "{url}");
        assert_eq!(parsed.port, port, "{url}");
        assert_eq!(parsed.database, database, "{url}");
    }
}

/// Every part otherwise than in the plain forms.
const OTHER: UrlForms = UrlForms {
    sqlite_is_absolute: true,
    first_at_ends_login: true,
    has_unix_hosts: true,
    ignored_keys: &["tls_domain"],
};

fn other(url: &str) -> Result<DatabaseUrl, UrlError> {
    DatabaseUrl::parse_for(url, Driver::Auto, &OTHER)
}

fn other_server(url: &str) -> Server {
    match other(url) {
        Ok(DatabaseUrl::Mysql(server) | DatabaseUrl::Postgres(server)) => server,
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn where_paths_of_sqlite_are_absolute_any_number_of_slashes_begins_them() {
    for url in ["sqlite:///var/x.db", "sqlite:////var/x.db", "sqlite://var/x.db", "sqlite:///var/x.db?cache=shared"] {
        let parsed = other(url).unwrap();
        assert_eq!(parsed, DatabaseUrl::Sqlite("/var/x.db".into()), "{url}");
        // What is shown means the same to both.
        assert_eq!(DatabaseUrl::parse(&parsed.to_string()), Ok(parsed), "{url}");
    }
    for url in ["sqlite://", "sqlite:///", "sqlite:////?x"] {
        assert!(other(url).is_err(), "{url}");
    }
}

#[test]
fn where_the_first_at_sign_ends_a_login_a_password_holds_all_but_that() {
    for (url, user, password, host, database) in [
        ("mysql://u:p@h/d", "u", Some("p"), "h", "d"),
        ("mysql://u:p:/?x@h/d", "u", Some("p:/?x"), "h", "d"),
        ("postgres://u@h/d?application_name=a@b", "u", None, "h", "d"),
        ("mysql://h/d", "", None, "h", "d"),
    ] {
        let parsed = other_server(url);
        assert_eq!((parsed.user.as_str(), parsed.password.as_ref().map(Password::expose)), (user, password), "{url}");
        assert_eq!((parsed.host, parsed.database.as_str()), (ServerHost::Name(host.to_owned()), database), "{url}");
    }
    for url in ["mysql://u:ge@heim@h/d", "mysql://u:p@h/d@heim/x", "postgres://u:@heim@/d"] {
        let error = other(url).unwrap_err().to_string();
        assert!(error.contains("its first @ ends the login") && !error.contains("heim@"), "{error}");
    }
}

#[test]
fn a_host_in_unix_and_brackets_is_a_socket_where_hosts_write_it_so() {
    let parsed = other_server("mysql://u:geheim@unix(/run/mysqld/mysqld.sock)/d");
    assert_eq!(parsed.host, ServerHost::Socket("/run/mysqld/mysqld.sock".into()));
    let url = DatabaseUrl::Mysql(parsed.clone());
    assert_eq!(url.to_string(), "mysql://u:xxxx@/run/mysqld/mysqld.sock/d");
    assert!(!format!("{url:?}").contains("geheim"));
    assert_eq!((parsed.database.as_str(), parsed.port), ("d", None));
    assert_eq!(other_server("mysql://u@h/d").host, ServerHost::Name("h".to_owned()));
    for url in [
        "mysql://u:geheim@unix(/run/x.sock/d",
        "mysql://u:geheim@unix(x.sock)/d",
        "mysql://u:geheim@unix(/run/x.sock)h/d",
        "mysql://u:geheim@unix(/run/x.sock)",
        "mysql://u:geheim@h",
    ] {
        let error = other(url).unwrap_err().to_string();
        assert!(error.contains("unix(") || error.contains("no database"), "{error}");
        assert!(!error.contains("geheim"), "{error}");
    }
    assert_eq!(server("mysql://u@unix(x)/d").host, ServerHost::Name("unix(x)".to_owned()));
}

#[test]
fn a_key_of_the_hosts_own_is_ignored_with_the_warning_of_unknown_ones() {
    for scheme in ["mysql", "postgres"] {
        let url = format!("{scheme}://u:p@h/d?tls_domain=geheim");
        assert_eq!(other_server(&url).parameters.unknown(), ["tls_domain"]);
        assert!(!format!("{:?}", other(&url)).contains("geheim"));
        for refused in [DatabaseUrl::parse(&url), other(&format!("{scheme}://u:p@h/d?tls_domains=geheim"))] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("tls_domain") && !error.contains("geheim"), "{error}");
        }
    }
}

#[test]
fn an_at_sign_in_the_query_is_percent_encoded() {
    let parsed = server("postgres://u:p@h/d?sslmode=disable&sslrootcert=/etc/a%40b/ca.pem");
    assert_eq!(parsed.parameters.get("sslrootcert"), Some("/etc/a@b/ca.pem"));
    assert_eq!((parsed.host, parsed.database.as_str()), (ServerHost::Name("h".to_owned()), "d"));
}

#[test]
fn no_error_shows_what_a_query_holds() {
    for url in ["mysql://h?password=geheim", "mysql://u:x@h:0/d?password=geheim", "sqlite://h?geheim"] {
        let error = DatabaseUrl::parse(url).unwrap_err().to_string();
        assert!(!error.contains("geheim"), "{error}");
    }
}

#[test]
fn what_is_no_database_url_is_refused_with_what_is_allowed() {
    for url in [
        "",
        "mysql",
        "mysql:/u@h/d",
        "my-sql://u:geheim@h/d",
        "://u:geheim@h/d",
        "mysql://u:geheim@h",
        "mysql://u:geheim/d",
        "u:geheim",
        "host=h password=geheim@",
        "host=h password=geheim@h:1",
        "mysql:u:geheim@h/d",
        "mysql://u:geheim@h/",
        "mysql://u:geheim@h:port/d",
        "mysql://u:geheim@h:0/d",
        "mysql://u:geheim@h:65536/d",
        "postgres://u:geheim@[group]/d",
        "mysql://u:geheim@[::1/d",
        "mysql://u:geheim:/d",
        "mysql://u:geheim:3306/d",
        "mysql://u:geheim@2001:db8::1/d",
        "sqlite://x.db",
        "sqlite:///",
    ] {
        let error = DatabaseUrl::parse(url).unwrap_err().to_string();
        assert!(error.contains("allowed are sqlite:////path/to/file"), "{error}");
        assert!(!error.contains("geheim"), "{error}");
    }
}

#[test]
fn brackets_hold_an_address_a_path_or_an_option_group() {
    for (url, group, host, port) in [
        ("mysql://u:p@[kamailio]/d", Some("kamailio"), ServerHost::Default, None),
        ("mysql://[kamailio]h:1/d", Some("kamailio"), ServerHost::Name("h".to_owned()), Some(1)),
        ("mysql://[::1]:1/d", None, ServerHost::Name("::1".to_owned()), Some(1)),
        ("mysql://[/run/x.sock]/d", None, ServerHost::Socket("/run/x.sock".into()), None),
    ] {
        let parsed = server(url);
        assert_eq!((parsed.option_group.as_deref(), parsed.host, parsed.port), (group, host, port), "{url}");
    }
    let url = "mysql://u:xxxx@[kamailio]h:1/d";
    assert_eq!(DatabaseUrl::parse(url).unwrap().to_string(), url);
}

#[test]
fn no_text_of_a_url_shows_the_password() {
    for url in ["mysql://u:geheim@h/d", "postgres://u:geheim@[::1]:1/d", "postgres://:geheim@/tmp/x/d"] {
        let parsed = DatabaseUrl::parse(url).unwrap();
        assert_eq!(parsed.to_string(), url.replace("geheim", "xxxx"));
        assert!(!format!("{parsed:?}").contains("geheim"));
    }
}

#[test]
fn other_schemes_and_all_that_are_forced_are_left_to_the_host() {
    let hosted = |url, driver| match DatabaseUrl::parse_for(url, driver, &UrlForms::PLAIN) {
        Ok(DatabaseUrl::Host(hosted)) => hosted,
        other => panic!("{url}: {other:?}"),
    };
    for url in ["text:///var/lib/x", "oracle://u:p@h/d", "db_mysql://u:p@h/d", "flatstore:/var/log"] {
        for driver in [Driver::Auto, Driver::Host] {
            let hosted = hosted(url, driver);
            assert_eq!((hosted.scheme.as_str(), hosted.url.expose()), (url.split(':').next().unwrap(), url));
        }
    }
    for url in [
        "sqlite:////x.db",
        "mysql://u:p@h/d",
        "mysql:/x",
        "postgres://nonsense",
        "postgres://h/d?sslmode=x",
        "perlvdb:Module",
    ] {
        assert_eq!(hosted(url, Driver::Host).url.expose(), url);
    }
    for url in ["", "mysql", "my-sql://u:geheim@h/d", ":x", "te xt://x", "text://\0"] {
        let error = DatabaseUrl::parse_for(url, Driver::Host, &UrlForms::PLAIN).unwrap_err().to_string();
        assert!(!error.contains("geheim"), "{error}");
    }
}

#[test]
fn no_text_of_a_hosted_url_shows_what_may_be_a_password() {
    for (url, shown) in [
        ("text:///var/lib/x", "text:///var/lib/x"),
        ("oracle://u:geheim@h/d", "oracle://...@h/d"),
        ("oracle://u:ge@heim@h/d", "oracle://...@h/d"),
        ("redis://:geheim@h:1/d", "redis://...@h:1/d"),
        ("unixodbc://u:geheim/dsn", "unixodbc://u:..."),
        ("mongodb://h/d?password=geheim", "mongodb://h/d?..."),
        ("mongodb://h/d?password=ge@heim", "mongodb:..."),
        ("oracle://u:ge@he?im@h/d", "oracle:..."),
        ("unixodbc:///DSN=x;PWD=geheim", "unixodbc:///DSN=..."),
        ("perlvdb:geheim", "perlvdb:..."),
    ] {
        let parsed = DatabaseUrl::parse_for(url, Driver::Host, &UrlForms::PLAIN).unwrap();
        assert_eq!(parsed.to_string(), shown);
        assert!(!format!("{parsed:?}").contains("heim"), "{parsed:?}");
    }
}
