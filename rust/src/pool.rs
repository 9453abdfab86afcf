//! The process's own threads.
//!
//! A Rayon pool does not survive a fork: its threads exist in the parent only, and the child would wait for them
//! forever. So the pool is kept together with the process id, and built anew where the id differs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::kernels::error::Error;

struct Current {
    process: u32,
    pool: Arc<ThreadPool>,
}

struct State {
    requested: usize,
    current: Option<Current>,
}

impl State {
    const fn new() -> Self {
        Self { requested: 0, current: None }
    }

    /// How many threads the next pool has.
    fn threads(&self) -> usize {
        if self.requested > 0 { self.requested } else { default_threads() }
    }

    fn request(&mut self, threads: usize, process: u32) {
        if self.requested != threads {
            self.requested = threads;
            self.release(process);
        }
    }

    /// Lets go of the pool, whose threads end when the last kernel in it has.
    ///
    /// The pool of a parent is forgotten instead: ending its threads takes locks that they share, and a fork copies a
    /// lock as it was held, but not the thread that would open it.
    fn release(&mut self, process: u32) {
        if let Some(current) = self.current.take()
            && current.process != process
        {
            std::mem::forget(current);
        }
    }

    fn pool(&mut self, process: u32) -> Result<Arc<ThreadPool>, Error> {
        if let Some(current) = &self.current
            && current.process == process
        {
            return Ok(Arc::clone(&current.pool));
        }
        self.release(process);
        let threads = self.threads();
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("magnet-{index}"))
            .build()
            .map_err(|error| Error::invalid(format!("cannot start {threads} threads: {error}")))?;
        let pool = Arc::new(pool);
        self.current = Some(Current { process, pool: Arc::clone(&pool) });
        Ok(pool)
    }
}

/// No machine has more.
const MOST_THREADS: usize = 4096;

/// Locked with Python held, as Python's own forks are made: no fork meets it locked.
static STATE: Mutex<State> = Mutex::new(State::new());

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the number of threads from the next kernel on; kernels that are running keep theirs.
///
/// # Errors
/// [`Error::Invalid`] if `threads` is zero, or more than any machine has.
pub fn set_num_threads(threads: usize) -> Result<(), Error> {
    if threads == 0 || threads > MOST_THREADS {
        return Err(Error::invalid(format!(
            "the number of threads must be from 1 to {MOST_THREADS}, got {threads}"
        )));
    }
    state().request(threads, std::process::id());
    Ok(())
}

/// The number of threads that the next kernel will use.
pub fn num_threads() -> usize {
    state().threads()
}

/// The pool of this process, built on first use and after a fork.
///
/// # Errors
/// [`Error::Invalid`] if the system refuses to start the threads.
pub fn current() -> Result<Arc<ThreadPool>, Error> {
    state().pool(std::process::id())
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    /// What the threads of a pool make together of the numbers below `n`.
    fn sum(pool: &ThreadPool, n: u64) -> u64 {
        pool.install(|| (0..n).into_par_iter().map(|x| x * x % 7).sum())
    }

    #[test]
    fn zero_threads_are_refused_and_a_size_is_kept() {
        assert!(set_num_threads(0).is_err());
        assert!(set_num_threads(usize::MAX).is_err());
        let mut own = State::new();
        assert_eq!(own.threads(), default_threads());
        own.request(3, 1);
        assert_eq!(own.threads(), 3);
        let pool = own.pool(1).unwrap();
        assert_eq!(pool.current_num_threads(), 3);
        own.request(3, 1);
        assert!(Arc::ptr_eq(&pool, &own.pool(1).unwrap()), "the same size is the same pool");
    }

    #[test]
    fn a_pool_of_another_process_is_neither_used_nor_ended() {
        let mut own = State::new();
        own.request(2, 1);
        let parents = own.pool(1).unwrap();
        // A child that changes the size first, and one that does not.
        for change in [true, false] {
            own.current = Some(Current { process: 1, pool: Arc::clone(&parents) });
            let owners = Arc::strong_count(&parents);
            if change {
                own.request(3, 2);
            }
            let childs = own.pool(2).unwrap();
            assert_eq!(Arc::strong_count(&parents), owners, "forgotten, not dropped");
            assert!(!Arc::ptr_eq(&parents, &childs));
            assert_eq!((childs.current_num_threads(), sum(&childs, 100)), (3, sum(&parents, 100)));
            // SAFETY: the count of the owner that was forgotten, which nobody else gives back.
            unsafe { Arc::decrement_strong_count(Arc::as_ptr(&parents)) };
        }
        // In its own process the old pool ends with the last who uses it.
        let pool = own.pool(2).unwrap();
        own.request(1, 2);
        assert_eq!(Arc::strong_count(&pool), 1);
    }

    #[test]
    fn work_goes_on_while_others_change_the_number_of_threads() {
        let (rounds, n) = if cfg!(miri) { (2, 50) } else { (40, 20_000) };
        let expected: u64 = (0..n).map(|x| x * x % 7).sum();
        std::thread::scope(|scope| {
            for caller in 0..4 {
                scope.spawn(move || {
                    for round in 0..rounds {
                        set_num_threads(1 + (caller + round) % 4).unwrap();
                        assert!((1..=4).contains(&num_threads()));
                        assert_eq!(sum(&current().unwrap(), n), expected);
                    }
                });
            }
        });
    }
}
