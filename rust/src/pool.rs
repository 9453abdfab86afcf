//! The process's own threads.
//!
//! A Rayon pool does not survive a fork: its threads exist in the parent only, and the child would wait for them
//! forever. So the pool is kept together with the process id, and built anew where the id differs.

use std::sync::{Arc, Mutex, PoisonError};

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

/// No machine has more.
const MOST_THREADS: usize = 4096;

static STATE: Mutex<State> = Mutex::new(State { requested: 0, current: None });

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
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    if state.requested != threads {
        state.requested = threads;
        state.current = None;
    }
    Ok(())
}

/// The number of threads that the next kernel will use.
pub fn num_threads() -> usize {
    let requested = STATE.lock().unwrap_or_else(PoisonError::into_inner).requested;
    if requested > 0 { requested } else { default_threads() }
}

/// The pool of this process, built on first use and after a fork.
///
/// # Errors
/// [`Error::Invalid`] if the system refuses to start the threads.
pub fn current() -> Result<Arc<ThreadPool>, Error> {
    let process = std::process::id();
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(current) = state.current.take() {
        if current.process == process {
            let pool = Arc::clone(&current.pool);
            state.current = Some(current);
            return Ok(pool);
        }
        // Dropping a pool joins its threads, and a forked child has none of them.
        std::mem::forget(current);
    }
    let threads = if state.requested > 0 { state.requested } else { default_threads() };
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("magnet-{index}"))
        .build()
        .map_err(|error| Error::invalid(format!("cannot start {threads} threads: {error}")))?;
    let pool = Arc::new(pool);
    state.current = Some(Current { process, pool: Arc::clone(&pool) });
    Ok(pool)
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_threads_are_refused_and_a_size_is_kept() {
        assert!(set_num_threads(0).is_err());
        assert!(set_num_threads(usize::MAX).is_err());
        set_num_threads(3).unwrap();
        assert_eq!(num_threads(), 3);
        assert_eq!(current().unwrap().current_num_threads(), 3);
    }
}
