//! What pteg says when a run is over, and the exit status that goes with it.

use std::process::ExitCode;

use power::insn::disassemble;

use super::statistics::Statistics;
use crate::machine::Machine;
use crate::stop::Ending;
use crate::terminal::say;

/// Says how the run ended, in a sentence; silent after a power-off.
pub(super) fn ending(ending: &Ending) -> ExitCode {
    let failure = ExitCode::FAILURE;
    match ending {
        Ending::PowerOff => ExitCode::SUCCESS,
        Ending::Quit => {
            say("pteg: stopped by Ctrl-A X");
            ExitCode::SUCCESS
        }
        Ending::Asked => {
            say("pteg: stopped by a request at the control socket");
            ExitCode::SUCCESS
        }
        Ending::Reboot => {
            say("pteg: the guest asked for a reboot, which --no-reboot makes the end");
            // A kernel with panic=-1 reboots when it dies, and whoever runs tests must see that.
            failure
        }
        Ending::NotReset(why) => {
            say(&format!("pteg: the guest could not be started anew: {why}"));
            failure
        }
        Ending::AllStopped => {
            say("pteg: every processor of the guest has stopped itself, so nothing can start one again");
            failure
        }
        Ending::Died(words) => {
            say(&format!("pteg: the guest's operating system gave up: {words}"));
            failure
        }
        Ending::Checkstop { server, why, registers } => {
            say(&format!(
                "pteg: processor {server} of the guest cannot go on: {why}\n{registers}"
            ));
            failure
        }
        Ending::Output(error) => {
            say(&format!("pteg: writing the guest's output: {error}"));
            failure
        }
        Ending::Panicked => {
            say("pteg: stopped by an error of its own (above); please report it");
            failure
        }
        Ending::Signal(signal) => {
            let name = signal_hook::low_level::signal_name(*signal).unwrap_or("a signal");
            say(&format!("pteg: stopped by {name}"));
            ExitCode::from(128 + u8::try_from(*signal).unwrap_or(127))
        }
    }
}

/// Names the instructions that the processors did not know, the most frequent first.
pub(super) fn unknown_instructions(machine: &Machine) {
    let mut unknown: Vec<(u32, u64)> = machine.unknown_instructions().into_iter().collect();
    unknown.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    for (word, count) in unknown {
        let times = if count == 1 {
            "once".to_owned()
        } else {
            format!("{count} times")
        };
        say(&format!(
            "pteg: the guest met an instruction that is not emulated: {} ({word:#010x}), {times}",
            disassemble(word, 0)
        ));
    }
}

/// Says whose account is missing, if any is.
pub(super) fn left_behind(threads: usize) {
    let (who, whose) = match threads {
        0 => return,
        1 => ("1 thread that runs processors".to_owned(), "its"),
        more => (format!("{more} threads that run processors"), "their"),
    };
    say(&format!(
        "pteg: {who} did not return in time, and {whose} last instructions are not counted: mostly the guest's output is read by nobody"
    ));
}

/// Says what the run amounts to.
pub(super) fn statistics(statistics: &Statistics) {
    for line in statistics.lines() {
        say(&format!("pteg: {line}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that is started with `panic=-1` reboots when it dies.
    #[test]
    fn only_a_guest_or_a_user_that_is_done_is_a_success() {
        assert_eq!(ending(&Ending::PowerOff), ExitCode::SUCCESS);
        assert_eq!(ending(&Ending::Quit), ExitCode::SUCCESS);
        assert_eq!(ending(&Ending::Asked), ExitCode::SUCCESS);
        for failed in [
            Ending::Reboot,
            Ending::AllStopped,
            Ending::Died("why".into()),
            Ending::Panicked,
        ] {
            assert_eq!(ending(&failed), ExitCode::FAILURE, "{failed:?}");
        }
    }
}
