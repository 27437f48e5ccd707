//! Blocks of addresses, as in `10.0.0.0/8`.

use std::net::IpAddr;

/// A block of addresses, as in `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressBlock {
    base: IpAddr,
    bits: u8,
}

impl AddressBlock {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (base, bits) = match text.trim().split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text.trim(), None),
        };
        let wrong = || "expected addresses such as 10.1.0.0/16 or fd00::/8".to_owned();
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|n| *n <= most && *n > 0).ok_or_else(wrong)?,
        };
        Ok(AddressBlock { base, bits })
    }

    /// Whether an address lies inside.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(base) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(base) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }

    /// Whether every address of `other` lies inside.
    pub fn covers(&self, other: &AddressBlock) -> bool {
        self.bits <= other.bits && self.holds(other.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(text: &str) -> AddressBlock {
        AddressBlock::parse(text).unwrap()
    }

    #[test]
    fn a_block_holds_its_own_and_covers_smaller_ones() {
        assert!(block("10.0.0.0/8").holds("10.255.0.1".parse().unwrap()));
        assert!(!block("10.0.0.0/8").holds("11.0.0.1".parse().unwrap()));
        assert!(block("10.0.0.0/8").covers(&block("10.1.0.0/16")));
        assert!(!block("10.1.0.0/16").covers(&block("10.0.0.0/8")));
        assert!(!block("0.0.0.0/1").covers(&block("::1")));
        for wrong in ["", "10.0.0.0/0", "10.0.0.0/33", "a/8", "10.0.0/8", "10.0.0.0/", "::/129"] {
            assert!(AddressBlock::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,20}|[0-9a-f.:/]{0,20}") {
            let _ = AddressBlock::parse(&text);
        }
    }
}
