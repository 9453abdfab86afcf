//! Shares that make every expert's sum one of unit length.

use rayon::prelude::*;

use super::gram::{ByPart, add_sums, gram};
use super::{Shape, expect};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, Work};
use crate::kernels::simd::Path;

/// Rows of one parallel step. Sums over rows are made step by step, whatever the number of threads.
const STEP: usize = 64;

/// What is mixed, and how much of it by rows of each pattern.
#[derive(Debug, Clone, Copy)]
pub struct Mixing<'a> {
    /// Sizes.
    pub shape: Shape,
    /// `(rows, K, D)`.
    pub parts: &'a [f32],
    /// `(patterns, E, K)`.
    pub coefficients: &'a [f32],
    /// The pattern of each row.
    pub which: &'a [i64],
    /// Squared lengths below this count as this.
    pub shortest: f32,
}

impl<'a> Mixing<'a> {
    fn check(&self) -> Result<(), Error> {
        let Shape { rows, .. } = self.shape;
        self.shape.check()?;
        expect("parts", self.parts.len(), rows * self.shape.of_parts())?;
        expect("patterns of rows", self.which.len(), rows)?;
        let n = self.coefficients.len() / self.shape.of_shares();
        expect("coefficients", self.coefficients.len(), n * self.shape.of_shares())?;
        match self.which.iter().find(|&&pattern| !(0..n as i64).contains(&pattern)) {
            Some(outside) => Err(Error::invalid(format!("pattern {outside} is outside 0..{n}"))),
            None => Ok(()),
        }
    }

    /// Parts and coefficients of a row.
    #[inline(always)]
    fn row(&self, row: usize) -> (&'a [f32], &'a [f32]) {
        let (parts, shares) = (self.shape.of_parts(), self.shape.of_shares());
        let pattern = self.which[row] as usize;
        (&self.parts[row * parts..][..parts], &self.coefficients[pattern * shares..][..shares])
    }
}

/// Writes the coefficients of each row divided by the lengths of their sums, `(rows, E, K)`, into `shares`.
///
/// # Errors
/// [`Error::Invalid`] if a shape or pattern does not fit; [`Error::Cancelled`].
pub fn unit_shares(mixing: Mixing<'_>, shares: &mut [f32], path: Path, cancel: &Cancel) -> Result<(), Error> {
    mixing.check()?;
    let size = mixing.shape.of_shares();
    expect("shares", shares.len(), mixing.shape.rows * size)?;
    shares.par_chunks_mut(STEP * size).enumerate().try_for_each(|(step, shares)| {
        cancel.check()?;
        path.run(Forward { mixing, first: step * STEP, shares });
        Ok(())
    })
}

/// Gradients of [`unit_shares`]: of the parts, `(rows, K, D)`, and of the coefficients, `(patterns, E, K)`, from that of
/// the shares.
///
/// # Errors
/// [`Error::Invalid`] if a shape or pattern does not fit; [`Error::Cancelled`].
pub fn unit_shares_gradient(
    mixing: Mixing<'_>,
    gradient: &[f32],
    of_parts: &mut [f32],
    of_coefficients: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    mixing.check()?;
    let (size, parts) = (mixing.shape.of_shares(), mixing.shape.of_parts());
    expect("gradients of shares", gradient.len(), mixing.shape.rows * size)?;
    expect("gradients of parts", of_parts.len(), mixing.parts.len())?;
    expect("gradients of coefficients", of_coefficients.len(), mixing.coefficients.len())?;
    let steps = gradient.par_chunks(STEP * size).zip(of_parts.par_chunks_mut(STEP * parts)).enumerate();
    let sums = steps.map(|(step, (gradient, of_parts))| {
        cancel.check()?;
        Ok(path.run(Backward { mixing, first: step * STEP, gradient, of_parts }))
    });
    of_coefficients.fill(0.0);
    for sum in sums.collect::<Result<Vec<Vec<f32>>, Error>>()? {
        of_coefficients.iter_mut().zip(sum).for_each(|(all, own)| *all += own);
    }
    Ok(())
}

struct Forward<'a, 'b> {
    mixing: Mixing<'a>,
    first: usize,
    shares: &'b mut [f32],
}

impl Work for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Shape { parts: k, width, experts, .. } = self.mixing.shape;
        let mut products = vec![0.0; k * k];
        let (mut own, mut taken) = (ByPart::new(k, experts), ByPart::new(k, experts));
        let mut squares = vec![0.0; own.stride];
        for (row, shares) in self.shares.chunks_exact_mut(experts * k).enumerate() {
            let (parts, coefficients) = self.mixing.row(self.first + row);
            gram(lanes, parts, parts, width, &mut products);
            own.take(coefficients, k);
            taken.set_product(lanes, &products, &own);
            own.dots(&taken, &mut squares);
            let experts = shares.chunks_exact_mut(k).zip(coefficients.chunks_exact(k));
            for ((shares, own), square) in experts.zip(&squares) {
                let scale = 1.0 / square.max(self.mixing.shortest).sqrt();
                shares.iter_mut().zip(own).for_each(|(share, own)| *share = own * scale);
            }
        }
    }
}

struct Backward<'a, 'b> {
    mixing: Mixing<'a>,
    first: usize,
    gradient: &'b [f32],
    of_parts: &'b mut [f32],
}

impl Work for Backward<'_, '_> {
    /// The gradients of the coefficients, summed over the step's rows.
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Vec<f32> {
        let Mixing { shape, shortest, .. } = self.mixing;
        let Shape { parts: k, width, experts, .. } = shape;
        let mut of_coefficients = vec![0.0; self.mixing.coefficients.len()];
        let (mut products, mut of_products) = (vec![0.0; k * k], vec![0.0; k * k]);
        let new = || ByPart::new(k, experts);
        let (mut own, mut taken, mut slopes, mut sums) = (new(), new(), new(), new());
        let (mut squares, mut along) = (vec![0.0; own.stride], vec![0.0; own.stride]);
        let rows = self.gradient.chunks_exact(experts * k).zip(self.of_parts.chunks_exact_mut(k * width));
        for (row, (gradient, of_parts)) in rows.enumerate() {
            let (parts, coefficients) = self.mixing.row(self.first + row);
            let pattern = self.mixing.which[self.first + row] as usize;
            gram(lanes, parts, parts, width, &mut products);
            own.take(coefficients, k);
            slopes.take(gradient, k);
            taken.set_product(lanes, &products, &own);
            own.dots(&taken, &mut squares);
            own.dots(&slopes, &mut along);
            for (square, along) in squares.iter_mut().zip(&mut along) {
                let scale = 1.0 / square.max(shortest).sqrt();
                // Twice the slope of the squared length; one that counts as another has none.
                *along = if *square > shortest { -scale * scale * scale * *along } else { 0.0 };
                *square = scale;
            }
            let (scales, slope) = (&squares, &along);
            sums.set_scaled(&slopes, scales);
            sums.add_scaled(&taken, slope);
            sums.add_to(&mut of_coefficients[pattern * experts * k..][..experts * k], k);
            slopes.set_scaled(&own, slope);
            gram(lanes, &slopes.numbers, &own.numbers, own.stride, &mut of_products);
            of_parts.fill(0.0);
            add_sums(lanes, &of_products, parts, width, of_parts);
        }
        of_coefficients
    }
}
