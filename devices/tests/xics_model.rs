//! The interrupt controller against a model that works the other way round: after every step it looks at
//! everything there is and works out what each processor must be shown.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use devices::interrupt::Sources;
use devices::xics::{CpuLine, FIRST_SOURCE, IPI, Poll, Trigger, Xics, Xive};
use power::hcall::Status;
use power::rtas::RtasStatus;
use proptest::prelude::*;

const SERVERS: usize = 3;
/// More than one word of the presenter's bitmap, though only those around its border are used.
const TRIGGERS: [Trigger; 66] = {
    let mut triggers = [Trigger::Edge; 66];
    triggers[1] = Trigger::Level;
    triggers[64] = Trigger::Level;
    triggers
};
const USED: [usize; 4] = [0, 1, 64, 65];

#[derive(Clone, Debug)]
enum Step {
    Xirr(usize),
    EoiOfAccepted { server: usize, cppr: u8 },
    Eoi { server: usize, xirr: u32 },
    Cppr { server: usize, cppr: u8 },
    Ipi { server: u64, mfrr: u8 },
    SetXive { number: u32, server: u32, priority: u32 },
    IntOn(u32),
    IntOff(u32),
    Signal { index: usize, up: bool },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Quiet,
    Waiting,
    Held,
    Serving,
}

#[derive(Clone, Debug)]
struct ModelSource {
    server: usize,
    priority: u8,
    masked: bool,
    phase: Phase,
    /// Line of a level source.
    up: bool,
    /// Edge since acceptance.
    again: bool,
}

struct Model {
    cppr: [u8; SERVERS],
    mfrr: [u8; SERVERS],
    /// Number and priority.
    held: [Option<(u32, u8)>; SERVERS],
    sources: Vec<ModelSource>,
}

impl Model {
    fn new() -> Self {
        let source = ModelSource {
            server: 0,
            priority: 0xff,
            masked: true,
            phase: Phase::Quiet,
            up: false,
            again: false,
        };
        Self {
            cppr: [0; SERVERS],
            mfrr: [0xff; SERVERS],
            held: [None; SERVERS],
            sources: vec![source; TRIGGERS.len()],
        }
    }

    fn source(&mut self, number: u32) -> Option<&mut ModelSource> {
        self.sources.get_mut(number.checked_sub(FIRST_SOURCE)? as usize)
    }

    fn xirr(&self, server: usize) -> u32 {
        (u32::from(self.cppr[server]) << 24) | self.held[server].map_or(0, |(number, _)| number)
    }

    fn accept(&mut self, server: usize) {
        if let Some((number, priority)) = self.held[server].take() {
            self.cppr[server] = priority;
            if let Some(source) = self.source(number) {
                source.phase = Phase::Serving;
            }
        }
    }

    fn eoi(&mut self, server: usize, xirr: u32) -> Status {
        let (cppr, number) = ((xirr >> 24) as u8, xirr & 0xff_ffff);
        if cppr < self.cppr[server] || (number != IPI && self.source(number).is_none()) {
            return Status::Parameter;
        }
        self.cppr[server] = cppr;
        if let Some(source) = self.source(number)
            && source.phase == Phase::Serving
        {
            let more = source.up || std::mem::take(&mut source.again);
            source.phase = if more { Phase::Waiting } else { Phase::Quiet };
        }
        Status::Success
    }

    fn signal(&mut self, index: usize, up: bool) {
        let source = &mut self.sources[index];
        if TRIGGERS[index] == Trigger::Level {
            source.up = up;
            match source.phase {
                Phase::Quiet if up => source.phase = Phase::Waiting,
                Phase::Waiting if !up => source.phase = Phase::Quiet,
                _ => {}
            }
        } else {
            match source.phase {
                Phase::Quiet => source.phase = Phase::Waiting,
                Phase::Serving => source.again = true,
                _ => {}
            }
        }
    }

    /// Takes back what may be held no longer, then lets the best of what waits be held. Among equals the
    /// model follows `shown`, the choice of the controller, which must be one of the best.
    fn settle(&mut self, shown: [u32; SERVERS]) {
        for server in 0..SERVERS {
            match self.held[server] {
                Some((IPI, priority)) if priority != self.mfrr[server] || priority >= self.cppr[server] => {
                    self.held[server] = None;
                }
                Some((number, priority)) if number != IPI && priority >= self.cppr[server] => {
                    self.let_go(server, number);
                }
                _ => {}
            }
        }
        // What is displaced may wait for another server: go round until nothing moves.
        while (0..SERVERS).any(|server| self.promote(server, shown[server])) {}
    }

    fn let_go(&mut self, server: usize, number: u32) {
        self.held[server] = None;
        let level = |number: u32| TRIGGERS[(number - FIRST_SOURCE) as usize] == Trigger::Level;
        if let Some(source) = self.source(number) {
            let gone = level(number) && !source.up;
            source.phase = if gone { Phase::Quiet } else { Phase::Waiting };
        }
    }

    fn promote(&mut self, server: usize, shown: u32) -> bool {
        let mut waiting: Vec<(u32, u8)> = (FIRST_SOURCE..)
            .zip(&self.sources)
            .filter(|(_, source)| source.phase == Phase::Waiting && !source.masked && source.server == server)
            .map(|(number, source)| (number, source.priority))
            .collect();
        waiting.push((IPI, self.mfrr[server]));
        let bar = self.held[server].map_or(self.cppr[server], |(_, priority)| priority);
        let Some(best) = waiting
            .iter()
            .map(|&(_, priority)| priority)
            .min()
            .filter(|&best| best < bar)
        else {
            return false;
        };
        if let Some((number, _)) = self.held[server] {
            self.let_go(server, number);
        }
        let best_ones: Vec<u32> = waiting
            .iter()
            .filter(|&&(_, priority)| priority == best)
            .map(|&(number, _)| number)
            .collect();
        let chosen = if best_ones.contains(&shown) {
            shown
        } else {
            best_ones[0]
        };
        self.held[server] = Some((chosen, best));
        if let Some(source) = self.source(chosen) {
            source.phase = Phase::Held;
        }
        true
    }
}

#[derive(Default)]
struct Lines([AtomicBool; SERVERS]);

impl CpuLine for Lines {
    fn set_external(&self, server: usize, level: bool) {
        let before = self.0[server].swap(level, Ordering::Relaxed);
        assert_ne!(before, level, "called without a change");
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let server = 0..SERVERS;
    let priority = prop::sample::select(vec![0, 1, 4, 5, 6, 0xfe, 0xff]);
    let used = prop::sample::select(USED.to_vec());
    let number = used.clone().prop_map(|index| FIRST_SOURCE + index as u32);
    let any_number = prop_oneof![
        20 => number.clone(),
        1 => prop::sample::select(vec![0, 1, IPI, FIRST_SOURCE - 1, FIRST_SOURCE + 66, u32::MAX]),
    ];
    let any_server = prop_oneof![20 => 0..SERVERS as u64, 1 => prop::sample::select(vec![3, 1 << 32, u64::MAX])];
    let step = prop_oneof![
        4 => server.clone().prop_map(Step::Xirr),
        4 => (server.clone(), priority.clone()).prop_map(|(server, cppr)| Step::EoiOfAccepted { server, cppr }),
        1 => (server.clone(), priority.clone(), any_number.clone()).prop_map(|(server, cppr, number)| {
            Step::Eoi { server, xirr: (u32::from(cppr) << 24) | (number & 0xff_ffff) }
        }),
        2 => (server, priority.clone()).prop_map(|(server, cppr)| Step::Cppr { server, cppr }),
        3 => (any_server.clone(), priority.clone()).prop_map(|(server, mfrr)| Step::Ipi { server, mfrr }),
        3 => (any_number.clone(), any_server, priority).prop_map(|(number, server, priority)| {
            let server = u32::try_from(server).unwrap_or(u32::MAX);
            Step::SetXive { number, server, priority: priority.into() }
        }),
        3 => any_number.clone().prop_map(Step::IntOn),
        1 => any_number.prop_map(Step::IntOff),
        5 => (used, any::<bool>()).prop_map(|(index, up)| Step::Signal { index, up }),
    ];
    prop::collection::vec(step, 1..120)
}

fn check(steps: &[Step]) {
    let lines = Arc::new(Lines::default());
    let xics = Arc::new(Xics::new(SERVERS, &TRIGGERS, Arc::clone(&lines) as Arc<dyn CpuLine>));
    let mut model = Model::new();
    let mut accepted: [Vec<u32>; SERVERS] = Default::default();
    for step in steps {
        match *step {
            Step::Xirr(server) => {
                let xirr = xics.xirr(server);
                assert_eq!(xirr, model.xirr(server));
                model.accept(server);
                accepted[server].push(xirr & 0xff_ffff);
            }
            Step::EoiOfAccepted { server, cppr } => {
                let Some(number) = accepted[server].pop() else {
                    continue;
                };
                let xirr = (u32::from(cppr) << 24) | number;
                assert_eq!(xics.eoi(server, xirr), model.eoi(server, xirr));
            }
            Step::Eoi { server, xirr } => {
                assert_eq!(xics.eoi(server, xirr), model.eoi(server, xirr));
            }
            Step::Cppr { server, cppr } => {
                assert_eq!(xics.set_cppr(server, 0xabcd_ef00 | u64::from(cppr)), Status::Success);
                model.cppr[server] = cppr;
            }
            Step::Ipi { server, mfrr } => {
                let status = xics.ipi(server, 0x100 | u64::from(mfrr));
                match model.mfrr.get_mut(usize::try_from(server).unwrap()) {
                    Some(register) => {
                        *register = mfrr;
                        assert_eq!(status, Status::Success);
                    }
                    None => assert_eq!(status, Status::Parameter),
                }
            }
            Step::SetXive {
                number,
                server,
                priority,
            } => {
                let status = xics.set_xive(number, server, priority);
                match model.source(number) {
                    Some(source) if (server as usize) < SERVERS => {
                        source.server = server as usize;
                        source.priority = priority as u8;
                        assert_eq!(status, RtasStatus::Success);
                        let xive = Xive {
                            server,
                            priority: priority as u8,
                        };
                        assert_eq!(xics.xive(number), Ok(xive));
                    }
                    _ => assert_eq!(status, RtasStatus::ParameterError),
                }
            }
            Step::IntOn(number) | Step::IntOff(number) => {
                let masked = matches!(step, Step::IntOff(_));
                let status = if masked {
                    xics.int_off(number)
                } else {
                    xics.int_on(number)
                };
                match model.source(number) {
                    Some(source) => {
                        source.masked = masked;
                        assert_eq!(status, RtasStatus::Success);
                    }
                    None => assert_eq!(status, RtasStatus::ParameterError),
                }
            }
            Step::Signal { index, up } => {
                let number = FIRST_SOURCE + index as u32;
                match TRIGGERS[index] {
                    Trigger::Edge => Sources::pulse(&*xics, number),
                    Trigger::Level => Sources::set_level(&*xics, number, up),
                }
                model.signal(index, up);
            }
        }
        let polls = [0, 1, 2].map(|server| xics.ipoll(server).unwrap());
        model.settle(polls.map(|poll| poll.xirr & 0xff_ffff));
        for (server, poll) in polls.into_iter().enumerate() {
            let expected = Poll {
                xirr: model.xirr(server),
                mfrr: model.mfrr[server],
            };
            assert_eq!(poll, expected, "server {server} after {step:?}");
            let level = lines.0[server].load(Ordering::Relaxed);
            assert_eq!(level, model.held[server].is_some(), "line of {server} after {step:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_processor_is_shown_the_most_favored_interrupt(steps in steps()) {
        check(&steps);
    }
}

#[test]
fn a_source_of_the_other_kind_and_a_number_that_is_none_signal_nothing() {
    let lines = Arc::new(Lines::default());
    let xics = Xics::new(SERVERS, &TRIGGERS, Arc::clone(&lines) as Arc<dyn CpuLine>);
    let _ = xics.set_cppr(0, 0xff);
    for number in [FIRST_SOURCE, FIRST_SOURCE + 1] {
        assert_eq!(xics.set_xive(number, 0, 5), RtasStatus::Success);
        assert_eq!(xics.int_on(number), RtasStatus::Success);
    }
    let is_up = || lines.0[0].load(Ordering::Relaxed);
    assert_eq!(TRIGGERS[..2], [Trigger::Edge, Trigger::Level]);
    for number in [FIRST_SOURCE + 1, IPI, FIRST_SOURCE + 66] {
        Sources::pulse(&xics, number);
        assert!(!is_up(), "{number:#x}");
    }
    for number in [FIRST_SOURCE, IPI, FIRST_SOURCE + 66] {
        Sources::set_level(&xics, number, true);
        assert!(!is_up(), "{number:#x}");
    }
    Sources::set_level(&xics, FIRST_SOURCE + 1, true);
    assert!(is_up());
    assert_eq!(xics.xirr(0) & 0xff_ffff, FIRST_SOURCE + 1);
    Sources::pulse(&xics, FIRST_SOURCE);
    assert_eq!(xics.eoi(0, 0xff << 24 | (FIRST_SOURCE + 1)), Status::Success);
    Sources::set_level(&xics, FIRST_SOURCE + 1, false);
    assert!(is_up(), "the edge is still to be served");
}
