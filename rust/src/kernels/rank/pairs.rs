//! Scores of given pairs, the very numbers that the ranking sorts.

use rayon::prelude::*;

use super::beside::{self, GROUPS};
use super::check_users;
use super::router::mix;
use super::towers::Towers;
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};
use crate::kernels::simd::Path;

/// Pairs per parallel step.
const BLOCK: usize = 256;

/// Writes the score of each pair to `out`, bit for bit what [`super::rank_towers`] sorts by, and the router's wish for
/// every expert to `wanted`, `(B, experts)`, if that is not empty.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit or an index is out of range; [`Error::Cancelled`].
pub fn score_pairs(
    towers: &Towers<'_>,
    users: &[i32],
    items: &[i32],
    out: &mut [f32],
    wanted: &mut [f32],
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
    let expected = if wanted.is_empty() { 0 } else { users.len() * n };
    if users.len() != items.len() || out.len() != users.len() || wanted.len() != expected {
        return Err(Error::invalid(format!(
            "{} users, {} items, {} scores and {} wishes do not fit",
            users.len(),
            items.len(),
            out.len(),
            wanted.len()
        )));
    }
    let stride = if wanted.is_empty() { 0 } else { n };
    let mut steps: Vec<_> = Vec::new();
    let mut rest = wanted;
    for ((users, items), out) in users.chunks(BLOCK).zip(items.chunks(BLOCK)).zip(out.chunks_mut(BLOCK)) {
        let (wanted, after) = rest.split_at_mut(users.len() * stride);
        rest = after;
        steps.push(Pairs { towers, users, items, out, wanted });
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
    wanted: &'a mut [f32],
}

impl Work for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let towers = self.towers;
        let width = towers.width;
        let (mut wishes, mut values) = ([[[0.0; WIDTH]; GROUPS]], [[0.0; WIDTH]; GROUPS]);
        let size = towers.experts.map_or(0, |experts| beside::size(experts.n, experts.rank));
        let groups = towers.experts.map_or(0, |experts| experts.n.div_ceil(WIDTH));
        let mut user_keys = vec![0.0; size];
        let mut item_keys = vec![0.0; size];
        for (at, out) in self.out.iter_mut().enumerate() {
            let (user, item) = (self.users[at] as usize, self.items[at] as usize);
            let mut score =
                dot(&towers.users[user * width..][..width], &towers.items[item * width..][..width], 1.0);
            if let Some(experts) = towers.experts {
                let (n, rank) = (experts.n, experts.rank);
                beside::lay_out(&experts.user_keys[user * n * rank..][..n * rank], n, rank, &mut user_keys);
                beside::lay_out(&experts.item_keys[item * n * rank..][..n * rank], n, rank, &mut item_keys);
                beside::products(lanes, [&user_keys], &item_keys, n, f32::NEG_INFINITY, &mut wishes);
                if let Some(wanted) = self.wanted.chunks_exact_mut(n).nth(at) {
                    wanted.copy_from_slice(&wishes.as_flattened().as_flattened()[..n]);
                }
                if experts.weight != 0.0 {
                    for (expert, value) in values.as_flattened_mut()[..n].iter_mut().enumerate() {
                        *value = dot(
                            &experts.user_towers[(user * n + expert) * width..][..width],
                            &experts.item_towers[(item * n + expert) * width..][..width],
                            experts.weight,
                        );
                    }
                    score += mix(lanes, &wishes[0][..groups], &values[..groups], n, experts.top);
                }
            }
            // Both zeros are one score.
            *out = score + 0.0;
        }
    }
}

/// ⟨weight · a, b⟩ in the order of the ranking.
#[inline(always)]
fn dot(a: &[f32], b: &[f32], weight: f32) -> f32 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| (weight * a).mul_add(*b, sum))
}
