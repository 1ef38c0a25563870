//! Whether a case went as its entry in the list says.

use crate::Case;

/// What a command left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// What it printed, on stdout and stderr.
    pub output: String,
    /// Its exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// What the host's kernel logged meanwhile, where that is known.
    pub kernel: Vec<String>,
}

/// What the kernel of a host says when it is in trouble.
const TROUBLE: [&str; 8] = [
    "BUG:",
    "Oops:",
    "WARNING:",
    "Kernel panic",
    "Unable to handle",
    "rcu: INFO:",
    "Machine check",
    "blocked for more than",
];

/// Everything that is wrong, with all that was said; nothing if it is as it should be.
pub fn judge(case: &Case, ran: &Ran) -> Result<(), String> {
    let mut wrong = Vec::new();
    if ran.status != Some(case.status) {
        wrong.push(match ran.status {
            Some(status) => format!("it exits with {status}, not {}", case.status),
            None => "a signal ended it".to_owned(),
        });
    }
    for text in case.says {
        if !ran.output.contains(text) {
            wrong.push(format!("it does not say {text:?}"));
        }
    }
    wrong.extend(verdicts(case, &ran.output));
    for line in &ran.kernel {
        if TROUBLE.iter().any(|sign| line.contains(sign)) {
            wrong.push(format!("the host's kernel says: {line}"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let mut message = format!("{}\n$ {}\n{}", wrong.join("\n"), case.command, ran.output);
    if !ran.kernel.is_empty() {
        message += &format!("\nthe host's kernel:\n{}", ran.kernel.join("\n"));
    }
    Err(message)
}

/// The lines of the output that are shown however it ended.
pub fn shown<'a>(case: &'a Case, output: &'a str) -> impl Iterator<Item = &'a str> {
    output
        .lines()
        .map(str::trim_end)
        .filter(|line| case.shown.iter().any(|begins| line.starts_with(begins)))
}

/// What is wrong with the lines `VERDICT NAME: …` of guest programs.
fn verdicts(case: &Case, output: &str) -> Vec<String> {
    let said: Vec<&str> = output
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("VERDICT "))
        .collect();
    let passes = |name: &str| format!("{name}: pass");
    let mut wrong = Vec::new();
    for &(name, times) in case.verdicts {
        let count = said.iter().filter(|verdict| **verdict == passes(name)).count();
        if count != times {
            wrong.push(format!("{name} passes {count} times, not {times}"));
        }
    }
    let others = said
        .iter()
        .filter(|verdict| !case.verdicts.iter().any(|(name, _)| **verdict == passes(name)));
    wrong.extend(others.map(|verdict| format!("a program says {verdict:?}")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: Case = Case {
        name: "a_case",
        command: "command",
        status: 1,
        says: &["a word", "another"],
        ..Case::USUAL
    };

    fn ran(output: &str, status: i32, kernel: &[&str]) -> Ran {
        Ran {
            output: output.to_owned(),
            status: Some(status),
            kernel: kernel.iter().copied().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn a_case_is_well_only_with_its_status_and_all_its_words() {
        assert_eq!(judge(&CASE, &ran("a word, another", 1, &["[1.0] kvm: hello"])), Ok(()));
        for (wrong, says) in [
            (ran("a word, another", 0, &[]), "exits with 0, not 1"),
            (ran("a word", 1, &[]), "does not say \"another\""),
            (
                Ran {
                    status: None,
                    ..ran("a word, another", 1, &[])
                },
                "signal",
            ),
        ] {
            let message = judge(&CASE, &wrong).unwrap_err();
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn programs_must_pass_as_often_as_they_are_run_and_none_may_fail() {
        const PROGRAM: Case = Case {
            verdicts: &[("smp", 2)],
            status: 0,
            ..Case::USUAL
        };
        let pass = "VERDICT smp: pass\r\n";
        assert_eq!(judge(&PROGRAM, &ran(&pass.repeat(2), 0, &[])), Ok(()));
        let fail = "VERDICT smp: fail lock expected 0 got 1\n";
        for (output, says) in [
            (pass.to_owned(), "passes 1 times"),
            (pass.repeat(3), "passes 3 times"),
            (pass.repeat(2) + fail, "smp: fail lock"),
            (pass.repeat(2) + "VERDICT hello: pass\n", "hello: pass"),
        ] {
            let message = judge(&PROGRAM, &ran(&output, 0, &[])).unwrap_err();
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn what_is_to_be_shown_is_picked_by_how_it_begins() {
        const CASE: Case = Case {
            shown: &["found "],
            ..Case::USUAL
        };
        let output = "found 1\r\nhas found 2\nfound 3";
        assert_eq!(shown(&CASE, output).collect::<Vec<_>>(), ["found 1", "found 3"]);
    }

    #[test]
    fn trouble_of_the_hosts_kernel_is_a_failure() {
        let oops = ["[7.0] Oops: Kernel access of bad area, sig: 11 [#1]"];
        let message = judge(&CASE, &ran("a word, another", 1, &oops)).unwrap_err();
        assert!(message.contains("bad area"), "{message}");
    }
}
