//! What the guest's programs have said.

use super::Rates;
use crate::error::{Error, Result};

/// What the guest puts before the name of a work, and before that of a direction.
const DISK: &str = "bench: disk ";
const NETWORK: &str = "bench: net ";

/// Thousands of requests a second, by work: fio's lines of version 3, whose fields 8 and 49 they are, of reads and writes (fio's manual, "Terse output").
pub(super) fn of_fio(console: &str) -> Result<Rates> {
    rates(console, DISK, |said| {
        let fields: Vec<&str> = said.split(';').collect();
        let (version, error) = (*fields.first()?, *fields.get(4)?);
        if (version, error) != ("3", "0") {
            return None;
        }
        let reads: f64 = fields.get(7)?.parse().ok()?;
        let writes: f64 = fields.get(48)?.parse().ok()?;
        Some((reads + writes) / 1e3)
    })
}

/// Megabits a second that were received, by direction.
pub(super) fn of_iperf(console: &str) -> Result<Rates> {
    rates(console, NETWORK, |said| {
        let (before, _) = said.split_once(" Mbits/sec")?;
        before.split_whitespace().next_back()?.parse().ok()
    })
}

/// The rate that `read` finds behind the name of each line that begins with `mark`.
fn rates(console: &str, mark: &str, read: impl Fn(&str) -> Option<f64>) -> Result<Rates> {
    let lines = console.lines().filter_map(|line| line.trim_end().strip_prefix(mark));
    let rates: Option<Rates> = lines
        .map(|line| {
            let (name, said) = line.split_once(' ')?;
            Some((name.to_owned(), read(said).filter(|rate| *rate > 0.0)?))
        })
        .collect();
    rates
        .filter(|rates| !rates.is_empty())
        .ok_or_else(|| Error::Unreadable {
            what: "what fio or iperf3 said in the guest",
            text: console.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of fio's, with these requests a second.
    fn terse(error: u32, reads: u32, writes: u32) -> String {
        let mut fields = vec!["0".to_owned(); 130];
        fields[0] = "3".to_owned();
        fields[1] = "fio-3.33".to_owned();
        fields[4] = error.to_string();
        fields[7] = reads.to_string();
        fields[48] = writes.to_string();
        fields.join(";")
    }

    #[test]
    fn the_requests_of_reads_and_writes_are_read() {
        let console = format!(
            "bench: init\r\nbench: disk read {}\r\nbench: disk flush {}\r\nbench: all done\r\n",
            terse(0, 12_500, 0),
            terse(0, 0, 900)
        );
        let rates = of_fio(&console).unwrap();
        assert_eq!(rates, [("read".to_owned(), 12.5), ("flush".to_owned(), 0.9)]);
    }

    #[test]
    fn a_work_that_failed_is_an_error_with_what_was_said() {
        for said in [&*terse(5, 1, 0), &*terse(0, 0, 0), "fio: no such file", ""] {
            let console = format!("bench: disk read {}\nbench: disk write {said}\n", terse(0, 1, 0));
            let error = of_fio(&console).unwrap_err();
            assert!(matches!(error, Error::Unreadable { text, .. } if text == console));
        }
        assert!(of_fio("bench: all done\n").is_err());
    }

    #[test]
    fn what_arrived_is_read_in_either_direction() {
        let line =
            |rate: &str| format!("[  5]   0.00-2.01   sec   119 MBytes  {rate} Mbits/sec                  receiver");
        let console = format!(
            "bench: net to-host {}\nbench: net to-guest {}\n",
            line("498"),
            line("7.25")
        );
        let rates = of_iperf(&console).unwrap();
        assert_eq!(rates, [("to-host".to_owned(), 498.0), ("to-guest".to_owned(), 7.25)]);
        assert!(of_iperf("bench: net to-host iperf3: error - unable to connect to server\n").is_err());
    }
}
