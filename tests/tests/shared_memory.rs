//! Another process that shares the guest's memory, and takes some of it away.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use power::insn::{Endian, assemble};
use rustix::process::Signal;
use tests::{ElfFile, Guest, pteg, write_program};

/// Where the program is, and the page of its only routine.
const PROGRAM: u64 = 0x40_0000;
const ROUTINE: u64 = 0x41_0000;
const PAGE: u64 = 0x1_0000;

/// Echoes what is typed; on its way each character comes by the routine, which is executed all the time.
const ECHO: &str = "
again:
    li      r3,0x54
    li      r4,0
    sc      1
    cmpdi   r4,0
    bne     1f
    bl      routine
    b       again
1:  mr      r7,r6
    mr      r6,r5
    mr      r5,r4
    li      r4,0
    li      r3,0x58
    bl      routine
    sc      1
    b       again
    .balign 0x10000
routine:
    blr
";

/// The program as a big-endian ELF file: its header, one program header, the code.
fn echo() -> ElfFile {
    const HEADERS: u64 = 64 + 56;
    let code = assemble(ECHO, PROGRAM, Endian::Big).expect("it assembles").bytes;
    let size = HEADERS + code.len() as u64;
    let mut file = b"\x7fELF\x02\x02\x01".to_vec();
    file.resize(16, 0);
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    // Executable, PPC64, version.
    put(&[0, 2, 0, 21, 0, 0, 0, 1]);
    for word in [PROGRAM, 64, 0] {
        put(&word.to_be_bytes());
    }
    // Sizes and counts of headers.
    put(&[0, 0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0]);
    // To be loaded; readable, writable, executable.
    put(&[0, 0, 0, 1, 0, 0, 0, 7]);
    for word in [0, PROGRAM - HEADERS, PROGRAM - HEADERS, size, size, 8] {
        put(&word.to_be_bytes());
    }
    put(&code);
    ElfFile::with(&file)
}

/// The other process.
struct Peer {
    child: Child,
    deeds: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What it says where there is none for us.
const NONE: &str = "no userfaultfd";

impl Peer {
    /// `None` if the kernel lets nobody watch an address space.
    fn connect(path: &Path) -> Option<Self> {
        let mut peer = Self::begin(path, 0);
        match peer.line().as_str() {
            "answer 0" => Some(peer),
            NONE => {
                eprintln!("SKIPPED: this kernel has no userfaultfd for us, so what a process removes was not tried");
                None
            }
            other => panic!("{other}"),
        }
    }

    /// One that has its userfaultfd opened for `more` features, and has said nothing yet.
    fn begin(path: &Path, more: u64) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memory_peer"));
        command.arg(path).arg(more.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it was built");
        let (deeds, answers) = (
            child.stdin.take().expect("a pipe"),
            child.stdout.take().expect("a pipe"),
        );
        Self {
            child,
            deeds,
            answers: BufReader::new(answers),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it is there");
        line.trim_end().to_owned()
    }

    /// Does it; what comes of it, which is nothing if the run ends first.
    fn attempt(&mut self, deed: &str, offset: u64, argument: u64) -> String {
        writeln!(self.deeds, "{deed} {offset} {argument}").expect("it is there");
        self.line()
    }

    /// Does it; it is done.
    fn act(&mut self, deed: &str, offset: u64, argument: u64) {
        assert_eq!(self.attempt(deed, offset, argument), "done");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A guest that echoes, with its socket.
struct Shared {
    guest: Guest,
    path: PathBuf,
    _folder: tempfile::TempDir,
    _program: ElfFile,
}

impl Shared {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("memory");
        let program = echo();
        let text = |path: &Path| path.to_str().expect("it is text").to_owned();
        let arguments = ["run", "--kernel", &text(program.path()), "--share-memory", &text(&path)];
        let mut guest = Guest::start(arguments.map(str::to_owned));
        guest.send("a");
        guest.wait_for("a");
        Self {
            guest,
            path,
            _folder: folder,
            _program: program,
        }
    }
}

#[test]
fn code_in_memory_that_another_process_removes_is_not_executed_any_more() {
    let shared = Shared::new();
    let Some(mut peer) = Peer::connect(&shared.path) else {
        return;
    };
    peer.attempt("remove", ROUTINE, PAGE);
    // Zero is no instruction, and there is none where its interrupt leads either.
    shared.guest.wait_for_error("0x00000000");
    shared.guest.signal(Signal::TERM);
    shared.guest.finish();
}

#[test]
fn a_guest_goes_on_while_others_unmap_and_move_their_view_of_its_memory_and_go() {
    let mut shared = Shared::new();
    let Some(mut first) = Peer::connect(&shared.path) else {
        return;
    };
    let mut second = Peer::connect(&shared.path).unwrap();
    first.act("unmap", PROGRAM, 2 * PAGE);
    first.act("move", 0x80_0000, 0x10_0000);
    second.act("remove", 0x100_0000, 0x10_0000);
    shared.guest.send("b");
    shared.guest.wait_for("b");
    drop(first);
    second.act("unmap", 0, 0x1000);
    drop(second);
    assert!(Peer::connect(&shared.path).is_some());
    shared.guest.send("c");
    shared.guest.wait_for("c");
    shared.guest.signal(Signal::TERM);
    let path = shared.path.clone();
    let errors = shared.guest.finish().errors;
    assert!(!errors.contains("shares the memory"), "{errors}");
    assert!(!path.exists());
}

#[test]
fn who_says_nothing_or_nonsense_is_hung_up_on_and_harms_nobody() {
    let mut shared = Shared::new();
    let silent = UnixStream::connect(&shared.path).unwrap();
    let mut liar = UnixStream::connect(&shared.path).unwrap();
    liar.write_all(&[7; 24]).unwrap();
    let mut greeting = Vec::new();
    // The mapping came without a userfaultfd.
    liar.read_to_end(&mut greeting).unwrap();
    assert_eq!(&greeting[..8], u64::from_be_bytes(*b"ptegmem1").to_ne_bytes());
    assert_eq!(greeting.len(), 24);
    shared.guest.send("b");
    shared.guest.wait_for("b");
    shared.guest.signal(Signal::TERM);
    let ended = shared.guest.finish();
    assert!(ended.errors.contains("without a userfaultfd"), "{}", ended.errors);
    drop(silent);
}

/// Who reads of a fork has got a file descriptor by that, as often as the process likes.
#[test]
fn a_process_that_would_tell_of_forks_is_hung_up_on() {
    const EVENT_FORK: u64 = 1 << 1;
    let shared = Shared::new();
    let mut peer = Peer::begin(&shared.path, EVENT_FORK);
    let said = peer.line();
    if said == NONE {
        eprintln!("SKIPPED: this kernel has no userfaultfd for us that tells of forks");
        return;
    }
    assert_eq!(said, "", "it is hung up on");
    shared.guest.signal(Signal::TERM);
    let errors = shared.guest.finish().errors;
    assert!(errors.contains("fork (0x2) is not allowed"), "{errors}");
}

#[test]
fn more_processes_than_there_is_room_for_are_hung_up_on() {
    let shared = Shared::new();
    let connect = || UnixStream::connect(&shared.path).unwrap();
    let mut held: Vec<_> = (0..8).map(|_| connect()).collect();
    for one in &mut held {
        one.read_exact(&mut [0; 24]).unwrap();
    }
    assert_eq!(connect().read(&mut [0; 24]).unwrap(), 0);
}

#[test]
fn a_path_that_is_no_place_for_a_socket_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    let program = write_program("hello", Endian::Little);
    let path = |path: &Path| path.to_str().expect("it is text").to_owned();
    let output = pteg(["run", "--kernel", &path(program.path()), "--share-memory", &path(&file)])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("--share-memory") && errors.contains("file"), "{errors}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
}
