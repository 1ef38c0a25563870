//! The page. It is a template that escapes whatever is put into it: what a guest says may be anything.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::record::Record;
use super::super::round::Calls;
use super::campaign::{Campaign, Row};
use super::charts::{curve, heat, latencies, short};
use super::timeline::Span;
use crate::page::{Column, Columns, STYLE, grouped};
use crate::run::{duration, percent};

/// The whole page.
pub(super) fn html(campaign: &Campaign) -> String {
    let spans = campaign.timeline.spans();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "pteg stress: " (verdict(campaign)) }
                style { (PreEscaped(STYLE)) (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main {
                    (heading(campaign))
                    @for finding in &campaign.findings { (found(finding)) }
                    @if campaign.summary.found > campaign.findings.len() as u64 {
                        p.quiet { "These are the first " (campaign.findings.len()) " of " (grouped(campaign.summary.found)) " findings." }
                    }
                    @if campaign.summary.rounds > campaign.summary.found {
                        (tiles(campaign))
                        (throughput(campaign))
                        (section(
                            "How long hypercalls took",
                            "A column for each power of two. Heights are logarithms, so that one call in a million is seen. What the host gave to others \
                             in the midst of a call is in its time.",
                            &html! { div.scroll { (latencies(calls(campaign))) } },
                        ))
                    }
                    (section(
                        "How full the table was, and where",
                        "From left to right the rounds, one behind the other; from top to bottom the table in equal parts. The stronger the colour, the more \
                         of a part's entries were valid. Rounds have tables of different sizes.",
                        &html! { div.scroll { (heat(spans)) } },
                    ))
                    (occupancy(&campaign.groups))
                    (over_time(spans))
                    (rounds(campaign))
                }
            }
        }
    };
    page.into_string()
}

fn verdict(campaign: &Campaign) -> String {
    match campaign.summary.found {
        0 => "nothing found".to_owned(),
        1 => "1 finding".to_owned(),
        more => format!("{more} findings"),
    }
}

/// A part of the page with its heading, a sentence or two, and what it shows.
fn section(title: &str, words: &str, content: &Markup) -> Markup {
    html! {
        section {
            h2 { (title) }
            @if !words.is_empty() { p { (words) } }
            (content)
        }
    }
}

fn heading(campaign: &Campaign) -> Markup {
    let rounds = campaign.summary.rounds;
    let s = if rounds == 1 { "" } else { "s" };
    html! {
        h1 { "pteg stress: " @if campaign.summary.found > 0 { b.bad { (verdict(campaign)) } } @else { (verdict(campaign)) } }
        p.lead {
            (grouped(rounds)) " round" (s)
            @match &campaign.ended {
                Some(why) => { ", " (why) "." },
                None => { " so far." },
            }
        }
        pre { (campaign.command) }
    }
}

/// A finding with what is needed to see it again.
fn found(record: &Record) -> Markup {
    let Some(finding) = &record.finding else {
        return html! {};
    };
    html! {
        section.found {
            h2 { "Found with seed " (record.seed) }
            p { (finding.what) }
            p.quiet { (record.round()) }
            h3 { "Again" }
            pre { (record.again) }
            @if !finding.program.is_empty() {
                h3 { "A short program that finds it" }
                pre { @for line in &finding.program { (line) "\n" } }
            }
            @if !finding.last_calls.is_empty() {
                h3 { "The last hypercalls of each processor, the oldest first" }
                pre { @for call in &finding.last_calls { (call) "\n" } }
            }
            @if !finding.complaints.is_empty() {
                h3 { "What pteg said" }
                pre { (finding.complaints) }
            }
        }
    }
}

/// The figures that matter most.
fn tiles(campaign: &Campaign) -> Markup {
    let work = &campaign.summary.work;
    let whole = campaign.timeline.whole();
    let of = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let made: u64 = campaign.summary.hypercalls.values().map(|calls| calls.count).sum();
    let mut tiles = vec![
        (short(work.operations as f64), "operations"),
        (
            percent(of(work.judged as f64, work.accesses as f64)),
            "of the accesses had an outcome that was certain beforehand",
        ),
        (
            short(1000.0 * of(whole.kicked as f64, whole.changed as f64)),
            "processors made to leave the guest for 1000 entries removed or changed",
        ),
    ];
    if !campaign.summary.has_turns {
        let rates = [
            (
                short(of(made as f64, work.processor_seconds)),
                "hypercalls a second on one processor",
            ),
            (
                percent(of(work.in_hypercalls_seconds, work.processor_seconds)),
                "of the processors' time in hypercalls",
            ),
        ];
        tiles.splice(2..2, rates);
    }
    html! {
        section.tiles {
            @for (figure, words) in &tiles { div { b { (figure) } (words) } }
        }
    }
}

/// The hypercalls, the most frequent first.
fn calls(campaign: &Campaign) -> impl Iterator<Item = (&str, &Calls)> + Clone {
    let mut calls: Vec<_> = campaign
        .summary
        .hypercalls
        .iter()
        .map(|(name, calls)| (name.as_str(), calls))
        .collect();
    calls.sort_by_key(|(_, calls)| std::cmp::Reverse(calls.count));
    calls.into_iter()
}

fn throughput(campaign: &Campaign) -> Markup {
    let has_turns = campaign.summary.has_turns;
    let seconds = campaign.summary.work.processor_seconds.max(f64::MIN_POSITIVE);
    let most = calls(campaign).map(|(_, calls)| calls.count).max().unwrap_or(0).max(1);
    let table = html! {
        div.scroll { table {
            thead { tr {
                th { "Call" } th.number { "Count" } th.number { "Mean" } th.number { "Half up to" } th.number { "99 % up to" }
                th.number { "Longest" } th.number { "A second on one" } th {}
            } }
            tbody { @for (name, calls) in calls(campaign) { tr {
                @let timed = calls.timed();
                td { code { (name) } }
                td.number { (grouped(calls.count)) }
                td.number { (duration((calls.seconds * 1e9) as u64 / calls.count.max(1))) }
                // The end of a power of two may lie behind the longest.
                @let longest = (calls.longest_seconds * 1e9) as u64;
                @let quantile = |share| timed.quantile(share).map_or_else(String::new, |end| duration(end.min(longest)));
                td.number { (quantile(0.5)) }
                td.number { (quantile(0.99)) }
                td.number { (duration(longest)) }
                td.number { @if has_turns { "–" } @else { (short(calls.count as f64 / seconds)) } }
                td.bar { span style=(format!("width:{:.1}%", 100.0 * calls.count as f64 / most as f64)) {} }
            } } }
        } }
    };
    let words = if has_turns {
        "In rounds that found nothing. Processors took turns, by a clock that counts instructions, so there is no time of theirs to divide by."
    } else {
        "Divided by the time of all processors, accesses and checks included, in rounds that found nothing."
    };
    section("Hypercalls a second on one processor", words, &table)
}

/// How full groups were that were not empty: the empty ones would dwarf all others.
fn occupancy(groups: &[u64; 9]) -> Markup {
    let all: u64 = groups.iter().sum();
    let share = |count: u64| percent(count as f64 / all.max(1) as f64);
    let column = |(entries, &count): (usize, &u64)| Column {
        label: entries.to_string(),
        value: count,
        title: format!(
            "{} groups ({}) had {entries} valid entries",
            grouped(count),
            share(count)
        ),
    };
    let columns = Columns {
        axis: "valid entries of the group",
        columns: groups.iter().enumerate().skip(1).map(column).collect(),
    };
    let words = format!(
        "At all moments at which pteg looked at the table, together; {} of the groups were empty. Groups of eight are full: what leads there goes by its second \
         hash, or is refused.",
        share(groups[0])
    );
    section(
        "Groups by valid entries",
        &words,
        &html! { div.scroll { (PreEscaped(columns.svg())) } },
    )
}

fn over_time(spans: &[Span]) -> Markup {
    /// What a curve is of, and where it is counted.
    type Curve = (&'static str, fn(&Span) -> u64);
    let curves: [Curve; 5] = [
        ("Hypercalls", |span| span.hypercalls),
        ("Entries removed or changed", |span| span.changed),
        (
            "Of them, those that no processor had used, so that nothing was flushed",
            |span| span.untouched,
        ),
        (
            "Processors that a flush left alone, as it did not concern them",
            |span| span.left_alone,
        ),
        ("Processors that a flush made leave the guest", |span| span.kicked),
    ];
    section(
        "Kicks, and flushes that were not needed",
        "All in a second of the rounds, one behind the other.",
        &html! {
            @for (name, of) in curves {
                h3 { (name) }
                div.scroll { (curve(name, spans, of)) }
            }
        },
    )
}

fn rounds(campaign: &Campaign) -> Markup {
    let row = |row: &Row| {
        html! { tr {
            td.number { (row.seed) }
            td.words { (row.machine) }
            @match row.operations {
                Some(operations) => { td.number { (grouped(operations)) " operations" } },
                None => { td.number.bad { "FOUND" } },
            }
        } }
    };
    let shown = campaign.rounds.len() as u64;
    let words = if campaign.summary.rounds > shown {
        format!(
            "The last {shown} of {}, the last one first.",
            grouped(campaign.summary.rounds)
        )
    } else {
        "The last one first.".to_owned()
    };
    section(
        "Rounds",
        &words,
        &html! { div.scroll { table {
            thead { tr { th.number { "Seed" } th { "Machine" } th.number { "Came to" } } }
            tbody { @for it in &campaign.rounds { (row(it)) } }
        } } },
    )
}
