//! What stands in a table, in numbers: how full its groups are, with entries of which sizes, and where they lie.
//!
//! Counted without a lock while the table changes, each entry as it is at one moment.

use power::hpte::{HPTES_PER_GROUP, HpteR, HpteV};
use power::page::PagePair;

use crate::sync::{Ordering, fence};
use crate::table::load;
use crate::{Order, Table};

/// What stands in a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// The table's size.
    pub order: Order,
    /// Entries that the table has room for.
    pub entries: u64,
    /// Valid entries.
    pub valid: u64,
    /// Of them, those that the guest has marked as bolted.
    pub bolted: u64,
    /// Of the valid ones, those in the group of the secondary hash.
    pub secondary: u64,
    /// Groups with 0 to 8 valid entries.
    pub groups_by_occupancy: [u64; HPTES_PER_GROUP as usize + 1],
    /// Valid entries by base and actual page size; every pair, also those without entries.
    pub by_size: Vec<(PagePair, u64)>,
    /// Share of valid entries (0 to 1) in each of equal parts of the table, in the order of the groups.
    pub heat: Vec<f32>,
}

impl Table {
    /// Looks at every entry; the heat is that of `cells` parts of the table, or of each group if these are fewer.
    pub fn survey(&self, cells: usize) -> Survey {
        let groups = self.entries() / HPTES_PER_GROUP;
        let cells = (cells.max(1) as u64).min(groups);
        let mut survey = Survey {
            order: self.order(),
            entries: self.entries(),
            valid: 0,
            bolted: 0,
            secondary: 0,
            groups_by_occupancy: Default::default(),
            by_size: PagePair::ALL.map(|pair| (pair, 0)).to_vec(),
            heat: Vec::with_capacity(cells as usize),
        };
        for cell in 0..cells {
            // Every group in one cell, whatever their number.
            let part = groups * cell / cells..groups * (cell + 1) / cells;
            let room = (part.end - part.start) * HPTES_PER_GROUP;
            let valid: u64 = part.map(|group| self.count_group(group, &mut survey)).sum();
            survey.heat.push(valid as f32 / room as f32);
        }
        survey
    }

    /// Adds the entries of `group` to `survey`; how many are valid.
    fn count_group(&self, group: u64, survey: &mut Survey) -> u64 {
        let first = (group * HPTES_PER_GROUP) as usize;
        let mut valid = 0;
        for at in first..first + HPTES_PER_GROUP as usize {
            let v = HpteV::from_raw(load(self.v_at(at)));
            if !v.is_valid() {
                continue;
            }
            // As R2. A later doubleword 1 does no harm: a count may be of either entry.
            fence(Ordering::Acquire);
            let r = HpteR::from_raw(load(self.r_at(at)));
            valid += 1;
            survey.bolted += u64::from(v.is_bolted());
            survey.secondary += u64::from(v.is_secondary());
            let pair = PagePair::decode(v.is_large(), r.lp());
            if let Some((_, count)) = survey.by_size.iter_mut().find(|(size, _)| Some(*size) == pair) {
                *count += 1;
            }
        }
        survey.valid += valid;
        survey.groups_by_occupancy[valid as usize] += 1;
        valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Machine, page, r, v};

    const SMALL: PagePair = PagePair::ALL[0];
    const MIDDLE: PagePair = PagePair::ALL[3];

    #[test]
    fn an_empty_table_is_cold() {
        let survey = Machine::new().hpt.table().survey(4);
        assert_eq!((survey.entries, survey.valid), (1 << 14, 0));
        assert_eq!(survey.groups_by_occupancy[0], 1 << 11);
        assert_eq!(survey.heat, [0.0; 4]);
    }

    #[test]
    fn every_entry_is_counted_by_all_that_it_is() {
        let machine = Machine::new();
        let mut port = machine.port();
        let plain = v(page(1, SMALL), SMALL);
        for (ptex, v, pair) in [
            (0, plain | HpteV::BOLTED, SMALL),
            (0, plain | 2, SMALL),
            (8, v(page(1, MIDDLE), MIDDLE), MIDDLE),
            ((1 << 14) - 8, plain, SMALL),
        ] {
            port.enter(0, ptex, v, r(0x1_0000, pair)).unwrap();
        }
        let survey = machine.hpt.table().survey(1 << 10);
        assert_eq!((survey.valid, survey.bolted, survey.secondary), (4, 1, 1));
        assert_eq!(survey.groups_by_occupancy[..3], [(1 << 11) - 3, 2, 1]);
        for (pair, count) in survey.by_size {
            let expected = [(SMALL, 3), (MIDDLE, 1)].into_iter().find(|(size, _)| *size == pair);
            assert_eq!(count, expected.map_or(0, |(_, count)| count), "{pair:?}");
        }
        // Two groups a cell.
        assert_eq!(survey.heat.len(), 1 << 10);
        assert_eq!((survey.heat[0], survey.heat[1023]), (3.0 / 16.0, 1.0 / 16.0));
    }

    #[test]
    fn cells_need_not_divide_the_groups() {
        let machine = Machine::new();
        machine.map(page(1, SMALL), SMALL, 0x5000);
        let table = machine.hpt.table();
        assert_eq!(table.survey(0).heat.len(), 1);
        assert_eq!(table.survey(7).heat.iter().filter(|&&heat| heat > 0.0).count(), 1);
        assert_eq!(table.survey(1 << 20).heat.len(), 1 << 11);
    }
}
