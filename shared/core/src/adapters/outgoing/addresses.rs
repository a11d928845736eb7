//! Public IP addresses.
//!
//! By IANA's registries of special-purpose addresses, and known metadata addresses of clouds. Addresses that embed an
//! IPv4 address (6to4, NAT64, Teredo) are not public: a translator may reach internal ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u32) -> (u32, u32) {
    (Ipv4Addr::new(a, b, c, d).to_bits(), prefix)
}

const SPECIAL_V4: [(u32, u32); 17] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    // Behind carrier-grade NAT; Alibaba's metadata service is there.
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // Azure's metadata.
    v4(168, 63, 129, 16, 32),
    // Link-local; the metadata service of most clouds.
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    v4(255, 255, 255, 255, 32),
];

const fn v6(a: u16, b: u16, prefix: u32) -> (u128, u32) {
    (Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0).to_bits(), prefix)
}

/// Global unicast.
const GLOBAL_V6: (u128, u32) = v6(0x2000, 0, 3);

const SPECIAL_V6: [(u128, u32); 4] = [
    // IETF protocol assignments, including Teredo.
    v6(0x2001, 0, 23),
    v6(0x2001, 0x0db8, 32),
    // 6to4.
    v6(0x2002, 0, 16),
    v6(0x3fff, 0, 20),
];

/// Whether the address is globally reachable.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let bits = address.to_bits();
            !SPECIAL_V4.iter().any(|(network, prefix)| (bits ^ network).leading_zeros() >= *prefix)
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let within = |(network, prefix): &(u128, u32)| (bits ^ network).leading_zeros() >= *prefix;
            within(&GLOBAL_V6) && !SPECIAL_V6.iter().any(within)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    #[test]
    fn what_is_special_is_not_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(address), "{address}");
        }
        for address in
            ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]
        {
            assert!(public(address), "{address}");
        }
    }

    /// What the standard library knows of an address.
    fn is_known_special(address: Ipv4Addr) -> bool {
        address.is_private()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_multicast()
            || address.is_broadcast()
            || address.is_documentation()
            || address.is_unspecified()
    }

    fn near_the_borders() -> impl Strategy<Value = Ipv4Addr> {
        let border = (0..SPECIAL_V4.len(), -2_i64..=2).prop_map(|(n, off)| {
            let (network, prefix) = SPECIAL_V4[n];
            let size = if prefix == 0 { 1 << 32 } else { 1_i64 << (32 - prefix) };
            Ipv4Addr::from_bits((i64::from(network) + if off > 0 { size + off - 1 } else { off }) as u32)
        });
        prop_oneof![border, any::<u32>().prop_map(Ipv4Addr::from_bits)]
    }

    proptest! {
        #[test]
        fn nothing_is_public_that_the_standard_library_knows_as_special(address in near_the_borders()) {
            prop_assert!(!(is_public(address.into()) && is_known_special(address)));
        }

        /// However it is wrapped.
        #[test]
        fn a_wrapped_address_is_never_more_than_what_it_wraps(address in near_the_borders(), rest in any::<u64>()) {
            let [a, b] = [(address.to_bits() >> 16) as u16, address.to_bits() as u16];
            let mapped = address.to_ipv6_mapped();
            prop_assert_eq!(is_public(mapped.into()), is_public(address.into()));
            let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b);
            let six_to_four = Ipv6Addr::from_bits(Ipv6Addr::new(0x2002, a, b, 0, 0, 0, 0, 0).to_bits() | u128::from(rest));
            let compatible = Ipv6Addr::new(0, 0, 0, 0, 0, 0, a, b);
            for wrapped in [nat64, six_to_four, compatible] {
                prop_assert!(!is_public(wrapped.into()), "{}", wrapped);
            }
        }

        #[test]
        fn what_is_public_is_of_the_global_part(bits in any::<u128>()) {
            let address = Ipv6Addr::from_bits(bits);
            let local = address.is_unique_local() || address.is_unicast_link_local() || address.is_multicast();
            prop_assert!(!(is_public(address.into()) && (local || address.is_loopback())));
        }
    }
}
