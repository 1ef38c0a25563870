//! `pteg stress`: it finds nothing where nothing is wrong, and everything that its guest does wrong on purpose.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use guest_images::stress::Round;
use power::insn::Endian;
use rustix::process::Signal;
use serde_json::Value;
use tests::{Ended, Guest, pteg, pteg_by_env, write_program};

fn stress(arguments: &[&str]) -> Ended {
    Guest::start([&["stress"], arguments].concat()).finish()
}

/// The first seed whose round has so many processors, this byte order, and a table that is resized or not.
fn seed(processors: u32, endian: Endian, resizes: bool) -> String {
    let fits = |seed: &u64| {
        let round = Round::of_seed(*seed, processors);
        (round.processors, round.endian, round.resizes) == (processors, endian, resizes)
    };
    (0..).find(fits).expect("there are seeds for all").to_string()
}

#[test]
fn nothing_is_found_on_one_two_and_four_processors_in_either_byte_order() {
    for processors in [1, 2, 4] {
        // The rounds of two processors are in one byte order.
        let rounds = [(Endian::Big, processors != 4), (Endian::Little, processors == 4)];
        for (endian, resizes) in rounds.into_iter().skip(usize::from(processors == 2)) {
            let (vcpus, seed) = (processors.to_string(), seed(processors, endian, resizes));
            let ended = stress(&[
                "--vcpus",
                &vcpus,
                "--seconds",
                "1",
                "--seed",
                &seed,
                "--accel",
                "emulated",
            ]);
            assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
            for text in ["nothing found", "H_REMOVE ", "H_BULK_REMOVE ", "H_BLOCK_REMOVE "] {
                assert!(ended.output.contains(text), "{text:?} is not in\n{}", ended.output);
            }
        }
    }
}

#[test]
fn nothing_is_found_while_the_host_unmaps_ranges_of_memory() {
    let unmaps = |seed: &u64| {
        let round = Round::of_seed(*seed, 2);
        round.processors == 2 && round.unmaps
    };
    let seed = (0..).find(unmaps).expect("there is one").to_string();
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("round.json");
    let json = file.to_str().expect("it is text");
    let ended = stress(&[
        "--vcpus", "2", "--rounds", "1", "--seed", &seed, "--accel", "emulated", "--json", json,
    ]);
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    assert!(ended.output.contains("ranges unmapped: "), "{}", ended.output);
    let round = fs::read_to_string(&file).expect("it has been written");
    let round: Value = serde_json::from_str(&round).expect("it is one line");
    for what in ["unmaps", "entries"] {
        assert!(round["taken"][what].as_u64() > Some(0), "{what}: {round}");
    }
}

#[test]
fn each_mistake_of_the_guests_own_is_found_and_found_again() {
    for (plant, what) in [
        ("stale", "through an entry that was gone"),
        ("lost-c", "C after a store"),
        ("foreign", "the memory of another page"),
        ("lost-r", "R after an access"),
    ] {
        // One processor: what it does is a function of the seed, and so is where it is found.
        let seed = seed(1, Endian::Little, false);
        let arguments = [
            "--vcpus", "1", "--seed", &seed, "--rounds", "1", "--accel", "emulated", "--plant", plant,
        ];
        let ended = stress(&arguments);
        assert_eq!(ended.status, Some(1), "{}\n{}", ended.output, ended.errors);
        let found = |ended: &Ended| {
            let line = ended.output.lines().find(|line| line.contains("FOUND by processor 0"));
            line.unwrap_or_else(|| panic!("nothing is found in\n{}", ended.output))
                .to_owned()
        };
        assert!(found(&ended).contains(what), "{}", ended.output);
        assert!(ended.output.contains("  processor 0 in operation "), "{}", ended.output);
        let again = ended
            .output
            .lines()
            .find_map(|line| line.strip_prefix("again: pteg stress "));
        let again: Vec<&str> = again.unwrap_or_default().split(' ').collect();
        assert_eq!(again, arguments);
        assert_eq!(found(&stress(&again)), found(&ended));
    }
}

#[test]
fn a_seed_is_the_same_stream_again_and_another_seed_another() {
    let file = write_program("stress", Endian::Big);
    let hash = |seed: &str| {
        let append = format!("exact=1 ms=0 operations=5000 resize=0 seed={seed}");
        let path = file.path().to_str().expect("it is text");
        let ended = Guest::start(["run", "--accel", "emulated", "--kernel", path, "--append", &append]).finish();
        assert_eq!(ended.status, Some(0), "{}", ended.errors);
        let hash = ended.output.lines().find_map(|line| line.split_once(" hash "));
        hash.unwrap_or_else(|| panic!("there is no hash in\n{}", ended.output))
            .1
            .to_owned()
    };
    let first = hash("1");
    assert_eq!(hash("1"), first);
    assert_ne!(hash("2"), first);
}

#[test]
fn processors_that_take_turns_find_nothing_where_nothing_is_wrong_and_do_the_same_again() {
    for resizes in [false, true] {
        let seed = seed(4, Endian::Big, resizes);
        let round = || {
            let directory = tempfile::tempdir().expect("a directory can be made");
            let file = directory.path().join("round.json");
            let ended = stress(&[
                "--vcpus",
                "4",
                "--threads",
                "1",
                "--rounds",
                "1",
                "--seed",
                &seed,
                "--accel",
                "emulated",
                "--json",
                file.to_str().expect("it is text"),
            ]);
            assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
            let text = fs::read_to_string(&file).expect("it has been written");
            let round: Value = serde_json::from_str(&text).expect("it is one line");
            // Its seconds are of a clock that counts instructions, and no rates are made of them.
            assert_eq!(round["turns"], true, "{round}");
            assert!(ended.output.contains("processors took turns"), "{}", ended.output);
            round["work"].clone()
        };
        let first = round();
        assert!(first["operations"].as_u64() > Some(0), "{first}");
        assert_eq!(round(), first);
    }
}

#[test]
fn what_is_found_in_turns_is_made_short_and_is_the_same_again() {
    let seed = seed(2, Endian::Little, false);
    let arguments = [
        "--vcpus",
        "2",
        "--seed",
        &seed,
        "--rounds",
        "1",
        "--accel",
        "emulated",
        "--threads",
        "1",
        "--plant",
        "stale",
    ];
    let ended = stress(&arguments);
    assert_eq!(ended.status, Some(1), "{}\n{}", ended.output, ended.errors);
    let (found, program) = ended
        .output
        .split_once("shrunk in ")
        .unwrap_or_else(|| panic!("it is not made short:\n{}", ended.output));
    assert!(found.contains(": FOUND by processor "), "{}", ended.output);
    let operations = program.lines().filter(|line| line.starts_with("  processor ")).count();
    assert!((1..=8).contains(&operations), "{}", ended.output);
    let again = program
        .lines()
        .find_map(|line| line.strip_prefix("again: pteg stress "));
    let again: Vec<&str> = again.unwrap_or_default().split(' ').collect();
    assert_eq!(again, arguments);
    assert_eq!(stress(&again).output, ended.output);
}

#[test]
fn a_round_is_a_line_of_json() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("rounds.json");
    let path = file.to_str().expect("it is text");
    let arguments = [
        "--vcpus",
        "2",
        "--seconds",
        "4",
        "--seed",
        "5",
        "--shard",
        "2/3",
        "--json",
        path,
        "--accel",
        "emulated",
    ];
    let ended = stress(&arguments);
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    let text = fs::read_to_string(&file).expect("it has been written");
    let rounds: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let seeds: Vec<_> = rounds.iter().map(|round| round["seed"].as_u64()).collect();
    assert_eq!(seeds, [Some(6), Some(9)]);
    for round in &rounds {
        assert_eq!((&round["version"], &round["passed"]), (&1.into(), &true.into()));
        assert!(round["finding"].is_null() && round["turns"] == false, "{round}");
        let processors = Round::of_seed(round["seed"].as_u64().unwrap_or_default(), 2).processors;
        assert_eq!(round["processors"], processors);
        for count in ["operations", "accesses", "judged", "faults"] {
            assert!(round["work"][count].as_u64() > Some(0), "{count}: {round}");
        }
        assert!(round["hypercalls"]["H_ENTER"]["count"].as_u64() > Some(0), "{round}");
        assert!(
            round["hypercalls"]["H_ENTER"]["seconds"].as_f64() > Some(0.0),
            "{round}"
        );
        // pteg times every call, also those that the guest makes while it does not count.
        let timed = round["hypercalls"]["H_ENTER"]["took_log2_ns"].as_array();
        let timed: u64 = timed.expect("they are timed").iter().filter_map(Value::as_u64).sum();
        assert!(
            Some(timed) >= round["hypercalls"]["H_ENTER"]["count"].as_u64(),
            "{round}"
        );
        let moments = round["moments"].as_array().expect("pteg has counted meanwhile");
        let last = moments.last().expect("there is one at the end at least");
        let hypercalls = |moment: &Value| moment["hypercalls"].as_u64();
        assert!(hypercalls(last) > Some(timed), "{round}");
        assert!(moments.is_sorted_by_key(hypercalls), "{round}");
        let seed = round["seed"].to_string();
        let again = round["again"].as_str().expect("it is text");
        assert!(again.starts_with("pteg stress ") && again.contains(&seed), "{again}");
    }

    let page = directory.path().join("rounds.html");
    let page_path = page.to_str().expect("it is text");
    let other = directory.path().join("planted.json");
    let other_path = other.to_str().expect("it is text");
    let mut planted = "--vcpus 1 --seed 1 --rounds 1 --plant lost-r --accel emulated --json"
        .split(' ')
        .collect::<Vec<_>>();
    planted.extend([other_path, "--report", page_path]);
    assert_eq!(stress(&planted).status, Some(1));
    let html = fs::read_to_string(&page).expect("it has been written");
    assert!(
        html.contains("1 finding") && html.contains("1 round, ended by the finding."),
        "{html}"
    );

    // Both files together, by whoever has them.
    let ended = stress(&["--from", path, other_path, "--report", page_path]);
    assert_eq!(ended.status, Some(1), "{}\n{}", ended.output, ended.errors);
    assert!(
        ended.output.contains("3 rounds, 1 of them FOUND something"),
        "{}",
        ended.output
    );
    let again = "pteg stress --vcpus 1 --seed 1 --rounds 1 --accel emulated --plant lost-r";
    assert!(ended.output.contains(&format!("again: {again}")), "{}", ended.output);
    let html = fs::read_to_string(&page).expect("it has been written");
    for text in [
        "Found with seed 1",
        "R after an access",
        again,
        "H_BULK_REMOVE",
        "3 rounds, as other runs",
    ] {
        assert!(html.contains(text), "{text:?} is not in\n{html}");
    }
    let ended = stress(&["--from", path]);
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    assert!(ended.output.starts_with("2 rounds, nothing found"), "{}", ended.output);

    let text = fs::read_to_string(&other).expect("it has been written");
    let round: Value = serde_json::from_str(&text).expect("it is one line");
    assert_eq!((&round["passed"], &round["work"]), (&false.into(), &Value::Null));
    let finding = round["finding"]["what"].as_str();
    assert!(
        finding.is_some_and(|what| what.contains("R after an access")),
        "{round}"
    );
    assert!(
        round["finding"]["last_calls"]
            .as_array()
            .is_some_and(|calls| !calls.is_empty()),
        "{round}"
    );
}

/// A signal to all of its process group, as Ctrl-C is one and the end of a terminal, which `nohup` has it ignore.
#[test]
fn a_signal_ends_the_guest_and_what_was_done_is_told() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("temporary")).expect("it can be made");
    let (json, page) = (path("rounds.json"), path("rounds.html"));
    let arguments = "stress --vcpus 2 --seconds 1000000 --seed 5 --accel emulated";
    let mut command = pteg_by_env("--ignore-signal=HUP", arguments.split(' '));
    command.arg("--json").arg(&json).arg("--report").arg(&page);
    command.env("TMPDIR", path("temporary")).process_group(0);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Guest::spawn(&mut command);
    running.wait_for("nothing found\n");
    // Many, so that one comes while a guest runs, whatever else goes on between two of them.
    for _ in 0..20 {
        running.signal_group(Signal::HUP);
        thread::sleep(Duration::from_millis(50));
    }
    running.wait_for("nothing found\n");
    running.signal_group(Signal::INT);
    let ended = running.finish();
    assert_eq!(ended.status, Some(128 + 2), "{}\n{}", ended.output, ended.errors);
    assert!(ended.errors.ends_with("pteg: stopped by SIGINT\n"), "{}", ended.errors);
    assert!(!ended.output.contains("FOUND"), "{}", ended.output);
    let text = fs::read_to_string(json).expect("it has been written");
    let rounds = text.lines().count();
    for line in text.lines() {
        let round: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(round["passed"], true, "{line}");
    }
    assert!(
        rounds > 1 && ended.output.contains(&format!("\n{rounds} rounds, nothing found\n")),
        "{}",
        ended.output
    );
    let html = fs::read_to_string(page).expect("it has been written");
    assert!(html.contains(&format!("{rounds} rounds, stopped by SIGINT.")), "{html}");
    let left: Vec<_> = fs::read_dir(path("temporary")).expect("it is there").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_counted_comes_as_lines_while_a_guest_runs() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let (series, program) = (directory.path().join("series"), write_program("stress", Endian::Big));
    let mut command = pteg("run --accel emulated --smp 2 --append ms=500 --stats-every 20 --stats-series".split(' '));
    command.arg(&series).arg("--kernel").arg(program.path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ended = Guest::spawn(&mut command).finish();
    assert_eq!(ended.status, Some(0), "{}", ended.errors);
    let text = fs::read_to_string(series).expect("it has been written");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(lines.is_sorted_by_key(|line| (line["seconds"].as_f64(), line["changes"]["entered"].as_u64())));
    let last = lines.last().expect("there is one at the end");
    assert!(
        last["changes"]["entered"].as_u64() > Some(0) && last["changes"]["removed"].as_u64() > Some(0),
        "{last}"
    );
    let sum = |list: &Value| {
        list.as_array()
            .map(|all| all.iter().filter_map(Value::as_u64).sum::<u64>())
    };
    let groups = last["table"]["entries"].as_u64().map(|entries| entries / 8);
    assert_eq!(sum(&last["table"]["groups_by_valid_entries"]), groups, "{last}");
}

/// Of a device that takes nothing, as a disk does that is full.
#[test]
fn files_that_take_nothing_cost_neither_a_finding_nor_what_was_done() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let page = directory.path().join("rounds.html");
    let page = page.to_str().expect("it is text");
    let common = ["--vcpus", "1", "--seed", "1", "--seconds", "1", "--accel", "emulated"];
    let run = |flags: &[&str]| stress(&[&common[..], flags].concat());

    let ended = run(&["--plant", "lost-r", "--json", "/dev/full"]);
    assert_eq!(ended.status, Some(1), "{}\n{}", ended.output, ended.errors);
    assert!(
        ended.output.contains(": FOUND ") && ended.output.contains("again: "),
        "{}",
        ended.output
    );
    assert!(ended.errors.contains("pteg: writing /dev/full: "), "{}", ended.errors);

    let ended = run(&["--json", "/dev/full", "--report", page]);
    assert_eq!(ended.status, Some(1), "{}\n{}", ended.output, ended.errors);
    assert!(ended.output.contains("\n1 round, nothing found\n"), "{}", ended.output);
    assert!(ended.errors.contains("pteg: writing /dev/full: "), "{}", ended.errors);
    let html = fs::read_to_string(page).expect("it has been written");
    assert!(
        html.contains("1 round, ended by an error: writing /dev/full: "),
        "{html}"
    );

    let ended = run(&["--report", "/dev/full"]);
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    assert_eq!(
        ended.errors.matches("pteg: writing /dev/full: ").count(),
        1,
        "{}",
        ended.errors
    );
}

#[test]
fn a_temporary_folder_with_too_long_a_path_is_told_before_anything_is_run() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let long = directory.path().join("x".repeat(100));
    fs::create_dir(&long).expect("a directory can be made");
    let mut command = pteg(["stress", "--rounds", "1", "--accel", "emulated"]);
    let ended = command.env("TMPDIR", &long).output().expect("it can be run");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(2), 0), "{said}");
    assert!(
        said.starts_with("pteg: TMPDIR ") && said.contains("give a shorter one"),
        "{said}"
    );
}

#[test]
fn wrong_use_is_told_what_would_be_right() {
    for (arguments, right) in [
        (&["--vcpus", "0"][..], "from 1 to 16"),
        (&["--vcpus", "17"], "from 1 to 16"),
        (&["--seed", "1", "--shard", "3/2"], "2/8"),
        (&["--shard", "1/2"], "--seed"),
        (&["--rounds", "0"], "--rounds"),
        (&["--seconds", "0"], "--seconds"),
        (&["--plant", "nonsense"], "stale"),
        (&["--threads", "2"], "give 1"),
        (&["--threads", "1", "--accel", "kvm"], "--threads 1"),
        (&["--json", "/nowhere/rounds.json"], "--json /nowhere/rounds.json"),
        (
            &["--report", "/nowhere/rounds.html"],
            "--report /nowhere/rounds.html: give a file",
        ),
        (
            &["--from", "/nowhere/rounds.json"],
            "--from /nowhere/rounds.json: give a file",
        ),
        (&["--from", "/dev/null", "--seed", "1"], "cannot be used with"),
        (
            &["--json", "/tmp/pteg.both", "--report", "/tmp/pteg.both"],
            "--json and --report: both are /tmp/pteg.both; give each a file of its own",
        ),
        (
            &["--from", "/dev/null", "/tmp/pteg.both", "--report", "/tmp/./pteg.both"],
            "--from and --report: both are /tmp/./pteg.both; give each a file of its own",
        ),
        (
            &["--from", "/dev/null", "/dev/zero", "/dev/../dev/null"],
            "--from /dev/../dev/null: the same file is given twice",
        ),
    ] {
        let ended = stress(arguments);
        assert_eq!(ended.status, Some(2), "{arguments:?}: {}", ended.errors);
        assert!(
            ended.errors.starts_with("pteg: ") && ended.errors.contains(right),
            "{arguments:?}: {}",
            ended.errors
        );
        assert_eq!(ended.output, "", "{arguments:?}");
    }
}
