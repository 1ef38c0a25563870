//! Code that another processor changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use emulator::{Cpu, Exit, Line};
use power::msr::Msr;

use crate::{DATA, FUNCTION, REAL, TWO, machines, run, write};

/// Two processors in turns: `a` calls the function, `b` changes it.
#[test]
fn a_processor_sees_what_another_has_stored() {
    for machine in machines() {
        write(&machine, 0x8000, &format!("isync; bla {FUNCTION}; sc 1"));
        write(&machine, 0xb000, "stw 4,0(5); dcbst 0,5; sync; icbi 0,5; isync; sc 1");
        let (mut a, _) = machine.cpu(0);
        let (mut b, _) = machine.cpu(1);
        b.set_gpr(5, FUNCTION);
        // The first change: `b` may store straight through to a page that `a` then decodes.
        for n in 1..100 {
            b.set_gpr(4, 0x3860_0000 + n);
            run(&mut b, 0xb000);
            run(&mut a, 0x8000);
            assert_eq!(a.gpr(3), n);
        }
    }
}

/// As above, but `b` knows the page for stores before `a` decodes it, and is not told before it
/// stores again, as it is in the midst of its own work.
#[test]
fn a_store_by_an_old_right_is_found_later() {
    for machine in machines() {
        write(&machine, 0x8000, &format!("isync; bla {FUNCTION}; sc 1"));
        write(&machine, 0xb000, "stw 4,0(5); sc 1");
        let (mut a, _) = machine.cpu(0);
        let (mut b, _) = machine.cpu(1);
        b.set_gpr(5, FUNCTION + 0x100);
        run(&mut b, 0xb000);
        run(&mut a, 0x8000);
        assert_eq!(a.gpr(3), 1);
        b.set_gpr(4, TWO);
        b.set_gpr(5, FUNCTION);
        run(&mut b, 0xb000);
        run(&mut a, 0x8000);
        assert_eq!(a.gpr(3), 2);
    }
}

/// Ends the other processor's run when one has failed.
struct Alarm<'a>(&'a AtomicBool, Arc<Line>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
        self.1.ring();
    }
}

/// A patcher and a caller in threads: each change is announced by a flag and answered by another.
fn change_and_call(icbi: &str) {
    const CHANGES: u64 = 300;
    for machine in machines() {
        // r10: flag, r11: answer, r12: changes.
        write(
            &machine,
            0x8000,
            &format!(
                "li 20,0
             next: addi 20,20,1
             wait: lwz 21,0(10)
             cmpw 21,20
             bne wait
             isync
             bla {FUNCTION}
             cmpw 3,20
             bne failed
             stw 20,0(11)
             cmpw 20,12
             bne next
             failed: sc 1"
            ),
        );
        write(
            &machine,
            0xb000,
            &format!(
                "li 20,0
             next: addi 20,20,1
             add 6,4,20
             stw 6,0(5)
             dcbst 0,5
             sync
             {icbi}
             sync
             isync
             stw 20,0(10)
             wait: lwz 21,0(11)
             cmpw 21,20
             bne wait
             cmpw 20,12
             bne next
             sc 1"
            ),
        );
        let (caller, caller_line) = machine.cpu(0);
        let (patcher, patcher_line) = machine.cpu(1);
        together(caller, caller_line, patcher, patcher_line, CHANGES, |caller| {
            assert_eq!((caller.gpr(20), caller.gpr(3)), (CHANGES, CHANGES), "{}", caller.dump());
        });
    }
}

/// Runs the caller from 0x8000 and the patcher from 0xb000 at the same time; `check` looks at the
/// caller when it has stopped.
fn together(
    caller: Cpu,
    caller_line: Arc<Line>,
    patcher: Cpu,
    patcher_line: Arc<Line>,
    changes: u64,
    check: impl FnOnce(&Cpu),
) {
    let over = AtomicBool::new(false);
    let job = |mut cpu: Cpu, pc: u64, other: Arc<Line>| {
        let over = &over;
        move || {
            let _alarm = Alarm(over, other);
            for (n, value) in [
                (4, 0x3860_0000),
                (5, FUNCTION),
                (10, DATA),
                (11, DATA + 0x80),
                (12, changes),
                // Where the processor looks for the translation of this page it looks for the function's too.
                (13, FUNCTION + 0x20_0000),
            ] {
                cpu.set_gpr(n, value);
            }
            cpu.start(pc, 0, Msr::from_raw(REAL));
            loop {
                match cpu.run() {
                    Exit::Attention if over.load(Ordering::Acquire) && pc != 0x8000 => return cpu,
                    Exit::Attention => {}
                    _ => return cpu,
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let patcher = scope.spawn(job(patcher, 0xb000, caller_line));
        let caller = scope.spawn(job(caller, 0x8000, patcher_line));
        check(&caller.join().expect("the caller does not panic"));
        patcher.join().expect("the patcher does not panic");
    });
}

#[test]
fn a_running_processor_sees_what_another_changes() {
    change_and_call("icbi 0,5");
}

#[test]
fn a_running_processor_sees_it_after_icbi_of_any_address() {
    change_and_call("icbi 0,10");
}

#[test]
fn a_running_processor_sees_it_without_icbi() {
    change_and_call("");
}

/// A patcher that does not wait: it changes a function while a caller decodes it over and over. `between` is what it does between the change and its
/// announcement.
fn change_without_waiting(between: &str) {
    const CHANGES: u64 = 50_000;
    // The change and its announcement are in the midst of a block, so that others decode while it runs.
    const LONG: &str = "divd 25,5,4; divd 25,5,4; divd 25,5,4; divd 25,5,4; divd 25,5,4; divd 25,5,4; divd 25,5,4;
        divd 25,5,4; divd 25,5,4; divd 25,5,4; divd 25,5,4; divd 25,5,4; divd 25,5,4; divd 25,5,4; divd 25,5,4";
    for machine in machines() {
        write(&machine, FUNCTION, "li 3,0; blr");
        // r5: the function, r10: number of changes that are announced, r12: changes. A function returns
        // the low 14 bits of the change that it is; the caller accepts that of the one announced or of
        // one that came later: at most 2^13, or the patcher waits.
        write(
            &machine,
            0x8000,
            "next: ld 21,0(10)
         isync
         mtctr 5
         bctrl
         subf 23,21,3
         clrldi 23,23,50
         cmpldi 23,0x2000
         bgt failed
         std 21,0x80(10)
         cmpld 21,12
         blt next
         failed: sc 1",
        );
        write(
            &machine,
            0xb000,
            &format!(
                "li 20,0
             next: addi 20,20,1
             clrldi 6,20,50
             add 6,6,4
             {LONG}
             stw 6,0(5)
             {between}
             std 20,0(10)
             {LONG}
             wait: ld 23,0x80(10)
             subf 24,23,20
             cmpldi 24,0x1000
             bgt wait
             cmpld 20,12
             blt next
             sc 1"
            ),
        );
        let (caller, caller_line) = machine.cpu(0);
        let (patcher, patcher_line) = machine.cpu(1);
        together(caller, caller_line, patcher, patcher_line, CHANGES, |caller| {
            assert_eq!(caller.gpr(21), CHANGES, "{}", caller.dump());
        });
    }
}

#[test]
fn a_change_is_announced_no_sooner_than_it_is_seen() {
    change_without_waiting("dcbst 0,5; sync; icbi 0,5; isync");
}

#[test]
fn a_change_is_announced_no_sooner_than_it_is_seen_with_icbi_of_any_address() {
    change_without_waiting("dcbst 0,5; sync; icbi 0,10; isync");
}

#[test]
fn a_change_is_announced_no_sooner_than_it_is_seen_when_icbi_and_sync_order_them() {
    change_without_waiting("dcbst 0,5; sync; icbi 0,10; sync");
}

#[test]
fn a_change_is_found_even_if_the_processor_has_forgotten_the_page_since() {
    change_without_waiting("ld 25,0(13); dcbst 0,10; sync; icbi 0,10; isync");
}
