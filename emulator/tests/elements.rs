//! Elements of vectors that are aligned are stored whole, also where the vector itself lies in two pages (Power ISA v2.07B, Book II,
//! 1.4): another processor sees an old or a new one.

#[path = "machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;

use std::sync::atomic::{AtomicBool, Ordering};

use emulator::{Cpu, Exit};
use machine::{Machine, STOP};
use power::insn::{Endian, assemble};
use power::msr::Msr;

/// Where the vector begins: its second doubleword is in the next page.
const VECTOR: u64 = 0x9ff8;
const STORER: u64 = 0x2000;
const LOADER: u64 = 0x3000;

/// Stores all zeros and all ones in turn, for ever.
const STORE: &str = "
1:  stxvd2x 0,0,3
    stxvd2x 1,0,3
    b       1b
";

/// Loads until the first doubleword has been seen to change 200 times, or, with r10 = 1, something else was seen than what is stored.
const LOAD: &str = "
1:  ld      4,0(3)
    ld      5,8(3)
    addi    6,4,1
    cmpldi  6,1
    bgt     2f
    addi    6,5,1
    cmpldi  6,1
    bgt     2f
    cmpd    4,8
    beq     1b
    mr      8,4
    addi    7,7,1
    cmpldi  7,200
    blt     1b
    b       3f
2:  li      10,1
3:
";

#[test]
fn an_aligned_doubleword_of_a_vector_in_two_pages_is_stored_whole() {
    let machine = Machine::new(0x10_0000);
    for (at, text) in [(STORER, STORE), (LOADER, LOAD)] {
        let code = assemble(text, at, Endian::Big).expect("it is right").bytes;
        machine.write(at, &code);
        machine.write_code(at + code.len() as u64, &[STOP], false);
    }
    let msr = Msr::from_raw(Msr::SF | Msr::ME | Msr::VSX);
    let (mut loader, loaders_line) = machine.cpu(0);
    let (mut storer, storers_line) = machine.cpu(1);
    loader.start(LOADER, VECTOR, msr);
    storer.core_mut().vsu.vsr[1] = u128::MAX;
    storer.start(STORER, VECTOR, msr);
    let over = AtomicBool::new(false);
    let (loaded, stored) = std::thread::scope(|scope| {
        // Whoever ends ends the other.
        let stored = scope.spawn(|| {
            let exit = run(&mut storer, &over);
            loaders_line.ring();
            exit
        });
        let loaded = run(&mut loader, &over);
        storers_line.ring();
        (loaded, stored.join())
    });
    assert_eq!((loaded, stored.ok()), (Exit::Hypercall, Some(Exit::Attention)));
    assert_eq!(loader.gpr(10), 0, "a doubleword was seen half stored");
}

/// Runs until it ends, or something else has.
fn run(cpu: &mut Cpu, over: &AtomicBool) -> Exit {
    loop {
        match cpu.run() {
            Exit::Attention if !over.load(Ordering::Acquire) => {}
            exit => {
                over.store(true, Ordering::Release);
                return exit;
            }
        }
    }
}
