//! What the page shows of rounds: sums, the findings, the last rounds.

use std::collections::VecDeque;

use super::super::record::Record;
use super::super::summary::Summary;
use super::timeline::Timeline;

/// Rounds that are in the list, and findings that are told.
const MOST_ROUNDS: usize = 200;
const MOST_FINDINGS: usize = 50;

/// Rounds so far.
#[derive(Debug)]
pub(super) struct Campaign {
    /// What does them.
    pub(super) command: String,
    /// Why there are no more, if there are none.
    pub(super) ended: Option<String>,
    pub(super) summary: Summary,
    /// The first of the rounds that have found something.
    pub(super) findings: Vec<Record>,
    /// The last rounds, the last one first.
    pub(super) rounds: VecDeque<Row>,
    pub(super) timeline: Timeline,
    /// At all moments together: how many groups had 0 to 8 valid entries.
    pub(super) groups: [u64; 9],
}

/// A round in the list.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) seed: u64,
    pub(super) machine: String,
    /// Operations; `None`: something was found.
    pub(super) operations: Option<u64>,
}

impl Campaign {
    pub(super) fn new(command: String) -> Self {
        Self {
            command,
            ended: None,
            summary: Summary::default(),
            findings: Vec::new(),
            rounds: VecDeque::new(),
            timeline: Timeline::default(),
            groups: [0; 9],
        }
    }

    pub(super) fn add(&mut self, record: &Record) {
        self.summary.add(record);
        self.timeline.add(&record.moments);
        for moment in &record.moments {
            for (sum, more) in self.groups.iter_mut().zip(moment.groups_by_valid_entries) {
                *sum += more;
            }
        }
        if record.finding.is_some() && self.findings.len() < MOST_FINDINGS {
            let mut finding = record.clone();
            // What went on is in the timeline.
            finding.moments.clear();
            finding.moments.shrink_to_fit();
            self.findings.push(finding);
        }
        let said = record.round().to_string();
        self.rounds.push_front(Row {
            seed: record.seed,
            machine: said
                .split_once(": ")
                .map_or(String::new(), |(_, machine)| machine.to_owned()),
            operations: record.work.map(|work| work.operations),
        });
        self.rounds.truncate(MOST_ROUNDS);
    }
}
