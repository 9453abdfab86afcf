//! Which filters a path tries, and in which order.

use super::rows::Rows;
use super::search::search;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::simd::Path;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use crate::kernels::tiles::amx::Amx;
#[cfg(target_arch = "x86_64")]
use crate::kernels::tiles::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::kernels::tiles::avx512::{Floats, Pairs, Vnni};
#[cfg(target_arch = "x86_64")]
use crate::kernels::tiles::format::I16;
use crate::kernels::tiles::format::{F32, Format};
use crate::kernels::tiles::plain::Plain;
use crate::kernels::tiles::shapes::Small;
use crate::kernels::tiles::{Kernel, Shape};
use crate::kernels::topk::Scored;

/// For each row its nearest rows, best first.
type Nearest = Vec<Vec<Scored<f32>>>;

/// The k nearest distinct rows of each distinct row, by the first filter of the path that is fine enough for these rows.
///
/// Filters are tried from the fastest to float32. Where float32 cannot tell the rows apart either, the search is slow.
pub(super) fn nearest(path: Path, rows: &Rows<'_>, k: usize, cancel: &Cancel) -> Result<Nearest, Error> {
    let task = Task { rows, k, cancel };
    #[cfg(target_arch = "x86_64")]
    {
        let long = matches!(path, Path::Avx512 | Path::Amx);
        let mut found = None;
        #[cfg(target_os = "linux")]
        if path == Path::Amx {
            found = task.attempt(Amx::detect())?;
        }
        if found.is_none() && long && I16::fits(rows.width()) {
            found = match Vnni::detect() {
                Some(vnni) => task.attempt(Some(vnni))?,
                None => task.attempt(Pairs::detect())?,
            };
        }
        if found.is_none() && path == Path::Avx2 && I16::fits(rows.width()) {
            found = task.attempt(Avx2::<I16>::detect())?;
        }
        if let Some(found) = found {
            return Ok(found);
        }
        if long && let Some(floats) = Floats::detect() {
            return task.finish(floats);
        }
        if path == Path::Avx2
            && let Some(floats) = Avx2::<F32>::detect()
        {
            return task.finish(floats);
        }
    }
    task.finish(Plain::<Small<F32>>::new())
}

struct Task<'a> {
    rows: &'a Rows<'a>,
    k: usize,
    cancel: &'a Cancel,
}

impl Task<'_> {
    /// Searches unless the kernel is missing; without result if the filter is too coarse.
    #[cfg(target_arch = "x86_64")]
    fn attempt<K: Kernel>(&self, kernel: Option<K>) -> Result<Option<Nearest>, Error> {
        kernel.map_or(Ok(None), |kernel| self.search(kernel, false))
    }

    /// Searches, however coarse the filter is.
    fn finish<K: Kernel>(&self, kernel: K) -> Result<Nearest, Error> {
        self.search(kernel, true).map(Option::unwrap_or_default)
    }

    fn search<K: Kernel>(&self, kernel: K, last: bool) -> Result<Option<Nearest>, Error> {
        let scale = <K::Shape as Shape>::Format::scale(self.rows.width(), self.rows.largest());
        search(kernel, self.rows, self.k, scale, last, self.cancel)
    }
}
