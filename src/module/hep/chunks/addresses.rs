//! Source and destination of one packet, which are of one family.

use crate::hep::{as_v6, family};
use std::net::IpAddr;

/// Source and destination as a packet can hold them, and the number of their family (chunk 1). Where both are IPv4, or
/// IPv6 addresses that stand for such (`::ffff:192.0.2.1`), they are IPv4; else both are IPv6, the IPv4 one as such an
/// address. One that is absent stays so and counts for nothing; the family is 0 where both are.
pub fn one_family(ends: [Option<IpAddr>; 2]) -> ([Option<IpAddr>; 2], u8) {
    let shortest = ends.map(|end| end.map(|address| address.to_canonical()));
    if shortest == [None, None] {
        (ends, 0)
    } else if shortest.iter().flatten().all(IpAddr::is_ipv4) {
        (shortest, family::IPV4)
    } else {
        (ends.map(|end| end.map(|address| as_v6(address).into())), family::IPV6)
    }
}
