//! The programs of the host that recipes run, and what of the user's environment decides.
//!
//! Taken once from the process, so that tests can put another host in its place.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use tied_child::Tied as _;

use crate::Error;

/// What recipes use of the machine that they run on.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Where programs are looked for, as in `PATH`.
    pub(crate) search_path: Option<OsString>,
    /// The mirror that the user asks for, `PTEG_DEBIAN_MIRROR`.
    pub(crate) mirror: Option<String>,
    /// Where the keys that Debian signs with may be, best first; never empty.
    pub(crate) keyrings: Vec<PathBuf>,
}

impl Host {
    /// The host as this process sees it.
    pub(crate) fn of_process() -> Self {
        Self {
            search_path: env::var_os("PATH"),
            mirror: env::var_os("PTEG_DEBIAN_MIRROR")
                .filter(|value| !value.is_empty())
                .map(|value| value.to_string_lossy().into_owned()),
            // The package debian-archive-keyring has moved from the first name to the second.
            keyrings: ["gpg", "pgp"]
                .map(|suffix| format!("/usr/share/keyrings/debian-archive-keyring.{suffix}").into())
                .to_vec(),
        }
    }

    /// A command that runs `program` of this host, speaking English, with nothing on stdin. It does not outlive the thread that starts it, which is to wait for it.
    pub(crate) fn command(&self, program: &'static str) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C").stdin(Stdio::null()).tied();
        // Also decides where `program` itself is looked for.
        match &self.search_path {
            Some(path) => command.env("PATH", path),
            None => command.env_remove("PATH"),
        };
        command
    }
}

/// Starts `command` with its output and its complaints connected to us.
pub(crate) fn start(program: &'static str, command: &mut Command) -> Result<Child, Error> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::MissingProgram { program },
        _ => Error::Run { program, source },
    })
}

/// Runs `command` to its end and hands each line of its output to `line`.
///
/// `doing` begins the message if it fails.
pub(crate) fn run(
    program: &'static str,
    command: &mut Command,
    doing: &str,
    mut line: impl FnMut(&str),
) -> Result<(), Error> {
    let mut child = start(program, command)?;
    let failed = |source| Error::Run { program, source };
    let stdout = child.stdout.take().expect("start pipes it");
    let mut stderr = child.stderr.take().expect("start pipes it");
    // Both are read at once: a program blocks on whichever pipe nobody empties.
    let complaints = thread::scope(|scope| {
        let complaints = scope.spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).map(|_| text)
        });
        let read = BufReader::new(stdout).split(b'\n').try_for_each(|bytes| {
            line(&String::from_utf8_lossy(&bytes?));
            Ok(())
        });
        let complaints = complaints.join().expect("reading a pipe does not panic");
        read.and(complaints)
    })
    .map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Program {
        program,
        doing: doing.to_owned(),
        message: one_line(&complaints).unwrap_or_else(|| status.to_string()),
    })
}

/// What a failed program had to say, in one line: its errors (`E: …` of apt, `…: error: …` of dpkg-deb)
/// or, if it marked none, all that it said.
pub(crate) fn one_line(complaints: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(complaints);
    let said = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut errors: Vec<&str> = said()
        .filter_map(|line| {
            line.strip_prefix("E: ")
                .or_else(|| line.split_once(": error: ").map(|(_, message)| message))
        })
        .collect();
    if errors.is_empty() {
        errors = said().collect();
    }
    // After naming the failed download apt adds that old lists are used instead; by us they are not.
    if errors.len() > 1 {
        errors.retain(|line| !line.starts_with("Some index files failed to download"));
    }
    errors.dedup();
    (!errors.is_empty()).then(|| errors.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let host = Host {
            search_path: Some("/nonexistent".into()),
            ..Host::of_process()
        };
        let error = run("apt-get", &mut host.command("apt-get"), "listing", |_| ()).unwrap_err();
        assert!(
            matches!(error, Error::MissingProgram { program: "apt-get" }),
            "{error:?}"
        );
    }

    #[test]
    fn a_failure_carries_the_programs_own_errors() {
        let host = Host::of_process();
        let mut command = host.command("sh");
        command.args([
            "-c",
            "echo out; echo 'W: warned' >&2; echo 'E: no such host' >&2; exit 100",
        ]);
        let mut lines = Vec::new();
        let error = run("sh", &mut command, "listing", |line| {
            lines.push(line.to_owned());
        });
        assert_eq!(error.unwrap_err().to_string(), "listing: sh: no such host");
        assert_eq!(lines, ["out"]);
    }

    #[test]
    fn apts_closing_remark_is_left_out() {
        let said = b"W: old\nE: Failed to fetch X\nE: Some index files failed to download. They have been ignored.\n";
        assert_eq!(one_line(said).unwrap(), "Failed to fetch X");
    }

    #[test]
    fn a_program_that_dies_without_a_word_leaves_its_status() {
        let host = Host::of_process();
        let mut command = host.command("sh");
        let error = run("sh", command.args(["-c", "exit 7"]), "listing", |_| ()).unwrap_err();
        assert_eq!(error.to_string(), "listing: sh: exit status: 7");
    }

    #[test]
    fn a_flood_of_complaints_does_not_block_the_program() {
        let host = Host::of_process();
        let mut command = host.command("sh");
        command.args(["-c", "yes complaint | head -n 100000 >&2; echo done"]);
        let mut lines = Vec::new();
        run("sh", &mut command, "listing", |line| {
            lines.push(line.to_owned());
        })
        .unwrap();
        assert_eq!(lines, ["done"]);
    }
}
