//! The vectors of experts that have no network of their own: weighted sums of a few components. Training needs their
//! lengths and products only, so that the vectors themselves are never written out.
//!
//! A user or item has K components, rows of D numbers, and expert e is `Σ_k share_ke · component_k`. Lengths and
//! products of such sums follow from the K × K products of the components, whatever the number of experts. The shares
//! of a component stand side by side, one for each expert, and zeros fill the last vector of sixteen: S numbers in all.

mod gram;
mod products;
mod shares;

use std::ops::Range;

pub use products::{Pairs, by_item, products, products_gradient};
pub use shares::{Mixing, unit_shares, unit_shares_gradient};

use super::error::Error;
use super::lanes::{Lanes, WIDTH, Work};
use gram::{Chunk, Rows};

/// The most components that a user or item may have.
pub const MAX_COMPONENTS: usize = 64;
/// Rows of one parallel step. Sums over rows are made step by step, whatever the number of threads.
const STEP: usize = 64;

/// Shapes of what is mixed.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Rows: users and items.
    pub rows: usize,
    /// Parts of each.
    pub components: usize,
    /// Numbers of a component.
    pub width: usize,
    /// Experts.
    pub experts: usize,
}

impl Shape {
    /// Vectors that hold a number for each expert.
    fn blocks(self) -> usize {
        self.experts.div_ceil(WIDTH)
    }

    /// Numbers in the shares of a row: K · S.
    fn shares_len(self) -> usize {
        self.components * self.blocks() * WIDTH
    }

    /// All numbers in the components.
    fn components_len(self) -> usize {
        self.rows * self.components * self.width
    }

    /// The `n` = K components of a row in `(K, rows, D)`.
    #[inline(always)]
    fn row(self, components: &[f32], row: usize, n: usize) -> Rows<'_> {
        let width = self.width;
        Rows { numbers: &components[row * width..], stride: self.rows * width, n, width }
    }

    /// Some rows of `(K, rows, D)`, step by step: of each step, its piece of every component.
    fn steps(self, components: &mut [f32], rows: Range<usize>) -> Vec<Vec<&mut [f32]>> {
        let mut steps: Vec<Vec<&mut [f32]>> = Vec::new();
        steps.resize_with(rows.len().div_ceil(STEP), || Vec::with_capacity(self.components));
        for component in components.chunks_exact_mut((self.rows * self.width).max(1)) {
            let component = &mut component[rows.start * self.width..rows.end * self.width];
            steps
                .iter_mut()
                .zip(component.chunks_mut(STEP * self.width))
                .for_each(|(step, piece)| step.push(piece));
        }
        steps
    }

    fn check(self) -> Result<(), Error> {
        if self.components == 0 || self.components > MAX_COMPONENTS || self.width == 0 || self.experts == 0 {
            return Err(Error::invalid(format!(
                "there must be 1 to {MAX_COMPONENTS} components, and experts and numbers at all; got {self:?}"
            )));
        }
        Ok(())
    }
}

/// Work on rows of one shape.
trait Mixed {
    type Output;

    fn shape(&self) -> Shape;

    /// Does it for `components` components and `blocks` vectors of experts. Must be `#[inline(always)]`.
    fn run<L: Lanes>(self, lanes: L, components: usize, blocks: usize) -> Self::Output;
}

/// Gives the compiler the usual sizes, those of one to three modalities, as constants: it unrolls their loops.
struct Usual<W>(W);

impl<W: Mixed> Work for Usual<W> {
    type Output = W::Output;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> W::Output {
        let shape = self.0.shape();
        match (shape.components, shape.blocks()) {
            (4, 1) => self.0.run(lanes, 4, 1),
            (6, 1) => self.0.run(lanes, 6, 1),
            (8, 1) => self.0.run(lanes, 8, 1),
            (components, blocks) => self.0.run(lanes, components, blocks),
        }
    }
}

/// The shares of a row of `(rows, K, S)`, as `chunks` vectors.
#[inline(always)]
fn shares_of(shares: &[f32], row: usize, chunks: usize) -> &[Chunk] {
    shares[row * chunks * WIDTH..][..chunks * WIDTH].as_chunks().0
}

/// Checks the length of an array.
fn expect(name: &str, len: usize, wanted: usize) -> Result<(), Error> {
    if len == wanted {
        return Ok(());
    }
    Err(Error::invalid(format!("{name} must hold {wanted} numbers, they hold {len}")))
}

#[cfg(test)]
mod tests;
