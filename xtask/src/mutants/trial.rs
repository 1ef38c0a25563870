//! One test program, built in the scratch copy, and one of its tests run by itself.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::list::Test;
use super::scratch::Scratch;

/// How long a test may take; the longest model takes some seconds.
const LIMIT: Duration = Duration::from_secs(180);

/// What is in a model's message that has only become too small: that says nothing about the mutant.
const FLOOR: &str = " runs, not ";

/// What a test said.
pub(super) enum Verdict {
    Passed,
    /// The first line of its message.
    Failed(String),
    TooLong,
    /// There is no such test.
    Missing,
}

/// A test program that was built.
pub(super) struct Trial {
    program: PathBuf,
}

impl Trial {
    /// Builds the program that `test` is in.
    pub(super) fn build(scratch: &Scratch<'_>, test: &Test) -> Result<Self, String> {
        let mut arguments = vec!["test", "--no-run", "--locked", "--package", &test.package];
        match &*test.target {
            "lib" => arguments.push("--lib"),
            target => arguments.extend(["--test", target]),
        }
        let mut command = if test.is_model() {
            // Little is gained by optimising across crates, and it is built for each mutant.
            arguments.extend(["--release", "--config", "profile.release.lto=false"]);
            arguments.extend(["--config", "profile.release.codegen-units=16"]);
            arguments.extend(["--config", "profile.release.debug=false"]);
            let mut command = scratch.cargo("models", &arguments);
            command.env("RUSTFLAGS", "--cfg loom");
            command
        } else {
            scratch.cargo("tests", &arguments)
        };
        let output = command.output().map_err(|error| format!("starting cargo: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("building {} failed:\n{said}", test.target));
        }
        // `  Executable tests/loom_models/main.rs (/…/loom_models-0123456789abcdef)`
        let program = said
            .lines()
            .find_map(|line| {
                line.trim()
                    .strip_prefix("Executable ")?
                    .rsplit_once('(')?
                    .1
                    .strip_suffix(')')
            })
            .ok_or_else(|| format!("cargo did not say where {} is:\n{said}", test.target))?;
        Ok(Self {
            program: scratch
                .cargo("", &[])
                .get_current_dir()
                .map_or_else(PathBuf::new, |at| at.join(program)),
        })
    }

    /// Runs `test` by itself: a model may take its process down.
    pub(super) fn run(&self, test: &Test) -> Result<Verdict, String> {
        let starting = |error| format!("starting {}: {error}", self.program.display());
        let mut child = Command::new(&self.program)
            .args(["--exact", &test.name, "--nocapture", "--test-threads=1"])
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(starting)?;
        let (out, err) = (gather(child.stdout.take()), gather(child.stderr.take()));
        let began = Instant::now();
        let status = loop {
            match child.try_wait().map_err(starting)? {
                Some(status) => break Some(status),
                None if began.elapsed() > LIMIT => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
        Ok(match status {
            None => Verdict::TooLong,
            Some(_) if out.contains("running 0 tests") => Verdict::Missing,
            Some(status) if status.success() => Verdict::Passed,
            Some(status) => {
                let said = message(&err).unwrap_or_else(|| status.to_string());
                // Too few runs would be a model that looks at less, not one that finds something.
                if said.contains(FLOOR) {
                    Verdict::Passed
                } else {
                    Verdict::Failed(said)
                }
            }
        })
    }
}

/// All that comes through a pipe.
fn gather(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The first line of the first panic's message.
fn message(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines();
    lines.find(|line| line.contains(" panicked at "))?;
    let line = lines.map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(100).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_panic_is_its_line_behind_the_place() {
        let stderr =
            "warning\n\nthread 'a' (1) panicked at hpt/tests/x.rs:1:2:\nassertion failed: half an entry\n  left: 1\n";
        assert_eq!(message(stderr).as_deref(), Some("assertion failed: half an entry"));
        assert_eq!(message("Segmentation fault\n"), None);
    }
}
