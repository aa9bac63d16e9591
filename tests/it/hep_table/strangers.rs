//! What else reaches the port of a SIP server.

use super::draft::message;
use super::{Expect, MalformedRow};

pub fn rows() -> Vec<MalformedRow> {
    let stun = |first: u8, second: u8| {
        let mut bytes = vec![first, second, 0, 8, 0x21, 0x12, 0xa4, 0x42];
        bytes.extend(b"transaction!\0\x20\0\x04abcd");
        bytes
    };
    let stranger = |name: &str, bytes: Vec<u8>| MalformedRow::new(name, bytes, Expect::NotHep);
    vec![
        stranger("nothing", vec![]),
        stranger("CRLF keep-alive", b"\r\n\r\n".to_vec()),
        stranger("zero keep-alive", vec![0; 4]),
        stranger("plain SIP", message("plain SIP")),
        stranger("STUN request", stun(0, 1)),
        stranger("STUN response", stun(1, 1)),
        stranger("STUN error", stun(1, 0x11)),
        stranger("DNS query", b"\x02\x10\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01".to_vec()),
        stranger("RTP", [&b"\x80\x08\x00\x01\0\0\0\xa0\0\0\0\x01"[..], &[0xd5; 160]].concat()),
        stranger("DTLS", b"\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\x10".to_vec()),
        stranger("the magic cut short", b"HEP".to_vec()),
        stranger("the magic of no version", b"HEP4\0\x06".to_vec()),
        stranger("the magic in small letters", b"hep3\0\x06".to_vec()),
        MalformedRow::new("the magic alone", b"HEP3".to_vec(), Expect::Counted("truncated")),
        MalformedRow::new("the magic and half a length", b"HEP3\0".to_vec(), Expect::Counted("truncated")),
    ]
}
