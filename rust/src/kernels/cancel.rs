//! A flag by which a caller stops a running kernel.

use std::sync::atomic::{AtomicBool, Ordering};

use super::error::Error;

/// Checked between steps of at most about 50 ms; a check is cheap enough to be made more often.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// A flag that is not raised.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Asks the kernel to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Fails once the flag is raised, so that the kernel stops.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the flag is raised.
    pub fn check(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}
