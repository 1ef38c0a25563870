//! New starts of a machine whose processors are programs in Rust, carried by threads as a guest's are.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use devices::reset::Reset;
use hpt::Order;
use power::hcall::{Hcall, Status, access};
use power::hpte::HpteV;
use power::msr::lpcr;
use power::page::{PagePair, PageSize, SegmentSize, Vpn};
use power::rtas::{CpuStoppedState, RtasCall};

use super::*;
use crate::accel::Exit;
use crate::carriers;
use crate::sources::CONSOLE_INTERRUPT;
use crate::stop::{Call, Ending};
use crate::test_machine::machine;
use crate::test_machine::scripted::{Program, Scripted, State, machine_of_scripted};

const ENTRY: Entry = Entry {
    pc: 0x100,
    device_tree: 0x7000,
};

/// A machine whose processors run `program`s, until it asks for a new start for the `resets`th time and once more.
fn run(
    processors: usize,
    carriers: usize,
    resets: usize,
    program: impl Fn(usize, &Arc<Machine>) -> Program + Send + Sync + 'static,
) -> Arc<Machine> {
    let (machine, wires) = machine_of_scripted(processors, carriers);
    let again = Arc::clone(&machine);
    let make = move |server: usize| Scripted::new(&wires[server], program(server, &again));
    carriers::spawn(&machine, make).unwrap();
    machine.start(ENTRY);
    for _ in 0..resets {
        assert_eq!(machine.stop.wait(), Call::Reset);
        machine.reset(|| Ok(ENTRY)).unwrap();
    }
    assert_eq!(machine.stop.wait(), Call::End);
    machine.pause.end();
    machine
        .processors
        .iter()
        .for_each(crate::processors::Processor::dismiss);
    assert_eq!(machine.stop.wait_for_processors(Duration::from_secs(60)), 0);
    machine
}

/// Starts processor `server` and says that it did.
fn start_cpu(machine: &Machine, server: usize) {
    let started = machine
        .processors
        .by_server(server)
        .start(crate::test_machine::scripted::START);
    assert!(started, "processor {server} is not stopped");
}

/// What is in memory at the place of an RTAS call's buffer.
fn reboot(machine: &Machine, state: &mut State) -> Exit {
    const BUFFER: u64 = 0x4000;
    for (n, word) in [RtasCall::SystemReboot.token(), 0, 1].iter().enumerate() {
        machine.ram.write(BUFFER + 4 * n as u64, &word.to_be_bytes()).unwrap();
    }
    state.call(Hcall::Rtas, [BUFFER])
}

/// Processor 0 starts the others, which spin, sleep or confer, and reboots when all do; each time it must find all stopped and memory zero.
#[test]
fn whatever_processors_do_a_reboot_stops_them_and_starts_the_first() {
    const REBOOTS: usize = 200;
    for (processors, carriers) in [(1, 1), (4, 4), (4, 2), (3, 1)] {
        let at_work: Arc<Vec<AtomicBool>> = Arc::new((0..processors).map(|_| AtomicBool::new(false)).collect());
        let boots = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&boots);
        let program = move |server: usize, machine: &Arc<Machine>| -> Program {
            let (machine, at_work, boots) = (Arc::clone(machine), Arc::clone(&at_work), Arc::clone(&count));
            Box::new(move |state: &mut State| {
                if server > 0 {
                    at_work[server].store(true, Ordering::Relaxed);
                    return match (boots.load(Ordering::Relaxed) + server) % 3 {
                        0 => {
                            state.spin();
                            Exit::Attention
                        }
                        1 => state.call(Hcall::Cede, []),
                        _ => state.call(Hcall::Confer, [u64::MAX, 0]),
                    };
                }
                // It was started: r3 is the tree, and nothing else remembers an earlier boot.
                if state.gprs[3] == ENTRY.device_tree {
                    state.gprs[3] = 0;
                    assert_eq!(machine.ram.read(0x4000), Some([0; 16]));
                    for other in 1..at_work.len() {
                        at_work[other].store(false, Ordering::Relaxed);
                        let is = machine.processors.by_server(other).stopped_state();
                        assert_eq!(is, CpuStoppedState::Stopped, "processor {other}");
                        start_cpu(&machine, other);
                    }
                    if boots.fetch_add(1, Ordering::Relaxed) == REBOOTS {
                        machine.stop.request(Ending::PowerOff);
                    }
                }
                if at_work[1..].iter().all(|at_work| at_work.load(Ordering::Relaxed)) {
                    return reboot(&machine, state);
                }
                // Let the others have their turns.
                state.call(Hcall::Confer, [u64::MAX, 0])
            })
        };
        let machine = run(processors, carriers, REBOOTS, program);
        assert_eq!(boots.load(Ordering::Relaxed), REBOOTS + 1);
        assert!(matches!(machine.stop.take(), Some(Ending::PowerOff)));
    }
}

struct Button(Arc<Mutex<Vec<&'static str>>>);

impl Reset for Button {
    fn reset(&self) {
        self.0.lock().unwrap().push("device");
    }
}

/// A machine without threads, after something of everything has been done to it.
#[test]
fn everything_but_the_clock_and_nvram_is_as_at_the_start() {
    let machine = machine(2);
    let order = Arc::new(Mutex::new(Vec::new()));
    machine
        .devices
        .lock()
        .unwrap()
        .push(Arc::new(Button(Arc::clone(&order))));
    machine.ram.write(0x8000, b"old").unwrap();
    machine.partition.change_lpcr(lpcr::ILE, lpcr::ILE);
    assert!(machine.rtc.set([2001, 2, 3, 4, 5, 6, 7]).to_word() == 0);
    assert!(machine.nvram.store(0x2000, b"kept").to_word() == 0);
    machine.power_events.request_shutdown();
    machine.console.push_input(b"typed");
    let pair = PagePair::ALL[0];
    let page = Vpn::new(1, SegmentSize::Size256M, PageSize::Size4K, 0x5000);
    let ptex = (page.hash() & (Order::MIN.groups() - 1)) * 8;
    let entered = machine
        .hpt
        .port()
        .enter(access::EXACT, ptex, HpteV::new(page, pair, false).raw(), 0x5012);
    assert!(entered.is_ok());
    start_cpu(&machine, 1);
    machine.processors.by_server(1).prod();
    let xics = machine.xics.as_ref().unwrap();
    let _ = (xics.set_cppr(0, 0xff), xics.ipi(0, 4));

    let log = Arc::clone(&order);
    machine
        .reset(|| {
            log.lock().unwrap().push("load");
            assert_eq!(machine.ram.read(0x8000), Some([0; 3]));
            machine.ram.write(0x8000, b"new").unwrap();
            Ok(ENTRY)
        })
        .unwrap();
    assert_eq!(*order.lock().unwrap(), ["device", "load"]);
    assert_eq!(machine.ram.read(0x8000), Some(*b"new"));
    assert_eq!(machine.partition.lpcr() & lpcr::ILE, 0);
    assert_eq!(machine.rtc.get().unwrap()[0], 2001);
    assert_eq!(machine.nvram.fetch(0x2000, 4).unwrap(), b"kept");
    assert_eq!(machine.power_events.sensor(), 0);
    assert_eq!(machine.console.get(0x3000_0000).unwrap().bytes, 5);
    assert_eq!(machine.hpt.port().remove(0, ptex, 0).err(), Some(Status::NotFound));
    assert_eq!(xics.ipoll(0).unwrap().xirr, 0);
    // What was typed before is told of again.
    let _ = (
        xics.set_xive(CONSOLE_INTERRUPT, 0, 4),
        xics.int_on(CONSOLE_INTERRUPT),
        xics.set_cppr(0, 0xff),
    );
    assert_eq!(xics.xirr(0) & 0x00ff_ffff, CONSOLE_INTERRUPT);
    assert_eq!(
        machine.processors.by_server(1).stopped_state(),
        CpuStoppedState::Stopped
    );
    let first = machine.processors.by_server(0).take_start().unwrap();
    assert_eq!(
        (first.pc, first.r3, first.msr.raw()),
        (0x100, 0x7000, Msr::SF | Msr::ME)
    );
}

#[test]
fn a_paused_run_stays_paused_and_one_that_ends_meanwhile_is_not_started() {
    let paused = machine(1);
    paused.pause(Duration::from_secs(1)).unwrap();
    paused.reset(|| Ok(ENTRY)).unwrap();
    assert!(paused.pause.is_paused());
    assert!(paused.processors.by_server(0).is_starting());
    let over = machine(1);
    over.stop.request(Ending::Quit);
    over.reset(|| unreachable!("nothing is started")).unwrap();
    assert!(!over.processors.by_server(0).is_starting());
}

#[test]
fn a_reset_waits_for_who_needs_the_run_paused() {
    let machine = machine(1);
    machine.pause(Duration::from_secs(1)).unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reset = machine.pause.while_paused(|| {
            let reset = scope.spawn(|| {
                machine.reset(|| Ok(ENTRY)).unwrap();
                assert!(is_done.load(Ordering::Relaxed), "memory was cleared under its reader");
            });
            let until = Instant::now() + Duration::from_millis(60);
            while Instant::now() < until {
                assert!(!machine.processors.by_server(0).is_starting());
            }
            is_done.store(true, Ordering::Relaxed);
            reset
        });
        reset.expect("it is paused").join().unwrap();
    });
    assert!(machine.processors.by_server(0).is_starting());
}
