//! A driver that uses registers as the specification says, and one that does not.

use std::sync::Barrier;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::virtio::testing::{EVENT_INDEX, Machine, NOTIFY, VERSION_1};
use crate::virtio::{Queue, Worker};

/// Gives back what it reads, in queue 0; queue 1 makes it fail, or panic, or wait.
struct Echo {
    config: Mutex<[u8; 8]>,
    configuration: OnceLock<Configuration>,
    stopped: Sender<()>,
    /// Its worker waits here twice, when it is told to.
    gate: Arc<Barrier>,
}

struct EchoWorker {
    queues: Vec<(usize, Queue)>,
    stopped: Sender<()>,
    gate: Arc<Barrier>,
}

fn echo() -> (Arc<Echo>, Receiver<()>) {
    let (stopped, hears) = channel();
    let echo = Echo {
        config: Mutex::default(),
        configuration: OnceLock::new(),
        stopped,
        gate: Arc::new(Barrier::new(2)),
    };
    (Arc::new(echo), hears)
}

impl Device for Echo {
    fn id(&self) -> u16 {
        42
    }

    fn class(&self) -> u32 {
        0x00ff_0000
    }

    fn features(&self) -> u64 {
        1 << 5
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![8, 4]
    }

    fn attach(&self, configuration: Configuration) {
        assert!(self.configuration.set(configuration).is_ok());
    }

    fn load_config(&self, offset: u64, into: &mut [u8]) {
        let config = self.config.lock().unwrap();
        for (byte, from) in into.iter_mut().zip(&config[(offset as usize).min(8)..]) {
            *byte = *from;
        }
    }

    fn store_config(&self, offset: u64, from: &[u8]) {
        let mut config = self.config.lock().unwrap();
        for (byte, from) in config[(offset as usize).min(8)..].iter_mut().zip(from) {
            *byte = *from;
        }
    }

    fn start(&self, _features: u64, queues: Vec<(usize, Queue)>) -> io::Result<Box<dyn Worker>> {
        if queues.is_empty() {
            return Err(io::Error::other("no queue"));
        }
        Ok(Box::new(EchoWorker {
            queues,
            stopped: self.stopped.clone(),
            gate: Arc::clone(&self.gate),
        }))
    }
}

impl Worker for EchoWorker {
    fn kicked(&mut self, queue: usize) -> io::Result<()> {
        let found = self.queues.iter_mut().find(|(number, _)| *number == queue);
        let (_, queue) = found.expect("only what the driver has enabled");
        while let Some(chain) = queue.pop()? {
            let mut bytes = vec![0; chain.readable() as usize];
            chain.read(0, &mut bytes).map_err(io::Error::other)?;
            match &*bytes {
                b"fail" => return Err(io::Error::other("as the driver wants")),
                b"panic" => panic!("as the driver wants"),
                b"wait" => {
                    self.gate.wait();
                    self.gate.wait();
                }
                _ => {}
            }
            let written = bytes.len().min(chain.writable() as usize);
            chain.write(0, &bytes[..written]).map_err(io::Error::other)?;
            queue.push(chain, written as u32)?;
        }
        queue.signal()
    }

    fn stop(&mut self) {
        _ = self.stopped.send(());
    }
}

/// The whole life twice, each time with another reset behind it.
#[test]
fn a_driver_leads_a_device_through_its_life() {
    let (echo, stopped) = echo();
    let machine = Machine::new(echo);
    for round in 0..2 {
        let mut drivers = machine.start(EVENT_INDEX * round, &[8, 4]);
        for byte in 0..20 {
            drivers[0].offer(&[&[byte; 3], &[7]], &[2, 2]).unwrap();
            machine.kick(0);
            let used = machine.wait_for_used(0, &mut drivers[0]);
            assert_eq!((used.written, used.bytes), (4, vec![byte, byte, byte, 7]));
        }
        match round {
            0 => machine.reset(),
            _ => Function::reset(&machine.transport),
        }
        stopped.recv().unwrap();
        while machine.status() != 0 {
            thread::yield_now();
        }
    }
    assert!(machine.told.try_recv().is_err());
}

/// Whoever rings the event descriptors takes the driver's stores for the device.
#[test]
fn each_queue_has_a_doorbell_where_the_driver_notifies_of_it() {
    let machine = Machine::new(echo().0);
    let doorbells = machine.transport.doorbells();
    let mut drivers = machine.start(0, &[8, 4]);
    assert_eq!(doorbells.len(), drivers.len());
    for ((number, driver), doorbell) in (0..).zip(&mut drivers).zip(&doorbells) {
        assert_eq!((doorbell.bar, doorbell.offset), (0, NOTIFY + 4 * u64::from(number)));
        driver.offer(&[&[5]], &[1]).unwrap();
        doorbell.event.write(1).unwrap();
        assert_eq!(machine.wait_for_used(number, driver).bytes, [5]);
    }
}

#[test]
fn what_was_available_before_the_driver_was_ready_is_seen() {
    let machine = Machine::new(echo().0);
    let mut driver = crate::virtio::testing::Driver::new(&machine.memory, 8, false);
    driver.offer(&[&[5]], &[1]).unwrap();
    assert!(machine.accept(VERSION_1));
    machine.enable(0, &driver.layout);
    machine.add_status(4);
    assert_eq!(machine.wait_for_used(0, &mut driver).bytes, [5]);
}

#[test]
fn without_messages_there_is_a_line_until_the_status_is_read() {
    let (echo, _stopped) = echo();
    let machine = Machine::new(Arc::clone(&echo) as Arc<dyn Device>).without_messages();
    let mut drivers = machine.start(0, &[8]);
    drivers[0].offer(&[&[1]], &[]).unwrap();
    machine.kick(0);
    machine.slot.wait_for_line();
    drivers[0].take_used().unwrap();
    echo.configuration.get().unwrap().change(|| ());
    assert_eq!((machine.isr(), machine.slot.line(), machine.isr()), (3, false, 0));
    echo.configuration.get().unwrap().change(|| ());
    assert!(machine.slot.line());
    machine.reset();
    assert_eq!((machine.slot.line(), machine.isr()), (false, 0));
    assert_eq!(machine.slot.take_messages(), 0);
    echo.configuration.get().unwrap().change(|| ());
    assert!(!machine.slot.line(), "nobody drives it");
}

#[test]
fn features_that_do_not_go_together_are_refused() {
    let is_accepted = |is_translated, features| {
        let machine = Machine::with(echo().0, is_translated, ());
        machine.add_status(3);
        let is_accepted = machine.accept(features);
        assert_eq!(
            machine.offered(),
            1 << 5 | 0b11 << 28 | 1 << 32 | u64::from(is_translated) << 33
        );
        // Nothing comes of readiness without them.
        machine.add_status(4);
        assert_eq!(machine.status() & 0b1100, if is_accepted { 0b1100 } else { 0 });
        is_accepted
    };
    assert!(is_accepted(false, VERSION_1));
    assert!(is_accepted(false, VERSION_1 | 0b11 << 28 | 1 << 5));
    assert!(!is_accepted(false, 1 << 5), "from before 1.0");
    assert!(!is_accepted(false, VERSION_1 | 1 << 6));
    assert!(!is_accepted(false, VERSION_1 | 1 << 33));
    assert!(!is_accepted(true, VERSION_1));
    assert!(is_accepted(true, VERSION_1 | 1 << 33));
}

#[test]
fn a_device_that_fails_says_so_and_lives_again_after_a_reset() {
    let (echo, stopped) = echo();
    let machine = Machine::new(echo);
    for why in ["fail", "broken"] {
        let mut drivers = machine.start(0, &[8]);
        if why == "fail" {
            drivers[0].offer(&[b"fail"], &[]).unwrap();
        } else {
            drivers[0].describe(0, 0x10, 4, 0, 0);
            drivers[0].publish(0xffff);
        }
        machine.kick(0);
        machine.slot.wait_for(0);
        assert_eq!(machine.status(), 0x4f);
        stopped.recv().unwrap();
        machine.kick(0);
        let told = machine.told.recv().unwrap();
        assert!(told.starts_with("virtio-test 0: queue 0: "), "{told}");
    }
    // No queue at all, which that device does not like.
    machine.start(0, &[]);
    machine.slot.wait_for(0);
    let mut drivers = machine.start(0, &[8]);
    drivers[0].offer(&[&[1]], &[]).unwrap();
    machine.kick(0);
    machine.wait_for_used(0, &mut drivers[0]);
}

/// The driver polls; meanwhile its other stores change nothing.
#[test]
fn a_reset_is_over_when_the_worker_has_stopped() {
    let (echo, stopped) = echo();
    let gate = Arc::clone(&echo.gate);
    let machine = Machine::new(echo);
    let mut drivers = machine.start(0, &[8]);
    drivers[0].offer(&[b"wait"], &[]).unwrap();
    machine.kick(0);
    gate.wait();
    machine.store(20, &[0]);
    for status in [0x0f, 0, 1, 0] {
        assert_eq!(machine.status(), 0x0f);
        machine.store(20, &[status]);
        machine.store(22, &[1, 0]);
    }
    assert!(stopped.try_recv().is_err());
    gate.wait();
    stopped.recv().unwrap();
    while machine.status() != 0 {
        thread::yield_now();
    }
    assert_eq!(machine.load::<2>(22), [0, 0]);
}

#[test]
fn a_configuration_that_changes_has_another_generation_and_is_told() {
    let (echo, _stopped) = echo();
    let machine = Machine::new(Arc::clone(&echo) as Arc<dyn Device>);
    let change = || {
        let configuration = echo.configuration.get().unwrap();
        configuration.change(|| echo.config.lock().unwrap()[0] += 1);
    };
    let before = machine.generation();
    change();
    assert_ne!(machine.generation(), before);
    assert_eq!(machine.slot.take_messages(), 0, "nobody drives it");
    machine.start(0, &[8]);
    change();
    machine.slot.wait_for(0);
    assert_eq!(machine.config::<4>(0), [2, 0, 0, 0]);
    machine.store_config(6, &[9, 8, 7, 6]);
    assert_eq!(machine.config::<4>(6), [9, 8, 0, 0]);
    assert_eq!(machine.config::<8>(0xffc), [0; 8]);
}

#[test]
fn the_end_of_the_run_stops_the_worker() {
    let (echo, stopped) = echo();
    let machine = Machine::new(echo);
    let mut drivers = machine.start(0, &[8]);
    drivers[0].offer(&[&[1]], &[]).unwrap();
    machine.kick(0);
    machine.wait_for_used(0, &mut drivers[0]);
    drop(machine);
    stopped.try_recv().unwrap();
}

#[test]
fn a_worker_that_panics_lets_go_of_its_guard() {
    struct Guard(Sender<bool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.send(thread::panicking()).unwrap();
        }
    }
    let (sender, receiver) = channel();
    let machine = Machine::with(echo().0, false, Guard(sender));
    let mut drivers = machine.start(0, &[8]);
    drivers[0].offer(&[b"panic"], &[]).unwrap();
    machine.kick(0);
    assert!(receiver.recv().unwrap());
    assert_eq!(machine.status(), 0x0f);
}

/// Each structure is where its capability says (virtio 1.2, 4.1.4), also through the window of configuration space.
#[test]
fn capabilities_lead_to_the_structures() {
    let machine = Machine::new(echo().0);
    let transport = &machine.transport;
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let capabilities = transport.capabilities();
    let kinds: Vec<u8> = capabilities.iter().map(|capability| capability[1]).collect();
    assert_eq!(kinds, [1, 3, 4, 2, 5]);
    for capability in &capabilities {
        assert_eq!(
            usize::from(capability[0]),
            capability.len() + 2,
            "with ID and next pointer"
        );
        assert_eq!(capability[2], 0, "one BAR has them all");
        let end = word(capability, 6) + word(capability, 10);
        assert!(u64::from(end) <= transport.bars()[0].1.bytes);
    }
    let common = word(&capabilities[0], 6);
    assert_eq!(word(&capabilities[3], 14), 4, "each queue has its own address");
    // Through the window: offset and length first, then the data.
    let window = |offset: u32, bytes: u32| {
        transport.store_capability(4, 6, &offset.to_le_bytes());
        transport.store_capability(4, 10, &bytes.to_le_bytes());
        let mut all = [0xaa; 4];
        transport.load_capability(4, 6, &mut all);
        assert_eq!(all, offset.to_le_bytes());
    };
    let mut data = [0; 4];
    window(common + 18, 2);
    transport.load_capability(4, 14, &mut data);
    assert_eq!(data, [2, 0, 0, 0], "so many queues");
    window(common + 20, 1);
    transport.store_capability(4, 14, &[3, 0, 0, 0]);
    assert_eq!(machine.status(), 3);
    window(common + 17, 2);
    transport.load_capability(4, 14, &mut data);
    window(u32::MAX, 4);
    transport.load_capability(4, 14, &mut data);
    window(0, 3);
    transport.store_capability(4, 14, &[1; 4]);
    transport.store_capability(3, 14, &[1; 4]);
    assert_eq!(machine.status(), 3);
}

#[test]
fn a_vector_that_the_function_does_not_have_reads_back_as_none() {
    let machine = Machine::new(echo().0);
    assert_eq!(machine.transport.vectors(), 3);
    for (vector, read) in [(2, 2), (3, 0xffff), (0xffff, 0xffff), (0, 0_u16)] {
        for offset in [16, 26] {
            machine.store(offset, &u16::to_le_bytes(vector));
            assert_eq!(machine.load(offset), read.to_le_bytes());
        }
    }
    // Of a queue that is not there.
    machine.store(22, &[2, 0]);
    assert_eq!(
        (machine.load(24), machine.load(26), machine.load(28)),
        ([0; 2], [0; 2], [0; 2])
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is stored wherever, the device can be reset and works then.
    #[test]
    fn no_store_breaks_a_device_for_good(
        stores in proptest::collection::vec(
            (prop_oneof![4 => 0..0x40_u64, 1 => 0..0x5000_u64, 1 => any::<u64>()],
             prop_oneof![Just(1_usize), Just(2), Just(4), Just(8)],
             prop_oneof![3 => 0..0x10_u64, 1 => any::<u64>()]),
            0..60,
        ),
    ) {
        let machine = Machine::new(echo().0);
        for (offset, bytes, value) in stores {
            machine.store(offset, &value.to_le_bytes()[..bytes]);
            machine.load::<8>(offset);
        }
        let mut drivers = machine.start(EVENT_INDEX, &[8, 4]);
        drivers[1].offer(&[&[3]], &[1]).unwrap();
        machine.kick(1);
        prop_assert_eq!(machine.wait_for_used(1, &mut drivers[1]).bytes, [3]);
    }
}
