//! Interactions with the items numbered by popularity, and how many users the most popular ones share.
//!
//! Popular items come first, so that what is looked up most often lies close together, and the items that two tables
//! treat differently are the two ends of every sorted list.

use rayon::prelude::*;

use crate::kernels::buckets::split;
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::{Csr, OwnedCsr};
use crate::kernels::error::Error;
use crate::kernels::pages::advise;
use crate::kernels::sparse::by_rows;
use crate::kernels::transpose::transpose;

/// Counts from here on are not exact in `f32`.
const EXACT: usize = 1 << 24;
/// Users handled between two checks of the cancel flag.
pub(super) const STEP: usize = 1024;

/// Sorted lists of numbers, side by side.
struct Lists {
    starts: Vec<i64>,
    entries: Vec<i32>,
}

impl Lists {
    fn new(matrix: OwnedCsr) -> Self {
        Self { starts: matrix.indptr, entries: matrix.indices }
    }

    #[inline]
    fn row(&self, at: usize) -> &[i32] {
        &self.entries[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// Who took what; an item's rank is its place by number of users, the lower item first where these are equal.
pub(super) struct Ranked {
    by_item: Lists,
    by_user: Lists,
    items: Vec<i32>,
    ranks: Vec<u32>,
}

impl Ranked {
    /// Ranks the items of `train` `(U, I)`. Cost linear but for one sort of the items.
    pub(super) fn new(train: Csr<'_>, cancel: &Cancel) -> Result<Self, Error> {
        let (n_users, n_items) = (train.pattern.n_rows(), train.pattern.n_cols());
        let by_item = transpose(train, cancel)?;
        let degree = |item: usize| (by_item.indptr[item + 1] - by_item.indptr[item]) as usize;
        let mut items: Vec<i32> = (0..n_items as i32).collect();
        items.sort_by_key(|&item| std::cmp::Reverse(degree(item as usize)));
        if let Some(&item) = items.first()
            && degree(item as usize) > EXACT
        {
            return Err(Error::invalid(format!(
                "item {item} has {} users; more than {EXACT} cannot be counted exactly in float32",
                degree(item as usize)
            )));
        }
        let mut ranks = vec![0; n_items];
        items.iter().enumerate().for_each(|(rank, &item)| ranks[item as usize] = rank as u32);
        let by_item = by_rows(n_items, cancel, |rank, push| {
            let (users, values) = by_item.view(n_users).row(items[rank] as usize);
            users.iter().zip(values).for_each(|(&user, &value)| push(user, value));
        })?;
        let by_user = transpose(by_item.view(n_users), cancel)?;
        Ok(Self { by_item: Lists::new(by_item), by_user: Lists::new(by_user), items, ranks })
    }

    pub(super) fn n_users(&self) -> usize {
        self.by_user.starts.len() - 1
    }

    pub(super) fn n_items(&self) -> usize {
        self.items.len()
    }

    /// Which item has this rank.
    #[inline]
    pub(super) fn item(&self, rank: usize) -> i32 {
        self.items[rank]
    }

    #[inline]
    pub(super) fn rank(&self, item: usize) -> u32 {
        self.ranks[item]
    }

    /// The users of the item of this rank, ascending.
    #[inline]
    pub(super) fn users(&self, rank: usize) -> &[i32] {
        self.by_item.row(rank)
    }

    /// Where it is written where a user's items begin; to be fetched ahead.
    #[inline]
    pub(super) fn start_of(&self, user: usize) -> &i64 {
        &self.by_user.starts[user]
    }

    /// The ranks of a user's items, ascending.
    #[inline]
    pub(super) fn ranks_of(&self, user: usize) -> &[i32] {
        self.by_user.row(user)
    }
}

/// How many users each two of the most popular items share: the upper triangle, row after row.
pub(super) struct Shared {
    counts: Vec<f32>,
    n: usize,
}

impl Shared {
    /// Counts for the `most` most popular items. Memory: 2 · `most`² bytes; cost: Σ over users of the square of the
    /// number of such items.
    pub(super) fn new(ranked: &Ranked, most: usize, cancel: &Cancel) -> Result<Self, Error> {
        let n = most.min(ranked.n_items());
        let mut counts = room(start_of(n, n))?;
        counts.resize(start_of(n, n), 0.0f32);
        let rows = split(&mut counts, (0..n).map(|a| n - a));
        rows.into_par_iter().enumerate().try_for_each(|(a, row)| {
            for users in ranked.users(a).chunks(STEP) {
                cancel.check()?;
                for &user in users {
                    let ranks = ranked.ranks_of(user as usize);
                    let from = ranks.partition_point(|&b| (b as usize) < a);
                    for &b in ranks[from..].iter().take_while(|&&b| (b as usize) < n) {
                        row[b as usize - a] += 1.0;
                    }
                }
            }
            Ok(())
        })?;
        Ok(Self { counts, n })
    }

    /// How many items have a row.
    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// Counts of the item of rank `a` with those of rank a, a + 1, … .
    #[inline]
    pub(super) fn row(&self, a: usize) -> &[f32] {
        &self.counts[start_of(self.n, a)..start_of(self.n, a + 1)]
    }
}

/// Where row `a` of an upper triangle of `n` rows begins.
#[inline]
fn start_of(n: usize, a: usize) -> usize {
    a * (2 * n + 1 - a) / 2
}

/// An empty array with room for `len` numbers.
pub(super) fn room<T>(len: usize) -> Result<Vec<T>, Error> {
    let mut array = Vec::new();
    array.try_reserve_exact(len).map_err(|_| {
        Error::invalid(format!("there is no memory for {len} numbers of {} bytes", size_of::<T>()))
    })?;
    advise(array.spare_capacity_mut());
    Ok(array)
}
