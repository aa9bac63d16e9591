//! Compressed payloads in their three forms.

use super::super::{INFLATED_LIMIT, InflateError, inflate};
use super::OPTIONS;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, GzBuilder};
use std::io::Write;

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// gzip with every optional field of its header.
fn ornate_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder =
        GzBuilder::new().extra("extra").filename("name").comment("comment").write(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn forms(bytes: &[u8]) -> [(&'static str, Vec<u8>); 5] {
    [
        ("zlib", zlib(bytes)),
        ("gzip", gzip(bytes)),
        ("gzip with a full header", ornate_gzip(bytes)),
        ("raw deflate", deflate(bytes, Compression::default())),
        ("raw deflate, stored", deflate(bytes, Compression::none())),
    ]
}

#[test]
fn each_form_is_recognised() {
    let mut out = b"of the packet before".to_vec();
    let noise: Vec<u8> = (0..50_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for payload in [OPTIONS, b"", &noise] {
        for (form, compressed) in forms(payload) {
            assert_eq!(inflate(&compressed, &mut out), Ok(()), "{form}");
            assert_eq!(out, payload, "{form}");
        }
    }
}

#[test]
fn output_stops_at_the_limit() {
    let mut out = Vec::new();
    let full = vec![b'a'; INFLATED_LIMIT];
    let bomb = vec![b'a'; 10_000_000];
    for (form, compressed) in forms(&full) {
        assert_eq!(inflate(&compressed, &mut out), Ok(()), "{form}");
        assert_eq!(out, full);
    }
    let before = out.capacity();
    for longer in [&vec![b'a'; INFLATED_LIMIT + 1], &bomb] {
        for (form, compressed) in forms(longer) {
            assert_eq!(inflate(&compressed, &mut out), Err(InflateError::TooLong), "{form}");
            assert!(out.is_empty());
        }
    }
    assert_eq!(out.capacity(), before);
}

#[test]
fn a_stream_cut_anywhere_is_an_error() {
    let mut out = Vec::new();
    for (form, compressed) in forms(OPTIONS) {
        for length in 0..compressed.len() {
            assert_eq!(inflate(&compressed[..length], &mut out), Err(InflateError::CutShort), "{form} at {length}");
            assert!(out.is_empty());
        }
    }
}

#[test]
fn a_wrong_check_sum_is_an_error() {
    let mut out = Vec::new();
    let mut damaged = gzip(OPTIONS);
    let crc_at = damaged.len() - 8;
    damaged[crc_at] ^= 1;
    assert_eq!(inflate(&damaged, &mut out), Err(InflateError::Damaged));
    let mut damaged = zlib(OPTIONS);
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(inflate(&damaged, &mut out), Err(InflateError::Damaged));
    assert_eq!(inflate(b"\x1f\x8b\x07\0\0\0\0\0\0\0\0\0", &mut out), Err(InflateError::Damaged));
    assert_eq!(inflate(OPTIONS, &mut out), Err(InflateError::Damaged));
}

#[test]
fn bytes_behind_the_stream_are_ignored() {
    let mut out = Vec::new();
    for (form, mut compressed) in forms(OPTIONS) {
        compressed.extend(b"behind");
        assert_eq!(inflate(&compressed, &mut out), Ok(()), "{form}");
        assert_eq!(out, OPTIONS);
    }
}

#[test]
fn a_raw_stream_that_begins_like_zlib_is_still_read() {
    // A stored block whose padding bits happen to make 0x78 0x01 of its first two bytes: length 0x0001 follows the
    // header.
    let stored = [&[0x78, 0x01, 0x00, 0xfe, 0xff, b'x'][..], &[0x03, 0x00]].concat();
    let mut out = Vec::new();
    assert_eq!(inflate(&stored, &mut out), Ok(()));
    assert_eq!(out, b"x");
}

#[test]
fn a_gzip_header_with_a_check_sum_of_its_own_is_held_to_it() {
    const HAS_HEADER_CRC: u8 = 1 << 1;
    const RESERVED: u8 = 1 << 5;
    const HEADER_LENGTH: usize = 10;
    let mut out = Vec::new();
    let mut compressed = gzip(OPTIONS);
    compressed[3] |= HAS_HEADER_CRC;
    let mut crc = flate2::Crc::new();
    crc.update(&compressed[..HEADER_LENGTH]);
    compressed.splice(HEADER_LENGTH..HEADER_LENGTH, (crc.sum() as u16).to_le_bytes());
    assert_eq!(inflate(&compressed, &mut out), Ok(()));
    assert_eq!(out, OPTIONS);
    compressed[HEADER_LENGTH] ^= 1;
    assert_eq!(inflate(&compressed, &mut out), Err(InflateError::Damaged));
    let mut reserved = gzip(OPTIONS);
    reserved[3] |= RESERVED;
    assert_eq!(inflate(&reserved, &mut out), Err(InflateError::Damaged));
}
