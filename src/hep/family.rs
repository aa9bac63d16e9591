//! Address family numbers, which differ from system to system and are sent as they are.

/// Which addresses a family number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Four bytes an address.
    V4,
    /// Sixteen bytes an address.
    V6,
}

/// The number that we write for IPv4: the same everywhere.
pub(crate) const IPV4: u8 = 2;
/// The number that we write for IPv6: that of Linux, which the specification names.
pub(crate) const IPV6: u8 = 10;

/// The family that has this number on some system.
pub(crate) fn family_of(number: u8) -> Option<Family> {
    match number {
        IPV4 => Some(Family::V4),
        // Linux; Windows and .NET; NetBSD and OpenBSD; Solaris; FreeBSD; macOS.
        IPV6 | 23 | 24 | 26 | 28 | 30 => Some(Family::V6),
        _ => None,
    }
}
