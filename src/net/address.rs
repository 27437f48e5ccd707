//! Addresses that a listed name must not lead to.
//!
//! ATTACK: whoever owns a listed name (or its zone) can point it at this machine, its neighbours or
//! the cloud's metadata service. So the address counts as well, after the look-up, and the
//! connection goes to exactly the address that was judged.

use crate::model::{AddressBlock, Host};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, where it is not a public one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// Of this organisation or machine: an operator may open it.
    Private(&'static str),
    /// Never reached, whoever asks.
    Never(&'static str),
}

/// Metadata services of clouds: they hand out the machine's own credentials.
const METADATA: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Judges an address; `None` for a public one. Blocks after the IANA registries of special-purpose
/// addresses (RFC 6890 and its successors).
pub fn special(address: IpAddr) -> Option<Special> {
    use Special::{Never, Private};
    if METADATA.contains(&address) {
        return Some(Never("a cloud's metadata service"));
    }
    match address {
        IpAddr::V4(v4) => special_4(v4),
        IpAddr::V6(v6) => {
            if let Some(v4) = inner_4(v6) {
                // Through a translator it leads where the inner address leads.
                return special(v4.into())
                    .map_or(Some(Private("an address of version 4 in one of version 6")), Some);
            }
            let [first, second, ..] = v6.segments();
            match first {
                _ if v6.is_unspecified() => Some(Never("no address")),
                _ if v6.is_loopback() => Some(Private("this machine")),
                _ if first & 0xff00 == 0xff00 => Some(Never("a group of machines")),
                _ if first & 0xffc0 == 0xfe80 => Some(Never("a link-local address")),
                _ if first & 0xffc0 == 0xfec0 => Some(Private("a private address")),
                _ if first & 0xfe00 == 0xfc00 => Some(Private("a private address")),
                0x0100 if second == 0 => Some(Never("no address")),
                0x2001 if second == 0xdb8 => Some(Private("an address of documentation")),
                0x2001 if second < 0x200 => Some(Private("a reserved address")),
                0x3fff if second < 0x1000 => Some(Private("an address of documentation")),
                _ if first & 0xe000 == 0x2000 => None,
                _ => Some(Private("a reserved address")),
            }
        }
    }
}

fn special_4(v4: Ipv4Addr) -> Option<Special> {
    use Special::{Never, Private};
    match v4.octets() {
        [0, ..] => Some(Never("no address")),
        [127, ..] => Some(Private("this machine")),
        [10, ..] | [192, 168, ..] => Some(Private("a private address")),
        [172, second, ..] if second & 0xf0 == 16 => Some(Private("a private address")),
        [169, 254, ..] => Some(Never("a link-local address")),
        [100, second, ..] if second & 0xc0 == 64 => Some(Private("an address of a carrier's net")),
        [192, 0, 0, _] => Some(Private("a reserved address")),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some(Private("an address of documentation"))
        }
        [192, 88, 99, _] => Some(Private("a reserved address")),
        [198, 18 | 19, ..] => Some(Private("an address of benchmarks")),
        [255, 255, 255, 255] => Some(Never("a group of machines")),
        [first, ..] if first >= 240 => Some(Private("a reserved address")),
        [first, ..] if first >= 224 => Some(Never("a group of machines")),
        _ => None,
    }
}

/// The address of version 4 that one of version 6 stands for (mapped, compatible, NAT64, 6to4).
fn inner_4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] => Some(join(g, h)),
        [0, 0, 0, 0, 0xffff, 0] => Some(join(g, h)),
        [0, 0, 0, 0, 0, 0] if g != 0 => Some(join(g, h)),
        [0x64, 0xff9b, 0, 0, 0, 0] => Some(join(g, h)),
        [0x64, 0xff9b, 1, ..] => Some(join(g, h)),
        [0x2002, ..] => Some(join(b, c)),
        _ => None,
    }
}

/// Those of `found` that may be connected to. An address that was itself listed is reached as such;
/// otherwise only public ones and those in `opened`.
///
/// # Errors
/// What the first refused one is.
pub fn admitted(
    host: &Host,
    found: &[IpAddr],
    opened: &[AddressBlock],
) -> Result<Vec<IpAddr>, String> {
    let mut refused = None;
    let mut kept = Vec::new();
    for address in found {
        let why = match special(*address) {
            None => None,
            Some(Special::Never(what)) => Some(what),
            Some(Special::Private(what)) => {
                let listed = *host == Host::Address(*address);
                let canonical = address.to_canonical();
                let open = opened.iter().any(|r| r.holds(*address) || r.holds(canonical));
                (!listed && !open).then_some(what)
            }
        };
        match why {
            None => kept.push(*address),
            Some(what) => refused = refused.or(Some((address, what))),
        }
    }
    match refused {
        // One bad address among good ones is a name that somebody plays with.
        Some((address, what)) => Err(format!(
            "{host} leads to {address}, {what}; `sandbox.addresses` can open private ones"
        )),
        None if kept.is_empty() => Err(format!("{host} has no address")),
        None => Ok(kept),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(text: &str) -> Option<Special> {
        special(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_nothing_special() {
        for text in [
            "1.1.1.1",
            "93.184.216.34",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert_eq!(judge(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_never_reached_is_not_opened_by_a_range() {
        let all = [
            AddressBlock::parse("128.0.0.0/1").unwrap(),
            AddressBlock::parse("0.0.0.0/1").unwrap(),
            AddressBlock::parse("8000::/1").unwrap(),
            AddressBlock::parse("::/1").unwrap(),
        ];
        for text in [
            "169.254.169.254",
            "169.254.1.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "fe80::1",
            "::",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "168.63.129.16",
        ] {
            let address: IpAddr = text.parse().unwrap();
            let name = Host::Name("listed.test".to_owned());
            assert!(admitted(&name, &[address], &all).is_err(), "{text}");
            assert!(admitted(&Host::Address(address), &[address], &all).is_err(), "{text}");
        }
    }

    #[test]
    fn a_private_address_needs_its_range_or_to_be_listed_itself() {
        let name = Host::Name("listed.test".to_owned());
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd12::1",
            "198.18.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "240.0.0.1",
            "2001:db8::1",
            "::127.0.0.1",
        ] {
            let address: IpAddr = text.parse().unwrap();
            let error = admitted(&name, &[address], &[]).unwrap_err();
            assert!(
                error.contains("listed.test") && error.contains("sandbox.addresses"),
                "{error}"
            );
            let open = AddressBlock::parse(text).unwrap();
            assert_eq!(admitted(&name, &[address], &[open]), Ok(vec![address]), "{text}");
            assert_eq!(admitted(&Host::Address(address), &[address], &[]), Ok(vec![address]));
        }
        let mixed: Vec<IpAddr> = ["1.1.1.1", "10.0.0.1"].map(|t| t.parse().unwrap()).to_vec();
        assert!(admitted(&name, &mixed, &[]).is_err());
    }

    proptest! {
        #[test]
        fn an_address_of_version_4_is_judged_alike_however_it_is_wrapped(bits: u32) {
            let inner = Ipv4Addr::from(bits);
            if let Some(Special::Never(_)) = special(inner.into()) {
                let mapped = special(IpAddr::V6(inner.to_ipv6_mapped()));
                prop_assert!(matches!(mapped, Some(Special::Never(_))));
            }
            let mapped = special(IpAddr::V6(inner.to_ipv6_mapped()));
            prop_assert!(mapped.is_some());
        }

    }
}
