//! Logits of a bilinear router for given pairs, and their gradient.

use rayon::prelude::*;

use super::cancel::Cancel;
use super::error::Error;
use super::experts::by_item;
use super::lanes::{Lanes, WIDTH, Work};
use super::simd::Path;
use super::unit_rows::{TOGETHER, dots};

/// Users or items of one parallel step.
const STEP: usize = 64;

/// Pairs of users and items: user u is paired with `per_user` items, one after the other.
///
/// A row holds a vector of `rank` numbers for each of `experts`, then a bias for each.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// `(users, E · R + E)`.
    pub users: &'a [f32],
    /// `(items, E · R + E)`.
    pub items: &'a [f32],
    /// E.
    pub experts: usize,
    /// R.
    pub rank: usize,
    /// The item of each pair: `(users · per_user)`.
    pub pairs: &'a [i64],
    /// Items that each user is paired with.
    pub per_user: usize,
}

impl<'a> Sides<'a> {
    fn width(&self) -> usize {
        self.experts * (self.rank + 1)
    }

    fn n_items(&self) -> usize {
        self.items.len() / self.width()
    }

    fn check(&self, logits: usize) -> Result<(), Error> {
        let (width, n_pairs) = (self.width(), self.pairs.len());
        if self.experts == 0 || self.rank == 0 || self.per_user == 0 {
            return Err(Error::invalid("there must be experts, their vectors have numbers, and users pairs"));
        }
        if !self.users.len().is_multiple_of(width)
            || !self.items.len().is_multiple_of(width)
            || self.users.len() / width * self.per_user != n_pairs
            || logits != n_pairs * self.experts
        {
            return Err(Error::invalid(format!(
                "rows of {width} numbers do not fill {} of users and {} of items, or {n_pairs} pairs are not {} for \
                 each user, or their logits not {logits}",
                self.users.len(),
                self.items.len(),
                self.per_user
            )));
        }
        let n = self.n_items() as i64;
        match self.pairs.iter().find(|&&item| !(0..n).contains(&item)) {
            Some(outside) => Err(Error::invalid(format!("item {outside} is outside 0..{n}"))),
            None => Ok(()),
        }
    }

    fn user(&self, user: usize) -> &'a [f32] {
        &self.users[user * self.width()..][..self.width()]
    }

    fn item(&self, pair: usize) -> &'a [f32] {
        &self.items[self.pairs[pair] as usize * self.width()..][..self.width()]
    }
}

/// Writes `⟨q_ue, k_ie⟩ + a_ue + b_ie` of every pair and expert, `(pairs, E)`, into `out`.
///
/// # Errors
/// [`Error::Invalid`] if a shape or index does not fit; [`Error::Cancelled`].
pub fn pair_logits(sides: Sides<'_>, out: &mut [f32], path: Path, cancel: &Cancel) -> Result<(), Error> {
    sides.check(out.len())?;
    out.par_chunks_mut(STEP * sides.experts).enumerate().try_for_each(|(step, out)| {
        cancel.check()?;
        path.run(Forward { sides, first: step * STEP, out });
        Ok(())
    })
}

/// Gradients of [`pair_logits`] from that of the logits: of the rows of users and of items. Each is summed by one
/// thread in the order of the pairs.
///
/// # Errors
/// [`Error::Invalid`] if a shape or index does not fit; [`Error::Cancelled`].
pub fn pair_logits_gradient(
    sides: Sides<'_>,
    gradient: &[f32],
    grad_users: &mut [f32],
    grad_items: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    sides.check(gradient.len())?;
    if grad_users.len() != sides.users.len() || grad_items.len() != sides.items.len() {
        return Err(Error::invalid("gradients must be as large as what they are of"));
    }
    let (starts, order) = by_item(sides.pairs, sides.n_items());
    let step = STEP * sides.width();
    grad_users.par_chunks_mut(step).enumerate().try_for_each(|(step, out)| {
        cancel.check()?;
        let pairs = |user: usize| user * sides.per_user..(user + 1) * sides.per_user;
        path.run(Sums { sides, gradient, first: step * STEP, out, pairs, other: |pair| sides.item(pair) });
        Ok(())
    })?;
    grad_items.par_chunks_mut(step).enumerate().try_for_each(|(step, out)| {
        cancel.check()?;
        let pairs = |item: usize| order[starts[item]..starts[item + 1]].iter().map(|&pair| pair as usize);
        let other = |pair: usize| sides.user(pair / sides.per_user);
        path.run(Sums { sides, gradient, first: step * STEP, out, pairs, other });
        Ok(())
    })
}

struct Forward<'a, 'b> {
    sides: Sides<'a>,
    first: usize,
    out: &'b mut [f32],
}

impl Work for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Sides { experts, rank, per_user, .. } = self.sides;
        let biases = experts * rank;
        for (pair, out) in (self.first..).zip(self.out.chunks_exact_mut(experts)) {
            let (user, item) = (self.sides.user(pair / per_user), self.sides.item(pair));
            let vectors = user[..biases].chunks(TOGETHER * rank).zip(item[..biases].chunks(TOGETHER * rank));
            for (out, (q, k)) in out.chunks_mut(TOGETHER).zip(vectors) {
                out.copy_from_slice(&dots(lanes, q, k, rank)[..out.len()]);
            }
            for (out, (a, b)) in out.iter_mut().zip(user[biases..].iter().zip(&item[biases..])) {
                *out += a + b;
            }
        }
    }
}

/// Gradients of some rows of one side: the sum over the pairs of each, `other` being the pair's row on the other side.
struct Sums<'a, 'b, P, O> {
    sides: Sides<'a>,
    gradient: &'a [f32],
    first: usize,
    out: &'b mut [f32],
    pairs: P,
    other: O,
}

impl<'a, P, I, O> Work for Sums<'a, '_, P, O>
where
    P: Fn(usize) -> I,
    I: Iterator<Item = usize>,
    O: Fn(usize) -> &'a [f32],
{
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Sides { experts, rank, .. } = self.sides;
        for (row, out) in (self.first..).zip(self.out.chunks_exact_mut(self.sides.width())) {
            out.fill(0.0);
            let (out, grad_biases) = out.split_at_mut(experts * rank);
            for pair in (self.pairs)(row) {
                let gradient = &self.gradient[pair * experts..][..experts];
                let vectors = out.chunks_exact_mut(rank).zip((self.other)(pair).chunks_exact(rank));
                for (&slope, (out, other)) in gradient.iter().zip(vectors) {
                    let ((out, out_rest), (other, rest)) =
                        (out.as_chunks_mut::<WIDTH>(), other.as_chunks::<WIDTH>());
                    for (out, other) in out.iter_mut().zip(other) {
                        lanes.store(lanes.fma(lanes.splat(slope), lanes.load(other), lanes.load(out)), out);
                    }
                    for (out, other) in out_rest.iter_mut().zip(rest) {
                        *out = slope.mul_add(*other, *out);
                    }
                }
                grad_biases.iter_mut().zip(gradient).for_each(|(out, slope)| *out += slope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::Stream;
    use super::*;

    fn random(n: usize, seed: u64) -> Vec<f32> {
        let stream = Stream::new(seed, 0);
        (0..n as u64).map(|i| stream.open_unit(i) as f32 - 0.5).collect()
    }

    #[test]
    fn logits_and_gradients_are_those_of_the_formula_on_every_path() {
        for (experts, rank, per_user) in [(9, 16, 2), (1, 1, 1), (3, 20, 3), (17, 5, 1)] {
            let (n_users, n_items, width) = (STEP + 9, 2 * STEP + 1, experts * (rank + 1));
            let (users, items) = (random(n_users * width, 1), random(n_items * width, 2));
            let pairs: Vec<i64> = (0..(n_users * per_user) as i64).map(|pair| pair * 7 % 50).collect();
            let sides = Sides { users: &users, items: &items, experts, rank, pairs: &pairs, per_user };
            let gradient = random(pairs.len() * experts, 3);
            let found: Vec<_> = Path::available()
                .map(|path| {
                    let mut out = vec![f32::NAN; gradient.len()];
                    pair_logits(sides, &mut out, path, &Cancel::new()).unwrap();
                    let (mut u, mut i) = (vec![f32::NAN; users.len()], vec![f32::NAN; items.len()]);
                    pair_logits_gradient(sides, &gradient, &mut u, &mut i, path, &Cancel::new()).unwrap();
                    (out, u, i)
                })
                .collect();
            assert!(found.iter().all(|other| *other == found[0]), "the paths differ");
            let (out, grad_users, grad_items) = &found[0];
            let (mut true_users, mut true_items) = (vec![0.0; users.len()], vec![0.0; items.len()]);
            for (at, (&found, &slope)) in out.iter().zip(&gradient).enumerate() {
                let (pair, e, slope) = (at / experts, at % experts, f64::from(slope));
                let (u, i) = (pair / per_user * width, pairs[pair] as usize * width);
                let mut sum = 0.0;
                for r in e * rank..(e + 1) * rank {
                    let (q, k) = (f64::from(users[u + r]), f64::from(items[i + r]));
                    sum += q * k;
                    true_users[u + r] += slope * k;
                    true_items[i + r] += slope * q;
                }
                let bias = experts * rank + e;
                sum += f64::from(users[u + bias]) + f64::from(items[i + bias]);
                true_users[u + bias] += slope;
                true_items[i + bias] += slope;
                assert!((f64::from(found) - sum).abs() < 1e-5);
            }
            for (found, expected) in
                grad_users.iter().chain(grad_items).zip(true_users.iter().chain(&true_items))
            {
                assert!((f64::from(*found) - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (users, items) = (vec![0.0; 2 * 6], vec![0.0; 3 * 6]);
        let sides = Sides { users: &users, items: &items, experts: 2, rank: 2, pairs: &[0, 2], per_user: 1 };
        let run = |sides: Sides<'_>, n: usize| {
            pair_logits(sides, &mut vec![0.0; n], Path::Portable, &Cancel::new()).is_ok()
        };
        assert!(run(sides, 4) && !run(sides, 3));
        assert!(!run(Sides { pairs: &[0, 3], ..sides }, 4) && !run(Sides { per_user: 2, ..sides }, 4));
        assert!(!run(Sides { users: &users[1..], ..sides }, 4) && !run(Sides { experts: 0, ..sides }, 0));
        let gradient = |n: usize| {
            let (mut u, mut i) = (vec![0.0; n], vec![0.0; items.len()]);
            pair_logits_gradient(sides, &[0.0; 4], &mut u, &mut i, Path::Portable, &Cancel::new()).is_ok()
        };
        assert!(gradient(12) && !gradient(11));
    }
}
