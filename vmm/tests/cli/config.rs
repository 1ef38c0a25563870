//! `--config` and `pteg config check`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run;

/// Writes a file; returns its path.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_file_starts_a_guest_as_flags_do() {
    let folder = tempfile::tempdir().unwrap();
    let vm = file(
        folder.path(),
        "vm.toml",
        "image = 'hello' # a program that comes with pteg\nmem = '64M'\naccel = 'emulated'\nstats-json = 'stats.json'\n",
    );
    let (status, stdout, stderr) = run(&["run", "--config", &vm]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.contains("VERDICT hello: pass"), "{stdout}");
    assert!(
        folder.path().join("stats.json").exists(),
        "paths begin at the file's folder"
    );
    let (status, stdout, _) = run(&["config", "check", &vm]);
    assert_eq!((status, stdout), (Some(0), format!("{vm}: nothing is wrong\n")));
    // The user's own flags go before it.
    let (status, _, stderr) = run(&["run", "--config", &vm, "--mem", "8M"]);
    assert_eq!(status, Some(2));
    assert!(stderr.starts_with("pteg: --mem 8 MiB"), "{stderr}");
}

#[test]
fn every_mistake_in_a_file_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let vm = file(
        folder.path(),
        "vm.toml",
        "image = 'hello'\nsmp = 0\ndisks = 'a'\ndisk = [{ path = 'a', queues = 77 }]\n",
    );
    for args in [["config", "check", &vm], ["run", "--config", &vm]] {
        let (status, stdout, stderr) = run(&args);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{stderr}");
        let lines: Vec<&str> = stderr.lines().collect();
        let expected = [("2:7", "1 to 64"), ("3:1", "did you mean `disk`?"), ("4:32", "1 to 16")];
        assert_eq!(lines.len(), expected.len(), "{stderr}");
        for (line, (place, right)) in lines.iter().zip(expected) {
            assert!(
                line.starts_with(&format!("pteg: {vm}:{place}: ")) && line.contains(right),
                "{line}"
            );
        }
    }
}

#[test]
fn a_check_finds_what_a_run_would_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("short.img"), "text").unwrap();
    fs::write(folder.path().join("precious"), "precious").unwrap();
    let vm = file(
        folder.path(),
        "vm.toml",
        "image = 'beos'\ndisk = ['none.img', 'short.img']\nstats-json = 'none/s.json'\ncontrol = 'precious'\n\
         nvram = 'precious'\nshare-memory = 'vm.mem'\nvirtio-console = 'log'\nvsock = { cid = 3, path = 'none/v' }\n",
    );
    let before = fs::read_dir(folder.path()).unwrap().count();
    let (status, stdout, stderr) = run(&["config", "check", &vm]);
    assert_eq!((status, stdout.as_str()), (Some(2), ""), "{stderr}");
    for (place, right) in [
        ("1:9", "there are debian"),
        ("2:9", "No such file"),
        ("2:21", "whole ones"),
        ("3:14", "a folder that exists"),
        ("4:11", "no socket"),
        ("5:9", "8192 to 1048576"),
        ("8:9", "a folder that exists"),
    ] {
        let start = format!("pteg: {vm}:{place}: ");
        let line = stderr.lines().find(|line| line.starts_with(&start));
        assert!(
            line.is_some_and(|line| line.contains(right)),
            "{place} {right}: {stderr}"
        );
    }
    assert_eq!(stderr.lines().count(), 7, "{stderr}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "nothing is made");
    // What a run finds first, it tells in the same words.
    let (status, _, of_run) = run(&["run", "--config", &vm]);
    assert_eq!(status, Some(2));
    assert!(of_run.lines().count() == 1 && stderr.contains(&of_run), "{of_run}");
}

#[test]
fn a_value_that_does_not_suit_this_machine_is_told_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let vm = file(folder.path(), "vm.toml", "mem = '10T'\n");
    let (status, _, stderr) = run(&["run", "hello", "--config", &vm]);
    assert_eq!(status, Some(2));
    assert!(
        stderr.starts_with(&format!("pteg: {vm}:1:7: --mem 10 TiB: this machine has")),
        "{stderr}"
    );
    let vm = file(folder.path(), "vm.toml", "smp = 2\n");
    let (status, stdout, _) = run(&["config", "check", &vm]);
    assert_eq!(status, Some(0));
    assert!(stdout.contains("names no image and no kernel"), "{stdout}");
}

#[test]
fn a_relative_path_of_a_file_is_the_users() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("etc")).unwrap();
    file(folder.path(), "etc/vm.toml", "kernel = 'vmlinux'\n");
    let output = Command::new(env!("CARGO_BIN_EXE_pteg"))
        .args(["config", "check", "etc/vm.toml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr.starts_with("pteg: etc/vm.toml:1:10: kernel etc/vmlinux: No such file"),
        "{stderr}"
    );
    let (status, _, stderr) = run(&["run", "--config", "/nowhere/vm.toml"]);
    assert_eq!(status, Some(2));
    assert!(
        stderr.contains("give a TOML file") && stderr.contains("No such file"),
        "{stderr}"
    );
}
