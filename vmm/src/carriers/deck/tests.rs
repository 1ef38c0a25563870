//! Whose turn it is, step by step: the test is all the carriers.

use std::sync::Arc;

use power::hcall::Hcall;

use super::*;
use crate::test_machine::scripted::{Program, START, Scripted, SetWire, State, machine_of_scripted};

struct Rig {
    machine: Arc<Machine>,
    wires: Vec<Arc<SetWire>>,
    deck: Deck<Scripted>,
    now: Instant,
    program: fn(usize) -> Program,
}

impl Rig {
    /// Processors that have been started, and run programs of `program`.
    fn new(processors: usize, carriers: usize, program: fn(usize) -> Program) -> Self {
        let (machine, wires) = machine_of_scripted(processors, carriers);
        for processor in machine.processors.iter() {
            processor.start(START);
        }
        Self {
            deck: Deck::new(0..processors, carriers),
            machine,
            wires,
            now: Instant::now(),
            program,
        }
    }

    /// `carrier` looks; the processor that it takes, and whether it leaves work behind.
    fn take(&mut self, carrier: usize, wish: Option<usize>) -> Option<(Box<Vcpu<Scripted>>, bool)> {
        match self.deck.look(&self.machine, carrier, wish, self.now) {
            Look::Carry {
                mut vcpu, leaves_work, ..
            } => {
                let (wires, program) = (&self.wires, self.program);
                assert!(vcpu.arrive(&self.machine, |server| Scripted::new(&wires[server], program(server))));
                Some((vcpu, leaves_work))
            }
            Look::Nothing { .. } => None,
        }
    }

    /// The first carrier takes one, runs it and parks it: its number, and to whom it has conferred.
    fn turn(&mut self, wish: Option<usize>) -> (usize, Option<usize>) {
        let (mut vcpu, _) = self.take(0, wish).expect("one can run");
        let deck = &self.deck;
        let confers_to = vcpu.run(&self.machine, &|| deck.is_slice_over(0));
        let server = vcpu.server();
        self.deck.park(0, vcpu);
        (server, confers_to)
    }

    /// What a carrier that finds nothing waits for.
    fn idle(&mut self, carrier: usize) -> Option<Instant> {
        match self.deck.look(&self.machine, carrier, None, self.now) {
            Look::Nothing { until } => until,
            Look::Carry { vcpu, .. } => panic!("{} can run", vcpu.server()),
        }
    }

    fn waits_since(&self, server: usize) -> u64 {
        self.machine
            .processors
            .by_server(server)
            .areas()
            .waiting_since()
            .expect("it waits")
            .into()
    }
}

/// H_CONFER to all.
fn yields(_: usize) -> Program {
    Box::new(|state: &mut State| state.call(Hcall::Confer, [u64::MAX, 0]))
}

fn cedes(_: usize) -> Program {
    Box::new(|state: &mut State| state.call(Hcall::Cede, []))
}

#[test]
fn turns_go_round() {
    let mut rig = Rig::new(3, 1, yields);
    let order: Vec<usize> = (0..7).map(|_| rig.turn(None).0).collect();
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn whoever_cannot_run_is_passed_over() {
    let mut rig = Rig::new(3, 1, cedes);
    for server in 0..3 {
        assert_eq!(rig.turn(None).0, server);
    }
    assert_eq!(rig.idle(0), None);
    rig.machine.processors.by_server(1).prod();
    assert_eq!(rig.turn(None).0, 1);
}

/// H_CONFER to the neighbour (0 to 1, 1 to 0), whose dispatch number it finds by trying.
fn gives_to_its_neighbour(server: usize) -> Program {
    if server > 1 {
        return yields(server);
    }
    let mut number = 1;
    Box::new(move |state: &mut State| {
        number = (number + 2) % 64;
        state.call(Hcall::Confer, [server as u64 ^ 1, number])
    })
}

/// Processor 0 confers to 2, though 1 would be next. Then the round goes on.
#[test]
fn the_rest_of_a_turn_goes_to_the_one_that_is_named() {
    let mut rig = Rig::new(4, 1, |server| match server {
        2 => Box::new(|state: &mut State| state.call(Hcall::Confer, [3, 1])),
        _ => yields(server),
    });
    assert_eq!(rig.turn(None).0, 0);
    assert_eq!(rig.turn(Some(2)), (2, Some(3)));
    let order: Vec<usize> = (0..3).map(|_| rig.turn(None).0).collect();
    assert_eq!(order, [1, 2, 3], "the turn was not its own");
}

/// Whether or not its turn was its own; and nobody is passed over however often that happens.
#[test]
fn whoever_confers_to_all_waits_until_all_have_run() {
    let mut rig = Rig::new(4, 1, yields);
    assert_eq!(rig.turn(None).0, 0);
    assert_eq!(rig.turn(Some(2)).0, 2);
    let order: Vec<usize> = (0..4).map(|_| rig.turn(None).0).collect();
    assert_eq!(order, [1, 3, 0, 2]);
}

/// Each could wait for the other for ever.
#[test]
fn a_call_to_one_that_has_conferred_to_all_is_ignored() {
    let mut rig = Rig::new(2, 1, |server| {
        let mut calls = 0;
        Box::new(move |state: &mut State| {
            calls += 1;
            match (server, calls) {
                (0, _) => state.call(Hcall::Confer, [u64::MAX, 0]),
                (_, 1) => state.call(Hcall::Confer, [0, 3]),
                (_, _) => state.call(Hcall::Cede, []),
            }
        })
    });
    assert_eq!(rig.turn(None), (0, None));
    assert_eq!(rig.waits_since(0), 3);
    assert_eq!(rig.turn(None), (1, None));
    assert_eq!(rig.turn(None), (0, None), "the other one has ceded");
    assert_eq!(rig.turn(None), (0, None));
}

#[test]
fn a_wish_for_one_that_cannot_run_is_a_wish_for_all() {
    let mut rig = Rig::new(3, 1, cedes);
    for _ in 0..3 {
        rig.turn(None);
    }
    rig.machine.processors.by_server(0).prod();
    for wish in [Some(1), Some(64), None] {
        rig.machine.processors.by_server(0).prod();
        assert_eq!(rig.turn(wish).0, 0);
    }
}

/// 0 and 1 confer to each other for ever, and 2 waits. The ticker ends the turn that they share.
#[test]
fn two_that_confer_to_each_other_keep_nobody_from_running() {
    let mut rig = Rig::new(3, 1, gives_to_its_neighbour);
    assert_eq!(rig.turn(None), (0, Some(1)));
    for _ in 0..5 {
        assert_eq!(rig.turn(Some(1)), (1, Some(0)));
        assert_eq!(rig.turn(Some(0)), (0, Some(1)));
    }
    let (vcpu, _) = rig.take(0, Some(1)).unwrap();
    assert_eq!(vcpu.server(), 1);
    rig.now += SLICE;
    rig.deck.end_turns(&rig.machine, rig.now);
    assert!(rig.deck.is_slice_over(0));
    let mut vcpu = vcpu;
    vcpu.run(&rig.machine, &|| true);
    rig.deck.park(0, vcpu);
    assert_eq!(rig.turn(Some(0)).0, 1, "the round goes on where it was");
    assert!(!rig.deck.is_slice_over(0));
    assert_eq!(rig.turn(Some(0)).0, 0, "a turn of its own to give away");
    assert_eq!(rig.turn(None).0, 2);
}

#[test]
fn a_target_and_its_dispatch_number_come_from_the_guest() {
    let mut rig = Rig::new(2, 1, |server| {
        Box::new(move |state: &mut State| match server {
            0 => state.call(Hcall::Confer, [1, 1]),
            _ => state.call(Hcall::Cede, []),
        })
    });
    assert_eq!(rig.waits_since(1), 1);
    assert_eq!(rig.turn(None), (0, Some(1)));
}

#[test]
fn a_turn_ends_only_while_another_one_waits() {
    let mut rig = Rig::new(2, 1, cedes);
    rig.turn(None);
    let (vcpu, leaves_work) = rig.take(0, None).unwrap();
    assert_eq!(vcpu.server(), 1);
    assert!(!leaves_work);
    let began = rig.now;
    rig.now += 5 * SLICE;
    assert_eq!(rig.deck.end_turns(&rig.machine, rig.now), rig.now + SLICE);
    assert!(!rig.deck.is_slice_over(0) && !rig.wires[1].answer());
    rig.machine.processors.by_server(0).prod();
    assert_eq!(
        rig.deck.end_turns(&rig.machine, began),
        began + SLICE,
        "not before its time"
    );
    assert!(!rig.deck.is_slice_over(0));
    rig.deck.end_turns(&rig.machine, rig.now);
    assert!(rig.deck.is_slice_over(0) && rig.wires[1].answer());
    assert!(!rig.wires[0].answer());
}

#[test]
fn the_next_look_of_the_ticker_is_at_the_first_end_of_a_turn() {
    let mut rig = Rig::new(3, 2, yields);
    let began = rig.now;
    let _first = rig.take(0, None).unwrap();
    rig.now += SLICE / 4;
    let _second = rig.take(1, None).unwrap();
    let ticks = SLICE / 2;
    assert_eq!(rig.deck.end_turns(&rig.machine, began + ticks), began + SLICE);
    assert_eq!(
        rig.deck.end_turns(&rig.machine, began + SLICE),
        began + SLICE + SLICE / 4
    );
    assert!(rig.deck.is_slice_over(0) && !rig.deck.is_slice_over(1));
}

#[test]
fn whoever_leaves_one_that_can_run_says_so() {
    let mut rig = Rig::new(3, 3, yields);
    let (_first, leaves_work) = rig.take(0, None).unwrap();
    assert!(leaves_work);
    let (_second, leaves_work) = rig.take(1, None).unwrap();
    assert!(leaves_work);
    let (_third, leaves_work) = rig.take(2, None).unwrap();
    assert!(!leaves_work);
}

/// Processor n sleeps for n hours, but for processor 0, which yields.
fn naps(server: usize) -> Program {
    if server == 0 {
        return yields(server);
    }
    Box::new(move |state: &mut State| {
        state.decrementer = Some(Instant::now() + hours(server));
        state.call(Hcall::Cede, [])
    })
}

fn hours(n: usize) -> Duration {
    Duration::from_secs(3600 * n as u64)
}

/// About so many hours away.
#[track_caller]
fn assert_hours(rig: &Rig, at: Option<Instant>, n: usize) {
    let (at, right) = (at.expect("a deadline"), rig.now + hours(n));
    let minute = Duration::from_secs(60);
    assert!(right < at + 10 * minute && at < right + 10 * minute, "not in {n} hours");
}

#[test]
fn one_carrier_watches_the_first_deadline_and_hands_it_over() {
    let mut rig = Rig::new(4, 3, naps);
    // Processor 0 could always run, so it stays out of this.
    let (_zeroth, _) = rig.take(2, None).unwrap();
    for server in 1..4 {
        assert_eq!(rig.turn(None).0, server);
    }
    let until = rig.idle(0);
    assert_hours(&rig, until, 1);
    assert_eq!(rig.idle(1), None, "the other one does");
    // The watch takes one: the next deadline has nobody.
    rig.machine.processors.by_server(1).prod();
    let (mut first, leaves_work) = rig.take(0, None).unwrap();
    assert!(leaves_work);
    let until = rig.idle(1);
    assert_hours(&rig, until, 2);
    // One comes back, with a deadline before that: whoever parks it becomes the watch.
    first.run(&rig.machine, &|| false);
    rig.deck.park(0, first);
    let until = rig.idle(0);
    assert_hours(&rig, until, 1);
    // One that nobody watched takes nothing away from the watch.
    rig.machine.processors.by_server(3).prod();
    let (_third, leaves_work) = rig.take(1, None).unwrap();
    assert!(!leaves_work);
}

#[test]
fn a_deadline_that_is_parked_by_a_busy_carrier_is_announced() {
    let mut rig = Rig::new(3, 2, naps);
    let (_zeroth, _) = rig.take(0, None).unwrap();
    let (mut first, _) = rig.take(0, None).unwrap();
    assert_eq!(rig.turn(None).0, 2);
    let until = rig.idle(1);
    assert_hours(&rig, until, 2);
    // The first carrier parks one for an hour, and takes another.
    first.run(&rig.machine, &|| false);
    rig.deck.park(0, first);
    rig.machine.processors.by_server(2).prod();
    let (second, leaves_work) = rig.take(0, None).unwrap();
    assert_eq!(second.server(), 2);
    assert!(leaves_work, "the second carrier waits for two hours");
    let until = rig.idle(1);
    assert_hours(&rig, until, 1);
}
