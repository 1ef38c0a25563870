//! `H_READ`: returns entries (LoPAR, Logical Partitioning Option, H_READ).

use power::hcall::{Status, access};

use crate::flags::{self, USAGE_HINTS};
use crate::{Hpte, Port};

/// Real page numbers in entries are the guest's own, so R-XLATE asks for nothing more.
const KNOWN: u64 = access::READ_4 | access::TRANSLATE | USAGE_HINTS;

/// What `H_READ` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// The entry that was named.
    One(Hpte),
    /// The four entries around it.
    Four([Hpte; 4]),
}

impl Port {
    /// `H_READ`: the entry at `ptex`, or with [`access::READ_4`] the four of its aligned block of four. Each
    /// is as it was at one moment; four are not from the same one.
    ///
    /// # Errors
    /// `Parameter` for a `ptex` outside the table and for unknown flags.
    pub fn read(&mut self, flags: u64, ptex: u64) -> Result<Entries, Status> {
        flags::check(flags, KNOWN)?;
        let port = self.begin();
        let at = port.index(ptex)?;
        Ok(if flags & access::READ_4 != 0 {
            Entries::Four(at.block().map(|at| port.table().read(at)))
        } else {
            Entries::One(port.table().read(at))
        })
    }
}

#[cfg(test)]
mod tests {
    use power::page::PagePair;

    use super::*;
    use crate::testing::{Machine, hpte_r, page};

    const SMALL: PagePair = PagePair::ALL[0];

    #[test]
    fn one_entry_or_the_aligned_four_around_it() {
        let machine = Machine::new();
        let ptex = machine.map(page(1, SMALL), SMALL, 0x5000);
        let Ok(Entries::One(entry)) = machine.port().read(access::TRANSLATE, ptex) else {
            panic!("one")
        };
        assert_eq!(entry.r, hpte_r(0x5000, SMALL));
        let Ok(Entries::Four(four)) = machine.port().read(access::READ_4, ptex + 3) else {
            panic!("four")
        };
        assert_eq!(four, [entry, Hpte::default(), Hpte::default(), Hpte::default()]);
    }

    #[test]
    fn bad_arguments_are_refused() {
        let machine = Machine::new();
        assert_eq!(machine.port().read(0, 1 << 14), Err(Status::Parameter));
        assert_eq!(machine.port().read(access::AVPN, 0), Err(Status::Parameter));
        assert_eq!(machine.port().read(1 << 63, 0), Err(Status::Parameter), "another CEC");
    }
}
