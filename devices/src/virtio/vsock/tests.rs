//! A device between a guest, which is played here by the text of the specification, and programs of the host with real sockets.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::packet::{Credit, HEADER, Header, NO_RECEIVE, NO_SEND, Operation, STREAM};
use super::*;
use crate::started;
use crate::virtio::testing::{Driver, Memory};

const CID: u32 = 52;

/// Room of the guest, unless a test says otherwise.
const ROOM: u32 = 1 << 20;

/// A device at work, its driver, and a folder for its sockets.
struct Bench {
    folder: TempDir,
    device: Vsock,
    worker: Box<dyn Worker>,
    memory: Arc<Memory>,
    to_guest: Driver,
    from_guest: Driver,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let device = Vsock::new(CID, listener, path);
        let memory = Memory::new(64 << 20);
        let (to_guest, from_guest) = (Driver::new(&memory, 128, true), Driver::new(&memory, 128, true));
        let worker = device
            .start(STREAMS, vec![(0, to_guest.queue()), (1, from_guest.queue())])
            .unwrap();
        let mut bench = Self {
            folder,
            device,
            worker,
            memory,
            to_guest,
            from_guest,
        };
        bench.make_room(64);
        bench
    }

    /// The guest offers so many buffers for packets.
    fn make_room(&mut self, count: usize) {
        for _ in 0..count {
            self.to_guest.offer(&[], &[HEADER, 4096]).unwrap();
        }
    }

    fn path(&self, port: u32) -> PathBuf {
        self.folder.path().join(format!("v_{port}"))
    }

    fn settle(&mut self) {
        started::wait();
        for _ in 0..4 {
            self.worker.kicked(0).unwrap();
            self.worker.ready(0).unwrap();
        }
    }

    fn send(&mut self, header: Header, data: &[u8]) {
        let bytes = header.to_bytes();
        let buffers: &[&[u8]] = if data.is_empty() { &[&bytes] } else { &[&bytes, data] };
        while self.from_guest.offer(buffers, &[]).is_none() {
            self.settle();
            assert!(self.from_guest.take_used().is_some(), "the device takes packets");
        }
    }

    /// The next packet to the guest, with its data.
    fn receive(&mut self) -> Option<(Header, Vec<u8>)> {
        self.settle();
        let used = self.to_guest.take_used()?;
        self.make_room(1);
        let (header, data) = used.bytes.split_first_chunk().unwrap();
        let header = Header::from_bytes(header);
        assert_eq!(used.written as usize, HEADER + header.length as usize);
        assert_eq!((header.from_cid, header.to_cid), (2, CID.into()));
        Some((header, data[..header.length as usize].to_vec()))
    }

    /// Operation and flags of the next packet, which has no data.
    fn said(&mut self) -> Option<(Operation, u32)> {
        let (header, data) = self.receive()?;
        assert!(data.is_empty(), "{header:?}");
        Some((Operation::from_number(header.operation).unwrap(), header.flags))
    }

    /// A program of the host connects to `port` of the guest.
    fn call(&mut self, port: u32) -> UnixStream {
        let mut program = UnixStream::connect(self.folder.path().join("v")).unwrap();
        program.set_nonblocking(true).unwrap();
        writeln!(program, "CONNECT {port}").unwrap();
        program
    }
}

/// A packet of the guest's port 1000 to `port` of the host.
fn packet(port: u32, operation: Operation) -> Header {
    Header {
        from_cid: CID.into(),
        to_cid: 2,
        from_port: 1000,
        to_port: port,
        length: 0,
        kind: STREAM,
        operation: operation as u16,
        flags: 0,
        credit: Credit {
            room: ROOM,
            forwarded: 0,
        },
    }
}

fn data(port: u32, bytes: &[u8]) -> Header {
    Header {
        length: bytes.len() as u32,
        ..packet(port, Operation::Data)
    }
}

fn shutdown(port: u32, flags: u32) -> Header {
    Header {
        flags,
        ..packet(port, Operation::Shutdown)
    }
}

/// A connection that the guest has asked for, and the host's end.
fn connected(bench: &mut Bench, port: u32) -> UnixStream {
    let listener = UnixListener::bind(bench.path(port)).unwrap();
    bench.send(packet(port, Operation::Request), &[]);
    assert_eq!(bench.said(), Some((Operation::Response, 0)));
    let program = listener.accept().unwrap().0;
    program.set_nonblocking(true).unwrap();
    program
}

/// What there is to be read now, and whether it is all.
fn drain(program: &mut UnixStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    started::wait();
    let is_all = program.read_to_end(&mut bytes).is_ok();
    (bytes, is_all)
}

#[test]
fn a_program_of_the_host_calls_one_of_the_guest() {
    let mut bench = Bench::new();
    let mut program = bench.call(22);
    let (request, _) = bench.receive().unwrap();
    assert_eq!((request.operation, request.to_port, request.kind), (1, 22, STREAM));
    assert!(request.credit.room >= 4096);
    assert!(drain(&mut program).0.is_empty(), "the guest has not granted it");
    let port = request.from_port;
    let from_22 = |header: Header| Header {
        from_port: 22,
        ..header
    };
    bench.send(from_22(packet(port, Operation::Response)), &[]);
    bench.send(from_22(data(port, b"hello")), b"hello");
    bench.settle();
    assert_eq!(drain(&mut program).0, format!("OK {port}\nhello").into_bytes());
    program.write_all(b"world").unwrap();
    let (header, bytes) = bench.receive().unwrap();
    assert_eq!(
        (header.operation, header.from_port, header.to_port, &bytes[..]),
        (5, port, 22, &b"world"[..])
    );
    assert_eq!(header.credit.forwarded, 5);
}

#[test]
fn a_program_of_the_host_that_the_guest_refuses_is_hung_up_on() {
    let mut bench = Bench::new();
    let mut program = bench.call(22);
    let (request, _) = bench.receive().unwrap();
    bench.send(
        Header {
            from_port: 22,
            ..packet(request.from_port, Operation::Reset)
        },
        &[],
    );
    bench.settle();
    assert_eq!(drain(&mut program), (Vec::new(), true));
    assert_eq!(bench.receive(), None);
}

#[test]
fn a_program_of_the_host_that_gives_up_takes_its_request_back() {
    let mut bench = Bench::new();
    let program = bench.call(22);
    assert_eq!(bench.said(), Some((Operation::Request, 0)));
    drop(program);
    assert_eq!(bench.said(), Some((Operation::Reset, 0)));
    assert_eq!(bench.receive(), None);
}

#[test]
fn the_guest_is_refused_where_nobody_listens() {
    let mut bench = Bench::new();
    bench.send(packet(5, Operation::Request), &[]);
    assert_eq!(bench.said(), Some((Operation::Reset, 0)));
    // A socket that a dead program has left.
    drop(UnixListener::bind(bench.path(6)).unwrap());
    bench.send(packet(6, Operation::Request), &[]);
    assert_eq!(bench.said(), Some((Operation::Reset, 0)));
}

#[test]
fn each_direction_ends_by_itself() {
    let mut bench = Bench::new();
    let mut program = connected(&mut bench, 7);
    program.write_all(b"last words").unwrap();
    program.shutdown(Shutdown::Write).unwrap();
    assert_eq!(bench.receive().unwrap().1, b"last words");
    assert_eq!(bench.said(), Some((Operation::Shutdown, NO_SEND)));
    bench.send(data(7, b"answer"), b"answer");
    bench.settle();
    assert_eq!(drain(&mut program), (b"answer".to_vec(), false));
    bench.send(data(7, b"end"), b"end");
    bench.send(shutdown(7, NO_SEND | NO_RECEIVE), &[]);
    assert_eq!(bench.said(), Some((Operation::Reset, 0)), "so the guest need not wait");
    assert_eq!(drain(&mut program), (b"end".to_vec(), true));

    let mut program = connected(&mut bench, 8);
    bench.send(data(8, b"query"), b"query");
    bench.send(shutdown(8, NO_SEND), &[]);
    bench.settle();
    assert_eq!(drain(&mut program), (b"query".to_vec(), true));
    program.write_all(b"reply").unwrap();
    assert_eq!(bench.receive().unwrap().1, b"reply");
    drop(program);
    assert_eq!(bench.said(), Some((Operation::Shutdown, NO_SEND | NO_RECEIVE)));
    bench.send(packet(8, Operation::Reset), &[]);
    assert_eq!(bench.receive(), None);
}

/// What a program of the host gets of a guest that has sent as much as it may, and has then said `last`.
fn heard_late(last: &[Header]) -> (Bench, Vec<u8>, Vec<u8>, bool) {
    let mut bench = Bench::new();
    let mut program = connected(&mut bench, 7);
    let mut sent = Vec::new();
    // Much more than the kernel keeps for the program, so that the device keeps some, too.
    let mut may_send = 0;
    for number in 0..1000 {
        let piece = vec![number as u8; 1024];
        bench.send(packet(7, Operation::CreditRequest), &[]);
        while let Some((header, _)) = bench.receive() {
            may_send = header.credit.room - (sent.len() as u32).wrapping_sub(header.credit.forwarded);
        }
        if may_send < 1024 {
            break;
        }
        bench.send(data(7, &piece), &piece);
        sent.extend(piece);
    }
    assert!(may_send < 1024, "the device keeps as much as it may");
    last.iter().for_each(|header| bench.send(*header, &[]));
    bench.settle();
    // Another one has the ports then.
    if last.len() > 1 {
        std::fs::remove_file(bench.path(7)).unwrap();
        let _second = connected(&mut bench, 7);
        bench.send(packet(7, Operation::Reset), &[]);
        bench.settle();
    }
    let mut heard = Vec::new();
    let mut is_all = false;
    for _ in 0..1000 {
        let (some, is_end) = drain(&mut program);
        heard.extend(some);
        is_all = is_end;
        bench.settle();
    }
    (bench, sent, heard, is_all)
}

#[test]
fn what_a_guest_has_said_before_it_left_reaches_a_slow_program() {
    let both = NO_SEND | NO_RECEIVE;
    let (mut bench, sent, heard, is_all) = heard_late(&[shutdown(7, both), packet(7, Operation::Reset)]);
    assert!(heard == sent && is_all, "{} of {}", heard.len(), sent.len());
    assert_eq!(bench.receive(), None);
    // One that breaks off has no more to say.
    let (_bench, sent, heard, is_all) = heard_late(&[packet(7, Operation::Reset)]);
    assert!(heard.len() < sent.len() && is_all);
}

#[test]
fn what_a_program_has_said_before_it_died_reaches_the_guest() {
    let mut bench = Bench::new();
    let mut program = connected(&mut bench, 7);
    program.write_all(&[3; 10_000]).unwrap();
    drop(program);
    let mut bytes = Vec::new();
    loop {
        let (header, some) = bench.receive().unwrap();
        if header.operation != Operation::Data as u16 {
            assert_eq!((header.operation, header.flags), (4, NO_SEND | NO_RECEIVE));
            break;
        }
        bytes.extend(some);
    }
    assert_eq!(bytes, [3; 10_000]);
    // What the guest says now goes nowhere, and is not in the way.
    for _ in 0..100 {
        bench.send(data(7, &[1; 4000]), &[1; 4000]);
        while let Some((header, _)) = bench.receive() {
            assert_eq!(Operation::from_number(header.operation), Some(Operation::CreditUpdate));
        }
    }
}

#[test]
fn a_guest_that_sends_more_than_it_may_is_cut_off() {
    let mut bench = Bench::new();
    let mut program = connected(&mut bench, 7);
    let mut is_cut_off = false;
    // The program takes nothing: the kernel has some, then the device, then nobody.
    for _ in 0..200 {
        bench.send(data(7, &[1; 4096]), &[1; 4096]);
        while let Some((operation, _)) = bench.said() {
            is_cut_off |= operation == Operation::Reset;
        }
    }
    assert!(is_cut_off);
    assert!(drain(&mut program).1, "the program is told");
}

#[test]
fn nothing_is_sent_for_which_the_guest_has_no_room() {
    let mut bench = Bench::new();
    let listener = UnixListener::bind(bench.path(7)).unwrap();
    let credit = |room, forwarded| Header {
        credit: Credit { room, forwarded },
        ..packet(7, Operation::CreditUpdate)
    };
    bench.send(
        Header {
            operation: 1,
            ..credit(10, 0)
        },
        &[],
    );
    assert_eq!(bench.said(), Some((Operation::Response, 0)));
    let mut program = listener.accept().unwrap().0;
    program.write_all(b"0123456789abcdefghij").unwrap();
    assert_eq!(bench.receive().unwrap().1, b"0123456789");
    assert_eq!(bench.said(), Some((Operation::CreditRequest, 0)));
    assert_eq!(bench.receive(), None, "it is asked once");
    bench.send(credit(10, 0), &[]);
    assert_eq!(bench.receive(), None);
    bench.send(credit(10, 4), &[]);
    assert_eq!(bench.receive().unwrap().1, b"abcd");
    // It cannot have taken what it was not sent.
    bench.send(credit(10, 1000), &[]);
    while let Some((operation, _)) = bench.said() {
        assert_eq!(operation, Operation::CreditRequest);
    }
    bench.send(credit(100, 14), &[]);
    assert_eq!(bench.receive().unwrap().1, b"efghij");
}

#[test]
fn a_guest_that_asks_how_much_it_may_send_is_told() {
    let mut bench = Bench::new();
    let _program = connected(&mut bench, 7);
    bench.send(data(7, b"abc"), b"abc");
    assert_eq!(bench.receive(), None, "there is plenty of room");
    bench.send(packet(7, Operation::CreditRequest), &[]);
    let (header, _) = bench.receive().unwrap();
    assert_eq!((header.operation, header.credit.forwarded), (6, 3));
}

#[test]
fn what_is_no_connection_is_reset() {
    let mut bench = Bench::new();
    for operation in [
        Operation::Data,
        Operation::Shutdown,
        Operation::Response,
        Operation::CreditUpdate,
    ] {
        bench.send(packet(9, operation), &[]);
        assert_eq!(bench.said(), Some((Operation::Reset, 0)), "{operation:?}");
    }
    bench.send(packet(9, Operation::Reset), &[]);
    assert_eq!(bench.receive(), None, "there is no end of it otherwise");
    // Another kind of socket, an operation that is none (virtio 1.2, 5.10.6.4.1).
    bench.send(
        Header {
            kind: 2,
            ..packet(9, Operation::Request)
        },
        &[],
    );
    let (header, _) = bench.receive().unwrap();
    assert_eq!((header.operation, header.kind), (3, 2));
    bench.send(
        Header {
            operation: 99,
            ..packet(9, Operation::Request)
        },
        &[],
    );
    assert_eq!(bench.said(), Some((Operation::Reset, 0)));
    // Somebody else's packets.
    bench.send(
        Header {
            from_cid: 7,
            ..packet(9, Operation::Request)
        },
        &[],
    );
    bench.send(
        Header {
            to_cid: 7,
            ..packet(9, Operation::Request)
        },
        &[],
    );
    assert_eq!(bench.receive(), None);
}

#[test]
fn a_connection_is_asked_for_once() {
    let mut bench = Bench::new();
    let mut program = connected(&mut bench, 7);
    bench.send(packet(7, Operation::Request), &[]);
    assert_eq!(bench.said(), Some((Operation::Reset, 0)));
    assert_eq!(drain(&mut program), (Vec::new(), true));
}

#[test]
fn a_flood_of_requests_finds_an_end_and_a_new_beginning() {
    let mut bench = Bench::new();
    let listener = UnixListener::bind(bench.path(7)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut programs = VecDeque::new();
    let mut granted = 0;
    let mut room = 0;
    for guest in 0..1000 {
        bench.send(
            Header {
                from_port: guest,
                ..packet(7, Operation::Request)
            },
            &[],
        );
        while let Some((header, _)) = bench.receive() {
            if header.operation == Operation::Response as u16 {
                granted += 1;
                room += header.credit.room;
            }
        }
        programs.extend(listener.accept().map(|(program, _)| program));
    }
    assert_eq!(granted, 128);
    assert!(room <= 896 << 10, "{room}");
    bench.send(
        Header {
            from_port: 3,
            ..packet(7, Operation::Reset)
        },
        &[],
    );
    bench.send(
        Header {
            from_port: 2000,
            ..packet(7, Operation::Request)
        },
        &[],
    );
    assert_eq!(bench.said(), Some((Operation::Response, 0)));
}

#[test]
fn programs_that_say_nothing_are_not_in_the_way_of_one_that_does() {
    let mut bench = Bench::new();
    let path = bench.folder.path().join("v");
    let silent: Vec<_> = (0..100)
        .map(|_| {
            let program = UnixStream::connect(&path).unwrap();
            bench.settle();
            program.set_nonblocking(true).unwrap();
            program
        })
        .collect();
    let hung_up = silent
        .into_iter()
        .filter_map(|mut program| drain(&mut program).1.then_some(()))
        .count();
    assert_eq!(hung_up, 100 - 16);
    let _program = bench.call(22);
    assert_eq!(bench.said(), Some((Operation::Request, 0)));
}

#[test]
fn packets_that_cause_resets_wait_while_the_guest_takes_none() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        let bytes = packet(9, Operation::Data).to_bytes();
        bench.from_guest.offer(&[&bytes], &[]).unwrap();
    }
    // 64 buffers are with the device; that many resets are in them, and as many wait.
    bench.settle();
    let taken = std::iter::from_fn(|| bench.from_guest.take_used()).count();
    assert_eq!(taken, 100);
    for _ in 0..100 {
        let bytes = packet(9, Operation::Data).to_bytes();
        bench.from_guest.offer(&[&bytes], &[]).unwrap();
    }
    bench.settle();
    let taken = std::iter::from_fn(|| bench.from_guest.take_used()).count();
    assert_eq!(taken, 28, "64 resets are with the guest and 64 with the device");
    for _ in 0..200 {
        assert_eq!(bench.said(), Some((Operation::Reset, 0)));
    }
    assert_eq!(bench.receive(), None);
}

#[test]
fn a_reset_of_the_device_ends_all_and_a_new_life_begins() {
    let mut bench = Bench::new();
    let mut program = connected(&mut bench, 7);
    bench.worker.stop();
    let (to_guest, from_guest) = (
        Driver::new(&bench.memory, 128, true),
        Driver::new(&bench.memory, 128, true),
    );
    let queues = vec![(0, to_guest.queue()), (1, from_guest.queue())];
    bench.worker = bench.device.start(STREAMS, queues).unwrap();
    assert_eq!(drain(&mut program), (Vec::new(), true));
    (bench.to_guest, bench.from_guest) = (to_guest, from_guest);
    bench.make_room(64);
    // Somebody had connected meanwhile.
    let _program = bench.call(22);
    assert_eq!(bench.said(), Some((Operation::Request, 0)));
    let _program = connected(&mut bench, 8);
}

#[test]
fn what_a_driver_must_not_do_breaks_the_device() {
    let short = [0; HEADER - 1];
    let mut bench = Bench::new();
    bench.from_guest.offer(&[&short], &[]).unwrap();
    assert!(bench.worker.kicked(1).is_err());

    let mut bench = Bench::new();
    let header = data(7, &[0; 9]).to_bytes();
    bench.from_guest.offer(&[&header, &[0; 8]], &[]).unwrap();
    assert!(bench.worker.kicked(1).is_err(), "it says more than there is");

    let mut bench = Bench::new();
    let header = Header {
        length: u32::MAX,
        ..packet(7, Operation::Data)
    }
    .to_bytes();
    bench.from_guest.offer(&[&header, &[0; 8]], &[]).unwrap();
    assert!(bench.worker.kicked(1).is_err());

    let mut bench = Bench::new();
    (0..65).for_each(|_| bench.send(packet(9, Operation::Data), &[]));
    bench.settle();
    while bench.to_guest.take_used().is_some() {}
    bench.to_guest.offer(&[], &[HEADER]).unwrap();
    assert!(bench.worker.kicked(0).is_err(), "no room for data");
}

#[test]
fn the_configuration_is_the_guests_context_id() {
    let bench = Bench::new();
    let mut config = [9; 10];
    bench.device.load_config(0, &mut config);
    assert_eq!(config, [52, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bench.device.queue_sizes().len(), 3);
}

/// What somebody does next.
#[derive(Clone, Debug)]
enum Step {
    /// The guest sends so many bytes, as far as it may.
    GuestSends(usize),
    /// The guest's program takes so many of what has arrived.
    GuestTakes(usize),
    /// The host's program sends so many, as far as the kernel lets it.
    HostSends(usize),
    /// It takes so many.
    HostTakes(usize),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        (1..6000_usize).prop_map(Step::GuestSends),
        (1..30_000_usize).prop_map(Step::GuestTakes),
        (1..60_000_usize).prop_map(Step::HostSends),
        (1..60_000_usize).prop_map(Step::HostTakes),
    ];
    proptest::collection::vec((0..3_usize, step), 1..150)
}

/// One connection of the model: what each side has sent and the other has got.
struct Both {
    program: UnixStream,
    to_host: Vec<u8>,
    host_got: usize,
    to_guest: Vec<u8>,
    /// Bytes that have arrived at the guest, and of these those that its program has taken.
    guest_got: usize,
    guest_took: usize,
    /// What the device has said last.
    credit: Credit,
}

/// A byte of a stream, by its place in it.
fn byte(connection: usize, at: usize) -> u8 {
    (connection * 89 + at * 7 + at / 256) as u8
}

const GUEST_ROOM: u32 = 50_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each byte arrives once, in order, in its own stream; nobody is sent more than he has room for; and in the end all of it is there.
    #[test]
    fn streams_are_what_was_sent(steps in steps()) {
        let mut bench = Bench::new();
        let mut all: Vec<Both> = (0..3)
            .map(|number| {
                let port = 10 + number;
                let listener = UnixListener::bind(bench.path(port)).unwrap();
                let credit = Credit { room: GUEST_ROOM, forwarded: 0 };
                bench.send(Header { credit, ..packet(port, Operation::Request) }, &[]);
                let (header, _) = bench.receive().unwrap();
                let program = listener.accept().unwrap().0;
                program.set_nonblocking(true).unwrap();
                Both {
                    program,
                    to_host: Vec::new(),
                    host_got: 0,
                    to_guest: Vec::new(),
                    guest_got: 0,
                    guest_took: 0,
                    credit: header.credit,
                }
            })
            .collect();
        let last = [Step::HostTakes(1 << 20), Step::GuestTakes(1 << 20)].into_iter().cycle().take(60);
        let last = last.flat_map(|step| (0..3).map(move |number| (number, step.clone())));
        for (number, step) in steps.into_iter().chain(last) {
            let port = 10 + number as u32;
            let both = &mut all[number];
            let own = Credit { room: GUEST_ROOM, forwarded: both.guest_took as u32 };
            match step {
                Step::GuestSends(bytes) => {
                    let on_the_way = (both.to_host.len() as u32).wrapping_sub(both.credit.forwarded);
                    let bytes = bytes.min((both.credit.room - on_the_way) as usize);
                    let from = both.to_host.len();
                    let some: Vec<u8> = (from..from + bytes).map(|at| byte(number, at)).collect();
                    both.to_host.extend(&some);
                    bench.send(Header { credit: own, ..data(port, &some) }, &some);
                }
                Step::GuestTakes(bytes) => {
                    both.guest_took = both.guest_got.min(both.guest_took + bytes);
                    let credit = Credit { room: GUEST_ROOM, forwarded: both.guest_took as u32 };
                    bench.send(Header { credit, ..packet(port, Operation::CreditUpdate) }, &[]);
                }
                Step::HostSends(bytes) => {
                    let from = both.to_guest.len();
                    let some: Vec<u8> = (from..from + bytes).map(|at| byte(number, at)).collect();
                    let count = both.program.write(&some).unwrap_or(0);
                    both.to_guest.extend(&some[..count]);
                }
                Step::HostTakes(bytes) => {
                    let mut some = vec![0; bytes];
                    let count = both.program.read(&mut some).unwrap_or(0);
                    prop_assert!(some[..count] == both.to_host[both.host_got..both.host_got + count]);
                    both.host_got += count;
                }
            }
            while let Some((header, bytes)) = bench.receive() {
                let both = &mut all[header.from_port as usize - 10];
                prop_assert_ne!(Operation::from_number(header.operation), Some(Operation::Reset));
                both.credit = header.credit;
                let got = both.guest_got + bytes.len();
                prop_assert!(bytes == both.to_guest[both.guest_got..got]);
                both.guest_got = got;
                prop_assert!(both.guest_got - both.guest_took <= GUEST_ROOM as usize);
            }
        }
        for both in &all {
            prop_assert_eq!(both.host_got, both.to_host.len());
            prop_assert_eq!(both.guest_took, both.to_guest.len());
        }
    }

    /// Whatever a guest sends, the device goes on, and what it holds stays bounded.
    #[test]
    fn packets_of_any_kind_are_survived(
        packets in proptest::collection::vec((0..4_u32, 0..4_u32, 0..10_u16, any::<u32>(), any::<[u32; 2]>(), 0..5000_usize), 1..100),
    ) {
        let mut bench = Bench::new();
        let listeners: Vec<_> = (0..3).map(|port| UnixListener::bind(bench.path(port)).unwrap()).collect();
        let mut calls: Vec<_> = (0..3).map(|port| bench.call(port)).collect();
        for (from_port, to_port, operation, flags, [room, forwarded], length) in packets {
            let to_port = if to_port == 3 { (1 << 30) + from_port } else { to_port };
            let header = Header {
                from_port,
                to_port,
                operation,
                flags,
                length: length as u32,
                credit: Credit { room, forwarded },
                ..packet(0, Operation::Data)
            };
            bench.send(header, &vec![7; length]);
            for _ in 0..20 {
                bench.receive();
            }
            let call = &mut calls[from_port.min(2) as usize];
            let _ = call.write(b"something");
            let _ = drain(call);
        }
        drop(listeners);
    }
}
