//! One call with several numbers of threads and on all paths of this machine: every time the same.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::LazyLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::kernels::csr::OwnedCsr;
use crate::kernels::error::Error;
use crate::kernels::simd::Path;

static THREE: LazyLock<ThreadPool> =
    LazyLock::new(|| ThreadPoolBuilder::new().num_threads(3).build().expect("threads start"));

thread_local! {
    /// A pool that is this thread alone: to hand work to another thread costs more than most of the work here.
    static HERE: ThreadPool =
        ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().expect("this thread is free");
    /// Whether calls are made with three threads as well.
    static THREADS: Cell<bool> = const { Cell::new(true) };
}

/// Chooses whether calls are made with three threads as well: while fuzzing, for some inputs; else always.
pub fn choose_threads(data: &[u8]) {
    THREADS.set(!cfg!(fuzzing) || data.len().is_multiple_of(8));
}

/// A result whose bits can be compared; one NaN is like another.
pub trait Bits {
    fn bits(&self) -> Vec<u64>;
}

impl Bits for f32 {
    fn bits(&self) -> Vec<u64> {
        vec![if self.is_nan() { f32::NAN.to_bits() } else { self.to_bits() }.into()]
    }
}

impl Bits for f64 {
    fn bits(&self) -> Vec<u64> {
        vec![if self.is_nan() { f64::NAN.to_bits() } else { self.to_bits() }]
    }
}

impl Bits for i32 {
    fn bits(&self) -> Vec<u64> {
        vec![*self as u64]
    }
}

impl Bits for i64 {
    fn bits(&self) -> Vec<u64> {
        vec![*self as u64]
    }
}

impl Bits for u64 {
    fn bits(&self) -> Vec<u64> {
        vec![*self]
    }
}

impl Bits for bool {
    fn bits(&self) -> Vec<u64> {
        vec![(*self).into()]
    }
}

impl<T: Bits> Bits for Vec<T> {
    fn bits(&self) -> Vec<u64> {
        self.iter().flat_map(Bits::bits).collect()
    }
}

impl<A: Bits, B: Bits> Bits for (A, B) {
    fn bits(&self) -> Vec<u64> {
        [self.0.bits(), self.1.bits()].concat()
    }
}

impl Bits for OwnedCsr {
    fn bits(&self) -> Vec<u64> {
        [self.indptr.bits(), self.indices.bits(), self.values.bits()].concat()
    }
}

impl Bits for BTreeMap<usize, f32> {
    fn bits(&self) -> Vec<u64> {
        self.iter().flat_map(|(&at, value)| [vec![at as u64], value.bits()].concat()).collect()
    }
}

/// What `call` gives with one thread and with three, to the bit; an error is an error either way.
pub fn on_threads<T: Bits + Debug + Send>(call: impl Fn() -> Result<T, Error> + Sync) -> Result<T, Error> {
    let one = HERE.with(|pool| pool.install(&call));
    if THREADS.get() {
        agree(&one, &THREE.install(&call), "threads");
    }
    one
}

/// The same on all paths.
pub fn on_paths<T: Bits + Debug + Send>(call: impl Fn(Path) -> Result<T, Error> + Sync) -> Result<T, Error> {
    let plain = on_threads(|| call(Path::Portable));
    for path in Path::available().skip(1) {
        agree(&plain, &HERE.with(|pool| pool.install(|| call(path))), path.name());
    }
    plain
}

fn agree<T: Bits + Debug>(a: &Result<T, Error>, b: &Result<T, Error>, what: &str) {
    let same = match (a, b) {
        (Ok(a), Ok(b)) => a.bits() == b.bits(),
        (Err(_), Err(_)) => true,
        _ => false,
    };
    assert!(same, "{what} differ: {a:?} and {b:?}");
}

/// Fails unless both are the same to the bit.
pub fn check<T: Bits + Debug>(found: &T, expected: &T) {
    assert!(found.bits() == expected.bits(), "found {found:?}, expected {expected:?}");
}

/// Fails unless an error was given just where the arguments are wrong, and in the words for a caller.
pub fn refused<T: Debug>(result: &Result<T, Error>, wrong: bool) {
    assert_eq!(result.is_err(), wrong, "{result:?}");
    if let Err(error) = result {
        assert!(matches!(error, Error::Invalid(_) | Error::NothingUnseen(_)), "{error:?}");
        assert!(error.to_string().len() < 2000, "an error that nobody reads: {error}");
    }
}
