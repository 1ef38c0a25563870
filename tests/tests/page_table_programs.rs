//! The guest programs that find stale translations and that tell what hypercalls cost: whether their lines can be believed.

use power::insn::Endian;
use tests::{Ended, Guest, write_program};

const ORDERS: [Endian; 2] = [Endian::Big, Endian::Little];

/// What the program said.
fn run(name: &str, endian: Endian, append: &str, flags: &[&str]) -> Ended {
    let file = write_program(name, endian);
    let path = file.path().to_str().expect("it is text");
    Guest::start([&["run", "--kernel", path, "--append", append], flags].concat()).finish()
}

fn verdict(ended: &Ended) -> &str {
    ended.output.lines().last().unwrap_or_default()
}

/// The numbers behind these words of a race's lines.
fn numbers<const N: usize>(ended: &Ended, words: [&str; N]) -> [u64; N] {
    let lines = ended.output.lines();
    let said: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("stale-translations: "))
        .flat_map(str::split_whitespace)
        .collect();
    words.map(|word| {
        let at = said.iter().position(|it| *it == word);
        let number = at.and_then(|at| said.get(at + 1)?.parse().ok());
        number.unwrap_or_else(|| panic!("no number behind {word:?} in\n{}\n{}", ended.output, ended.errors))
    })
}

/// A race of so many tries: of each kind that it looks for, how many it found.
fn race(endian: Endian, wanted: u64, append: &str, flags: &[&str]) -> ([u64; 4], Ended) {
    let ended = run("stale_translations", endian, &format!("tries={wanted} {append}"), flags);
    // Nothing is found in pages that nobody uses.
    let [tries, useful @ ..] = numbers(&ended, ["tries", "touched", "stored", "protected"]);
    assert_eq!(tries, wanted);
    assert!(useful.iter().all(|&tries| tries > 0), "{}", ended.output);
    (numbers(&ended, ["stale", "lost-r", "lost-c", "corrupted"]), ended)
}

#[test]
fn nothing_is_stale_lost_or_corrupted_when_a_page_goes_while_others_touch_it() {
    for endian in ORDERS {
        for flags in [["--smp", "2"], ["--smp", "3"]] {
            let (found, ended) = race(endian, 200, "", &flags);
            assert_eq!(found, [0; 4], "{}", ended.output);
            assert_eq!(verdict(&ended), "VERDICT stale_translations: pass");
        }
    }
}

/// Each kind of mistake, made on purpose, and nothing else; but a page that was not removed may be touched, and stored to,
/// after its R and C were read.
///
/// One try in 16 has the mistake, only a part of those shows it, and how large a part is the host's affair: whoever finds none tries again.
#[test]
fn the_race_finds_what_is_planted() {
    const RACES: u32 = 20;
    for endian in ORDERS {
        for (plant, kinds, what) in [
            ("plant=1", [Some(true), None, None, Some(false)], "something stale"),
            ("plant=2", [Some(false), Some(true), Some(true), Some(false)], "lost R"),
            (
                "plant=3",
                [Some(false), Some(false), Some(false), Some(true)],
                "a corrupted entry",
            ),
            (
                "plant=4",
                [Some(true), Some(false), Some(false), Some(false)],
                "something stale",
            ),
        ] {
            let is_found = (0..RACES).any(|_| {
                let (found, ended) = race(endian, 1200, plant, &["--smp", "2"]);
                let of_kind = |wanted| found.iter().zip(kinds).filter(move |(_, kind)| *kind == Some(wanted));
                assert!(
                    of_kind(false).all(|(&tries, _)| tries == 0),
                    "{plant}: {}",
                    ended.output
                );
                let is_found = of_kind(true).all(|(&tries, _)| tries > 0);
                let last = verdict(&ended);
                assert!(
                    !is_found || last.starts_with("VERDICT stale_translations: fail") && last.contains(what),
                    "{last}"
                );
                is_found
            });
            assert!(is_found, "{plant}");
        }
    }
}

#[test]
fn a_race_of_one_is_none() {
    let ended = run("stale_translations", Endian::Little, "", &["--smp", "1"]);
    assert_eq!(
        verdict(&ended),
        "VERDICT stale_translations: fail number of processors expected 0x2 got 0x1"
    );
}

/// The names of the operations whose costs were told, each with a time, for so many.
fn costs(ended: &Ended, operations: &str) -> Vec<String> {
    let costs = ended.output.lines().filter_map(|line| line.strip_prefix("cost "));
    costs
        .map(|cost| {
            let said: Vec<&str> = cost.split(' ').collect();
            let &[name, ticks, "per", count] = &*said else {
                panic!("{cost:?}")
            };
            assert!(ticks.parse::<u64>().is_ok_and(|ticks| ticks > 0), "{cost:?}");
            assert_eq!(count, operations, "{cost:?}");
            name.to_owned()
        })
        .collect()
}

#[test]
fn each_hypercall_has_its_cost() {
    const ALL: [&str; 11] = [
        "null",
        "enter-remove",
        "enter-touch-remove",
        "bulk-remove-4",
        "bulk-remove-4-touched",
        "block-remove-8",
        "block-remove-8-touched",
        "protect-touched",
        "read",
        "touch",
        "remove-touched-among-2048",
    ];
    for endian in ORDERS {
        let ended = run("hypercall_costs", endian, "ops=7 rounds=3", &[]);
        assert_eq!(costs(&ended, "7"), ALL);
        assert!(ended.output.contains("\nclock 512000000\r\n"), "{}", ended.output);
        assert_eq!(verdict(&ended), "VERDICT hypercall_costs: pass");

        let ended = run("hypercall_costs", endian, "ops=1 rounds=1", &["--hide", "block-remove"]);
        let expected = ALL.into_iter().filter(|name| !name.starts_with("block"));
        assert_eq!(costs(&ended, "1"), expected.collect::<Vec<_>>());
        assert_eq!(verdict(&ended), "VERDICT hypercall_costs: pass");
    }
}

/// The counts that `--stats` has are those of the operations that it says.
#[test]
fn the_costs_are_of_as_many_calls_as_they_say() {
    let ended = run("hypercall_costs", Endian::Little, "ops=10 rounds=4", &["--stats"]);
    let count = |name: &str| -> u64 {
        let lines = ended.errors.lines().map(str::split_whitespace);
        let mut words = lines.filter_map(|mut words| (words.nth(1) == Some(name)).then_some(words));
        let words = words.next().and_then(|mut words| words.next());
        words
            .and_then(|count| count.parse().ok())
            .unwrap_or_else(|| panic!("no {name}: {}", ended.errors))
    };
    assert_eq!(count("H_PROTECT"), 40);
    assert_eq!(count("H_READ"), 40);
    assert_eq!(count("H_BULK_REMOVE"), 80);
    assert_eq!(count("H_BLOCK_REMOVE"), 80);
    // Three operations of one page, and those whose page goes with another call's time.
    assert_eq!(count("H_REMOVE"), 6 * 40);
}

#[test]
fn a_wrong_number_is_told() {
    for append in ["ops=0", "rounds=0", "rounds=65"] {
        let ended = run("hypercall_costs", Endian::Big, append, &[]);
        assert!(
            verdict(&ended).starts_with("VERDICT hypercall_costs: fail "),
            "{append}: {}",
            ended.output
        );
    }
}
