//! Results in the Test Anything Protocol, version 14.

use std::io::{self, Write};

use super::outcome::Outcome;

/// Writes results as they come.
pub(super) struct Tap<W> {
    to: W,
    written: usize,
}

impl<W: Write> Tap<W> {
    /// There will be as many results as `plan`.
    pub(super) fn new(mut to: W, plan: usize) -> io::Result<Self> {
        write!(to, "TAP version 14\n1..{plan}\n")?;
        Ok(Self { to, written: 0 })
    }

    /// The next result.
    pub(super) fn write(&mut self, name: &str, section: &str, outcome: &Outcome) -> io::Result<()> {
        self.written += 1;
        let number = self.written;
        match outcome {
            Outcome::Pass => writeln!(self.to, "ok {number} - {name}"),
            Outcome::Skip(why) => writeln!(self.to, "ok {number} - {name} # SKIP {}", directive(why)),
            Outcome::Fail(why) => write!(
                self.to,
                "not ok {number} - {name}\n  ---\n  message: {}\n  section: {}\n  ...\n",
                quoted(why),
                quoted(section)
            ),
        }?;
        self.to.flush()
    }

    /// There will be no more results.
    pub(super) fn bail_out(&mut self, why: &str) -> io::Result<()> {
        writeln!(self.to, "Bail out! {}", directive(why))?;
        self.to.flush()
    }
}

/// A text behind a directive, in its line: a number sign would begin another one.
fn directive(text: &str) -> String {
    text.replace(char::is_control, " ")
        .replace('\\', "\\\\")
        .replace('#', "\\#")
}

/// A scalar of YAML 1.2 in double quotes. They are escaped as in JSON, which leaves some characters as they are that YAML does not count as
/// printable (5.1, c-printable) or takes for the end of a line.
fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a text is one in JSON");
    let mut yaml = String::new();
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                yaml += &format!("\\u{:04x}", u32::from(c));
            }
            c => yaml.push(c),
        }
    }
    yaml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_result_is_a_test_point() {
        let mut said = Vec::new();
        let mut tap = Tap::new(&mut said, 3).unwrap();
        tap.write("a/one", "LoPAR", &Outcome::Pass).unwrap();
        tap.write(
            "a/two",
            "LoPAR",
            &Outcome::Fail("r3 \"x\"\u{1}\u{85}\u{9b}\nok 9".to_owned()),
        )
        .unwrap();
        tap.write("a/three", "LoPAR", &Outcome::Skip("no #1\rok 9\u{9b}".to_owned()))
            .unwrap();
        tap.bail_out("nobody\nis there").unwrap();
        assert_eq!(
            String::from_utf8(said).unwrap(),
            "TAP version 14\n1..3\nok 1 - a/one\nnot ok 2 - a/two\n  ---\n  \
             message: \"r3 \\\"x\\\"\\u0001\\u0085\\u009b\\nok 9\"\n  section: \"LoPAR\"\n  ...\nok 3 - a/three # SKIP no \\#1 ok 9 \nBail out! nobody is there\n"
        );
    }
}
