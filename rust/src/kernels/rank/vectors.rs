//! The model that is ranked: the score of a pair is the dot product of two vectors.

use crate::kernels::error::Error;

/// Vectors of every user and item; rows of `width` numbers.
#[derive(Debug, Clone, Copy)]
pub struct Vectors<'a> {
    /// `(U, width)`.
    pub users: &'a [f32],
    /// `(I, width)`.
    pub items: &'a [f32],
    /// Numbers in a row.
    pub width: usize,
}

impl Vectors<'_> {
    /// Number of users.
    pub fn n_users(&self) -> usize {
        self.users.len() / self.width.max(1)
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.items.len() / self.width.max(1)
    }

    /// The vector of a user.
    #[inline(always)]
    pub(super) fn user(&self, user: i32) -> &[f32] {
        row(self.users, user, self.width)
    }

    /// The vector of an item.
    #[inline(always)]
    pub(super) fn item(&self, item: i32) -> &[f32] {
        row(self.items, item, self.width)
    }

    /// Checks that the vectors have numbers at all.
    pub(in crate::kernels) fn check(&self) -> Result<(), Error> {
        if self.width == 0 {
            return Err(Error::invalid("vectors must have at least one number"));
        }
        Ok(())
    }
}

#[inline(always)]
fn row(values: &[f32], at: i32, width: usize) -> &[f32] {
    &values[at as usize * width..][..width]
}
