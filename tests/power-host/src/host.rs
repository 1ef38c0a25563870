//! An emulated host: QEMU with a kernel that has KVM-PR, and its console at our end of a pipe.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::protocol::{Answer, POWER_OFF, Took, Word};
use crate::{Machine, Packed, Qemu, Ran};

/// How long the host may take from its start to its first word. On an idle machine it is two seconds.
const BOOT: Duration = Duration::from_secs(180);

/// How long it may take from its last word to its end.
const POWERING_OFF: Duration = Duration::from_secs(60);

/// How many lines of a host that failed are told.
const LAST_LINES: usize = 30;

/// Why a host is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that is to stand in it cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What this machine said.
        #[source]
        source: io::Error,
    },
    /// What a program is linked with cannot be found out.
    #[error("running readelf, which Debian has in the package binutils, on {}", path.display())]
    Readelf {
        /// The program.
        path: PathBuf,
        /// What this machine said.
        #[source]
        source: io::Error,
    },
    /// A guest for it, or its own root file system, cannot be made.
    #[error(transparent)]
    Image(#[from] guest_images::Error),
    /// The QEMU of the cache does not start.
    #[error("starting the cache's QEMU, which is one for x86-64 machines")]
    Start(#[source] io::Error),
    /// It ended, or was silent for too long.
    #[error("the host {what}; its last lines:\n{last}")]
    Broken {
        /// What it did.
        what: String,
        /// The end of what it said.
        last: String,
    },
}

/// A host that can be started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What emulates it.
    pub qemu: Qemu,
    /// What QEMU emulates.
    pub machine: Machine,
    /// Linux, an ELF file.
    pub kernel: PathBuf,
    /// How many processors.
    pub processors: u32,
    /// Its memory.
    pub memory_mib: u32,
    /// The raw image of its disk, which is `/dev/vda` there and is written to; `None` if it has no disk.
    pub disk: Option<PathBuf>,
}

impl Setup {
    /// The usual size of a host.
    pub fn new(qemu: Qemu, machine: Machine, kernel: PathBuf) -> Self {
        Self {
            qemu,
            machine,
            kernel,
            processors: 2,
            memory_mib: 2048,
            disk: None,
        }
    }

    /// QEMU, with the host's console as `console` says.
    fn command(&self, root: &Packed, console: &str) -> Command {
        let mut command = self.qemu.command();
        command
            .args(self.machine.arguments())
            .args(["-accel", "tcg,thread=multi", "-nographic", "-nodefaults", "-no-reboot"])
            // Its remarks on what guests do, thousands of lines when Linux looks for facilities. Errors are told all the same.
            .args(["-D", "/dev/null"])
            .args(["-serial", console])
            .args(["-smp", &self.processors.to_string()])
            .args(["-m", &self.memory_mib.to_string()])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(root.path())
            .args(["-append", "console=hvc0 quiet panic=-1"]);
        if let Some(disk) = &self.disk {
            // A comma of the path is written twice.
            let file = disk.to_string_lossy().replace(',', ",,");
            command.args(["-drive", &format!("if=none,id=disk,format=raw,file={file}")]);
            command.args(self.machine.disk_arguments());
        }
        command
    }

    /// A host whose console is this process's terminal. Ctrl-A X ends it.
    pub fn at_terminal(&self, root: &Packed) -> Command {
        self.command(root, "mon:stdio")
    }
}

/// A host that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Host {
    qemu: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    last: VecDeque<String>,
}

impl Host {
    /// Starts one and waits until it can run scripts.
    pub fn boot(setup: &Setup, root: &Packed) -> Result<Self, Error> {
        let mut qemu = setup
            .command(root, "stdio")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(Error::Start)?;
        let input = qemu.stdin.take().expect("it is piped");
        let output = qemu.stdout.take().expect("it is piped");
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                let text = String::from_utf8_lossy(&line);
                if send.send(text.trim_end_matches(['\r', '\n']).to_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let mut host = Self {
            qemu,
            input,
            lines,
            last: VecDeque::new(),
        };
        let deadline = Instant::now() + BOOT;
        while Word::parse(&host.next_line(deadline, "boot")?) != Some(Word::Ready) {}
        Ok(host)
    }

    /// Runs a script of the root file system to its end; `shown` gets each line of its output as it comes.
    ///
    /// After an error this host is of no use any more.
    pub fn run(&mut self, name: &str, patience: Duration, mut shown: impl FnMut(&str)) -> Result<Ran, Error> {
        // An error shows as the silence that follows.
        let _ = writeln!(self.input, "{name}").and_then(|()| self.input.flush());
        let deadline = Instant::now() + patience;
        let mut answer = Answer::to(name);
        // An empty line may be the one that the host starts before its answer.
        let mut is_empty_held = false;
        loop {
            let line = self.next_line(deadline, name)?;
            match answer.take(&line) {
                Took::Output => {
                    if is_empty_held {
                        shown("");
                    }
                    is_empty_held = line.is_empty();
                    if !is_empty_held {
                        shown(&line);
                    }
                }
                Took::Other => {}
                Took::End(status) => {
                    return Ok(Ran {
                        output: answer.output,
                        status: Some(status),
                        kernel: answer.kernel,
                    });
                }
            }
        }
    }

    /// Ends the host as its own user would.
    pub fn power_off(mut self) -> Result<(), Error> {
        let _ = writeln!(self.input, "{POWER_OFF}").and_then(|()| self.input.flush());
        let deadline = Instant::now() + POWERING_OFF;
        while self.qemu.try_wait().map_err(Error::Start)?.is_none() {
            if Instant::now() >= deadline {
                return Err(self.broken("did not power off".to_owned()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn next_line(&mut self, deadline: Instant, doing: &str) -> Result<String, Error> {
        match self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(line) => {
                if self.last.len() == LAST_LINES {
                    self.last.pop_front();
                }
                self.last.push_back(line.clone());
                Ok(line)
            }
            Err(RecvTimeoutError::Timeout) => Err(self.broken(format!("took too long in `{doing}`"))),
            Err(RecvTimeoutError::Disconnected) => Err(self.broken(format!("ended in `{doing}`"))),
        }
    }

    fn broken(&self, what: String) -> Error {
        let last: Vec<&str> = self.last.iter().map(String::as_str).collect();
        Error::Broken {
            what,
            last: last.join("\n"),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // After `power_off` there is nothing left to kill.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
