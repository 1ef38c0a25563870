//! Queues against a driver that keeps to the specification, and against drivers that do not, judged by another reading of it.

use proptest::prelude::*;

use super::*;
use crate::virtio::testing::{BASE, Call, Driver, Memory, descriptor};

const SIZES: [(u16, bool); 3] = [(1, true), (8, true), (8, false)];

#[test]
fn what_a_driver_offers_arrives_and_what_the_device_writes_comes_back() {
    for (size, has_event_index) in SIZES {
        let memory = Memory::new(1 << 20);
        let mut driver = Driver::new(&memory, size, has_event_index);
        let mut queue = driver.queue();
        assert!(queue.pop().unwrap().is_none());
        for round in 0..100_u8 {
            if size == 1 {
                driver.offer(&[&[round; 5]], &[]).unwrap();
            } else {
                driver.offer(&[&[round; 5], &[9; 3]], &[4, 6]).unwrap();
            }
            let chain = queue.pop().unwrap().unwrap();
            assert!(queue.pop().unwrap().is_none());
            let mut read = vec![0; chain.readable() as usize];
            chain.read(0, &mut read).unwrap();
            assert_eq!(read[..5], [round; 5]);
            if size == 1 {
                queue.push(chain, 0).unwrap();
                assert_eq!(driver.take_used().unwrap().written, 0);
                continue;
            }
            assert_eq!(read[5..], [9; 3]);
            let mut part = [0; 3];
            chain.read(4, &mut part).unwrap();
            assert_eq!(part, [round, 9, 9]);
            assert_eq!(chain.writable(), 10);
            chain.write(0, &[1; 10]).unwrap();
            chain.write(3, &[2, 3]).unwrap();
            queue.push(chain, 10).unwrap();
            let used = driver.take_used().unwrap();
            assert_eq!((used.written, &*used.bytes), (10, &[1, 1, 1, 2, 3, 1, 1, 1, 1, 1][..]));
        }
    }
}

#[test]
fn what_lies_beyond_a_chain_is_refused() {
    let memory = Memory::new(1 << 16);
    let mut driver = Driver::new(&memory, 8, true);
    let mut queue = driver.queue();
    driver.offer(&[&[1; 4]], &[4]).unwrap();
    let chain = queue.pop().unwrap().unwrap();
    for (offset, bytes) in [(0, 5), (4, 1), (5, 1), (u64::MAX, 1)] {
        assert!(chain.read(offset, &mut vec![0; bytes]).is_err(), "{offset} {bytes}");
        assert!(chain.write(offset, &vec![0; bytes]).is_err(), "{offset} {bytes}");
    }
    chain.read(4, &mut []).unwrap();
    chain.write(3, &[1]).unwrap();
}

#[test]
fn a_driver_is_asked_to_notify_before_the_device_stops_looking() {
    for (size, has_event_index) in SIZES {
        let memory = Memory::new(1 << 16);
        let mut driver = Driver::new(&memory, size, has_event_index);
        let mut queue = driver.queue();
        for _ in 0..20 {
            assert!(queue.pop().unwrap().is_none());
            driver.offer(&[&[1]], &[]).unwrap();
            assert!(driver.is_kick_wanted(1));
            let chain = queue.pop().unwrap().unwrap();
            if size > 1 {
                driver.offer(&[&[1]], &[]).unwrap();
                assert!(!driver.is_kick_wanted(1), "it is looking");
                let chain = queue.pop().unwrap().unwrap();
                queue.push(chain, 0).unwrap();
                driver.take_used().unwrap();
            }
            queue.push(chain, 0).unwrap();
            driver.take_used().unwrap();
        }
    }
}

#[test]
fn a_driver_is_signalled_if_it_wants_that() {
    for (size, has_event_index) in SIZES {
        let memory = Memory::new(1 << 16);
        let mut driver = Driver::new(&memory, size, has_event_index);
        let mut queue = driver.queue();
        let signals = Arc::clone(&driver.signals);
        let mut serve = |driver: &mut Driver| {
            driver.offer(&[&[1]], &[]).unwrap();
            let chain = queue.pop().unwrap().unwrap();
            queue.push(chain, 0).unwrap();
            queue.signal().unwrap();
            queue.signal().unwrap();
            driver.take_used().unwrap();
        };
        for _ in 0..20 {
            driver.want_signal();
            serve(&mut driver);
            assert_eq!(signals.take(), 1);
            driver.want_no_signal();
            serve(&mut driver);
            assert_eq!(signals.take(), 0);
        }
    }
}

#[test]
fn chains_that_are_pushed_together_are_seen_together() {
    for (size, has_event_index) in SIZES {
        let memory = Memory::new(1 << 16);
        let mut driver = Driver::new(&memory, size, has_event_index);
        let mut queue = driver.queue();
        let most = usize::from(size).min(3);
        for count in (0..=most).cycle().take(50) {
            for _ in 0..count {
                driver.offer(&[], &[4]).unwrap();
            }
            let chains = (0..count)
                .map(|number| (queue.pop().unwrap().unwrap(), number as u32))
                .collect();
            memory.take_calls();
            queue.push_all(chains).unwrap();
            let index = Call::Write(driver.layout.used + 2, 2);
            let calls = memory.take_calls();
            let written = calls.iter().filter(|call| **call == index).count();
            assert_eq!(
                (written, calls.last()),
                if count > 0 { (1, Some(&index)) } else { (0, None) }
            );
            for number in 0..count {
                assert_eq!(driver.take_used().unwrap().written, number as u32);
            }
            assert_eq!(driver.take_used(), None);
        }
    }
}

/// The used element is there before the index says so, and both before the device asks whether a signal is wanted.
#[test]
fn accesses_have_the_order_of_the_specification() {
    let memory = Memory::new(1 << 16);
    let mut driver = Driver::new(&memory, 8, true);
    let mut queue = driver.queue();
    let Layout {
        size,
        descriptors,
        available,
        used,
    } = driver.layout;
    let (used_event, avail_event) = (available + 4 + 2 * u64::from(size), used + 4 + 8 * u64::from(size));
    queue.pop().unwrap();
    assert_eq!(
        memory.take_calls(),
        [
            Call::Read(available + 2, 2),
            Call::Write(avail_event, 2),
            Call::Read(available + 2, 2)
        ]
    );
    driver.offer(&[&[1]], &[1]).unwrap();
    let chain = queue.pop().unwrap().unwrap();
    let descriptor = |index: u16| Call::Read(descriptors + 16 * u64::from(index), 16);
    assert_eq!(
        memory.take_calls(),
        [
            Call::Read(available + 2, 2),
            Call::Read(available + 4, 2),
            descriptor(0),
            descriptor(1)
        ]
    );
    queue.push(chain, 0).unwrap();
    assert_eq!(
        memory.take_calls(),
        [Call::Write(used + 4, 8), Call::Write(used + 2, 2)]
    );
    queue.signal().unwrap();
    assert_eq!(memory.take_calls(), [Call::Read(used_event, 2)]);
}

#[test]
fn a_queue_that_cannot_be_is_refused() {
    let memory = Memory::new(1 << 16);
    let right = Driver::new(&memory, 8, true).layout;
    let dma = || Arc::clone(&memory) as Arc<dyn Dma>;
    let wrong = [
        Layout { size: 0, ..right },
        Layout { size: 6, ..right },
        Layout { size: 0xffff, ..right },
        Layout {
            descriptors: right.descriptors + 8,
            ..right
        },
        Layout {
            available: right.available + 1,
            ..right
        },
        Layout { available: 0, ..right },
        Layout {
            used: right.used + 2,
            ..right
        },
        Layout {
            descriptors: 0xffff_ffff_ffff_fff0,
            ..right
        },
        Layout {
            available: 0xffff_ffff_ffff_fff0,
            ..right
        },
        Layout {
            used: 0xffff_ffff_ffff_fff0,
            ..right
        },
    ];
    for layout in wrong {
        assert!(Queue::new(layout, true, dma(), Arc::new(|| ())).is_err(), "{layout:x?}");
    }
    // Memory that is not there shows when it is used.
    let elsewhere = Layout {
        available: 0x10,
        ..right
    };
    let mut queue = Queue::new(elsewhere, true, dma(), Arc::new(|| ())).unwrap();
    assert!(queue.pop().is_err());
    let elsewhere = Layout { used: 0x10, ..right };
    let mut queue = Queue::new(elsewhere, true, dma(), Arc::new(|| ())).unwrap();
    assert!(queue.pop().is_err());
}

/// A driver that makes the same buffers available without waiting for any.
#[test]
fn no_more_chains_are_with_the_device_than_there_are_descriptors() {
    let memory = Memory::new(1 << 16);
    let mut driver = Driver::new(&memory, 4, true);
    let mut queue = driver.queue();
    driver.describe(2, BASE, 1, 0, 0);
    let mut chains = Vec::new();
    for _ in 0..4 {
        driver.publish(2);
        chains.push(queue.pop().unwrap().unwrap());
    }
    assert!(queue.pop().unwrap().is_none());
    driver.publish(2);
    assert!(queue.pop().is_err());
}

/// What a chain is by another reading of the specification: (readable, writable).
type Buffers = (Vec<(u64, u32)>, Vec<(u64, u32)>);

/// The buffers of the chain of `head` (virtio 1.2, 2.7.5); `None`: it is broken.
fn read_chain(memory: &Memory, layout: &Layout, head: u16) -> Option<Buffers> {
    let (mut table, mut count, mut is_indirect) = (layout.descriptors, u32::from(layout.size), false);
    let (mut readable, mut writable) = (Vec::new(), Vec::new());
    let (mut index, mut visited, mut total) = (u32::from(head), 0_u32, 0_u64);
    loop {
        if index >= count || visited >= count {
            return None;
        }
        let mut bytes = [0; 16];
        memory
            .read(table.checked_add(16 * u64::from(index))?, &mut bytes)
            .ok()?;
        let at = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
        let flags = u16::from_le_bytes(bytes[12..14].try_into().unwrap());
        if flags & 4 != 0 {
            if is_indirect || length % 16 != 0 || length / 16 > 0xffff {
                return None;
            }
            (table, count, index, visited, is_indirect) = (at, length / 16, 0, 0, true);
            continue;
        }
        visited += 1;
        total += u64::from(length);
        at.checked_add(u64::from(length).checked_sub(1)?)?;
        if total > u64::from(u32::MAX) || readable.len() + writable.len() == LONGEST_INDIRECT {
            return None;
        }
        match flags & 2 != 0 {
            true => writable.push((at, length)),
            false if writable.is_empty() => readable.push((at, length)),
            false => return None,
        }
        if flags & 1 == 0 {
            return Some((readable, writable));
        }
        index = u32::from(u16::from_le_bytes(bytes[14..].try_into().unwrap()));
    }
}

fn hostile_descriptor() -> impl Strategy<Value = (u64, u32, u16, u16)> {
    let inside = BASE..BASE + 0x1000;
    let at = prop_oneof![8 => inside.prop_map(|at| at & !0xf), 1 => any::<u64>(), 1 => Just(u64::MAX)];
    let length =
        prop_oneof![6 => 1..0x200_u32, 3 => (1..8_u32).prop_map(|count| 16 * count), 1 => any::<u32>(), 1 => Just(0)];
    let flags = prop_oneof![4 => Just(0), 6 => Just(1), 2 => Just(2), 3 => Just(3), 2 => Just(4), 1 => any::<u16>()];
    let next = prop_oneof![9 => 0..9_u16, 1 => any::<u16>()];
    (at, length, flags, next)
}

/// What a driver does next.
#[derive(Clone, Debug)]
enum Step {
    /// It makes chains available, whatever those are.
    Publish(Vec<u16>),
    /// Its index becomes this.
    Jump(u16),
    /// The device takes a chain.
    Pop,
    /// The device gives the oldest one back.
    Push,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec(prop_oneof![9 => 0..8_u16, 1 => any::<u16>()], 1..4).prop_map(Step::Publish),
        1 => any::<u16>().prop_map(Step::Jump),
        9 => Just(Step::Pop),
        6 => Just(Step::Push),
    ]
}

proptest! {
    /// Memory is full of descriptors, so that tables lie everywhere; the queue's own lies among them.
    #[test]
    fn whatever_a_driver_writes_is_what_the_specification_says_or_an_error(
        descriptors in proptest::collection::vec(hostile_descriptor(), 256),
        steps in proptest::collection::vec(step(), 1..60),
        has_event_index: bool,
    ) {
        let memory = Memory::new(0x2000);
        for (index, (at, length, flags, next)) in descriptors.into_iter().enumerate() {
            memory.set(BASE + 16 * index as u64, &descriptor(at, length, flags, next));
        }
        memory.reserve(0x1000, 1);
        let mut driver = Driver::new(&memory, 8, has_event_index);
        driver.layout.descriptors = BASE;
        let layout = driver.layout;
        let mut queue = driver.queue();
        let mut chains = std::collections::VecDeque::new();
        let mut taken = 0_u16;
        for step in steps {
            match step {
                Step::Publish(heads) => heads.into_iter().for_each(|head| driver.publish(head)),
                Step::Jump(index) => memory.set(layout.available + 2, &index.to_le_bytes()),
                Step::Pop => {
                    let index = memory.get_u16(layout.available + 2);
                    let slot = layout.available + 4 + 2 * u64::from(taken % 8);
                    let expected = match index.wrapping_sub(taken) {
                        0 => Some(None),
                        1..=8 if chains.len() < 8 => read_chain(&memory, &layout, memory.get_u16(slot)).map(Some),
                        _ => None,
                    };
                    match (queue.pop(), expected) {
                        (Ok(None), Some(None)) => {}
                        (Ok(Some(chain)), Some(Some((readable, writable)))) => {
                            let sum = |list: &[(u64, u32)]| list.iter().map(|(_, bytes)| u64::from(*bytes)).sum::<u64>();
                            prop_assert_eq!(chain.readable(), sum(&readable));
                            prop_assert_eq!(chain.writable(), sum(&writable));
                            prop_assert_eq!(chain.writable_buffers(), &writable);
                            // All of it is reached, or none is there.
                            let mut first = [0];
                            let is_there = readable.first().map(|(at, _)| memory.read(*at, &mut [0]).is_ok());
                            prop_assert_eq!(is_there.unwrap_or(false), chain.read(0, &mut first).is_ok());
                            taken = taken.wrapping_add(1);
                            chains.push_back(chain);
                        }
                        (Err(_), None) => return Ok(()),
                        (popped, expected) => {
                            let popped = popped.map(|chain| chain.map(|chain| chain.head()));
                            prop_assert!(false, "{popped:?} where {expected:x?} is right");
                        }
                    }
                }
                Step::Push => {
                    if let Some(chain) = chains.pop_front() {
                        let before = memory.get_u16(layout.used + 2);
                        let head = chain.head();
                        queue.push(chain, 0).unwrap();
                        prop_assert_eq!(memory.get_u16(layout.used + 2), before.wrapping_add(1));
                        prop_assert_eq!(memory.get_u32(layout.used + 4 + 8 * u64::from(before % 8)), u32::from(head));
                    }
                    queue.signal().unwrap();
                }
            }
        }
    }
}
