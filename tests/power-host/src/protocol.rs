//! What the two ends of an emulated host's console say to each other.
//!
//! We type the name of a script and a newline; `init.sh` in the host answers in lines that begin with [`MARK`], and what the
//! script prints comes in between:
//!
//! | line | when |
//! |---|---|
//! | `ready` | once, when the first name may be typed |
//! | `begin NAME` | before the script's output |
//! | `kernel TEXT` | after the output: a line that the host's own kernel has logged meanwhile |
//! | `end NAME STATUS` | last; the host waits for the next name |
//!
//! Output need not end with a line: the host starts a new one before its answer, and [`Answer`] takes that away. The name
//! [`POWER_OFF`] ends the host.

/// How each line of the host's begins.
pub(crate) const MARK: &str = "@@power-host ";

/// The name that is no script.
pub(crate) const POWER_OFF: &str = "poweroff";

/// A line of the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Ready,
    Begin(String),
    Kernel(String),
    End { name: String, status: i32 },
}

impl Word {
    /// Reads a line; `None` if it is a script's.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line
            .strip_prefix(MARK)?
            .split_once(' ')
            .unwrap_or_else(|| (&line[MARK.len()..], ""));
        Some(match word {
            "ready" if rest.is_empty() => Self::Ready,
            "begin" => Self::Begin(rest.to_owned()),
            "kernel" => Self::Kernel(rest.to_owned()),
            "end" => {
                let (name, status) = rest.split_once(' ')?;
                Self::End {
                    name: name.to_owned(),
                    status: status.parse().ok()?,
                }
            }
            _ => return None,
        })
    }
}

/// What comes back for a name that was typed, gathered line by line.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    name: &'a str,
    /// Whether its beginning has been seen; what comes before is nobody's.
    has_begun: bool,
    pub(crate) output: String,
    pub(crate) kernel: Vec<String>,
}

/// What a line of an answer was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// One of the output.
    Output,
    /// Something else.
    Other,
    /// The last: the script's exit status.
    End(i32),
}

impl<'a> Answer<'a> {
    /// To the script `name`.
    pub(crate) fn to(name: &'a str) -> Self {
        Self {
            name,
            has_begun: false,
            output: String::new(),
            kernel: Vec::new(),
        }
    }

    /// Takes the next line, without its end.
    pub(crate) fn take(&mut self, line: &str) -> Took {
        match Word::parse(line) {
            Some(Word::Begin(name)) if name == self.name => self.has_begun = true,
            Some(Word::Kernel(text)) if self.has_begun => self.kernel.push(text),
            Some(Word::End { name, status }) if self.has_begun && name == self.name => {
                // The line that the host started, or ended, before its answer.
                if self.output.ends_with('\n') {
                    self.output.pop();
                }
                return Took::End(status);
            }
            Some(_) => {}
            None if self.has_begun => {
                self.output.push_str(line);
                self.output.push('\n');
                return Took::Output;
            }
            None => {}
        }
        Took::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the lines of a console amount to for the script `it`.
    fn answer(console: &str) -> Option<(String, Vec<String>, i32)> {
        let mut answer = Answer::to("it");
        let status = console.lines().find_map(|line| match answer.take(line) {
            Took::End(status) => Some(status),
            _ => None,
        })?;
        Some((answer.output, answer.kernel, status))
    }

    #[test]
    fn output_comes_back_as_it_was_printed() {
        // What a script prints, and what stands on the console then: the host's `echo` adds a newline.
        for printed in ["", "one\n", "one", "one\n\n", "\n", "@@power-host what\n"] {
            let console = format!("noise\n@@power-host begin it\n{printed}\n@@power-host end it 3\n");
            assert_eq!(answer(&console), Some((printed.to_owned(), vec![], 3)), "{printed:?}");
        }
    }

    #[test]
    fn what_the_kernel_logs_is_not_output() {
        let console = "@@power-host begin it\nhello\n\n@@power-host kernel [1.0] BUG: x\n@@power-host end it 0\n";
        assert_eq!(
            answer(console),
            Some(("hello\n".to_owned(), vec!["[1.0] BUG: x".to_owned()], 0))
        );
    }

    #[test]
    fn the_end_of_another_script_is_not_this_ones() {
        assert_eq!(answer("@@power-host begin it\n@@power-host end other 0\n"), None);
        assert_eq!(answer("@@power-host end it 0\n"), None);
    }

    #[test]
    fn lines_that_only_resemble_the_hosts_are_none() {
        for line in [
            "ready",
            "x @@power-host ready",
            "@@power-host",
            "@@power-host end it",
            "@@power-host end it x",
        ] {
            assert_eq!(Word::parse(line), None, "{line}");
        }
        assert_eq!(Word::parse("@@power-host ready"), Some(Word::Ready));
    }
}
