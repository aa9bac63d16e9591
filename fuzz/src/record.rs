//! The byte form of captures, as lanes and the spool hold it.

use super::lies_in;
use sipcapture_core::capture::record::{MAX_PAYLOAD, decode, encode, encoded_len};

/// Takes `bytes` for a record; one that decodes must encode and decode to the same capture.
pub fn run(bytes: &[u8]) {
    let Ok(capture) = decode(bytes) else { return };
    let parts = [capture.correlation_id, capture.rewritten_uri, capture.table, Some(capture.payload)];
    assert!(parts.into_iter().flatten().all(|part| lies_in(part, bytes)));
    let Ok(length) = encoded_len(&capture) else {
        assert!(capture.payload.len() > MAX_PAYLOAD);
        return;
    };
    assert!(length <= bytes.len(), "a record has no parts that its capture lacks");
    let mut again = vec![0xaa; length];
    encode(&capture, &mut again);
    assert_eq!(decode(&again), Ok(capture));
    assert!(decode(&again[..length - 1]).is_err(), "a record that lacks its last byte is cut short");
}
