//! The device between a driver and a server, both of which are played here by the text of the specification.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use vmm_sys_util::eventfd::EventFd;

use super::fuse::IN_HEADER;
use super::ring::SIZE;
use super::session::BASE;
use super::*;
use crate::virtio::testing::{Call, Driver, Memory, Used};

/// READ and WRITE, which changes something.
const READ: u32 = 15;
const WRITE: u32 = 16;

/// A server: it has the shared memory, its end of the socket, and the rings' places.
struct Server {
    file: File,
    socket: Option<UnixStream>,
    places: [[usize; 3]; QUEUES],
    calls: [EventFd; QUEUES],
    seen: [u16; QUEUES],
    used: [u16; QUEUES],
}

/// A request as the server has it.
struct Got {
    head: u16,
    bytes: Vec<u8>,
    answer: Option<(u64, u32)>,
}

impl Server {
    /// A session, and the server that serves it.
    fn new() -> (Session, Self) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let session = Session::new(ours, Box::new(())).unwrap();
        let server = Self {
            file: File::from(session.arena.file().as_fd().try_clone_to_owned().unwrap()),
            socket: Some(theirs),
            places: [0, 1].map(|ring: usize| session.rings[ring].places()),
            calls: [0, 1].map(|ring: usize| session.rings[ring].call.try_clone().unwrap()),
            seen: [0; QUEUES],
            used: [0; QUEUES],
        };
        (session, server)
    }

    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, at as u64).unwrap();
        bytes
    }

    /// The next request of a ring.
    fn take(&mut self, ring: usize) -> Option<Got> {
        let [descriptors, available, _] = self.places[ring];
        if u16::from_le_bytes(self.get(available + 2)) == self.seen[ring] {
            return None;
        }
        let head = u16::from_le_bytes(self.get(available + 4 + 2 * usize::from(self.seen[ring] % SIZE)));
        self.seen[ring] = self.seen[ring].wrapping_add(1);
        let (mut bytes, mut answer, mut index) = (Vec::new(), None, head);
        loop {
            let descriptor: [u8; 16] = self.get(descriptors + 16 * usize::from(index));
            let at = u64::from_le_bytes(*descriptor.first_chunk().unwrap()) - BASE;
            let length = u32::from_le_bytes(*descriptor[8..].first_chunk().unwrap());
            let flags = u16::from_le_bytes(*descriptor[12..].first_chunk().unwrap());
            if flags & 2 != 0 {
                assert_eq!(answer.replace((at, length)), None);
            } else {
                let mut part = vec![0; length as usize];
                self.file.read_exact_at(&mut part, at).unwrap();
                bytes.extend(part);
            }
            if flags & 1 == 0 {
                return Some(Got { head, bytes, answer });
            }
            index = u16::from_le_bytes(*descriptor[14..].first_chunk().unwrap());
        }
    }

    /// The next request of a ring that may have been written over: without its bytes, and not to be answered but by [`Self::say_used`].
    fn peek(&mut self, ring: usize) -> Option<Got> {
        let [descriptors, available, _] = self.places[ring];
        if u16::from_le_bytes(self.get(available + 2)) == self.seen[ring] {
            return None;
        }
        let head = u16::from_le_bytes(self.get(available + 4 + 2 * usize::from(self.seen[ring] % SIZE)));
        self.seen[ring] = self.seen[ring].wrapping_add(1);
        let answer: [u8; 16] = self.get(descriptors + 16 * (usize::from(head % SIZE) + 1));
        let length = u32::from_le_bytes(*answer[8..].first_chunk().unwrap());
        Some(Got {
            head,
            bytes: Vec::new(),
            answer: Some((0, length)),
        })
    }

    /// Writes `bytes` as the answer, and gives the request back.
    fn answer(&mut self, ring: usize, got: &Got, bytes: &[u8]) {
        if let Some((at, length)) = got.answer {
            assert!(bytes.len() <= length as usize);
            self.file.write_all_at(bytes, at).unwrap();
        }
        self.say_used(ring, got.head.into(), bytes.len() as u32);
    }

    /// Says that `head` is done.
    fn say_used(&mut self, ring: usize, head: u32, written: u32) {
        let used = self.places[ring][2];
        let element = used + 4 + 8 * usize::from(self.used[ring] % SIZE);
        let both = [head.to_le_bytes(), written.to_le_bytes()].concat();
        self.file.write_all_at(&both, element as u64).unwrap();
        self.count_used(ring, 1);
    }

    /// Says that so many more are done.
    fn count_used(&mut self, ring: usize, count: u16) {
        self.used[ring] = self.used[ring].wrapping_add(count);
        let index = self.used[ring].to_le_bytes();
        self.file
            .write_all_at(&index, (self.places[ring][2] + 2) as u64)
            .unwrap();
        self.calls[ring].write(1).unwrap();
    }
}

/// A device at work with its driver and its server.
struct Bench {
    device: Fs,
    worker: Box<dyn Worker>,
    server: Server,
    memory: Arc<Memory>,
    urgent: Driver,
    requests: Driver,
    told: Receiver<String>,
}

impl Bench {
    fn new(is_read_only: bool) -> Self {
        let (say, told) = channel();
        let report = move |what: &str| say.send(what.to_owned()).unwrap();
        let (session, server) = Server::new();
        let start = || Err("no other one".to_owned());
        let device = Fs::new("tag", is_read_only, session, Box::new(start), Box::new(report));
        let memory = Memory::new(64 << 20);
        let (urgent, requests) = (Driver::new(&memory, 64, true), Driver::new(&memory, 64, true));
        let worker = device
            .start(0, vec![(0, urgent.queue()), (1, requests.queue())])
            .unwrap();
        Self {
            device,
            worker,
            server,
            memory,
            urgent,
            requests,
            told,
        }
    }

    /// Makes a request; its first descriptor.
    fn ask(&mut self, opcode: u32, unique: u64, rest: &[u8], room: &[usize]) -> u16 {
        let mut header = [0; IN_HEADER];
        header[4..8].copy_from_slice(&opcode.to_le_bytes());
        header[8..16].copy_from_slice(&unique.to_le_bytes());
        let buffers: &[&[u8]] = if rest.is_empty() { &[&header] } else { &[&header, rest] };
        self.requests.offer(buffers, room).expect("there are descriptors")
    }

    fn settle(&mut self) {
        for _ in 0..3 {
            self.worker.kicked(0).unwrap();
            self.worker.kicked(1).unwrap();
            self.worker.ready(0).unwrap();
        }
    }

    /// What the device has given back.
    fn used(&mut self) -> Used {
        self.requests.take_used().expect("it has given something back")
    }
}

/// The answer of a failure (Linux, include/uapi/linux/fuse.h, struct fuse_out_header).
fn failure(errno: i32, unique: u64) -> Vec<u8> {
    [
        &16_u32.to_le_bytes()[..],
        &(-errno).to_le_bytes(),
        &unique.to_le_bytes(),
    ]
    .concat()
}

#[test]
fn its_configuration_is_the_tag_and_one_queue() {
    let bench = Bench::new(false);
    let mut config = [0; 44];
    bench.device.load_config(0, &mut config);
    assert_eq!(config[..4], *b"tag\0");
    assert_eq!(config[36..], [1, 0, 0, 0, 0, 0, 0, 0]);
    bench.device.load_config(u64::MAX, &mut config[..1]);
}

proptest! {
    /// Whatever the buffers, and in whatever order the server answers.
    #[test]
    fn requests_and_answers_arrive_as_they_were(
        asked in proptest::collection::vec(
            (0..200_000_usize, proptest::collection::vec(16..90_000_usize, 0..4), any::<u8>()),
            1..12,
        ),
        order in any::<u64>(),
    ) {
        let mut bench = Bench::new(false);
        let mut expected = std::collections::BTreeMap::new();
        for (number, (bytes, room, seed)) in asked.iter().enumerate() {
            // An opcode without flags of a file.
            let rest: Vec<u8> = (0..*bytes).map(|at| (at as u8).wrapping_mul(*seed | 1)).collect();
            let head = bench.ask(1, number as u64, &rest, room);
            expected.insert(head, (number, rest, room.iter().sum::<usize>()));
        }
        bench.settle();
        let mut got: Vec<Got> = std::iter::from_fn(|| bench.server.take(1)).collect();
        let count = got.len();
        got.rotate_left(order as usize % count.max(1));
        prop_assert_eq!(count, asked.len());
        for one in &got {
            let number = usize::from(one.bytes[8]);
            prop_assert_eq!(one.bytes.len(), IN_HEADER + asked[number].0);
            let room = one.answer.map_or(0, |(_, length)| length as usize);
            prop_assert_eq!(room, asked[number].1.iter().sum::<usize>());
            // Not all of the room.
            let answer: Vec<u8> = (0..room - room / 3).map(|at| (at / 7) as u8 ^ number as u8).collect();
            bench.server.answer(1, one, &answer);
        }
        for (number, rest, _) in expected.values() {
            let one = got.iter().find(|one| usize::from(one.bytes[8]) == *number).unwrap();
            prop_assert!(one.bytes[IN_HEADER..] == rest[..]);
        }
        bench.settle();
        for _ in 0..count {
            let used = bench.used();
            let (number, _, room) = expected.remove(&used.head).unwrap();
            let written = room - room / 3;
            prop_assert_eq!(used.written as usize, written);
            prop_assert!(used.bytes[..written].iter().enumerate().all(|(at, byte)| *byte == (at / 7) as u8 ^ number as u8));
        }
    }
}

#[test]
fn what_finds_no_room_waits_and_is_served_in_its_order() {
    let mut bench = Bench::new(false);
    // Three at a time.
    for unique in 0..8 {
        bench.ask(READ, unique, &[0; 40], &[2 << 20]);
    }
    bench.settle();
    for unique in 0..8 {
        let got = bench.server.take(1).expect("there was room");
        assert_eq!(u64::from(got.bytes[8]), unique);
        bench.server.answer(1, &got, &[unique as u8; 100]);
        bench.settle();
        assert_eq!(bench.used().bytes[..100], [unique as u8; 100]);
    }
    assert!(bench.server.take(1).is_none());
}

#[test]
fn what_is_urgent_has_a_ring_of_its_own_and_no_answer() {
    let mut bench = Bench::new(false);
    bench.urgent.offer(&[&[2; 64]], &[]).unwrap();
    bench.settle();
    let got = bench.server.take(0).unwrap();
    assert_eq!((got.bytes.len(), got.answer), (64, None));
    bench.server.answer(0, &got, &[]);
    bench.settle();
    assert_eq!(bench.urgent.take_used().unwrap().written, 0);
}

#[test]
fn nothing_that_changes_something_reaches_the_server_of_a_share_for_reading() {
    let mut bench = Bench::new(true);
    bench.ask(WRITE, 7, &[0; 100], &[64]);
    bench.ask(READ, 8, &[0; 40], &[64]);
    bench.settle();
    let used = bench.used();
    assert_eq!((used.written, &used.bytes[..16]), (16, &failure(30, 7)[..]));
    assert_eq!(bench.server.take(1).unwrap().bytes[8], 8);
    assert!(bench.server.take(1).is_none());
}

#[test]
fn after_the_server_is_gone_everything_is_an_error() {
    let mut bench = Bench::new(false);
    for unique in 0..3 {
        bench.ask(READ, unique, &[0; 40], &[4096]);
    }
    bench.settle();
    // It has answered one, and nobody has looked.
    let got = bench.server.take(1).unwrap();
    bench.server.answer(1, &got, &[9; 20]);
    bench.server.socket = None;
    crate::started::wait();
    bench.settle();
    assert_eq!(bench.used().bytes[..20], [9; 20]);
    for unique in 1..3 {
        assert_eq!(bench.used().bytes[..16], failure(5, unique));
    }
    bench.ask(READ, 3, &[0; 40], &[4096]);
    bench.urgent.offer(&[&[2; 64]], &[]).unwrap();
    bench.settle();
    assert_eq!(bench.used().bytes[..16], failure(5, 3));
    assert_eq!(bench.urgent.take_used().unwrap().written, 0);
    let told: Vec<String> = bench.told.try_iter().collect();
    assert!(told.len() == 1 && told[0].starts_with("it has hung up; "), "{told:?}");
}

#[test]
fn a_server_that_lies_is_gone() {
    type Lie = fn(&mut Server, &Got);
    let lies: [(&str, Lie); 6] = [
        ("index", |server, _| server.count_used(1, 200)),
        ("does not have", |server, got| {
            server.say_used(1, u32::from(got.head) + 1, 16);
        }),
        ("does not have", |server, got| {
            server.say_used(1, u32::from(got.head) + 2, 16);
        }),
        ("does not have", |server, _| server.say_used(1, u32::MAX, 16)),
        ("room", |server, got| server.say_used(1, got.head.into(), 4097)),
        ("does not have", |server, got| {
            server.say_used(1, got.head.into(), 16);
            server.say_used(1, got.head.into(), 16);
        }),
    ];
    for (name, lie) in lies {
        let mut bench = Bench::new(false);
        bench.ask(READ, 1, &[0; 40], &[4096]);
        bench.settle();
        let got = bench.server.take(1).unwrap();
        lie(&mut bench.server, &got);
        bench.settle();
        let told = bench.told.try_recv().unwrap();
        assert!(told.contains(name), "{told}");
        bench.used();
        bench.ask(READ, 2, &[0; 40], &[4096]);
        bench.settle();
        assert_eq!(bench.used().bytes[..16], failure(5, 2));
    }
}

/// What a server does that keeps to nothing, and a driver beside it that keeps to everything.
#[derive(Clone, Debug)]
enum Turn {
    /// The driver asks for so many bytes, of so many.
    Ask(usize, Vec<usize>),
    /// The server takes a request.
    Take,
    /// It answers one that it has, or had.
    Answer(usize, u16),
    /// It says so of a descriptor.
    Say { ring: usize, head: u32, written: u32 },
    /// It says that so many more are done.
    Count { ring: usize, count: u16 },
    /// It writes anywhere in the shared memory.
    Write(usize, [u8; 16]),
    /// The device has a turn.
    Settle,
}

fn turn() -> impl Strategy<Value = Turn> {
    let room = proptest::collection::vec(16..9000_usize, 0..4);
    let near = prop_oneof![9 => 0..2 * u32::from(SIZE), 1 => any::<u32>()];
    let written = prop_oneof![9 => 0..20_000_u32, 1 => any::<u32>()];
    let count = prop_oneof![9 => 0..4_u16, 1 => any::<u16>()];
    // The rings, and the first requests behind them.
    let at = prop_oneof![1 => 0..0x8000_usize, 1 => 0x1_0000..0x1_8000_usize];
    prop_oneof![
        6 => (0..5000_usize, room).prop_map(|(bytes, room)| Turn::Ask(bytes, room)),
        5 => Just(Turn::Take),
        4 => (any::<usize>(), any::<u16>()).prop_map(|(which, bytes)| Turn::Answer(which, bytes)),
        1 => (0..QUEUES, near, written).prop_map(|(ring, head, written)| Turn::Say { ring, head, written }),
        1 => (0..QUEUES, count).prop_map(|(ring, count)| Turn::Count { ring, count }),
        2 => (at, any::<[u8; 16]>()).prop_map(|(at, bytes)| Turn::Write(at, bytes)),
        5 => Just(Turn::Settle),
    ]
}

/// Where the device may write while the driver's requests are these.
fn assert_writes(bench: &Bench, rooms: &[std::ops::Range<u64>]) -> Result<(), TestCaseError> {
    let rings = [&bench.urgent, &bench.requests].map(|driver| {
        let used = driver.layout.used;
        used..used + 6 + 8 * u64::from(driver.layout.size)
    });
    for call in bench.memory.take_calls() {
        if let Call::Write(at, bytes) = call {
            let is_in = |range: &std::ops::Range<u64>| range.start <= at && at + bytes as u64 <= range.end;
            let is_given = rings.iter().chain(rooms).any(is_in);
            prop_assert!(is_given, "{bytes} bytes written to {at:#x}");
        }
    }
    Ok(())
}

proptest! {
    /// The device writes where its driver has given it room, each request comes back once, with no more than it has room for; and all do when the
    /// server is gone.
    #[test]
    fn no_server_reaches_more_than_the_room_of_requests(turns in proptest::collection::vec(turn(), 1..80)) {
        let mut bench = Bench::new(false);
        let (mut rooms, mut open) = (Vec::new(), std::collections::BTreeMap::new());
        let mut got: Vec<Got> = Vec::new();
        let hang_up = [Turn::Settle];
        for (number, turn) in turns.iter().chain(&hang_up).enumerate() {
            match *turn {
                Turn::Ask(bytes, ref room) if open.len() < 12 => {
                    let total = room.iter().sum::<usize>() as u64;
                    let head = bench.ask(1, number as u64, &vec![0x5a; bytes], room);
                    let end = bench.memory.reserve(0, 1);
                    rooms.push(end - total..end);
                    open.insert(head, total);
                }
                Turn::Ask(..) => {}
                // It may have written over what chains are made of.
                Turn::Take => got.extend(bench.server.peek(1)),
                Turn::Answer(which, bytes) if !got.is_empty() => {
                    let one = &got[which % got.len()];
                    let room = one.answer.map_or(0, |(_, length)| length);
                    let (head, written) = (one.head, room.min(bytes.into()));
                    bench.server.say_used(1, head.into(), written);
                }
                Turn::Answer(..) => {}
                Turn::Say { ring, head, written } => bench.server.say_used(ring, head, written),
                Turn::Count { ring, count } => bench.server.count_used(ring, count),
                Turn::Write(at, bytes) => bench.server.file.write_all_at(&bytes, at as u64).unwrap(),
                Turn::Settle => {
                    if number == turns.len() {
                        bench.server.socket = None;
                        crate::started::wait();
                    }
                    bench.settle();
                }
            }
            assert_writes(&bench, &rooms)?;
            while let Some(used) = bench.requests.take_used() {
                let room = open.remove(&used.head).expect("it is open");
                prop_assert!(u64::from(used.written) <= room);
            }
            prop_assert!(bench.urgent.take_used().is_none());
        }
        prop_assert!(open.is_empty(), "{open:?} never come back");
        prop_assert!(bench.told.try_iter().count() == 1, "it is gone once");
    }
}

#[test]
fn what_is_no_request_breaks_the_queue() {
    for (readable, writable) in [(39, 64), (40, 15), ((1 << 20) + 4097, 64), (40, 8 << 20)] {
        let mut bench = Bench::new(false);
        bench.requests.offer(&[&vec![0; readable]], &[writable]).unwrap();
        let error = bench.worker.kicked(1).unwrap_err();
        assert!(error.to_string().contains("a request of"), "{error}");
    }
}

#[test]
fn another_life_has_another_server() {
    let mut bench = Bench::new(false);
    bench.ask(READ, 1, &[0; 40], &[4096]);
    bench.settle();
    bench.worker.stop();
    // It has none here, which the guest finds out.
    let mut requests = Driver::new(&bench.memory, 64, true);
    let mut worker = bench.device.start(0, vec![(1, requests.queue())]).unwrap();
    requests.offer(&[&[1; 40]], &[16]).unwrap();
    worker.kicked(1).unwrap();
    assert_eq!(requests.take_used().unwrap().bytes[4..8], (-5_i32).to_le_bytes());
    assert!(bench.told.try_recv().unwrap().starts_with("no other one; "));
}

#[test]
fn a_server_that_does_not_speak_is_no_server() {
    let open = |socket, patience| {
        Session::open(socket, Box::new(()), patience)
            .err()
            .expect("there is none")
    };
    let (ours, theirs) = UnixStream::pair().unwrap();
    let error = open(ours, Duration::from_millis(20));
    assert!(matches!(error, SessionError::Silent(_)), "{error}");
    drop(theirs);
    let long = Duration::from_secs(600);
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let error = open(ours, long);
    assert!(matches!(error, SessionError::Talk(_)), "{error}");
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let speaker = thread::spawn(move || theirs.write_all(&[0xff; 64]).map(|()| theirs));
    let error = open(ours, long);
    assert!(matches!(error, SessionError::Talk(_)), "{error}");
    drop(speaker.join().unwrap());
}
