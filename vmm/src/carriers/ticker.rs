//! Ends the turns of processors while others wait for a carrier: a thread of its own, as the carriers are in the guest.
//!
//! It sleeps while a carrier waits at the bell: then no processor waits for one.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::Pool;
use crate::accel::Processor;

/// Starts the thread.
pub(super) fn spawn<P: Processor + Send + 'static>(pool: Arc<Pool<P>>) -> io::Result<()> {
    let enlisted = pool.machine.stop.enlist();
    thread::Builder::new().name("ticker".to_owned()).spawn(move || {
        let _enlisted = enlisted;
        let mut next = Instant::now();
        loop {
            pool.bell.wait_unheard(next);
            pool.machine.pause.wait();
            if pool.machine.stop.is_requested() {
                return;
            }
            next = pool.lock().end_turns(&pool.machine, Instant::now());
        }
    })?;
    Ok(())
}
