//! Addresses of network cards.

use std::fs;

use devices::virtio::net::MacAddress;

/// The address in `text`, if one card can have it: six bytes in hexadecimal with colons between them.
pub(super) fn parse(text: &str) -> Option<MacAddress> {
    let mut address = [0; 6];
    let mut words = text.split(':');
    for byte in &mut address {
        let word = words.next().filter(|word| (1..=2).contains(&word.len()))?;
        *byte = u8::from_str_radix(word, 16).ok().filter(|_| !word.starts_with('+'))?;
    }
    let address = MacAddress(address);
    (words.next().is_none() && !address.is_group() && address.0 != [0; 6]).then_some(address)
}

/// The address of a card at `place` of this machine: always the same, and hardly anybody else's, so guests know their card again.
pub(super) fn of(place: &str) -> MacAddress {
    // A machine without an identity is like others without.
    let machine = fs::read("/etc/machine-id").unwrap_or_default();
    from(&machine, place)
}

/// Likewise, of the machine with this identity.
fn from(machine: &[u8], place: &str) -> MacAddress {
    let [_, _, bytes @ ..] = fnv(machine.iter().chain(place.as_bytes())).to_be_bytes();
    let mut address = MacAddress(bytes);
    // Of one card, and given by nobody who sells cards (IEEE 802, 8.2.2).
    address.0[0] = address.0[0] & !3 | 2;
    address
}

/// A hash that stays the same in later versions (FNV-1a, 64 bits).
fn fnv<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv(b"".iter()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"foobar".iter()), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn an_address_is_stable_local_and_another_one_elsewhere() {
        let one = from(b"machine", "tap tap0");
        assert_eq!(one, from(b"machine", "tap tap0"));
        assert_eq!(one.0[0] & 3, 2);
        for other in [
            from(b"machine", "tap tap1"),
            from(b"other", "tap tap0"),
            from(b"", "user 0"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(of("user 0"), of("user 0"));
    }

    #[test]
    fn an_address_is_six_bytes_of_one_card() {
        assert_eq!(
            parse("52:54:0:aB:ff:1"),
            Some(MacAddress([0x52, 0x54, 0, 0xab, 0xff, 1]))
        );
        for wrong in [
            "",
            "1:2:3:4:5",
            "2:2:3:4:5:6:7",
            "2:2:3:4:5:",
            "2:2:3:4:5:100",
            "2:2:3:4:5:+1",
            "1:2:3:4:5:6",
            "0:0:0:0:0:0",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
