//! Loads and stores of a device's registers. Each does to registers and bytes what it does in memory, where others judge it, and the device
//! sees each byte once. What no device takes as a whole is an interrupt, and the device sees nothing of it.

#[path = "../machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;
mod world;

use emulator::{Compile, Exit};
use power::msr::Msr;
use world::{CODE, DEVICE, Place, SIZE, Way, World};

/// Loads, with the bytes of the device that they access: from 0x100 on.
const LOADS: [(&str, usize); 47] = [
    ("lbz 3,0(5)", 1),
    ("lbzu 3,0x10(9)", 1),
    ("lbzux 3,9,6", 1),
    ("lhz 3,0(5)", 2),
    ("lha 3,0(5)", 2),
    ("lhau 3,0x10(9)", 2),
    ("lhax 3,9,6", 2),
    ("lwz 3,0(5)", 4),
    ("lwzu 3,0x10(9)", 4),
    ("lwa 3,0(5)", 4),
    ("lwaux 3,9,6", 4),
    ("ld 3,0(5)", 8),
    ("ldu 3,0x10(9)", 8),
    ("ldx 3,9,6", 8),
    ("lhbrx 3,0,5", 2),
    ("lwbrx 3,0,5", 4),
    ("ldbrx 3,0,5", 8),
    ("lfd 1,0(5)", 8),
    ("lfdu 1,0x10(9)", 8),
    ("lfdux 1,9,6", 8),
    ("lfs 1,0(5)", 4),
    ("lfsux 1,9,6", 4),
    ("lfiwax 1,0,5", 4),
    ("lfiwzx 1,0,5", 4),
    ("lfdp 2,0(5)", 16),
    ("lfdpx 2,9,6", 16),
    ("lvx 1,0,5", 16),
    ("lvx 1,0,8", 16),
    ("lvebx 1,0,5", 1),
    ("lvehx 1,0,5", 2),
    ("lvewx 1,0,5", 4),
    ("lxsdx 1,0,5", 8),
    ("lxsspx 1,0,5", 4),
    ("lxsiwax 1,0,5", 4),
    ("lxsiwzx 1,0,5", 4),
    ("lxvd2x 1,0,5", 16),
    ("lxvw4x 1,9,6", 16),
    ("lxvdsx 1,0,5", 8),
    ("lxv 1,0(5)", 16),
    ("lxvx 33,9,6", 16),
    ("lxvh8x 1,0,5", 16),
    ("lxvb16x 1,0,5", 16),
    ("lxvwsx 1,0,5", 4),
    ("lxsibzx 1,0,5", 1),
    ("lxsihzx 1,0,5", 2),
    ("lxsd 1,0(5)", 8),
    ("lxssp 1,0(5)", 4),
];

/// Likewise stores.
const STORES: [(&str, usize); 38] = [
    ("stb 4,0(5)", 1),
    ("stbu 4,0x10(9)", 1),
    ("sth 4,0(5)", 2),
    ("sthux 4,9,6", 2),
    ("stw 4,0(5)", 4),
    ("stwu 4,0x10(9)", 4),
    ("std 4,0(5)", 8),
    ("stdux 4,9,6", 8),
    ("stwx 4,9,6", 4),
    ("sthbrx 4,0,5", 2),
    ("stwbrx 4,0,5", 4),
    ("stdbrx 4,0,5", 8),
    ("stfd 1,0(5)", 8),
    ("stfdu 1,0x10(9)", 8),
    ("stfs 1,0(5)", 4),
    ("stfsux 1,9,6", 4),
    ("stfiwx 1,0,5", 4),
    ("stfdp 2,0(5)", 16),
    ("stfdpx 2,9,6", 16),
    ("stvx 1,0,5", 16),
    ("stvx 1,0,8", 16),
    ("stvebx 1,0,5", 1),
    ("stvehx 1,0,5", 2),
    ("stvewx 1,0,5", 4),
    ("stxsdx 1,0,5", 8),
    ("stxsspx 1,0,5", 4),
    ("stxsiwx 1,0,5", 4),
    ("stxvd2x 1,0,5", 16),
    ("stxvw4x 1,9,6", 16),
    ("stxv 1,0(5)", 16),
    ("stxvx 33,9,6", 16),
    ("stxvh8x 1,0,5", 16),
    ("stxvb16x 1,0,5", 16),
    ("stxsibx 1,0,5", 1),
    ("stxsihx 1,0,5", 2),
    ("stxsd 1,0(5)", 8),
    ("stxssp 1,0(5)", 4),
    ("stfsu 1,0x10(9)", 4),
];

/// What must be done in pieces, with DAR and, where that is told from the manual below, DSISR.
const PIECES: [(&str, u64, Option<u64>); 19] = [
    // D form, opcode 32: RT 3, RA 8.
    ("lwz 3,0(8)", 0x101, Some(3 << 5 | 8)),
    // X form, extended opcode 21 = 0000010101: its last two bits, RT 3, RA 0.
    ("ldx 3,0,8", 0x101, Some(1 << 15 | 3 << 5)),
    ("lhbrx 3,0,8", 0x101, None),
    ("sth 4,0(8)", 0x101, None),
    ("stdu 4,0x10(8)", 0x111, None),
    ("lfd 1,0(8)", 0x101, None),
    ("stfs 1,0(8)", 0x101, None),
    ("lxvd2x 1,0,8", 0x101, None),
    ("stxvw4x 1,0,8", 0x101, None),
    ("lfdp 2,0(8)", 0x101, None),
    ("lxvl 1,5,10", 0x100, None),
    ("stxvl 1,5,10", 0x100, None),
    // Half of it, or a word of it, is memory.
    ("ldx 3,7,21", SIZE - 4, None),
    ("stdx 4,7,21", SIZE - 4, None),
    ("lxvd2x 1,0,7", SIZE - 8, None),
    ("stxvw4x 1,0,7", SIZE - 8, None),
    ("lfdp 2,0(7)", SIZE - 8, None),
    ("stfdpx 2,0,7", SIZE - 8, None),
    // The block around it.
    ("dcbz 0,8", 0x100, None),
];

/// What is no single step there.
const STEPS: [(&str, bool); 13] = [
    ("lbarx 3,0,5", false),
    ("lharx 3,0,5", false),
    ("lwarx 3,0,5", false),
    ("ldarx 3,0,5", false),
    ("lqarx 2,0,5", false),
    ("lq 2,0(5)", false),
    ("stwcx. 4,0,5", true),
    ("stdcx. 4,0,5", true),
    ("stqcx. 2,0,5", true),
    ("stq 2,0(5)", true),
    ("lwat 3,5,0", true),
    ("stdat 3,5,0", true),
    ("copy 0,5", false),
];

/// The program around `text`.
fn program(text: &str) -> String {
    format!("li 21,4; {text}; li 22,1")
}

/// Address of `text` in it.
const AT: u64 = CODE + 4;

#[test]
fn each_access_is_as_one_to_memory_and_seen_once() {
    for way in Way::all() {
        let loads = LOADS.map(|case| (false, case));
        for (store, (text, size)) in loads.into_iter().chain(STORES.map(|case| (true, case))) {
            let case = format!("`{text}`, {way:?}");
            let mut memory = World::new(way, Place::Memory, &program(text));
            assert_eq!(memory.go_on(), Exit::Hypercall, "{case}");
            assert_eq!(memory.cpu.pc(), AT + 12, "{case}");
            let mut device = World::new(way, Place::Device, &program(text));
            // The second time blocks are known.
            for _ in 0..2 {
                device.rewind();
                assert_eq!(device.go_on(), Exit::Hypercall, "{case}");
                assert_eq!(device.cpu.pc(), AT + 12, "{case}");
                assert_eq!(device.state(), memory.state(), "{case}");
                let mut at = 0x100;
                for &(is_store, offset, bytes) in &device.seen {
                    assert_eq!((is_store, offset), (store, at), "{case}");
                    at += bytes as u64;
                }
                assert_eq!(at, 0x100 + size as u64, "{case}");
            }
        }
    }
}

#[test]
fn nothing_is_done_before_the_answer() {
    for way in Way::all() {
        for (text, _) in LOADS.into_iter().chain(STORES) {
            let case = format!("`{text}`, {way:?}");
            let mut device = World::new(way, Place::Device, &program(text));
            let mut before = World::new(way, Place::Device, "li 21,4");
            assert_eq!(before.go_on(), Exit::Hypercall, "{case}");
            loop {
                let exit = device.cpu.run();
                if !matches!(exit, Exit::Load { .. } | Exit::Store { .. }) {
                    break;
                }
                assert_eq!(device.cpu.pc(), AT, "{case}");
                let unstored = device.registers.clone();
                device.registers.clone_from(&before.registers);
                assert_eq!(device.state(), before.state(), "{case}");
                device.registers = unstored;
                assert!(device.serve(&exit), "{case}");
            }
        }
    }
}

/// A multiple or a string, for processors of either byte order that do it at all.
#[test]
fn what_a_device_does_not_take_as_a_whole_is_an_alignment_interrupt() {
    const MULTIPLES: [(&str, u64, Option<u64>); 4] = [
        // D form, opcode 46 = 101110: bit 5 is 0, bits 1 to 4 are 0111; RT 29, RA 5.
        ("lmw 29,0(5)", 0x100, Some(0b0111 << 10 | 29 << 5 | 5)),
        ("stmw 29,0(5)", 0x100, None),
        ("lswi 29,5,7", 0x100, None),
        ("stswi 29,5,7", 0x100, None),
    ];
    for way in Way::all() {
        for (text, dar, dsisr) in PIECES.into_iter().chain(MULTIPLES) {
            // What comes after the device in real mode is nobody's.
            if !way.translated && dar >= SIZE - 8 {
                continue;
            }
            let case = format!("`{text}`, {way:?}");
            let mut world = World::new(way, Place::Device, &program(text));
            let mut before = World::new(way, Place::Device, "li 21,4");
            assert_eq!(before.go_on(), Exit::Hypercall, "{case}");
            assert_eq!(world.go_on(), Exit::Hypercall, "{case}");
            assert_eq!(world.cpu.pc(), 0x604, "{case}: an alignment interrupt");
            let spr = |number| world.cpu.spr(number).expect("it is there");
            assert_eq!((spr(26), spr(19)), (AT, world.base() + dar), "{case}: SRR0, DAR");
            if let Some(dsisr) = dsisr {
                assert_eq!(spr(18), dsisr, "{case}");
            }
            assert_eq!(world.seen, [], "{case}");
            assert_eq!(world.state(), before.state(), "{case}");
        }
    }
}

#[test]
fn what_must_be_one_step_is_a_data_storage_interrupt() {
    for way in Way::all() {
        for (text, store) in STEPS {
            let case = format!("`{text}`, {way:?}");
            let mut world = World::new(way, Place::Device, &program(text));
            assert_eq!(world.go_on(), Exit::Hypercall, "{case}");
            assert_eq!(world.cpu.pc(), 0x304, "{case}: a data storage interrupt");
            let spr = |number| world.cpu.spr(number).expect("it is there");
            // DSISR[37], and [38] of a store.
            let dsisr = 1 << (63 - 37) | u64::from(store) << (63 - 38);
            assert_eq!((spr(26), spr(19), spr(18)), (AT, world.base() + 0x100, dsisr), "{case}");
            assert_eq!(world.seen, [], "{case}");
        }
    }
}

#[test]
fn cache_blocks_of_a_device_are_written_back_at_once() {
    for way in Way::all() {
        let mut world = World::new(way, Place::Device, &program("dcbf 0,5; dcbst 0,5; icbi 0,5"));
        assert_eq!(world.go_on(), Exit::Hypercall);
        assert_eq!((world.cpu.pc(), world.seen.len()), (AT + 20, 0));
    }
}

#[test]
fn no_interrupt_comes_between_the_access_and_its_instruction() {
    for way in Way::all() {
        for (text, _) in LOADS.into_iter().chain(STORES) {
            let case = format!("`{text}`, {way:?}");
            let mut world = World::new(way, Place::Device, &program(text));
            let mut done = World::new(way, Place::Memory, &format!("li 21,4; {text}"));
            assert_eq!(done.go_on(), Exit::Hypercall, "{case}");
            world.start_with(Msr::EE);
            let exit = world.cpu.run();
            assert!(world.serve(&exit), "{case}");
            world.line.set_external(true);
            assert_eq!(world.go_on(), Exit::Hypercall, "{case}");
            assert_eq!(world.cpu.pc(), 0x504, "{case}: an external interrupt");
            assert_eq!(world.cpu.spr(26), Some(AT + 4), "{case}: after the instruction");
            assert_eq!(world.state(), done.state(), "{case}");
        }
    }
}

#[test]
fn a_trace_interrupt_comes_after_the_instruction() {
    for way in Way::all() {
        let mut world = World::new(way, Place::Device, "lxvw4x 1,0,5");
        world.start_with(Msr::SE);
        assert_eq!(world.go_on(), Exit::Hypercall);
        assert_eq!((world.cpu.pc(), world.cpu.spr(26)), (0xd04, Some(CODE + 4)));
        assert_eq!(world.seen.len(), 4);
    }
}

#[test]
fn a_page_that_goes_before_the_answer_voids_it() {
    for way in Way::all().filter(|way| way.translated) {
        for (text, bytes) in [("lwz 3,0(5)", 4), ("lxvd2x 1,0,5", 8), ("stdx 4,0,5", 8)] {
            let mut world = World::new(way, Place::Device, &program(text));
            let exit = world.cpu.run();
            assert!(world.serve(&exit));
            world.unmap();
            assert_eq!(world.go_on(), Exit::Hypercall);
            assert_eq!(world.cpu.pc(), 0x304, "`{text}`: a data storage interrupt");
            assert_eq!(world.cpu.spr(26), Some(AT));
            // The guest maps it again, and what the device has now is what counts.
            world.map();
            world.registers.iter_mut().for_each(|byte| *byte = !*byte);
            world.rewind();
            assert_eq!(world.go_on(), Exit::Hypercall);
            assert_eq!(world.cpu.pc(), AT + 12, "`{text}`");
            assert_eq!(world.seen[0].2, bytes);
            let mut memory = World::new(way, Place::Memory, &program(text));
            assert_eq!(memory.go_on(), Exit::Hypercall);
            assert_eq!(world.state(), memory.state(), "`{text}`");
        }
    }
}

/// The same access by the same instruction, again and again: the device answers each.
#[test]
fn a_loop_that_waits_for_a_register_sees_it_change() {
    for way in Way::all() {
        let mut world = World::new(way, Place::Device, "addi 20,20,1; lbz 3,0(5); cmpwi 3,7; bne .-12");
        world.registers[0x100] = 0;
        loop {
            let exit = world.cpu.run();
            if !world.serve(&exit) {
                assert_eq!(exit, Exit::Hypercall);
                break;
            }
            world.registers[0x100] += 1;
        }
        assert_eq!((world.cpu.gpr(20), world.seen.len()), (8, 8));
    }
}

/// Two instructions with the same access have an answer each, in a block of their own or not.
#[test]
fn an_answer_is_for_one_instruction() {
    for way in Way::all() {
        let mut world = World::new(
            way,
            Place::Device,
            "lbz 3,0(5); lbz 4,0(5); stb 3,0(5); stb 3,0(5); lbz 11,0(5)",
        );
        world.registers[0x100] = 1;
        while {
            let exit = world.cpu.run();
            world.serve(&exit)
        } {
            world.registers[0x100] += 1;
        }
        // The last one finds what the second store has left, after one more.
        assert_eq!([3, 4, 11].map(|n| world.cpu.gpr(n)), [1, 2, 2]);
        assert_eq!(world.seen.len(), 5);
    }
}

#[test]
fn what_is_nobodys_is_a_machine_check() {
    for way in Way::all() {
        let mut world = World::new(
            Way {
                translated: false,
                ..way
            },
            Place::Device,
            "lwz 3,0(12)",
        );
        world.cpu.set_gpr(12, DEVICE + SIZE);
        assert_eq!(world.go_on(), Exit::Hypercall);
        assert_eq!((world.cpu.pc(), world.cpu.spr(19)), (0x204, Some(DEVICE + SIZE)));
        // Nor are instructions fetched from a device.
        world.cpu.start(DEVICE, 0, Msr::from_raw(Msr::SF | Msr::ME));
        assert_eq!(world.go_on(), Exit::Hypercall);
        assert_eq!((world.cpu.pc(), world.seen.len()), (0x204, 0));
    }
}

#[test]
fn a_processor_that_is_started_anew_forgets_the_answer() {
    let way = Way {
        little: false,
        translated: false,
        compile: Compile::AtOnce,
    };
    let mut world = World::new(way, Place::Device, "lbz 3,0(5)");
    let exit = world.cpu.run();
    assert!(world.serve(&exit));
    world.cpu.reset();
    world.rewind();
    world.registers[0x100] = 99;
    assert_eq!(world.go_on(), Exit::Hypercall);
    assert_eq!((world.cpu.gpr(3), world.seen.len()), (99, 1));
}
