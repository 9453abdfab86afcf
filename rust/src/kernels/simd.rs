//! Which instruction set the kernels use. Every path gives the same bits; they differ in speed alone.

/// A path through the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Simd {
    /// Plain Rust, for every machine.
    Portable,
    /// AVX2 and FMA, x86-64.
    Avx2,
}

/// The best path of this machine, or the one that `MAGNET_SIMD` (`portable`, `avx2`) names where the machine has it.
pub fn level() -> Simd {
    let forced = std::env::var("MAGNET_SIMD").unwrap_or_default();
    if forced != "portable" && has_avx2() { Simd::Avx2 } else { Simd::Portable }
}

/// Whether the machine has AVX2 and FMA.
pub fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}
