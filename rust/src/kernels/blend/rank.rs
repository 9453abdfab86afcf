//! The best items of users by their blended scores: everything that a user's list takes, in one go and in the caches.

use rayon::prelude::*;

use super::cue::Cue;
use super::mix::{Mix, Room, Take};
use super::moments::Moments;
use super::{Gate, MAX_CUES};
use crate::kernels::cancel::Cancel;
use crate::kernels::csr::Pattern;
use crate::kernels::error::Error;
use crate::kernels::lanes::{Lanes, WIDTH, Work};
use crate::kernels::propagate::Matrix;
use crate::kernels::rank::pack::{item_panels, user_tiles};
use crate::kernels::rank::tile::{PANEL, USERS, dots};
use crate::kernels::rank::{List, Places, Vectors, check_users};
use crate::kernels::simd::Path;

/// Users whose dot products are computed together: each panel of items is read once for them.
const BLOCK: usize = 8 * USERS;

/// A state whose users are ranked: all that goes into a pair's score.
#[derive(Debug, Clone, Copy)]
pub struct Blend<'a> {
    /// Whose dot products are the base.
    pub vectors: Vectors<'a>,
    /// What each user has, `(U, I)`: what the cues' matrices are multiplied with.
    pub histories: Matrix<'a>,
    /// C of them.
    pub cues: &'a [Cue<'a>],
    /// The gate of all U users.
    pub gate: Gate<'a>,
    /// Whether a standardised cue x becomes sign(x) · ln(1 + |x|).
    pub compress: bool,
}

impl Blend<'_> {
    fn check(&self, users: &[i32], seen: Option<Pattern<'_>>) -> Result<(), Error> {
        self.vectors.check()?;
        let (n_users, n_items, n_cues) = (self.vectors.n_users(), self.vectors.n_items(), self.cues.len());
        if n_cues > MAX_CUES {
            return Err(Error::invalid(format!("there may be {MAX_CUES} cues, got {n_cues}")));
        }
        let histories = (self.histories.n_rows(), self.histories.n_cols());
        if histories != (n_users, n_items) {
            return Err(Error::invalid(format!(
                "the histories are {histories:?}, the vectors ({n_users}, {n_items})"
            )));
        }
        for (at, cue) in self.cues.iter().enumerate() {
            cue.check(users.len(), n_items, at)?;
        }
        self.gate.check(n_users, n_items, n_cues)?;
        check_users(users, n_users, n_items, seen)
    }
}

/// Ranks all items for each of `users`, leaving out what they have seen, by the scores that
/// [`blend_scores`](super::blend_scores) gives to the same signals, to the bit.
///
/// Cost: O(B · I · (D + C)), and what the cues cost; nothing of the size `(B, I)` is written. Memory: one packed copy of the
/// items' vectors, and 49 + C rows of I numbers for each thread.
///
/// # Errors
/// [`Error::Invalid`] if a shape does not fit, an index is out of range, a raw score is not finite (the first user that has
/// one is named), or a logit is NaN or too great; [`Error::Cancelled`].
pub fn rank_blend(
    blend: Blend<'_>,
    users: &[i32],
    seen: Option<Pattern<'_>>,
    places: Places<'_>,
    path: Path,
    cancel: &Cancel,
) -> Result<(), Error> {
    places.check(users.len())?;
    blend.check(users, seen)?;
    // Lists of nobody may have any number of places, and vectors of nobody any width.
    if users.is_empty() {
        return Ok(());
    }
    let n_items = blend.vectors.n_items();
    let all: Vec<i32> = (0..n_items as i32).collect();
    let panels = &item_panels(&blend.vectors, &all);
    let mix = &Mix::new(blend.gate, blend.cues.len(), blend.compress, path, cancel)?;
    let Places { items, scores, k } = places;
    let blocks =
        users.par_chunks(BLOCK).zip(items.par_chunks_mut(BLOCK * k)).zip(scores.par_chunks_mut(BLOCK * k));
    // Of several errors the first is told, whichever thread was sooner.
    let failed = blocks
        .enumerate()
        .map_init(
            || Buffers::new(users.len().min(BLOCK), n_items, blend.cues.len()),
            |buffers, (block, ((users, items), scores))| {
                let buffers = buffers.as_mut().map_err(|error| error.clone())?;
                let places = Places { items, scores, k };
                let first = block * BLOCK;
                path.run(Group { blend, panels, mix, seen, users, first, places, buffers, cancel })
            },
        )
        .find_map_first(Result::err);
    failed.map_or(Ok(()), Err)
}

/// What a thread computes in.
struct Buffers {
    /// A row of each cue, then those of the base of a block.
    rows: Vec<f32>,
    room: Box<Room>,
    guess: Guess,
}

/// Where a user's list may end. Scores are standardised, so that the lists of most users end at about the same score, and
/// what is far below it need not be looked at. A list that is not full by a wrong guess is made again without one: no
/// guess changes a list.
struct Guess {
    /// The last score of the list before; -∞ where it was not full.
    last: f32,
    /// How far below it the next one may end.
    margin: f32,
}

impl Guess {
    fn bar(&self) -> f32 {
        self.last - self.margin
    }

    fn failed(&mut self) {
        // The factors here and below settle where one guess in thirty fails.
        self.margin *= 2.0;
    }

    fn learn(&mut self, last: f32) {
        self.last = last;
        self.margin = (self.margin * 0.98).clamp(0.05, 1e3);
    }
}

/// The distance between two rows: whole vectors, and a gap, without which rows of some lengths would compete for one set
/// of the first-level cache.
fn stride(n_items: usize) -> usize {
    n_items.next_multiple_of(WIDTH) + WIDTH
}

impl Buffers {
    fn new(n_users: usize, n_items: usize, n_cues: usize) -> Result<Self, Error> {
        let (mut rows, size) = (Vec::new(), stride(n_items) * (n_cues + n_users));
        rows.try_reserve_exact(size)
            .map_err(|_| Error::invalid(format!("no memory for {size} scores of a block of users")))?;
        rows.resize(size, 0.0);
        Ok(Self { rows, room: Room::new(), guess: Guess { last: f32::NEG_INFINITY, margin: 0.5 } })
    }
}

/// Some users.
struct Group<'a> {
    blend: Blend<'a>,
    panels: &'a [[f32; PANEL]],
    mix: &'a Mix<'a>,
    seen: Option<Pattern<'a>>,
    users: &'a [i32],
    /// The place of the first of them among all.
    first: usize,
    places: Places<'a>,
    buffers: &'a mut Buffers,
    cancel: &'a Cancel,
}

impl Work for Group<'_> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Result<(), Error> {
        let Self { blend, panels, mix, seen, users, first, places, buffers, cancel } = self;
        let n_items = blend.vectors.n_items();
        let stride = stride(n_items);
        let Buffers { rows, room, guess } = buffers;
        let (cues, bases) = rows.split_at_mut(blend.cues.len() * stride);
        self::bases(lanes, &blend.vectors, panels, users, bases, stride);
        let n = 1 + blend.cues.len();
        let Places { items, scores, k } = places;
        let outs = items.chunks_exact_mut(k).zip(scores.chunks_exact_mut(k));
        for (at, (&user, (items, scores))) in users.iter().zip(outs).enumerate() {
            cancel.check()?;
            let row = user as usize;
            for (cue, out) in blend.cues.iter().zip(cues.chunks_exact_mut(stride)) {
                cue.write(lanes, blend.histories, row, first + at, &mut out[..n_items]);
            }
            let mut rows: [&[f32]; MAX_CUES + 1] = [&[]; MAX_CUES + 1];
            rows[0] = &bases[at * stride..][..n_items];
            for (own, cue) in rows[1..n].iter_mut().zip(cues.chunks_exact(stride)) {
                *own = &cue[..n_items];
            }
            let rows = &rows[..n];
            let mut moments = [Moments::default(); MAX_CUES + 1];
            for (signal, (own, row)) in moments.iter_mut().zip(rows).enumerate() {
                *own = Moments::of(lanes, row).ok_or_else(|| not_finite(row, signal, user))?;
            }
            let seen = seen.map_or(&[][..], |seen| seen.row(row));
            let mut bar = guess.bar();
            let list = loop {
                let mut list = List::new(seen, k, n_items, bar);
                mix.row(lanes, row, rows, &moments[..n], room, &mut list, cancel)?;
                if list.is_full() || bar == f32::NEG_INFINITY {
                    break list;
                }
                guess.failed();
                bar = f32::NEG_INFINITY;
            };
            list.finish(items, scores);
            guess.learn(scores[k - 1]);
        }
        Ok(())
    }
}

/// Writes the dot products of up to [`BLOCK`] users with all items, a row each.
#[inline(always)]
fn bases<L: Lanes>(
    lanes: L,
    vectors: &Vectors<'_>,
    panels: &[[f32; PANEL]],
    users: &[i32],
    out: &mut [f32],
    stride: usize,
) {
    let tiles = &user_tiles(vectors, users);
    let mut scores = [[[0.0; PANEL]; USERS]; BLOCK / USERS];
    let scores = &mut scores[..users.len().div_ceil(USERS)];
    for (panel, items) in panels.chunks_exact(vectors.width).enumerate() {
        dots(lanes, tiles, items, scores);
        for (out, scores) in out.chunks_exact_mut(stride).zip(scores.as_flattened()) {
            out[panel * PANEL..][..PANEL].copy_from_slice(scores);
        }
    }
}

impl Take for List<'_> {
    #[inline(always)]
    fn bar(&self) -> f32 {
        List::bar(self)
    }

    #[inline(always)]
    fn take<L: Lanes>(&mut self, lanes: L, scores: L::V, at: usize, n: usize) {
        List::take(self, lanes, scores, at, n);
    }
}

/// The error for a row that has a number that is not finite.
fn not_finite(row: &[f32], signal: usize, user: i32) -> Error {
    let name = if signal == 0 { "base".into() } else { format!("cue {}", signal - 1) };
    let first = row.iter().enumerate().find(|(_, score)| !score.is_finite());
    let (item, score) = first.unwrap_or((0, &f32::NAN));
    Error::invalid(format!("scores must be finite; {name} of user {user} has {score} for item {item}"))
}
