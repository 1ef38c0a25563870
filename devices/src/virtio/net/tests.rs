//! A card between a driver that keeps to the specification and an end of a stream: what was put in on one side is the model of what must come out on the
//! other.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;

use proptest::prelude::*;

use super::*;
use crate::net::passt::Stream;
use crate::net::{Buffer, HEADER, LONGEST, Offloads, SHORTEST, Sent};
use crate::virtio::testing::{Driver, Memory, Used};

const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

/// Features of drivers: with and without frames in several chains.
const MERGING: u64 = Features::MRG_RXBUF.bits() | Features::CTRL_VQ.bits() | Features::CTRL_RX.bits();
const PLAIN: u64 = 0;

/// A card at work, its driver, and the host.
struct Bench {
    net: Net,
    worker: Option<Box<dyn Worker>>,
    receive: Driver,
    transmit: Driver,
    control: Driver,
    host: UnixStream,
    lost: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new(features: u64, size: u16) -> Self {
        Self::with_memory(features, size, 16 << 20)
    }

    fn with_memory(features: u64, size: u16, bytes: usize) -> Self {
        let (card, host) = UnixStream::pair().unwrap();
        host.set_nonblocking(true).unwrap();
        let lost = Arc::<Mutex<Vec<String>>>::default();
        let said = Arc::clone(&lost);
        let net = Net::new(
            OWN,
            Host {
                ports: vec![Box::new(Stream::new(card).unwrap())],
                has_offloads: false,
                mtu: Some(1400),
                lost: Box::new(move |error| said.lock().unwrap().push(error.to_string())),
            },
        );
        let memory = Memory::new(bytes);
        let mut bench = Self {
            net,
            worker: None,
            receive: Driver::new(&memory, size, true),
            transmit: Driver::new(&memory, size, true),
            control: Driver::new(&memory, 8, true),
            host,
            lost,
        };
        bench.start(features);
        bench
    }

    /// The driver is ready.
    fn start(&mut self, features: u64) {
        let queues = vec![
            (0, self.receive.queue()),
            (1, self.transmit.queue()),
            (2, self.control.queue()),
        ];
        self.worker = Some(self.net.start(features, queues).unwrap());
    }

    /// The driver has new queues, of other memory, after a reset.
    fn restart(&mut self, features: u64, size: u16) {
        let mut worker = self.worker.take().unwrap();
        worker.stop();
        drop(worker);
        let memory = Memory::new(16 << 20);
        self.receive = Driver::new(&memory, size, true);
        self.transmit = Driver::new(&memory, size, true);
        self.control = Driver::new(&memory, 8, true);
        self.start(features);
    }

    fn worker(&mut self) -> &mut dyn Worker {
        self.worker.as_mut().unwrap().as_mut()
    }

    /// The device's thread does all that there is to do.
    fn settle(&mut self) {
        crate::started::wait();
        for _ in 0..4 {
            (0..3).for_each(|queue| self.worker().kicked(queue).unwrap());
            self.worker().ready(0).unwrap();
        }
    }

    /// The host sends a frame, for which the stream has room.
    fn put(&mut self, frame: &[u8]) {
        (&self.host).write_all(&on_the_stream(frame)).unwrap();
    }

    /// Frames that the host has got.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut frames = Vec::new();
        loop {
            let mut some = vec![0; 1 << 16];
            self.settle();
            match (&self.host).read(&mut some) {
                Ok(count) => bytes.extend(&some[..count]),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        let mut rest = &bytes[..];
        while let Some((length, behind)) = rest.split_first_chunk() {
            let (frame, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
            frames.push(frame.to_vec());
            rest = behind;
        }
        frames
    }

    /// The next frame that the guest has got, as a driver puts it together (virtio 1.2, 5.1.6.4), with how many chains it lay in.
    fn got(&mut self) -> Option<(Vec<u8>, usize)> {
        let first = self.receive.take_used()?;
        let count = usize::from(u16::from_le_bytes(first.bytes[10..12].try_into().unwrap()));
        assert!(count >= 1);
        assert_eq!(first.bytes[..10], [0; 10], "nothing is left to be finished");
        let mut frame = bytes_of(&first, count > 1).to_vec();
        for number in 1..count {
            let next = self.receive.take_used().expect("all of a frame's chains come together");
            frame.extend(bytes_of(&next, number + 1 < count));
        }
        Some((frame.split_off(HEADER), count))
    }

    /// The driver makes so many chains of one buffer available.
    fn offer(&mut self, count: usize, bytes: usize) {
        for _ in 0..count {
            self.receive.offer(&[], &[bytes]).unwrap();
        }
    }

    fn say(&mut self, command: &[u8]) -> u8 {
        self.control.offer(&[&command[..2], &command[2..]], &[1]).unwrap();
        self.worker().kicked(2).unwrap();
        self.control.take_used().unwrap().bytes[0]
    }
}

/// A frame behind its length.
fn on_the_stream(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_be_bytes(), frame].concat()
}

/// What was written to a chain; all of it was, if others follow.
fn bytes_of(used: &Used, has_next: bool) -> &[u8] {
    let written = used.written as usize;
    assert!(!has_next || written == used.bytes.len(), "all but the last are full");
    &used.bytes[..written]
}

/// A frame to the card.
fn frame(length: usize, seed: u8) -> Vec<u8> {
    let content = (0..length - 6).map(|at| seed.wrapping_mul(31).wrapping_add((at % 253) as u8));
    OWN.0.into_iter().chain(content).collect()
}

/// Lengths and seeds of frames.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![Just(SHORTEST), Just(1514), Just(LONGEST), SHORTEST..128, SHORTEST..4096]
}

/// What a driver makes available as one chain.
fn chain() -> impl Strategy<Value = Vec<usize>> {
    let buffer = prop_oneof![Just(1526), 1..64_usize, 1..2048_usize];
    proptest::collection::vec(buffer, 1..5)
}

proptest! {
    /// Chains come one by one, at random moments, of random layouts.
    #[test]
    fn what_the_host_sends_arrives_whole_and_in_order(
        lengths in proptest::collection::vec(lengths(), 1..10),
        chains in proptest::collection::vec(chain(), 1..6),
        ahead in 0..12_usize,
    ) {
        let mut bench = Bench::with_memory(MERGING, 512, 64 << 20);
        let frames: Vec<_> = lengths.iter().zip(0..).map(|(&length, seed)| frame(length, seed)).collect();
        // Each holds the header, and the longest frame fits into few enough.
        let chains: Vec<Vec<usize>> = chains.into_iter().map(|mut chain| { chain.push(1100); chain }).collect();
        let mut layouts = chains.iter().cycle();
        for _ in 0..ahead {
            bench.receive.offer(&[], layouts.next().unwrap());
        }
        let stream: Vec<u8> = frames.iter().flat_map(|frame| on_the_stream(frame)).collect();
        let mut rest = &stream[..];
        let mut got = Vec::new();
        for _ in 0..2000 {
            rest = &rest[(&bench.host).write(rest).unwrap_or(0)..];
            bench.settle();
            while let Some((frame, _)) = bench.got() {
                got.push(frame);
            }
            if got.len() == frames.len() {
                break;
            }
            bench.receive.offer(&[], layouts.next().unwrap());
        }
        prop_assert!(got == frames, "{} of {}", got.len(), frames.len());
        prop_assert!(bench.got().is_none());
    }

    #[test]
    fn what_the_guest_sends_arrives_whole_and_in_order(
        frames in proptest::collection::vec((lengths(), proptest::collection::vec(1..5000_usize, 0..6)), 1..30),
    ) {
        let mut bench = Bench::with_memory(PLAIN, 16, 16 << 20);
        let mut arrived = Vec::new();
        let mut expected = Vec::new();
        for ((length, cuts), seed) in frames.into_iter().zip(0..) {
            let frame = frame(length, seed);
            // The header need not be a buffer of its own.
            let bytes = [&[0; HEADER], &frame[..]].concat();
            let mut pieces = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len() - 1));
                pieces.push(piece);
                rest = behind;
            }
            pieces.push(rest);
            pieces.retain(|piece| !piece.is_empty());
            while bench.transmit.offer(&pieces, &[]).is_none() {
                arrived.extend(bench.sent());
                while bench.transmit.take_used().is_some() {}
            }
            expected.push(frame);
        }
        arrived.extend(bench.sent());
        prop_assert!(arrived == expected);
    }
}

#[test]
fn nothing_is_taken_from_the_host_while_the_guest_has_no_room() {
    let mut bench = Bench::new(MERGING, 64);
    let frame = frame(1514, 1);
    let mut count = 0;
    loop {
        let bytes = on_the_stream(&frame);
        match (&bench.host).write(&bytes) {
            Ok(written) if written == bytes.len() => count += 1,
            Ok(_) => break,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                break;
            }
        }
        bench.settle();
    }
    assert!(count > 10, "the stream holds some by itself");
    for _ in 0..count {
        bench.receive.offer(&[], &[1526]).unwrap();
        bench.settle();
        assert_eq!(bench.got().unwrap(), (frame.clone(), 1), "none was lost");
    }
}

#[test]
fn nothing_is_taken_from_the_guest_while_the_host_has_no_room() {
    let mut bench = Bench::with_memory(PLAIN, 8, 64 << 20);
    let long = frame(LONGEST, 3);
    let mut offered = 0;
    while bench.transmit.offer(&[&[0; HEADER], &long], &[]).is_some() {
        offered += 1;
        bench.settle();
        while bench.transmit.take_used().is_some() {}
    }
    assert!(offered > 4, "all of the queue's descriptors are with the card");
    let sent = bench.sent();
    assert_eq!(sent.len(), offered);
    assert!(sent.iter().all(|frame| *frame == long));
    bench.settle();
    while bench.transmit.take_used().is_some() {}
    assert!(
        bench.transmit.offer(&[&[0; HEADER], &long], &[]).is_some(),
        "they are back"
    );
}

#[test]
fn a_frame_that_no_chain_can_hold_is_lost_and_the_next_one_is_not() {
    let mut bench = Bench::new(PLAIN, 8);
    bench.put(&frame(2000, 1));
    bench.put(&frame(100, 2));
    bench.receive.offer(&[], &[1526]).unwrap();
    bench.settle();
    assert_eq!(bench.got().unwrap(), (frame(100, 2), 1));
    // Sixty-four chains of a header's size do not hold it either.
    let mut bench = Bench::new(MERGING, 64);
    bench.put(&frame(2000, 1));
    bench.put(&frame(500, 2));
    bench.offer(64, HEADER);
    bench.settle();
    assert_eq!(bench.got().unwrap(), (frame(500, 2), 43));
    // Nor does all that the queue can hold: the card does not wait for more.
    bench.restart(MERGING, 4);
    bench.put(&frame(7000, 5));
    bench.put(&frame(70, 6));
    bench.offer(4, 1526);
    bench.settle();
    assert_eq!(bench.got().unwrap(), (frame(70, 6), 1));
}

#[test]
fn a_frame_for_others_reaches_the_guest_only_if_it_wants_it() {
    let mut bench = Bench::new(MERGING, 64);
    let to = |address: MacAddress, length: usize| [&address.0[..], &vec![9; length - 6]].concat();
    let (other, all) = (to(OTHER, 60), to(MacAddress::BROADCAST, 61));
    bench.offer(16, 1526);
    let got = |bench: &mut Bench| {
        for frame in [&other, &all, &frame(62, 1)] {
            bench.put(frame);
        }
        bench.settle();
        std::iter::from_fn(|| bench.got())
            .map(|(frame, _)| frame.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(got(&mut bench), [60, 61, 62], "of a driver that has not said");
    assert_eq!(bench.say(&[0, 0, 0]), 0);
    assert_eq!(got(&mut bench), [61, 62]);
    assert_eq!(bench.say(&[0, 1, 1]), 0);
    assert_eq!(got(&mut bench), [61, 62]);
    assert_eq!(bench.say(&[0, 0, 1]), 0);
    assert_eq!(got(&mut bench), [60, 61, 62]);
    assert_eq!(bench.say(&[7, 0, 1]), 1, "nobody knows that");
}

#[test]
fn an_address_that_the_driver_sets_is_the_cards_until_the_reset() {
    let mut bench = Bench::new(MERGING | Features::CTRL_MAC_ADDR.bits(), 8);
    let config = |bench: &Bench| {
        let mut config = [0; 14];
        bench.net.load_config(0, &mut config);
        config
    };
    assert_eq!(config(&bench), [2, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0x78, 5, 0, 0]);
    assert_eq!(bench.say(&[1, 1, 2, 0, 0, 0, 0, 2]), 0);
    assert_eq!(config(&bench)[..6], OTHER.0);
    bench.restart(MERGING, 8);
    assert_eq!(config(&bench)[..6], OWN.0);
}

#[test]
fn what_a_driver_must_not_do_breaks_the_device() {
    let mut bench = Bench::new(MERGING, 8);
    bench.put(&frame(100, 1));
    bench.receive.offer(&[], &[HEADER - 1]).unwrap();
    bench.worker().kicked(0).unwrap();
    assert!(bench.worker().ready(0).is_err(), "no room for a header");

    let mut bench = Bench::new(MERGING, 8);
    bench.transmit.offer(&[&[0; HEADER - 1]], &[]).unwrap();
    assert!(bench.worker().kicked(1).is_err(), "no header");

    let mut bench = Bench::new(MERGING, 8);
    bench.control.offer(&[&[0, 0, 1]], &[]).unwrap();
    assert!(bench.worker().kicked(2).is_err(), "no room for an answer");

    for queue in [0, 1] {
        let mut bench = Bench::new(MERGING, 8);
        bench.put(&frame(100, 1));
        let driver = if queue == 0 {
            &mut bench.receive
        } else {
            &mut bench.transmit
        };
        // No memory, and a chain that leads to itself.
        driver.describe(0, 0, 2000, if queue == 0 { 2 } else { 0 }, 0);
        driver.describe(1, 0, 2000, 1, 1);
        driver.publish(queue);
        let kicked = bench.worker().kicked(queue.into());
        assert!(kicked.and_then(|()| bench.worker().ready(0)).is_err(), "queue {queue}");
    }
}

#[test]
fn frames_too_short_or_too_long_are_taken_and_lost() {
    let mut bench = Bench::new(PLAIN, 16);
    for length in [0, SHORTEST - 1, LONGEST + 1, 1 << 20] {
        bench
            .transmit
            .offer(&[&[0; HEADER], &vec![1; length.max(1)]], &[])
            .unwrap();
    }
    bench.transmit.offer(&[&[0; HEADER], &frame(60, 1)], &[]).unwrap();
    assert_eq!(bench.sent(), [frame(60, 1)]);
    assert_eq!(std::iter::from_fn(|| bench.transmit.take_used()).count(), 5);
}

#[test]
fn a_reset_in_the_middle_leaves_whole_frames() {
    let mut bench = Bench::with_memory(MERGING, 64, 64 << 20);
    let long = frame(LONGEST, 1);
    // A frame that waits for chains goes with the life that had taken it; those behind it stay.
    bench.put(&frame(4000, 2));
    bench.receive.offer(&[], &[1526]).unwrap();
    bench.settle();
    bench.put(&frame(300, 3));
    bench.restart(MERGING, 64);
    bench.offer(4, 1526);
    bench.settle();
    assert_eq!(bench.got().unwrap(), (frame(300, 3), 1));
    assert_eq!(bench.got(), None);
    // One that has gone in part goes on.
    for _ in 0..20 {
        bench.transmit.offer(&[&[0; HEADER], &long], &[]).unwrap();
    }
    bench.settle();
    bench.restart(MERGING, 64);
    bench.transmit.offer(&[&[0; HEADER], &frame(60, 4)], &[]).unwrap();
    let sent = bench.sent();
    assert_eq!(sent.last().unwrap(), &frame(60, 4));
    assert!(sent[..sent.len() - 1].iter().all(|frame| *frame == long));
}

#[test]
fn a_host_that_has_gone_takes_the_link_down_and_no_more() {
    let mut bench = Bench::new(MERGING, 8);
    bench.put(&frame(60, 1));
    bench.host = UnixStream::pair().unwrap().0;
    bench.receive.offer(&[], &[1526]).unwrap();
    bench.settle();
    assert_eq!(bench.got().unwrap(), (frame(60, 1), 1), "what it had sent");
    for _ in 0..20 {
        bench.transmit.offer(&[&[0; HEADER], &frame(60, 2)], &[]).unwrap();
        bench.receive.offer(&[], &[1526]);
        bench.settle();
        bench.transmit.take_used().expect("the guest has its buffers back");
    }
    let mut status = [0; 2];
    bench.net.load_config(6, &mut status);
    assert_eq!(status, [0, 0]);
    bench.restart(MERGING, 8);
    bench.settle();
    assert_eq!(bench.lost.lock().unwrap().len(), 1, "it is said once");
}

#[test]
fn each_queue_has_its_turn() {
    let mut bench = Bench::new(PLAIN, 256);
    for _ in 0..250 {
        bench.transmit.offer(&[&[0; HEADER + 60]], &[]).unwrap();
    }
    bench.worker().kicked(1).unwrap();
    let first = std::iter::from_fn(|| bench.transmit.take_used()).count();
    assert!((1..250).contains(&first), "{first}");
    bench.worker().ready(0).unwrap();
    assert_eq!(first + std::iter::from_fn(|| bench.transmit.take_used()).count(), 250);
}

/// What was said to an end that takes and gives no frames.
#[derive(Default)]
struct Said {
    offloads: Option<Offloads>,
    is_active: bool,
    /// It is gone.
    is_gone: bool,
}

struct Silent {
    said: Arc<Mutex<Said>>,
    stream: UnixStream,
}

impl Silent {
    fn change(&self, change: impl FnOnce(&mut Said)) -> io::Result<()> {
        let mut said = self.said.lock().unwrap();
        if said.is_gone {
            return Err(io::ErrorKind::NotConnected.into());
        }
        change(&mut said);
        Ok(())
    }
}

impl Port for Silent {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    fn receive(&mut self, _into: &mut Buffer) -> io::Result<Option<usize>> {
        Ok(None)
    }

    fn send(&mut self, _frame: &[u8]) -> io::Result<Sent> {
        Ok(Sent::Taken)
    }

    fn set_offloads(&mut self, offloads: Offloads) -> io::Result<()> {
        self.change(|said| said.offloads = Some(offloads))
    }

    fn set_active(&mut self, is_active: bool) -> io::Result<()> {
        self.change(|said| said.is_active = is_active)
    }
}

/// A card of two pairs, what its ends are told, its driver's control queue, and how often it has lost the host.
struct Pairs {
    net: Net,
    said: [Arc<Mutex<Said>>; 2],
    control: Driver,
    lost: Arc<Mutex<u32>>,
}

impl Pairs {
    fn new() -> Self {
        let said = <[Arc<Mutex<Said>>; 2]>::default();
        let ports = said.iter().map(|said| {
            let (said, stream) = (Arc::clone(said), UnixStream::pair().unwrap().0);
            Box::new(Silent { said, stream }) as Box<dyn Port>
        });
        let lost = Arc::<Mutex<u32>>::default();
        let count = Arc::clone(&lost);
        let host = Host {
            ports: ports.collect(),
            has_offloads: true,
            mtu: None,
            lost: Box::new(move |_| *count.lock().unwrap() += 1),
        };
        let net = Net::new(OWN, host);
        let control = Driver::new(&Memory::new(1 << 20), 8, true);
        Self {
            net,
            said,
            control,
            lost,
        }
    }

    fn start(&self) -> Box<dyn Worker> {
        let features = [
            Features::GUEST_CSUM,
            Features::GUEST_TSO4,
            Features::CTRL_VQ,
            Features::MQ,
        ];
        let features = features.iter().map(|feature| feature.bits()).sum();
        self.net.start(features, vec![(4, self.control.queue())]).unwrap()
    }

    fn is_up(&self) -> bool {
        let mut status = [0; 2];
        self.net.load_config(6, &mut status);
        status == [1, 0]
    }

    /// The driver wants to use so many pairs; what it is answered.
    fn use_pairs(&mut self, worker: &mut dyn Worker, pairs: u8) -> u8 {
        self.control.offer(&[&[4, 0], &[pairs, 0]], &[1]).unwrap();
        worker.kicked(4).unwrap();
        self.control.take_used().unwrap().bytes[0]
    }
}

#[test]
fn the_host_finishes_frames_for_a_driver_that_is_not_there_any_more() {
    let pairs = Pairs::new();
    let mut worker = pairs.start();
    let offloads = || pairs.said.each_ref().map(|said| said.lock().unwrap().offloads.unwrap());
    assert!(offloads().iter().all(|offloads| offloads.checksum && offloads.tcp4));
    worker.stop();
    assert_eq!(offloads(), [Offloads::default(); 2]);
}

#[test]
fn a_host_that_went_while_there_was_no_driver_is_a_link_that_is_down() {
    let pairs = Pairs::new();
    pairs.said[1].lock().unwrap().is_gone = true;
    let mut worker = pairs.start();
    assert!(!pairs.is_up());
    worker.ready(0).unwrap();
    worker.stop();
    pairs.start().stop();
    assert_eq!(*pairs.lost.lock().unwrap(), 1, "it is said once");
}

#[test]
fn a_host_that_takes_half_of_a_change_is_gone() {
    let mut pairs = Pairs::new();
    let mut worker = pairs.start();
    assert_eq!(pairs.use_pairs(&mut *worker, 2), 0);
    assert!(pairs.said[1].lock().unwrap().is_active);
    pairs.said[1].lock().unwrap().is_gone = true;
    assert_eq!(pairs.use_pairs(&mut *worker, 1), 1);
    assert!(!pairs.is_up(), "no frames go where nobody takes them");
    assert_eq!(*pairs.lost.lock().unwrap(), 1);
}
