//! One processor, carried by the test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use devices::bus::Registers;
use devices::xics::CpuLine as _;
use emulator::Operand;
use hpt::{Access, Endless, Right};
use power::hcall::{Hcall, Status};

use super::*;
use crate::accel::Wire as _;
use crate::test_machine::scripted::{Program, START, Scripted, State, machine_of_scripted};

/// A processor that has been started and runs a program.
struct Rig {
    machine: Arc<Machine>,
    vcpu: Vcpu<Scripted>,
}

/// Where the processor's area and its log lie.
const VPA: u64 = 0x1000;
const LOG: u64 = 0x2000;

impl Rig {
    fn new(program: impl FnMut(&mut State) -> Exit + Send + 'static) -> Self {
        let (machine, wires) = machine_of_scripted(1, 1);
        let mut vcpu = Vcpu::new(0);
        assert_eq!(vcpu.look(&machine, Instant::now()), Outlook::Waits);
        assert!(machine.processors.by_server(0).start(START));
        assert_eq!(vcpu.look(&machine, Instant::now()), Outlook::Runs);
        assert!(vcpu.arrive(&machine, |_| Scripted::new(&wires[0], Box::new(program) as Program)));
        Self { machine, vcpu }
    }

    /// Runs it; whether it could run again at once.
    fn run(&mut self, is_slice_over: bool) -> Outlook {
        self.vcpu.run(&self.machine, &|| is_slice_over);
        self.look()
    }

    fn look(&mut self) -> Outlook {
        self.vcpu.look(&self.machine, Instant::now())
    }

    fn arrive(&mut self) {
        assert!(self.vcpu.arrive(&self.machine, |_| unreachable!("it is made once")));
    }

    /// Whether the dispatch counter says that it runs.
    fn is_dispatched(&self) -> bool {
        self.machine.processors.by_server(0).areas().waiting_since().is_none()
    }
}

fn cede(state: &mut State) -> Exit {
    state.call(Hcall::Cede, [])
}

#[test]
fn a_prod_before_the_sleep_keeps_it_awake_once() {
    let mut calls = 0;
    let mut rig = Rig::new(move |state| {
        calls += 1;
        assert!(calls <= 2, "two prods are one");
        cede(state)
    });
    let processor = rig.machine.processors.by_server(0);
    processor.prod();
    processor.prod();
    assert_eq!(rig.run(false), Outlook::Waits);
    assert!(!rig.is_dispatched());
}

#[test]
fn a_processor_with_an_interrupt_does_not_fall_asleep() {
    let mut calls = 0;
    let mut rig = Rig::new(move |state| {
        calls += 1;
        state.wire.set_external(calls < 3);
        cede(state)
    });
    assert_eq!(rig.run(false), Outlook::Waits);
    let areas = rig.machine.processors.by_server(0).areas().waiting_since();
    assert_eq!(areas, Some(3), "it ran without a pause: started (2), asleep (3)");
}

#[test]
fn each_reason_wakes_a_sleeper() {
    let mut rig = Rig::new(cede);
    assert_eq!(rig.run(false), Outlook::Waits);
    rig.machine.processors.by_server(0).prod();
    assert_eq!(rig.look(), Outlook::Runs);
    rig.arrive();
    assert!(rig.is_dispatched());
    let used_up = !rig.machine.processors.by_server(0).is_prodded();
    assert!(used_up);
    assert_eq!(rig.run(false), Outlook::Waits);
    rig.machine.processors.set_external(0, true);
    assert_eq!(rig.look(), Outlook::Runs);

    let time = Duration::from_secs(3600);
    let deadline = Instant::now() + time;
    let mut rig = Rig::new(move |state| {
        state.decrementer = Some(deadline);
        cede(state)
    });
    let Outlook::Until(at) = rig.run(false) else {
        panic!("the decrementer runs")
    };
    // Computed from the time that is left, a moment after that was.
    assert!(at + Duration::from_secs(60) > deadline && at < deadline + Duration::from_secs(60));
}

/// H_CONFER to itself, with interrupts off.
#[test]
fn an_interrupt_that_is_masked_wakes_nobody() {
    let mut rig = Rig::new(|state| {
        state.decrementer = Some(Instant::now());
        state.call(Hcall::Confer, [0, 0])
    });
    rig.machine.processors.set_external(0, true);
    assert_eq!(rig.run(false), Outlook::Waits);
    rig.machine.processors.by_server(0).prod();
    assert_eq!(rig.look(), Outlook::Runs);
}

#[test]
fn whoever_is_called_out_goes_on_until_its_turn_is_over() {
    let mut exits = 0;
    let mut rig = Rig::new(move |state| {
        exits += 1;
        if exits < 3 { Exit::Attention } else { cede(state) }
    });
    assert_eq!(rig.run(false), Outlook::Waits);
    let mut rig = Rig::new(|_| Exit::Attention);
    assert_eq!(rig.run(true), Outlook::Runs);
    assert!(
        !rig.is_dispatched(),
        "others may see that it does not run, and confer to it"
    );
    assert!(!rig.vcpu.has_conferred());
    rig.arrive();
    assert!(rig.is_dispatched());
}

#[test]
fn a_preemption_is_in_the_log_of_a_guest_that_asks_for_it() {
    let mut exits = 0;
    let mut rig = Rig::new(move |state| {
        exits += 1;
        let at = [(1_u64, VPA), (2, LOG)];
        match at.get(exits - 1) {
            Some(&(function, at)) => state.call(Hcall::RegisterVpa, [function << 45, 0, at]),
            None => Exit::Attention,
        }
    });
    let ram = Arc::clone(&rig.machine.ram);
    ram.write(VPA + 4, &640_u16.to_be_bytes()).unwrap();
    ram.write(LOG + 4, &480_u32.to_be_bytes()).unwrap();
    ram.write(VPA + 0xb8, &[2]).unwrap();
    assert_eq!(rig.run(true), Outlook::Runs);
    let counter = || u32::from_be_bytes(ram.read(VPA + 0x100).unwrap());
    assert_eq!(counter(), 3);
    rig.arrive();
    assert_eq!(counter(), 4);
    assert_eq!(u64::from_be_bytes(ram.read(VPA + 0x218).unwrap()), 1);
    assert_eq!(ram.read(LOG), Some([7, 4]));
}

#[test]
fn a_processor_confers_to_the_one_that_it_names() {
    for (target, named) in [(1, Some(1)), (u64::MAX, None)] {
        let (machine, wires) = machine_of_scripted(2, 1);
        let mut vcpu = Vcpu::new(0);
        machine.processors.by_server(0).start(START);
        let program = move |state: &mut State| state.call(Hcall::Confer, [target, 1]);
        assert!(vcpu.arrive(&machine, |_| Scripted::new(&wires[0], Box::new(program))));
        assert_eq!(vcpu.run(&machine, &|| false), named);
        assert!(vcpu.has_conferred());
        assert_eq!(vcpu.look(&machine, Instant::now()), Outlook::Runs);
        assert!(vcpu.arrive(&machine, |_| unreachable!("it is made once")));
    }
}

#[test]
fn a_processor_is_settled_before_it_is_left_or_looked_into() {
    let mut rig = Rig::new(cede);
    rig.run(false);
    assert_eq!(rig.vcpu.body.as_ref().unwrap().cpu.registers(), "settled");
    let mut rig = Rig::new(|_| Exit::Checkstop("as the test wants".into()));
    assert_eq!(rig.run(false), Outlook::Waits);
    let Some(Ending::Checkstop { registers, .. }) = rig.machine.stop.take() else {
        panic!("a checkstop ends the run")
    };
    assert_eq!(registers, "settled");
}

/// Its hypercall is answered, so that it can go on where it is.
#[test]
fn a_sleeper_has_its_answer() {
    let mut rig = Rig::new(cede);
    rig.run(false);
    let cpu = &rig.vcpu.body.as_ref().unwrap().cpu;
    assert_eq!(cpu.gpr(3), Status::Success.to_register());
    assert!(cpu.msr().has(Msr::EE));
}

#[test]
fn memory_that_is_withheld_is_waited_for_and_then_the_processor_goes_on() {
    let mut runs = 0;
    let mut rig = Rig::new(move |state| {
        runs += 1;
        match runs {
            1 => Exit::Withheld {
                real: 0x5000,
                access: Access::Store,
                pc: 0,
            },
            _ => cede(state),
        }
    });
    let protection = rig.machine.ram.frames().protect(None).unwrap();
    protection.take(0x5000..0x6000, Right::Load, &Endless).unwrap();
    thread::scope(|scope| {
        let carried = scope.spawn(|| rig.run(false));
        protection.give(0x5000..0x6000, Right::Store);
        assert_eq!(carried.join().unwrap(), Outlook::Waits);
    });
    let waited = rig.machine.ram.waits().read();
    assert_eq!((waited.ns.count(), waited.longest_delay), (1, waited.all));
}

#[test]
fn the_end_of_the_run_ends_the_wait_for_memory() {
    let mut rig = Rig::new(|_| Exit::Withheld {
        real: 0x5000,
        access: Access::Load,
        pc: 0,
    });
    let protection = rig.machine.ram.frames().protect(None).unwrap();
    protection.take(0x5000..0x6000, Right::Nothing, &Endless).unwrap();
    let stop = Arc::clone(&rig.machine.stop);
    thread::scope(|scope| {
        scope.spawn(|| rig.run(false));
        stop.request(Ending::Quit);
    });
}

/// A device that has its offset in every byte, and keeps what is stored.
#[derive(Default)]
struct Offsets(Mutex<Vec<(u64, Vec<u8>)>>);

impl Registers for Offsets {
    fn load(&self, offset: u64, into: &mut [u8]) {
        into.fill(offset as u8);
    }

    fn store(&self, offset: u64, from: &[u8]) {
        self.0.lock().unwrap().push((offset, from.to_vec()));
    }
}

#[test]
fn what_is_no_memory_is_answered_by_a_device_or_by_nobody() {
    const AT: u64 = 1 << 40;
    let mut runs = 0;
    let mut rig = Rig::new(move |state| {
        runs += 1;
        let store = |real| Exit::Store {
            real,
            operand: Operand::new(&[1, 2, 3, 4]),
        };
        match runs {
            1 => Exit::Load {
                real: AT + 0x24,
                bytes: 2,
            },
            2 => {
                assert_eq!(state.answer, [0x24; 2]);
                Exit::Load {
                    real: AT + 0x1000,
                    bytes: 8,
                }
            }
            3 => {
                assert_eq!(state.answer, [0xff; 8], "nobody is there");
                store(AT + 0xffc)
            }
            4 => store(AT + 0xffe),
            _ => cede(state),
        }
    });
    let device = Arc::<Offsets>::default();
    rig.machine.bus.map(AT..AT + 0x1000, Arc::clone(&device) as _).unwrap();
    assert_eq!(rig.run(false), Outlook::Waits);
    assert_eq!(*device.0.lock().unwrap(), [(0xffc, vec![1, 2, 3, 4])]);
    let exits = rig.machine.tally.as_ref().unwrap().exits();
    assert_eq!((exits.device_loads, exits.device_stores), (2, 2));
}

/// A carrier has looked at it and is about to carry it, or carries it: in each case the machine is reset before it goes on.
#[test]
fn a_processor_of_a_machine_that_was_reset_is_stopped_whatever_it_did() {
    let mut looked_at = Rig::new(cede);
    assert_eq!(looked_at.run(false), Outlook::Waits);
    looked_at.machine.processors.by_server(0).prod();
    assert_eq!(looked_at.look(), Outlook::Runs);
    looked_at.machine.processors.reset();
    assert!(
        !looked_at
            .vcpu
            .arrive(&looked_at.machine, |_| unreachable!("it is made once"))
    );
    assert_eq!(looked_at.look(), Outlook::Waits);
    assert!(looked_at.machine.processors.by_server(0).start(START));
    assert_eq!(looked_at.look(), Outlook::Runs);
    looked_at.arrive();
    assert!(looked_at.is_dispatched());

    let mut carried = Rig::new(|_| unreachable!("it does not go into the guest"));
    carried.machine.processors.reset();
    assert_eq!(carried.run(false), Outlook::Waits);
    // Started anew before its carrier has parked it.
    let mut started = Rig::new(|_| unreachable!("not before it has arrived"));
    started.machine.processors.reset();
    assert!(started.machine.processors.by_server(0).start(START));
    assert_eq!(started.run(false), Outlook::Runs);
}
