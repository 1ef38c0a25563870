//! Atomic memory operations: `lwat`, `ldat`, `stwat`, `stdat` (Power ISA v3.0B, Book II, 4.5).
//!
//! | function | operands in memory | in one step |
//! |---|---|---|
//! | arithmetic, logic, extremes, swap, compare and swap | the one at EA | always |
//! | fetch and increment or decrement within a bound, store twin | that at EA and its neighbour | if both are in one aligned quadword |
//!
//! Neighbours in two quadwords are accessed one after the other: `CAVEATS.md` says so. An operand that is not aligned to its size, or
//! neighbours in two blocks of 32 bytes, are alignment interrupts; a function that there is none of is a data storage interrupt.

use hpt::Access;
use power::insn::{Opcode, Word};
use power::msr::storage_fault;

use crate::alignment;
use crate::core::Core;
use crate::fault::Fault;
use crate::ram::Scalar;
use crate::regs::Reg;
use crate::system;
use crate::trap::Trap;

type Handler = fn(&mut Core, Word) -> Result<(), Fault>;

/// The function for an instruction of this kind.
pub(crate) fn handler(opcode: Opcode) -> Option<Handler> {
    Some(match opcode {
        Opcode::Lwat => load::<u32>,
        Opcode::Ldat => load::<u64>,
        Opcode::Stwat => store::<u32>,
        Opcode::Stdat => store::<u64>,
        _ => return None,
    })
}

/// Bytes of the blocks that all operands are in.
const BLOCK: u64 = 32;
/// Bytes that can be exchanged in one step.
const QUADWORD: u64 = 16;

/// What becomes of the one operand in memory.
type Simple<T> = fn(memory: T, source: T) -> T;

/// Functions of one operand that loads and stores share.
fn simple<T: Scalar>(function: usize) -> Option<Simple<T>> {
    Some(match function {
        0 => |memory, source| T::truncate(memory.into().wrapping_add(source.into())),
        1 => |memory, source| T::truncate(memory.into() ^ source.into()),
        2 => |memory, source| T::truncate(memory.into() | source.into()),
        3 => |memory, source| T::truncate(memory.into() & source.into()),
        4 => |memory, source| if source.into() > memory.into() { source } else { memory },
        5 => |memory, source| {
            if signed(source) > signed(memory) {
                source
            } else {
                memory
            }
        },
        6 => |memory, source| if source.into() < memory.into() { source } else { memory },
        7 => |memory, source| {
            if signed(source) < signed(memory) {
                source
            } else {
                memory
            }
        },
        _ => return None,
    })
}

/// Functions of a load.
const SWAP: usize = 8;
const COMPARE_AND_SWAP_NOT_EQUAL: usize = 16;
const INCREMENT_BOUNDED: usize = 24;
const INCREMENT_EQUAL: usize = 25;
const DECREMENT_BOUNDED: usize = 28;
/// A function of a store.
const STORE_TWIN: usize = 24;

/// As a signed number, shifted up: the order is the same.
fn signed<T: Scalar>(value: T) -> i64 {
    (value.into() << (64 - 8 * T::BYTES)) as i64
}

/// The effective address.
fn address(core: &Core, word: Word) -> u64 {
    system::base(core, word) & core.pc_mask
}

/// A source register, `after` the one that the word names.
fn source<T: Scalar>(core: &Core, word: Word, after: usize) -> T {
    T::truncate(core.regs[((word.rt() + after) % 32) as Reg])
}

/// The real address of `bytes` bytes from `first` on, which hold the operand at `ea`.
fn real<T: Scalar>(core: &mut Core, word: Word, ea: u64, first: u64, bytes: u64) -> Result<u64, Fault> {
    let is_in_a_block = first / BLOCK == first.wrapping_add(bytes - 1) / BLOCK;
    if !ea.is_multiple_of(T::BYTES) || !is_in_a_block {
        return alignment::interrupt(core, word, ea);
    }
    // A load as well as a store: a class may be denied either. Whatever is wrong, is said of a store.
    access(core, first, bytes, Access::Load).inspect_err(|_| {
        if let Some(Trap::DataStorage { dsisr, .. }) = &mut core.trap {
            *dsisr |= storage_fault::STORE;
        }
    })?;
    access(core, first, bytes, Access::Store)
}

/// The real address of bytes of one page that may be accessed so.
fn access(core: &mut Core, first: u64, bytes: u64, access: Access) -> Result<u64, Fault> {
    let known = match access {
        Access::Store => core.tlb.store(core.data, first, 1),
        _ => core.tlb.load(core.data, first, 1),
    };
    let real = match known {
        Some(real) => real,
        None => core.translate_memory(first, access)?,
    };
    core.check_watchpoint(first, bytes, access)?;
    Ok(real)
}

fn no_function<T>(core: &mut Core, dar: u64) -> Result<T, Fault> {
    core.raise(Trap::DataStorage {
        dar,
        dsisr: storage_fault::ATOMIC_FUNCTION,
    })
}

/// Replaces the operand at `ea` by what `change` makes of it; what it was.
fn update<T: Scalar + PartialEq>(core: &mut Core, word: Word, ea: u64, change: impl Fn(T) -> T) -> Result<T, Fault> {
    let real = real::<T>(core, word, ea, ea, T::BYTES)?;
    let little = core.mode().is_little();
    loop {
        let Some(seen) = core.ram.load::<T>(real) else {
            return core.raise(Trap::MachineCheck { dar: ea });
        };
        let old = seen.to_order(little);
        if core.ram.exchange(real, seen, change(old).to_order(little)) == Some(true) {
            return Ok(old);
        }
    }
}

/// Two operands, the one of the lower address first.
type Pair<T> = [T; 2];

/// How far from the low end of a quadword, as the host would hold it, the operand is that stands `at` bytes after its first.
const fn shift<T: Scalar>(at: u64) -> u64 {
    if cfg!(target_endian = "little") {
        8 * at
    } else {
        8 * (QUADWORD - T::BYTES - at)
    }
}

/// Replaces the pair of operands from `first` on by what `change` makes of them; what they were.
fn update_pair<T: Scalar + PartialEq>(
    core: &mut Core,
    word: Word,
    [ea, first]: [u64; 2],
    change: impl Fn(Pair<T>) -> Pair<T>,
) -> Result<Pair<T>, Fault> {
    let real = real::<T>(core, word, ea, first, 2 * T::BYTES)?;
    let machine_check = Trap::MachineCheck { dar: ea };
    let little = core.mode().is_little();
    let in_quadword = real % QUADWORD;
    loop {
        if in_quadword + 2 * T::BYTES <= QUADWORD {
            let Some(seen) = core.ram.load_quad(real) else {
                return core.raise(machine_check);
            };
            let shifts = [0, 1].map(|n| shift::<T>(in_quadword + n * T::BYTES));
            let old = shifts.map(|shift| T::truncate((seen >> shift) as u64).to_order(little));
            let new = change(old).map(|value| u128::from(value.to_order(little).into()));
            let mask = (1 << (8 * T::BYTES)) - 1;
            let pairs = shifts.into_iter().zip(new);
            let new = pairs.fold(seen, |quad, (shift, new)| quad & !(mask << shift) | new << shift);
            if core.ram.exchange_quad(real, seen, new) == Some(true) {
                return Ok(old);
            }
            continue;
        }
        let places = [real, real + T::BYTES];
        let (Some(one), Some(other)) = (core.ram.load::<T>(places[0]), core.ram.load::<T>(places[1])) else {
            return core.raise(machine_check);
        };
        let seen = [one, other];
        let old = seen.map(|value| value.to_order(little));
        let new = change(old).map(|value| value.to_order(little));
        let mut changed = (0..2).filter(|&n| seen[n] != new[n]);
        if changed.all(|n| core.ram.exchange(places[n], seen[n], new[n]) == Some(true)) {
            return Ok(old);
        }
    }
}

/// `lwat`, `ldat`: RT is what was in memory; the sources are the registers after it.
fn load<T: Scalar + PartialEq>(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    let (one, two) = (source::<T>(core, word, 1), source::<T>(core, word, 2));
    let step = |value: T, by: i64| T::truncate(value.into().wrapping_add_signed(by));
    let old: T = match word.rb() {
        SWAP => update(core, word, ea, |_| one)?,
        COMPARE_AND_SWAP_NOT_EQUAL => update(core, word, ea, |memory| if memory == one { memory } else { two })?,
        function @ (INCREMENT_BOUNDED | INCREMENT_EQUAL) => {
            let steps = |[at, bound]: Pair<T>| (at == bound) == (function == INCREMENT_EQUAL);
            let old = update_pair(core, word, [ea, ea], |pair| {
                if steps(pair) { [step(pair[0], 1), pair[1]] } else { pair }
            })?;
            if steps(old) { old[0] } else { least() }
        }
        DECREMENT_BOUNDED => {
            let first = ea.wrapping_sub(T::BYTES);
            let old = update_pair(core, word, [ea, first], |[bound, at]| {
                [bound, if at == bound { at } else { step(at, -1) }]
            })?;
            if old[0] == old[1] { least() } else { old[1] }
        }
        function => match simple::<T>(function) {
            Some(change) => update(core, word, ea, |memory| change(memory, one))?,
            None => return no_function(core, ea),
        },
    };
    core.regs[word.rt() as Reg] = old.into();
    Ok(())
}

/// What RT holds when a bound was reached: the least signed number.
fn least<T: Scalar>() -> T {
    T::truncate(1 << (8 * T::BYTES - 1))
}

/// `stwat`, `stdat`.
fn store<T: Scalar + PartialEq>(core: &mut Core, word: Word) -> Result<(), Fault> {
    let ea = address(core, word);
    let value = source::<T>(core, word, 0);
    match word.rb() {
        STORE_TWIN => {
            update_pair(
                core,
                word,
                [ea, ea],
                |pair| if pair[0] == pair[1] { [value; 2] } else { pair },
            )?;
        }
        function => match simple::<T>(function) {
            Some(change) => {
                update(core, word, ea, |memory| change(memory, value))?;
            }
            None => return no_function(core, ea),
        },
    }
    Ok(())
}
