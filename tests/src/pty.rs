//! A terminal, as a person has one in front of them.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};

use crate::Guest;
use crate::binary::binary;
use crate::output::Output;

/// A pseudo-terminal.
pub struct Pty {
    /// The side that a person types at. The settings can be seen from here too.
    master: File,
    /// The side that a program uses, until one does: when that one is gone, the output has an end.
    terminal: Option<File>,
}

impl Pty {
    /// A new one.
    ///
    /// # Panics
    /// This machine has none.
    pub fn open() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("this machine has pseudo-terminals");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let name = name.into_string().expect("of digits and letters");
        let terminal = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name)
            .expect("its other side can be opened");
        Self {
            master: master.into(),
            terminal: Some(terminal),
        }
    }

    /// Runs `pteg` in it: as the leader of a session of which this is the terminal, as a shell would have it.
    ///
    /// # Panics
    /// It cannot be started, or one has been before.
    pub fn run<S: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = S>) -> Guest {
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(binary()).args(arguments);
        let terminal = self.terminal.take().expect("a terminal is for one program");
        let side = || Stdio::from(terminal.try_clone().expect("a descriptor is left"));
        command.stdin(side()).stdout(side()).stderr(side());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let master = || self.master.try_clone().expect("a descriptor is left");
        Guest::with_console(child, Box::new(master()), Output::gather(master()))
    }

    /// Its settings.
    ///
    /// # Panics
    /// It has none.
    pub fn settings(&self) -> Termios {
        tcgetattr(self.master.as_fd()).expect("it is a terminal")
    }

    /// Whether each key goes to the program as it is pressed.
    pub fn is_raw(&self) -> bool {
        !self
            .settings()
            .local_modes
            .intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}
