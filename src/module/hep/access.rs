//! Who may send HEP: the networks of `hep_allow` and the key of `hep_auth_key`. Asked by `intake` of every HEP
//! packet before anything else looks into it.

use crate::hep::{self, Chunks};
use std::fmt;
use std::net::IpAddr;

/// One network of `hep_allow`: the addresses that agree with `base` in the first `prefix` bits. IPv4 is kept as
/// IPv4-mapped IPv6, so that an agent is known however the socket shows its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: u128,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if !prefix.starts_with('+') => (address, Some(prefix.parse::<u32>().ok()?)),
            Some(_) => return None,
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then(|| Network { base: as_ipv6(address), prefix: prefix + 128 - bits })
    }

    fn holds(self, address: u128) -> bool {
        // A shift by all 128 bits is none that the machine knows: everything agrees in no bits.
        (self.base ^ address).checked_shr(128 - self.prefix).unwrap_or(0) == 0
    }
}

fn as_ipv6(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
    .to_bits()
}

/// The parameter `hep_allow`: whose packets are taken. Empty: everybody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Network>);

impl AllowList {
    /// Reads networks (`192.0.2.0/24`, `2001:db8::/32`) and addresses, separated by commas or blanks; `Err` is the item
    /// that is neither.
    pub fn parse(text: &str) -> Result<AllowList, &str> {
        let items = text.split([',', ' ', '\t']).filter(|item| !item.is_empty());
        items.map(|item| Network::parse(item).ok_or(item)).collect::<Result<_, _>>().map(AllowList)
    }

    /// Whether packets of `sender` are taken.
    pub fn admits(&self, sender: IpAddr) -> bool {
        let sender = as_ipv6(sender);
        self.0.is_empty() || self.0.iter().any(|network| network.holds(sender))
    }
}

/// The parameter `hep_auth_key`. Shows itself nowhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AuthKey(Vec<u8>);

impl AuthKey {
    /// The key; empty: none is asked for.
    pub fn new(key: &[u8]) -> AuthKey {
        AuthKey(key.to_vec())
    }

    /// Whether `datagram`, a HEP packet, bears the key in chunk 0x000e. Of several such chunks the last counts, as for
    /// every other. Takes the same time wherever a wrong key differs from the right one.
    pub fn opens(&self, datagram: &[u8]) -> bool {
        self.0.is_empty() || key_of(datagram).is_some_and(|given| self.is(given))
    }

    /// Whether `given`, the key that a packet bears, is this one, in the same time likewise.
    pub fn is(&self, given: &[u8]) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let differing = self.0.iter().enumerate().fold(u8::from(given.len() != self.0.len()), |sum, (index, byte)| {
            sum | (byte ^ given.get(index).unwrap_or(&0))
        });
        std::hint::black_box(differing) == 0
    }
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "AuthKey(none)" } else { "AuthKey(...)" })
    }
}

/// The key that a packet bears, also one that cannot be decoded. Versions 1 and 2 have none.
fn key_of(datagram: &[u8]) -> Option<&[u8]> {
    let chunks = Chunks::new(datagram).ok()?.flatten();
    chunks.filter(|chunk| chunk.vendor == 0 && chunk.kind == hep::kind::AUTH_KEY).last().map(|chunk| chunk.body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(list: &str, sender: &str) -> bool {
        AllowList::parse(list).expect("a good list").admits(sender.parse().expect("an address"))
    }

    #[test]
    fn an_empty_list_admits_everybody() {
        for list in ["", " ", ", ,"] {
            assert!(admits(list, "192.0.2.1"));
            assert!(admits(list, "2001:db8::1"));
        }
    }

    #[test]
    fn addresses_and_networks_of_both_families_admit_their_own() {
        let list = "192.0.2.7, 198.51.100.0/24\t2001:db8::/32,2001:db9::5";
        for inside in ["192.0.2.7", "198.51.100.0", "198.51.100.255", "2001:db8:ffff::1", "2001:db9::5"] {
            assert!(admits(list, inside), "{inside}");
        }
        for outside in ["192.0.2.8", "198.51.101.0", "2001:dba::1", "2001:db9::6", "::1"] {
            assert!(!admits(list, outside), "{outside}");
        }
    }

    #[test]
    fn host_bits_behind_the_prefix_do_not_matter() {
        assert!(admits("198.51.100.77/24", "198.51.100.1"));
        assert!(admits("0.0.0.0/0", "203.0.113.9"));
        assert!(!admits("0.0.0.0/0", "2001:db8::1"));
        assert!(admits("::/0", "2001:db8::1"));
        assert!(admits("::/0", "203.0.113.9"));
    }

    #[test]
    fn an_ipv4_agent_on_an_ipv6_socket_is_the_same_agent() {
        assert!(admits("192.0.2.0/24", "::ffff:192.0.2.9"));
        assert!(!admits("192.0.2.0/24", "::ffff:192.0.3.9"));
        assert!(admits("::ffff:192.0.2.0/120", "192.0.2.9"));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for (list, bad) in [
            ("192.0.2.0/33", "192.0.2.0/33"),
            ("192.0.2.1, 2001:db8::/129", "2001:db8::/129"),
            ("10.0.0.0/8 example.org", "example.org"),
            ("10.0.0/8", "10.0.0/8"),
            ("10.0.0.0/", "10.0.0.0/"),
            ("10.0.0.0/+8", "10.0.0.0/+8"),
            ("10.0.0.0/8/8", "10.0.0.0/8/8"),
            ("10.0.0.0-10.0.0.9", "10.0.0.0-10.0.0.9"),
        ] {
            assert_eq!(AllowList::parse(list), Err(bad));
        }
    }

    fn packet(chunks: &[(u16, u16, &[u8])]) -> Vec<u8> {
        let body: Vec<u8> = chunks
            .iter()
            .flat_map(|(vendor, kind, body)| {
                let length = body.len() as u16 + 6;
                [&vendor.to_be_bytes(), &kind.to_be_bytes(), &length.to_be_bytes(), *body].concat()
            })
            .collect();
        [b"HEP3", &(body.len() as u16 + 6).to_be_bytes()[..], &body].concat()
    }

    #[test]
    fn only_the_very_key_opens() {
        let key = AuthKey::new(b"secret");
        assert!(key.opens(&packet(&[(0, 14, b"secret")])));
        for wrong in [&b"secre"[..], b"secret\0", b"secreT", b"Secret", b"", b"secretsecret"] {
            assert!(!key.opens(&packet(&[(0, 14, wrong)])), "{wrong:?}");
        }
        assert!(!key.opens(&packet(&[(0, 15, b"secret")])));
        assert!(!key.opens(&packet(&[(1, 14, b"secret")])));
        assert!(!key.opens(b"\x01\x10\x02\x11secret"));
        assert!(!key.opens(b""));
        assert!(AuthKey::default().opens(b""));
    }

    #[test]
    fn of_several_keys_the_last_counts() {
        let key = AuthKey::new(b"secret");
        assert!(key.opens(&packet(&[(0, 14, b"wrong"), (0, 14, b"secret")])));
        assert!(!key.opens(&packet(&[(0, 14, b"secret"), (0, 14, b"wrong")])));
    }

    #[test]
    fn a_key_shows_itself_nowhere() {
        assert_eq!(format!("{:?}", AuthKey::new(b"secret")), "AuthKey(...)");
    }
}
