//! A few threads that do jobs.
//!
//! One lock guards everything that the threads share, so there is nothing to be ordered but the descriptor: a thread puts a job among those that are
//! done and then makes the descriptor readable; whoever takes them clears the descriptor first. So one that is put after
//! they were taken makes it readable again.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::{Done, Engine, Job, clear_event, event, ring_event};
use crate::disk::{Buffer, Disk};

/// Threads of a pool, at most.
const THREADS: usize = 4;

/// An engine of threads. Dropping it waits for the jobs that are begun.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Submitted, and not among those that are taken.
    outstanding: usize,
    /// Done, and to be given back.
    taken: VecDeque<Done>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
    /// There is a job to be done, or the pool ends.
    work: Condvar,
    /// A job is done.
    finished: Condvar,
    event: OwnedFd,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    done: VecDeque<Done>,
    is_over: bool,
    /// The disk's driver has failed an assertion: nobody knows what it has left behind, so it is asked for nothing more.
    is_broken: bool,
}

impl Pool {
    /// Threads for `disk`, no more than `depth`.
    ///
    /// # Errors
    /// The host has no threads or descriptors left.
    pub fn new(disk: &Arc<dyn Disk>, depth: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            disk: Arc::clone(disk),
            state: Mutex::default(),
            work: Condvar::new(),
            finished: Condvar::new(),
            event: event()?,
        });
        let mut pool = Self {
            shared,
            threads: Vec::new(),
            outstanding: 0,
            taken: VecDeque::new(),
        };
        for _ in 0..depth.min(THREADS) {
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new().name("disk".into());
            pool.threads.push(thread.spawn(move || shared.serve())?);
        }
        Ok(pool)
    }

    fn take(&mut self, state: &mut State) {
        self.taken.append(&mut state.done);
        self.outstanding -= self.taken.len();
    }
}

impl Engine for Pool {
    fn descriptor(&self) -> RawFd {
        self.shared.event.as_raw_fd()
    }

    fn submit(&mut self, job: Job) -> io::Result<()> {
        self.outstanding += 1;
        self.shared.lock().waiting.push_back(job);
        self.shared.work.notify_one();
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn done(&mut self) -> io::Result<Option<Done>> {
        if self.taken.is_empty() {
            // Even when nothing is outstanding: a thread may ring after its job was taken with another one, and nobody else clears that.
            clear_event(&self.shared.event);
            let shared = Arc::clone(&self.shared);
            self.take(&mut shared.lock());
        }
        Ok(self.taken.pop_front())
    }

    fn wait(&mut self) -> io::Result<Option<Done>> {
        if self.taken.is_empty() && self.outstanding > 0 {
            let shared = Arc::clone(&self.shared);
            let none = |state: &mut State| state.done.is_empty();
            self.take(&mut shared.finished.wait_while(shared.lock(), none).expect(UNPOISONED));
        }
        Ok(self.taken.pop_front())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_over = true;
        state.waiting.clear();
        drop(state);
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            thread.join().expect("a job's panic is caught");
        }
    }
}

impl Shared {
    /// Does jobs until the pool ends.
    fn serve(&self) {
        while let Some((job, is_broken)) = self.next() {
            let token = job.token;
            let run = || match is_broken {
                false => job.run(&*self.disk),
                true => job.over(Err(broken())),
            };
            let done = catch_unwind(AssertUnwindSafe(run)).map_err(|_| Done {
                token,
                buffer: Buffer::default(),
                result: Err(broken()),
            });
            let mut state = self.lock();
            state.is_broken |= done.is_err();
            state.done.push_back(done.unwrap_or_else(|failed| failed));
            drop(state);
            ring_event(&self.event);
            self.finished.notify_one();
        }
    }

    fn next(&self) -> Option<(Job, bool)> {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.is_over;
        let mut state = self.work.wait_while(self.lock(), idle).expect(UNPOISONED);
        Some((state.waiting.pop_front()?, state.is_broken))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

const UNPOISONED: &str = "nothing panics with the jobs locked";

fn broken() -> io::Error {
    io::Error::other("the disk's driver has failed an assertion; nothing more is asked of it")
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;
    use crate::disk::engine::Work;
    use crate::disk::engine::tests::disk;

    fn is_readable(pool: &Pool) -> bool {
        let mut descriptors = [PollFd::new(&pool.shared.event, PollFlags::IN)];
        poll(&mut descriptors, Some(&Timespec::default())).unwrap() == 1
    }

    #[test]
    fn the_descriptor_is_not_left_readable_by_a_thread_whose_job_was_taken_before_it_rang() {
        let (_image, disk) = disk();
        // No threads of its own: the test's are stopped between what they do.
        let mut pool = Pool::new(&disk, 0).unwrap();
        for token in 0..2 {
            pool.submit(Job {
                token,
                work: Work::Flush,
                durable: false,
                buffer: Buffer::default(),
            })
            .unwrap();
        }
        let finish = |shared: &Shared| {
            let (job, _) = shared.next().unwrap();
            shared.lock().done.push_back(job.over(Ok(())));
        };
        let shared = Arc::clone(&pool.shared);
        let (is_put, is_taken) = (Barrier::new(2), Barrier::new(2));
        std::thread::scope(|scope| {
            let late = scope.spawn(|| {
                finish(&shared);
                is_put.wait();
                is_taken.wait();
                ring_event(&shared.event);
            });
            is_put.wait();
            finish(&shared);
            ring_event(&shared.event);
            assert!(pool.done().unwrap().is_some() && pool.done().unwrap().is_some());
            is_taken.wait();
            late.join().unwrap();
        });
        assert!(is_readable(&pool));
        assert!(pool.done().unwrap().is_none());
        assert!(!is_readable(&pool), "nothing is done, and nobody is called");
    }
}
