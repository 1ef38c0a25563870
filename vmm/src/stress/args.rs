//! The command line of `pteg stress`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use guest_images::stress::{MOST_PROCESSORS, Plant};

use crate::cli::AccelArg;

/// The flags of `pteg stress`.
#[derive(Debug, Args)]
pub(crate) struct StressArgs {
    /// Processors of a guest, 1 to 16
    ///
    /// Processors of a guest, 1 to 16. One round in four has fewer, as its seed says. Default: 4. Example: --vcpus 8
    #[arg(long, value_name = "N", default_value = "4", value_parser = vcpus, hide_default_value = true)]
    pub(crate) vcpus: u32,

    /// Threads that run a guest's processors: 1, for rounds that replay exactly
    ///
    /// With 1 the processors of a guest take turns that the seed draws, as with pteg run --turns: equal seeds make equal rounds, to the last hypercall
    /// of each processor, and what is found is made short. Needs emulated processors. Default: a thread for each processor. Example: --threads 1
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<u32>,

    /// Seconds that all rounds may take together
    ///
    /// Seconds that all rounds may take together, by the guests' own clocks. A round has 3 of them; with --threads 1, where it is so many operations, they are
    /// the host's. Default: 60. Example: --seconds 600
    #[arg(long, value_name = "S", default_value_t = 60, hide_default_value = true,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,

    /// Rounds at most
    ///
    /// End after so many rounds, even if there is time left. Default: as many as the time allows. Example: --rounds 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rounds: Option<u64>,

    /// Seed of the first round
    ///
    /// Seed of the first round, a number of 64 bits; each round has the next one. Equal seeds and processors make equal rounds: the same machine, and
    /// the same choices of each processor, as long as what it finds is the same. Default: another one each time, which is said. Example: --seed 17
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Take every Nth seed only: I/N
    ///
    /// Take every Nth seed only, from the Ith on: N runs with I from 1 to N share the seeds among them. Needs --seed. Default: 1/1. Example: --shard 2/8
    #[arg(
        long,
        value_name = "I/N",
        default_value = "1/1",
        hide_default_value = true,
        requires = "seed"
    )]
    pub(crate) shard: Shard,

    /// File to write to what each round came to, as JSON
    ///
    /// File to write to what each round came to, as JSON, a line each; docs/stress.md says how. What it held before is lost. Default: none.
    /// Example: --json rounds.json
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// File to write a page about the rounds to: HTML
    ///
    /// File to write a page about the rounds to, that needs nothing else: findings, hypercalls and how long they took, how full the table was, what
    /// processors were made to leave the guest. It is written anew after each round. What it held before is lost. Default: none.
    /// Example: --report rounds.html
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Run nothing: read what --json of other runs has written
    ///
    /// Run nothing: read what --json of other runs has written, say what it came to, and write --report about all of it. May be given several times. The exit
    /// status is 1 if any of them has found something. Default: guests are run. Example: --from 1.json --from 2.json --report all.html
    #[arg(long, value_name = "FILE", num_args = 1..,
        conflicts_with_all = ["vcpus", "seconds", "rounds", "seed", "shard", "json", "accel", "threads", "plant"])]
    pub(crate) from: Vec<PathBuf>,

    /// What runs the processors
    ///
    /// What runs the processors, as pteg run takes it: auto, emulated or kvm. Default: auto. Example: --accel emulated
    #[arg(long, value_enum, default_value_t = AccelArg::Auto, hide_default_value = true, hide_possible_values = true)]
    pub(crate) accel: AccelArg,

    /// Have the guest make a mistake, to see that it is found
    ///
    /// Have the guest make a mistake of its own, to see that it is found. stale: some pages are not removed; lost-c, lost-r: the bit is dropped from what
    /// hypercalls return; foreign: pages lead to the memory of others. Default: none. Example: --plant stale
    #[arg(long, value_name = "KIND", value_enum, hide_possible_values = true)]
    pub(crate) plant: Option<PlantArg>,
}

/// The values of `--plant`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PlantArg {
    /// Some pages are not removed
    Stale,
    /// C is dropped
    LostC,
    /// Pages lead to the memory of others
    Foreign,
    /// R is dropped
    LostR,
}

impl PlantArg {
    /// What the guest calls it.
    pub(super) fn of_guest(self) -> Plant {
        match self {
            Self::Stale => Plant::Stale,
            Self::LostC => Plant::LostC,
            Self::Foreign => Plant::Foreign,
            Self::LostR => Plant::LostR,
        }
    }
}

/// Which of the seeds are this run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 1 to `of`.
    index: u64,
    of: u64,
}

impl Shard {
    /// Seeds from `first` on, round after round, and from the largest on again from 0.
    pub(super) fn seeds(self, first: u64) -> impl Iterator<Item = u64> {
        (0..).map(move |round: u64| {
            first
                .wrapping_add(self.index - 1)
                .wrapping_add(round.wrapping_mul(self.of))
        })
    }
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once('/')
            .and_then(|(index, of)| {
                Some(Self {
                    index: index.parse().ok()?,
                    of: of.parse().ok()?,
                })
            })
            .filter(|shard| (1..=shard.of).contains(&shard.index))
            .ok_or("give I/N, two numbers with I from 1 to N, such as 2/8")
    }
}

/// Checks `--threads`.
fn threads(text: &str) -> Result<u32, &'static str> {
    match text {
        "1" => Ok(1),
        _ => Err("give 1, or leave the flag out for a thread for each processor"),
    }
}

/// Checks `--vcpus`.
fn vcpus(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(n) if (1..=MOST_PROCESSORS).contains(&n) => Ok(n),
        _ => Err(format!("give a number from 1 to {MOST_PROCESSORS} processors")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_all_seeds() {
        let of = |text: &str| -> Vec<u64> { text.parse::<Shard>().unwrap().seeds(10).take(3).collect() };
        assert_eq!(of("1/1"), [10, 11, 12]);
        assert_eq!(of("1/3"), [10, 13, 16]);
        assert_eq!(of("3/3"), [12, 15, 18]);
        let last: Vec<u64> = "1/1".parse::<Shard>().unwrap().seeds(u64::MAX).take(2).collect();
        assert_eq!(last, [u64::MAX, 0]);
    }

    #[test]
    fn what_is_no_shard_is_told_what_one_is() {
        for wrong in ["", "1", "0/3", "4/3", "1/0", "a/b", "1/2/3", "-1/2"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("2/8"), "{wrong}");
        }
    }
}
