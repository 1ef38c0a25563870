//! Processors that take turns, with real threads. They run small programs in Rust; a wake-up that is lost would hang
//! the test.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use devices::xics::CpuLine as _;
use power::hcall::{Hcall, access};

use super::*;
use crate::accel::{Exit, Wire as _};
use crate::processors::Start;
use crate::random::Stream;
use crate::stop::Ending;
use crate::test_machine::scripted::{Program, START, Scripted, SetWire, State, machine_in_turns, machine_of_scripted};

/// How long a thread may take to come home before the test calls it lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs all processors of a machine, each with its own program, until somebody requests the end. Meanwhile the caller
/// does `meanwhile`.
fn run(
    processors: usize,
    carriers: usize,
    program: impl Fn(usize, &Arc<Machine>) -> Program + Send + Sync + 'static,
    meanwhile: impl FnOnce(&Arc<Machine>),
) {
    run_on(machine_of_scripted(processors, carriers), program, meanwhile);
}

/// The same on this machine with these wires.
fn run_on(
    (machine, wires): (Arc<Machine>, Vec<Arc<SetWire>>),
    program: impl Fn(usize, &Arc<Machine>) -> Program + Send + Sync + 'static,
    meanwhile: impl FnOnce(&Arc<Machine>),
) {
    let of = Arc::clone(&machine);
    if machine.turns.is_some() {
        // What is drawn depends on who has been started.
        machine.pause(PATIENCE).unwrap();
    }
    spawn(&machine, move |server| {
        Scripted::new(&wires[server], program(server, &of))
    })
    .unwrap();
    // The first one last: it may stop itself at once, which must not end the run.
    for processor in machine.processors.iter().rev() {
        assert!(processor.start(START));
    }
    if machine.turns.is_some() {
        machine.resume().unwrap();
    }
    meanwhile(&machine);
    machine.stop.wait();
    machine.pause.end();
    machine
        .processors
        .iter()
        .for_each(crate::processors::Processor::dismiss);
    assert_eq!(
        machine.stop.wait_for_processors(PATIENCE),
        0,
        "a thread does not come home"
    );
    assert!(matches!(machine.stop.take(), Some(Ending::PowerOff)));
}

/// So many carriers for so many processors.
const SHARES: [(usize, usize); 5] = [(3, 1), (5, 2), (4, 3), (1, 1), (2, 2)];

/// Every processor spins until somebody makes it leave the guest, so only the end of a turn lets another one run.
#[test]
fn busy_processors_all_advance_and_no_more_run_than_are_carried() {
    const TURNS: usize = 5;
    for (processors, carriers) in [(3, 1), (5, 2), (4, 3)] {
        let turns: Arc<Vec<AtomicUsize>> = Arc::new((0..processors).map(|_| AtomicUsize::new(0)).collect());
        let inside = Arc::new(AtomicUsize::new(0));
        let program = move |server: usize, machine: &Arc<Machine>| -> Program {
            let (turns, inside, stop) = (Arc::clone(&turns), Arc::clone(&inside), Arc::clone(&machine.stop));
            Box::new(move |state: &mut State| {
                assert!(inside.fetch_add(1, Ordering::Relaxed) < carriers, "carried by nobody");
                state.spin();
                turns[server].fetch_add(1, Ordering::Relaxed);
                if turns.iter().all(|turns| turns.load(Ordering::Relaxed) >= TURNS) {
                    stop.request(Ending::PowerOff);
                }
                inside.fetch_sub(1, Ordering::Relaxed);
                Exit::Attention
            })
        };
        run(processors, carriers, program, |_| ());
    }
}

/// The first spins until the last has done something, and makes no call meanwhile.
#[test]
fn a_processor_that_spins_until_another_acts_does_not_wait_for_ever() {
    let acted = Arc::new(AtomicBool::new(false));
    let program = move |server: usize, machine: &Arc<Machine>| -> Program {
        let (acted, stop) = (Arc::clone(&acted), Arc::clone(&machine.stop));
        Box::new(move |state: &mut State| {
            if server == 2 {
                acted.store(true, Ordering::Relaxed);
                return state.call(Hcall::Cede, []);
            }
            state.spin();
            if acted.load(Ordering::Relaxed) {
                stop.request(Ending::PowerOff);
            }
            Exit::Attention
        })
    };
    run(3, 1, program, |_| ());
}

/// What a sleeping processor asks for: its wish in the upper half, counted in the lower one.
const PROD: u64 = 1 << 32;
const INTERRUPT: u64 = 2 << 32;
const DECREMENTER: u64 = 3 << 32;

/// Each processor sleeps again and again, and says each time how it wants to be woken, just before it falls asleep. The one who
/// wakes it is as fast as it can be, and meets it awake, half asleep, and asleep.
#[test]
fn no_wake_up_is_lost_however_the_threads_meet() {
    const ROUNDS: u64 = 10_000;
    for (processors, carriers) in SHARES {
        let asks: Arc<Vec<AtomicU64>> = Arc::new((0..processors).map(|_| AtomicU64::new(0)).collect());
        let asked = Arc::clone(&asks);
        let rounds = ROUNDS / processors as u64;
        let program = move |server: usize, _: &Arc<Machine>| -> Program {
            let asks = Arc::clone(&asks);
            let mut random = 0x9e37_79b9_u64 + server as u64;
            let mut round = 0;
            Box::new(move |state: &mut State| {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                state.wire.set_external(false);
                state.wire.answer();
                state.decrementer = None;
                round = (round + 1).min(rounds);
                let wish = match random >> 60 {
                    // Nobody wakes it a last time.
                    _ if round == rounds => DECREMENTER,
                    0..6 => PROD,
                    6..12 => INTERRUPT,
                    _ => {
                        let time = Duration::from_nanos(random >> 32 & 0x7fff);
                        state.decrementer = Some(Instant::now() + time);
                        DECREMENTER
                    }
                };
                asks[server].store(wish | round, Ordering::Release);
                state.call(Hcall::Cede, [])
            })
        };
        run(processors, carriers, program, |machine| {
            let mut answered = vec![0; processors];
            let mut random = 1_u32;
            while answered.iter().any(|&round| round < rounds) {
                for (server, answered) in answered.iter_mut().enumerate() {
                    let ask = asked[server].load(Ordering::Acquire);
                    if ask & 0xffff_ffff == *answered {
                        continue;
                    }
                    *answered = ask & 0xffff_ffff;
                    // From the ask to the sleep it is some hundred nanoseconds.
                    random = random.wrapping_mul(0x915f_77f5).wrapping_add(1);
                    (0..random >> 26).for_each(|_| std::hint::spin_loop());
                    match ask & !0xffff_ffff {
                        PROD => machine.processors.by_server(server).prod(),
                        INTERRUPT => machine.processors.set_external(server, true),
                        _ => {}
                    }
                }
            }
            machine.stop.request(Ending::PowerOff);
        });
    }
}

/// The reason comes right behind the look for it, and before the carrier waits.
#[test]
fn a_wake_up_between_the_look_and_the_wait_is_not_lost() {
    for (processors, carriers) in SHARES {
        let program = move |server: usize, machine: &Arc<Machine>| -> Program {
            let machine = Arc::clone(machine);
            let mut entries = 0;
            Box::new(move |state: &mut State| {
                if server > 0 {
                    return state.call(Hcall::Cede, []);
                }
                entries += 1;
                if entries == 2 {
                    machine.stop.request(Ending::PowerOff);
                }
                // The first look is that of the processor before it falls asleep. Prods are looked for first.
                let (looks, machine) = (AtomicU32::new(0), Arc::clone(&machine));
                state.on_look = Some(Box::new(move || {
                    if looks.fetch_add(1, Ordering::Relaxed) == 1 {
                        machine.processors.by_server(0).prod();
                    }
                }));
                state.call(Hcall::Cede, [])
            })
        };
        run(processors, carriers, program, |_| ());
    }
}

/// One carrier, which a busy processor never leaves by itself.
#[test]
fn a_processor_that_wakes_beside_a_busy_one_gets_its_turn() {
    const ROUNDS: u32 = 20;
    for (processors, carriers) in [(2, 1), (3, 2)] {
        let naps = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&naps);
        let program = move |server: usize, _: &Arc<Machine>| -> Program {
            let naps = Arc::clone(&naps);
            Box::new(move |state: &mut State| {
                if server > 0 {
                    state.spin();
                    return Exit::Attention;
                }
                let nap = naps.fetch_add(1, Ordering::Relaxed);
                // Every other one by its decrementer, which no one announces.
                state.decrementer = nap
                    .is_multiple_of(2)
                    .then(|| Instant::now() + Duration::from_micros(300));
                state.call(Hcall::Cede, [])
            })
        };
        run(processors, carriers, program, |machine| {
            while seen.load(Ordering::Relaxed) < ROUNDS {
                machine.processors.by_server(0).prod();
                thread::sleep(Duration::from_micros(500));
            }
            machine.stop.request(Ending::PowerOff);
        });
    }
}

/// Two carriers wait, one of them only until the first decrementer. When that one carries a processor, which keeps it for
/// ever, the other one has to wait for the second decrementer.
#[test]
fn a_deadline_is_kept_when_the_one_who_waited_for_it_has_work() {
    let program = move |server: usize, machine: &Arc<Machine>| -> Program {
        let stop = Arc::clone(&machine.stop);
        let mut entries = 0;
        Box::new(move |state: &mut State| {
            entries += 1;
            let nap = |ms| Some(Instant::now() + Duration::from_millis(ms));
            match (server, entries) {
                (0, _) => state.decrementer = None,
                (1, 1) => state.decrementer = nap(5),
                (1, _) => {
                    state.spin();
                    return Exit::Attention;
                }
                (_, 1) => state.decrementer = nap(50),
                (_, _) => stop.request(Ending::PowerOff),
            }
            state.call(Hcall::Cede, [])
        })
    };
    run(3, 2, program, |_| ());
}

#[test]
fn the_end_of_the_run_brings_sleepers_home() {
    for (processors, carriers) in SHARES {
        let asleep = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&asleep);
        let program = move |_: usize, _: &Arc<Machine>| -> Program {
            let asleep = Arc::clone(&asleep);
            Box::new(move |state: &mut State| {
                asleep.fetch_add(1, Ordering::Relaxed);
                state.call(Hcall::Cede, [])
            })
        };
        run(processors, carriers, program, |machine| {
            while seen.load(Ordering::Relaxed) < processors {
                thread::yield_now();
            }
            machine.stop.request(Ending::PowerOff);
        });
    }
}

/// Busy ones, sleepers, and ones that confer, each of which would be seen inside, or seen to have been there.
#[test]
fn nobody_runs_while_the_run_is_paused_and_all_go_on_after_it() {
    const PAUSES: u64 = 100;
    for (processors, carriers) in SHARES {
        let inside = Arc::new(AtomicUsize::new(0));
        let entries: Arc<Vec<AtomicU64>> = Arc::new((0..processors).map(|_| AtomicU64::new(0)).collect());
        let (seen_inside, seen) = (Arc::clone(&inside), Arc::clone(&entries));
        let program = move |server: usize, _: &Arc<Machine>| -> Program {
            let (inside, entries) = (Arc::clone(&inside), Arc::clone(&entries));
            Box::new(move |state: &mut State| {
                inside.fetch_add(1, Ordering::SeqCst);
                let entry = entries[server].fetch_add(1, Ordering::SeqCst);
                let exit = match (server as u64 + entry) % 3 {
                    0 => {
                        state.spin();
                        Exit::Attention
                    }
                    1 => {
                        state.decrementer = Some(Instant::now() + Duration::from_micros(50));
                        state.call(Hcall::Cede, [])
                    }
                    // To all others.
                    _ => state.call(Hcall::Confer, [u64::MAX, 0]),
                };
                inside.fetch_sub(1, Ordering::SeqCst);
                exit
            })
        };
        run(processors, carriers, program, |machine| {
            let count = || -> Vec<u64> { seen.iter().map(|entries| entries.load(Ordering::SeqCst)).collect() };
            for pause in 0..PAUSES {
                machine.pause(PATIENCE).unwrap();
                let before = count();
                for _ in 0..20 {
                    // What others do meanwhile wakes nobody up.
                    machine.processors.by_server(0).prod();
                    assert_eq!(seen_inside.load(Ordering::SeqCst), 0, "pause {pause}");
                    thread::yield_now();
                }
                assert_eq!(count(), before, "pause {pause}");
                machine.resume().unwrap();
                // Somebody rings, or a busy one is left alone for ever.
                while count().iter().zip(&before).any(|(now, before)| now == before) {
                    machine.processors.iter().for_each(|processor| {
                        processor.prod();
                        processor.call_out();
                    });
                    thread::yield_now();
                }
            }
            machine.stop.request(Ending::PowerOff);
        });
    }
}

#[test]
fn a_paused_run_ends_when_it_is_told_to() {
    for (processors, carriers) in SHARES {
        let program = move |_: usize, _: &Arc<Machine>| -> Program {
            Box::new(move |state: &mut State| {
                state.spin();
                Exit::Attention
            })
        };
        run(processors, carriers, program, |machine| {
            machine.pause(PATIENCE).unwrap();
            machine.stop.request(Ending::PowerOff);
        });
    }
}

/// Processors that a guest never starts cost nothing, and have nothing to report.
#[test]
fn only_a_processor_that_starts_is_made() {
    for (processors, carriers) in [(4, 4), (4, 2), (4, 1)] {
        let (machine, wires) = machine_of_scripted(processors, carriers);
        let made = Arc::new(Mutex::new(Vec::new()));
        let (notes, stop) = (Arc::clone(&made), Arc::clone(&machine.stop));
        spawn(&machine, move |server| {
            notes.lock().unwrap().push(server);
            let stop = Arc::clone(&stop);
            Scripted::new(
                &wires[server],
                Box::new(move |_: &mut State| {
                    stop.request(Ending::PowerOff);
                    Exit::Attention
                }),
            )
        })
        .unwrap();
        assert!(machine.processors.by_server(2).start(START));
        machine.stop.wait();
        machine.pause.end();
        machine
            .processors
            .iter()
            .for_each(crate::processors::Processor::dismiss);
        assert_eq!(machine.stop.wait_for_processors(PATIENCE), 0);
        assert_eq!(*made.lock().unwrap(), [2]);
        assert_eq!(machine.instructions().into_keys().collect::<Vec<_>>(), [2]);
    }
}

/// Stopped and started again by others, with another r3 each time, wherever its carrier is.
#[test]
fn a_processor_that_has_stopped_is_started_again() {
    const STARTS: u64 = 200;
    // Another one keeps the run from ending with it.
    for (processors, carriers) in SHARES.into_iter().filter(|&(processors, _)| processors > 1) {
        let seen = Arc::new(AtomicU64::new(0));
        let last = Arc::clone(&seen);
        let program = move |server: usize, machine: &Arc<Machine>| -> Program {
            let (seen, machine) = (Arc::clone(&seen), Arc::clone(machine));
            Box::new(move |state: &mut State| {
                if server > 0 {
                    return state.call(Hcall::Cede, []);
                }
                seen.store(state.gprs[3], Ordering::Release);
                // As `stop-self` does, after its checks.
                machine.ram.write(BUFFER, &STOP_SELF).unwrap();
                state.call(Hcall::Rtas, [BUFFER])
            })
        };
        run(processors, carriers, program, |machine| {
            for n in 1..=STARTS {
                let start = Start { r3: 1000 + n, ..START };
                while !machine.processors.by_server(0).start(start) {
                    thread::yield_now();
                }
                while last.load(Ordering::Acquire) != 1000 + n {
                    thread::yield_now();
                }
            }
            machine.stop.request(Ending::PowerOff);
        });
    }
}

/// Where the buffer of an RTAS call lies.
const BUFFER: u64 = 0x4000;

/// `stop-self` has no arguments, and returns nothing if it succeeds.
const STOP_SELF: [u8; 12] = {
    let token = power::rtas::RtasCall::StopSelf.token().to_be_bytes();
    [token[0], token[1], token[2], token[3], 0, 0, 0, 0, 0, 0, 0, 1]
};

/// What calls have answered: the processor, r3 and r4.
type Answers = Arc<Mutex<Vec<(usize, u64, u64)>>>;

/// A program that makes calls of the page table by chance, all for the same eight slots, and notes what is answered.
fn calls_by_chance(server: usize, answers: &Answers) -> Program {
    let answers = Arc::clone(answers);
    let mut stream = Stream(server as u64);
    let mut is_first = true;
    Box::new(move |state: &mut State| {
        if !std::mem::take(&mut is_first) {
            answers.lock().unwrap().push((server, state.gprs[3], state.gprs[4]));
        }
        let slot = stream.below(8);
        match stream.below(4) {
            // A page of 4 KiB.
            0 | 1 => state.call(
                Hcall::Enter,
                [access::EXACT, slot, (server as u64) << 12 | 1, slot << 12 | 0x12],
            ),
            2 => state.call(Hcall::Remove, [0, slot, 0]),
            _ => state.call(Hcall::Protect, [3, slot, 0]),
        }
    })
}

/// No program of these has instructions to be counted, so each turn but the last one of a processor ends in the midst of a call. The run ends in the
/// midst of those of all others.
#[test]
fn turns_end_in_the_midst_of_calls_as_the_seed_says() {
    const CALLS: usize = 2000;
    for processors in [1, 2, 4] {
        let answers_of = |seed| {
            let answers = Answers::default();
            let notes = Arc::clone(&answers);
            let program = move |server: usize, machine: &Arc<Machine>| -> Program {
                let (mut call, answers, stop) = (
                    calls_by_chance(server, &notes),
                    Arc::clone(&notes),
                    Arc::clone(&machine.stop),
                );
                Box::new(move |state: &mut State| {
                    if answers.lock().unwrap().len() == CALLS {
                        stop.request(Ending::PowerOff);
                    }
                    call(state)
                })
            };
            run_on(machine_in_turns(processors, seed), program, |_| ());
            let answers = answers.lock().unwrap();
            answers.clone()
        };
        let first = answers_of(3);
        assert_eq!(answers_of(3), first, "{processors} processors");
        let changes = first.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
        if processors > 1 {
            assert_ne!(answers_of(4), first, "{processors} processors");
            assert!(changes > 4, "{changes}");
            assert!(
                first.iter().filter(|answer| answer.1 == 0).count() > CALLS / 10,
                "they were refused"
            );
        }
    }
}

#[test]
fn who_stands_in_a_call_comes_out_of_it_for_a_pause() {
    for processors in [1, 2, 5] {
        let answers = Answers::default();
        let notes = Arc::clone(&answers);
        let program = move |server: usize, _: &Arc<Machine>| calls_by_chance(server, &notes);
        run_on(machine_in_turns(processors, 5), program, |machine| {
            let count = || answers.lock().unwrap().len();
            for pause in 0..20 {
                machine.pause(PATIENCE).unwrap();
                let before = count();
                for _ in 0..20 {
                    assert_eq!(count(), before, "pause {pause}");
                    thread::yield_now();
                }
                machine.resume().unwrap();
                while count() == before {
                    thread::yield_now();
                }
            }
            machine.stop.request(Ending::PowerOff);
        });
    }
}
