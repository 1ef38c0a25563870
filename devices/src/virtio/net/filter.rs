//! Which frames the guest wants (virtio 1.2, 5.1.6.5.1 and 5.1.6.5.2).

use super::MacAddress;

/// Addresses of each kind that are remembered; of more the driver is given all frames of the kind, which it sorts out by itself.
const MOST: usize = 64;

/// Addresses of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    addresses: Vec<MacAddress>,
    /// There were too many.
    is_all: bool,
}

impl Table {
    /// Those of `count` addresses that follow each other in `bytes`, and what comes behind them. `None`: they are not all there.
    pub(super) fn take(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (count, rest) = bytes.split_first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let (addresses, rest) = rest.split_at_checked(count.checked_mul(6)?)?;
        let table = if count > MOST {
            Self {
                addresses: Vec::new(),
                is_all: true,
            }
        } else {
            let (addresses, _) = addresses.as_chunks();
            Self {
                addresses: addresses.iter().copied().map(MacAddress).collect(),
                is_all: false,
            }
        };
        Some((table, rest))
    }

    fn has(&self, address: MacAddress) -> bool {
        self.is_all || self.addresses.contains(&address)
    }
}

/// What of a network reaches the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// All of it.
    pub(super) is_promiscuous: bool,
    /// All that goes to several cards.
    pub(super) all_groups: bool,
    /// All that goes to one.
    pub(super) all_single: bool,
    /// Nothing that goes to several cards but what goes to all.
    pub(super) no_groups: bool,
    /// Nothing that goes to one.
    pub(super) no_single: bool,
    /// Nothing that goes to all.
    pub(super) no_broadcast: bool,
    /// Other cards' addresses that are wanted too.
    pub(super) single: Table,
    /// Groups that are wanted.
    pub(super) groups: Table,
}

impl Filter {
    /// Of a driver that has not said: everything, as it may have no way to say.
    pub(super) fn new() -> Self {
        Self {
            is_promiscuous: true,
            all_groups: false,
            all_single: false,
            no_groups: false,
            no_single: false,
            no_broadcast: false,
            single: Table::default(),
            groups: Table::default(),
        }
    }

    /// Whether a frame to `to` is wanted by the card whose address is `own`.
    pub(super) fn wants(&self, to: MacAddress, own: MacAddress) -> bool {
        if self.is_promiscuous {
            return true;
        }
        if to == MacAddress::BROADCAST {
            !self.no_broadcast
        } else if to.is_group() {
            !self.no_groups && (self.all_groups || self.groups.has(to))
        } else {
            !self.no_single && (self.all_single || to == own || self.single.has(to))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
    const GROUP: MacAddress = MacAddress([0x33, 0x33, 0, 0, 0, 1]);

    fn quiet() -> Filter {
        Filter {
            is_promiscuous: false,
            ..Filter::new()
        }
    }

    fn wanted(filter: &Filter) -> [bool; 4] {
        [OWN, OTHER, GROUP, MacAddress::BROADCAST].map(|to| filter.wants(to, OWN))
    }

    fn table(addresses: &[MacAddress]) -> Table {
        let mut bytes = (addresses.len() as u32).to_le_bytes().to_vec();
        bytes.extend(addresses.iter().flat_map(|address| address.0));
        Table::take(&bytes).unwrap().0
    }

    #[test]
    fn a_card_wants_what_it_was_told_to() {
        assert_eq!(wanted(&Filter::new()), [true; 4]);
        assert_eq!(wanted(&quiet()), [true, false, false, true]);
        assert_eq!(
            wanted(&Filter {
                all_single: true,
                ..quiet()
            }),
            [true, true, false, true]
        );
        assert_eq!(
            wanted(&Filter {
                all_groups: true,
                ..quiet()
            }),
            [true, false, true, true]
        );
        assert_eq!(
            wanted(&Filter {
                no_single: true,
                all_groups: true,
                ..quiet()
            }),
            [false, false, true, true]
        );
        assert_eq!(
            wanted(&Filter {
                no_groups: true,
                all_groups: true,
                ..quiet()
            }),
            [true, false, false, true]
        );
        assert_eq!(
            wanted(&Filter {
                no_broadcast: true,
                ..quiet()
            }),
            [true, false, false, false]
        );
        assert_eq!(
            wanted(&Filter {
                single: table(&[OTHER]),
                groups: table(&[GROUP]),
                ..quiet()
            }),
            [true; 4]
        );
    }

    #[test]
    fn more_addresses_than_there_is_room_for_are_all_there_are() {
        let many = vec![MacAddress([4, 0, 0, 0, 0, 9]); MOST + 1];
        assert_eq!(
            wanted(&Filter {
                single: table(&many),
                ..quiet()
            }),
            [true, true, false, true]
        );
        assert_eq!(
            wanted(&Filter {
                single: table(&many[..MOST]),
                ..quiet()
            }),
            [true, false, false, true]
        );
    }

    #[test]
    fn a_table_that_is_cut_off_is_none() {
        assert_eq!(Table::take(&[]), None);
        assert_eq!(Table::take(&[1, 0, 0, 0, 9, 9, 9, 9, 9]), None);
        assert_eq!(Table::take(&[0xff; 40]), None);
        assert_eq!(Table::take(&[0, 0, 0, 0, 7]), Some((Table::default(), &[7][..])));
    }
}
