//! Which BAR is at a bus address. The guest's to choose: it may put BARs anywhere, also over one another; then the device with the lowest
//! number has the access, and of its BARs the one with the lowest number.

use super::bar::Decoder;
use super::windows::{SPACES, Space};

/// A BAR that decodes.
#[derive(Debug)]
struct Route {
    device: u8,
    decoder: Decoder,
    /// Its bus address.
    at: u64,
}

/// All BARs that decode, by device and number.
#[derive(Debug, Default)]
pub(super) struct Routes(Vec<Route>);

/// Whose an access is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Number of the device.
    pub(super) device: u8,
    /// Number of its BAR.
    pub(super) bar: usize,
    /// Offset there.
    pub(super) offset: u64,
}

impl Routes {
    /// `device` decodes these now, and no others.
    pub(super) fn replace(&mut self, device: u8, decoded: &[(Decoder, u64)]) {
        self.0.retain(|route| route.device != device);
        let place = self.0.partition_point(|route| route.device < device);
        let routes = decoded.iter().map(|&(decoder, at)| Route { device, decoder, at });
        self.0.splice(place..place, routes);
    }

    /// Whose `bytes` bytes at bus address `at` are, all of them. There are I/O addresses and memory addresses: a BAR in memory decodes
    /// whichever window it is reached by.
    pub(super) fn find(&self, space: Space, at: u64, bytes: u64) -> Option<Target> {
        let is_io = |space| space == Space::Io;
        let fits = |route: &&Route| {
            let bar = route.decoder.bar;
            let end = at.checked_sub(route.at).and_then(|offset| offset.checked_add(bytes));
            is_io(bar.space) == is_io(space) && end.is_some_and(|end| end <= bar.bytes)
        };
        self.0.iter().find(fits).map(|route| Target {
            device: route.device,
            bar: route.decoder.number,
            offset: at - route.at,
        })
    }

    /// The real address that leads to `target`, if one does: its BAR decodes, in one of the bridge's windows, and no other BAR has the address.
    pub(super) fn real(&self, target: Target) -> Option<u64> {
        let is_its = |route: &&Route| (route.device, route.decoder.number) == (target.device, target.bar);
        let at = self.0.iter().find(is_its)?.at.checked_add(target.offset)?;
        let leads_there = |space: &Space| self.find(*space, at, 1) == Some(target);
        SPACES
            .into_iter()
            .filter(leads_there)
            .find_map(|space| space.window().real_of(at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Bar;
    use super::*;

    fn decoder(number: usize, space: Space, bytes: u64) -> Decoder {
        let bar = Bar { bytes, space };
        Decoder { number, bar }
    }

    fn found(routes: &Routes, space: Space, at: u64, bytes: u64) -> Option<(u8, usize, u64)> {
        let target = routes.find(space, at, bytes)?;
        Some((target.device, target.bar, target.offset))
    }

    #[test]
    fn an_access_belongs_to_who_has_all_of_it() {
        let mut routes = Routes::default();
        routes.replace(3, &[(decoder(1, Space::Memory32, 0x1000), 0x8000_0000)]);
        let at = |at, bytes| found(&routes, Space::Memory32, at, bytes);
        assert_eq!(at(0x8000_0ffc, 4), Some((3, 1, 0xffc)));
        assert_eq!(at(0x8000_0ffe, 4), None);
        assert_eq!(at(0x7fff_fffe, 4), None);
        assert_eq!(at(u64::MAX, 8), None);
        assert_eq!(found(&routes, Space::Io, 0x8000_0000, 4), None);
    }

    #[test]
    fn of_bars_over_one_another_the_lowest_device_and_number_has_the_access() {
        let mut routes = Routes::default();
        let wide = |number| (decoder(number, Space::Memory64, 0x2000), 0x8000_0000);
        routes.replace(7, &[wide(0)]);
        routes.replace(2, &[(decoder(0, Space::Memory32, 0x1000), 0x8000_1000), wide(4)]);
        let at = |routes: &Routes, at| found(routes, Space::Memory32, at, 4);
        assert_eq!(at(&routes, 0x8000_1000), Some((2, 0, 0)));
        assert_eq!(at(&routes, 0x8000_0000), Some((2, 4, 0)));
        routes.replace(2, &[]);
        assert_eq!(at(&routes, 0x8000_1000), Some((7, 0, 0x1000)));
    }
}
