//! Starting, sleeping and waking, with real threads.

use super::*;
use crate::stop::Ending;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
struct Level(AtomicBool);

impl Wire for Level {
    fn ring(&self) {}
    fn set_external(&self, level: bool) {
        self.0.store(level, Ordering::Release);
    }
}

const START: Start = Start {
    pc: 0x100,
    r3: 7,
    msr: Msr::from_raw(Msr::SF),
};

fn processor() -> Processor {
    Processor::new(Arc::new(Level::default()))
}

#[test]
fn a_processor_is_started_once() {
    let (processor, stop) = (processor(), Stop::default());
    assert_eq!(processor.stopped_state(), CpuStoppedState::Stopped);
    assert!(processor.start(START));
    assert!(!processor.start(START));
    assert_eq!(processor.wait_for_start(&stop), Some(START));
    assert_eq!(processor.stopped_state(), CpuStoppedState::Running);
    processor.stop();
    assert!(processor.start(START));
}

#[test]
fn a_prod_before_the_sleep_is_remembered_once() {
    let (processor, stop) = (processor(), Stop::default());
    processor.prod();
    assert!(!processor.sleep(&stop, || Nap::Forever, || panic!("asleep")));
    let mut naps = 0;
    assert!(processor.sleep(
        &stop,
        || {
            naps += 1;
            if naps == 1 { Nap::For(Duration::ZERO) } else { Nap::Wake }
        },
        || (),
    ));
}

#[test]
fn starting_forgets_an_old_prod() {
    let (processor, stop) = (processor(), Stop::default());
    processor.prod();
    processor.start(START);
    processor.wait_for_start(&stop);
    let mut naps = [Nap::For(Duration::ZERO), Nap::Wake].into_iter();
    assert!(processor.sleep(&stop, || naps.next().unwrap(), || ()));
}

/// Each round sleeps without a limit, so a lost wake-up would hang the test.
#[test]
fn no_wake_up_is_lost_however_the_threads_meet() {
    let level = Arc::new(Level::default());
    let processors = Processors::new([Arc::clone(&level) as Arc<dyn Wire>]);
    let stop = Stop::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2000 {
                let nap = || {
                    if level.0.load(Ordering::Acquire) {
                        Nap::Wake
                    } else {
                        Nap::Forever
                    }
                };
                processors.by_server(0).sleep(&stop, nap, || ());
                level.0.store(false, Ordering::Release);
            }
            stop.request(Ending::PowerOff);
        });
        while !stop.is_requested() {
            if !level.0.load(Ordering::Acquire) {
                processors.set_external(0, true);
            }
        }
    });
}

#[test]
fn the_end_of_the_run_wakes_every_sleeper() {
    let (processor, stop) = (processor(), Stop::default());
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| processor.sleep(&stop, || Nap::Forever, || ()));
        let waiter = scope.spawn(|| processor.wait_for_start(&stop));
        stop.request(Ending::Quit);
        processor.disturb();
        sleeper.join().unwrap();
        assert_eq!(waiter.join().unwrap(), None);
    });
}
