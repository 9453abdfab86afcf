//! The one way from Python into a kernel.

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
            scope.spawn(move |_| drop(sender.send(work(cancel))));
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
                    // The kernel panicked: the scope resumes the panic when it ends.
                    Err(RecvTimeoutError::Disconnected) => break Err(Error::Cancelled),
                }
            }
        })
    });
    match raised {
        Some(error) => Err(error),
        None => result.map_err(|error| to_python(py, error)),
    }
}

/// The Python exception for a kernel's error: `magnet.errors.DataError`, a `ValueError`.
pub(super) fn to_python(py: Python<'_>, error: Error) -> PyErr {
    if error == Error::Cancelled {
        return PyKeyboardInterrupt::new_err(error.to_string());
    }
    let class = py
        .import("magnet.errors")
        .and_then(|module| module.getattr("DataError"))
        .and_then(|class| Ok(class.cast_into::<PyType>()?));
    match class {
        Ok(class) => PyErr::from_type(class, error.to_string()),
        Err(_) => PyValueError::new_err(error.to_string()),
    }
}
