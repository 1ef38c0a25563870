//! The page as text: what stands in it, that nothing of a guest's becomes a part of it, and that it is well formed.

use roxmltree::Document;

use super::super::record::tests::record;
use super::*;

/// The page, and the text that a reader sees of it.
fn page(records: &[Record]) -> (String, String) {
    let mut campaign = Campaign::new("pteg stress --vcpus 4".to_owned());
    records.iter().for_each(|record| campaign.add(record));
    let html = page::html(&campaign);
    // Of the elements that have no end in HTML there is this one alone.
    let mut xml = String::new();
    for (n, part) in html.replace("<!DOCTYPE html>", "").split("<meta").enumerate() {
        xml += if n == 0 {
            part
        } else {
            part.split_once('>').expect("it has an end").1
        };
    }
    let document = Document::parse(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
    let text = document
        .descendants()
        .filter(roxmltree::Node::is_text)
        .filter_map(|node| node.text())
        .collect();
    (html, text)
}

#[test]
fn the_page_shows_all_rounds_and_needs_nothing_else() {
    let (html, text) = page(&[record(7, Ok(300)), record(8, Ok(700))]);
    for expected in [
        "nothing found",
        "2 rounds so far",
        "pteg stress --vcpus 4",
        "H_REMOVE",
        "1\u{202f}000",
        "10 operations",
        // 1000 calls in four seconds of processors.
        "250",
        "from 1.0 µs to 2.0 µs",
        // 1250 for 2500 entries.
        "500processors made to leave the guest for 1000 entries",
        "Processors that a flush made leave the guest",
        "50 % valid",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    assert!(html.contains("prefers-color-scheme"));
    for foreign in ["http:", "https:", "<script", "url(", "@import", "NaN", "inf"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
}

#[test]
fn a_finding_comes_first_and_what_a_guest_says_is_text() {
    let hostile = "<script>alert('1')</script> & \"<b onload=x>\" </pre>";
    let (html, text) = page(&[record(7, Ok(300)), record(8, Err(hostile)), record(9, Ok(1))]);
    assert!(!html.contains("<script") && !html.contains("<b onload"));
    assert_eq!(
        text.matches(hostile).count(),
        4,
        "what was found, the program, the last calls, what pteg said"
    );
    let place = |expected: &str| {
        text.find(expected)
            .unwrap_or_else(|| panic!("{expected:?} is not in\n{text}"))
    };
    assert!(place("1 finding") < place(hostile) && place(hostile) < place("H_REMOVE"));
    assert!(place("pteg stress --seed 8") < place("H_REMOVE"));
}

#[test]
fn no_round_and_a_round_of_which_nothing_is_known_make_pages_too() {
    let (html, text) = page(&[]);
    assert!(text.contains("0 rounds") && !html.contains("NaN") && !html.contains("inf"));
    // There are no figures where every round has found something.
    assert!(!page(&[record(7, Err("it"))]).1.contains("operations"));
    let mut bare = record(7, Ok(0));
    bare.moments.clear();
    bare.hypercalls = None;
    let (html, text) = page(&[bare]);
    assert!(text.contains("None was timed") && !html.contains("NaN") && !html.contains("inf"));
}

/// What a power of two ends with may be longer than the longest.
#[test]
fn no_share_of_the_calls_takes_longer_than_the_longest() {
    let mut short = record(7, Ok(300));
    for calls in short.hypercalls.iter_mut().flat_map(|calls| calls.values_mut()) {
        calls.longest_seconds = 600e-9;
    }
    let (_, text) = page(&[short]);
    assert!(text.contains("600 ns600 ns600 ns"), "{text}");
}

#[test]
fn a_clock_of_instructions_makes_no_rates() {
    let mut turns = record(7, Ok(300));
    turns.turns = true;
    let (_, text) = page(&[record(8, Ok(700)), turns]);
    for rate in ["hypercalls a second on one processor", "of the processors' time", "250"] {
        assert!(!text.contains(rate), "{rate:?} is in\n{text}");
    }
    assert!(text.contains("took turns") && text.contains("2.0 ms–"), "{text}");
}

#[test]
fn findings_that_are_left_out_are_counted() {
    let records: Vec<_> = (0..73).map(|seed| record(seed, Err("it"))).collect();
    let (_, text) = page(&records);
    assert!(text.contains("the first 50 of 73 findings"), "{text}");
    assert_eq!(text.matches("Found with seed").count(), 50);
    assert!(!page(&records[..50]).1.contains("the first"));
}

/// However long a campaign is.
#[test]
fn a_page_does_not_grow_for_ever() {
    let bytes = |rounds: u64| {
        let records: Vec<_> = (0..rounds).map(|seed| record(seed, Err("it"))).collect();
        page(&records).0.len()
    };
    let (some, more) = (bytes(1000), bytes(4000));
    assert!(more < some + some / 2, "{some} {more}");
}
