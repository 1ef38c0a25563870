//! Commands of a card's driver (virtio 1.2, 5.1.6.5).

use std::io;

use super::filter::{Filter, Table};
use super::transmit::Rest;
use super::{Features, MacAddress};
use crate::virtio::{Chain, Queue};

/// The longest command that is read: two tables of as many addresses as Linux has ever sent.
const LONGEST: usize = 16 << 10;

/// The answers: done, and not.
const OK: u8 = 0;
const ERR: u8 = 1;

/// `VIRTIO_NET_CTRL_RX` and its commands.
const RX: u8 = 0;
const PROMISC: u8 = 0;
const ALLMULTI: u8 = 1;
const ALLUNI: u8 = 2;
const NOMULTI: u8 = 3;
const NOUNI: u8 = 4;
const NOBCAST: u8 = 5;

/// `VIRTIO_NET_CTRL_MAC` and its commands.
const MAC: u8 = 1;
const TABLE_SET: u8 = 0;
const ADDR_SET: u8 = 1;

/// `VIRTIO_NET_CTRL_MQ` and its command.
const MQ: u8 = 4;
const VQ_PAIRS_SET: u8 = 0;

/// What a driver can say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The filter is to be so.
    Filter(Filter),
    /// The address is to be this.
    Mac(MacAddress),
    /// So many pairs of queues are used: 1 to the card's.
    Pairs(usize),
}

/// Takes up to `turn` commands out of `queue`, and has `obey` do what their bytes say; it may refuse.
///
/// # Errors
/// The driver has broken the queue.
pub(super) fn serve(queue: &mut Queue, turn: usize, mut obey: impl FnMut(&[u8]) -> bool) -> io::Result<Rest> {
    let mut rest = Rest::More;
    for _ in 0..turn {
        let Some(chain) = queue.pop()? else {
            rest = Rest::Nothing;
            break;
        };
        if chain.writable() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a command has no room for its answer",
            ));
        }
        let is_done = read(&chain)?.is_some_and(|bytes| obey(&bytes));
        chain
            .write(0, &[if is_done { OK } else { ERR }])
            .map_err(io::Error::other)?;
        queue.push(chain, 1)?;
    }
    queue.signal()?;
    Ok(rest)
}

/// The bytes of a command; `None`: they are too many.
fn read(chain: &Chain) -> io::Result<Option<Vec<u8>>> {
    let length = usize::try_from(chain.readable()).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    chain.read(0, &mut bytes).map_err(io::Error::other)?;
    Ok(Some(bytes))
}

/// What `bytes` say to a card with `filter` and so many `pairs`; `None`: nothing that was agreed on.
pub(super) fn parse(bytes: &[u8], features: Features, pairs: usize, mut filter: Filter) -> Option<Command> {
    let (&[class, command], data) = bytes.split_first_chunk()?;
    let agreed = |feature| features.has(feature).then_some(());
    match class {
        RX => {
            let is_on = *data.first()? != 0;
            agreed(Features::CTRL_RX)?;
            if command > ALLMULTI {
                agreed(Features::CTRL_RX_EXTRA)?;
            }
            *match command {
                PROMISC => &mut filter.is_promiscuous,
                ALLMULTI => &mut filter.all_groups,
                ALLUNI => &mut filter.all_single,
                NOMULTI => &mut filter.no_groups,
                NOUNI => &mut filter.no_single,
                NOBCAST => &mut filter.no_broadcast,
                _ => return None,
            } = is_on;
            Some(Command::Filter(filter))
        }
        MAC => match command {
            TABLE_SET => {
                agreed(Features::CTRL_RX)?;
                let (single, rest) = Table::take(data)?;
                let (groups, _) = Table::take(rest)?;
                Some(Command::Filter(Filter {
                    single,
                    groups,
                    ..filter
                }))
            }
            ADDR_SET => {
                agreed(Features::CTRL_MAC_ADDR)?;
                data.first_chunk().copied().map(MacAddress).map(Command::Mac)
            }
            _ => None,
        },
        MQ if command == VQ_PAIRS_SET => {
            agreed(Features::MQ)?;
            let wanted = u16::from_le_bytes(*data.first_chunk()?).into();
            (1..=pairs).contains(&wanted).then_some(Command::Pairs(wanted))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Features = Features::offered(4, true, true);

    fn said(bytes: &[u8]) -> Option<Command> {
        parse(bytes, ALL, 4, Filter::new())
    }

    #[test]
    fn a_command_is_what_the_specification_says() {
        let quiet = Filter {
            is_promiscuous: false,
            ..Filter::new()
        };
        assert_eq!(said(&[0, 0, 0]), Some(Command::Filter(quiet)));
        let groups = Filter {
            all_groups: true,
            ..Filter::new()
        };
        assert_eq!(said(&[0, 1, 1]), Some(Command::Filter(groups)));
        let mac = MacAddress([2, 3, 4, 5, 6, 7]);
        assert_eq!(said(&[1, 1, 2, 3, 4, 5, 6, 7]), Some(Command::Mac(mac)));
        assert_eq!(said(&[4, 0, 3, 0]), Some(Command::Pairs(3)));
        let empty = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(said(&empty), Some(Command::Filter(Filter::new())));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for wrong in [
            &[][..],
            &[0],
            &[0, 0],
            &[0, 6, 1],
            &[1, 1, 2, 3, 4, 5, 6],
            &[1, 2, 0],
            &[1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 9],
            &[4, 0, 0, 0],
            &[4, 0, 5, 0],
            &[4, 0, 1],
            &[4, 1, 1, 0],
            &[2, 0, 1, 0],
            &[255, 255, 255, 255],
        ] {
            assert_eq!(said(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_was_not_agreed_on_is_refused() {
        let none = Features::from_bits(0);
        for command in [&[0, 0, 1][..], &[0, 2, 1], &[1, 1, 2, 3, 4, 5, 6, 7], &[4, 0, 1, 0]] {
            assert_eq!(parse(command, none, 4, Filter::new()), None, "{command:?}");
        }
        assert_eq!(parse(&[0, 5, 1], Features::CTRL_RX, 4, Filter::new()), None);
    }
}
