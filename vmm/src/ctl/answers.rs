//! Whether an answer is one of pteg's: anything may listen at a socket, and be of another version. And what of it may go to a
//! terminal.

use serde::Deserialize;
use serde_json::Value;

use super::args::Command;
use crate::control::{BalloonReport, DirtyReport, DiscardReport, DumpReport, Info, Life, UnmapReport, WatchReport};

/// Whether `answer` is what pteg answers to `command`.
pub(super) fn is_of(command: &Command, answer: &Value) -> bool {
    match command {
        Command::Info => is::<Info>(answer),
        Command::Pause | Command::Resume | Command::Powerdown | Command::Reset | Command::Stop => is::<Life>(answer),
        // The statistics have more parts than a person is shown.
        Command::Hpt => answer["seconds"].is_number() && answer["table"].is_object() && answer["changes"].is_object(),
        // No JSON.
        Command::Metrics => false,
        Command::Balloon { .. } => is::<BalloonReport>(answer),
        Command::Discard { .. } => is::<DiscardReport>(answer),
        Command::Unmap { .. } => is::<UnmapReport>(answer),
        Command::Dirty { start, stop } => {
            let is_harvest = !start && !stop;
            is::<DirtyReport>(answer) && answer["harvest"].is_object() == is_harvest
        }
        Command::Dump { .. } => is::<DumpReport>(answer),
        Command::Watch { .. } => is::<WatchReport>(answer),
    }
}

fn is<'a, T: Deserialize<'a>>(answer: &'a Value) -> bool {
    answer.is_object() && T::deserialize(answer).is_ok()
}

/// Whether this is all of a page of counters: OpenMetrics ends every page with this line.
pub(super) fn is_metrics(page: &str) -> bool {
    page.ends_with("# EOF\n")
}

/// `text` without what a terminal would obey: control characters as JSON writes them. Lines stay lines.
pub(super) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            harmless += &format!("\\u{:04x}", u32::from(c));
        } else {
            harmless.push(c);
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_has_all_that_is_asked_for() {
        let harvest = json!({"pages": 1, "page_bytes": 4096, "seconds": 0.1, "joined_bytes": 0, "ranges": []});
        let dirty = |start, stop| Command::Dirty { start, stop };
        for (command, answer) in [
            (Command::Pause, json!({"state": "paused"})),
            (
                Command::Unmap { ranges: vec![] },
                json!({"entries": 1, "flushes": 1, "kicks": 1, "steps": 1, "longest_step_seconds": 0.1, "seconds": 0.1}),
            ),
            (dirty(true, false), json!({"is_tracking": true})),
            (dirty(false, false), json!({"is_tracking": true, "harvest": harvest})),
            (Command::Hpt, json!({"seconds": 0.1, "table": {}, "changes": {}})),
        ] {
            assert!(is_of(&command, &answer), "{answer}");
            for name in answer.as_object().unwrap().keys() {
                let mut less = answer.clone();
                less.as_object_mut().unwrap().remove(name);
                assert!(!is_of(&command, &less), "{less}");
            }
            for nonsense in [json!(null), json!(7), json!([]), json!("paused"), json!({})] {
                assert!(!is_of(&command, &nonsense), "{nonsense}");
            }
        }
        assert!(!is_of(&Command::Pause, &json!({"state": "asleep"})));
        assert!(!is_of(&dirty(false, false), &json!({"is_tracking": true})));
    }

    #[test]
    fn a_terminal_is_told_nothing_that_it_would_obey() {
        assert_eq!(
            harmless("a\u{1b}[2Jb\r\u{9b}\u{7f}\nä\n"),
            "a\\u001b[2Jb\\u000d\\u009b\\u007f\nä\n"
        );
    }
}
