//! What a module has to know of the host that has loaded it.

/// How the host writes IPv6 addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ipv6Style {
    /// `2001:db8::1`. This is the default.
    #[default]
    Short,
    /// `2001:db8:0:0:0:0:0:1`.
    Lower,
    /// `2001:DB8:0:0:0:0:0:1`.
    Upper,
}

/// The host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Its release: major * 1000000 + minor * 1000 + patch; 0 when it is not known, and so the newest.
    pub release: u32,
    /// How it writes addresses.
    pub ipv6_style: Ipv6Style,
}
