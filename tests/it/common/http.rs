//! A client of HTTP/1.1 for the pages of a server under test: one request a connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The body of what `GET path` is answered with; panics unless that is 200.
pub fn get(address: SocketAddr, path: &str) -> String {
    request(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
}

/// The body of what `POST path` with `body` is answered with; panics unless that is 200.
pub fn post(address: SocketAddr, path: &str, body: &str) -> String {
    let length = body.len();
    request(address, &format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{body}"))
}

fn request(address: SocketAddr, text: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("the server listens on TCP");
    connection.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout is set");
    connection.write_all(text.as_bytes()).expect("the request is taken");
    let mut reader = BufReader::new(connection);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("the head of an answer");
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    assert!(head.first().is_some_and(|status| status.contains(" 200 ")), "{head:?} to {text}");
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("Content-Length").then(|| value.trim().parse::<usize>().expect("a length"))
    };
    let mut body = vec![0; head.iter().find_map(header).expect("the answer has a length")];
    reader.read_exact(&mut body).expect("the whole body");
    String::from_utf8(body).expect("a body in UTF-8")
}
