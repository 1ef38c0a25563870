//! The statistics as lines for a person.

use std::fmt::Write as _;

use super::{Changes, Distribution, Hypercalls, Instructions, Occupancy, Statistics, Withheld, columns, share};

impl Statistics {
    /// All of it, in lines.
    pub(in crate::run) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = instructions(&self.instructions).into_iter().collect();
        lines.extend(columns::speeds(&self.instructions));
        lines.extend(self.exits.iter().flat_map(columns::exits));
        lines.extend(self.hypercalls.iter().flat_map(hypercalls));
        lines.extend(withheld(&self.withheld));
        lines.extend(occupancy(&self.table));
        lines.extend(changes(&self.changes));
        let emulation = self.emulation.iter();
        lines.extend(emulation.flat_map(|emulation| columns::emulation(emulation, self.profile.as_ref())));
        lines
    }
}

/// Nothing where nobody counts them.
fn instructions(each: &[Instructions]) -> Option<String> {
    if each.is_empty() {
        return None;
    }
    let all: u64 = each.iter().map(|one| one.executed).sum();
    let each: Vec<String> = each
        .iter()
        .map(|one| format!("processor {}: {}", one.processor, one.executed))
        .collect();
    Some(format!("instructions executed: {all} ({})", each.join(", ")))
}

fn hypercalls(all: &Hypercalls) -> Vec<String> {
    let (count, seconds, share) = all.sum();
    let mut lines = vec![format!(
        "hypercalls: {count} in {seconds:.3} s, {} of the {:.3} s that the processors ran",
        percent(share),
        all.processor_seconds
    )];
    for call in &all.calls {
        lines.push(format!(
            "  {:<26} {:>10} {:>10.3} s {:>8}, longest {:>7}",
            call.name,
            call.count,
            call.seconds,
            percent(call.share),
            duration((call.longest_seconds * 1e9) as u64)
        ));
    }
    lines
}

/// Nothing where nothing was withheld.
fn withheld(withheld: &Withheld) -> Option<String> {
    let waits = distribution("waits for withheld memory", &withheld.wait_ns, duration)?;
    let longest = duration((withheld.longest_delay_seconds * 1e9) as u64);
    Some(format!("{waits}; longest delay of a processor: {longest}"))
}

fn occupancy(table: &Occupancy) -> Vec<String> {
    let mut line = format!(
        "page table: order {}, {} entries, {} valid ({})",
        table.order,
        table.entries,
        table.valid,
        percent(share(table.valid, table.entries))
    );
    if table.valid > 0 {
        write!(
            line,
            ": {} bolted, {} by the second hash",
            table.bolted,
            percent(share(table.secondary, table.valid))
        )
        .expect("a string takes everything");
    }
    vec![line]
}

fn changes(changes: &Changes) -> Vec<String> {
    let mut lines = vec![
        format!(
            "entered: {}, {} by the second hash; group full (H_PTEG_FULL): {}; evicted: {}",
            changes.entered,
            percent(share(changes.entered_secondary, changes.entered)),
            changes.group_full,
            changes.evicted
        ),
        format!(
            "removed: {}, protection changed: {}, R or C cleared: {}; {} of them had not been used and needed no flush",
            changes.removed,
            changes.protected,
            changes.cleared,
            percent(share(changes.untouched, changes.narrowing()))
        ),
        format!(
            "grace periods: {}, of them {} concerned nobody; processors left alone: {}, told: {}, kicked: {}, \
             kicked already: {}; kicks per change: {:.4}",
            changes.grace_periods,
            changes.nobody_concerned,
            changes.left_alone,
            changes.posted,
            changes.kicked,
            changes.joined,
            changes.kicks_per_change
        ),
    ];
    if changes.flushes > 0 {
        lines.push(format!(
            "flushes after them: {}, of them {} by errands; ranges taken from all processors: {}, everything dropped: {}",
            changes.flushes, changes.errands, changes.discarded, changes.flushed_all
        ));
    }
    lines.extend(distribution("entries per flush", &changes.batch_sizes, |entries| {
        entries.to_string()
    }));
    lines.extend(distribution("waits for processors", &changes.wait_ns, duration));
    if changes.flushed_early > 0 {
        lines.push(format!("flushed early, out of memory: {}", changes.flushed_early));
    }
    lines.push(format!(
        "resizes: {}, duplicates found: {}",
        changes.resizes, changes.duplicates
    ));
    lines
}

fn distribution(what: &str, values: &Distribution, unit: impl Fn(u64) -> String) -> Option<String> {
    Some(format!(
        "{what}: {}; half up to {}, 99 % up to {}, all up to {}",
        values.count,
        unit(values.median?),
        unit(values.percentile_99?),
        unit(values.most?)
    ))
}

/// A share in percent, with as many digits as tell something.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent > 0.0 && percent < 0.01 {
        "≤ 0.01 %".to_owned()
    } else if percent == 0.0 || percent >= 10.0 {
        format!("{percent:.0} %")
    } else if percent >= 1.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.2} %")
    }
}

/// Nanoseconds in a unit that suits them.
pub(crate) fn duration(ns: u64) -> String {
    let ns = ns as f64;
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    if value >= 10.0 || unit == "ns" {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_told_in_all_and_by_processor() {
        let each = [(0, 40), (2, 2)].map(|(processor, executed)| Instructions::new(processor, executed, None));
        assert_eq!(
            instructions(&each).as_deref(),
            Some("instructions executed: 42 (processor 0: 40, processor 2: 2)")
        );
        assert_eq!(instructions(&[]), None);
    }

    #[test]
    fn a_run_without_changes_divides_by_nothing() {
        let lines = changes(&Changes::default());
        assert!(lines.iter().all(|line| !line.contains("NaN")), "{lines:?}");
        assert!(lines[0].contains("entered: 0, 0 %"), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("waits")), "{lines:?}");
    }

    #[test]
    fn the_longest_delay_is_told_if_there_was_one() {
        assert_eq!(withheld(&Withheld::default()), None);
        let line = withheld(&Withheld {
            wait_ns: Distribution {
                count: 2,
                median: Some(1023),
                percentile_99: Some(2047),
                most: Some(2047),
                log2_counts: Vec::new(),
            },
            waited_seconds: 0.002,
            longest_delay_seconds: 0.0021,
        });
        let line = line.unwrap();
        assert!(
            line.starts_with("waits for withheld memory: 2; half up to 1.0 µs, "),
            "{line}"
        );
        assert!(line.ends_with("; longest delay of a processor: 2.1 ms"), "{line}");
    }

    #[test]
    fn times_and_shares_have_two_or_three_digits() {
        let times = [0, 999, 1024, 65535, 1 << 20, 3_000_000_000].map(duration);
        assert_eq!(times, ["0 ns", "999 ns", "1.0 µs", "66 µs", "1.0 ms", "3.0 s"]);
        let shares = [0.0, 0.000_01, 0.000_4, 0.012, 0.5].map(percent);
        assert_eq!(shares, ["0 %", "≤ 0.01 %", "0.04 %", "1.2 %", "50 %"]);
    }
}
