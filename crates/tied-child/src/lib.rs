//! Children that do not outlive who has started them, whatever that dies of: also of a signal that leaves no time to end them.

#![expect(unsafe_code, reason = "what a child does before it becomes its program")]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

/// What `Command` lacks.
pub trait Tied {
    /// The kernel will kill (`SIGKILL`) the child when the *thread* that starts it ends: that thread must wait for the child, or be the one that lives as long as
    /// the process. What the child starts is not tied to anybody. A program that changes its rights when it starts (`sudo`) gets rid of it.
    fn tied(&mut self) -> &mut Self;
}

impl Tied for Command {
    fn tied(&mut self) -> &mut Self {
        let parent = getpid();
        // SAFETY: after the fork the closure makes two system calls, and allocates nothing and takes no lock: an error of `rustix` and one of these are
        // numbers. Its one capture is a number.
        unsafe { self.pre_exec(move || tie(parent)) }
    }
}

/// In the child. When `parent` has ended before the kernel knew what to do then, it is not started at all.
fn tie(parent: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == Some(parent) {
        Ok(())
    } else {
        Err(rustix::io::Errno::SRCH.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::Stdio;
    use std::thread;

    use super::*;

    #[test]
    fn a_child_ends_with_the_thread_that_has_started_it() {
        let start = || {
            let mut command = Command::new("sleep");
            command.arg("1000").stdout(Stdio::piped());
            (command.spawn().unwrap(), command.tied().spawn().unwrap())
        };
        let (mut free, mut tied) = thread::spawn(start).join().unwrap();
        // Its end of the pipe is closed when it is gone.
        assert_eq!(tied.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap(), 0);
        assert!(!tied.wait().unwrap().success());
        assert!(free.try_wait().unwrap().is_none(), "the other one sleeps on");
        free.kill().unwrap();
        free.wait().unwrap();
    }

    #[test]
    fn a_child_whose_parent_is_gone_is_not_started() {
        // Nobody is its own parent.
        assert!(tie(getpid()).is_err());
        set_parent_process_death_signal(None).unwrap();
        let mut missing = Command::new("pteg-no-such-program");
        let error = missing.tied().spawn().unwrap_err();
        assert_eq!(
            error.kind(),
            io::ErrorKind::NotFound,
            "and what is wrong with a program is said as ever"
        );
    }
}
