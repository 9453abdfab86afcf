//! What is fuzzed: every kernel that Python can reach, with good and with bad arguments, against slow and obvious oracles.
//!
//! [`targets::ALL`] names the targets. Each takes any bytes, makes arguments of them and panics if a kernel panics, accepts
//! what it must refuse, refuses what is right, or gives anything but what the oracle says, with any number of threads and
//! on any instruction path.

mod draw;
#[path = "../../rust/src/kernels/mod.rs"]
pub mod kernels;
mod matrix;
#[path = "../../rust/src/pool.rs"]
pub mod pool;
mod same;
pub mod targets;
