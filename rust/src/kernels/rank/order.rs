//! In which order the items are met: those first that many users are likely to rank high.
//!
//! The order changes no result, only how early the bars rise.

use rayon::prelude::*;

use super::tile::PANEL;
use super::towers::Towers;
use crate::kernels::lanes::{Lanes, Work};
use crate::kernels::simd::Path;

/// Panels of users that are asked: 64 users.
const PANELS: usize = 4;
/// Fewer users than this are not worth asking anybody.
const FEWEST: usize = 16 * PANELS * PANEL;
/// Items per parallel step.
const STEP: usize = 256;

/// All items, those first that have a high mean plus twice the spread over a sample of `users`.
pub(super) fn promising_first(towers: &Towers<'_>, users: &[i32], path: Path) -> Vec<i32> {
    let n_items = towers.n_items();
    let mut order: Vec<i32> = (0..n_items as i32).collect();
    if users.len() < FEWEST {
        return order;
    }
    let width = towers.width;
    let n = PANELS * PANEL;
    let mut sample = vec![[0.0; PANEL]; PANELS * width];
    for at in 0..n {
        let user = users[at * users.len() / n] as usize;
        for (d, &value) in towers.users[user * width..][..width].iter().enumerate() {
            sample[at / PANEL * width + d][at % PANEL] = value;
        }
    }
    let mut promise = vec![0.0; n_items];
    promise
        .par_chunks_mut(STEP)
        .zip(towers.items.par_chunks(STEP * width))
        .for_each(|(promise, items)| path.run(Ask { items, width, sample: &sample, promise }));
    order.par_sort_unstable_by(|&a, &b| promise[b as usize].total_cmp(&promise[a as usize]).then(a.cmp(&b)));
    order
}

struct Ask<'a> {
    items: &'a [f32],
    width: usize,
    sample: &'a [[f32; PANEL]],
    promise: &'a mut [f32],
}

impl Work for Ask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for (item, promise) in self.items.chunks_exact(self.width).zip(self.promise) {
            let (mut sum, mut squares) = (0.0f32, 0.0f32);
            for panel in self.sample.chunks_exact(self.width) {
                let mut scores = lanes.splat(0.0);
                for (&value, users) in item.iter().zip(panel) {
                    scores = lanes.fma(lanes.splat(value), lanes.load(users), scores);
                }
                let mut out = [0.0; PANEL];
                lanes.store(scores, &mut out);
                sum += out.iter().sum::<f32>();
                squares += out.iter().map(|x| x * x).sum::<f32>();
            }
            let mean = sum / (PANELS * PANEL) as f32;
            let variance = squares / (PANELS * PANEL) as f32 - mean * mean;
            *promise = mean + 2.0 * variance.max(0.0).sqrt();
        }
    }
}
