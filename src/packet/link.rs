//! The headers between a link and an IP packet: VLAN tags, PPPoE and PPP, MPLS labels, LLC and SNAP.

use super::no_datagram::NoDatagram;
use etherparse::SingleVlanSlice;

/// EtherTypes, and below 0x0600 the numbers that Linux gives to frames without one.
pub mod ether_type {
    /// A frame with a length where the EtherType would be, and IPX behind it.
    pub const NOVELL: u16 = 0x0001;
    /// A frame with a length where the EtherType would be, and LLC behind it.
    pub const LLC: u16 = 0x0004;
    /// The lowest EtherType; what is below is a length.
    pub const LOWEST: u16 = 0x0600;
    /// IPv4.
    pub const IP4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// RARP.
    pub const RARP: u16 = 0x8035;
    /// A VLAN tag (802.1Q).
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IP6: u16 = 0x86dd;
    /// MPLS labels.
    pub const MPLS: u16 = 0x8847;
    /// MPLS labels of a multicast tree.
    pub const MPLS_MULTICAST: u16 = 0x8848;
    /// PPPoE, in the discovery of a session.
    pub const PPPOE_DISCOVERY: u16 = 0x8863;
    /// PPPoE, within a session.
    pub const PPPOE_SESSION: u16 = 0x8864;
    /// A provider's VLAN tag (802.1ad).
    pub const PROVIDER_VLAN: u16 = 0x88a8;
    /// What provider bridges used before 0x88a8 was assigned.
    pub const OLD_PROVIDER_VLAN: u16 = 0x9100;
}

/// EtherTypes that IP can be behind, and the number of Linux for frames that begin with LLC.
pub const LEADING_TO_IP: [u16; 9] = [
    ether_type::IP4,
    ether_type::IP6,
    ether_type::VLAN,
    ether_type::PROVIDER_VLAN,
    ether_type::OLD_PROVIDER_VLAN,
    ether_type::PPPOE_SESSION,
    ether_type::MPLS,
    ether_type::MPLS_MULTICAST,
    ether_type::LLC,
];

/// VLAN tags that a frame may carry one inside the other: a provider's and a customer's, and some to spare; SNAP
/// counts as one.
const DEEPEST: usize = 4;
/// MPLS labels that a packet may carry.
const MOST_LABELS: usize = 16;
/// PPPoE (RFC 2516): version and type, and the code of session data.
const PPPOE_DATA: [u8; 2] = [0x11, 0];
const PPP_IP4: u16 = 0x0021;
const PPP_IP6: u16 = 0x0057;
/// LLC that says that SNAP follows, and the organisation whose numbers are EtherTypes (RFC 1042).
const SNAP_OF_ETHER_TYPES: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];

/// The IP packet in what follows EtherType `number`, and what may stand behind that packet.
pub(super) fn ip_behind(mut number: u16, mut rest: &[u8]) -> Result<&[u8], NoDatagram> {
    for _ in 0..=DEEPEST {
        match number {
            ether_type::IP4 | ether_type::IP6 => return Ok(rest),
            ether_type::VLAN | ether_type::PROVIDER_VLAN | ether_type::OLD_PROVIDER_VLAN => {
                let tag = SingleVlanSlice::from_slice(rest)?;
                number = tag.ether_type().0;
                rest = tag.payload_slice();
            }
            ether_type::PPPOE_SESSION => return ip_in_session(rest),
            ether_type::PPPOE_DISCOVERY => return Err(NoDatagram::Ppp),
            ether_type::MPLS | ether_type::MPLS_MULTICAST => return ip_below_labels(rest),
            ether_type::ARP | ether_type::RARP => return Err(NoDatagram::Arp),
            ether_type::NOVELL => return Err(NoDatagram::Llc),
            ..ether_type::LOWEST => {
                let snap = rest.strip_prefix(&SNAP_OF_ETHER_TYPES).ok_or(NoDatagram::Llc)?;
                let (ether_type, inside) = snap.split_first_chunk().ok_or(NoDatagram::Truncated)?;
                number = u16::from_be_bytes(*ether_type);
                if number < ether_type::LOWEST {
                    return Err(NoDatagram::Llc);
                }
                rest = inside;
            }
            _ => return Err(NoDatagram::EtherType),
        }
    }
    Err(NoDatagram::Malformed)
}

/// The IP packet in a PPPoE session's frame. The PPP protocol field has two bytes, or one where both ends have agreed
/// on that (RFC 1661).
fn ip_in_session(frame: &[u8]) -> Result<&[u8], NoDatagram> {
    let (header, rest) = frame.split_first_chunk::<6>().ok_or(NoDatagram::Truncated)?;
    if header[..2] != PPPOE_DATA {
        return Err(NoDatagram::Malformed);
    }
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let (protocol, ip) = match rest {
        [low, ip @ ..] if low & 1 == 1 => (u16::from(*low), ip),
        [high, low, ip @ ..] => (u16::from_be_bytes([*high, *low]), ip),
        _ => return Err(NoDatagram::Truncated),
    };
    if protocol != PPP_IP4 && protocol != PPP_IP6 {
        return Err(NoDatagram::Ppp);
    }
    let end = length.checked_sub(rest.len() - ip.len()).ok_or(NoDatagram::Malformed)?;
    ip.get(..end).ok_or(NoDatagram::Truncated)
}

/// The IP packet below a stack of MPLS labels. No field says what is below. As in routers, the version of an IP header
/// decides.
fn ip_below_labels(mut rest: &[u8]) -> Result<&[u8], NoDatagram> {
    for _ in 0..MOST_LABELS {
        let (label, below) = rest.split_first_chunk::<4>().ok_or(NoDatagram::Truncated)?;
        rest = below;
        let is_lowest = label[2] & 1 == 1;
        if is_lowest {
            return match rest.first().ok_or(NoDatagram::Truncated)? >> 4 {
                4 | 6 => Ok(rest),
                _ => Err(NoDatagram::Mpls),
            };
        }
    }
    Err(NoDatagram::Malformed)
}
