//! Scores of given pairs: exactly the numbers that the ranking sorts.

use rayon::prelude::*;

use super::check_users;
use super::interleaved::{GROUPS, Sixteen, lay_out, products, size};
use super::router::{MAX_EXPERTS, mix};
use super::towers::{Experts, Towers};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};
use crate::kernels::simd::Path;

/// Pairs per parallel step.
const BLOCK: usize = 256;

/// Writes the score of each pair to `out`, bit for bit what [`super::rank_towers`] sorts by, and the router's
/// logit of every expert to `logits`, `(B, experts)`, if that is not empty.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit or an index is out of range; [`Error::Cancelled`].
pub fn score_pairs(
    towers: &Towers<'_>,
    users: &[i32],
    items: &[i32],
    out: &mut [f32],
    logits: &mut [f32],
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    towers.check()?;
    check_users(users, towers.n_users(), towers.n_items(), None)?;
    if let Some(at) = items.iter().position(|&item| item < 0 || item as usize >= towers.n_items()) {
        let (item, n) = (items[at], towers.n_items());
        return Err(Error::invalid(format!("item {item} at position {at} is outside 0..{n}")));
    }
    let n = towers.experts.map_or(0, |experts| experts.n);
    let expected = if logits.is_empty() { 0 } else { users.len() * n };
    if users.len() != items.len() || out.len() != users.len() || logits.len() != expected {
        return Err(Error::invalid(format!(
            "{} users, {} items, {} scores and {} logits do not fit",
            users.len(),
            items.len(),
            out.len(),
            logits.len()
        )));
    }
    let stride = if logits.is_empty() { 0 } else { n };
    let mut steps: Vec<_> = Vec::new();
    let mut rest = logits;
    for ((users, items), out) in users.chunks(BLOCK).zip(items.chunks(BLOCK)).zip(out.chunks_mut(BLOCK)) {
        let (logits, after) = rest.split_at_mut(users.len() * stride);
        rest = after;
        steps.push(Pairs { towers, users, items, out, logits });
    }
    steps.into_par_iter().try_for_each(|step| {
        cancel.check()?;
        path.run(step);
        Ok(())
    })
}

struct Pairs<'a> {
    towers: &'a Towers<'a>,
    users: &'a [i32],
    items: &'a [i32],
    out: &'a mut [f32],
    logits: &'a mut [f32],
}

impl Work for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let towers = self.towers;
        let width = towers.width;
        let Some(experts) = towers.experts else {
            for ((&user, &item), out) in self.users.iter().zip(self.items).zip(self.out) {
                *out = base(towers, user, item) + 0.0;
            }
            return;
        };
        let Experts { n, rank, weight, top, .. } = experts;
        let empty = vec![Sixteen::default(); size(n, rank)];
        let mut keys = [empty.clone(), empty];
        let mut own = [[[0.0; WIDTH]; GROUPS]];
        // (experts, pairs), sixteen pairs at a time
        let (mut logits, mut values) = ([[0.0; WIDTH]; MAX_EXPERTS], [[0.0; WIDTH]; MAX_EXPERTS]);
        let pairs = self.users.chunks(WIDTH).zip(self.items.chunks(WIDTH));
        for (block, ((users, items), out)) in pairs.zip(self.out.chunks_mut(WIDTH)).enumerate() {
            for (lane, (&user, &item)) in users.iter().zip(items).enumerate() {
                let (user, item) = (user as usize, item as usize);
                lay_out(&experts.user_keys[user * n * rank..][..n * rank], n, rank, &mut keys[0]);
                lay_out(&experts.item_keys[item * n * rank..][..n * rank], n, rank, &mut keys[1]);
                products(lanes, [&keys[0]], [&keys[1]], n, &mut own);
                let own = &own.as_flattened().as_flattened()[..n];
                if let Some(out) = self.logits.chunks_exact_mut(n).nth(block * WIDTH + lane) {
                    out.copy_from_slice(own);
                }
                for (expert, &logit) in own.iter().enumerate() {
                    let user = &experts.user_towers[(user * n + expert) * width..][..width];
                    let item = &experts.item_towers[(item * n + expert) * width..][..width];
                    (logits[expert][lane], values[expert][lane]) = (logit, dot(user, item, weight));
                }
            }
            let mixed =
                if weight == 0.0 { [0.0; WIDTH] } else { mix(lanes, &logits[..n], &values[..n], top) };
            for (((&user, &item), out), mixed) in users.iter().zip(items).zip(out).zip(mixed) {
                *out = base(towers, user, item) + mixed + 0.0;
            }
        }
    }
}

/// ⟨user, item⟩ in the order of the ranking.
#[inline(always)]
fn base(towers: &Towers<'_>, user: i32, item: i32) -> f32 {
    let width = towers.width;
    dot(&towers.users[user as usize * width..][..width], &towers.items[item as usize * width..][..width], 1.0)
}

/// ⟨weight · a, b⟩ in the order of the ranking.
#[inline(always)]
fn dot(a: &[f32], b: &[f32], weight: f32) -> f32 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| (weight * a).mul_add(*b, sum))
}
