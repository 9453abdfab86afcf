//! Which instruction set a kernel uses: the best one of this machine, or the one that `MAGNET_SIMD` forces.

use super::error::Error;

/// The variable that forces a path, for tests and for comparing them.
pub const VARIABLE: &str = "MAGNET_SIMD";

/// An instruction path. Every kernel gives the same bits on each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Plain Rust, on any machine.
    Portable,
    /// 256-bit vectors with fused multiply-add, on x86-64.
    Avx2,
}

impl Path {
    /// The path to use: what `MAGNET_SIMD` says (`portable` or `avx2`), else the best there is.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the variable names no path, or one that this machine lacks.
    pub fn choose() -> Result<Self, Error> {
        match std::env::var(VARIABLE) {
            Ok(name) => Self::named(&name),
            Err(std::env::VarError::NotPresent) => Ok(if has_avx2() { Self::Avx2 } else { Self::Portable }),
            Err(error) => Err(Error::invalid(format!("{VARIABLE} must be portable or avx2: {error}"))),
        }
    }

    fn named(name: &str) -> Result<Self, Error> {
        match name {
            "portable" => Ok(Self::Portable),
            "avx2" if has_avx2() => Ok(Self::Avx2),
            "avx2" => Err(Error::invalid(format!(
                "{VARIABLE}=avx2, but this machine has no AVX2 with FMA; use portable or unset it"
            ))),
            _ => Err(Error::invalid(format!("{VARIABLE} must be portable or avx2, got {name:?}"))),
        }
    }
}

/// Whether this machine has AVX2 and FMA.
pub fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_chosen_by_name_and_a_wrong_name_is_refused() {
        assert_eq!(Path::named("portable"), Ok(Path::Portable));
        assert_eq!(Path::named("avx2").is_ok(), has_avx2());
        assert!(Path::named("sse9").is_err());
    }
}
