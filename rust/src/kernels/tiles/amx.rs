//! The tile operations with AMX: two by two tiles of bfloat16 products.

use std::arch::asm;
use std::arch::x86_64::{
    _CMP_GE_OQ, _mm512_cmp_ps_mask, _mm512_loadu_ps, _mm512_max_ps, _mm512_min_ps, _mm512_set1_ps,
};
use std::marker::PhantomData;

use super::avx512;
use super::format::Bf16;
use super::shapes::Tiles;
use super::{COLS, Filter, Kernel, Operands, Shape, check_sizes};
use crate::kernels::simd::Path;

/// Bytes of a tile: sixteen rows of sixteen cells.
const TILE: usize = 1024;
/// Bytes from row to row of a micro-tile.
const PITCH: usize = Tiles::WIDE * size_of::<u32>();

/// Proof that the machine has AMX and that the system permits its use: only [`Amx::detect`] makes one.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Amx(());

impl Amx {
    pub(in crate::kernels) fn detect() -> Option<Self> {
        Path::Amx.is_available().then_some(Self(()))
    }
}

/// A thread's tiles, configured as long as this value lives. It cannot move to another thread.
pub(in crate::kernels) struct Session(PhantomData<*const ()>);

/// The configuration that `ldtilecfg` reads: the palette, then the bytes of a row and the rows of each tile.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

impl Session {
    fn new() -> Self {
        let mut configuration = Configuration([0; 64]);
        configuration.0[0] = 1;
        for tile in 0..8 {
            configuration.0[16 + 2 * tile] = 64;
            configuration.0[48 + tile] = 16;
        }
        // SAFETY: only an `Amx` makes sessions, so the instruction exists; it reads the 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) configuration.0.as_ptr(), options(nostack, readonly)) };
        Self(PhantomData)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: as in `new`. The system does not save tiles that are not in use when it switches threads.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

impl Kernel for Amx {
    type Shape = Tiles;
    type Session = Session;
    const APART: bool = true;

    fn session(self) -> Session {
        Session::new()
    }

    fn multiply(
        self,
        _: &mut Session,
        operands: Operands<'_>,
        first: bool,
        tile: &mut [u32],
        filter: Option<Filter<'_>>,
    ) -> bool {
        check_sizes::<Tiles>(operands, tile, filter.as_ref());
        if first || operands.steps > 0 {
            // SAFETY: the session has set up the tiles, and the sizes are those of the shape.
            unsafe { product(operands, first, tile.as_mut_ptr()) };
        }
        // SAFETY: `tile` holds a micro-tile, and a machine with AMX has AVX-512; `detect` has checked both.
        filter.is_some_and(|filter| unsafe { reached(tile.as_ptr(), filter) })
    }

    fn encode(self, row: &[f32], scale: f64, cells: &mut [u32]) -> f64 {
        // SAFETY: a machine with AMX has AVX-512; `detect` has checked both.
        unsafe { avx512::encode::<Bf16>(row, scale, cells) }
    }
}

/// Adds products to the sums at `to`, or starts new sums if they are the `first`. All of it is one block of assembly,
/// because the compiler does not know what the tiles hold.
///
/// # Safety
/// The tiles are set up; sizes are those of the shape; `to` holds a micro-tile.
unsafe fn product(operands: Operands<'_>, first: bool, to: *mut u32) {
    let Operands { left, right, stride, steps, ahead } = operands;
    let blocks = steps / Tiles::STEPS;
    // SAFETY: sixteen steps are one tile, for each half of the rows, which lie `16 · steps` cells apart, and for each of
    // two panels, which lie `stride` lines apart. Prefetched addresses need not be valid. The tiles are declared as
    // clobbered.
    unsafe {
        asm!(
            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
            "test {first}, {first}", "jnz 2f",
            "tileloadd tmm0, [{to} + {pitch}]", "tileloadd tmm1, [{to} + {pitch} + 64]",
            "tileloadd tmm2, [{half} + {pitch}]", "tileloadd tmm3, [{half} + {pitch} + 64]",
            "2:",
            "test {blocks}, {blocks}", "jz 4f",
            "3:",
            "tileloadd tmm4, [{a0} + {row}]",
            "tileloadd tmm6, [{b0} + {row}]",
            "tileloadd tmm7, [{b1} + {row}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{a1} + {row}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "prefetcht1 [{ahead}]", "prefetcht1 [{ahead} + 64]", "prefetcht1 [{ahead} + 128]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a0}, {tile}", "add {a1}, {tile}", "add {b0}, {tile}", "add {b1}, {tile}",
            "add {ahead}, 192",
            "dec {blocks}", "jnz 3b",
            "4:",
            "tilestored [{to} + {pitch}], tmm0", "tilestored [{to} + {pitch} + 64], tmm1",
            "tilestored [{half} + {pitch}], tmm2", "tilestored [{half} + {pitch} + 64], tmm3",
            first = in(reg) usize::from(first),
            to = in(reg) to,
            half = in(reg) to.wrapping_byte_add(16 * PITCH),
            blocks = inout(reg) blocks => _,
            a0 = inout(reg) left.as_ptr() => _,
            a1 = inout(reg) left.as_ptr().wrapping_add(16 * steps) => _,
            b0 = inout(reg) right.as_ptr() => _,
            b1 = inout(reg) right.as_ptr().wrapping_add(stride) => _,
            ahead = inout(reg) ahead.as_ptr() => _,
            pitch = in(reg) PITCH,
            row = in(reg) 64usize,
            tile = const TILE,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// Whether any of the sums at `sums` reaches the smaller of its two limits, and which do.
///
/// Four rows are tested together, by their largest sums and their smallest limit, since few sums reach a limit.
///
/// # Safety
/// The machine has AVX-512, `sums` holds a micro-tile and the sizes of the filter are those of the shape.
#[target_feature(enable = "avx512f")]
unsafe fn reached(sums: *const u32, filter: Filter<'_>) -> bool {
    let mut any = 0;
    // SAFETY: a micro-tile holds 32 rows of two lines, and there is a limit for each row and column.
    unsafe {
        let columns = filter.columns.as_ptr();
        let columns = [_mm512_loadu_ps(columns), _mm512_loadu_ps(columns.add(COLS))];
        for (four, found) in filter.found.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let sums = sums.add(4 * four * Tiles::WIDE).cast::<f32>();
            let limits = &*filter.rows.as_ptr().add(4 * four).cast::<[f32; 4]>();
            let low = limits[0].min(limits[1]).min(limits[2].min(limits[3]));
            let mut reach = 0;
            for (panel, &column) in columns.iter().enumerate() {
                let at = |row: usize| sums.add(row * Tiles::WIDE + panel * COLS);
                let high = _mm512_max_ps(
                    _mm512_max_ps(_mm512_loadu_ps(at(0)), _mm512_loadu_ps(at(1))),
                    _mm512_max_ps(_mm512_loadu_ps(at(2)), _mm512_loadu_ps(at(3))),
                );
                reach |= _mm512_cmp_ps_mask::<_CMP_GE_OQ>(high, _mm512_min_ps(_mm512_set1_ps(low), column));
            }
            *found = [0; 4];
            if reach == 0 {
                continue;
            }
            for (row, (found, &limit)) in found.iter_mut().zip(limits).enumerate() {
                for (panel, &column) in columns.iter().enumerate() {
                    let values = _mm512_loadu_ps(sums.add(row * Tiles::WIDE + panel * COLS));
                    let limit = _mm512_min_ps(_mm512_set1_ps(limit), column);
                    *found |= u64::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(values, limit)) << (panel * COLS);
                }
                any |= *found;
            }
        }
    }
    any != 0
}

#[cfg(test)]
mod tests {
    use super::super::agreement::{check, skipped};
    use super::*;

    #[test]
    fn does_what_plain_rust_does() {
        match Amx::detect() {
            Some(amx) => check(amx),
            None => skipped("AMX with bfloat16"),
        }
    }
}
