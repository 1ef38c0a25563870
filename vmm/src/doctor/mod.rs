//! `pteg doctor`: says what this machine can do for guests, and what to change. What is found and how it is judged is
//! `findings`'; here it is printed.

mod findings;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::accel::choose::{Chosen, Wish, choose};
use crate::cli::DoctorArgs;
use crate::host::Host;
use crate::shares;
use findings::{Finding, Verdict};

/// All that is said.
#[derive(Debug, Serialize)]
struct Report {
    /// What `--accel auto` takes for a guest with one processor.
    accelerator: &'static str,
    /// That, and the reason, as a sentence.
    why: String,
    findings: Vec<Finding>,
}

impl Report {
    fn of(host: &Host, share_server: &Result<PathBuf, String>) -> Self {
        let choice = choose(&Wish::any(), host).expect("auto falls back to emulated processors");
        Self {
            accelerator: match choice.accelerator {
                Chosen::Emulated => "emulated",
                Chosen::Kvm => "kvm",
            },
            why: choice.why,
            findings: findings::of(host)
                .into_iter()
                .chain([findings::shared_directories(share_server)])
                .collect(),
        }
    }

    fn to_be_changed(&self) -> usize {
        let change = |finding: &&Finding| finding.verdict == Verdict::Change;
        self.findings.iter().filter(change).count()
    }

    /// A line for each finding, and one for all.
    fn text(&self) -> String {
        let mut text: String = self.findings.iter().map(|finding| format!("{finding}\n")).collect();
        let things = match self.to_be_changed() {
            0 => "nothing is to be changed".to_owned(),
            1 => "1 thing is to be changed".to_owned(),
            more => format!("{more} things are to be changed"),
        };
        let how = match self.accelerator {
            "kvm" => "on KVM-PR",
            _ => "on emulated processors",
        };
        text.push_str(&format!("Guests run {how}; {things}.\n"));
        text
    }

    fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("nothing in it refuses");
        text.push('\n');
        text
    }
}

/// Does what `args` ask for. The exit status is 0 when guests run as well as this machine can, 1 when something is to be
/// changed.
pub(crate) fn run(args: &DoctorArgs) -> io::Result<ExitCode> {
    let report = Report::of(&Host::look(), &shares::server());
    let text = if args.json { report.json() } else { report.text() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(match report.to_be_changed() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

#[cfg(test)]
mod tests;
