//! Random bytes as a guest: whatever it executes, the processor neither panics nor hangs, and reports what stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emulator::{Compile, Cpu, Exit, Line, Outside, Shared, Timebase};
use hpt::{Current, Frames, Notifier, Order, Table};
use power::insn::Opcode;
use power::model::Model;
use power::msr::Msr;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const RAM: u64 = 1 << 20;

/// xorshift64*: a test's numbers must only be the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// An instruction word that is likely to be one: a row of the table with random operands.
    fn word(&mut self) -> u32 {
        let row = Opcode::ALL[self.below(Opcode::ALL.len() as u64) as usize].row();
        match self.below(16) {
            0 => self.next() as u32,
            // sc 1
            1 => 0x4400_0022,
            _ => row.pattern.value | (self.next() as u32 & !row.pattern.mask),
        }
    }
}

/// A device wherever there is no memory.
struct Everywhere;

impl Outside for Everywhere {
    fn is_device(&self, _: u64) -> bool {
        true
    }
}

/// Runs one guest of random code for a millisecond or until it cannot go on; the instructions that it executed.
fn run(seed: u64) -> u64 {
    let mut random = Random(seed | 1);
    let memory = Arc::new(GuestMemoryMmap::from_ranges(&[(GuestAddress(0), RAM as usize)]).expect("a megabyte"));
    let little = random.below(2) == 0;
    for at in (0..RAM).step_by(4) {
        let word = random.word();
        let bytes = if little { word.to_le_bytes() } else { word.to_be_bytes() };
        memory.write_slice(&bytes, GuestAddress(at)).expect("inside");
    }
    let frames = Arc::new(Frames::new(RAM, Notifier::new(std::iter::once(0..RAM).collect())));
    let table = Current::new(Table::new(Order::MIN).expect("256 KiB"));
    let model = Model::ALL[random.below(2) as usize];
    let shared = Shared::of_model(model, memory, frames, table, Timebase::new());
    if random.below(2) == 0 {
        shared.set_outside(Box::new(Everywhere));
    }
    shared.set_lpcr(if little { power::msr::lpcr::ILE } else { 0 });
    let line = Arc::new(Line::default());
    let mut cpu = Cpu::new(0, shared, Arc::clone(&line), Arc::default());
    if random.below(2) == 0 {
        cpu.set_compile(Compile::AtOnce);
    }
    for register in 0..32 {
        let value = if random.below(2) == 0 {
            random.next()
        } else {
            random.below(2 * RAM)
        };
        cpu.set_gpr(register, value);
    }
    // Facilities as they come, calls by `scv` among them.
    cpu.set_spr(153, random.next()).expect("the register is there");
    let little_bit = if little { Msr::LE } else { 0 };
    let mut modes = random.next() & (Msr::EE | Msr::PR | Msr::FP | Msr::VEC | Msr::VSX | Msr::IR | Msr::DR);
    if random.below(4) == 0 {
        // A debugger's interrupts: CIABR, DAWR and DAWRX anywhere, and traces.
        modes |= random.next() & (Msr::SE | Msr::BE);
        for number in [187, 180, 188] {
            cpu.set_spr(number, random.next() % (2 * RAM))
                .expect("the register is there");
        }
    }
    if random.below(4) == 0 {
        // Classes that are denied anything, events and alerts that wait: AMR, IAMR, FSCR, BESCR, EBBHR, MMCR0, PMC1.
        for number in [29, 61, 153, 806, 804, 795, 787] {
            cpu.set_spr(number, random.next()).expect("the register is there");
        }
    }
    cpu.start(
        random.below(RAM) & !3,
        random.next(),
        Msr::from_raw(Msr::SF | Msr::ME | little_bit | modes),
    );
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(1));
            over.store(true, Ordering::Release);
            line.ring();
        });
        loop {
            match cpu.run() {
                Exit::Hypercall => {}
                Exit::Attention if over.load(Ordering::Acquire) => break,
                Exit::Attention => {}
                Exit::Withheld { .. } => panic!("nothing is withheld"),
                Exit::Load { real, bytes } => {
                    assert!(real >= RAM && real.is_multiple_of(bytes as u64));
                    cpu.answer(&random.next().to_ne_bytes()[..bytes]);
                }
                Exit::Store { real, operand } => {
                    assert!(real >= RAM && real.is_multiple_of(operand.as_bytes().len() as u64));
                }
                Exit::Checkstop(why) => {
                    assert!(!why.is_empty() && !cpu.dump().to_string().is_empty());
                    break;
                }
            }
            line.set_external(random.below(16) == 0);
        }
    });
    cpu.instructions()
}

#[test]
fn a_guest_of_random_code_harms_nobody() {
    const GUESTS: u64 = 1000;
    let executed: u64 = (1..=GUESTS).map(|seed| run(seed * 0x9e37_79b9)).sum();
    // They do get somewhere.
    assert!(executed > 10 * GUESTS, "{executed} instructions in all");
}
