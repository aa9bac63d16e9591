//! What a report is made of beside the message: its type, and what a report for Homer 6 has of its own.

use crate::capture::CUSTOM_FIELDS;
use crate::hep;
use crate::module::hep::metadata::Metadata;
use crate::module::sip_message::CaptureError;
use crate::table::homer6::{CAPTURE_IP, EVENT, TRANSACTION_ID};
use serde_json::Value;

/// The longest payload that is looked into for its event, bytes: what a datagram can hold.
const LONGEST_PAYLOAD: usize = 65_535;

/// The `type` of a report: what the script or the packet says, else that of SIP.
pub(super) fn type_of(given: &Metadata<'_>) -> Result<u8, CaptureError> {
    let number = given.payload_type.unwrap_or(hep::PAYLOAD_SIP.into());
    u8::try_from(number).map_err(|_| CaptureError::ReportType(number))
}

/// Texts of a report for Homer 6 that no packet holds.
#[derive(Debug)]
pub(super) struct Homer6Texts {
    capture_ip: String,
    event: String,
}

impl Homer6Texts {
    /// Those of a packet, described by `given`, that carries `payload`.
    pub fn of(given: &Metadata<'_>, payload: &[u8]) -> Homer6Texts {
        let capture_ip = given.collector.map(|address| address.to_string()).unwrap_or_default();
        Homer6Texts { capture_ip, event: event(payload) }
    }

    /// The values that come with the report `transaction_id`.
    pub fn values<'a>(&'a self, transaction_id: &'a [u8]) -> [Option<&'a [u8]>; CUSTOM_FIELDS] {
        let mut values = [None; CUSTOM_FIELDS];
        values[TRANSACTION_ID] = Some(transaction_id);
        values[CAPTURE_IP] = Some(self.capture_ip.as_bytes());
        values[EVENT] = Some(self.event.as_bytes());
        values
    }
}

/// The text that a JSON object has for its key `Event`; empty for any other payload.
fn event(payload: &[u8]) -> String {
    if payload.len() > LONGEST_PAYLOAD {
        return String::new();
    }
    // Nested at most 128 deep: more is an error.
    match serde_json::from_slice::<Value>(payload) {
        Ok(Value::Object(mut fields)) => match fields.remove("Event") {
            Some(Value::String(text)) => text,
            _ => String::new(),
        },
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_the_text_of_the_payloads_own_key_and_else_empty() {
        for (payload, expected) in [
            (r#"{"Event":"Answered","other":{"Event":"no"}}"#, "Answered"),
            (r#" {"x":[1,2],"Event":"caf\u00e9 \"1\""} "#, "caf\u{e9} \"1\""),
            (r#"{"Event":5}"#, ""),
            (r#"{"Event":null}"#, ""),
            (r#"{"Event":{"Event":"x"}}"#, ""),
            (r#"{"event":"x"}"#, ""),
            (r#"["Event","x"]"#, ""),
            (r#""Event""#, ""),
            (r#"{"Event":"x""#, ""),
            (r#"{"Event":"x"} y"#, ""),
            ("v=0\r\n", ""),
            ("", ""),
        ] {
            assert_eq!(event(payload.as_bytes()), expected, "{payload}");
        }
        assert_eq!(event(b"{\"Event\":\"\xff\"}"), "");
    }

    #[test]
    fn a_payload_that_is_nested_or_long_without_measure_has_no_event() {
        let nested = [b"{\"a\":".repeat(10_000), b"1".to_vec(), b"}".repeat(10_000)].concat();
        assert_eq!(event(&nested), "");
        let padded = |length: usize| format!("{{\"Event\":\"x\"{}}}", " ".repeat(length - 13));
        assert_eq!(padded(LONGEST_PAYLOAD).len(), LONGEST_PAYLOAD);
        assert_eq!(event(padded(LONGEST_PAYLOAD).as_bytes()), "x");
        assert_eq!(event(padded(LONGEST_PAYLOAD + 1).as_bytes()), "");
    }

    #[test]
    fn a_type_is_a_number_that_a_chunk_can_hold() {
        let of = |payload_type| type_of(&Metadata { payload_type, ..Metadata::default() });
        assert_eq!([None, Some(0), Some(5), Some(255)].map(|given| of(given).unwrap()), [1, 0, 5, 255]);
        for given in [-1, 256, i32::MIN, i32::MAX] {
            let error = of(Some(given)).unwrap_err().to_string();
            assert!(error.contains(&given.to_string()) && error.contains("0 to 255"), "{error}");
        }
    }
}
