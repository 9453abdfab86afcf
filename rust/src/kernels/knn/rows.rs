//! The rows that take part: present, finite and not zero, each distinct row once.
//!
//! Thousands of items may share a picture and so a row. Searched one by one they would fill each other's candidate lists
//! with ties. Instead only the first row of each class of identical rows is searched, and the others copy its result.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::tiles::dot::Dot;

/// Rows handled between two checks of the cancel flag.
const STEP: usize = 64;
/// Cache lines of a row that are prefetched.
const FETCHED: usize = 8;
/// Rows named in an error.
const NAMED: usize = 10;

/// The distinct rows of a feature matrix, numbered in the order in which they first appear.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    features: &'a [f32],
    width: usize,
    /// Number of rows of the matrix.
    total: usize,
    dot: Dot,
    /// For each class, its rows in ascending order.
    members: Vec<Vec<i32>>,
    /// For each class, the length of its row.
    norms: Vec<f64>,
    /// The largest magnitude of a value in the normalised rows.
    largest: f64,
}

impl<'a> Rows<'a> {
    /// Finds the distinct rows that are `present` and not zero. Cost: two passes over the features.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the present rows that hold NaN or infinity.
    pub(super) fn new(
        dot: Dot,
        features: &'a [f32],
        width: usize,
        present: &[bool],
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let row = |index: usize| &features[index * width..(index + 1) * width];
        let mut summaries = vec![Summary { norm: 0.0, largest: 0.0, hash: 0 }; present.len()];
        summaries.par_chunks_mut(STEP).enumerate().try_for_each(|(step, summaries)| {
            cancel.check()?;
            for (index, summary) in summaries.iter_mut().enumerate() {
                let index = step * STEP + index;
                if present[index] {
                    let row = row(index);
                    *summary = Summary { norm: dot(row, row).sqrt(), largest: largest(row), hash: hash(row) };
                }
            }
            Ok(())
        })?;
        refuse_non_finite(&summaries)?;
        let mut rows = Self {
            features,
            width,
            total: present.len(),
            dot,
            members: Vec::new(),
            norms: Vec::new(),
            largest: 0.0,
        };
        let mut classes: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, summary) in summaries.iter().enumerate().filter(|(_, summary)| summary.norm > 0.0) {
            if index % STEP == 0 {
                cancel.check()?;
            }
            let alike = classes.entry(summary.hash).or_default();
            match alike.iter().find(|&&class| rows.row(class) == row(index)) {
                Some(&class) => rows.members[class].push(index as i32),
                None => {
                    alike.push(rows.members.len());
                    rows.members.push(vec![index as i32]);
                    rows.norms.push(summary.norm);
                    rows.largest = rows.largest.max(f64::from(summary.largest) / summary.norm);
                }
            }
        }
        Ok(rows)
    }

    /// Number of distinct rows.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Number of rows of the matrix.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Values in a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The rows of the matrix that are alike, ascending.
    pub(super) fn members(&self, class: usize) -> &[i32] {
        &self.members[class]
    }

    /// The features of a class.
    pub(super) fn row(&self, class: usize) -> &'a [f32] {
        let first = self.members[class][0] as usize;
        &self.features[first * self.width..(first + 1) * self.width]
    }

    /// Prefetches the beginning of a class's row, which is about to be read; the processor itself prefetches the rest.
    pub(super) fn fetch(&self, class: i32) {
        #[cfg(target_arch = "x86_64")]
        for line in self.row(class as usize).chunks(64 / size_of::<f32>()).take(FETCHED) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: every processor of this architecture has the instruction, and a hint reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = class;
    }

    /// The length of a class's row, positive.
    pub(super) fn norm(&self, class: usize) -> f64 {
        self.norms[class]
    }

    /// The largest magnitude of a value in rows of length 1.
    pub(super) fn largest(&self) -> f64 {
        self.largest
    }

    /// The canonical cosine of two classes: the same bits in either order and on every machine.
    pub(super) fn similarity(&self, a: usize, b: usize) -> f32 {
        ((self.dot)(self.row(a), self.row(b)) / (self.norms[a] * self.norms[b])) as f32
    }
}

#[derive(Debug, Clone, Copy)]
struct Summary {
    norm: f64,
    largest: f32,
    hash: u64,
}

/// Squares of float32 cannot overflow in float64, so a length is finite exactly where all values are.
fn refuse_non_finite(summaries: &[Summary]) -> Result<(), Error> {
    let bad: Vec<usize> =
        summaries.iter().enumerate().filter(|(_, s)| !s.norm.is_finite()).map(|(index, _)| index).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let shown = &bad[..bad.len().min(NAMED)];
    Err(Error::invalid(format!(
        "features must be finite; found NaN or infinity in {} of {} rows, first in rows {shown:?}; repair them, or mark \
         these rows as missing",
        bad.len(),
        summaries.len()
    )))
}

/// The largest magnitude; sixteen values at a time, so that the compiler vectorises the loop.
fn largest(row: &[f32]) -> f32 {
    let (groups, rest) = row.as_chunks::<16>();
    let mut lanes = [0.0f32; 16];
    for group in groups {
        for (lane, value) in lanes.iter_mut().zip(group) {
            *lane = if value.abs() > *lane { value.abs() } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(0.0, |largest, value| value.abs().max(largest))
}

/// A hash that equal rows share; four independent chains let the multiplications overlap.
fn hash(row: &[f32]) -> u64 {
    // Adding zero turns -0.0 into 0.0: the two compare equal.
    let mix = |state: u64, value: f32| {
        (state ^ u64::from((value + 0.0).to_bits())).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
    };
    let mut lanes = [1u64, 2, 3, 4];
    let (full, rest) = row.as_chunks::<4>();
    for values in full {
        for (lane, &value) in lanes.iter_mut().zip(values) {
            *lane = mix(*lane, value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = mix(*lane, value);
    }
    lanes.into_iter().fold(0, |all, lane| (all ^ lane).wrapping_mul(0xBF58_476D_1CE4_E5B9).rotate_left(31))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::tiles::dot::canonical_dot;

    #[test]
    fn identical_rows_form_one_class_and_empty_ones_none() {
        let features = [1.0, 0.0, 0.0, -0.0, 1.0, -0.0, 3.0, 4.0, 1.0, 0.0];
        let rows =
            Rows::new(canonical_dot, &features, 2, &[true, true, true, true, false], &Cancel::new()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.members(0), [0, 2]);
        assert_eq!(rows.members(1), [3]);
        assert_eq!(rows.norm(1), 5.0);
        assert_eq!(rows.similarity(0, 1), 0.6);
    }

    #[test]
    fn rows_with_nan_or_infinity_are_named_unless_absent() {
        let features = [1.0, f32::NAN, f32::INFINITY, f32::NAN];
        let error =
            Rows::new(canonical_dot, &features, 1, &[true, true, true, false], &Cancel::new()).unwrap_err();
        assert!(error.to_string().contains("rows [1, 2]"), "{error}");
    }
}
