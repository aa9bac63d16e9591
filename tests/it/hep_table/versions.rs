//! Versions 1 and 2: every part cut, every header byte wrong.

use super::draft::{DESTINATION_IP4, DESTINATION_IP6, Draft, MICROSECONDS, SECONDS, SOURCE_IP4, SOURCE_IP6, message};
use super::{Expect, MalformedRow, Stored};

/// A packet of version 1 or 2 as the stock sender writes it.
struct Fixed {
    name: String,
    bytes: Vec<u8>,
    stored: Stored,
}

impl Fixed {
    fn ip4(version: u8, name: &str) -> Fixed {
        Fixed::new(version, name, [2, 16], &[SOURCE_IP4, DESTINATION_IP4].concat(), |draft| draft.stored())
    }

    fn ip6(version: u8, name: &str) -> Fixed {
        Fixed::new(version, name, [10, 40], &[SOURCE_IP6, DESTINATION_IP6].concat(), |draft| draft.stored_ip6())
    }

    fn new(version: u8, name: &str, family: [u8; 2], addresses: &[u8], stored: fn(&Draft) -> Stored) -> Fixed {
        let name = format!("v{version}: {name}");
        let mut bytes = vec![version, family[1], family[0], 17];
        bytes.extend(5060u16.to_be_bytes());
        bytes.extend(5070u16.to_be_bytes());
        bytes.extend(addresses);
        if version == 2 {
            bytes.extend(SECONDS.to_le_bytes());
            bytes.extend(MICROSECONDS.to_le_bytes());
            bytes.extend(2001u16.to_le_bytes());
            bytes.extend([0, 0]);
        }
        bytes.extend(message(&name));
        let mut stored = Stored { correlation_id: None, ..stored(&Draft::new(&name)) };
        if version == 1 {
            stored.time_us = None;
            stored.agent_id = None;
        }
        Fixed { name, bytes, stored }
    }

    fn set(mut self, at: usize, bytes: &[u8]) -> Fixed {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn stored(self, change: impl FnOnce(&mut Stored)) -> MalformedRow {
        let mut stored = self.stored;
        change(&mut stored);
        MalformedRow::new(self.name, self.bytes, Expect::Stored(stored))
    }

    fn expect(self, expect: Expect) -> MalformedRow {
        MalformedRow::new(self.name, self.bytes, expect)
    }

    fn cut(mut self, length: usize, expect: Expect) -> MalformedRow {
        self.name = format!("{} cut to {length} bytes", self.name);
        self.bytes.truncate(length);
        self.expect(expect)
    }
}

pub fn rows() -> Vec<MalformedRow> {
    let mut rows = Vec::new();
    for version in [1, 2] {
        let ip4 = |name: &str| Fixed::ip4(version, name);
        let ip6 = |name: &str| Fixed::ip6(version, name);
        rows.push(ip4("IPv4").stored(|_| {}));
        rows.push(ip6("IPv6").stored(|_| {}));
        for length in [0, 1, 15, 17, 200, 255] {
            rows.push(ip4(&format!("header length {length}")).set(1, &[length]).stored(|_| {}));
        }
        for family in [23, 24, 26, 28, 30] {
            rows.push(ip6(&format!("family {family}")).set(2, &[family]).stored(|_| {}));
        }
        for family in [0, 1, 3, 255] {
            let unknown = ip4(&format!("family {family}")).set(2, &[family]);
            rows.push(unknown.expect(Expect::Counted("unknown_family")));
        }
        for ip_protocol in [0, 6, 22, 99, 132] {
            let odd = ip4(&format!("IP protocol {ip_protocol}")).set(3, &[ip_protocol]);
            rows.push(odd.stored(|stored| stored.ip_protocol = ip_protocol));
        }
        for length in [1, 2, 3] {
            rows.push(ip4("header").cut(length, Expect::NotHep));
        }
        for length in [4, 7, 8, 11, 12, 15] {
            rows.push(ip4("header").cut(length, Expect::Counted("truncated")));
        }
        for length in [8, 23, 24, 39] {
            rows.push(ip6("IPv6 header").cut(length, Expect::Counted("truncated")));
        }
    }
    rows.push(Fixed::ip4(1, "no payload").cut(16, Expect::NoRow("there is no message")));
    rows.push(Fixed::ip4(2, "no payload").cut(28, Expect::NoRow("there is no message")));
    for length in [16, 19, 20, 24, 25, 27] {
        rows.push(Fixed::ip4(2, "time").cut(length, Expect::Counted("truncated")));
    }
    for length in [40, 51] {
        rows.push(Fixed::ip6(2, "time behind IPv6").cut(length, Expect::Counted("truncated")));
    }
    rows.push(Fixed::ip4(2, "0 seconds").set(16, &[0; 4]).stored(|stored| stored.time_us = None));
    rows.push(Fixed::ip4(2, "padding of any value").set(26, &[0xde, 0xad]).stored(|_| {}));
    let last_agent = Fixed::ip4(2, "agent 65535").set(24, &[0xff, 0xff]);
    rows.push(last_agent.stored(|stored| stored.agent_id = Some(65_535)));
    for version in [0, 3] {
        let unknown = Fixed::ip4(1, &format!("version byte {version}")).set(0, &[version]);
        rows.push(unknown.expect(Expect::NotHep));
    }
    rows
}
