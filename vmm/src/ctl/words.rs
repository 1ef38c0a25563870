//! Answers for people: short lines, names and numbers below each other.

use serde_json::Value;

use super::args::Command;
use crate::size::Size;

/// What is said of the answer to `command`.
pub(super) fn of(command: &Command, answer: &Value) -> String {
    match command {
        Command::Info => columns(&info(answer)),
        Command::Powerdown => "the guest is asked to shut down\n".to_owned(),
        Command::Reset => "the machine is started anew\n".to_owned(),
        Command::Pause | Command::Resume | Command::Stop => format!("{}\n", word(&answer["state"])),
        Command::Hpt => statistics(answer),
        Command::Metrics => word(answer),
        Command::Balloon { .. } => columns(&balloon(answer)),
        Command::Discard { force: false, .. } if answer["bytes"] == 0 => {
            "nothing discarded: the guest uses all of it, or has not said otherwise; --force discards what it uses\n"
                .to_owned()
        }
        Command::Discard { .. } => format!(
            "{} discarded, of them {} returned to the host; no part was out of use for more than {}\n",
            bytes(&answer["bytes"]),
            bytes(&answer["returned_bytes"]),
            seconds(&answer["longest_seconds"]),
        ),
        Command::Unmap { .. } => format!(
            "{} unmapped in {}: {}, {}, {} of {} at most\n",
            count(&answer["entries"], "entry", "entries"),
            seconds(&answer["seconds"]),
            count(&answer["flushes"], "flush", "flushes"),
            count(&answer["kicks"], "kick", "kicks"),
            count(&answer["steps"], "step", "steps"),
            seconds(&answer["longest_step_seconds"]),
        ),
        Command::Dirty { .. } => dirty(answer),
        Command::Watch { .. } => watch(answer),
        Command::Dump { path } => format!(
            "{}: {} of memory, of them {} written, in {}; nobody could store for {}\n",
            path.display(),
            bytes(&answer["bytes"]),
            bytes(&answer["written_bytes"]),
            seconds(&answer["seconds"]),
            seconds(&answer["paused_seconds"]),
        ),
    }
}

fn balloon(answer: &Value) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("in the balloon", bytes(&answer["bytes"])),
        row("wanted there", bytes(&answer["wanted_bytes"])),
        row("reported free", bytes(&answer["reported_bytes"])),
    ];
    let guest = &answer["guest"];
    let said = [
        ("guest's memory", "total_bytes"),
        ("free", "free_bytes"),
        ("available", "available_bytes"),
        ("caches", "cache_bytes"),
    ];
    let said = said.iter().filter(|(_, name)| guest[*name].is_u64());
    rows.extend(said.map(|(what, name)| row(what, bytes(&guest[*name]))));
    if guest.is_object() {
        rows.push(row("said ago", seconds(&guest["age_seconds"])));
    }
    rows
}

fn info(answer: &Value) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    vec![
        row("state", word(&answer["state"])),
        row("guest", word(&answer["guest"])),
        row("accelerator", word(&answer["accelerator"])),
        row("processors", word(&answer["processors"])),
        row("threads", word(&answer["threads"])),
        row("memory", bytes(&answer["memory_bytes"])),
        row("hpt order", word(&answer["hpt_order"])),
        row("uptime", seconds(&answer["uptime_seconds"])),
        row("pid", word(&answer["pid"])),
        row("version", word(&answer["version"])),
    ]
}

/// Each part of the statistics, with its name above it.
fn statistics(answer: &Value) -> String {
    let mut rows = vec![vec!["uptime".to_owned(), seconds(&answer["seconds"])]];
    for of in answer["instructions"].as_array().into_iter().flatten() {
        rows.push(vec![
            format!("instructions of processor {}", word(&of["processor"])),
            word(&of["executed"]),
        ]);
    }
    let mut text = columns(&rows);
    for (title, part) in [
        ("exits", &answer["exits"]),
        ("table", &answer["table"]),
        ("changes", &answer["changes"]),
        ("withheld memory", &answer["withheld"]),
    ] {
        text += &format!("\n{title}\n{}", columns(&numbers(part)));
    }
    let caches = answer["emulation"]["caches"].as_array().into_iter().flatten();
    let mut rows = vec![["cache", "hits", "misses"].map(str::to_owned).to_vec()];
    rows.extend(caches.map(|cache| ["name", "hits", "misses"].map(|field| word(&cache[field])).to_vec()));
    if rows.len() > 1 {
        text += &format!("\n{}", columns(&rows));
    }
    let calls = answer["hypercalls"]["calls"].as_array().into_iter().flatten();
    let mut rows = vec![["hypercall", "count", "time", "longest"].map(str::to_owned).to_vec()];
    rows.extend(calls.map(|call| {
        let (time, longest) = (seconds(&call["seconds"]), seconds(&call["longest_seconds"]));
        vec![word(&call["name"]), word(&call["count"]), time, longest]
    }));
    if rows.len() > 1 {
        text += &format!("\n{}", columns(&rows));
    }
    text
}

/// The numbers of a part, times with their unit; of a distribution what half and all of its values do not exceed.
fn numbers(part: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (name, value) in part.as_object().into_iter().flatten() {
        let (name, said) = unit(name);
        let value = match value {
            Value::Object(distribution) if distribution.get("count").is_some_and(|count| count != 0) => format!(
                "{}; half up to {}, all up to {}",
                word(&value["count"]),
                said(&value["median"]),
                said(&value["most"])
            ),
            Value::Object(_) => "0".to_owned(),
            Value::Array(counts) if counts.iter().all(Value::is_number) => {
                counts.iter().map(word).collect::<Vec<_>>().join(" ")
            }
            Value::Array(sizes) => {
                let size = |size: &Value| {
                    let (base, actual) = (bytes(&size["base_bytes"]), bytes(&size["actual_bytes"]));
                    format!("{} of {actual} in segments of {base}", word(&size["entries"]))
                };
                sizes.iter().map(size).collect::<Vec<_>>().join(", ")
            }
            value => said(value),
        };
        rows.push(vec![format!("  {}", name.replace('_', " ")), value]);
    }
    rows
}

/// The name of a number without its unit, and how the number is said.
fn unit(name: &str) -> (&str, fn(&Value) -> String) {
    if let Some(name) = name.strip_suffix("_seconds") {
        return (name, seconds);
    }
    if let Some(name) = name.strip_suffix("_ns") {
        return (name, |ns| seconds(&(ns.as_f64().unwrap_or(0.0) * 1e-9).into()));
    }
    (name, |value| match value.as_f64() {
        Some(share) if value.is_f64() => format!("{share:.6}"),
        _ => word(value),
    })
}

/// A number with what it counts.
fn count(value: &Value, one: &str, many: &str) -> String {
    format!("{} {}", word(value), if *value == 1 { one } else { many })
}

fn dirty(answer: &Value) -> String {
    let harvest = &answer["harvest"];
    if harvest.is_null() {
        let is_tracking = answer["is_tracking"] == true;
        return format!(
            "{}\n",
            if is_tracking {
                "stores are noted"
            } else {
                "stores are not noted"
            }
        );
    }
    let pages = harvest["pages"].as_u64().unwrap_or(0);
    let page_bytes = harvest["page_bytes"].as_u64().unwrap_or(0);
    let mut text = format!(
        "{} of {} stored to, {} in all; found in {}\n",
        count(&harvest["pages"], "page", "pages"),
        Size::from_bytes(page_bytes),
        Size::from_bytes(pages.saturating_mul(page_bytes)),
        seconds(&harvest["seconds"]),
    );
    let joined = harvest["joined_bytes"].as_u64().unwrap_or(0);
    if joined > 0 {
        text += &format!(
            "too many ranges to be told: those with less than {} between them are told as one\n",
            Size::from_bytes(joined),
        );
    }
    for range in harvest["ranges"].as_array().into_iter().flatten() {
        let start = range["start"].as_u64().unwrap_or(0);
        text += &format!("{start:#x}+{}\n", short(range["length"].as_u64().unwrap_or(0)));
    }
    text
}

fn watch(answer: &Value) -> String {
    let accesses = answer["accesses"].as_array().map_or(&[][..], Vec::as_slice);
    let (touched, told) = (answer["touched"].as_u64().unwrap_or(0), accesses.len() as u64);
    let mut text = format!(
        "{} of {} touched in {}\n",
        word(&answer["touched"]),
        count(&answer["frames"], "page of 4 KiB", "pages of 4 KiB"),
        seconds(&answer["seconds"]),
    );
    let row = |access: &Value| {
        let address = |name: &str| format!("{:#x}", access[name].as_u64().unwrap_or(0));
        let by = match &access["processor"] {
            Value::Null => "pteg itself".to_owned(),
            server => format!("processor {server} at {}", address("instruction")),
        };
        vec![
            address("real"),
            word(&access["access"]),
            by,
            seconds(&access["seconds"]),
        ]
    };
    text += &columns(&accesses.iter().map(row).collect::<Vec<_>>());
    if touched > told {
        text += &format!("and {} more; --most says how many are told\n", touched - told);
    }
    text
}

/// Rows with their columns below each other.
fn columns(rows: &[Vec<String>]) -> String {
    let most = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |n: usize| {
        let cells = rows.iter().filter_map(|row| row.get(n));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..most).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// A word or a number as it is.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn bytes(value: &Value) -> String {
    Size::from_bytes(value.as_u64().unwrap_or(0)).to_string()
}

/// Bytes, as a range is written: `64K`.
fn short(bytes: u64) -> String {
    let units = [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')];
    match units
        .iter()
        .find(|(shift, _)| bytes != 0 && bytes.is_multiple_of(1 << shift))
    {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

fn seconds(value: &Value) -> String {
    let seconds = value.as_f64().unwrap_or(0.0);
    match seconds {
        s if s >= 1.0 => format!("{s:.1} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_numbers_stand_below_each_other() {
        let info = json!({"state": "running", "memory_bytes": 1 << 30, "uptime_seconds": 12.34});
        let said = of(&Command::Info, &info);
        for line in [
            "state        running",
            "memory       1 GiB",
            "uptime       12.3 s",
            "pid          -",
        ] {
            assert!(said.lines().any(|said| said == line), "{line:?} is not in {said}");
        }
    }

    #[test]
    fn a_balloon_is_said_with_what_the_guest_has_said() {
        let mut report = json!({"bytes": 1 << 20, "wanted_bytes": 2 << 20, "reported_bytes": 0});
        let command = Command::Balloon { size: None };
        let rows = "in the balloon  1 MiB\nwanted there    2 MiB\nreported free   0 bytes\n";
        assert_eq!(of(&command, &report), rows);
        report["guest"] = json!({"age_seconds": 0.002, "free_bytes": 3 << 20});
        assert_eq!(
            of(&command, &report),
            format!("{rows}free            3 MiB\nsaid ago        2.0 ms\n")
        );
    }

    #[test]
    fn a_range_that_was_said_can_be_given_back() {
        let harvest = json!({"is_tracking": true, "harvest": {
            "pages": 18, "page_bytes": 4096, "seconds": 0.002,
            "ranges": [{"start": 0x1000_0000_u64, "length": 0x10000}, {"start": 4096, "length": 8192}]}});
        let command = Command::Dirty {
            start: false,
            stop: false,
        };
        let said = of(&command, &harvest);
        assert_eq!(
            said,
            "18 pages of 4 KiB stored to, 72 KiB in all; found in 2.0 ms\n0x10000000+64K\n0x1000+8K\n"
        );
        for range in said.lines().skip(1) {
            range.parse::<super::super::args::RangeArg>().unwrap();
        }
    }

    #[test]
    fn ranges_that_are_told_as_one_are_said_to_be() {
        let harvest = json!({"is_tracking": true, "harvest": {
            "pages": 2, "page_bytes": 4096, "seconds": 0.002, "joined_bytes": 8192,
            "ranges": [{"start": 0, "length": 12288}]}});
        let (start, stop) = (false, false);
        let said = of(&Command::Dirty { start, stop }, &harvest);
        assert!(
            said.ends_with("less than 8 KiB between them are told as one\n0x0+12K\n"),
            "{said}"
        );
    }

    #[test]
    fn one_is_one_and_no_bytes_are_told_why() {
        let unmapped = json!({"entries": 1, "seconds": 0.002, "flushes": 1, "kicks": 0, "steps": 2, "longest_step_seconds": 0.001});
        let ranges = Vec::new;
        let said = of(&Command::Unmap { ranges: ranges() }, &unmapped);
        assert_eq!(
            said,
            "1 entry unmapped in 2.0 ms: 1 flush, 0 kicks, 2 steps of 1.0 ms at most\n"
        );
        let discarded = json!({"bytes": 0, "returned_bytes": 0, "longest_seconds": 0.0});
        let said = |force| {
            of(
                &Command::Discard {
                    ranges: ranges(),
                    force,
                },
                &discarded,
            )
        };
        assert!(said(false).contains("--force") && said(true).starts_with("0 bytes discarded"));
    }

    #[test]
    fn times_have_their_unit_and_shares_few_digits() {
        let part = json!({"kicks_per_change": 0.000_029_517_681, "waited_seconds": 0.026_512, "longest_unmap_step_ns": 19_779,
            "wait_ns": {"count": 3, "median": 2047, "most": 33_554_431}});
        let mut said = numbers(&part);
        said.sort();
        let rows = [
            ["  kicks per change", "0.000030"],
            ["  longest unmap step", "20 µs"],
            ["  wait", "3; half up to 2 µs, all up to 33.6 ms"],
            ["  waited", "26.5 ms"],
        ];
        assert_eq!(said, rows.map(|row| row.map(str::to_owned).to_vec()));
    }

    #[test]
    fn who_touched_what_is_said_line_by_line_and_the_rest_is_counted() {
        let access = |real: u64, access: &str, by: [Value; 2]| json!({"real": real, "access": access, "processor": by[0], "instruction": by[1], "seconds": 0.002});
        let answer = json!({"seconds": 10.0, "frames": 16, "touched": 3, "accesses": [
            access(0x1000_0040, "store", [json!(1), json!(0xc000_0000_0000_1234_u64)]),
            access(0x8000, "load", [json!(null), json!(null)]),
        ]});
        let command = Command::Watch {
            ranges: Vec::new(),
            loads: false,
            seconds: 10.0,
            most: 2,
        };
        assert_eq!(
            of(&command, &answer),
            "3 of 16 pages of 4 KiB touched in 10.0 s\n\
             0x10000040  store  processor 1 at 0xc000000000001234  2.0 ms\n\
             0x8000      load   pteg itself                        2.0 ms\n\
             and 1 more; --most says how many are told\n"
        );
    }

    /// The statistics of a real machine.
    #[test]
    fn statistics_are_said_in_short_lines() {
        let machine = crate::test_machine::machine(1);
        let statistics = crate::run::Statistics::gather(&machine, 1);
        let said = of(&Command::Hpt, &serde_json::to_value(&statistics).unwrap());
        assert!(said.contains("\ntable\n") && said.contains("\nchanges\n"), "{said}");
        assert!(said.lines().all(|line| line.chars().count() < 80), "{said}");
    }
}
