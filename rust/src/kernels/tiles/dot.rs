//! The dot product that decides between rows that a filter cannot tell apart.

/// [`canonical_dot`], or a faster function that gives the same bits.
pub(in crate::kernels) type Dot = fn(&[f32], &[f32]) -> f64;

/// The dot product that decides: summed in float64 in one fixed order.
///
/// A product of two float32 is exact in float64, so fused and separate multiply-adds give the same bits. The sum runs in
/// sixteen lanes, which are added in a fixed order: every machine gives the same bits.
#[inline(always)]
pub(in crate::kernels) fn canonical_dot(x: &[f32], y: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 16];
    let (x_full, x_rest) = x.as_chunks::<16>();
    let (y_full, y_rest) = y.as_chunks::<16>();
    for (a, b) in x_full.iter().zip(y_full) {
        for lane in 0..16 {
            lanes[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    for (lane, (&a, &b)) in lanes.iter_mut().zip(x_rest.iter().zip(y_rest)) {
        *lane += f64::from(a) * f64::from(b);
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
    }
    lanes[0]
}
