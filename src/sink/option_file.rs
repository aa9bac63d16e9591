//! MySQL's option files: where `mysql://[group]host/database` finds what the URL leaves open.
//!
//! ```text
//! [client]                     read for every group
//! password = "geheim#1"        quotes keep blanks and #
//! [kamailio]                   read for mysql://[kamailio]/database
//! user     = capture           # the last line that names an option wins
//! socket   = /run/mysqld/mysqld.sock
//! !includedir /etc/mysql/conf.d/
//! ```
//!
//! Of the options, `user`, `password`, `host`, `port`, `socket` and those of TLS ([`tls`](super::tls)) are taken; what
//! the URL says itself comes first. As the client libraries do, a file that everybody may write to is not read.

use super::tls;
use super::url::{Password, Server, ServerHost};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Files that include each other deeper than this are a mistake.
const MOST_INCLUDES: u32 = 10;

/// Groups that every client reads, besides the one that the URL names.
const COMMON_GROUPS: [&str; 3] = ["client", "client-server", "client-mariadb"];

impl Server {
    /// The same server, with what the option files say where the URL names a group and says nothing itself. Without a
    /// group, no file is read.
    pub fn with_option_files(&self) -> Server {
        let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".my.cnf"));
        let system = ["/etc/my.cnf", "/etc/mysql/my.cnf"].map(PathBuf::from);
        self.completed_from(&system.into_iter().chain(home).collect::<Vec<_>>())
    }

    fn completed_from(&self, files: &[PathBuf]) -> Server {
        let mut server = self.clone();
        let Some(group) = server.option_group.take() else { return server };
        let mut options = Options::default();
        for file in files {
            options.read_file(file, &group, MOST_INCLUDES);
        }
        if server.user.is_empty() {
            server.user = options.user.unwrap_or_default();
        }
        if server.password.is_none() {
            server.password = options.password.map(Password::new);
        }
        if server.host == ServerHost::Default {
            // A host that is not this one has no socket here.
            server.host = match (options.host, options.socket) {
                (Some(name), _) if name != "localhost" => ServerHost::Name(name),
                (_, Some(path)) => ServerHost::Socket(path.into()),
                (Some(name), None) => ServerHost::Name(name),
                (None, None) => ServerHost::Default,
            };
        }
        for (key, value, file) in options.tls {
            tls::mysql::take_line(&mut server.parameters, key, value, &file);
        }
        server.port = server.port.or(options.port.and_then(|port| port.parse().ok()).filter(|port| *port != 0));
        server
    }
}

#[derive(Default)]
struct Options {
    user: Option<String>,
    password: Option<String>,
    host: Option<String>,
    port: Option<String>,
    socket: Option<String>,
    /// Keys of TLS, their values, and the file of each.
    tls: Vec<(&'static str, String, PathBuf)>,
}

impl Options {
    /// Reads `file`, which need not exist, and the files that it includes.
    fn read_file(&mut self, file: &Path, group: &str, includes: u32) {
        let text = match fs::read(file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return,
            Err(error) => {
                log::warn!("{} is not read: {error}", file.display());
                return;
            }
        };
        if fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o002 != 0) {
            log::warn!("{} is not read: everybody may write to it", file.display());
            return;
        }
        let mut in_group = false;
        for line in text.lines().map(str::trim) {
            if let Some(included) = line.strip_prefix("!includedir") {
                self.read_directory(Path::new(included.trim()), group, includes);
            } else if let Some(included) = line.strip_prefix("!include") {
                if includes > 0 {
                    self.read_file(Path::new(included.trim()), group, includes - 1);
                }
            } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
                in_group = name.0 == group || COMMON_GROUPS.contains(&name.0);
            } else if in_group && !line.starts_with(['#', ';']) {
                self.take(line, file);
            }
        }
    }

    /// Reads the files of a directory that end in `.cnf`, in the order of their names.
    fn read_directory(&mut self, directory: &Path, group: &str, includes: u32) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "cnf"));
        files.sort();
        if includes > 0 {
            files.iter().for_each(|file| self.read_file(file, group, includes - 1));
        }
    }

    fn take(&mut self, line: &str, file: &Path) {
        let Some((name, value)) = line.split_once('=') else {
            let switch = tls::mysql::switch_of(line.split(['#', ' ', '\t']).next().unwrap_or_default());
            self.tls.extend(switch.map(|(key, value)| (key, value.to_owned(), file.to_owned())));
            return;
        };
        if let Some(key) = tls::mysql::key_of(name.trim()) {
            return self.tls.push((key, unquote(value.trim()), file.to_owned()));
        }
        let option = match name.trim() {
            "user" => &mut self.user,
            "password" => &mut self.password,
            "host" => &mut self.host,
            "port" => &mut self.port,
            "socket" => &mut self.socket,
            _ => return,
        };
        *option = Some(unquote(value.trim()));
    }
}

/// An option's value: without its quotes or the comment behind it, and with its escapes resolved.
fn unquote(value: &str) -> String {
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split_once(quote));
    let plain = match quoted {
        Some((inner, _)) => inner,
        None => value.split('#').next().unwrap_or(value).trim_end(),
    };
    let mut text = String::with_capacity(plain.len());
    let mut rest = plain.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match rest.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('s') => text.push(' '),
            Some(other @ ('\\' | '"' | '\'')) => text.push(other),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::DatabaseUrl;

    fn completed(url: &str, files: &[PathBuf]) -> Server {
        match DatabaseUrl::parse(url) {
            Ok(DatabaseUrl::Mysql(server)) => server.completed_from(files),
            other => panic!("{url}: {other:?}"),
        }
    }

    fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_group_fills_in_what_the_url_leaves_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write(path, "b.cnf", "[kamailio]\nuser = 'last' # not that\n");
        write(path, "a.cnf", "[kamailio]\nuser=first\n[other]\nuser=stranger\n");
        write(path, "c.txt", "[kamailio]\nuser=nobody\n");
        let system = write(
            path,
            "my.cnf",
            &format!(
                "# password = comment\nuser = outside\n[client]\npassword = \"ge#heim\\\\\"\nport=3307 # a port\n\
                 [mysqld]\nuser=mysql\n!includedir {}\n",
                path.display()
            ),
        );
        // The file includes its own directory and so itself: that ends.
        let home = write(path, "home", "[kamailio]\nhost = db.example\nsocket=/run/x.sock\n");
        let files = [system, home, path.join("missing")];
        let server = completed("mysql://[kamailio]/d", &files);
        assert_eq!(server.user, "last");
        assert_eq!(server.password.as_ref().map(Password::expose), Some("ge#heim\\"));
        assert_eq!((server.host, server.port), (ServerHost::Name("db.example".to_owned()), Some(3307)));

        let server = completed("mysql://me:pw@[kamailio]localhost:1/d", &files);
        assert_eq!(server.user, "me");
        assert_eq!(server.password.as_ref().map(Password::expose), Some("pw"));
        assert_eq!((server.host, server.port), (ServerHost::Name("localhost".to_owned()), Some(1)));

        let server = completed("mysql://h/d", &files);
        assert_eq!((server.user.as_str(), server.password), ("", None));
    }

    #[test]
    fn a_socket_is_taken_for_this_host_alone() {
        let directory = tempfile::tempdir().unwrap();
        for (text, expected) in [
            ("socket=/run/x.sock", ServerHost::Socket("/run/x.sock".into())),
            ("socket=/run/x.sock\nhost=localhost", ServerHost::Socket("/run/x.sock".into())),
            ("host=localhost", ServerHost::Name("localhost".to_owned())),
            ("user=x", ServerHost::Default),
        ] {
            let file = write(directory.path(), "my.cnf", &format!("[client]\n{text}\n"));
            assert_eq!(completed("mysql://[g]/d", &[file]).host, expected, "{text}");
        }
    }

    #[test]
    fn a_comment_that_is_no_utf_8_hides_no_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("my.cnf");
        fs::write(&file, b"[client]\n# f\xfcr uns\nuser=x\nssl-ca=/x\n").unwrap();
        let server = completed("mysql://[g]/d", &[file]);
        assert_eq!((server.user.as_str(), server.parameters.get("ssl-ca")), ("x", Some("/x")));
    }

    #[test]
    fn a_file_that_everybody_may_write_to_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = write(directory.path(), "my.cnf", "[client]\nuser=x\n");
        assert_eq!(completed("mysql://[g]/d", std::slice::from_ref(&file)).user, "x");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(completed("mysql://[g]/d", &[file]).user, "");
    }
}
