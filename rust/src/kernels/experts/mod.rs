//! What training asks of experts without networks of their own: weighted sums of a few parts, never written out.
//!
//! Of a user or item there are K parts, rows of D numbers, and expert e is `Σ_k share_ek · part_k`. Lengths and products
//! of such sums follow from the K × K products of the parts, whatever the number of experts.

mod gram;
mod products;
mod shares;

pub use products::{Pairs, products, products_gradient};
pub use shares::{Mixing, unit_shares, unit_shares_gradient};

use super::error::Error;

/// The most parts that a user or item may have.
pub const MAX_PARTS: usize = 64;

/// Shapes of what is mixed.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Rows: users and items.
    pub rows: usize,
    /// Parts of each.
    pub parts: usize,
    /// Numbers of a part.
    pub width: usize,
    /// Experts.
    pub experts: usize,
}

impl Shape {
    /// Numbers in the parts of a row.
    fn of_parts(self) -> usize {
        self.parts * self.width
    }

    /// Numbers in the shares of a row.
    fn of_shares(self) -> usize {
        self.experts * self.parts
    }

    fn check(self) -> Result<(), Error> {
        if self.parts == 0 || self.parts > MAX_PARTS || self.width == 0 || self.experts == 0 {
            return Err(Error::invalid(format!(
                "there must be 1 to {MAX_PARTS} parts, and experts and numbers at all; got {self:?}"
            )));
        }
        Ok(())
    }
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
