//! The page as text: what stands in it, and that it is well formed.

use super::super::statistics::{Changes, Distribution, Occupancy, SizeOfPages, Withheld};
use super::*;

fn some() -> Statistics {
    Statistics {
        version: 1,
        seconds: 12.5,
        instructions: Vec::new(),
        exits: None,
        emulation: None,
        profile: None,
        hypercalls: Some(Hypercalls {
            processor_seconds: 2.0,
            calls: vec![super::super::statistics::Call {
                name: "H_ENTER",
                count: 1000,
                seconds: 0.5,
                share: 0.25,
                longest_seconds: 0.001,
                took_ns: Distribution::default(),
            }],
        }),
        withheld: Withheld::default(),
        table: Occupancy {
            order: 23,
            entries: 524_288,
            valid: 12_345,
            bolted: 1,
            secondary: 2,
            groups_by_valid_entries: [60_000, 5000, 500, 30, 5, 1, 0, 0, 0],
            sizes: vec![SizeOfPages {
                base_bytes: 4096,
                actual_bytes: 65_536,
                entries: 12_345,
            }],
            heat: (0..CELLS).map(|n| n as f32 / CELLS as f32).collect(),
        },
        changes: Changes {
            entered: 20_000,
            batch_sizes: Distribution {
                log2_counts: vec![4, 2, 0, 1],
                ..Distribution::default()
            },
            ..Changes::default()
        },
    }
}

/// Every element that is opened is closed in its turn.
#[track_caller]
fn assert_well_formed(html: &str) {
    const EMPTY: [&str; 4] = ["!doctype", "meta", "rect", "line"];
    let mut open = Vec::new();
    for tag in html.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '/']).next().unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{html}");
        } else if !EMPTY.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        } else {
            // A rectangle with a title inside is closed.
            if name == "rect" && !tag.ends_with('/') {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_shows_what_was_counted_and_needs_nothing_else() {
    let html = html(&some());
    for text in [
        "prefers-color-scheme",
        "8 MiB",
        "524\u{202f}288 entries",
        "12.5 s after the start",
        "H_ENTER",
        "25 %",
        "4–7",
        "64 KiB",
        "60\u{202f}000",
        "32 groups in a square",
    ] {
        assert!(html.contains(text), "no {text:?}");
    }
    for foreign in ["http:", "https:", "<script", "url(", "@import"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert_eq!(html.matches("class=\"heat\"").count(), CELLS + 9);
    assert_well_formed(&html);
}

#[test]
fn an_empty_run_makes_a_page_too() {
    let mut statistics = some();
    statistics.hypercalls = None;
    statistics.changes = Changes::default();
    statistics.table.valid = 0;
    statistics.table.sizes.clear();
    statistics.table.heat = vec![0.0; CELLS];
    let html = html(&statistics);
    assert!(!html.contains("NaN") && !html.contains("inf") && !html.contains("Hypercalls"));
    assert_well_formed(&html);
}
