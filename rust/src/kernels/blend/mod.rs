//! The final score: signals of a pair, standardised, blended by a mixture of experts that the pair itself chooses.
//!
//! Row b holds the raw scores that a user's signals give to every item: a base, and C cues. Each row is standardised
//! over the catalogue. E experts are roles over the cues, rows of weights; a pair's experts have the logits
//! `user_logits[b, e] + item_logits[i, e]`, the `top` highest of them share the weight by softmax, and
//!
//! `score = base + Σ_c w_c cue_c`, `w_c = weight · Σ_e p_e roles[e, c]`.
//!
//! [`blend_scores`] writes whole rows of scores; [`rank_blend`] keeps the best of each row and writes nothing else;
//! [`blend_pair`] takes one score apart.
//!
//! Everything is written over [`Lanes`], and no lane looks at another, so the score of a pair does not depend on the
//! instruction path, on threads, on how users are batched, or on whether it is asked for alone.

mod bound;
mod choice;
mod cue;
mod experts;
mod kinds;
mod mix;
mod moments;
mod pair;
mod rank;
#[cfg(test)]
mod rank_tests;
mod scores;
#[cfg(test)]
mod tests;

pub use cue::Cue;
pub use pair::{Parts, blend_pair};
pub use rank::{Blend, rank_blend};
pub use scores::blend_scores;

use super::error::Error;
use super::lanes::{Lanes, WIDTH, signed_log1p};
use choice::{MAX_EXPERTS, Side, choose};
use moments::Moments;

/// The most cues.
pub const MAX_CUES: usize = 32;

/// The raw scores of B users: of a base and of C cues.
#[derive(Debug, Clone, Copy)]
pub struct Signals<'a> {
    /// `(B, I)`.
    pub base: &'a [f32],
    /// `(C, B, I)`.
    pub cues: &'a [f32],
    /// B.
    pub n_rows: usize,
    /// I.
    pub n_items: usize,
    /// C.
    pub n_cues: usize,
    /// Whether a standardised cue x becomes sign(x) · ln(1 + |x|).
    pub compress: bool,
}

impl<'a> Signals<'a> {
    fn check(&self) -> Result<(), Error> {
        if self.n_cues > MAX_CUES {
            return Err(Error::invalid(format!("there may be {MAX_CUES} cues, got {}", self.n_cues)));
        }
        let wanted = self.n_rows.checked_mul(self.n_items);
        let all = wanted.and_then(|rows| rows.checked_mul(self.n_cues));
        if wanted != Some(self.base.len()) || all != Some(self.cues.len()) {
            return Err(Error::invalid(format!(
                "{} users, {} items and {} cues do not have {} numbers in base and {} in cues",
                self.n_rows,
                self.n_items,
                self.n_cues,
                self.base.len(),
                self.cues.len()
            )));
        }
        Ok(())
    }

    /// The rows of one user: the base, then the cues.
    fn rows(&self, row: usize) -> impl Iterator<Item = &'a [f32]> + Clone {
        let Self { base, cues, n_rows, n_items, n_cues, .. } = *self;
        let cues = (0..n_cues).map(move |cue| &cues[(cue * n_rows + row) * n_items..][..n_items]);
        std::iter::once(&base[row * n_items..][..n_items]).chain(cues)
    }

    /// The error for the first number that is not finite: the lowest row, there the base before the cues.
    fn not_finite(&self) -> Error {
        for row in 0..self.n_rows {
            for (signal, scores) in self.rows(row).enumerate() {
                if let Some(item) = scores.iter().position(|score| !score.is_finite()) {
                    let name = if signal == 0 { "base".into() } else { format!("cue {}", signal - 1) };
                    return Error::invalid(format!(
                        "scores must be finite; row {row} of {name} has {} for item {item}",
                        scores[item]
                    ));
                }
            }
        }
        Error::invalid("scores must be finite")
    }
}

/// What decides how much each expert counts in a pair, and what an expert is.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    /// `(B, E)`; -∞ where an expert is off.
    pub user_logits: &'a [f32],
    /// `(I, E)`; -∞ where an expert is off.
    pub item_logits: &'a [f32],
    /// `(E, C)`.
    pub roles: &'a [f32],
    /// E.
    pub n: usize,
    /// Of all cues together.
    pub weight: f32,
    /// Experts that take part in a pair, at most.
    pub top: usize,
}

impl Gate<'_> {
    fn check(&self, n_rows: usize, n_items: usize, n_cues: usize) -> Result<(), Error> {
        let n = self.n;
        if n > MAX_EXPERTS {
            return Err(Error::invalid(format!("there may be {MAX_EXPERTS} experts, got {n}")));
        }
        if self.top == 0 && n > 0 {
            return Err(Error::invalid("top_experts must be at least 1, got 0"));
        }
        if !self.weight.is_finite() || !self.roles.iter().all(|role| role.is_finite()) {
            return Err(Error::invalid(format!(
                "roles and weight must be finite; weight is {}",
                self.weight
            )));
        }
        let wanted = [n_rows.checked_mul(n), n_items.checked_mul(n), n.checked_mul(n_cues)];
        let found = [self.user_logits.len(), self.item_logits.len(), self.roles.len()];
        if wanted != found.map(Some) {
            return Err(Error::invalid(format!(
                "{n_rows} users, {n_items} items, {n} experts and {n_cues} cues do not have {} user logits, {} item \
                 logits and {} roles",
                found[0], found[1], found[2]
            )));
        }
        experts::check_logits(self.user_logits, n, "user")?;
        experts::check_logits(self.item_logits, n, "item")
    }

    /// The roles, cue by cue: `(C, E)`.
    fn roles_by_cue(&self, n_cues: usize) -> Vec<f32> {
        (0..n_cues).flat_map(|cue| (0..self.n).map(move |e| self.roles[e * n_cues + cue])).collect()
    }
}

/// What a user's side decides: how much each cue weighs in a pair.
struct Chooser<'a> {
    /// Of each expert.
    logits: &'a [Side<f32>],
    /// `(C, E)`.
    roles: &'a [f32],
    n_cues: usize,
    weight: f32,
    top: usize,
}

impl Chooser<'_> {
    /// Writes the weights of the cues in sixteen pairs, a cue each. `shares` become those of the experts, up to the
    /// factor that is returned: their sum, 0 where no expert is on.
    //
    // There are no closures and no long chains of iterators here: what the compiler does not inline is not compiled for
    // the instruction set.
    #[inline(always)]
    fn weigh<L: Lanes>(
        &self,
        lanes: L,
        items: &[Side<[f32; WIDTH]>],
        shares: &mut [[f32; WIDTH]; MAX_EXPERTS],
        weights: &mut [[f32; WIDTH]; MAX_CUES],
    ) -> L::V {
        let total = choose(lanes, self.logits, items, self.top, shares);
        let shares = &shares[..items.len()];
        // Where no expert is on the weights are zero.
        let scale = lanes.keep(lanes.div(lanes.splat(self.weight), total), total, lanes.splat(0.0));
        for (cue, weight) in weights[..self.n_cues].iter_mut().enumerate() {
            let roles = &self.roles[cue * items.len()..][..items.len()];
            let mut role = lanes.splat(0.0);
            for (share, &own) in shares.iter().zip(roles) {
                role = lanes.fma(lanes.load(share), lanes.splat(own), role);
            }
            lanes.store(lanes.mul(role, scale), weight);
        }
        total
    }
}

/// How raw scores of a user become comparable.
struct Scale<'a> {
    /// Of the base, then of the cues.
    moments: &'a [Moments],
    compress: bool,
}

impl Scale<'_> {
    /// The scores of sixteen pairs, whose raw scores begin at place `at` of each of `rows`, base first. `cues` is told of
    /// each cue.
    #[inline(always)]
    fn sum<L: Lanes>(
        &self,
        lanes: L,
        rows: &[&[f32]],
        at: usize,
        weights: &[[f32; WIDTH]; MAX_CUES],
        cues: &mut impl See,
    ) -> L::V {
        let mut score = self.moments[0].standardise(lanes, load(lanes, rows[0], at));
        cues.base(lanes, score);
        for cue in 0..self.moments.len() - 1 {
            let weight = lanes.load(&weights[cue]);
            let mut x = self.moments[1 + cue].standardise(lanes, load(lanes, rows[1 + cue], at));
            if self.compress {
                x = signed_log1p(lanes, x);
            }
            cues.cue(lanes, cue, x);
            score = lanes.fma(weight, x, score);
        }
        score
    }
}

#[inline(always)]
fn load<L: Lanes>(lanes: L, row: &[f32], at: usize) -> L::V {
    lanes.load(&row[at..].as_chunks::<WIDTH>().0[0])
}

/// Who is told the standardised scores of sixteen pairs.
trait See {
    fn base<L: Lanes>(&mut self, lanes: L, x: L::V);
    fn cue<L: Lanes>(&mut self, lanes: L, cue: usize, x: L::V);
}

/// Nobody: only the scores are wanted.
impl See for () {
    #[inline(always)]
    fn base<L: Lanes>(&mut self, _: L, _: L::V) {}
    #[inline(always)]
    fn cue<L: Lanes>(&mut self, _: L, _: usize, _: L::V) {}
}
