//! Machine code that goes round and round: who rings, the end of a turn, and the decrementer end it, where they end the interpreter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use emulator::{Compile, Cpu, Exit, Line, Timebase};
use power::insn::{Endian, assemble};
use power::model::Model;
use power::msr::Msr;

use crate::machine::Machine;

/// Close to the end of its page.
const PROGRAM: u64 = 0x8ff0;
const DECREMENTER: u64 = 0x900;
const SRR0: u16 = 26;
const DEC: u16 = 22;

/// Loops without an end: of one instruction, of more, over two pages, through a register, and with what is called.
const LOOPS: [&str; 5] = [
    "b .",
    "addi 5,5,1; std 5,0(4); b .-8",
    "again: addi 5,5,1; cmpdi 5,0; beq again; nop; nop; addi 6,6,1; b again",
    "lis 7,again@ha; addi 7,7,again@l; again: addi 5,5,1; mtctr 7; bctr",
    "again: lwarx 5,0,4; addi 5,5,1; stwcx. 5,0,4; bl next; next: bne again; b again",
];

struct World {
    machine: Machine,
    cpu: Cpu,
    line: Arc<Line>,
}

impl World {
    fn new(compile: Compile, text: &str, msr: u64) -> Self {
        let machine = Machine::with_clock(Model::Power8, 0x2_0000, Timebase::counted());
        machine.stop_at_vectors(false);
        let program = assemble(text, PROGRAM, Endian::Big).expect("the program is well-formed");
        machine.write(PROGRAM, &program.bytes);
        let (mut cpu, line) = machine.cpu(0);
        cpu.set_compile(compile);
        cpu.set_gpr(4, 0x1_0000);
        cpu.start(PROGRAM, 0, Msr::from_raw(Msr::SF | Msr::ME | msr));
        Self { machine, cpu, line }
    }
}

#[test]
fn a_turn_ends_where_that_of_the_interpreter_ends() {
    for text in LOOPS {
        let [expected, found, hot] = [Compile::Never, Compile::AtOnce, Compile::Hot(1)].map(|compile| {
            let mut world = World::new(compile, text, 0);
            [1, 2, 63, 64, 500, 16384, 100_000].map(|length| {
                world.cpu.begin_turn(length);
                assert_eq!((world.cpu.run(), world.cpu.is_turn_over()), (Exit::Attention, true));
                let registers = [4, 5, 6, 7].map(|n| world.cpu.gpr(n));
                (world.cpu.pc(), world.cpu.instructions(), registers)
            })
        });
        assert_eq!(found, expected, "{text}");
        assert_eq!(hot, expected, "{text}");
    }
}

#[test]
fn the_decrementer_interrupts_where_it_interrupts_the_interpreter() {
    for text in LOOPS {
        let [expected, found] = [Compile::Never, Compile::AtOnce].map(|compile| {
            let mut world = World::new(compile, text, Msr::EE);
            world.cpu.set_spr(DEC, 1_000_000).expect("the register is there");
            assert_eq!(world.cpu.run(), Exit::Hypercall, "{text}");
            assert_eq!(world.cpu.pc(), DECREMENTER + 4, "{text}");
            (world.cpu.spr(SRR0), world.cpu.instructions(), world.cpu.gpr(5))
        });
        assert_eq!(found, expected, "{text}");
        assert!((1_000_000..1_020_000).contains(&found.1), "{text}: {found:?}");
    }
}

/// Nobody has to wait for the guest any more, however its run has ended.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The guest says that it is about to enter its loop, and is rung then.
#[test]
fn who_rings_ends_a_loop() {
    for text in LOOPS {
        let text = format!("li 8,1; std 8,0x100(4); b .+4; {text}");
        let World { machine, mut cpu, line } = World::new(Compile::AtOnce, &text, 0);
        // A loop that is not ended is a failure, not a test without an end.
        cpu.begin_turn(1 << 40);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while machine.read(0x1_0100) != 1_u64.to_be_bytes() && !is_over.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                line.ring();
            });
            let _over = Over(&is_over);
            let exit = cpu.run();
            assert_eq!((exit, cpu.is_turn_over()), (Exit::Attention, false), "{text}");
        });
    }
}
