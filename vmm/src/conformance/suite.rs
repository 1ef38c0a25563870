//! The cases of one configuration under one hypervisor. Whatever the hypervisor does costs the case that it does it in: another guest
//! goes on behind that.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use guest_images::conformance::MEMORY_MIB;

use super::outcome::Outcome;
use crate::guest_run::{Ended, Hypervisor, Interrupt, Interrupted, LOOK, NoHypervisor, Said, Task};

/// The first line of every guest.
const ANNOUNCEMENT: &str = "guest program conformance";

/// How the line begins that a guest says before it ends because it cannot make a case undone.
const GIVEN_UP: &str = "GIVEN UP: ";

/// How long a guest may take to begin: some have firmware before them.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(600);

/// How cases are run.
#[derive(Clone, Debug)]
pub(super) struct Runner {
    pub(super) hypervisor: Hypervisor,
    pub(super) processors: u32,
    /// Whether the processors are as the architecture has them.
    pub(super) is_exact: bool,
    /// How long a guest that has begun may say nothing.
    pub(super) patience: Duration,
    /// Whether the user wants no more.
    pub(super) interrupt: Interrupt,
}

/// Why cases could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// Nobody starts.
    #[error(transparent)]
    Hypervisor(#[from] NoHypervisor),
    /// It starts, and the guest does not.
    #[error("{hypervisor} did not start the guest: {why}")]
    NoGuest {
        /// Who.
        hypervisor: String,
        /// What came instead.
        why: String,
    },
    /// The system does not say what became of it.
    #[error("waiting for a hypervisor")]
    Wait(#[source] io::Error),
    /// The user wants no more.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Runner {
    /// Runs the cases of `names`, which the guest in `elf` goes through in this order; tells `each` of each at once.
    pub(super) fn run(&self, elf: &Path, names: &[&str], each: &mut dyn FnMut(usize, Outcome)) -> Result<(), RunError> {
        let mut done = 0;
        while done < names.len() {
            done = self.run_from(elf, names, done, each)?;
        }
        Ok(())
    }

    /// Runs one guest, from the `done`th case on; returns how many are done then.
    fn run_from(
        &self,
        elf: &Path,
        names: &[&str],
        mut done: usize,
        each: &mut dyn FnMut(usize, Outcome),
    ) -> Result<usize, RunError> {
        let exact = if self.is_exact { "exact=1 " } else { "" };
        let task = Task {
            elf,
            append: &format!("{exact}from={done}"),
            processors: self.processors,
            memory_mib: MEMORY_MIB,
        };
        let mut running = self.hypervisor.start(&task)?;
        let (mut has_begun, mut has_given_up, mut has_failed) = (false, false, false);
        // Since the last thing that it said of a case: a guest may talk for ever of something else.
        let mut since = Instant::now();
        while done < names.len() {
            let patience = if has_begun { self.patience } else { PATIENCE_AT_FIRST };
            let left = patience.saturating_sub(since.elapsed());
            let said = if left.is_zero() {
                Said::Nothing
            } else {
                running.line(left.min(LOOK)).map_err(RunError::Wait)?
            };
            // Before what came is judged: the same signal may have ended the hypervisor.
            if let Some(signal) = self.interrupt.signal() {
                return Err(signal.into());
            }
            let what = match said {
                Said::Line(line) => {
                    if !has_begun && line.contains(ANNOUNCEMENT) {
                        has_begun = true;
                        since = Instant::now();
                    }
                    has_given_up |= line.starts_with(GIVEN_UP);
                    let Some((name, outcome)) = Outcome::of_line(&line) else {
                        continue;
                    };
                    if name == names[done] {
                        has_failed = matches!(outcome, Outcome::Fail(_));
                        each(done, outcome);
                        done += 1;
                        since = Instant::now();
                        continue;
                    }
                    format!("the guest went on with {name}")
                }
                // It has said what came of its last case. After one that has passed there is no reason to give up.
                Said::Ended(_) if has_given_up && has_failed => return Ok(done),
                Said::Ended(ended) => how(&ended),
                Said::Nothing if since.elapsed() < patience => continue,
                Said::Nothing => format!("no case came for {} seconds", patience.as_secs()),
            };
            if !has_begun {
                return Err(RunError::NoGuest {
                    hypervisor: self.hypervisor.to_string(),
                    why: what,
                });
            }
            each(done, Outcome::Fail(format!("the guest did not come back: {what}")));
            return Ok(done + 1);
        }
        Ok(done)
    }
}

/// How a hypervisor ended, and the last that it complained of.
fn how(ended: &Ended) -> String {
    let last = ended.complaints.lines().rfind(|line| !line.trim().is_empty());
    match last {
        Some(line) => format!("the hypervisor ended ({}): {}", ended.status, line.trim()),
        None => format!("the hypervisor ended ({})", ended.status),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// A hypervisor that is a shell script. It finds the number of the first case in `$from`.
    struct Fake {
        _folder: tempfile::TempDir,
        runner: Runner,
    }

    impl Fake {
        fn new(script: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let program: PathBuf = folder.path().join("hypervisor");
            let script = format!("#!/bin/sh\nfor word; do from=${{word##*from=}}; done\n{script}\n");
            // By another process: what this one has open may be inherited by what another test starts, and cannot be executed then.
            let write = "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"";
            let written = Command::new("sh")
                .args(["-c", write, "sh"])
                .arg(&program)
                .arg(script)
                .status();
            assert!(written.unwrap().success());
            Self {
                _folder: folder,
                runner: Runner {
                    hypervisor: Hypervisor::qemu_at(program).unwrap(),
                    processors: 1,
                    is_exact: true,
                    patience: Duration::from_secs(600),
                    interrupt: Interrupt::default(),
                },
            }
        }

        fn outcomes(&self, names: &[&str]) -> Result<Vec<Outcome>, RunError> {
            let mut outcomes = Vec::new();
            let mut each = |number: usize, outcome| {
                assert_eq!(number, outcomes.len());
                outcomes.push(outcome);
            };
            self.runner.run(Path::new("guest.elf"), names, &mut each)?;
            Ok(outcomes)
        }
    }

    fn fails(why: &str) -> Outcome {
        Outcome::Fail(why.to_owned())
    }

    const HELLO: &str = "echo; echo firmware; echo 'guest program conformance, little-endian'";

    #[test]
    fn a_guest_says_a_line_for_each_case() {
        let fake = Fake::new(&format!(
            "{HELLO}; echo CASE a: pass; echo CASE b: fail: step 1; echo other; echo CASE c: skip: no"
        ));
        let expected = [Outcome::Pass, fails("step 1"), Outcome::Skip("no".to_owned())];
        assert_eq!(fake.outcomes(&["a", "b", "c"]).unwrap(), expected);
    }

    #[test]
    fn a_hypervisor_that_dies_costs_one_case() {
        let fake = Fake::new(&format!(
            "{HELLO}\ncase $from in 0) echo CASE a: pass; echo assertion >&2; kill -ABRT $$;; 2) echo CASE c: pass;; esac"
        ));
        let outcomes = fake.outcomes(&["a", "b", "c"]).unwrap();
        assert_eq!((&outcomes[0], &outcomes[2]), (&Outcome::Pass, &Outcome::Pass));
        let why = outcomes[1].why().unwrap();
        assert!(why.contains("SIGABRT") && why.ends_with(": assertion"), "{why}");
    }

    #[test]
    fn a_guest_that_ends_early_or_skips_a_case_costs_one_too() {
        let fake = Fake::new(&format!(
            "{HELLO}\ncase $from in 0) ;; 1) echo CASE c: pass;; 2) echo CASE c: pass;; esac"
        ));
        let outcomes = fake.outcomes(&["a", "b", "c"]).unwrap();
        assert_eq!(
            outcomes,
            [
                fails("the guest did not come back: the hypervisor ended (exit status: 0)"),
                fails("the guest did not come back: the guest went on with c"),
                Outcome::Pass
            ]
        );
    }

    #[test]
    fn a_guest_that_gives_up_has_said_what_came_of_its_last_case() {
        let fake = Fake::new(&format!(
            "{HELLO}; case $from in 0) echo CASE a: fail: it hangs; echo GIVEN UP: it does not stop;; 1) echo CASE b: pass;; esac"
        ));
        let outcomes = fake.outcomes(&["a", "b"]).unwrap();
        assert_eq!(outcomes, [fails("it hangs"), Outcome::Pass]);
    }

    #[test]
    fn a_guest_that_gives_up_after_a_case_that_passed_costs_the_next() {
        let fake = Fake::new(&format!(
            "{HELLO}; case $from in 0) echo CASE a: pass; echo GIVEN UP: it does not stop;; esac"
        ));
        let outcomes = fake.outcomes(&["a", "b"]).unwrap();
        let why = "the guest did not come back: the hypervisor ended (exit status: 0)";
        assert_eq!(outcomes, [Outcome::Pass, fails(why)]);
    }

    #[test]
    fn a_guest_that_gives_up_before_its_first_case_costs_that_case() {
        let fake = Fake::new(&format!("{HELLO}; echo GIVEN UP: it does not stop"));
        let outcomes = fake.outcomes(&["a"]).unwrap();
        let why = "the guest did not come back: the hypervisor ended (exit status: 0)";
        assert_eq!(outcomes, [fails(why)]);
    }

    #[test]
    fn a_guest_that_hangs_has_failed() {
        let mut fake = Fake::new(&format!("{HELLO}; exec sleep 1000000"));
        fake.runner.patience = Duration::from_secs(1);
        let why = "the guest did not come back: no case came for 1 seconds";
        assert_eq!(fake.outcomes(&["a"]).unwrap(), [fails(why)]);
    }

    #[test]
    fn a_guest_that_talks_of_something_else_for_ever_has_failed() {
        let mut fake = Fake::new(&format!("{HELLO}; while :; do echo other; done"));
        fake.runner.patience = Duration::from_secs(1);
        let why = "the guest did not come back: no case came for 1 seconds";
        assert_eq!(fake.outcomes(&["a"]).unwrap(), [fails(why)]);
    }

    #[test]
    fn a_hypervisor_that_does_not_start_the_guest_is_an_error() {
        let error = Fake::new("echo no such machine >&2; exit 1")
            .outcomes(&["a", "b"])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "QEMU did not start the guest: the hypervisor ended (exit status: 1): no such machine"
        );
    }
}
