use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_catalog::IpPolicy;

/// Returns what a source keeps of an address: nothing is stored that its policy does not allow.
pub(crate) fn keep(address: IpAddr, policy: IpPolicy) -> String {
    let address = address.to_canonical();
    match policy {
        IpPolicy::Keep => address.to_string(),
        IpPolicy::Drop => String::new(),
        IpPolicy::Truncate => match address {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00).to_string(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)).to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let v4: IpAddr = "203.0.113.77".parse().unwrap();
        let v6: IpAddr = "2001:db8:1:2:3::4".parse().unwrap();
        let mapped: IpAddr = "::ffff:203.0.113.77".parse().unwrap();
        assert_eq!(keep(v4, IpPolicy::Truncate), "203.0.113.0");
        assert_eq!(keep(mapped, IpPolicy::Truncate), "203.0.113.0");
        assert_eq!(keep(v6, IpPolicy::Truncate), "2001:db8:1::");
        assert_eq!(keep(v4, IpPolicy::Keep), "203.0.113.77");
        assert_eq!(keep(v6, IpPolicy::Drop), "");
    }
}
