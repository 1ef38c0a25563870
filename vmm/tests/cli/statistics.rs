//! `--stats` and `--stats-json`: a program of which it is known what it does, sums that must agree, every way in which a run
//! ends, and the document that says what the file holds.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::guest::{guest, spinning};
use crate::{finish, pteg, run, signal, wait_for_ready};

/// A loop of four instructions a thousand times round, and then 7 to the end.
const KNOWN: &str =
    "lis r8,4; li r7,1000; mtctr r7; again: ld r9,0(r8); addi r9,r9,1; std r9,8(r8); bdnz again; b power_off";
const EXECUTED: u64 = 3 + 4 * 1000 + 1 + 6;

fn arguments<'a>(kernel: &'a NamedTempFile, json: &'a Path) -> [&'a str; 8] {
    let (kernel, json) = (kernel.path().to_str().unwrap(), json.to_str().unwrap());
    [
        "run",
        "--mem",
        "16M",
        "--accel=emulated",
        "--kernel",
        kernel,
        "--stats-json",
        json,
    ]
}

fn read(json: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

fn number(value: &Value, pointer: &str) -> u64 {
    let number = value.pointer(pointer).and_then(Value::as_u64);
    number.unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
}

fn sum(value: &Value, list: &str, field: &str) -> u64 {
    let list = value.pointer(list).and_then(Value::as_array).unwrap();
    list.iter().map(|one| number(one, field)).sum()
}

fn cache<'a>(statistics: &'a Value, name: &str) -> &'a Value {
    let caches = statistics["emulation"]["caches"].as_array().unwrap();
    caches.iter().find(|cache| cache["name"] == name).unwrap()
}

/// What is counted at several places is the same at all.
fn assert_that_sums_agree(statistics: &Value) {
    assert_eq!(statistics["version"], 1);
    let executed = sum(statistics, "/instructions", "/executed");
    assert_eq!(number(statistics, "/profile/instructions"), executed, "{statistics:#}");
    assert_eq!(
        sum(statistics, "/profile/hot_blocks", "/instructions"),
        executed,
        "{statistics:#}"
    );
    let entered = number(statistics, "/profile/entered");
    assert_eq!(
        sum(statistics, "/profile/hot_blocks", "/entered"),
        entered,
        "{statistics:#}"
    );
    let looked_up = number(statistics, "/emulation/blocks/looked_up");
    assert_eq!(
        number(statistics, "/profile/chained") + looked_up,
        entered,
        "{statistics:#}"
    );
    for cache in statistics["emulation"]["caches"].as_array().unwrap() {
        let of = |field| number(cache, field);
        assert_eq!(of("/hits") + of("/misses"), of("/lookups"), "{cache}");
    }
    let calls = sum(statistics, "/hypercalls/calls", "/count");
    assert_eq!(number(statistics, "/exits/hypercalls"), calls, "{statistics:#}");
}

#[test]
fn a_known_program_is_counted_to_the_instruction() {
    let kernel = guest(KNOWN);
    let json = NamedTempFile::new().unwrap();
    let (status, _, errors) = run(&[&arguments(&kernel, json.path())[..], &["--stats"]].concat());
    assert_eq!(status, Some(0), "{errors}");
    let statistics = read(json.path());
    assert_that_sums_agree(&statistics);
    assert_eq!(number(&statistics, "/instructions/0/executed"), EXECUTED);
    assert_eq!(number(&statistics, "/profile/loads"), 1000);
    assert_eq!(number(&statistics, "/profile/stores"), 1000);
    // One page, which the first load makes known; real mode needs no table.
    let data = cache(&statistics, "data");
    assert_eq!((number(data, "/lookups"), number(data, "/misses")), (2000, 1));
    assert_eq!(number(cache(&statistics, "table"), "/lookups"), 0);
    let hottest = &statistics["profile"]["hot_blocks"][0];
    assert_eq!(hottest["address"], "0x1000c");
    assert_eq!(
        (number(hottest, "/entered"), number(hottest, "/instructions")),
        (999, 999 * 4 + 1)
    );
    assert_eq!(hottest["begins_with"][0], "ld r9,0(r8)");

    for line in [
        format!("pteg: instructions executed: {EXECUTED} (processor 0: {EXECUTED})"),
        "pteg: exits from the guest: 1".to_owned(),
        "pteg: interrupts taken: 0".to_owned(),
    ] {
        assert!(errors.lines().any(|said| said == line), "no {line:?} in {errors}");
    }
    let hottest = errors.lines().find(|line| line.contains("0x1000c")).unwrap();
    assert!(
        hottest.contains(" 100 % ") && hottest.contains(" ld r9,0(r8); "),
        "{hottest}"
    );
}

#[test]
fn without_a_profile_the_rest_is_told() {
    let kernel = guest(KNOWN);
    let json = NamedTempFile::new().unwrap();
    let (status, _, errors) = run(&[&arguments(&kernel, json.path())[..], &["--stats", "--no-profile"]].concat());
    assert_eq!(status, Some(0), "{errors}");
    assert!(
        errors.contains("interrupts taken: 0") && !errors.contains("hot blocks"),
        "{errors}"
    );
    let statistics = read(json.path());
    assert_eq!(number(&statistics, "/instructions/0/executed"), EXECUTED);
    assert_eq!(statistics["profile"], Value::Null);
    let data = cache(&statistics, "data");
    assert_eq!((&data["hits"], number(data, "/misses")), (&Value::Null, 1));
}

#[test]
fn two_processors_are_counted_together() {
    // start-cpu for processor 1, which executes the loop and stops itself; processor 0 waits for that, and powers off.
    let kernel = guest(
        "lis r4,start@h; ori r4,r4,start@l; lis r3,0; ori r3,r3,0xf000; sc 1
         lis r6,flag@h; ori r6,r6,flag@l
   wait: lwz r7,0(r6); cmpdi r7,0; beq wait; b power_off
  other: lis r8,4; li r7,1000; mtctr r7
  again: ld r9,0(r8); addi r9,r9,1; bdnz again
         lis r6,flag@h; ori r6,r6,flag@l; li r7,1; stw r7,0(r6); b stop_self
         .align 3
   flag: .long 0, 0
  start: .long 4, 3, 1, 1, other, 0, 0",
    );
    let json = NamedTempFile::new().unwrap();
    let (status, _, errors) = run(&[&arguments(&kernel, json.path())[..], &["--smp", "2"]].concat());
    assert_eq!(status, Some(0), "{errors}");
    let statistics = read(json.path());
    assert_that_sums_agree(&statistics);
    // Up to the store that processor 0 has seen, and perhaps the branch and five more to the call that stops it.
    let executed = number(&statistics, "/instructions/1/executed");
    let stored = 3 + 3 * 1000 + 4;
    assert!((stored..=stored + 7).contains(&executed), "{executed}");
}

#[test]
fn the_file_is_written_however_the_run_ends() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("stats.json");
    for (source, expected) in [
        ("b power_off", 0),
        ("b stop_self", 1),
        // There are no handlers: zeros are no instruction.
        (".long 0", 1),
    ] {
        let kernel = guest(source);
        let (status, _, errors) = run(&arguments(&kernel, &json));
        assert_eq!(status, Some(expected), "{errors}");
        assert_that_sums_agree(&read(&json));
        std::fs::remove_file(&json).unwrap();
    }
    let kernel = spinning();
    let socket = folder.path().join("vm.sock");
    let socket = socket.to_str().unwrap();
    for is_asked in [false, true] {
        let arguments = arguments(&kernel, &json);
        let mut child = pteg(&[&arguments[..], &["--control", socket]].concat())
            .spawn()
            .unwrap();
        wait_for_ready(&mut child);
        if is_asked {
            assert_eq!(run(&["ctl", socket, "stop"]).0, Some(0));
        } else {
            signal(&child, "TERM");
        }
        let (status, errors) = finish(child);
        assert_eq!(status.code(), Some(if is_asked { 0 } else { 128 + 15 }), "{errors}");
        let statistics = read(&json);
        assert_that_sums_agree(&statistics);
        std::fs::remove_file(&json).unwrap();
    }
}

/// Without the flags nobody pays for the counting of blocks.
#[test]
fn a_control_socket_alone_counts_no_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("vm.sock");
    let socket = socket.to_str().unwrap();
    let kernel = spinning();
    let kernel = kernel.path().to_str().unwrap();
    let arguments = [
        "run",
        "--mem",
        "16M",
        "--accel=emulated",
        "--kernel",
        kernel,
        "--control",
        socket,
    ];
    let mut child = pteg(&arguments).spawn().unwrap();
    wait_for_ready(&mut child);
    let caches = loop {
        let (status, said, errors) = run(&["ctl", socket, "hpt", "--json"]);
        assert_eq!(status, Some(0), "{errors}");
        let statistics: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(statistics["profile"], Value::Null);
        // It is there when the processor has been called out once.
        if statistics["emulation"] != Value::Null {
            break statistics;
        }
    };
    assert_eq!(cache(&caches, "data")["lookups"], Value::Null);
    assert!(number(cache(&caches, "jumps"), "/misses") > 0, "{caches:#}");
    signal(&child, "TERM");
    finish(child);
}

fn keys(value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                all.insert(name.clone());
                keys(value, all);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, all)),
        _ => {}
    }
}

/// Both ways: no field without a word about it, and no word about a field that is not there.
#[test]
fn the_document_names_the_fields_of_the_file() {
    // With a hypercall, and an interrupt whose handler is none.
    let kernel = guest("li r5,0; li r6,0x40; bl print; sc 0");
    let json = NamedTempFile::new().unwrap();
    run(&arguments(&kernel, json.path()));
    let mut written = BTreeSet::new();
    keys(&read(json.path()), &mut written);
    let document = include_str!("../../../docs/statistics.md");
    let (_, document) = document
        .split_once("\n## The file\n")
        .expect("it has a section of its own");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut described = BTreeSet::new();
    for row in rows {
        let names = row.split(" |").next().unwrap();
        described.extend(
            names
                .split('`')
                .step_by(2)
                .map(|path| path.trim_end_matches("[]").to_owned()),
        );
    }
    described.remove("");
    // Of a table with entries.
    for of_entries in ["base_bytes", "actual_bytes", "entries"] {
        written.insert(of_entries.to_owned());
    }
    let missing: Vec<_> = written.difference(&described).collect();
    assert!(missing.is_empty(), "not in docs/statistics.md: {missing:?}");
    let gone: Vec<_> = described.difference(&written).collect();
    assert!(gone.is_empty(), "only in docs/statistics.md: {gone:?}");
}
