//! A running `pteg`.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::output::{Output, PATIENCE};
use crate::pteg;

/// A `pteg` that runs, with pipes at its standard streams. It is killed when this is dropped.
pub struct Guest {
    child: Child,
    input: Option<Box<dyn Write + Send>>,
    output: Output,
    errors: Output,
    /// How much of the output has been looked at.
    seen: usize,
    /// Markers of [`Self::shell`] so far.
    commands: u32,
}

/// What a `pteg` left behind.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; `None` if a signal killed it.
    pub status: Option<i32>,
    /// All of stdout: the guest's.
    pub output: String,
    /// All of stderr: ours.
    pub errors: String,
}

impl Guest {
    /// Starts `pteg` with `arguments`.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self::spawn(
            pteg(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        )
    }

    /// Starts `command`. Streams that it has not piped are not this guest's.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn spawn(command: &mut Command) -> Self {
        Self::of(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Starts `pteg` with `arguments`; stdin and stdout are the caller's.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start_at_pipes<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> (Self, ChildStdin, ChildStdout) {
        let mut command = pteg(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdin, stdout) = (
            child.stdin.take().expect("it is piped"),
            child.stdout.take().expect("it is piped"),
        );
        (Self::of(child), stdin, stdout)
    }

    fn of(mut child: Child) -> Self {
        let output = child.stdout.take().map(Output::gather).unwrap_or_default();
        let errors = child.stderr.take().map(Output::gather).unwrap_or_default();
        let input = child.stdin.take().map(|stdin| Box::new(stdin) as Box<dyn Write + Send>);
        Self {
            child,
            input,
            output,
            errors,
            seen: 0,
            commands: 0,
        }
    }

    /// A guest whose console is elsewhere.
    pub(crate) fn with_console(child: Child, input: Box<dyn Write + Send>, output: Output) -> Self {
        let mut guest = Self::of(child);
        guest.input = Some(input);
        guest.output = output;
        guest
    }

    /// Waits for a text in the output, behind what was waited for before; returns what came before it.
    ///
    /// # Panics
    /// It does not come.
    pub fn wait_for(&mut self, text: &str) -> String {
        let Some(end) = self.output.wait_for(text, self.seen) else {
            panic!(
                "the guest did not say {text:?}; it said:\n{}\nand pteg said:\n{}",
                self.output.text(),
                self.errors.text()
            );
        };
        let before = self.output.between(self.seen, end - text.len());
        self.seen = end;
        before
    }

    /// Waits for a text on stderr.
    ///
    /// # Panics
    /// It does not come.
    pub fn wait_for_error(&self, text: &str) {
        let found = self.errors.wait_for(text, 0);
        assert!(
            found.is_some(),
            "pteg did not say {text:?}; it said:\n{}",
            self.errors.text()
        );
    }

    /// Types `text`.
    ///
    /// # Panics
    /// Nobody takes it.
    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        let input = self.input.as_mut().expect("the input has not been closed");
        input
            .write_all(text.as_ref())
            .and_then(|()| input.flush())
            .expect("the guest takes input");
    }

    /// Ends the input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Runs a command in the guest's shell; returns what it printed. The shell must not echo.
    ///
    /// # Panics
    /// It fails.
    pub fn shell(&mut self, command: &str) -> String {
        self.commands += 1;
        let n = self.commands;
        // Two words in the input are one in the output, should the shell echo after all.
        self.send(format!("echo begin-'{n}'; {command}\necho end-'{n}' $?\n"));
        self.wait_for(&format!("begin-{n}\n"));
        let printed = self.wait_for(&format!("end-{n} "));
        let status = self.wait_for("\n");
        assert_eq!(status, "0", "{command:?} printed:\n{printed}");
        // The prompt before the second echo.
        printed
            .rsplit_once('\n')
            .map_or(String::new(), |(lines, _prompt)| format!("{lines}\n"))
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// It has ended already.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Sends a signal to it and its children, as a terminal does. It must have been started in a process group of its own.
    ///
    /// # Panics
    /// It has ended already.
    pub fn signal_group(&self, signal: Signal) {
        kill_process_group(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// It does not come.
    pub fn finish(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "pteg does not end; the guest said:\n{}\nand pteg said:\n{}",
                self.output.text(),
                self.errors.text()
            );
            thread::sleep(Duration::from_millis(10));
        };
        self.output.wait_for_end();
        self.errors.wait_for_end();
        Ended {
            status: status.code(),
            output: self.output.text(),
            errors: self.errors.text(),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // After `finish` there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
