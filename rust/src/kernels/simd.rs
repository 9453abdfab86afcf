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
    /// 512-bit vectors (F, BW, DQ and VL), on x86-64.
    Avx512,
    /// Tiles of bfloat16 beside 512-bit vectors, on x86-64.
    Amx,
}

impl Path {
    /// All paths, from the plainest to the fastest.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Amx];

    /// The name that `MAGNET_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        }
    }

    /// The instructions that the machine must have.
    fn needs(self) -> &'static str {
        match self {
            Self::Portable => "nothing",
            Self::Avx2 => "AVX2 with FMA",
            Self::Avx512 => "AVX-512 (F, BW, DQ, VL)",
            Self::Amx => "AMX with bfloat16 and leave of the system to use it",
        }
    }

    /// Whether this machine can take the path.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => has_avx2(),
            Self::Avx512 => has_avx512(),
            Self::Amx => has_avx512() && has_amx(),
        }
    }

    /// The paths that this machine can take, from the plainest to the fastest.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|path| path.is_available())
    }

    /// The path to use: what `MAGNET_SIMD` says (`portable`, `avx2`, `avx512` or `amx`), else the best there is.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the variable names no path, or one that this machine lacks.
    pub fn choose() -> Result<Self, Error> {
        match std::env::var(VARIABLE) {
            Ok(name) => Self::named(&name),
            Err(std::env::VarError::NotPresent) => Ok(Self::available().last().unwrap_or(Self::Portable)),
            Err(error) => Err(Error::invalid(format!("{VARIABLE} must be {}: {error}", names(Self::ALL)))),
        }
    }

    fn named(name: &str) -> Result<Self, Error> {
        let Some(path) = Self::ALL.into_iter().find(|path| path.name() == name) else {
            return Err(Error::invalid(format!("{VARIABLE} must be {}, got {name:?}", names(Self::ALL))));
        };
        path.check()
    }

    /// This path, if the machine can take it.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it lacks something.
    pub fn check(self) -> Result<Self, Error> {
        if self.is_available() {
            return Ok(self);
        }
        Err(Error::invalid(format!(
            "{VARIABLE}={}, but this machine has no {}; it can do {}, or unset it",
            self.name(),
            self.needs(),
            names(Self::available())
        )))
    }
}

/// Names for a message: "portable, avx2 or avx512".
fn names(paths: impl IntoIterator<Item = Path>) -> String {
    let names: Vec<&str> = paths.into_iter().map(Path::name).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
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

/// Whether this machine has AVX2 and the parts of AVX-512 that are used (F, BW, DQ and VL).
pub fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        has_avx2()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Whether this machine has AMX with bfloat16 and the system lets this process use it.
pub fn has_amx() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
    {
        amx::permitted()
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
    {
        false
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
mod amx {
    use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
    use std::sync::OnceLock;

    /// `AMX-BF16` and `AMX-TILE` in EDX of leaf 7.
    const PROCESSOR: u32 = 1 << 22 | 1 << 24;
    /// Tile configuration and tile data in the set of registers that the system saves.
    const SYSTEM: u64 = 1 << 17 | 1 << 18;
    /// `ARCH_REQ_XCOMP_PERM`, and the number of tile data.
    const REQUEST: (libc::c_long, libc::c_long) = (0x1023, 18);

    /// Asks the system for permission to use tiles, once for all threads of the process: it reserves room for tiles only
    /// on request.
    pub(super) fn permitted() -> bool {
        static PERMITTED: OnceLock<bool> = OnceLock::new();
        *PERMITTED.get_or_init(|| {
            // SAFETY: a system call that takes two numbers and changes nothing but the permission.
            present() && unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST.0, REQUEST.1) } == 0
        })
    }

    fn present() -> bool {
        #[target_feature(enable = "xsave")]
        fn saved() -> u64 {
            // SAFETY: register 0 exists wherever the instruction does.
            unsafe { _xgetbv(0) }
        }
        // OSXSAVE says that programs may ask which registers the system saves.
        let asks = __cpuid(1).ecx & 1 << 27 != 0 && is_x86_feature_detected!("xsave");
        // SAFETY: just checked.
        asks && __cpuid(0).eax >= 7
            && __cpuid_count(7, 0).edx & PROCESSOR == PROCESSOR
            && unsafe { saved() } & SYSTEM == SYSTEM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_chosen_by_name_and_a_wrong_name_is_refused() {
        for path in Path::ALL {
            match Path::named(path.name()) {
                Ok(chosen) => assert!(chosen == path && path.is_available()),
                Err(error) => {
                    assert!(!path.is_available());
                    assert!(error.to_string().contains(path.needs()), "{error}");
                    assert!(error.to_string().contains("portable"), "{error}");
                }
            }
        }
        assert!(Path::named("sse9").is_err());
        assert_eq!(names(Path::ALL), "portable, avx2, avx512 or amx");
    }

    #[test]
    fn a_machine_with_more_has_what_is_less() {
        assert!(!has_avx512() || has_avx2());
        let skipped: Vec<&str> =
            Path::ALL.into_iter().filter(|path| !path.is_available()).map(Path::name).collect();
        eprintln!("instruction paths that this machine lacks: {skipped:?}");
    }
}
