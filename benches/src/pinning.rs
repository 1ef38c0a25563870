//! Which processors of the host this program may use, and a thread that stays on one of them.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::{Error, Result};

/// Numbers of the processors that this program may use.
pub fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None).map_err(|errno| Error::Run {
        program: "a thread on one processor".to_owned(),
        source: errno.into(),
    })?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// The calling thread stays on processor `cpu`. Where that is refused it runs as it did: the figures spread more.
pub fn stay_on(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    let _ = sched_setaffinity(None, &set);
}
