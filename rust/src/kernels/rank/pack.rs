//! The memory layouts of users and items that a walk reads.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::interleaved::{self, Sixteen};
use super::order::Order;
use super::tile::{PANEL, USERS};
use super::towers::{Experts, Towers};

/// Lays rows of `width` numbers out side by side: lane j of `out` is row j.
fn side_by_side<'a, const N: usize>(rows: impl Iterator<Item = &'a [f32]>, out: &mut [[f32; N]]) {
    for (lane, row) in rows.enumerate() {
        for (out, &value) in out.iter_mut().zip(row) {
            out[lane] = value;
        }
    }
}

/// The items of a catalogue, in the order of the walk.
pub(super) struct PackedItems<'a> {
    /// Which item stands in which place.
    pub order: &'a Order,
    /// Panel after panel, `width` rows of one number per item; zeros beyond the last item.
    pub base: Vec<[f32; PANEL]>,
}

impl<'a> PackedItems<'a> {
    pub(super) fn new(towers: &Towers<'_>, order: &'a Order) -> Self {
        let width = towers.width;
        let mut base = vec![[0.0; PANEL]; order.items.len().div_ceil(PANEL) * width];
        base.par_chunks_mut(width).zip(order.items.par_chunks(PANEL)).for_each(|(out, items)| {
            side_by_side(items.iter().map(|&item| row(towers.items, item, width)), out);
        });
        Self { order, base }
    }
}

/// The experts' towers and keys of all items.
pub(super) struct PackedExperts {
    /// Item after item, experts interleaved: for single pairs.
    pub towers: Vec<Sixteen>,
    /// The same of the keys.
    pub keys: Vec<Sixteen>,
    /// An upper bound of the length of an item's towers, place by place; zeros beyond the last.
    pub lengths: Vec<[f32; PANEL]>,
    /// Expert after expert, `width` rows of one number per item: for many pairs of a panel. A panel is packed at its
    /// first use, since most panels are never used.
    panels: Vec<OnceLock<Box<[[f32; PANEL]]>>>,
}

impl PackedExperts {
    pub(super) fn new(experts: &Experts<'_>, width: usize, order: &[i32]) -> Self {
        let (n, rank) = (experts.n, experts.rank);
        let n_panels = order.len().div_ceil(PANEL);
        let (tower_size, key_size) = (interleaved::size(n, width), interleaved::size(n, rank));
        let mut towers = vec![Sixteen::default(); order.len() * tower_size];
        let mut keys = vec![Sixteen::default(); order.len() * key_size];
        let mut lengths = vec![[0.0; PANEL]; n_panels];
        towers
            .par_chunks_mut(tower_size)
            .zip(keys.par_chunks_mut(key_size))
            .zip(lengths.as_flattened_mut().par_iter_mut())
            .zip(order)
            .for_each(|(((towers, keys), length), &item)| {
                let from = row(experts.item_towers, item, n * width);
                interleaved::lay_out(from, n, width, towers);
                interleaved::lay_out(row(experts.item_keys, item, n * rank), n, rank, keys);
                *length = longest(from, width);
            });
        Self { towers, keys, lengths, panels: (0..n_panels).map(|_| OnceLock::new()).collect() }
    }

    /// The experts of a panel's items.
    pub(super) fn panel(
        &self,
        experts: &Experts<'_>,
        width: usize,
        order: &[i32],
        panel: usize,
    ) -> &[[f32; PANEL]] {
        self.panels[panel].get_or_init(|| {
            let size = experts.n * width;
            let items = &order[panel * PANEL..];
            let mut out = vec![[0.0; PANEL]; size];
            side_by_side(
                items.iter().take(PANEL).map(|&item| row(experts.item_towers, item, size)),
                &mut out,
            );
            out.into_boxed_slice()
        })
    }
}

/// Some users, filled up with zeros to whole tiles.
pub(super) struct UserTiles {
    /// Tile after tile, `width` rows of one number per user.
    pub base: Vec<[f32; USERS]>,
    /// The same of each expert, one after the other, the weight of the mixture multiplied in.
    pub experts: Vec<[f32; USERS]>,
}

impl UserTiles {
    pub(super) fn new(towers: &Towers<'_>, users: &[i32]) -> Self {
        let width = towers.width;
        let n_tiles = users.len().div_ceil(USERS);
        let mut base = vec![[0.0; USERS]; n_tiles * width];
        for (out, users) in base.chunks_exact_mut(width).zip(users.chunks(USERS)) {
            side_by_side(users.iter().map(|&user| row(towers.users, user, width)), out);
        }
        let n = towers.active().map_or(0, |experts| experts.n);
        let mut experts = vec![[0.0; USERS]; n * n_tiles * width];
        if let Some(own) = towers.active() {
            for (at, &user) in users.iter().enumerate() {
                let own = weighted(&own, width, user);
                for (expert, own) in own.chunks_exact(width).enumerate() {
                    let tile = &mut experts[(expert * n_tiles + at / USERS) * width..][..width];
                    for (out, &value) in tile.iter_mut().zip(own) {
                        out[at % USERS] = value;
                    }
                }
            }
        }
        Self { base, experts }
    }
}

/// The experts' towers and keys of some users.
pub(super) struct UserExperts {
    /// User after user, experts interleaved, the weight of the mixture multiplied in.
    pub towers: Vec<Sixteen>,
    /// The same of the keys.
    pub keys: Vec<Sixteen>,
    /// An upper bound of the length of a user's weighted towers.
    pub lengths: Vec<f32>,
}

impl UserExperts {
    pub(super) fn new(experts: &Experts<'_>, width: usize, users: &[i32]) -> Self {
        let (n, rank) = (experts.n, experts.rank);
        let (tower_size, key_size) = (interleaved::size(n, width), interleaved::size(n, rank));
        let mut towers = vec![Sixteen::default(); users.len() * tower_size];
        let mut keys = vec![Sixteen::default(); users.len() * key_size];
        let lengths = users
            .iter()
            .zip(towers.chunks_exact_mut(tower_size).zip(keys.chunks_exact_mut(key_size)))
            .map(|(&user, (towers, keys))| {
                let own = weighted(experts, width, user);
                interleaved::lay_out(&own, n, width, towers);
                interleaved::lay_out(row(experts.user_keys, user, n * rank), n, rank, keys);
                longest(&own, width)
            })
            .collect();
        Self { towers, keys, lengths }
    }
}

/// The towers of a user, `(n, width)`, times the weight of the mixture.
pub(super) fn weighted(experts: &Experts<'_>, width: usize, user: i32) -> Vec<f32> {
    let own = row(experts.user_towers, user, experts.n * width);
    own.iter().map(|value| experts.weight * value).collect()
}

/// A row of a matrix.
pub(super) fn row(values: &[f32], at: i32, width: usize) -> &[f32] {
    &values[at as usize * width..][..width]
}

/// An upper bound of the length of all rows of `towers`.
///
/// By Cauchy and Schwarz the product of a user's bound and an item's is an upper bound of any mix of their experts, as
/// computed in floats: each bound allows for the rounding of the chain (`width` steps of at most 2^-24), of the mix (at
/// most 64 experts) and of itself. The smallest length, 10^-15, allows for underflow.
fn longest(towers: &[f32], width: usize) -> f32 {
    let squares = towers
        .chunks_exact(width)
        .map(|tower| tower.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>())
        // NaN may belong to an expert that is off, and `max` would hide it: it counts as infinity.
        .fold(
            0.0,
            |longest: f64, squares| if squares.is_nan() { f64::INFINITY } else { longest.max(squares) },
        );
    let slack = 1.0 + (width as f64 + 512.0) * f64::from(f32::EPSILON);
    ((squares.sqrt() * slack) as f32).next_up().max(1e-15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_bounds_and_survives_what_is_no_number() {
        assert!(longest(&[3.0, 4.0, 0.0, 1.0], 2) > 5.0);
        assert!(longest(&[3.0, 4.0, 0.0, 1.0], 2) < 5.001);
        assert!(longest(&[0.0], 1) > 0.0);
        assert_eq!(longest(&[1.0, f32::NAN, 2.0], 1), f32::INFINITY);
        assert_eq!(longest(&[1.0, f32::INFINITY], 1), f32::INFINITY);
    }
}
