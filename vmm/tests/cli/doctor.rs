//! `pteg doctor` on the machine that the tests run on, whatever that is.

use std::process::Command;

use crate::run;

#[test]
fn each_line_is_a_finding_and_the_last_one_says_what_runs_guests() {
    let (status, stdout, stderr) = run(&["doctor"]);
    assert_eq!(stderr, "");
    let lines: Vec<&str> = stdout.lines().collect();
    let (last, findings) = lines.split_last().unwrap();
    assert!(last.starts_with("Guests run on "), "{stdout}");
    let verdict = |line: &&str| line.split_whitespace().next().unwrap().to_owned();
    let verdicts: Vec<_> = findings.iter().map(verdict).collect();
    assert!(
        verdicts
            .iter()
            .all(|v| ["good", "note", "CHANGE"].contains(&v.as_str())),
        "{stdout}"
    );
    let is_to_change = verdicts.iter().any(|v| v == "CHANGE");
    assert_eq!(status, Some(i32::from(is_to_change)), "{stdout}");
}

#[test]
#[cfg(not(target_arch = "powerpc64"))]
fn another_machine_than_power_emulates() {
    let (_, stdout, _) = run(&["doctor"]);
    assert!(stdout.contains("Guests run on emulated processors"), "{stdout}");
    assert!(stdout.contains("this is no POWER machine"), "{stdout}");
    let (_, json, _) = run(&["doctor", "--json"]);
    assert!(json.contains("\"accelerator\": \"emulated\""), "{json}");
}

#[test]
fn a_limit_that_is_too_low_is_to_be_changed() {
    let shell = format!("ulimit -n 64; exec {} doctor", env!("CARGO_BIN_EXE_pteg"));
    let output = Command::new("sh").args(["-c", &shell]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = said.lines().find(|line| line.contains("open files")).unwrap();
    assert!(
        line.starts_with("CHANGE") && line.contains("limited to 64") && line.ends_with("ulimit -n 256"),
        "{line}"
    );
}

#[test]
fn output_that_nobody_takes_is_an_error() {
    let shell = format!("exec {} doctor > /dev/full", env!("CARGO_BIN_EXE_pteg"));
    let output = Command::new("sh").args(["-c", &shell]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("pteg: writing what was found: "), "{said}");
}
