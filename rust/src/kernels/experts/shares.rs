//! Shares that make every expert's sum one of unit length.

use rayon::prelude::*;

use super::gram::{Chunk, Matrix, Rows, add_scaled, add_sums, dot_by_expert, mix, products_of, scale};
use super::{Mixed, STEP, Shape, Usual, expect, shares_of};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH};
use crate::kernels::simd::Path;

/// What is mixed, and how much of it by rows of each pattern.
#[derive(Debug, Clone, Copy)]
pub struct Mixing<'a> {
    /// Sizes.
    pub shape: Shape,
    /// `(K, rows, D)`.
    pub parts: &'a [f32],
    /// `(patterns, K, S)`.
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
        expect("parts", self.parts.len(), self.shape.of_parts())?;
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
    fn row(&self, row: usize, parts: usize, blocks: usize) -> (Rows<'a>, &'a [Chunk]) {
        let pattern = self.which[row] as usize;
        (self.shape.row(self.parts, row, parts), shares_of(self.coefficients, pattern, parts * blocks))
    }
}

/// Writes the coefficients of each row divided by the lengths of their sums, `(rows, K, S)`, into `shares`, and the
/// products of its parts, `(rows, K, K)`, into `grams`, for the gradient.
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
    let Shape { rows, parts: k, .. } = mixing.shape;
    let size = mixing.shape.of_shares();
    expect("shares", shares.len(), rows * size)?;
    expect("products of parts", grams.len(), rows * k * k)?;
    let steps = shares.par_chunks_mut(STEP * size).zip(grams.par_chunks_mut(STEP * k * k));
    steps.enumerate().try_for_each(|(step, (shares, grams))| {
        cancel.check()?;
        path.run(Usual(Forward { mixing, first: step * STEP, shares, grams }));
        Ok(())
    })
}

/// Gradients of [`unit_shares`] from that of the shares: of the parts, `(K, rows, D)`, to which they are added, and of the
/// coefficients, `(patterns, K, S)`; `grams` are those of [`unit_shares`].
///
/// # Errors
/// [`Error::Invalid`] if a shape or pattern does not fit; [`Error::Cancelled`].
pub fn unit_shares_gradient(
    mixing: Mixing<'_>,
    grams: &[f32],
    gradient: &[f32],
    of_parts: &mut [f32],
    of_coefficients: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    mixing.check()?;
    let (size, rows) = (mixing.shape.of_shares(), mixing.shape.rows);
    let k = mixing.shape.parts;
    expect("products of parts", grams.len(), rows * k * k)?;
    expect("gradients of shares", gradient.len(), rows * size)?;
    expect("gradients of parts", of_parts.len(), mixing.parts.len())?;
    expect("gradients of coefficients", of_coefficients.len(), mixing.coefficients.len())?;
    let steps = mixing.shape.steps(of_parts, 0..rows);
    let inputs = gradient.par_chunks(STEP * size).zip(grams.par_chunks(STEP * k * k));
    let sums = inputs.zip(steps).enumerate().map(|(step, ((gradient, grams), of_parts))| {
        cancel.check()?;
        Ok(path.run(Usual(Backward { mixing, first: step * STEP, grams, gradient, of_parts })))
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
            let (parts, own) = self.mixing.row(self.first + row, k, blocks);
            products_of(lanes, parts, parts, gram);
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
    of_parts: Vec<&'b mut [f32]>,
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
        let mut of_coefficients = vec![0.0; self.mixing.coefficients.len()];
        let mut of_products = vec![0.0; k * k];
        let (mut taken, mut asked) = (chunks(k * blocks), chunks(k * blocks));
        let (mut scales, mut slopes) = (chunks(blocks), chunks(blocks));
        let rows = self.gradient.chunks_exact(size).zip(self.grams.chunks_exact(k * k));
        for (row, (gradient, gram)) in rows.enumerate() {
            let (parts, own) = self.mixing.row(self.first + row, k, blocks);
            let gradient = gradient.as_chunks().0;
            mix(lanes, Matrix { numbers: gram, mirrored: false }, own, &mut taken, k, blocks);
            dot_by_expert(lanes, own, &taken, &mut scales);
            dot_by_expert(lanes, own, gradient, &mut slopes);
            let squares = scales.as_flattened_mut().iter_mut();
            for (square, along) in squares.zip(slopes.as_flattened_mut()) {
                let scale = 1.0 / square.max(shortest).sqrt();
                // Twice the slope of the squared length; one that counts as another has none.
                *along = if *square > shortest { -scale * scale * scale * *along } else { 0.0 };
                *square = scale;
            }
            let pattern = self.mixing.which[self.first + row] as usize;
            let (sums, _) = of_coefficients[pattern * size..][..size].as_chunks_mut();
            add_scaled(lanes, gradient, &scales, sums);
            add_scaled(lanes, &taken, &slopes, sums);
            scale(lanes, own, &slopes, &mut asked);
            let (asked, own) = (Rows::of_chunks(&asked, k, blocks), Rows::of_chunks(own, k, blocks));
            products_of(lanes, asked, own, &mut of_products);
            let of_products = Matrix { numbers: &of_products, mirrored: false };
            add_sums(lanes, of_products, parts, &mut self.of_parts, row * shape.width);
        }
        of_coefficients
    }
}

/// So many zeros by sixteens.
pub(super) fn chunks(n: usize) -> Vec<Chunk> {
    vec![[0.0; WIDTH]; n]
}
