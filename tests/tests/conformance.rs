//! `pteg conformance` as a user sees it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use roxmltree::{Document, Node};
use rustix::process::Signal;
use tests::{Guest, pteg, pteg_by_env};

fn conformance(arguments: &[&str]) -> Output {
    run(pteg(["conformance"].iter().chain(arguments)))
}

fn run(mut command: Command) -> Output {
    command.output().expect("pteg starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

/// Names of test points in the order of their numbers, each of which must be `ok`. Strict: nothing but the plan and points.
fn points(tap: &str) -> Vec<String> {
    let mut lines = tap.lines();
    assert_eq!(lines.next(), Some("TAP version 14"));
    let plan = lines.next().and_then(|line| line.strip_prefix("1.."));
    let count: usize = plan.expect("the plan is next").parse().expect("it ends with a number");
    let mut names = Vec::new();
    for line in lines {
        let rest = line.strip_prefix(&format!("ok {} - ", names.len() + 1));
        let name = rest.unwrap_or_else(|| panic!("not the next test point, or a failed one: {line}"));
        assert!(!name.contains('#'), "skipped, and nothing is to be here: {line}");
        names.push(name.to_owned());
    }
    assert_eq!(names.len(), count, "the plan");
    names
}

/// All of them, told in every form.
#[test]
fn every_case_passes_and_all_forms_tell_of_the_same_cases() {
    let folder = tempfile::tempdir().unwrap();
    let (tap, junit) = (folder.path().join("results.tap"), folder.path().join("results.xml"));
    let (tap_path, junit_path) = (tap.to_str().unwrap(), junit.to_str().unwrap());
    let flags = ["--accel", "emulated", "--patience", "900"];
    let output = conformance(&[&flags[..], &["--tap", tap_path, "--junit", junit_path]].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", text(&output.stderr));

    let listed = conformance(&["--list"]);
    let listed: Vec<&str> = text(&listed.stdout)
        .lines()
        .map(|line| line.split("  [").next().unwrap_or_default())
        .collect();
    assert!(listed.len() > 3000, "{} cases", listed.len());
    assert_eq!(
        listed.iter().collect::<BTreeSet<_>>().len(),
        listed.len(),
        "names are names"
    );
    let passed: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("pass  ")).collect();
    assert_eq!(passed, listed);
    let last: Vec<&str> = said.lines().last().unwrap_or_default().split_whitespace().collect();
    assert_eq!(last, ["all", &listed.len().to_string(), "0", "0"]);

    assert_eq!(points(&fs::read_to_string(&tap).unwrap()), listed);

    let xml = fs::read_to_string(&junit).unwrap();
    let document = Document::parse(&xml).expect("it is XML");
    let is_case = |node: &Node<'_, '_>| node.has_tag_name("testcase");
    let names: Vec<String> = document
        .descendants()
        .filter(is_case)
        .map(|case| {
            assert_eq!(case.children().count(), 0, "it says more than that it passed");
            let attribute = |name| case.attribute(name).unwrap_or_default();
            format!("{}/{}", attribute("classname"), attribute("name"))
        })
        .collect();
    assert_eq!(names, listed);
    for suite in document.descendants().filter(|node| node.has_tag_name("testsuite")) {
        let cases = suite.children().filter(is_case).count();
        assert_eq!(suite.attribute("tests"), Some(cases.to_string().as_str()));
        assert_eq!(
            (suite.attribute("failures"), suite.attribute("skipped")),
            (Some("0"), Some("0"))
        );
    }
}

#[test]
fn tap_on_stdout_is_all_that_is_there() {
    let output = conformance(&["--filter", "le-64k-1t/h_read/one/", "--tap", "-", "--accel", "emulated"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let names = points(text(&output.stdout));
    assert!(names.contains(&"le-64k-1t/h_read/one/valid".to_owned()), "{names:?}");
}

#[test]
fn cases_of_several_processors_are_skipped_where_there_is_one() {
    let flags = ["--accel", "emulated", "--vcpus", "1", "--filter", "le-4k-256m/h_prod/"];
    let output = conformance(&flags);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", text(&output.stderr));
    for line in [
        "pass  le-4k-256m/h_prod/itself_then_h_cede",
        "skip  le-4k-256m/h_prod/the_second/ceded: there are not as many processors as 2",
    ] {
        assert!(said.lines().any(|it| it == line), "{line:?} is not in\n{said}");
    }
}

#[test]
fn cases_of_several_processors_pass_with_eight() {
    let flags = ["--accel", "emulated", "--vcpus", "8", "--patience", "900"];
    let filters = ["--filter", "be-64k-1t/others/", "--filter", "be-4k-256m/h_prod/"];
    let output = conformance(&[&flags[..], &filters].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", text(&output.stderr));
    assert!(
        said.contains("pass  be-64k-1t/others/after_h_remove/while_stored"),
        "{said}"
    );
}

#[test]
fn xml_on_stdout_is_all_that_is_there() {
    let output = conformance(&[
        "--filter",
        "le-64k-1t/h_read/one/",
        "--junit",
        "-",
        "--accel",
        "emulated",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let document = Document::parse(text(&output.stdout)).expect("it is XML");
    let suite = document.root_element().first_element_child().expect("there is a suite");
    assert_eq!(suite.attribute("name"), Some("le-64k-1t"));
    assert!(suite.children().filter(|node| node.has_tag_name("testcase")).count() > 0);
}

#[test]
fn a_signal_ends_the_guest_and_all_forms_tell_what_was_done() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP")] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("temporary")).unwrap();
        let (tap, junit) = (path("results.tap"), path("results.xml"));
        let (stdout, its_stdout) = io::pipe().unwrap();
        let running = {
            // Whoever runs the tests may have it ignored.
            let mut command = pteg_by_env("--default-signal=HUP", ["conformance", "--accel", "emulated", "--tap"]);
            command.arg(&tap).arg("--junit").arg(&junit);
            command.env("TMPDIR", path("temporary"));
            Guest::spawn(command.stdin(Stdio::null()).stdout(its_stdout).stderr(Stdio::piped()))
        };
        let mut stdout = BufReader::new(stdout);
        let mut output = String::new();
        stdout.read_line(&mut output).unwrap();
        // It cannot end before the signal: nobody reads its lines, which are more than a pipe has room for.
        running.signal(signal);
        let rest = thread::spawn(move || io::read_to_string(stdout).unwrap());
        let ended = running.finish();
        output += &rest.join().unwrap();
        assert_eq!(ended.status, Some(128 + signal.as_raw()), "{output}\n{}", ended.errors);
        let done = output.lines().filter(|line| line.starts_with("pass  ")).count();
        let said = ended.errors.lines().last().unwrap_or_default();
        assert!(
            said.starts_with(&format!("pteg: stopped by {name}: {done} of ")) && said.ends_with(" cases were run"),
            "{said}"
        );
        assert!(!output.lines().any(|line| line.starts_with("FAIL  ")), "{output}");
        let tap = fs::read_to_string(tap).unwrap();
        assert_eq!(tap.lines().filter(|line| line.starts_with("ok ")).count(), done);
        assert_eq!(
            tap.lines().last(),
            Some(format!("Bail out! stopped by {name}").as_str())
        );
        let xml = fs::read_to_string(junit).unwrap();
        let document = Document::parse(&xml).expect("it is XML");
        let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
        assert_eq!(cases.count(), done);
        assert_eq!(
            fs::read_dir(path("temporary")).unwrap().count(),
            0,
            "what is left of it"
        );
    }
}

/// Whatever else of it cannot be written.
#[test]
fn the_file_for_junit_has_what_was_run_when_nobody_reads_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("results.xml");
    let (reader, its_stdout) = io::pipe().unwrap();
    drop(reader);
    let mut command = pteg("conformance --accel emulated --filter le-4k-1t/h_read/ --junit".split(' '));
    command
        .arg(&junit)
        .stdin(Stdio::null())
        .stdout(its_stdout)
        .stderr(Stdio::piped());
    let ended = Guest::spawn(&mut command).finish();
    assert_eq!(ended.status, Some(1), "{}", ended.errors);
    assert!(ended.errors.starts_with("pteg: writing results"), "{}", ended.errors);
    let xml = fs::read_to_string(junit).unwrap();
    let document = Document::parse(&xml).expect("it is XML");
    assert!(document.descendants().any(|node| node.has_tag_name("testcase")));
}

#[test]
fn filters_choose_by_any_of_their_texts() {
    let output = conformance(&[
        "--list",
        "--endian",
        "big",
        "--filter",
        "h_xirr/",
        "--filter",
        "h_read/one/empty",
    ]);
    let said = text(&output.stdout);
    let begin: Vec<&str> = said
        .lines()
        .map(|line| line.split("  [").next().unwrap_or_default())
        .collect();
    assert_eq!(begin.len(), 7, "{said}");
    for name in begin {
        assert!(name.starts_with("be-") && (name.contains("h_xirr/") || name.ends_with("h_read/one/empty")));
    }
}

#[test]
fn wrong_use_is_told_what_would_be_right() {
    for (arguments, right) in [
        (&["--filter", "no such case"][..], "--list"),
        (&["--endian", "middle"], "big or little"),
        (&["--page", "8K"], "4K, 64K or 16M"),
        (&["--segment", "1G"], "256M or 1T"),
        (&["--smp", "65"], "from 1 to 64"),
        (&["--patience", "0"], "1..=86400"),
        (&["--list", "--tap", "-"], "cannot be used with"),
        (&["--against", "bochs"], "qemu"),
        (
            &["--tap", "/nowhere/results.tap"],
            "--tap /nowhere/results.tap: give a file",
        ),
        (
            &["--junit", "/nowhere/results.xml"],
            "--junit /nowhere/results.xml: give a file",
        ),
        (&["--tap", "-", "--junit", "-"], "give the other a file"),
        (
            &["--tap", "/tmp/pteg.both", "--junit", "/tmp/pteg.both"],
            "--tap and --junit: both are /tmp/pteg.both; give each a file of its own",
        ),
    ] {
        let output = conformance(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.starts_with("pteg: ") && said.contains(right),
            "{arguments:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_program_goes_on_behind_the_first_cases_when_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("new/programs");
    let flags = ["--filter", "le-4k-1t/h_read/", "--emit-elf", programs.to_str().unwrap()];
    let output = conformance(&flags);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let elf = programs.join("conformance-le-4k-1t.elf");
    let count = text(&conformance(&["--list", "--filter", "le-4k-1t/h_read/"]).stdout)
        .lines()
        .count();
    for (from, left) in [(0, count), (2, count - 2), (count, 0), (count + 1, 0)] {
        let append = format!("exact=1 from={from}");
        let guest = Guest::start(["run", "--kernel", elf.to_str().unwrap(), "--append", &append]);
        let ended = guest.finish();
        let cases = ended
            .output
            .lines()
            .filter(|line| line.starts_with("CASE ") && line.ends_with(": pass"));
        assert_eq!(cases.count(), left, "{}", ended.output);
        assert_eq!(ended.output.lines().last(), Some("VERDICT conformance: pass"));
        assert_eq!(ended.status, Some(0), "{}", ended.errors);
    }
}

/// Writes a program. Another process does: a file that this one has open may be inherited by what another test starts, and cannot be executed then.
fn write_script(path: &Path, script: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"", "sh"]);
    let written = command.arg(path).arg(script).status();
    assert!(written.is_ok_and(|status| status.success()), "{}", path.display());
}

/// A program in the way of QEMU's that says these lines, and QEMU's name to who asks for its version.
fn fake_qemu(folder: &Path, lines: &str) {
    let path = folder.join("qemu-system-ppc64");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo QEMU emulator version 0; exit; fi\n\
         echo guest program conformance, little-endian\n{lines}\n"
    );
    write_script(&path, &script);
}

fn against_qemu(path: &str, filter: &str) -> Output {
    let mut command = pteg([
        "conformance",
        "--against",
        "qemu",
        "--accel",
        "emulated",
        "--filter",
        filter,
    ]);
    command.env("PATH", path);
    run(command)
}

#[test]
fn another_hypervisor_is_shown_beside_this_one() {
    let folder = tempfile::tempdir().unwrap();
    fake_qemu(
        folder.path(),
        "echo CASE h_clear_ref/of_none: fail: step 3: r3\n\
         echo CASE h_clear_ref/of_r: pass\n\
         echo CASE h_clear_ref/of_c: skip: it has none\n\
         exit",
    );
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    // The fourth case is left to a guest that has ended.
    let output = against_qemu(&path, "le-4k-1t/h_clear_ref/of_");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "pteg's own results count\n{said}");
    for line in [
        "QEMU: QEMU emulator version 0",
        "pass   FAIL   le-4k-1t/h_clear_ref/of_none",
        "              QEMU: step 3: r3",
        "pass   pass   le-4k-1t/h_clear_ref/of_r",
        "pass   skip   le-4k-1t/h_clear_ref/of_c",
        "pass   FAIL   le-4k-1t/h_clear_ref/of_r_and_c",
        "2 differences that are known, 0 that are new",
    ] {
        assert!(said.lines().any(|it| it == line), "{line:?} is not in\n{said}");
    }
    assert!(
        said.contains("known: there is neither H_CLEAR_REF nor H_CLEAR_MOD [LoPAR"),
        "{said}"
    );
    assert!(
        said.contains("QEMU: the guest did not come back: the hypervisor ended (exit status: 0)"),
        "{said}"
    );

    fake_qemu(folder.path(), "echo CASE h_read/one/empty: fail: step 2: r3");
    let output = against_qemu(&path, "le-4k-1t/h_read/one/empty");
    let said = text(&output.stdout);
    assert!(said.contains("new [LoPAR"), "{said}");
    assert!(
        said.ends_with("0 differences that are known, 1 that are new\n"),
        "{said}"
    );
}

#[test]
fn a_hypervisor_that_is_not_there_is_wrong_use() {
    let folder = tempfile::tempdir().unwrap();
    let output = against_qemu(folder.path().to_str().unwrap(), "le-4k-1t/h_read/one/empty");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no qemu-system-ppc64 in PATH") && said.contains("install it"),
        "{said}"
    );
}
