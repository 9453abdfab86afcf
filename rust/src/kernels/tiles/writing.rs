//! Loops that write a row in a format and measure the error: plain Rust that the compiler vectorises.

/// Sums squared errors in eight lanes, which the compiler keeps in vectors; `write` writes the value at a place and
/// returns its error.
#[inline(always)]
pub(super) fn squares(row: &[f32], mut write: impl FnMut(usize, f32) -> f64) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (groups, rest) = row.as_chunks::<8>();
    for (group, values) in groups.iter().enumerate() {
        for (lane, (sum, &value)) in lanes.iter_mut().zip(values).enumerate() {
            let error = write(8 * group + lane, value);
            *sum += error * error;
        }
    }
    for (lane, &value) in rest.iter().enumerate() {
        let error = write(8 * groups.len() + lane, value);
        lanes[lane] += error * error;
    }
    lanes.iter().sum()
}

/// Writes two numbers of sixteen bits to each cell, then zeros; `write` gives the bits of a scaled value and the number
/// that they stand for. Returns the squared length of the error, summed in sixteen lanes.
#[inline(always)]
pub(super) fn pairs(row: &[f32], scale: f64, cells: &mut [u32], write: impl Fn(f64) -> (u32, f64)) -> f64 {
    let mut lanes = [0.0f64; 16];
    let (pieces, rest) = row.as_chunks::<16>();
    let (full, tail) = cells.split_at_mut(8 * pieces.len());
    for (values, cells) in pieces.iter().zip(full.as_chunks_mut::<8>().0) {
        *cells = piece(values, scale, &mut lanes, &write);
    }
    tail.fill(0);
    if !rest.is_empty() {
        let mut values = [0.0; 16];
        values[..rest.len()].copy_from_slice(rest);
        let used = rest.len().div_ceil(2);
        tail[..used].copy_from_slice(&piece(&values, scale, &mut lanes, &write)[..used]);
    }
    lanes.iter().sum()
}

/// Sixteen values. It uses loops instead of methods that take closures: closures are not compiled for the caller's
/// instruction set.
#[inline(always)]
fn piece(
    values: &[f32; 16],
    scale: f64,
    lanes: &mut [f64; 16],
    write: &impl Fn(f64) -> (u32, f64),
) -> [u32; 8] {
    let mut bits = [0; 16];
    for ((&value, lane), bits) in values.iter().zip(lanes).zip(&mut bits) {
        let exact = f64::from(value) * scale;
        let worth;
        (*bits, worth) = write(exact);
        *lane += (exact - worth) * (exact - worth);
    }
    let mut cells = [0; 8];
    for (cell, pair) in cells.iter_mut().zip(bits.as_chunks::<2>().0) {
        *cell = pair[0] | pair[1] << 16;
    }
    cells
}
