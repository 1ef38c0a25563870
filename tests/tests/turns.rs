//! `pteg run --turns`: a run is a function of the seed and of what is loaded.

use std::collections::BTreeMap;
use std::fs;

use power::insn::Endian;
use serde_json::Value;
use tests::{Guest, write_program};

/// What is to be the same: all that the guest has said, which has its times and hashes of its hypercalls in it, and what pteg has counted.
#[derive(Debug, PartialEq)]
struct Seen {
    output: String,
    instructions: Vec<u64>,
    hypercalls: BTreeMap<String, u64>,
}

/// Runs the program `name` in turns.
fn run(name: &str, endian: Endian, processors: u32, turns: u64, append: &str) -> Seen {
    let file = write_program(name, endian);
    let path = file.path().to_str().expect("it is text");
    let statistics = tempfile::NamedTempFile::new().expect("a file can be made");
    let json = statistics.path().to_str().expect("it is text");
    let (processors, turns) = (processors.to_string(), turns.to_string());
    let ended = Guest::start([
        "run",
        "--accel",
        "emulated",
        "--mem",
        "128M",
        "--smp",
        &processors,
        "--turns",
        &turns,
        "--kernel",
        path,
        "--append",
        append,
        "--stats-json",
        json,
    ])
    .finish();
    assert_eq!(ended.status, Some(0), "{}\n{}", ended.output, ended.errors);
    assert!(
        ended.output.contains(&format!("VERDICT {name}: pass")),
        "{}",
        ended.output
    );
    let statistics: Value = serde_json::from_slice(&fs::read(statistics.path()).expect("it has been written"))
        .unwrap_or_else(|error| panic!("{error}"));
    let calls = statistics["hypercalls"]["calls"]
        .as_array()
        .expect("they are counted")
        .iter();
    let hypercalls = calls
        .map(|call| {
            let name = call["name"].as_str().expect("each has a name");
            (name.to_owned(), call["count"].as_u64().expect("each has a count"))
        })
        .collect();
    let processors = statistics["instructions"].as_array().expect("they are counted").iter();
    let instructions = processors
        .map(|processor| processor["executed"].as_u64().expect("each has a count"))
        .collect();
    Seen {
        output: ended.output,
        instructions,
        hypercalls,
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_another_seed_another() {
    for (processors, endian) in [
        (1, Endian::Big),
        (2, Endian::Little),
        (4, Endian::Big),
        (4, Endian::Little),
    ] {
        let stress = |turns| {
            // In this stream the table is resized twice.
            let append = "exact=1 ms=0 operations=800 resize=1 crowd=5 seed=37";
            run("stress", endian, processors, turns, append)
        };
        let first = stress(7);
        assert_eq!(first.hypercalls.get("H_RESIZE_HPT_COMMIT"), Some(&2), "{first:?}");
        assert_eq!(stress(7), first, "{processors} processors, {endian:?}");
        if processors > 1 {
            assert_ne!(stress(8), first, "{processors} processors, {endian:?}");
        }
    }
}

/// The programs themselves say whether clock, sleep and wake-ups are as they must be.
#[test]
fn guests_that_sleep_and_wait_for_one_another_run_in_turns_too() {
    for (name, processors) in [("decrementer", 1), ("smp", 4)] {
        let first = run(name, Endian::Little, processors, 1, "exact=1");
        assert_eq!(run(name, Endian::Little, processors, 1, "exact=1"), first, "{name}");
    }
}
