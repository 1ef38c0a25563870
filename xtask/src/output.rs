//! Runs a command and shows of its output what tells how far it is: which test program runs, its closing
//! line, what fails or takes long. When the command fails, all is shown but the names of what went well.

use std::fmt;
use std::io::{self, BufRead, BufReader, PipeReader};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::step::Outcome;

/// Prints a line.
#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
pub fn say(line: &str) {
    println!("{line}");
}

/// Tests counted over all steps.
#[derive(Debug, Default)]
pub struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Counts the closing line of a test program, `test result: ok. 12 passed; 0 failed; 1 ignored; …`.
    fn count(&mut self, line: &str) {
        let Some((_, counts)) = line
            .split_once("test result: ")
            .and_then(|(_, rest)| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else {
                continue;
            };
            let number: u64 = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tests passed", self.passed)?;
        if self.failed > 0 {
            write!(f, ", {} FAILED", self.failed)?;
        }
        if self.ignored > 0 {
            write!(f, ", {} ignored", self.ignored)?;
        }
        Ok(())
    }
}

/// The seed of the property tests, by proptest's name for it.
const PROPERTY_SEED: &str = "PROPTEST_RNG_SEED";

/// Runs `command`, which runs tests: there must be some.
///
/// Property tests take the same inputs each time, unless the user gives a seed: a check that passes passes again. To look for
/// new inputs is another thing, done on purpose.
pub fn run_tests(command: &mut Command, tally: &mut Tally) -> Outcome {
    if std::env::var_os(PROPERTY_SEED).is_none() {
        command.env(PROPERTY_SEED, "1");
    }
    let before = tally.passed;
    match run(command, tally) {
        Outcome::Passed if tally.passed == before => Outcome::Failed("no test ran".to_owned()),
        outcome => outcome,
    }
}

/// Runs `command` to its end.
pub fn run(command: &mut Command, tally: &mut Tally) -> Outcome {
    match try_run(command, tally) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed(format!("starting {}: {error}", command.get_program().display())),
    }
}

fn try_run(command: &mut Command, tally: &mut Tally) -> io::Result<Outcome> {
    // One pipe for both, so that lines keep their order.
    let (reader, writer) = io::pipe()?;
    command
        .stdin(std::process::Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command.spawn()?;
    // Else the pipe would never end: the command keeps its ends of it.
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());

    let mut all = Vec::new();
    let lines = lines_of(reader);
    while let Some(line) = next_line(&lines, &mut child)? {
        tally.count(&line);
        if is_worth_showing(&line) {
            say(&format!("    {}", line.trim()));
        }
        all.push(line);
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(Outcome::Passed);
    }
    for line in all.iter().filter(|line| !is_chatter(line)) {
        say(line);
    }
    Ok(Outcome::Failed(status.to_string()))
}

/// What comes through a pipe, line by line.
fn lines_of(reader: PipeReader) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if send.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    receive
}

/// The next line. `None`: there are no more, or the child has ended and whoever still holds its pipe (a
/// process that it left behind) is silent.
fn next_line(lines: &Receiver<String>, child: &mut Child) -> io::Result<Option<String>> {
    let mut ended = false;
    loop {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(line) => return Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) if ended => return Ok(None),
            Err(RecvTimeoutError::Timeout) => ended = child.try_wait()?.is_some(),
        }
    }
}

/// Whether a line tells how far a step is, of cargo, of a test program, or of one that fetches something.
fn is_worth_showing(line: &str) -> bool {
    let line = line.trim_start();
    let begins = ["Running ", "Doc-tests ", "test result: ", "pteg: ", "POWER host: "];
    let contains = [" ... FAILED", " has been running for over ", "SKIPPED"];
    // libFuzzer: at powers of two, and at the end.
    let fuzzer = line.starts_with('#') && (line.contains("\tpulse ") || line.contains("\tDONE "));
    fuzzer
        || line.starts_with("stat::number_of_executed_units")
        || line.starts_with("MERGE-OUTER: ") && line.contains(" new files ")
        || begins.iter().any(|text| line.starts_with(text))
        || contains.iter().any(|text| line.contains(text))
}

/// Whether a line says that something went as it should, which nobody wants to read beside a failure.
fn is_chatter(line: &str) -> bool {
    let done = [
        "Compiling ",
        "Checking ",
        "Documenting ",
        "Downloading ",
        "Downloaded ",
        "Fresh ",
    ];
    (line.starts_with("test ") && line.ends_with(" ... ok"))
        // libFuzzer's path to a failure.
        || line.starts_with('#')
        || done.iter().any(|text| line.trim_start().starts_with(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up() {
        let mut tally = Tally::default();
        tally.count("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s");
        tally.count("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s");
        tally.count("test a_result ... ok");
        assert_eq!(tally.to_string(), "15 tests passed, 2 FAILED, 1 ignored");
    }

    #[test]
    fn a_command_that_leaves_a_process_behind_does_not_hang_the_run() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & exit 3"]);
        let Outcome::Failed(why) = run(&mut command, &mut Tally::default()) else {
            panic!("it exits with 3")
        };
        assert_eq!(why, "exit status: 3");
    }

    #[test]
    fn the_lines_of_a_command_are_all_read() {
        let mut tally = Tally::default();
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "for i in 1 2 3; do echo 'test result: ok. 2 passed; 0 failed' >&$((i % 2 + 1)); done",
        ]);
        assert!(matches!(run(&mut command, &mut tally), Outcome::Passed));
        assert_eq!(tally.to_string(), "6 tests passed");
    }

    #[test]
    fn tests_that_are_none_are_a_failure() {
        let closing = |count| {
            let mut command = Command::new("echo");
            command.arg(format!("test result: ok. {count} passed; 0 failed"));
            command
        };
        let mut tally = Tally::default();
        assert!(matches!(run_tests(&mut closing(1), &mut tally), Outcome::Passed));
        assert!(matches!(run_tests(&mut closing(0), &mut tally), Outcome::Failed(why) if why == "no test ran"));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let Outcome::Failed(why) = run(&mut Command::new("no-such-program"), &mut Tally::default()) else {
            panic!("it is not there")
        };
        assert!(why.contains("no-such-program"), "{why}");
    }
}
