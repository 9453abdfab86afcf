//! The scores of one user, sixteen items at a time.

use super::bound::Bounds;
use super::choice::{MAX_EXPERTS, Side};
use super::experts::{lay_out_items, lay_out_user};
use super::kinds::Kinds;
use super::moments::Moments;
use super::{Chooser, Gate, MAX_CUES, Scale};
use crate::kernels::cancel::Cancel;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, TABLE, WIDTH};
use crate::kernels::simd::Path;

/// Groups of items between two checks of the cancel flag.
const LOOK_EVERY: usize = 1024;

/// What all users share.
pub(super) struct Mix<'a> {
    gate: Gate<'a>,
    n_cues: usize,
    compress: bool,
    /// Of every item, or of every kind of item.
    items: Vec<Side<[f32; WIDTH]>>,
    kinds: Option<Kinds>,
    /// `(C, E)`.
    roles: Vec<f32>,
}

/// As many bits as a vector has numbers.
const ALL: u32 = (1 << WIDTH) - 1;

/// Who takes the scores of a user.
pub(super) trait Take {
    /// Scores below this are of no use to it.
    fn bar(&self) -> f32 {
        f32::NEG_INFINITY
    }

    /// Takes the scores of the items from `at` on, of which the first `n` exist.
    fn take<L: Lanes>(&mut self, lanes: L, scores: L::V, at: usize, n: usize);
}

/// Memory that the users of a thread have one after the other.
pub(super) struct Room {
    shares: [[f32; WIDTH]; MAX_EXPERTS],
    weights: [[f32; WIDTH]; MAX_CUES],
    /// Of each kind of item, the weight of each cue.
    tables: [[f32; TABLE]; MAX_CUES],
    /// The last items of each row, where they are fewer than sixteen.
    ends: [[f32; WIDTH]; MAX_CUES + 1],
}

impl Room {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            shares: [[0.0; WIDTH]; MAX_EXPERTS],
            weights: [[0.0; WIDTH]; MAX_CUES],
            tables: [[0.0; TABLE]; MAX_CUES],
            ends: [[0.0; WIDTH]; MAX_CUES + 1],
        })
    }
}

impl<'a> Mix<'a> {
    /// Lays the items' side of the gate out; the gate fits `n_cues` cues.
    pub(super) fn new(
        gate: Gate<'a>,
        n_cues: usize,
        compress: bool,
        path: Path,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let kinds = Kinds::find(gate.item_logits, gate.n);
        let logits = kinds.as_ref().map_or(gate.item_logits, |kinds| &kinds.logits);
        let items = lay_out_items(logits, gate.n, path, cancel)?;
        Ok(Self { gate, n_cues, compress, items, kinds, roles: gate.roles_by_cue(n_cues) })
    }

    /// Gives the scores of all items to `to`: `rows` are the raw scores of row `row` of the gate, base first, and
    /// `moments` theirs. Items that are all below the bar are left out.
    #[inline(always)]
    pub(super) fn row<L: Lanes>(
        &self,
        lanes: L,
        row: usize,
        rows: &[&[f32]],
        moments: &[Moments],
        room: &mut Room,
        to: &mut impl Take,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let Self { gate, n_cues, ref items, .. } = *self;
        let n = gate.n;
        let Room { shares, weights, tables, ends } = room;
        let mut logits = [Side::default(); MAX_EXPERTS];
        lay_out_user(lanes, &gate.user_logits[row * n..][..n], &mut logits[..n]);
        let chooser =
            Chooser { logits: &logits[..n], roles: &self.roles, n_cues, weight: gate.weight, top: gate.top };
        let scale = Scale { moments, compress: self.compress };
        if self.kinds.is_some() {
            for (group, items) in items.chunks_exact(n).enumerate() {
                chooser.weigh(lanes, items, shares, weights);
                for (table, weights) in tables[..n_cues].iter_mut().zip(&*weights) {
                    table[group * WIDTH..][..WIDTH].copy_from_slice(weights);
                }
            }
        }
        let n_items = rows[0].len();
        let bounds = Bounds::new(moments, n_items, self.compress);
        for (group, at) in (0..n_items).step_by(WIDTH).enumerate() {
            if group % LOOK_EVERY == 0 {
                cancel.check()?;
            }
            match &self.kinds {
                Some(kinds) => {
                    let (of, len) = (&kinds.of[at..].as_chunks::<WIDTH>().0[0], kinds.len);
                    for (table, weight) in tables[..n_cues].iter().zip(&mut *weights) {
                        lanes.store(lanes.pick(table, len, of), weight);
                    }
                }
                None => {
                    chooser.weigh(lanes, &items[group * n..][..n], shares, weights);
                }
            }
            let (n, bar) = (WIDTH.min(n_items - at), to.bar());
            if n == WIDTH && bar > f32::NEG_INFINITY {
                let bound = bounds.of(lanes, rows, at, weights);
                if lanes.above(lanes.splat(bar), bound) == ALL {
                    continue;
                }
            }
            let scores = if n == WIDTH {
                scale.sum(lanes, rows, at, weights, &mut ())
            } else {
                // The places beyond the last item may hold anything.
                let mut padded: [&[f32]; MAX_CUES + 1] = [&[]; MAX_CUES + 1];
                for ((padded, end), row) in padded.iter_mut().zip(&mut *ends).zip(rows) {
                    end[..n].copy_from_slice(&row[at..]);
                    *padded = &*end;
                }
                scale.sum(lanes, &padded[..rows.len()], 0, weights, &mut ())
            };
            to.take(lanes, scores, at, n);
        }
        Ok(())
    }
}
