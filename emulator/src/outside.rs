//! Loads and stores of devices' registers, which are at real addresses outside of memory.
//!
//! The processor does none itself. It leaves at the instruction, of which nothing has been done; whoever runs it has the device
//! load or store, and the instruction is executed again, with a *journal* of what the devices have answered:
//!
//! | step | what |
//! |---|---|
//! | 1 | an access finds no memory, but a device ([`Outside`]), and nothing in the journal: [`Exit::Load`](crate::Exit::Load) or [`Exit::Store`](crate::Exit::Store) |
//! | 2 | who runs the processor lets the device answer, and hands a load's bytes over ([`Cpu::answer`](crate::Cpu::answer)) |
//! | 3 | the instruction alone is executed again; no interrupt comes before it. Each access to a device takes its answer from the journal, in order; one that is not there is step 1 again |
//! | 4 | the instruction has completed, or ends with an interrupt: the journal is void |
//!
//! So a device sees each access once, though a vector is several. What an instruction does to memory it does in the last execution: none
//! accesses devices after it has stored to memory. If the page has another translation in step 3, an answer is of
//! no use to anybody, as after an access that was made ahead.
//!
//! As on POWER8, where devices' storage is not cached (Power ISA v2.07B, Book III-S, 6.5.3 and 6.5.8), an access must be aligned to its
//! size, of 1, 2, 4 or 8 bytes; of vectors each element, or each half, is an access. Anything else there is an interrupt:
//!
//! | instruction | interrupt |
//! |---|---|
//! | accesses that are not aligned; multiples, strings, accesses with a length; `dcbz` | alignment |
//! | reservations, store-conditionals, `lq`, `stq`, atomic operations, `copy`, `paste.` | data storage, with DSISR\[37\] |

use hpt::Access;
use power::insn::Word;
use power::msr::storage_fault;

use crate::alignment;
use crate::core::Core;
use crate::fault::Fault;
use crate::ram::Scalar;
use crate::trap::Trap;

/// Most accesses to devices that an instruction makes: a vector of four words.
const MOST: usize = 4;

/// Bytes of the longest access.
const LONGEST: usize = 8;

/// Where devices are, as processors ask it.
pub trait Outside: Send + Sync {
    /// Whether a device may be at `real`, which is no memory. Asked by processors in their seats, at each access: so it waits for nobody.
    /// What is answered may be out of date when the access is made.
    fn is_device(&self, real: u64) -> bool;
}

/// What a load has found at a device, or a store has for it: 1, 2, 4 or 8 bytes in the order of their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    bytes: [u8; LONGEST],
    len: u8,
}

impl Operand {
    /// These bytes.
    ///
    /// # Panics
    /// When they are more than 8.
    pub fn new(bytes: &[u8]) -> Self {
        let mut operand = Self {
            bytes: [0; LONGEST],
            len: bytes.len() as u8,
        };
        operand.bytes[..bytes.len()].copy_from_slice(bytes);
        operand
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn of<T: Scalar>(value: T) -> Self {
        Self {
            bytes: value.to_memory(),
            len: T::BYTES as u8,
        }
    }
}

/// An access to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// So many bytes at this real address.
    Load(u64, u8),
    /// These.
    Store(u64, Operand),
}

/// What keeps an instruction from being executed, and is no interrupt, or none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Memory that is withheld: its real address, and what the instruction would do there.
    Memory { real: u64, access: Access },
    /// A device's answer, which the journal says more about.
    Device(Asked),
    /// Software that does the access in pieces that a device takes: an alignment interrupt, for whose DSISR the instruction is needed.
    Pieces { ea: u64 },
}

/// The accesses to devices of one instruction that have been answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    answered: [Option<(Asked, Operand)>; MOST],
    /// Of them the instruction has come across so many again.
    met: usize,
    /// The one that is being answered.
    asked: Option<Asked>,
}

impl Journal {
    /// The processor goes on. Whether it executes an instruction again.
    pub(crate) fn begin(&mut self) -> bool {
        // A store is done. A load without an answer is asked for again.
        if let Some(store @ Asked::Store(_, operand)) = self.asked.take() {
            self.note(store, operand);
        }
        self.met = 0;
        self.answered[0].is_some()
    }

    /// The instruction is over.
    pub(crate) fn void(&mut self) {
        *self = Self::default();
    }

    /// What the device has for the load that was asked for.
    ///
    /// # Panics
    /// When no load of so many bytes was asked for.
    pub(crate) fn answer(&mut self, bytes: &[u8]) {
        let asked = self.asked.take();
        match asked {
            Some(load @ Asked::Load(_, len)) if usize::from(len) == bytes.len() => self.note(load, Operand::new(bytes)),
            _ => panic!("{} bytes for {asked:?}", bytes.len()),
        }
    }

    fn note(&mut self, asked: Asked, operand: Operand) {
        if let Some(free) = self.answered.iter_mut().find(|answered| answered.is_none()) {
            *free = Some((asked, operand));
        }
    }

    /// The answer to the instruction's next access, which is at `ea`.
    fn next(&mut self, ea: u64, asked: Asked) -> Result<Operand, Need> {
        match self.answered.get(self.met) {
            Some(&Some((same, operand))) if same == asked => {
                self.met += 1;
                Ok(operand)
            }
            // Another access than the last time: what was answered from here on is of no use.
            Some(_) => {
                self.answered[self.met..].fill(None);
                self.asked = Some(asked);
                Err(Need::Device(asked))
            }
            // No instruction makes more, unless the table changed while it was executed: multiples have been found to be in memory.
            None => Err(Need::Pieces { ea }),
        }
    }
}

impl Core {
    /// Whether a real address that was translated is no memory, and so a device's.
    #[inline]
    pub(crate) fn is_outside(&self, real: u64) -> bool {
        real >= self.ram.bytes()
    }

    /// Loads an integer from a device, in the host's byte order. `real` is aligned.
    #[cold]
    pub(crate) fn load_outside<T: Scalar>(&mut self, ea: u64, real: u64) -> Result<T, Fault> {
        match self.journal.next(ea, Asked::Load(real, T::BYTES as u8)) {
            Ok(operand) => Ok(T::from_memory(operand.bytes)),
            Err(need) => self.needs(need),
        }
    }

    /// Stores an integer, which is in the host's byte order, to a device. `real` is aligned.
    #[cold]
    pub(crate) fn store_outside<T: Scalar>(&mut self, ea: u64, real: u64, value: T) -> Result<(), Fault> {
        match self.journal.next(ea, Asked::Store(real, Operand::of(value))) {
            Ok(_) => Ok(()),
            Err(need) => self.needs(need),
        }
    }

    /// Ends an access at `ea` that no device takes as a whole.
    #[cold]
    pub(crate) fn needs_pieces<T>(&mut self, ea: u64) -> Result<T, Fault> {
        self.needs(Need::Pieces { ea })
    }

    fn needs<T>(&mut self, need: Need) -> Result<T, Fault> {
        self.need = Some(need);
        Err(Fault)
    }

    /// The real address of memory for an instruction that must be in memory.
    #[cold]
    #[inline(never)]
    pub(crate) fn translate_memory(&mut self, ea: u64, access: Access) -> Result<u64, Fault> {
        let real = self.translate_data(ea, access)?;
        if !self.is_outside(real) {
            return Ok(real);
        }
        let store = if access == Access::Store {
            storage_fault::STORE
        } else {
            0
        };
        self.raise(Trap::DataStorage {
            dar: ea,
            dsisr: storage_fault::INHIBITED | store,
        })
    }

    /// The interrupt of the instruction at `pc`, whose operand at `ea` is to be accessed in pieces.
    pub(crate) fn in_pieces(&self, pc: u64, ea: u64) -> Trap {
        // It was fetched, unless its translation has gone in the meantime.
        let real = self.fetch.get(pc);
        let word = real.and_then(|real| self.ram.load::<u32>(real));
        let word = Word(word.unwrap_or(0).to_order(self.mode().is_little()));
        let dsisr = alignment::description(word);
        Trap::Alignment { dar: ea, dsisr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EA: u64 = 0x2000_0000;

    fn answered(journal: &mut Journal, asked: Asked, bytes: &[u8]) {
        assert_eq!(journal.next(EA, asked), Err(Need::Device(asked)));
        journal.answer(bytes);
    }

    #[test]
    fn answers_are_taken_in_the_order_of_the_accesses() {
        let mut journal = Journal::default();
        assert!(!journal.begin());
        let loads = [0, 8, 16, 24].map(|at| Asked::Load(0x1000 + at, 8));
        for (n, &load) in loads.iter().enumerate() {
            for (m, &before) in loads[..n].iter().enumerate() {
                assert_eq!(journal.next(EA, before), Ok(Operand::new(&[m as u8; 8])));
            }
            answered(&mut journal, load, &[n as u8; 8]);
            assert!(journal.begin());
        }
        let in_order = loads.map(|load| journal.next(EA, load).map(|operand| operand.as_bytes()[0]));
        assert_eq!(in_order, [0, 1, 2, 3].map(Ok));
        let fifth = Asked::Load(0x1020, 8);
        assert_eq!(
            journal.next(EA, fifth),
            Err(Need::Pieces { ea: EA }),
            "there is no room"
        );
        assert!(journal.begin());
        assert_eq!(journal.next(EA, loads[0]), Ok(Operand::new(&[0; 8])));
        journal.void();
        assert!(!journal.begin(), "the instruction is over");
        assert_eq!(journal.next(EA, loads[0]), Err(Need::Device(loads[0])));
    }

    #[test]
    fn a_store_is_done_when_the_processor_goes_on() {
        let mut journal = Journal::default();
        let store = Asked::Store(0x1000, Operand::new(&[1, 2]));
        assert_eq!(journal.next(EA, store), Err(Need::Device(store)));
        assert!(journal.begin());
        assert!(journal.next(EA, store).is_ok());
    }

    #[test]
    fn a_load_that_nobody_answers_is_asked_for_again() {
        let mut journal = Journal::default();
        let load = Asked::Load(0x1000, 4);
        assert_eq!(journal.next(EA, load), Err(Need::Device(load)));
        assert!(!journal.begin());
        assert_eq!(journal.next(EA, load), Err(Need::Device(load)));
    }

    #[test]
    fn answers_to_other_accesses_are_of_no_use() {
        let mut journal = Journal::default();
        let (one, two) = (Asked::Load(0x1000, 4), Asked::Load(0x1004, 4));
        answered(&mut journal, one, &[1; 4]);
        journal.begin();
        assert!(journal.next(EA, one).is_ok());
        answered(&mut journal, two, &[2; 4]);
        assert!(journal.begin());
        // It is somewhere else now.
        let other = Asked::Load(0x2000, 4);
        assert_eq!(journal.next(EA, other), Err(Need::Device(other)));
        journal.answer(&[3; 4]);
        assert!(journal.begin());
        assert_eq!(journal.next(EA, other), Ok(Operand::new(&[3; 4])));
        assert_eq!(journal.next(EA, two), Err(Need::Device(two)), "it came after the other");
    }
}
