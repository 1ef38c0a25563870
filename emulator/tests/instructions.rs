//! Runs the instruction tests that are text files: `instructions/*.txt`, whose format is described
//! in `instructions/README.md`.

#[path = "instruction_text/execute.rs"]
mod execute;
#[path = "machine/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod machine;
#[path = "instruction_text/parse.rs"]
mod parse;

use std::path::Path;

use emulator::Compile;

/// Runs the tests of one file.
fn file(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/instructions")
        .join(name);
    let text = std::fs::read_to_string(&path).expect("the file can be read");
    let tests = parse::tests(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert!(!tests.is_empty(), "{name} has no tests");
    for compile in [Compile::Never, Compile::AtOnce] {
        let complaints = |test| execute::complaints(test, compile);
        let wrong: Vec<String> = tests.iter().flat_map(complaints).collect();
        assert!(
            wrong.is_empty(),
            "{name}, {compile:?}: {} wrong\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }
}

macro_rules! files {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            file(concat!(stringify!($name), ".txt"));
        })*

        #[test]
        fn every_file_is_run() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions");
            let names = std::fs::read_dir(folder).expect("the folder can be read");
            let names = names.map(|entry| entry.expect("an entry can be read").file_name());
            let texts = names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "txt"));
            assert_eq!(texts.count(), [$(stringify!($name)),*].len());
        }
    };
}

files! {
    branches
    breakpoints
    come_from
    decrementer
    doorbells
    event_branches
    facilities
    float_exceptions
    isa_3_0
    machine_state
    multiples
    narrow
    pairs
    performance_monitor
    priorities
    privileged
    reservations
    segments
    special_registers
    storage
    storage_keys
    system_calls
    traps
    vsx_memory
}
