//! What the processors did, as columns for a person.

use super::words::percent;
use super::{Emulation, Exits, Instructions, OfCache, Profile, share};

/// Blocks that are shown.
const SHOWN: usize = 10;

/// How fast each processor was.
pub(super) fn speeds(each: &[Instructions]) -> Vec<String> {
    let speed = |one: &Instructions| {
        let (ran, cpu, mips, cpu_mips) = (one.ran_seconds?, one.cpu_seconds?, one.mips?, one.cpu_mips?);
        Some(format!(
            "  processor {:<3} {cpu_mips:>8.1} MIPS in the {cpu:>8.3} s that the host gave it, {mips:>8.1} in the {ran:>8.3} s that it ran",
            one.processor
        ))
    };
    each.iter().filter_map(speed).collect()
}

/// Why processors left the guest.
pub(super) fn exits(exits: &Exits) -> Vec<String> {
    let all = exits.all();
    let mut lines = vec![format!("exits from the guest: {all}")];
    for (count, name) in [
        (exits.hypercalls, "hypercall"),
        (exits.attention, "somebody wanted its attention"),
        (exits.withheld, "memory was withheld"),
        (exits.device_loads, "load from a device"),
        (exits.device_stores, "store to a device"),
        (exits.checkstops, "could not go on"),
    ] {
        if count > 0 {
            lines.push(counted(name, count, all));
        }
    }
    lines
}

/// What emulated processors did, and in which blocks.
pub(super) fn emulation(emulation: &Emulation, profile: Option<&Profile>) -> Vec<String> {
    let all = emulation.interrupts.iter().map(|interrupt| interrupt.count).sum();
    let mut lines = vec![format!("interrupts taken: {all}")];
    let mut interrupts: Vec<_> = emulation.interrupts.iter().collect();
    interrupts.sort_by_key(|interrupt| std::cmp::Reverse(interrupt.count));
    for interrupt in interrupts {
        let name = format!("{:#05x} {}", interrupt.vector, interrupt.name);
        lines.push(counted(&name, interrupt.count, all));
    }
    lines.extend(caches(&emulation.caches));
    let (slow, drops) = (&emulation.slow, &emulation.drops);
    lines.push(format!(
        "slow loads: {}, stores: {}; of them unaligned: {}, failed: {}; translations in real mode, of all accesses: {}",
        slow.loads, slow.stores, slow.unaligned, slow.failed, slow.real
    ));
    lines.push(format!(
        "SLB entries dropped: {}, translations found by their trails: {} in {} places; pages dropped: {}, all of real mode: {}, \
         everything: {}; rights to store revoked: {}",
        drops.segments,
        drops.trail_dropped,
        drops.trail_places,
        drops.pages,
        drops.real,
        drops.all,
        drops.stores_revoked
    ));
    let blocks = &emulation.blocks;
    lines.push(format!(
        "blocks decoded: {}, of {:.1} instructions; compiled: {}; dropped: {}, all at once: {}; code changed: {}; looked up: {}",
        blocks.decoded,
        share(blocks.instructions, blocks.decoded),
        blocks.compiled,
        blocks.evicted,
        blocks.emptied,
        blocks.code_changes,
        blocks.looked_up
    ));
    lines.extend(profile.into_iter().flat_map(executed));
    lines
}

fn caches(caches: &[OfCache]) -> Vec<String> {
    let title = |[name, lookups, hits, share, misses, filled, evicted]: [&str; 7]| {
        format!("{name:<34} {lookups:>14} {hits:>14} {share:>8} {misses:>12} {filled:>12} {evicted:>10}")
    };
    let mut lines = vec![title(["looked up", "times", "hits", "", "misses", "filled", "evicted"])];
    lines.extend(caches.iter().map(|cache| {
        let number = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let hits = cache.hits.zip(cache.lookups);
        let share = hits.map(|(hits, lookups)| percent(share(hits, lookups)));
        title([
            &format!("  {}", described(cache.name)),
            &number(cache.lookups),
            &number(cache.hits),
            &share.unwrap_or_default(),
            &cache.misses.to_string(),
            &number(cache.filled),
            &number(cache.evicted),
        ])
    }));
    lines
}

/// What a cache holds, by which key.
fn described(name: &str) -> &str {
    match name {
        "data" => "loads and stores, by page",
        "jumps" => "blocks, by effective address",
        "fetch" => "fetches, by page",
        "blocks" => "blocks, by real address",
        "segments" => "segments (SLB)",
        "pages" => "shadow of the table, by page",
        "table" => "the table itself (walks)",
        other => other,
    }
}

fn executed(profile: &Profile) -> Vec<String> {
    let shown = &profile.hot_blocks[..SHOWN.min(profile.hot_blocks.len())];
    let of_shown = shown.iter().map(|block| block.share).sum();
    let mut lines = vec![
        format!(
            "blocks executed: {}, of {:.1} instructions; {} by a way that was known",
            profile.entered,
            share(profile.instructions, profile.entered),
            percent(share(profile.chained, profile.entered))
        ),
        format!(
            "hot blocks: {} with {} of the instructions",
            shown.len(),
            percent(of_shown)
        ),
        format!(
            "  {:<18}   {:>8} {:>14} {:>14} {:>6}  begins with",
            "address", "share", "instructions", "entered", "length"
        ),
    ];
    lines.extend(shown.iter().map(|block| {
        format!(
            "  {:<18} {} {:>8} {:>14} {:>14} {:>6}  {}",
            block.address,
            if block.is_problem { 'u' } else { ' ' },
            percent(block.share),
            block.instructions,
            block.entered,
            block.length,
            block.begins_with.join("; ")
        )
    }));
    lines
}

fn counted(name: &str, count: u64, all: u64) -> String {
    format!("  {name:<32} {count:>14} {:>8}", percent(share(count, all)))
}

#[cfg(test)]
mod tests {
    use emulator::{Counts, Executed};

    use super::super::emulation::Hot;
    use super::*;

    #[test]
    fn a_run_that_did_nothing_divides_by_nothing() {
        let counts = Counts::default();
        let executed = Executed::default();
        let profile = Profile::new(&executed, &counts);
        let lines = emulation(&Emulation::new(&counts, Some(&executed.sums)), Some(&profile));
        assert!(lines.iter().all(|line| !line.contains("NaN")), "{lines:?}");
        assert!(lines.iter().any(|line| line == "interrupts taken: 0"), "{lines:?}");
    }

    #[test]
    fn columns_stand_below_one_another() {
        let mut counts = Counts {
            page_hits: 7_000_000_000,
            ..Counts::default()
        };
        counts.walks.hits = 3_000_000_000;
        let all = emulation(&Emulation::new(&counts, None), None);
        let (title, pages) = (
            all.iter().find(|line| line.starts_with("looked up")).unwrap(),
            all.iter().find(|line| line.starts_with("  shadow")).unwrap(),
        );
        for (name, value) in [
            ("times", "10000000000"),
            ("hits", "7000000000"),
            ("misses", "3000000000"),
        ] {
            let ends = |line: &str, word: &str| line.find(word).map(|at| at + word.len());
            assert_eq!(ends(title, name), ends(pages, value), "{title}\n{pages}");
        }
        assert!(pages.contains(" 70 % "), "{pages}");
        let data = all.iter().find(|line| line.starts_with("  loads")).unwrap();
        assert!(data.contains(" - "), "{data}");
    }

    #[test]
    fn the_hottest_ten_are_shown_with_their_share() {
        let hot = |n: u64| Hot {
            address: format!("{:#x}", n << 4),
            real: "0x0".to_owned(),
            is_problem: n == 0,
            length: 3,
            entered: 10,
            instructions: 5,
            share: 0.05,
            begins_with: vec!["nop".to_owned(), "blr".to_owned()],
        };
        let profile = Profile {
            entered: 200,
            chained: 50,
            instructions: 100,
            loads: 0,
            stores: 0,
            hot_blocks: (0..20).map(hot).collect(),
        };
        let lines = executed(&profile);
        assert_eq!(
            lines[0],
            "blocks executed: 200, of 0.5 instructions; 25 % by a way that was known"
        );
        assert_eq!(lines[1], "hot blocks: 10 with 50 % of the instructions");
        assert_eq!(lines.len(), 3 + 10);
        assert!(lines[3].starts_with("  0x0                u    5.0 % "), "{}", lines[3]);
        assert!(lines[3].ends_with("  nop; blr"), "{}", lines[3]);
    }

    #[test]
    fn only_exits_that_happened_are_told() {
        let lines = exits(&Exits {
            hypercalls: 3,
            attention: 1,
            ..Exits::default()
        });
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "exits from the guest: 4");
        assert!(
            lines[1].starts_with("  hypercall ") && lines[1].ends_with(" 75 %"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_speed_needs_a_time() {
        let one = Instructions {
            processor: 3,
            executed: 5_000_000,
            ran_seconds: Some(2.0),
            cpu_seconds: Some(1.0),
            mips: Some(2.5),
            cpu_mips: Some(5.0),
        };
        assert_eq!(
            speeds(&[one]),
            [
                "  processor 3        5.0 MIPS in the    1.000 s that the host gave it,      2.5 in the    2.000 s that it ran"
            ]
        );
        let untimed = Instructions {
            ran_seconds: None,
            cpu_seconds: None,
            mips: None,
            cpu_mips: None,
            processor: 3,
            executed: 5,
        };
        assert_eq!(speeds(&[untimed]), Vec::<String>::new());
    }
}
