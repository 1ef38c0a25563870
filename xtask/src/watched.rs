//! A `pteg` that is watched while it runs: each line of the guest's and of pteg's own as it comes, and an end when neither says
//! anything any more.

use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// A line, and whose it is.
pub enum Line {
    Guest(String),
    Pteg(String),
}

/// Runs `pteg` to its end; `line` sees what is said. Its status; nothing if nobody said anything for as long as `patience`, and it was
/// killed.
pub fn watch(
    pteg: &mut Command,
    patience: Duration,
    line: impl FnMut(Line) -> io::Result<()>,
) -> io::Result<Option<ExitStatus>> {
    let mut child = pteg
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let ended = follow(&mut child, patience, line);
    if !matches!(ended, Ok(Some(_))) {
        // Else it would run on alone.
        let _ = child.kill();
        let _ = child.wait();
    }
    ended
}

fn follow(
    child: &mut Child,
    patience: Duration,
    mut line: impl FnMut(Line) -> io::Result<()>,
) -> io::Result<Option<ExitStatus>> {
    let (send, lines) = mpsc::channel();
    read_lines(child.stdout.take(), send.clone(), Line::Guest);
    read_lines(child.stderr.take(), send, Line::Pteg);
    loop {
        match lines.recv_timeout(patience) {
            Ok(said) => line(said)?,
            Err(RecvTimeoutError::Disconnected) => return Ok(Some(child.wait()?)),
            Err(RecvTimeoutError::Timeout) => return Ok(None),
        }
    }
}

/// Sends what comes through a pipe, line by line.
fn read_lines(pipe: Option<impl Read + Send + 'static>, send: Sender<Line>, whose: fn(String) -> Line) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if send.send(whose(text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> (Vec<String>, Option<ExitStatus>) {
        let mut said = Vec::new();
        let ended = watch(Command::new("sh").args(["-c", script]), patience, |line| {
            said.push(match line {
                Line::Guest(line) => format!("guest {line}"),
                Line::Pteg(line) => format!("pteg {line}"),
            });
            Ok(())
        });
        said.sort();
        (said, ended.unwrap())
    }

    #[test]
    fn every_line_is_seen_and_the_status_told() {
        let (said, ended) = shell("echo a; echo b >&2; printf c; exit 3", Duration::from_secs(60));
        assert_eq!(said, ["guest a", "guest c", "pteg b"]);
        assert_eq!(ended.and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn who_is_silent_for_too_long_is_ended() {
        let (said, ended) = shell("echo a; exec sleep 1000", Duration::from_secs(5));
        assert_eq!((said, ended), (vec!["guest a".to_owned()], None));
    }
}
