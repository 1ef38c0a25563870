//! All registers of a processor as text, for the message about a guest that cannot go on.

use std::fmt;

use crate::core::Core;
use crate::regs::{CTR, LR};
use crate::spr_place::{DAR, DSISR, SPRG, SRR0, SRR1};

/// Shows the registers of a processor.
pub(crate) struct Dump<'a>(pub(crate) &'a Core);

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.0;
        writeln!(f, "processor {}: pc {:016x}  {:?}", core.server, core.pc, core.msr())?;
        for row in 0..8u8 {
            for column in 0..4u8 {
                let n = row * 4 + column;
                write!(
                    f,
                    "r{n:<2} {:016x}{}",
                    core.regs[n],
                    if column == 3 { "\n" } else { "  " }
                )?;
            }
        }
        writeln!(
            f,
            "lr  {:016x}  ctr {:016x}  cr {:08x}  xer {:08x}",
            core.regs[LR],
            core.regs[CTR],
            core.regs.cr(),
            core.regs.xer()
        )?;
        writeln!(
            f,
            "srr0 {:016x}  srr1 {:016x}  dar {:016x}  dsisr {:08x}",
            core.regs[SRR0], core.regs[SRR1], core.regs[DAR], core.regs[DSISR]
        )?;
        for n in 0..4 {
            write!(f, "sprg{n} {:016x}  ", core.regs[SPRG + n])?;
        }
        for (n, entry) in core.slb.valid() {
            let (esid, vsid) = (entry.esid(), entry.vsid());
            write!(
                f,
                "\nslb {n:2}: esid {esid:016x} vsid {vsid:x} {:?} {:?}",
                entry.segment(),
                entry.base()
            )?;
        }
        Ok(())
    }
}
