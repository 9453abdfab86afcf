//! From the interactions to one item's system: its support, and the counts that the system is made of.

use super::Problem;
use super::cholesky::{Chunk, Shape};
use super::count::Count;
use super::ranked::{Ranked, STEP, room};
use crate::kernels::error::Error;
use crate::kernels::lanes::WIDTH;

/// What one thread works with: tables over all items and users that are clean between two items.
pub(super) struct Scratch {
    /// Right-hand sides by rank.
    right: Vec<f32>,
    /// Where `right` is not zero, or was not at some time.
    touched: Vec<u32>,
    /// Order of the candidates: large right-hand sides, then low items, first.
    keys: Vec<u64>,
    /// One bit for each rank of the support, and places in it by rank.
    member: Vec<u64>,
    places: Vec<u16>,
    /// One bit for each user, and the users whose bit is set.
    seen: Vec<u64>,
    users: Vec<i32>,
    /// One user's items of the support.
    found: Vec<u32>,
    /// Ranks of the support, ascending.
    pub(super) support: Vec<u32>,
    pub(super) matrix: Vec<Chunk>,
    pub(super) inverses: Vec<f32>,
    pub(super) solution: Vec<Chunk>,
}

impl Scratch {
    pub(super) fn new(ranked: &Ranked) -> Result<Self, Error> {
        let n_items = ranked.n_items();
        let (mut right, mut places) = (room(n_items)?, room(n_items)?);
        right.resize(n_items, 0.0);
        places.resize(n_items, 0);
        let (mut member, mut seen) = (room(n_items.div_ceil(64))?, room(ranked.n_users().div_ceil(64))?);
        member.resize(n_items.div_ceil(64), 0);
        seen.resize(ranked.n_users().div_ceil(64), 0);
        Ok(Self {
            right,
            touched: room(n_items)?,
            keys: room(n_items)?,
            member,
            places,
            seen,
            users: Vec::new(),
            found: Vec::new(),
            support: Vec::new(),
            matrix: Vec::new(),
            inverses: Vec::new(),
            solution: Vec::new(),
        })
    }

    /// Writes the system of the item of rank `target` into `matrix`, with its support; an empty support where nothing is
    /// known of the item.
    ///
    /// Cost: the histories of all users of the item, and once the history of each user of a support's item that is not
    /// among the most popular.
    pub(super) fn gather(&mut self, problem: &Problem<'_>, target: usize) -> Result<(), Error> {
        self.sum_right(problem, target)?;
        self.choose(problem, target);
        if !self.support.is_empty() {
            self.clear()?;
            self.fill_right();
            self.fill_counts(problem)?;
        }
        for rank in self.touched.drain(..) {
            self.right[rank as usize] = 0.0;
        }
        Ok(())
    }

    /// Right-hand sides: shared users, and the content's column on top.
    fn sum_right(&mut self, problem: &Problem<'_>, target: usize) -> Result<(), Error> {
        let ranked = problem.ranked;
        for users in ranked.users(target).chunks(STEP) {
            problem.cancel.check()?;
            for &user in users {
                for &rank in ranked.ranks_of(user as usize) {
                    let sum = &mut self.right[rank as usize];
                    if *sum == 0.0 {
                        self.touched.push(rank as u32);
                    }
                    *sum += 1.0;
                }
            }
        }
        if let Some(content) = problem.content {
            let (items, values) = content.row(ranked.item(target) as usize);
            for (&item, &value) in items.iter().zip(values) {
                let rank = ranked.rank(item as usize);
                let sum = &mut self.right[rank as usize];
                if *sum == 0.0 {
                    self.touched.push(rank);
                }
                *sum = problem.content_weight.mul_add(value, *sum);
            }
        }
        Ok(())
    }

    /// The support: the largest right-hand sides by magnitude; all items, where it may hold all.
    fn choose(&mut self, problem: &Problem<'_>, target: usize) {
        let ranked = problem.ranked;
        self.keys.clear();
        for &rank in &self.touched {
            let magnitude = self.right[rank as usize].abs();
            if magnitude != 0.0 && rank as usize != target {
                // Larger magnitudes have larger bits.
                let item = ranked.item(rank as usize) as u64;
                self.keys.push(u64::from(!magnitude.to_bits()) << 32 | item);
            }
        }
        self.support.clear();
        if self.keys.is_empty() {
            return;
        }
        if problem.support.saturating_add(1) >= ranked.n_items() {
            self.support.extend((0..ranked.n_items() as u32).filter(|&rank| rank as usize != target));
            return;
        }
        if self.keys.len() > problem.support {
            self.keys.select_nth_unstable(problem.support - 1);
            self.keys.truncate(problem.support);
        }
        self.support.extend(self.keys.iter().map(|&key| ranked.rank(key as u32 as usize)));
        self.support.sort_unstable();
    }

    /// Zeros in a matrix of the right size.
    fn clear(&mut self) -> Result<(), Error> {
        let n = self.support.len();
        let shape = Shape { n };
        let no_memory = || {
            Error::invalid(format!(
                "there is no memory for systems of {n} equations; choose a smaller support"
            ))
        };
        let len = shape.len().ok_or_else(no_memory)?;
        self.matrix.clear();
        self.matrix.try_reserve(len).map_err(|_| no_memory())?;
        self.matrix.resize(len, [0.0; WIDTH]);
        // A column has room for more than n numbers, and few columns fill up: two more chunks of inverses are enough.
        self.inverses.resize((shape.stride() + 2) * WIDTH, 0.0);
        self.solution.resize(shape.stride(), [0.0; WIDTH]);
        self.found.resize(n + 1, 0);
        Ok(())
    }

    fn fill_right(&mut self) {
        let (n, stride) = (self.support.len(), Shape { n: self.support.len() }.stride());
        for (column, &rank) in self.matrix.chunks_exact_mut(stride).zip(&self.support) {
            column.as_flattened_mut()[n] = -self.right[rank as usize];
        }
    }

    /// Counts of the support's items with one another, and the diagonal.
    pub(super) fn fill_counts(&mut self, problem: &Problem<'_>) -> Result<(), Error> {
        let n_popular = self.fill_popular(problem);
        self.count_others(problem, n_popular)?;
        let stride = Shape { n: self.support.len() }.stride();
        for (at, (column, &rank)) in self.matrix.chunks_exact_mut(stride).zip(&self.support).enumerate() {
            let degree = problem.ranked.users(rank as usize).len() as f64;
            column.as_flattened_mut()[at] = -(degree + problem.diagonal) as f32;
        }
        Ok(())
    }

    /// Looks up the counts of the most popular items with one another, and says how many of them the support has.
    fn fill_popular(&mut self, problem: &Problem<'_>) -> usize {
        let stride = Shape { n: self.support.len() }.stride();
        let n_popular = self.support.partition_point(|&rank| (rank as usize) < problem.shared.len());
        let popular = &self.support[..n_popular];
        for (at, column) in self.matrix.chunks_exact_mut(stride).take(n_popular).enumerate() {
            let own = popular[at];
            let counts = problem.shared.row(own as usize);
            let below = &mut column.as_flattened_mut()[at + 1..];
            for (to, &other) in below.iter_mut().zip(&popular[at + 1..]) {
                *to = -counts[(other - own) as usize];
            }
        }
        n_popular
    }

    /// Counts the pairs with an item that is not among the most popular: every user of such an item is read once.
    fn count_others(&mut self, problem: &Problem<'_>, n_popular: usize) -> Result<(), Error> {
        let ranked = problem.ranked;
        for &rank in &self.support[n_popular..] {
            for &user in ranked.users(rank as usize) {
                let (word, bit) = (&mut self.seen[user as usize / 64], 1 << (user % 64));
                if *word & bit == 0 {
                    *word |= bit;
                    self.users.push(user);
                }
            }
        }
        for (place, &rank) in self.support.iter().enumerate() {
            self.places[rank as usize] = place as u16;
            self.member[rank as usize / 64] |= 1 << (rank % 64);
        }
        let stride = Shape { n: self.support.len() }.stride();
        // The tables are cleaned after a cancellation as well.
        let result = self.users.chunks(STEP).try_for_each(|users| {
            problem.cancel.check()?;
            problem.path.run(Count {
                ranked,
                users,
                support: &self.support,
                member: &self.member,
                places: &self.places,
                n_popular,
                found: &mut self.found,
                matrix: &mut self.matrix,
                stride,
            });
            Ok(())
        });
        self.users.drain(..).for_each(|user| self.seen[user as usize / 64] = 0);
        for &rank in &self.support {
            self.member[rank as usize / 64] = 0;
        }
        result
    }
}
