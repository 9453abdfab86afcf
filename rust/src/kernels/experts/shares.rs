//! Shares: coefficients scaled so that every expert's sum has unit length.

use rayon::prelude::*;

use super::gram::{Chunk, Matrix, Rows, add_scaled, add_sums, dot_by_expert, mix, products_of, scale};
use super::{Mixed, STEP, Shape, Usual, expect, shares_of};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH};
use crate::kernels::simd::Path;

/// The components of all rows, and the coefficients with which rows of each pattern mix them.
#[derive(Debug, Clone, Copy)]
pub struct Mixing<'a> {
    /// Sizes.
    pub shape: Shape,
    /// `(K, rows, D)`.
    pub components: &'a [f32],
    /// `(patterns, K, S)`.
    pub coefficients: &'a [f32],
    /// The pattern of each row.
    pub pattern: &'a [i64],
    /// Squared lengths below this count as this.
    pub shortest: f32,
}

impl<'a> Mixing<'a> {
    fn check(&self) -> Result<(), Error> {
        let Shape { rows, .. } = self.shape;
        self.shape.check()?;
        expect("components", self.components.len(), self.shape.components_len())?;
        expect("patterns of rows", self.pattern.len(), rows)?;
        let n = self.coefficients.len() / self.shape.shares_len();
        expect("coefficients", self.coefficients.len(), n * self.shape.shares_len())?;
        match self.pattern.iter().find(|&&pattern| !(0..n as i64).contains(&pattern)) {
            Some(outside) => Err(Error::invalid(format!("pattern {outside} is outside 0..{n}"))),
            None => Ok(()),
        }
    }

    /// Parts and coefficients of a row.
    #[inline(always)]
    fn row(&self, row: usize, components: usize, blocks: usize) -> (Rows<'a>, &'a [Chunk]) {
        let pattern = self.pattern[row] as usize;
        (
            self.shape.row(self.components, row, components),
            shares_of(self.coefficients, pattern, components * blocks),
        )
    }
}

/// Writes the coefficients of each row divided by the lengths of their sums, `(rows, K, S)`, into `shares`, and the
/// products of its components, `(rows, K, K)`, into `grams`, for the gradient.
///
/// # Errors
/// [`Error::Invalid`] if a shape or pattern does not fit; [`Error::Cancelled`].
pub fn unit_shares(
    mixing: Mixing<'_>,
    shares: &mut [f32],
    grams: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    mixing.check()?;
    let Shape { rows, components: k, .. } = mixing.shape;
    let size = mixing.shape.shares_len();
    expect("shares", shares.len(), rows * size)?;
    expect("products of components", grams.len(), rows * k * k)?;
    let steps = shares.par_chunks_mut(STEP * size).zip(grams.par_chunks_mut(STEP * k * k));
    steps.enumerate().try_for_each(|(step, (shares, grams))| {
        cancel.check()?;
        path.run(Usual(Forward { mixing, first: step * STEP, shares, grams }));
        Ok(())
    })
}

/// Gradients of [`unit_shares`] from that of the shares: of the components, `(K, rows, D)`, added to what is there, and
/// of the coefficients, `(patterns, K, S)`; `grams` are those of [`unit_shares`].
///
/// # Errors
/// [`Error::Invalid`] if a shape or pattern does not fit; [`Error::Cancelled`].
pub fn unit_shares_gradient(
    mixing: Mixing<'_>,
    grams: &[f32],
    gradient: &[f32],
    grad_components: &mut [f32],
    grad_coefficients: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    mixing.check()?;
    let (size, rows) = (mixing.shape.shares_len(), mixing.shape.rows);
    let k = mixing.shape.components;
    expect("products of components", grams.len(), rows * k * k)?;
    expect("gradients of shares", gradient.len(), rows * size)?;
    expect("gradients of components", grad_components.len(), mixing.components.len())?;
    expect("gradients of coefficients", grad_coefficients.len(), mixing.coefficients.len())?;
    let steps = mixing.shape.steps(grad_components, 0..rows);
    let inputs = gradient.par_chunks(STEP * size).zip(grams.par_chunks(STEP * k * k));
    let sums = inputs.zip(steps).enumerate().map(|(step, ((gradient, grams), grad_components))| {
        cancel.check()?;
        Ok(path.run(Usual(Backward { mixing, first: step * STEP, grams, gradient, grad_components })))
    });
    grad_coefficients.fill(0.0);
    for sum in sums.collect::<Result<Vec<Vec<f32>>, Error>>()? {
        grad_coefficients.iter_mut().zip(sum).for_each(|(all, own)| *all += own);
    }
    Ok(())
}

struct Forward<'a, 'b> {
    mixing: Mixing<'a>,
    first: usize,
    shares: &'b mut [f32],
    grams: &'b mut [f32],
}

impl Mixed for Forward<'_, '_> {
    type Output = ();

    fn shape(&self) -> Shape {
        self.mixing.shape
    }

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L, k: usize, blocks: usize) {
        let (mut taken, mut scales) = (chunks(k * blocks), chunks(blocks));
        let rows = self.shares.chunks_exact_mut(k * blocks * WIDTH).zip(self.grams.chunks_exact_mut(k * k));
        for (row, (shares, gram)) in rows.enumerate() {
            let (components, own) = self.mixing.row(self.first + row, k, blocks);
            products_of(lanes, components, components, gram);
            mix(lanes, Matrix { numbers: gram, mirrored: false }, own, &mut taken, k, blocks);
            dot_by_expert(lanes, own, &taken, &mut scales);
            for square in scales.as_flattened_mut() {
                *square = 1.0 / square.max(self.mixing.shortest).sqrt();
            }
            scale(lanes, own, &scales, shares.as_chunks_mut().0);
        }
    }
}

struct Backward<'a, 'b> {
    mixing: Mixing<'a>,
    first: usize,
    grams: &'b [f32],
    gradient: &'b [f32],
    grad_components: Vec<&'b mut [f32]>,
}

impl Mixed for Backward<'_, '_> {
    /// The gradients of the coefficients, summed over the step's rows.
    type Output = Vec<f32>;

    fn shape(&self) -> Shape {
        self.mixing.shape
    }

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L, k: usize, blocks: usize) -> Vec<f32> {
        let Mixing { shape, shortest, .. } = self.mixing;
        let size = k * blocks * WIDTH;
        let mut grad_coefficients = vec![0.0; self.mixing.coefficients.len()];
        let mut grad_products = vec![0.0; k * k];
        let (mut taken, mut scaled) = (chunks(k * blocks), chunks(k * blocks));
        let (mut scales, mut slopes) = (chunks(blocks), chunks(blocks));
        let rows = self.gradient.chunks_exact(size).zip(self.grams.chunks_exact(k * k));
        for (row, (gradient, gram)) in rows.enumerate() {
            let (components, own) = self.mixing.row(self.first + row, k, blocks);
            let gradient = gradient.as_chunks().0;
            mix(lanes, Matrix { numbers: gram, mirrored: false }, own, &mut taken, k, blocks);
            dot_by_expert(lanes, own, &taken, &mut scales);
            dot_by_expert(lanes, own, gradient, &mut slopes);
            let squares = scales.as_flattened_mut().iter_mut();
            for (square, along) in squares.zip(slopes.as_flattened_mut()) {
                let scale = 1.0 / square.max(shortest).sqrt();
                // Twice the slope by the squared length; a length that is clamped has none.
                *along = if *square > shortest { -scale * scale * scale * *along } else { 0.0 };
                *square = scale;
            }
            let pattern = self.mixing.pattern[self.first + row] as usize;
            let (sums, _) = grad_coefficients[pattern * size..][..size].as_chunks_mut();
            add_scaled(lanes, gradient, &scales, sums);
            add_scaled(lanes, &taken, &slopes, sums);
            scale(lanes, own, &slopes, &mut scaled);
            let (scaled, own) = (Rows::of_chunks(&scaled, k, blocks), Rows::of_chunks(own, k, blocks));
            products_of(lanes, scaled, own, &mut grad_products);
            let grad_products = Matrix { numbers: &grad_products, mirrored: false };
            add_sums(lanes, grad_products, components, &mut self.grad_components, row * shape.width);
        }
        grad_coefficients
    }
}

/// `n` vectors of zeros.
pub(super) fn chunks(n: usize) -> Vec<Chunk> {
    vec![[0.0; WIDTH]; n]
}
