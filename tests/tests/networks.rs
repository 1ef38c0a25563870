//! Networks and sockets: what Linux in a guest says to programs of the host arrives there, and the other way round.

#![allow(clippy::unwrap_used, reason = "a test, and what its cases share")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use guest_images::programs::Program;
use guest_images::workload::sockets;
use guest_images::{Cache, Image, ImageOptions, Prepared, Stderr};
use power::insn::Endian;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tests::{ElfFile, Guest, PATIENCE, Turns, pteg};

/// Guests of a gibibyte at a time.
static TURNS: Turns = Turns::new(2);

static IMAGE: LazyLock<Prepared> = LazyLock::new(|| {
    let options = ImageOptions {
        extra_files: vec![sockets()],
        ..ImageOptions::default()
    };
    let cache = Cache::from_environment().unwrap();
    let image = Image::by_name("debian").unwrap();
    image.prepare(&cache, &Stderr::new(), &options).unwrap()
});

/// `pteg` for a guest of the image with these `devices`.
fn command(devices: &[&str]) -> Command {
    let append = format!("quiet {} pteg.console=pipe", IMAGE.append);
    let paths = [&IMAGE.kernel, &IMAGE.initrd].map(|path| path.to_str().unwrap());
    let mut arguments = vec!["run", "--append", &append, "--accel", "emulated", "--smp", "2"];
    arguments.extend(["--kernel", paths[0], "--initrd", paths[1]]);
    arguments.extend(devices);
    let mut command = pteg(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A guest in whose shell the devices are there.
fn start(command: &mut Command) -> Guest {
    let mut guest = Guest::spawn(command);
    guest.wait_for("Type exit to power off.");
    guest
}

/// Ends the guest; returns what pteg has said.
fn end(mut guest: Guest) -> String {
    guest.send("exit\n");
    guest.close_input();
    let ended = guest.finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    ended.errors
}

/// Bytes without a pattern.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(bytes / 8).flatten().collect()
}

/// Serves `content` by HTTP once.
fn serve_once(listener: TcpListener, content: Vec<u8>) {
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(&stream).lines();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        write!(&stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", content.len()).unwrap();
        (&stream).write_all(&content).unwrap();
    });
}

/// Takes one connection, and all that comes there.
fn take_once(listener: TcpListener) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Has the guest fetch noise from `address` of the host and send it back, and looks whether it is the same.
fn fetch_and_return(guest: &mut Guest, address: &str, [server, taker]: [TcpListener; 2]) {
    let content = noise(4 << 20, 7);
    let ports = [&server, &taker].map(|listener| listener.local_addr().unwrap().port());
    serve_once(server, content.clone());
    let returned = take_once(taker);
    guest.shell(&format!(
        "wget -q -O /tmp/content http://{address}:{}/content",
        ports[0]
    ));
    guest.shell(&format!("nc {address} {} < /tmp/content", ports[1]));
    assert!(returned.join().unwrap() == content);
}

/// Processes whose arguments have `word` in them.
fn processes(word: &str) -> Vec<Pid> {
    let all = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let has_word = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.starts_with(b"passt") && String::from_utf8_lossy(&arguments).contains(word)
    };
    all.filter(has_word).filter_map(Pid::from_raw).collect()
}

/// A port of the host that nobody has, for now: below those that the kernel gives to who asks for any, and each for one test.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 2000) as u16 * 10;
    std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed) % 2000)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap()
}

fn has_program(name: &str, package: &str) -> bool {
    let is_there = Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !is_there {
        eprintln!("skipped: there is no {name} here (Debian's {package})");
    }
    is_there
}

#[test]
fn a_guest_on_passt_has_the_hosts_network_until_passt_dies() {
    if !has_program("passt", "passt") {
        return;
    }
    let _turn = TURNS.take();
    let port = free_port();
    let forward = format!("hostfwd=tcp:{port}-7");
    let mut guest = start(&mut command(&[
        "--net",
        &format!("user,{forward},mac=52:54:00:12:34:56"),
    ]));
    assert_eq!(guest.shell("cat /sys/class/net/eth0/address"), "52:54:00:12:34:56\n");
    let script = "#!/bin/sh\\n[ $1 = bound ] || exit 0\\nip addr add $ip/$mask dev $interface\\n\
                  ip route add default via $router\\necho router $router\\n";
    guest.shell(&format!(
        "printf '{script}' > /tmp/bound && chmod 755 /tmp/bound && ip link set eth0 up"
    ));
    let said = guest.shell("udhcpc -i eth0 -q -n -t 100 -s /tmp/bound 2>&1");
    let router = said
        .lines()
        .find_map(|line| line.strip_prefix("router "))
        .expect("an address was given");

    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    fetch_and_return(&mut guest, router, [listen(), listen()]);

    // No job of the shell's: a shell has been seen to end, and the guest with it, when its job did.
    guest.shell("( (echo hello | nc -l -p 7 > /tmp/heard) & )");
    // Port 7, in the state LISTEN.
    guest.shell("while ! grep -q ':0007 .* 0A ' /proc/net/tcp*; do sleep 1; done");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    // passt of Debian 12 tells the guest of a connection when the host says something.
    stream.write_all(b"good morning\n").unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert_eq!(line, "hello\n");
    stream.shutdown(Shutdown::Write).unwrap();
    let heard = guest.shell("while ! grep morning /tmp/heard; do sleep 1; done");
    assert_eq!(heard, "good morning\n");

    let word = format!("127.0.0.1/{port}:7");
    let all = processes(&word);
    assert!(!all.is_empty(), "passt runs");
    for pid in all {
        // One may go with another.
        let killed = kill_process(pid, Signal::KILL);
        assert!(matches!(killed, Ok(()) | Err(Errno::SRCH)), "{killed:?}");
    }
    guest.wait_for_error("the guest's link is down");
    // Linux looks at it some time after the interrupt.
    guest.shell("while ! grep -q 0 /sys/class/net/eth0/carrier; do sleep 1; done");
    let said = end(guest);
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn passt_ends_with_its_guest() {
    if !has_program("passt", "passt") {
        return;
    }
    let port = free_port();
    let kernel = ElfFile::with(&Program::by_name("hello").unwrap().elf(Endian::Little));
    let net = format!("user,hostfwd=tcp:{port}-7");
    let arguments = [
        "run",
        "--kernel",
        kernel.path().to_str().unwrap(),
        "--net",
        &net,
        "--accel",
        "emulated",
    ];
    let ended = Guest::start(arguments).finish();
    assert_eq!((ended.status, &*ended.errors), (Some(0), ""), "{}", ended.output);
    let deadline = Instant::now() + PATIENCE;
    while !processes(&format!("127.0.0.1/{port}:7")).is_empty() {
        assert!(Instant::now() < deadline, "it is still there");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_port_that_somebody_has_is_told_before_the_guest_starts() {
    if !has_program("passt", "passt") {
        return;
    }
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let kernel = ElfFile::with(&Program::by_name("hello").unwrap().elf(Endian::Little));
    let net = format!("user,hostfwd=tcp:{port}-7");
    let ended = Guest::start(["run", "--kernel", kernel.path().to_str().unwrap(), "--net", &net]).finish();
    assert_eq!(ended.status, Some(2));
    assert!(
        ended.errors.starts_with("pteg: --net user: passt does not start: ")
            && ended.errors.contains(&port.to_string()),
        "{}",
        ended.errors
    );
}

/// A network of its own, with a tap interface.
struct Place(String);

impl Place {
    const ADDRESS: &str = "10.77.0.1";

    /// `None`: this host does not let us make one, which is said.
    fn new() -> Option<Self> {
        let place = Self(format!("pteg-test-{}", std::process::id()));
        let ip = |arguments: &[&str]| {
            Command::new("ip")
                .args(arguments)
                .output()
                .is_ok_and(|it| it.status.success())
        };
        let is_made = Path::new("/dev/net/tun").exists()
            && ip(&["netns", "add", &place.0])
            && ip(&["-n", &place.0, "tuntap", "add", "tap0", "mode", "tap", "multi_queue"])
            && ip(&[
                "-n",
                &place.0,
                "addr",
                "add",
                &format!("{}/24", Self::ADDRESS),
                "dev",
                "tap0",
            ])
            && ip(&["-n", &place.0, "link", "set", "tap0", "up"]);
        if !is_made {
            eprintln!("skipped: a network namespace with a tap interface takes root, iproute2 and /dev/net/tun");
        }
        is_made.then_some(place)
    }

    /// `command` there.
    fn enter(&self, command: &Command) -> Command {
        let mut entered = Command::new("ip");
        entered
            .args(["netns", "exec", &self.0])
            .arg(command.get_program())
            .args(command.get_args());
        entered
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        entered
    }

    /// Somebody who listens there.
    fn listen(&self) -> TcpListener {
        let name = format!("/run/netns/{}", self.0);
        let listen = move || {
            let place = fs::File::open(name).unwrap();
            move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let address: SocketAddr = format!("{}:0", Self::ADDRESS).parse().unwrap();
            TcpListener::bind(address).unwrap()
        };
        thread::spawn(listen).join().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

#[test]
fn a_guest_on_a_tap_interface_reaches_the_host_by_several_queues() {
    let Some(place) = Place::new() else {
        return;
    };
    let _turn = TURNS.take();
    let mut guest = start(&mut place.enter(&command(&["--net", "tap=tap0,queues=2"])));
    assert_eq!(guest.shell("ls -d /sys/class/net/eth0/queues/rx-* | wc -l"), "2\n");
    guest.shell("ip addr add 10.77.0.2/24 dev eth0 && ip link set eth0 up");
    guest.shell(&format!("ping -c 3 -W 10 {} > /dev/null", Place::ADDRESS));
    // Longer than a frame: it comes in parts, which are put together again.
    guest.shell(&format!("ping -c 2 -W 10 -s 9000 {} > /dev/null", Place::ADDRESS));
    fetch_and_return(&mut guest, Place::ADDRESS, [place.listen(), place.listen()]);
    // The driver is taken away and comes back, with a new life of the card.
    guest.shell("rmmod virtio_net && modprobe virtio_net && ip addr add 10.77.0.2/24 dev eth0 && ip link set eth0 up");
    fetch_and_return(&mut guest, Place::ADDRESS, [place.listen(), place.listen()]);
    assert_eq!(end(guest), "");
}

#[test]
fn programs_of_guest_and_host_have_streams_in_both_directions() {
    let _turn = TURNS.take();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vsock");
    let mut guest = start(&mut command(&["--vsock", &format!("5,{}", path.display())]));
    let called = UnixListener::bind(folder.path().join("vsock_4321")).unwrap();
    let caller = thread::spawn(move || {
        let stream = loop {
            let stream = UnixStream::connect(&path).unwrap();
            writeln!(&stream, "CONNECT 1234").unwrap();
            let mut answer = [0; 3];
            // Nobody listens yet.
            if (&stream).read_exact(&mut answer).is_err() {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            assert_eq!(&answer, b"OK ");
            while answer[0] != b'\n' {
                (&stream).read_exact(&mut answer[..1]).unwrap();
            }
            break stream;
        };
        let content = noise(1 << 20, 9);
        let sent = content.clone();
        let sender = stream.try_clone().unwrap();
        let sending = thread::spawn(move || {
            (&sender).write_all(&sent).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let mut echo = Vec::new();
        (&stream).read_to_end(&mut echo).unwrap();
        sending.join().unwrap();
        assert!(echo == content);
        drop(stream);
        let (called, _) = called.accept().unwrap();
        writeln!(&called, "hello from the host").unwrap();
    });
    assert_eq!(guest.shell("sockets"), "hello from the host\n");
    caller.join().unwrap();
    assert_eq!(end(guest), "");
    assert!(!folder.path().join("vsock").exists(), "the socket goes with the run");
}
