//! Balloons with a driver that gives and takes pages, and with one that says nonsense.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::*;
use crate::virtio::testing::{EVENT_INDEX, Machine};

const PATIENCE: Duration = Duration::from_secs(60);
const ALL: u64 = feature::STATISTICS | feature::DEFLATE_ON_OOM | feature::HINTS | feature::REPORTS;

/// Notes what it is given, in a machine of 16 MiB.
struct Host {
    taken: Sender<Vec<Range<u64>>>,
    is_over: bool,
}

impl Reclaim for Host {
    fn reclaim(&self, _epoch: Epoch, ranges: &[Range<u64>]) -> Result<u64, Over> {
        if self.is_over {
            return Err(Over);
        }
        self.taken.send(ranges.to_vec()).unwrap();
        Ok(ranges.iter().map(|range| range.end - range.start).sum())
    }
}

fn machine_with(is_over: bool) -> (Arc<Balloon>, Machine, Receiver<Vec<Range<u64>>>) {
    let (taken, gave) = channel();
    let balloon = Arc::new(Balloon::new(Box::new(Host { taken, is_over })).unwrap());
    let machine = Machine::new(Arc::clone(&balloon) as Arc<dyn Device>);
    (balloon, machine, gave)
}

fn numbers(pages: &[u32]) -> Vec<u8> {
    pages.iter().flat_map(|page| page.to_le_bytes()).collect()
}

#[test]
fn the_driver_hears_of_the_size_that_is_wanted_and_says_what_it_has() {
    let (balloon, machine, _gave) = machine_with(false);
    machine.start(ALL, &[16; 5]);
    balloon.want(5 << 20 | 0xfff);
    machine.slot.wait_for(0);
    assert_eq!(u32::from_le_bytes(machine.config(0)), 5 * 256);
    machine.store_config(4, &300_u32.to_le_bytes());
    assert_eq!(
        balloon.size(),
        Size {
            wanted: 5 << 20,
            reached: 300 * 4096,
            reported: 0
        }
    );
    balloon.want(u64::MAX);
    assert_eq!(machine.config(0), [0xff; 4]);
    // The next driver has given nothing yet, and hears what is wanted.
    machine.start(ALL, &[16; 5]);
    while balloon.size().reached != 0 {
        thread::yield_now();
    }
    assert_eq!((machine.config(0), machine.config::<12>(4)), ([0xff; 4], [0; 12]));
}

#[test]
fn pages_are_taken_together_before_the_driver_hears_of_it() {
    let (_balloon, machine, gave) = machine_with(false);
    let mut drivers = machine.start(ALL | EVENT_INDEX, &[16; 5]);
    drivers[0]
        .offer(&[&numbers(&[7, 3, 4, 4, 0xffff_ffff]), &numbers(&[8])], &[])
        .unwrap();
    machine.kick(0);
    machine.wait_for_used(0, &mut drivers[0]);
    assert_eq!(
        gave.try_recv().unwrap(),
        [0x3000..0x5000, 0x7000..0x9000, 0xfff_ffff_f000..0x1000_0000_0000]
    );
    // Half a number is none; and more than are read at once.
    let many: Vec<u32> = (0..3000).map(|page| 2 * page).collect();
    drivers[0].offer(&[&numbers(&many), &[1, 2]], &[]).unwrap();
    drivers[1].offer(&[&numbers(&[7])], &[]).unwrap();
    machine.kick(0);
    machine.kick(1);
    machine.wait_for_used(0, &mut drivers[0]);
    machine.wait_for_used(1, &mut drivers[1]);
    let taken: Vec<Range<u64>> = gave.try_iter().flatten().collect();
    assert_eq!(taken.len(), 3000);
    assert!(
        taken
            .iter()
            .zip(many)
            .all(|(range, page)| range.start == u64::from(page) * 4096)
    );
}

#[test]
fn reported_ranges_are_taken_by_whole_pages() {
    // By the specification, and as Linux numbers queues without hints.
    for (features, number) in [(ALL, 4), (ALL & !feature::HINTS, 3)] {
        let (balloon, machine, gave) = machine_with(false);
        let mut drivers = machine.start(features, &[16; 5]);
        let driver = &mut drivers[number];
        for (index, (at, bytes)) in [(0x10_0000, 0x2000), (0x20_0001, 0x1fff), (0x30_0000, 0xfff)]
            .iter()
            .enumerate()
        {
            let flags = if index < 2 { 3 } else { 2 };
            driver.describe(index as u16, *at, *bytes, flags, index as u16 + 1);
        }
        driver.publish(0);
        machine.kick(number as u16);
        assert_eq!(gave.recv().unwrap(), [0x10_0000..0x10_2000, 0x20_1000..0x20_2000]);
        while balloon.size().reported != 0x3000 {
            thread::yield_now();
        }
    }
}

#[test]
fn statistics_come_when_somebody_asks() {
    let (balloon, machine, _gave) = machine_with(false);
    assert_eq!(balloon.ask(Duration::ZERO), None);
    let report = |free: u64| {
        let mut report = vec![4, 0];
        report.extend(free.to_le_bytes());
        // Total, unknown to the guest; a tag that nobody knows; half of one.
        report.extend([5, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        report.extend([99, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
        report.extend([7, 0, 1]);
        report
    };
    let mut drivers = machine.start(ALL, &[16; 5]);
    let driver = &mut drivers[2];
    driver.offer(&[&report(1000)], &[]).unwrap();
    machine.kick(2);
    thread::scope(|scope| {
        let asks = scope.spawn(|| balloon.ask(PATIENCE).unwrap().memory);
        // It was asked before the driver was there, and is again, whenever that thread comes to it.
        while !asks.is_finished() {
            if driver.take_used().is_some() {
                driver.offer(&[&report(2000)], &[]).unwrap();
                machine.kick(2);
            }
            thread::yield_now();
        }
        let told = asks.join().unwrap();
        let free = told.free.unwrap();
        assert!(free == 1000 || free == 2000);
        assert_eq!(
            told,
            GuestMemory {
                free: Some(free),
                ..GuestMemory::default()
            }
        );
    });
}

#[test]
fn of_two_reports_one_is_given_back_and_the_next_driver_is_not_taken_for_the_last() {
    let (balloon, machine, _gave) = machine_with(false);
    let mut drivers = machine.start(ALL, &[16; 5]);
    let free = [4, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let first = drivers[2].offer(&[&free], &[]).unwrap();
    drivers[2].offer(&[&free], &[]).unwrap();
    machine.kick(2);
    assert_eq!(machine.wait_for_used(2, &mut drivers[2]).head, first);
    machine.store_config(4, &300_u32.to_le_bytes());
    assert!(balloon.ask(Duration::ZERO).is_some());
    machine.reset();
    assert_eq!((balloon.size().reached, balloon.ask(Duration::ZERO)), (0, None));
}

/// Which are more than a turn.
#[test]
fn all_chains_of_a_full_queue_come_back() {
    let (_balloon, machine, gave) = machine_with(false);
    let mut drivers = machine.start(ALL, &[16, 128, 16, 16, 16]);
    for _ in 0..128 {
        drivers[1].offer(&[&numbers(&[1])], &[]).unwrap();
    }
    machine.kick(1);
    for _ in 0..128 {
        machine.wait_for_used(1, &mut drivers[1]);
    }
    assert!(gave.try_recv().is_err());
}

#[test]
fn at_the_end_of_the_run_nothing_is_taken() {
    let (_balloon, machine, gave) = machine_with(true);
    let mut drivers = machine.start(ALL, &[16; 5]);
    drivers[0].offer(&[&numbers(&[1; 2000])], &[]).unwrap();
    machine.kick(0);
    machine.wait_for_used(0, &mut drivers[0]);
    assert!(gave.try_recv().is_err());
}

#[test]
fn a_chain_that_is_no_memory_is_told_and_the_device_lives_on() {
    let (_balloon, machine, _gave) = machine_with(false);
    for (number, flags) in [(0, 0), (2, 0)] {
        let mut drivers = machine.start(ALL, &[16; 5]);
        drivers[number].describe(0, 0x10, 40, flags, 0);
        drivers[number].publish(0);
        machine.kick(number as u16);
        assert!(machine.told.recv().unwrap().contains("0x10"));
    }
    let mut drivers = machine.start(ALL, &[16; 5]);
    drivers[0].offer(&[&numbers(&[1])], &[]).unwrap();
    machine.kick(0);
    machine.wait_for_used(0, &mut drivers[0]);
}
