//! The one way from Python into a kernel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::pool;

/// How often the waiting thread checks for Ctrl-C.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs `work` on Magnet's threads with Python released, and stops it on Ctrl-C.
///
/// The calling thread only waits, so that it can run Python's signal handlers: Python runs them in its main thread only.
pub(super) fn run<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&Cancel) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let pool = pool::current().map_err(|error| to_python(py, error))?;
    let cancel = Cancel::new();
    let mut raised = None;
    let result = py.detach(|| {
        pool.in_place_scope(|scope| {
            let (sender, receiver) = sync_channel(1);
            let cancel = &cancel;
            // A send fails only if the receiver was dropped, and the receiver lives until the scope ends.
            scope.spawn(move |_| drop(sender.send(caught(|| work(cancel)))));
            loop {
                match receiver.recv_timeout(LOOK_EVERY) {
                    Ok(result) => break result,
                    Err(RecvTimeoutError::Timeout) => {
                        if raised.is_none()
                            && let Err(error) = Python::attach(|py| py.check_signals())
                        {
                            cancel.raise();
                            raised = Some(error);
                        }
                    }
                    // Not without an answer: a panic is one as well.
                    Err(RecvTimeoutError::Disconnected) => {
                        break Err(Error::Internal("no answer".to_owned()));
                    }
                }
            }
        })
    });
    match raised {
        Some(error) => Err(error),
        None => result.map_err(|error| to_python(py, error)),
    }
}

/// What `work` gives; its panic becomes an error. Nothing that it changed is used afterwards.
fn caught<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Error::Internal(said.unwrap_or_else(|| "a panic without words".to_owned())))
    })
}

/// The Python exception for a kernel's error: `magnet.errors.DataError`, a `ValueError`, or `InternalError` where the
/// kernel itself is at fault.
pub(super) fn to_python(py: Python<'_>, error: Error) -> PyErr {
    if error == Error::Cancelled {
        return PyKeyboardInterrupt::new_err(error.to_string());
    }
    let name = if matches!(error, Error::Internal(_)) { "InternalError" } else { "DataError" };
    let class = py
        .import("magnet.errors")
        .and_then(|module| module.getattr(name))
        .and_then(|class| Ok(class.cast_into::<PyType>()?));
    match class {
        Ok(class) => PyErr::from_type(class, error.to_string()),
        Err(_) => PyValueError::new_err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_says_what_it_said() {
        let number = 3;
        let texts = [caught::<()>(|| panic!("in words")), caught(|| panic!("with {number}"))];
        for (found, said) in texts.into_iter().zip(["in words", "with 3"]) {
            assert_eq!(found, Err(Error::Internal(said.to_owned())));
        }
        let silent = caught::<()>(|| std::panic::panic_any(7));
        assert!(silent.unwrap_err().to_string().contains("without words"));
        assert_eq!(caught(|| Ok(1)), Ok(1));
        assert_eq!(caught::<()>(|| Err(Error::Cancelled)), Err(Error::Cancelled));
    }
}
