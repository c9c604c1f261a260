//! Addresses, coarse.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network of a client address: IPv4 /24, IPv6 /48, as text. An IPv4 address in IPv6 clothing is an IPv4 address.
/// `None` for what is no address.
#[must_use]
pub fn of(address: &str) -> Option<String> {
    match address.trim().parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Some(format!("{}/24", Ipv4Addr::new(a, b, c, 0)))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            Some(format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_host() {
        assert_eq!(of("203.0.113.77").as_deref(), Some("203.0.113.0/24"));
        assert_eq!(of("2001:db8:1:2::77").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(of("::ffff:203.0.113.77").as_deref(), Some("203.0.113.0/24"));
        for none in ["", "unknown", "203.0.113.77, 10.0.0.1", "203.0.113"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
