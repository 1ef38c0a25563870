//! The list of mutants: what is changed where, why it must be caught, and by which tests.
//!
//! A line is a comment (`#`), empty, or of the mutant whose `mutant` line came last:
//!
//! ```text
//! mutant publish-release
//! in     hpt/src/lock.rs
//! why    who sees V must see the doubleword 1 that belongs to it
//! by     loom_models::walk::a_walker_sees_all_of_a_new_entry_or_nothing
//! -      store(self.table.v(self.at), self.v.raw(), Ordering::Release);
//! +      store(self.table.v(self.at), self.v.raw(), Ordering::Relaxed);
//! ```
//!
//! Lines with `-` and `=` are what stands in the file, one after the other, and only once; those with `=` and `+` are what
//! comes there instead. White space at the ends of a line does not count. Several `by` are allowed: one test must fail. It is of the
//! package that the file is in, unless another one stands before it: `vmm-models/loom_models::pause_model::…`.
//! `hangs` says that a test that does not end counts as failed.

/// A test: `target::path`, where the target is a file or directory of the crate's `tests`, or `lib`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Test {
    /// The crate.
    pub package: String,
    /// Which of its test programs.
    pub target: String,
    /// Its name there.
    pub name: String,
}

impl Test {
    /// Whether it is a model.
    pub fn is_model(&self) -> bool {
        self.target.contains("loom")
    }
}

/// One change.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mutant {
    /// What users call it.
    pub name: String,
    /// From the root of the workspace.
    pub file: String,
    /// Why it must be caught.
    pub why: String,
    /// By which tests: one of them must fail.
    pub tests: Vec<Test>,
    /// Whether a test that does not end counts as failed.
    pub may_hang: bool,
    before: Vec<String>,
    after: Vec<String>,
}

/// Reads a list.
pub fn parse(text: &str) -> Result<Vec<Mutant>, String> {
    let mut mutants: Vec<Mutant> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        if word == "mutant" {
            mutants.push(Mutant {
                name: rest.to_owned(),
                ..Mutant::default()
            });
            continue;
        }
        let wrong = |what: &str| format!("line {number}: {what}");
        let mutant = mutants.last_mut().ok_or_else(|| wrong("before the first `mutant`"))?;
        match word {
            "in" => rest.clone_into(&mut mutant.file),
            "why" => {
                mutant.why = [&*mutant.why, rest].join(" ").trim().to_owned();
            }
            "by" => {
                let own = mutant.file.split('/').next().unwrap_or_default();
                let (package, test) = rest.split_once('/').unwrap_or((own, rest));
                let (target, name) = test.split_once("::").ok_or_else(|| wrong("a test is target::path"))?;
                mutant.tests.push(Test {
                    package: package.to_owned(),
                    target: target.to_owned(),
                    name: name.to_owned(),
                });
            }
            "hangs" => mutant.may_hang = true,
            "-" => mutant.before.push(rest.to_owned()),
            "+" => mutant.after.push(rest.to_owned()),
            "=" => {
                mutant.before.push(rest.to_owned());
                mutant.after.push(rest.to_owned());
            }
            _ => return Err(wrong(&format!("`{word}` is not known"))),
        }
    }
    for mutant in &mutants {
        if mutant.file.is_empty() || mutant.why.is_empty() || mutant.before.is_empty() {
            return Err(format!("{}: `in`, `why` or `-` is missing", mutant.name));
        }
        if mutants.iter().filter(|other| other.name == mutant.name).count() > 1 {
            return Err(format!("{}: twice", mutant.name));
        }
    }
    Ok(mutants)
}

impl Mutant {
    /// The file's text with the change.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        let lines: Vec<&str> = text.lines().collect();
        let at: Vec<usize> = lines
            .windows(self.before.len())
            .enumerate()
            .filter(|(_, window)| window.iter().map(|line| line.trim()).eq(self.before.iter()))
            .map(|(at, _)| at)
            .collect();
        match at[..] {
            [at] => {
                let mut changed = lines[..at].to_vec();
                changed.extend(self.after.iter().map(String::as_str));
                changed.extend(&lines[at + self.before.len()..]);
                Ok(changed.join("\n") + "\n")
            }
            [] => Err(format!("its text is not in {}", self.file)),
            _ => Err(format!("its text is {} times in {}", at.len(), self.file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "
# A comment.
mutant one
in     hpt/src/x.rs
why    because
why    of this
by     loom_models::walk::a
by     oracle::b
=      first();
-      second(Release);
+      second(Relaxed);
";

    #[test]
    fn a_mutant_is_read_and_applied() {
        let mutants = parse(LIST).unwrap();
        let [mutant] = &mutants[..] else { panic!("{mutants:?}") };
        assert_eq!((&*mutant.why, mutant.tests.len()), ("because of this", 2));
        assert!(mutant.tests[0].is_model() && !mutant.tests[1].is_model());
        assert_eq!(mutant.tests[0].package, "hpt");
        let elsewhere = parse(&LIST.replace("oracle::b", "tests/oracle::b")).unwrap();
        assert_eq!(
            (&*elsewhere[0].tests[1].package, &*elsewhere[0].tests[1].target),
            ("tests", "oracle")
        );
        let text = "a\n    first();\n    second(Release);\nsecond(Release);\n";
        assert_eq!(
            mutant.apply(text).unwrap(),
            "a\nfirst();\nsecond(Relaxed);\nsecond(Release);\n"
        );
    }

    #[test]
    fn a_text_that_is_not_there_once_is_refused() {
        let mutants = parse(LIST).unwrap();
        assert!(mutants[0].apply("first();\n").is_err());
        let twice = "first();\nsecond(Release);\n".repeat(2);
        assert!(mutants[0].apply(&twice).is_err());
    }

    #[test]
    fn what_is_missing_or_unknown_is_told() {
        assert!(parse("in x\n").is_err());
        assert!(parse("mutant a\nwhat is this\n").unwrap_err().contains("line 2"));
        assert!(parse("mutant a\nin x\n").is_err());
        assert!(parse(&LIST.repeat(2)).unwrap_err().contains("twice"));
    }
}
