//! Parts of the processor that a partition has to itself, as its supervisor sees them: messages of a thread to itself, priorities, event-based
//! branches' registers, traces, numbers of no register (Power ISA v2.07B, Book II, 3.1 and 7; Book III-S, 4.3.6, 4.4.4, 6.5.13, 6.5.15 and 11).
//!
//! QEMU 10.0.2 (`-M pseries`) agrees, except that the numbers which set and reset BESCR's bits are registers of their own there.
//! Without `exact=1` nothing is looked at: KVM-PR has none of it.

use super::script::Script;

/// `msgsndp`'s RB: type 5, to thread 0.
const TO_ITSELF: u64 = 5 << 27;

/// The program.
pub(super) fn source() -> String {
    let mut script = Script::new();
    let exact = script.begin_if("is_exact");
    messages(&mut script);
    priorities(&mut script);
    events(&mut script);
    traces(&mut script);
    script.call("reading and writing registers 808 to 811", "use_reserved", &[7.into()]);
    script.expect("register", 3, 7);
    script.end(exact);
    script.finish(include_str!("facilities.s"))
}

/// A message waits for MSR\[EE\], interrupts once, and can be taken back.
fn messages(script: &mut Script) {
    script.call("TIR", "thread", &[]);
    script.expect("TIR", 3, 0);
    for (what, message, waits) in [
        ("a message to itself", TO_ITSELF, 1),
        ("a message to thread 1", TO_ITSELF | 1, 0),
        ("a message of type 4", 4 << 27, 0),
    ] {
        script.call(&format!("{what}, taken back"), "send_and_clear", &[message.into()]);
        script.expect("DPDES before", 3, 0);
        script.expect("DPDES with the message", 4, waits);
        script.expect("DPDES after msgclrp of another type", 5, waits);
        script.expect("DPDES after msgclrp", 6, 0);
        script.call(what, "send_message", &[message.into()]);
        script.expect("interrupts while disabled", 3, 0);
        script.expect("interrupts", 4, waits);
        script.expect("DPDES", 5, 0);
        script.expect("SRR0 less the next instruction", 6, 0);
        script.expect("SRR1 without what the MSR was", 7, 0);
    }
    script.call(
        "H_CEDE with a message waiting",
        "cede_with_message",
        &[TO_ITSELF.into()],
    );
    script.expect("messages, and a thousand for the decrementer", 3, 1);
    script.expect("status", 4, 0);
}

/// `or` of a register with itself sets PPR, but for the hypervisor's priority.
fn priorities(script: &mut Script) {
    script.call("or 2,2,2; 31; 1; 6; 5; 3; 7", "set_priorities", &[]);
    for (register, priority) in (3..).zip([4, 1, 2, 3, 5, 6, 6]) {
        script.expect("PPR", register, priority << 50);
    }
    script.call("PPR32", "set_low_by_word", &[]);
    script.expect("PPR", 3, 2 << 50);
    script.expect("PPR32", 4, 2 << 18);
}

/// BESCR's bits are set and reset by numbers of their own; the supervisor is not branched.
fn events(script: &mut Script) {
    /// GE and PME.
    const ENABLED: u64 = 0x8000_0001;
    script.call("BESCR, and what sets and resets it", "set_events", &[ENABLED.into()]);
    script.expect("BESCR after BESCRSU", 3, ENABLED << 32);
    script.expect("BESCR after BESCRS", 4, ENABLED << 32 | 1);
    script.expect("BESCR after BESCRRU", 5, 1);
    script.expect("BESCR after BESCRR", 6, 0);
}

/// A single step over a load.
fn traces(script: &mut Script) {
    script.call("a single step", "step_over_load", &[]);
    script.expect("interrupts", 3, 1);
    script.expect("SRR0 less the next instruction", 4, 0);
    script.expect("SRR1 bit 33", 5, 1);
    script.expect("SIAR less the instruction", 6, 0);
}
