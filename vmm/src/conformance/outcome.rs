//! What came of a case, and how a guest says it.

use std::fmt;

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All was as it must be.
    Pass,
    /// What was not.
    Fail(String),
    /// What the machine has not.
    Skip(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail(_) => "FAIL",
            Self::Skip(_) => "skip",
        })
    }
}

impl Outcome {
    /// What it says beyond that.
    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Self::Pass => None,
            Self::Fail(why) | Self::Skip(why) => Some(why),
        }
    }

    /// A case's name and its outcome, if `line` is a case's. Firmware and hypervisors say other things on the console.
    pub(super) fn of_line(line: &str) -> Option<(&str, Self)> {
        let (name, rest) = line.strip_prefix("CASE ")?.split_once(": ")?;
        let outcome = match rest.split_once(": ") {
            None if rest == "pass" => Self::Pass,
            Some(("fail", why)) => Self::Fail(why.to_owned()),
            Some(("skip", why)) => Self::Skip(why.to_owned()),
            _ => return None,
        };
        Some((name, outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_case_is_one_of_three() {
        assert_eq!(Outcome::of_line("CASE a/b: pass"), Some(("a/b", Outcome::Pass)));
        assert_eq!(
            Outcome::of_line("CASE a/b: fail: step 2 (H_READ): r4 expected 0x1 got 0x0"),
            Some((
                "a/b",
                Outcome::Fail("step 2 (H_READ): r4 expected 0x1 got 0x0".to_owned())
            ))
        );
        assert_eq!(
            Outcome::of_line("CASE a/b: skip: there is no page of 16M (base 16M)"),
            Some(("a/b", Outcome::Skip("there is no page of 16M (base 16M)".to_owned())))
        );
    }

    #[test]
    fn other_lines_are_none_of_a_case() {
        for line in [
            "",
            "CASE",
            "CASE a/b",
            "CASE a/b: ",
            "CASE a/b: passed",
            "CASE a/b: pass: but",
            "CASE a/b: fail",
            " CASE a/b: pass",
            "VERDICT conformance: pass",
        ] {
            assert_eq!(Outcome::of_line(line), None, "{line}");
        }
    }
}
