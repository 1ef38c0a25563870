//! The page's figures: a few large ones, and all of them with a sentence each.

use super::super::statistics::{Changes, Statistics, duration, percent, share};
use crate::page::grouped;

/// The figures that matter most.
pub(super) fn tiles(statistics: &Statistics) -> String {
    let (table, changes) = (&statistics.table, &statistics.changes);
    let wait = changes
        .wait_ns
        .median
        .map_or_else(|| "none".to_owned(), |ns| format!("≤ {}", duration(ns)));
    let tiles = [
        (percent(share(table.valid, table.entries)), "of the entries are valid"),
        (
            percent(share(table.secondary, table.valid)),
            "of them are in the group of their second hash",
        ),
        (
            percent(share(changes.untouched, changes.narrowing())),
            "of the removals and changes needed no flush",
        ),
        (
            format!("{:.3}", changes.kicks_per_change),
            "processors made to leave the guest for each removal or change",
        ),
        (wait, "waited by half of the flushes that waited"),
    ];
    let tile = |(figure, words): (String, &str)| format!("<div><b>{figure}</b>{words}</div>\n");
    let tiles: String = tiles.into_iter().map(tile).collect();
    format!("<section class=\"tiles\">\n{tiles}</section>\n")
}

/// All figures of what was done to the table.
pub(super) fn table(changes: &Changes) -> String {
    let row = |(name, value, words): (&str, u64, &str)| {
        format!(
            "<tr><td>{name}</td><td class=\"number\">{}</td><td class=\"words\">{words}</td></tr>\n",
            grouped(value)
        )
    };
    let rows: String = rows(changes).into_iter().map(row).collect();
    format!("<table>\n<tbody>\n{rows}</tbody>\n</table>\n")
}

fn rows(changes: &Changes) -> [(&'static str, u64, &'static str); 17] {
    [
        ("Entered", changes.entered, "Entries that the guest added with H_ENTER."),
        (
            "By the second hash",
            changes.entered_secondary,
            "Of them, those that went into the group of the second hash, mostly because the first was full.",
        ),
        (
            "Group full",
            changes.group_full,
            "Calls of H_ENTER that found no free entry (H_PTEG_FULL); the guest then tries the other group, or evicts.",
        ),
        (
            "Removed",
            changes.removed,
            "Entries that were taken out, alone, in bulk or in blocks.",
        ),
        (
            "Evicted",
            changes.evicted,
            "Of them, those that made room for another: H_REMOVE on condition that the entry is not bolted.",
        ),
        (
            "Protection changed",
            changes.protected,
            "Entries whose protection H_PROTECT has changed.",
        ),
        (
            "R or C cleared",
            changes.cleared,
            "Entries whose reference or change bit was cleared.",
        ),
        (
            "Unused",
            changes.untouched,
            "Of the entries removed or changed, those that no processor had used since they were entered: nobody holds \
             them, so nothing was flushed.",
        ),
        (
            "Grace periods",
            changes.grace_periods,
            "Flushes: each returned when no processor used the entries any more.",
        ),
        (
            "Of no concern",
            changes.nobody_concerned,
            "Of them, those that no processor had to hear of.",
        ),
        (
            "Left alone",
            changes.left_alone,
            "Processors, summed over the flushes, that could not hold any of the entries.",
        ),
        (
            "Told",
            changes.posted,
            "Processors that had to drop something; one that is outside the guest does so when it next enters.",
        ),
        (
            "Kicked",
            changes.kicked,
            "Of them, those that were inside the guest and were made to leave it.",
        ),
        (
            "Kicked already",
            changes.joined,
            "Of them, those that another flush was making leave: both waited for the same exit.",
        ),
        (
            "Flushed early",
            changes.flushed_early,
            "Times that a call flushed before it had gathered all, because the host gave no memory.",
        ),
        (
            "Resizes",
            changes.resizes,
            "Times that the guest got a table of another size.",
        ),
        (
            "Duplicates",
            changes.duplicates,
            "Pages that the guest entered while another entry mapped them; found with --check-duplicates only.",
        ),
    ]
}
