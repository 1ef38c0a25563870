//! Memory that is withheld from a processor: it leaves at the very instruction that needs it, with nothing of that done, and goes on there
//! when it gets the memory. And the log of frames that were stored to has those, and no others.

mod world;

use std::slice;

use emulator::{Compile, Exit, Outside};
use hpt::{Access, Endless, Right, Why};

use world::{CODE, DATA, Way, World};

/// Loads in [`DATA`]'s first frame; the last instruction of each is the one that loads.
const LOADS: [&str; 27] = [
    "lbz 3,0(5)",
    "lhz 3,0(5)",
    "lha 3,0(5)",
    "lwz 3,0(5)",
    "lwa 3,0(5)",
    "ld 3,0(5)",
    "lwzu 3,0x10(9)",
    "ldux 3,9,6",
    "lhbrx 3,0,5",
    "lwbrx 3,0,5",
    "ldbrx 3,0,5",
    "lfd 1,0(5)",
    "lfs 1,0(5)",
    "lfdux 1,9,6",
    "lfiwax 1,0,5",
    "lvx 1,0,5",
    "lvebx 1,0,5",
    "lxsdx 1,0,5",
    "lxvd2x 1,0,5",
    "lxvw4x 1,0,5",
    "lxvdsx 1,0,5",
    "lbarx 3,0,5",
    "lwarx 3,0,5",
    "ldarx 3,0,5",
    "ldx 3,0,12",
    "dcbf 0,5",
    "icbi 0,5",
];

/// Likewise stores.
const STORES: [&str; 24] = [
    "stb 4,0(5)",
    "sth 4,0(5)",
    "stw 4,0(5)",
    "std 4,0(5)",
    "stwu 4,0x10(9)",
    "stdux 4,9,6",
    "sthbrx 4,0,5",
    "stwbrx 4,0,5",
    "stdbrx 4,0,5",
    "stfd 1,0(5)",
    "stfs 1,0(5)",
    "stfdu 1,0x10(9)",
    "stfiwx 1,0,5",
    "stvx 1,0,5",
    "stvewx 1,0,5",
    "stxsdx 1,0,5",
    "stxvd2x 1,0,5",
    "stxvw4x 1,0,5",
    "dcbz 0,5",
    "lwarx 3,0,5; stwcx. 4,0,5",
    "ldarx 3,0,5; stdcx. 4,0,5",
    "lharx 3,0,5; sthcx. 4,0,5",
    "stdx 4,0,12",
    "lwz 3,0(5); stw 4,0(5)",
];

/// Accesses to the first and the second frame at once.
const LOADS_ACROSS: [&str; 4] = ["ld 3,0(7)", "ldx 3,0,7", "lfd 1,0(7)", "lxvd2x 1,0,8"];
/// Likewise.
const STORES_ACROSS: [&str; 6] = [
    "std 4,0(7)",
    "stdbrx 4,0,7",
    "stfd 1,0(7)",
    "stdu 4,4(8)",
    "stxvd2x 1,0,8",
    "stxvw4x 1,0,8",
];

/// The program around `text`.
fn program(text: &str) -> String {
    format!("li 10,1; {text}; li 11,2; sc 1")
}

/// The program that ends before the last instruction of `text`.
fn beginning(text: &str) -> String {
    match text.rsplit_once("; ") {
        Some((before, _)) => format!("li 10,1; {before}; sc 1"),
        None => "li 10,1; sc 1".to_owned(),
    }
}

/// Real address of the last instruction of `text` in its program.
fn last_of(text: &str) -> u64 {
    CODE + 4 * text.split("; ").count() as u64
}

/// The program leaves at the last instruction of `text` when `frame` is narrowed to `right`, and goes on later. `warm`: it has run before.
fn leaves_and_goes_on(way: Way, text: &str, access: Access, frame: u64, right: Right, warm: bool) {
    let case = format!("`{text}`, {way:?}, {right:?} at {frame:#x}, warm: {warm}");
    let mut world = World::new(way, &program(text));
    if warm {
        assert_eq!(world.run(), Exit::Hypercall, "{case}");
    }
    world.narrow(frame, right);
    let exit = world.run();
    let Exit::Withheld { real, access: found } = exit else {
        panic!("{case}: {exit:?}")
    };
    assert_eq!((real & !0xfff, found), (frame, access), "{case}");
    assert_eq!(world.cpu.pc(), way.code_at(last_of(text)), "{case}");
    let mut before = World::new(way, &beginning(text));
    assert_eq!(before.run(), Exit::Hypercall, "{case}");
    assert!(world.state() == before.state(), "{case}: something was done");
    // It is no better at the second try.
    assert_eq!(world.go_on(), Exit::Withheld { real, access }, "{case}");
    world.protection.give(frame..frame + 1, Right::Store);
    assert_eq!(world.go_on(), Exit::Hypercall, "{case}");
    let mut whole = World::new(way, &program(text));
    assert_eq!(whole.run(), Exit::Hypercall, "{case}");
    assert!(world.state() == whole.state(), "{case}: it ended otherwise");
    assert_eq!(world.cpu.gpr(11), 2, "{case}");
}

#[test]
fn a_load_from_a_frame_that_is_not_there_waits() {
    for way in Way::all() {
        for text in LOADS {
            for warm in [false, true] {
                leaves_and_goes_on(way, text, Access::Load, DATA, Right::Nothing, warm);
            }
        }
    }
}

#[test]
fn a_store_to_a_frame_that_is_protected_waits() {
    for way in Way::all() {
        for text in STORES {
            for warm in [false, true] {
                leaves_and_goes_on(way, text, Access::Store, DATA, Right::Load, warm);
            }
        }
    }
}

#[test]
fn a_store_to_a_frame_that_is_not_there_waits() {
    for way in Way::all() {
        // Those that load first wait with that.
        for text in STORES.into_iter().filter(|text| !text.contains("; ")) {
            leaves_and_goes_on(way, text, Access::Store, DATA, Right::Nothing, true);
        }
    }
}

#[test]
fn an_access_to_two_frames_waits_for_either_and_does_no_half() {
    for way in Way::all() {
        for frame in [DATA, DATA + 0x1000] {
            for text in LOADS_ACROSS {
                leaves_and_goes_on(way, text, Access::Load, frame, Right::Nothing, true);
            }
            for text in STORES_ACROSS {
                leaves_and_goes_on(way, text, Access::Store, frame, Right::Load, true);
            }
        }
    }
}

#[test]
fn loads_go_on_in_a_frame_that_is_protected() {
    for way in Way::all() {
        for text in LOADS {
            let mut world = World::new(way, &program(text));
            assert_eq!(world.run(), Exit::Hypercall);
            world.narrow(DATA, Right::Load);
            assert_eq!(world.run(), Exit::Hypercall, "`{text}`, {way:?}");
        }
    }
}

#[test]
fn other_frames_of_the_same_page_are_not_touched() {
    for way in Way::all() {
        let mut world = World::new(way, &program("lwz 3,0(5); stw 4,0(5)"));
        for frame in [DATA - 0x1000, DATA + 0x1000, DATA + 0x2000] {
            world.narrow(frame, Right::Nothing);
            assert_eq!(world.run(), Exit::Hypercall, "{way:?}");
        }
    }
}

/// A program of two frames, which go to each other again and again.
const TWO_FRAMES: &str = "li 3,3; mtctr 3; li 10,0; bl .+0xff4; bdnz .-4; sc 1";

#[test]
fn code_in_a_frame_that_is_not_there_waits_also_when_it_is_decoded() {
    for way in Way::all() {
        for warm in [false, true] {
            let mut world = World::new(way, TWO_FRAMES);
            world.write_code(CODE + 0x1000, "addi 10,10,1; blr");
            if warm {
                assert_eq!(world.run(), Exit::Hypercall, "{way:?}");
            }
            world.narrow(CODE + 0x1000, Right::Nothing);
            let expected = Exit::Withheld {
                real: CODE + 0x1000,
                access: Access::Fetch,
            };
            for _ in 0..2 {
                assert_eq!(world.run(), expected, "{way:?}, warm: {warm}");
                assert_eq!(world.cpu.pc(), way.code_at(CODE + 0x1000));
                assert_eq!(world.cpu.gpr(10), 0);
            }
            world.protection.give(CODE + 0x1000..CODE + 0x2000, Right::Load);
            assert_eq!(world.go_on(), Exit::Hypercall, "{way:?}, warm: {warm}");
            assert_eq!(world.cpu.gpr(10), 3);
        }
    }
}

#[test]
fn a_range_in_flight_keeps_everybody_out_until_it_is_over() {
    for way in Way::all() {
        let mut world = World::new(way, &program("lwz 3,0(5)"));
        assert_eq!(world.run(), Exit::Hypercall);
        let in_flight = world.notifier.begin(DATA..DATA + 0x1000, Why::Discard, &Endless);
        let expected = Exit::Withheld {
            real: DATA + 0x100,
            access: Access::Load,
        };
        assert_eq!(world.run(), expected, "{way:?}");
        drop(in_flight);
        assert_eq!(world.go_on(), Exit::Hypercall, "{way:?}");
    }
}

#[test]
fn code_is_decoded_anew_when_its_memory_was_discarded() {
    for way in Way::all() {
        let mut world = World::new(way, TWO_FRAMES);
        world.write_code(CODE + 0x1000, "addi 10,10,1; blr");
        assert_eq!(world.run(), Exit::Hypercall);
        let range = CODE + 0x1000..CODE + 0x2000;
        let in_flight = world.notifier.begin(range, Why::Discard, &Endless).expect("begun");
        world.write_code(CODE + 0x1000, "addi 10,10,5; blr");
        drop(in_flight);
        assert_eq!(world.run(), Exit::Hypercall);
        assert_eq!(world.cpu.gpr(10), 15, "{way:?}");
    }
}

#[test]
fn the_first_log_has_all_memory_and_the_next_what_was_stored_to_since() {
    for way in Way::all() {
        for (texts, frames) in [(&STORES[..], 1), (&STORES_ACROSS[..], 2)] {
            for text in texts {
                let case = format!("`{text}`, {way:?}");
                let mut world = World::new(way, &program(text));
                assert_eq!(world.run(), Exit::Hypercall);
                world.frames.track(true);
                assert_eq!(world.harvest().len(), 1, "{case}: everything");
                assert!(world.harvest().is_empty(), "{case}");
                let stored = DATA..DATA + frames * 0x1000;
                for _ in 0..2 {
                    assert_eq!(world.run(), Exit::Hypercall);
                    assert_eq!(world.run(), Exit::Hypercall);
                    assert_eq!(world.harvest(), slice::from_ref(&stored), "{case}");
                    assert!(world.harvest().is_empty(), "{case}");
                }
            }
        }
    }
}

#[test]
fn loads_are_in_no_log() {
    for way in Way::all() {
        for text in LOADS.iter().chain(&LOADS_ACROSS) {
            let mut world = World::new(way, &program(text));
            world.frames.track(true);
            world.harvest();
            assert_eq!(world.run(), Exit::Hypercall);
            assert!(world.harvest().is_empty(), "`{text}`, {way:?}");
        }
    }
}

#[test]
fn a_load_does_not_open_the_way_for_a_store_that_is_not_noted() {
    for way in Way::all() {
        let mut world = World::new(way, &program("lwz 3,0(5); stw 4,0(5); stw 4,4(5)"));
        world.frames.track(true);
        world.harvest();
        let stored = DATA..DATA + 0x1000;
        for _ in 0..3 {
            assert_eq!(world.run(), Exit::Hypercall);
            assert_eq!(world.harvest(), slice::from_ref(&stored), "{way:?}");
        }
    }
}

/// A device.
struct Everywhere;

impl Outside for Everywhere {
    fn is_device(&self, _: u64) -> bool {
        true
    }
}

/// The device has been asked, and then the code is taken away: the answer is kept for as long as that takes.
#[test]
fn an_answer_of_a_device_outlives_a_wait_for_memory() {
    let way = Way {
        code: false,
        data: None,
        compile: Compile::AtOnce,
    };
    let mut world = World::new(way, &program("lwz 3,0(12)"));
    world.shared.set_outside(Box::new(Everywhere));
    world.rewind();
    world.cpu.set_gpr(12, 1 << 48);
    assert_eq!(
        world.go_on(),
        Exit::Load {
            real: 1 << 48,
            bytes: 4
        }
    );
    world.cpu.answer(&[1, 2, 3, 4]);
    let frame = CODE & !0xfff;
    world.narrow(frame, Right::Nothing);
    for _ in 0..2 {
        let exit = world.go_on();
        assert!(
            matches!(
                exit,
                Exit::Withheld {
                    access: Access::Fetch,
                    ..
                }
            ),
            "{exit:?}"
        );
    }
    world.protection.give(frame..frame + 0x1000, Right::Store);
    assert_eq!(world.go_on(), Exit::Hypercall);
    assert_eq!(world.cpu.gpr(3), 0x0102_0304);
}
