//! The thread that watches ranges during a soak with `--upkeep`, by pages and by gigabytes: so there is memory that is protected while
//! the rest goes on. What it is told must be of the range, each frame once, and nothing that was not asked for.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Value, json};

use super::ledger::PAGE;
use super::upkeep::{ALL, Ask, Asked, End, Random, range, ranges};

/// Accesses that are told.
const MOST: u64 = 4096;

/// After so many watches without one access something is wrong: Linux has half of what is watched.
const ENOUGH: u64 = 200;

#[derive(Default)]
struct Counts {
    watches: u64,
    frames: u64,
    touched: u64,
}

/// Works until the run is over.
pub(super) fn watch(ask: &mut Ask, random: &mut Random) -> Asked<()> {
    let mut counts = Counts::default();
    let end = loop {
        if let Err(end) = one(ask, random, &mut counts) {
            break end;
        }
    };
    let Counts {
        watches,
        frames,
        touched,
    } = counts;
    ask.done.notes.push(format!(
        "{watches} watches of {frames} pages, {touched} of them touched and told of"
    ));
    Err(match end {
        End::Over if watches > ENOUGH && touched == 0 => End::Wrong("nobody ever touched what was watched".to_owned()),
        end => end,
    })
}

fn one(ask: &mut Ask, random: &mut Random, counts: &mut Counts) -> Asked<()> {
    let range = range(random, 0..ALL);
    let loads = random.below(2) == 0;
    let seconds = (1 + random.below(1000)) as f64 / 1000.0;
    let request = json!({ "ranges": ranges(&range), "loads": loads, "seconds": seconds, "most": MOST });
    let Some(answer) = ask.post("/v1/watch", &request)? else {
        return Ok(());
    };
    counts.watches += 1;
    counts.frames += answer["frames"].as_u64().unwrap_or(0);
    counts.touched += answer["touched"].as_u64().unwrap_or(0);
    judge(&answer, &range, loads).map_err(|wrong| End::Wrong(format!("{request}: {wrong}")))
}

/// What is wrong with an answer.
fn judge(answer: &Value, range: &Range<u64>, loads: bool) -> Result<(), String> {
    let number = |name: &str| answer[name].as_u64().ok_or_else(|| format!("not a watch: {answer}"));
    let (frames, touched) = (number("frames")?, number("touched")?);
    let accesses = answer["accesses"].as_array().map_or(&[][..], Vec::as_slice);
    if frames != (range.end - range.start) / PAGE || touched > frames || accesses.len() as u64 != touched.min(MOST) {
        return Err(format!("{touched} of {frames} frames touched, {} told", accesses.len()));
    }
    let mut seen = BTreeSet::new();
    for access in accesses {
        let is_wanted = loads || access["access"] == "store";
        let real = access["real"].as_u64().filter(|real| range.contains(real) && is_wanted);
        if !real.is_some_and(|real| seen.insert(real / PAGE)) {
            return Err(format!("{access} is not its own, or told twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_twice_or_of_another_range_is_wrong() {
        let access = |real: u64, access: &str| json!({ "real": real, "access": access });
        let judged = |accesses: &[Value], loads| {
            let answer = json!({ "frames": 4, "touched": accesses.len(), "accesses": accesses });
            judge(&answer, &(0x1000..0x5000), loads).is_ok()
        };
        assert!(judged(&[], false) && judged(&[access(0x1008, "store"), access(0x4fff, "store")], false));
        assert!(judged(&[access(0x2000, "load")], true) && !judged(&[access(0x2000, "load")], false));
        assert!(!judged(&[access(0x5000, "store")], true));
        assert!(!judged(&[access(0x1008, "store"), access(0x1ff8, "store")], true));
        let short = json!({ "frames": 4, "touched": 2, "accesses": [access(0x1008, "store")] });
        assert!(judge(&short, &(0x1000..0x5000), false).is_err());
        assert!(judge(&json!({}), &(0x1000..0x5000), false).is_err());
    }
}
