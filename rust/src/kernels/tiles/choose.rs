//! Which implementation a path takes.

use super::dot::{Dot, canonical_dot};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::kernels::simd::Path;

/// The deciding dot product on a path: the same bits on all of them.
pub(in crate::kernels) fn dot(path: Path) -> Dot {
    #[cfg(target_arch = "x86_64")]
    if matches!(path, Path::Avx512 | Path::Amx)
        && let Some(dot) = avx512::dot()
    {
        return dot;
    }
    #[cfg(target_arch = "x86_64")]
    if path != Path::Portable
        && let Some(dot) = avx2::dot()
    {
        return dot;
    }
    let _ = path;
    canonical_dot
}
