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

/// Whether `GET path` is answered with 200 now.
pub fn is_served(address: SocketAddr, path: &str) -> bool {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    TcpStream::connect(address).is_ok_and(|connection| is_good(&exchange(connection, &request).0))
}

fn request(address: SocketAddr, text: &str) -> String {
    let connection = TcpStream::connect(address).expect("the server listens on TCP");
    let (status, body) = exchange(connection, text);
    assert!(is_good(&status), "{status} to {text}: {body}");
    body
}

fn is_good(status: &str) -> bool {
    status.split(' ').nth(1) == Some("200")
}

/// The status line and the body that answer a request.
fn exchange(mut connection: TcpStream, text: &str) -> (String, String) {
    connection.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout is set");
    connection.write_all(text.as_bytes()).expect("the request is taken");
    let mut reader = BufReader::new(connection);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("the head of an answer");
        line.trim_end().to_owned()
    };
    let status = line();
    let mut length = 0;
    while let Some((name, value)) = line().split_once(':') {
        if name.eq_ignore_ascii_case("Content-Length") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the whole body");
    (status, String::from_utf8(body).expect("a body in UTF-8"))
}
