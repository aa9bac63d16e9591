//! Packets under construction, with everything in them open to change.

use super::{Expect, MalformedRow, Stored};

pub const SOURCE_IP4: [u8; 4] = [192, 0, 2, 1];
pub const DESTINATION_IP4: [u8; 4] = [198, 51, 100, 2];
pub const SOURCE_IP6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub const DESTINATION_IP6: [u8; 16] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
pub const SECONDS: u32 = 1_700_000_000;
pub const MICROSECONDS: u32 = 123_456;

/// A version 3 packet: chunks as (vendor, type, body), in the order of Kamailio's own sender.
#[derive(Clone, Debug)]
pub struct Draft {
    pub name: String,
    pub magic: [u8; 4],
    pub chunks: Vec<(u16, u16, Vec<u8>)>,
}

impl Draft {
    /// A good packet between IPv4 addresses.
    pub fn new(name: impl Into<String>) -> Draft {
        let name = name.into();
        let chunks: [(u16, &[u8]); 13] = [
            (1, &[2]),
            (2, &[17]),
            (3, &SOURCE_IP4),
            (4, &DESTINATION_IP4),
            (7, &5060u16.to_be_bytes()),
            (8, &5070u16.to_be_bytes()),
            (9, &SECONDS.to_be_bytes()),
            (10, &MICROSECONDS.to_be_bytes()),
            (11, &[1]),
            (12, &2001u32.to_be_bytes()),
            (17, b"leg-a"),
            (14, b"secret"),
            (15, &message(&name)),
        ];
        let chunks = chunks.into_iter().map(|(kind, body)| (0, kind, body.to_vec())).collect();
        Draft { name, magic: *b"HEP3", chunks }
    }

    /// A good packet between IPv6 addresses.
    pub fn ip6(name: impl Into<String>) -> Draft {
        let mut draft = Draft::new(name).set(1, &[10]);
        draft.chunks[2] = (0, 5, SOURCE_IP6.to_vec());
        draft.chunks[3] = (0, 6, DESTINATION_IP6.to_vec());
        draft
    }

    pub fn magic(mut self, magic: &[u8; 4]) -> Draft {
        self.magic = *magic;
        self
    }

    /// Puts another body into a chunk that is there.
    pub fn set(mut self, kind: u16, body: &[u8]) -> Draft {
        self.chunks.iter_mut().find(|chunk| chunk.1 == kind).expect("a chunk of this type").2 = body.to_vec();
        self
    }

    pub fn without(mut self, kinds: &[u16]) -> Draft {
        self.chunks.retain(|chunk| !kinds.contains(&chunk.1));
        self
    }

    /// Adds a chunk of the generic vendor at the end.
    pub fn and(self, kind: u16, body: &[u8]) -> Draft {
        self.and_of_vendor(0, kind, body)
    }

    pub fn and_of_vendor(mut self, vendor: u16, kind: u16, body: &[u8]) -> Draft {
        self.chunks.push((vendor, kind, body.to_vec()));
        self
    }

    /// The bytes, every length right.
    pub fn bytes(&self) -> Vec<u8> {
        let length = |bytes: usize| u16::try_from(bytes + 6).expect("a length fits 16 bits").to_be_bytes();
        let mut body = Vec::new();
        for (vendor, kind, value) in &self.chunks {
            body.extend([vendor.to_be_bytes(), kind.to_be_bytes(), length(value.len())].concat());
            body.extend(value);
        }
        [&self.magic[..], &length(body.len()), &body].concat()
    }

    /// Where a chunk begins in the bytes.
    pub fn offset(&self, kind: u16) -> usize {
        6 + self.chunks.iter().take_while(|chunk| chunk.1 != kind).map(|chunk| 6 + chunk.2.len()).sum::<usize>()
    }

    /// What a good packet is stored as.
    pub fn stored(&self) -> Stored {
        Stored {
            source: (SOURCE_IP4, 5060).into(),
            destination: (DESTINATION_IP4, 5070).into(),
            ip_protocol: 17,
            payload_type: 1,
            time_us: Some(i64::from(SECONDS) * 1_000_000 + i64::from(MICROSECONDS)),
            agent_id: Some(2001),
            correlation_id: Some(b"leg-a".to_vec()),
            payload: message(&self.name),
            trailing: 0,
        }
    }

    /// What a good packet between IPv6 addresses is stored as.
    pub fn stored_ip6(&self) -> Stored {
        Stored { source: (SOURCE_IP6, 5060).into(), destination: (DESTINATION_IP6, 5070).into(), ..self.stored() }
    }

    pub fn counted(self, reason: &'static str) -> MalformedRow {
        let bytes = self.bytes();
        MalformedRow::new(self.name, bytes, Expect::Counted(reason))
    }

    /// The row of a packet that is stored like a good one, but for what `change` changes.
    pub fn stored_with(self, change: impl FnOnce(&mut Stored)) -> MalformedRow {
        let mut stored = self.stored();
        change(&mut stored);
        self.stored_as(stored)
    }

    pub fn stored_as(self, stored: Stored) -> MalformedRow {
        let bytes = self.bytes();
        MalformedRow::new(self.name, bytes, Expect::Stored(stored))
    }
}

/// A SIP request whose Call-ID tells which row it belongs to.
pub fn message(name: &str) -> Vec<u8> {
    let call_id = call_id(name);
    format!(
        "OPTIONS sip:bob@example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-{call_id}\r\n\
         From: <sip:alice@example.com>;tag=a\r\n\
         To: <sip:bob@example.com>\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// The name with every other byte than a letter or a digit as a dash.
pub fn call_id(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}
