//! `pteg` as its users see it: messages, exit statuses, pipes, signals and the terminal.

#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod config;
mod doctor;
mod ends;
mod guest;
mod statistics;
mod terminal;
mod wrong_use;

use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// `pteg` with these arguments, its stdin closed and its output taken.
fn pteg(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pteg"));
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs it to its end; returns exit status, stdout and stderr.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = pteg(args).output().unwrap();
    (
        status.code(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

/// What the accelerator's choice is announced with; not wanted in comparisons.
fn without_choice(stderr: &str) -> String {
    stderr
        .lines()
        .filter(|line| !line.contains("emulating"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Waits until the guest has said that it is ready.
fn wait_for_ready(child: &mut Child) {
    let mut word = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut word).unwrap();
    assert_eq!(&word, b"ready\n");
}

/// Sends a signal by its name.
fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Waits for the end; returns exit status and stderr.
fn finish(mut child: Child) -> (ExitStatus, String) {
    let status = child.wait().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (status, without_choice(&stderr))
}
