//! Signals that this program was started to ignore, and is to leave so: `nohup` has SIGHUP ignored by what it starts.

use std::fs;

/// Whether this process ignores `signal`. It does not if the system does not say.
pub(crate) fn is_ignored(signal: i32) -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| says_so(signal, &status))
}

/// Whether a process ignores `signal` whose `/proc/PID/status` is `status`.
fn says_so(signal: i32, status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::SIGHUP;

    use super::*;

    #[test]
    fn what_is_ignored_is_the_bit_of_its_number_less_one() {
        let status = "Name:\tpteg\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\tffffffffffffffff\n";
        let ignored: Vec<i32> = (1..=64).filter(|&signal| says_so(signal, status)).collect();
        assert_eq!(ignored, [SIGHUP, 13]);
        assert!(!says_so(SIGHUP, "Name:\tpteg\n") && !says_so(SIGHUP, "SigIgn:\tx\n"));
    }
}
