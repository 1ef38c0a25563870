//! How a run ends, and what pipes do to it.

use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use crate::guest::{echoing, guest, spinning};
use crate::{finish, pteg, run, signal, wait_for_ready, without_choice};

fn run_guest(source: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let kernel = guest(source);
    let mut args = vec!["run", "--mem", "16M", "--kernel", kernel.path().to_str().unwrap()];
    args.extend(more);
    let (status, stdout, stderr) = run(&args);
    (status, stdout, without_choice(&stderr))
}

#[test]
fn a_guest_that_powers_off_is_a_success_without_words() {
    let hello = "li r5,6; lis r6,text@h; ori r6,r6,text@l; bl print; b power_off; .align 3; text: .ascii \"hello\\n          \"";
    assert_eq!(run_guest(hello, &[]), (Some(0), "hello\n".into(), String::new()));
    assert_eq!(
        run_guest(hello, &["--smp", "64"]),
        (Some(0), "hello\n".into(), String::new())
    );
}

#[test]
fn the_built_in_program_says_hello() {
    let (status, stdout, stderr) = run(&["run", "hello"]);
    assert_eq!((status, without_choice(&stderr)), (Some(0), String::new()));
    assert_eq!(stdout.lines().last(), Some("VERDICT hello: pass"), "{stdout}");
}

#[test]
fn the_choice_of_accelerator_is_said_only_when_it_was_ours() {
    let kernel = guest("b power_off");
    let path = kernel.path().to_str().unwrap();
    let (_, _, stderr) = run(&["run", "--mem", "16M", "--kernel", path]);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("emulating"), "{stderr}");
    let (_, _, stderr) = run(&["run", "--mem", "16M", "--kernel", path, "--accel", "emulated"]);
    assert_eq!(stderr, "");
}

#[test]
fn the_executed_instructions_are_counted_on_request() {
    let kernel = guest("nop; nop; b power_off");
    let path = kernel.path().to_str().unwrap();
    let arguments = [
        "run", "--mem", "16M", "--kernel", path, "--accel", "emulated", "--stats",
    ];
    let (_, _, first) = run(&arguments);
    let line = |errors: &str| errors.lines().next().map(str::to_owned);
    assert!(first.starts_with("pteg: instructions executed: "), "{first}");
    assert!(
        first.contains("(processor 0: ") && !first.contains("processor 1"),
        "{first}"
    );
    let (_, _, second) = run(&arguments);
    assert_eq!(line(&first), line(&second));
    for text in [
        "hypercalls: ",
        "  H_RTAS ",
        "page table: order 18, 16384 entries, 0 valid",
        "grace periods: 0",
    ] {
        assert!(first.contains(text), "no {text:?} in {first}");
    }
}

/// The files are made even if the guest fails.
#[test]
fn statistics_and_a_page_are_written_on_request() {
    let kernel = guest("nop; nop; b power_off");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (json, page) = (path("stats.json"), path("hpt.html"));
    let (status, _, errors) = run(&[
        "run",
        "--mem",
        "16M",
        "--kernel",
        kernel.path().to_str().unwrap(),
        "--accel",
        "emulated",
        "--stats-json",
        &json,
        "--hpt-report",
        &page,
        "--check-duplicates",
        "--check-walkers",
    ]);
    assert_eq!(status, Some(0), "{errors}");
    let said: Vec<&str> = errors.lines().collect();
    assert_eq!(
        said,
        [
            "pteg: the guest mapped a page twice: never",
            "pteg: a processor held what the table does not say: never"
        ]
    );
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(json["table"]["order"], 18);
    assert_eq!(json["hypercalls"]["calls"][0]["name"], "H_RTAS");
    assert!(json["instructions"][0]["executed"].as_u64() > Some(2), "{json}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
}

/// Neither a closed stderr nor a report that cannot be written keeps the other report from its file.
#[test]
fn each_report_is_written_whatever_becomes_of_the_others() {
    let kernel = guest("b power_off");
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("hpt.html");
    let kernel = kernel.path().to_str().unwrap();
    let args = ["run", "--mem", "16M", "--kernel", kernel, "--stats", "--check-walkers"];
    let reports = ["--stats-json", "/dev/full", "--hpt-report", page.to_str().unwrap()];
    let (status, _, errors) = run(&[&args[..], &reports].concat());
    assert_eq!(status, Some(1), "{errors}");
    assert!(
        errors.contains("writing /dev/full: No space left on device"),
        "{errors}"
    );
    assert!(std::fs::read_to_string(&page).unwrap().ends_with("</html>\n"));

    std::fs::remove_file(&page).unwrap();
    let mut child = pteg(&[&args[..], &reports[2..]].concat()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(std::fs::read_to_string(&page).unwrap().ends_with("</html>\n"));
}

#[test]
fn a_request_for_a_page_never_ends_the_guest() {
    let chatter = "again: li r5,16; lis r6,text@h; ori r6,r6,text@l; bl print; b again; .align 3; text: .ascii \"ready\\n789abcde\\n\"";
    let kernel = guest(chatter);
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("hpt.html");
    let args = ["run", "--mem", "16M", "--kernel", kernel.path().to_str().unwrap()];
    let report = ["--hpt-report", page.to_str().unwrap()];
    for is_wanted in [false, true] {
        let more = if is_wanted { &report[..] } else { &[] };
        let mut child = pteg(&[&args[..], more].concat()).spawn().unwrap();
        wait_for_ready(&mut child);
        signal(&child, "USR1");
        signal(&child, "USR1");
        while is_wanted && !page.exists() {
            std::thread::yield_now();
        }
        let mut stderr = child.stderr.take().unwrap();
        let mut said = String::new();
        if !is_wanted {
            let mut byte = [0];
            while !said.ends_with("there is none\n") {
                assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{said}");
                said.push(byte[0].into());
            }
        }
        signal(&child, "TERM");
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(143), "{said}");
        assert_eq!(said.matches("--hpt-report").count(), usize::from(!is_wanted), "{said}");
    }
}

#[test]
fn a_guest_whose_processors_all_stopped_is_a_failure() {
    let (status, _, stderr) = run_guest("b stop_self", &["--smp", "2"]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("stopped itself"), "{stderr}");
}

#[test]
fn a_checkstop_shows_the_registers() {
    // Memory holds no interrupt handlers: zeros are no instruction.
    let (status, _, stderr) = run_guest("lis r17,0x1234; .long 0", &[]);
    assert_eq!(status, Some(1), "{stderr}");
    assert!(stderr.contains("processor 0 of the guest cannot go on"), "{stderr}");
    assert!(stderr.contains("12340000"), "{stderr}");
}

/// The handler of program interrupts, at 0x700, is made before the unknown instruction is met.
#[test]
fn an_unknown_instruction_is_named_at_the_end() {
    let source = "
        lis r3,handler@h; ori r3,r3,handler@l
        ld r4,0(r3); std r4,0x700(0); ld r4,8(r3); std r4,0x708(0)
        icbi 0,r3; isync
        .long 0x00000200
        .align 3
    handler: lis r5,power_off@h; ori r5,r5,power_off@l; mtctr r5; bctr";
    let (status, _, stderr) = run_guest(source, &[]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stderr.contains("0x00000200") && stderr.contains("once"), "{stderr}");
}

#[test]
fn the_guest_has_the_processor_that_the_user_names() {
    // What PVR says, after an instruction of ISA 3.0 on a POWER9.
    let source = "
        mfspr r9,287; srdi r9,r9,16; cmplwi r9,0x4e; bne eight
        addpcis r4,0; lis r6,text9@h; ori r6,r6,text9@l; b say
    eight: lis r6,text8@h; ori r6,r6,text8@l
    say: li r5,7; bl print; b power_off
        .align 3
    text8: .ascii \"POWER8\\n         \"
    text9: .ascii \"POWER9\\n         \"";
    for (arguments, chip) in [
        (&[][..], "POWER8"),
        (&["--cpu", "power8"], "POWER8"),
        (&["--cpu", "power9"], "POWER9"),
    ] {
        let expected = (Some(0), format!("{chip}\n"), String::new());
        assert_eq!(run_guest(source, arguments), expected);
    }
    let said = |arguments: &[&str]| {
        let kernel = guest("b power_off");
        let path = kernel.path().to_str().unwrap();
        run(&[&["run", "--mem", "16M", "--kernel", path], arguments].concat()).2
    };
    assert!(said(&["--cpu", "power9"]).starts_with("pteg: emulating POWER9 processors: "));
}

#[test]
fn signals_stop_the_guest_and_set_the_status() {
    let kernel = spinning();
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("QUIT", 3)] {
        let mut child = pteg(&["run", "--mem", "16M", "--kernel", kernel.path().to_str().unwrap()])
            .spawn()
            .unwrap();
        wait_for_ready(&mut child);
        signal(&child, name);
        let (status, stderr) = finish(child);
        assert_eq!((status.signal(), status.code()), (None, Some(128 + number)), "{stderr}");
        assert_eq!(stderr, format!("pteg: stopped by SIG{name}"));
    }
}

#[test]
fn a_script_drives_the_guest_through_a_pipe_and_its_end_does_not_stop_it() {
    let kernel = echoing();
    let mut child = pteg(&["run", "--mem", "16M", "--kernel", kernel.path().to_str().unwrap()])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // More than any queue on the way holds, with Ctrl-A among it.
    let text: Vec<u8> = (0..100_000_u32)
        .map(|n| if n % 7 == 0 { 1 } else { b'a' + (n % 16) as u8 })
        .collect();
    let mut pipe = child.stdin.take().unwrap();
    let sent = text.clone();
    let writer = std::thread::spawn(move || {
        pipe.write_all(&sent).unwrap();
        pipe.write_all(b"q").unwrap();
    });
    let mut echo = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut echo).unwrap();
    writer.join().unwrap();
    assert!(echo.strip_suffix(b"q") == Some(&text));
    assert_eq!(finish(child).0.code(), Some(0));
}

#[test]
fn output_that_nobody_takes_ends_the_run() {
    let chatter = "again: li r5,16; lis r6,text@h; ori r6,r6,text@l; bl print; b again; .align 3; text: .ascii \"0123456789abcde\\n\"";
    let kernel = guest(chatter);
    let args = ["run", "--mem", "16M", "--kernel", kernel.path().to_str().unwrap()];
    let mut child = pteg(&args).spawn().unwrap();
    drop(child.stdout.take());
    let (status, stderr) = finish(child);
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("writing the guest's output: Broken pipe"), "{stderr}");

    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (status, stderr) = finish(pteg(&args).stdout(full).spawn().unwrap());
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("No space left on device"), "{stderr}");
}

#[test]
fn a_reader_that_stalls_does_not_keep_a_signal_from_ending_the_run() {
    const TRIES: u32 = 100;
    let chatter = "again: li r5,16; lis r6,text@h; ori r6,r6,text@l; bl print; b again; .align 3; text: .ascii \"ready\\n789abcde\\n\"";
    let kernel = guest(chatter);
    // The processor may not have come to the word for which there is no room: then it returns, and nothing was tried.
    let was_stuck = (0..TRIES).any(|_| {
        let child = pteg(&["run", "--mem", "16M", "--kernel", kernel.path().to_str().unwrap()])
            .spawn()
            .unwrap();
        let pipe = child.stdout.as_ref().unwrap();
        let room = rustix::pipe::fcntl_getpipe_size(pipe).unwrap() as u64;
        while rustix::io::ioctl_fionread(pipe).unwrap() + 16 <= room {
            std::thread::yield_now();
        }
        signal(&child, "TERM");
        let (status, said) = finish(child);
        assert_eq!(status.code(), Some(143));
        said.contains("1 thread that runs processors did not return")
    });
    assert!(was_stuck);
}
